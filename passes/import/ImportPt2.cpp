//===- ImportPt2.cpp - An exported program as IR --------------------------===//
#include "passes/import/ImportPt2.h"

#include "dialects/aten/AtenOps.h"
#include "dialects/train/TrainDialect.h"
#include "formats/Error.h"
#include "passes/import/GraphChecks.h"
#include "passes/import/Literals.h"
#include "passes/import/LossOutput.h"
#include "passes/import/NodeImporter.h"
#include "passes/import/Specialization.h"
#include "passes/import/Storage.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using InputKind = pt2::InputSpec::Kind;
using OutputKind = pt2::OutputSpec::Kind;

namespace {

class Importer {
public:
  Importer(const pt2::Archive &archive, const pt2::ExportedProgram &program,
           const ImportOptions &options, MLIRContext &context)
      : archive(archive), program(program), options(options), builder(&context),
        specialization(program, options.dims, options.dimsOption),
        storage(archive, program, context),
        nodes(builder, program.graph, specialization.bindings()) {}

  OwningOpRef<ModuleOp> run();

private:
  void importProgramOp();
  SmallVector<const pt2::InputSpec *> tensorInputs() const;
  void readStorage();
  void importOutputs(train::ProgramOp op);
  Location loc() const { return FileLineColLoc::get(builder.getContext(), archive.name(), 0, 0); }

  const pt2::Archive &archive;
  const pt2::ExportedProgram &program;
  const ImportOptions &options;
  OpBuilder builder;
  Specialization specialization;
  Storage storage;
  NodeImporter nodes;
};

OwningOpRef<ModuleOp> Importer::run() {
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc());
  builder.setInsertionPointToEnd(module->getBody());
  storage.declare(builder);
  importProgramOp();
  // Sources of trouble up to here are the archive's; what the verifier finds has its own
  // diagnostic.
  if (failed(verify(*module)))
    return nullptr;
  return module;
}

SmallVector<const pt2::InputSpec *> Importer::tensorInputs() const {
  SmallVector<const pt2::InputSpec *> inputs;
  for (const pt2::InputSpec &spec : program.inputSpecs) {
    if (spec.kind == InputKind::CustomObj || spec.kind == InputKind::Token)
      throw Error("'" + archive.name() + "': input '" + spec.name +
                  "' is an object, not a tensor; export a model that takes and holds tensors only");
    if (spec.kind == InputKind::UserInput && spec.value.getIf<pt2::TensorArg>())
      inputs.push_back(&spec);
  }
  return inputs;
}

void Importer::importProgramOp() {
  SmallVector<StringRef> inputNames;
  SmallVector<Type> inputTypes;
  SmallVector<const pt2::InputSpec *> inputs = tensorInputs();
  for (const pt2::InputSpec *spec : inputs) {
    inputNames.push_back(spec->name);
    inputTypes.push_back(nodes.typeOf(spec->name));
  }
  auto op = train::ProgramOp::create(builder, loc(), "forward", train::Role::Forward,
                                     train::Contribution::None, builder.getStrArrayAttr(inputNames),
                                     builder.getStrArrayAttr({}), IntegerAttr(), IntegerAttr());
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&op.getBody());
  for (auto [spec, type] : llvm::zip_equal(inputs, inputTypes))
    nodes.bind(spec->name, block->addArgument(type, loc()));
  readStorage();
  for (const pt2::Node &node : program.graph.nodes)
    nodes.import(node);
  importOutputs(op);
}

void Importer::readStorage() {
  // Names of one tensor share one read.
  llvm::StringMap<Value> reads;
  for (const pt2::InputSpec &spec : program.inputSpecs) {
    if (spec.kind == InputKind::TensorConstant) {
      if (DenseElementsAttr value = storage.constant(spec.target)) {
        nodes.bind(spec.name, aten::ConstantOp::create(builder, loc(), value));
        continue;
      }
    } else if (spec.kind != InputKind::Parameter && spec.kind != InputKind::Buffer) {
      continue;
    }
    const std::string &symbol = storage.symbol(spec.target);
    Value &read = reads[symbol];
    if (!read) {
      StringRef layer = StringRef(symbol).rsplit('.').first;
      if (layer == symbol)
        layer = "";
      read = train::ReadOp::create(
          builder, NameLoc::get(builder.getStringAttr(layer), builder.getUnknownLoc()),
          storage.type(spec.target), FlatSymbolRefAttr::get(builder.getContext(), symbol));
    }
    nodes.bind(spec.name, read);
  }
}

void Importer::importOutputs(train::ProgramOp op) {
  SmallVector<Value> results;
  SmallVector<std::string> names;
  std::vector<std::optional<size_t>> resultOf; // by user output; none for what is no tensor
  for (const pt2::OutputSpec &spec : program.outputSpecs) {
    if (spec.kind == OutputKind::BufferMutation) {
      if (!storage.isBuffer(spec.target))
        throw Error("'" + archive.name() + "': the graph updates '" + spec.target +
                    "', which is no buffer");
      train::WriteOp::create(
          builder, loc(), nodes.lookup(spec.name),
          FlatSymbolRefAttr::get(builder.getContext(), storage.symbol(spec.target)));
      continue;
    }
    if (spec.kind == OutputKind::ParameterMutation || spec.kind == OutputKind::UserInputMutation)
      throw Error("'" + archive.name() + "': the graph writes to " +
                  (spec.kind == OutputKind::ParameterMutation ? "parameter '" : "input '") +
                  spec.target + "'; a model may update only its buffers");
    if (spec.kind != OutputKind::UserOutput && spec.kind != OutputKind::LossOutput)
      throw Error("'" + archive.name() + "': output '" + spec.name +
                  "' is a gradient or a token; export the model's forward alone");
    resultOf.emplace_back();
    if (!spec.value.getIf<pt2::TensorArg>())
      continue;
    resultOf.back() = results.size();
    // A value that the model returns twice has one name in the signature.
    std::string &name = names.emplace_back(spec.name);
    for (size_t copy = 1; llvm::count(names, name) > 1; ++copy)
      name = spec.name + "." + std::to_string(copy);
    results.push_back(nodes.lookup(spec.name));
  }
  op.setOutputsAttr(builder.getStrArrayAttr(SmallVector<StringRef>(names.begin(), names.end())));
  train::ReturnOp::create(builder, loc(), results);
  if (!options.needsLoss)
    return;
  size_t userOutput = findLoss(program, options.loss);
  std::optional<size_t> loss = resultOf[userOutput];
  auto type = loss ? dyn_cast<RankedTensorType>(results[*loss].getType()) : RankedTensorType();
  if (!type || type.getRank() != 0 || !isa<FloatType>(type.getElementType())) {
    std::string found;
    llvm::raw_string_ostream os(found);
    if (type)
      os << "a " << type;
    else
      os << "no tensor";
    throw Error("'" + archive.name() + "': the loss, output " + std::to_string(userOutput) +
                (loss ? " ('" + names[*loss] + "')" : "") + ", is " + found +
                "; it must be a floating-point scalar. The model's forward must return its loss; "
                "choose another output with --set loss=INDEX or a key. " +
                describeOutputs(program));
  }
  op.setLossAttr(builder.getI64IntegerAttr(*loss));
}

} // namespace

OwningOpRef<ModuleOp> passes::importProgram(const pt2::Archive &archive,
                                            const pt2::ExportedProgram &program,
                                            const ImportOptions &options, MLIRContext &context) {
  checkGraph(archive, program);
  if (!program.marks)
    emitWarning(FileLineColLoc::get(&context, archive.name(), 0, 0))
        << "this archive was not written by regimen.export: torch.no_grad() regions of the model, "
           "if it has any, are lost and gradients flow through them";
  return Importer(archive, program, options, context).run();
}
