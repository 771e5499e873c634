//===- Vjps.cpp - The gradient table to C++ -------------------------------===//
//
//   -gen-vjps   a function per op that has a gradient, and the table of all ops (needs Vjp.td)
//
//===----------------------------------------------------------------------===//
#include "Generators.h"

#include "mlir/TableGen/Format.h"
#include "llvm/ADT/StringExtras.h"
#include <map>

using namespace llvm;
using namespace regimen::tblgen;
using mlir::tblgen::Attribute;
using mlir::tblgen::NamedAttribute;
using mlir::tblgen::Operator;

namespace {

/// Writes one Vjp record as a function `void vjp<Op>(VjpContext &c)`.
class RuleWriter {
public:
  RuleWriter(const Record *rule, raw_ostream &os)
      : rule(rule), forward(rule->getValueAsDef("op")), os(os) {}

  /// Returns the operands that get a cotangent.
  std::vector<std::string> write() {
    const DagInit *dag = rule->getValueAsDag("rule");
    if (dag->getOperatorAsDef(rule->getLoc())->getName() != "cotangents")
      PrintFatalError(rule, "a rule is (cotangents EXPRESSION:$operand, ...)");
    os << "static void vjp" << forward.getCppClassName() << "(VjpContext &c) {\n";
    std::vector<std::string> operands;
    for (unsigned i = 0; i < dag->getNumArgs(); ++i) {
      StringRef operand = dag->getArgNameStr(i);
      if (!hasOperand(operand))
        PrintFatalError(rule, forward.getOperationName() + " has no operand '" + operand + "'");
      os << "  if (c.wants(\"" << operand << "\"))\n    c.set(\"" << operand << "\", "
         << value(dag->getArg(i)) << ");\n";
      operands.push_back(operand.str());
    }
    os << "}\n";
    return operands;
  }

private:
  bool hasOperand(StringRef name) const {
    for (int i = 0; i < forward.getNumOperands(); ++i)
      if (forward.getOperand(i).name == name)
        return true;
    return false;
  }

  const NamedAttribute *findAttribute(StringRef name) const {
    for (const NamedAttribute &attribute : forward.getAttributes())
      if (attribute.name == name)
        return &attribute;
    return nullptr;
  }

  /// An expression that is one tensor.
  std::string value(const Init *init) {
    const auto *dag = dyn_cast<DagInit>(init);
    if (!dag)
      PrintFatalError(rule, "expected an expression, found " + init->getAsString());
    const Record *head = dag->getOperatorAsDef(rule->getLoc());
    if (head->getName() == "same")
      return "c.grad()";
    return call(head, dag);
  }

  /// The values of one operand group: `name` is the argument's name in the DAG, if it is a leaf.
  std::string group(const Init *init, StringRef name) {
    if (!isa<UnsetInit>(init)) {
      if (const auto *integer = dyn_cast<IntInit>(init))
        return "{c.scalar(int64_t(" + integer->getAsString() + "))}";
      if (const auto *text = dyn_cast<StringInit>(init))
        return "{c.scalar(double(" + text->getValue().str() + "))}";
      return "{" + value(init) + "}";
    }
    if (name == "grad")
      return "{c.grad()}";
    if (hasOperand(name))
      return "c.operands(\"" + name.str() + "\")";
    for (int i = 0; i < forward.getNumResults(); ++i)
      if (forward.getResultName(i) == name)
        return "{c.result(" + std::to_string(i) + ")}";
    PrintFatalError(rule,
                    "'" + name + "' is no operand or result of " + forward.getOperationName());
  }

  static std::string build(const Attribute &attribute, const Twine &text) {
    mlir::tblgen::FmtContext context;
    context.withBuilder("c.builder()");
    return tgfmt(attribute.getConstBuilderTemplate(), &context, text.str()).str();
  }

  /// The value of attribute `target`, from a literal, an attribute of the forward op or a type.
  std::string attribute(const NamedAttribute &target, const Init *init, StringRef name) {
    if (const auto *dag = dyn_cast<DagInit>(init))
      return "c." + dag->getOperatorAsDef(rule->getLoc())->getName().str() + "(\"" +
             dag->getArgNameStr(0).str() + "\")";
    if (isa<UnsetInit>(init)) {
      const NamedAttribute *source = findAttribute(name);
      if (!source)
        PrintFatalError(rule, "'" + name + "' is no attribute of " + forward.getOperationName());
      std::string text = "c.attr(\"" + name.str() + "\"";
      if (source->attr.hasDefaultValue())
        text += ", " + build(source->attr.getBaseAttr(), source->attr.getDefaultValue());
      return text + ")";
    }
    Attribute base = target.attr.getBaseAttr();
    if (const auto *list = dyn_cast<ListInit>(init)) {
      std::string text = "{";
      for (const Init *element : *list)
        text += (text.size() > 1 ? ", " : "") + element->getAsString();
      return build(base, text + "}");
    }
    if (base.getReturnType() == "bool")
      return build(base, cast<IntInit>(init)->getValue() ? "true" : "false");
    return build(base, init->getAsString());
  }

  std::string call(const Record *head, const DagInit *dag) {
    Operator op(head);
    std::string groups, attributes;
    unsigned next = 0;
    for (int i = 0; i < op.getNumArgs(); ++i) {
      auto arg = op.getArg(i);
      bool given = next < dag->getNumArgs();
      const Init *init = given ? dag->getArg(next) : nullptr;
      StringRef name = given ? dag->getArgNameStr(next) : "";
      ++next;
      if (auto *operand = dyn_cast<mlir::tblgen::NamedTypeConstraint *>(arg)) {
        if (!given && !operand->isOptional())
          PrintFatalError(rule, op.getOperationName() + " needs argument '" + operand->name + "'");
        groups += (groups.empty() ? "" : ", ") + (given ? group(init, name) : "{}");
      } else if (given) {
        auto *named = cast<NamedAttribute *>(arg);
        attributes += (attributes.empty() ? "" : ", ");
        attributes += "{\"" + named->name.str() + "\", " + attribute(*named, init, name) + "}";
      } else if (auto *named = cast<NamedAttribute *>(arg);
                 !named->attr.isOptional() && !named->attr.hasDefaultValue()) {
        PrintFatalError(rule, op.getOperationName() + " needs argument '" + named->name + "'");
      }
    }
    if (dag->getNumArgs() > next)
      PrintFatalError(rule, "too many arguments for " + op.getOperationName());
    return "c.emit(\"" + schemaName(head) + "\", {" + groups + "}, {" + attributes + "})";
  }

  const Record *rule;
  Operator forward;
  raw_ostream &os;
};

/// The rows of the generated table, by op, so that no op has two.
class Table {
public:
  explicit Table(raw_ostream &os) : os(os) {}

  void add(const Record *rule, const Record *op, StringRef kind, StringRef function,
           ArrayRef<std::string> operands) {
    std::string cls = op->getName().str();
    std::string list = "{}";
    if (!operands.empty()) {
      os << "static constexpr llvm::StringLiteral operands" << cls << "[] = {";
      for (const std::string &operand : operands)
        os << "\"" << operand << "\", ";
      os << "};\n";
      list = "operands" + cls;
    }
    std::string row = "{VjpKind::" + kind.str() + ", " + function.str() + ", " + list + "}";
    if (!rows.try_emplace("aten." + op->getValueAsString("opName").str(), row).second)
      PrintFatalError(rule, "second gradient rule for " + op->getName());
  }

  void write() {
    os << "static const llvm::StringMap<VjpRule> vjpTable = {\n";
    for (const auto &[name, row] : rows)
      os << "    {\"" << name << "\", " << row << "},\n";
    os << "};\n";
  }

private:
  raw_ostream &os;
  std::map<std::string, std::string> rows;
};

void emitLinearity(const RecordKeeper &records, raw_ostream &os) {
  std::map<std::string, std::string> rows;
  for (const Record *rule : records.getAllDerivedDefinitionsIfDefined("Linearity")) {
    std::string name = "linear" + rule->getName().str();
    os << "static constexpr llvm::StringLiteral " << name << "[] = {";
    for (StringRef operand : rule->getValueAsListOfStrings("operands"))
      os << "\"" << operand << "\", ";
    os << "};\n";
    for (const Record *op : rule->getValueAsListOfDefs("ops"))
      if (!rows.try_emplace("aten." + op->getValueAsString("opName").str(),
                            "{LinearityKind::" + rule->getValueAsString("kind").str() + ", " +
                                name + "}")
               .second)
        PrintFatalError(rule, "second linearity of " + op->getName());
  }
  os << "static const llvm::StringMap<Linearity> linearityTable = {\n";
  for (const auto &[name, row] : rows)
    os << "    {\"" << name << "\", " << row << "},\n";
  os << "};\n";
}

bool emitVjps(const RecordKeeper &records, raw_ostream &os) {
  os << "// Generated by regimen-tblgen -gen-vjps. Do not edit.\n\n";
  Table table(os);
  for (const Record *rule : records.getAllDerivedDefinitionsIfDefined("Vjp")) {
    const Record *op = rule->getValueAsDef("op");
    std::vector<std::string> operands = RuleWriter(rule, os).write();
    table.add(rule, op, "Rule", "vjp" + Operator(op).getCppClassName().str(), operands);
  }
  for (const Record *rule : records.getAllDerivedDefinitionsIfDefined("VjpFunction")) {
    std::vector<std::string> operands;
    for (StringRef operand : rule->getValueAsListOfStrings("operands"))
      operands.push_back(operand.str());
    table.add(rule, rule->getValueAsDef("op"), "Rule",
              "rules::" + rule->getValueAsString("function").str(), operands);
  }
  for (const char *kind : {"NoGradient", "Composite"})
    for (const Record *rule : records.getAllDerivedDefinitionsIfDefined(kind))
      for (const Record *op : rule->getValueAsListOfDefs("ops"))
        table.add(rule, op, kind, "nullptr", {});
  table.write();
  emitLinearity(records, os);
  return false;
}

mlir::GenRegistration genVjps("gen-vjps", "Generate the gradient table", emitVjps);

} // namespace
