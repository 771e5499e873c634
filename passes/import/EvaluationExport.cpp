//===- EvaluationExport.cpp - An evaluation graph of its own --------------===//
#include "passes/import/EvaluationExport.h"

#include "dialects/train/TrainDialect.h"
#include "formats/Error.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::train;

namespace {

std::string text(Type type) {
  std::string result;
  llvm::raw_string_ostream(result) << type;
  return result;
}

/// The parameters and buffers of a graph, and all their names.
class Stored {
public:
  explicit Stored(ModuleOp module) {
    for (auto op : module.getOps<StorageOpInterface>()) {
      StringRef name = SymbolTable::getSymbolName(op).getValue();
      names[name] = op;
      if (auto parameter = dyn_cast<ParameterOp>(*op))
        for (StringRef alias : parameter.getAliases().getAsValueRange<StringAttr>())
          names[alias] = op;
      all.push_back(op);
    }
  }

  StorageOpInterface find(StringRef name) const { return names.lookup(name); }
  ArrayRef<StorageOpInterface> list() const { return all; }

private:
  llvm::StringMap<StorageOpInterface> names;
  SmallVector<StorageOpInterface> all;
};

class Merger {
public:
  Merger(ModuleOp training, ModuleOp evaluation, const std::string &archive)
      : training(training), evaluation(evaluation), archive(archive), known(training),
        own(evaluation) {}

  void run() {
    ProgramOp program = *evaluation.getOps<ProgramOp>().begin();
    for (auto write : program.getBody().getOps<WriteOp>())
      fail("its graph updates buffer '" + write.getSymbol().str() +
           "', so it was exported in training mode; export the model after model.eval()");
    for (StorageOpInterface op : own.list())
      compare(op);
    for (auto parameter : training.getOps<ParameterOp>())
      if (!own.find(parameter.getSymName()))
        fail("it lacks parameter '" + parameter.getSymName().str() + "' of the training graph");
    for (auto read : program.getBody().getOps<ReadOp>())
      read.setSymbolAttr(
          FlatSymbolRefAttr::get(SymbolTable::getSymbolName(known.find(read.getSymbol()))));
    program->remove();
    program.setSymName("evaluation");
    program.setRole(Role::Evaluation);
    SymbolTable(training).insert(program);
  }

private:
  [[noreturn]] void fail(const std::string &what) const {
    throw Error("evaluation graph '" + archive + "': " + what);
  }

  void compare(StorageOpInterface op) const {
    std::string name = SymbolTable::getSymbolName(op).str();
    auto parameter = dyn_cast<ParameterOp>(*op);
    std::string what = (parameter ? "parameter '" : "buffer '") + name + "'";
    StorageOpInterface other = known.find(name);
    if (!other || isa<ParameterOp>(*other) != bool(parameter))
      fail("its " + what + " is none of the training graph; both are exports of one module");
    if (other.getTensorType() != op.getTensorType())
      fail("its " + what + " is " + text(op.getTensorType()) + ", that of the training graph " +
           text(other.getTensorType()));
    if (parameter)
      return compareTies(parameter, cast<ParameterOp>(*other));
    auto mine = cast<BufferOp>(*op), theirs = cast<BufferOp>(*other);
    if (mine.getPersistent() != theirs.getPersistent() ||
        mine.getValueAttr() != theirs.getValueAttr())
      fail("its " + what +
           " has another value than that of the training graph; make it persistent, or a constant "
           "of the model's forward");
  }

  /// Every name of the one parameter is a name of the other.
  void compareTies(ParameterOp mine, ParameterOp theirs) const {
    auto check = [&](ParameterOp from, const Stored &other, ParameterOp to) {
      for (StringRef alias : from.getAliases().getAsValueRange<StringAttr>())
        if (other.find(alias) != to)
          fail("parameters '" + from.getSymName().str() + "' and '" + alias.str() +
               "' are tied in one of the two graphs only");
    };
    check(mine, known, theirs);
    check(theirs, own, mine);
  }

  ModuleOp training, evaluation;
  const std::string &archive;
  Stored known, own;
};

} // namespace

void passes::addEvaluation(ModuleOp training, ModuleOp evaluation, const std::string &archive) {
  Merger(training, evaluation, archive).run();
}
