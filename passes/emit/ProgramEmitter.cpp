//===- ProgramEmitter.cpp - One exec.program as a plan's program ----------===//
#include "passes/emit/ProgramEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
namespace fb = regimen::plan::fb;

namespace {

fb::Role emitRole(exec::ProgramOp program) {
  switch (program.getRole()) {
  case train::Role::MicroStep:
    return fb::Role::MicroStep;
  case train::Role::Update:
    return fb::Role::Update;
  case train::Role::Evaluation:
    return fb::Role::Evaluation;
  case train::Role::Forward:
    break;
  }
  failEmit(program, "a program that neither trains nor evaluates");
}

class ProgramEmitter {
public:
  ProgramEmitter(exec::ProgramOp program, PlanTables &tables)
      : program(program), tables(tables), result(std::make_unique<fb::ProgramT>()) {}

  std::unique_ptr<fb::ProgramT> run() {
    result->name = program.getSymName().str();
    result->role = emitRole(program);
    result->contribution = static_cast<fb::Contribution>(program.getContribution());
    result->events = static_cast<uint32_t>(program.getEvents());
    result->lower_bound = program.getLowerBound().value_or(0);
    result->segment = static_cast<fb::Segment>(program.getSegment());
    if (std::optional<train::VariantAttr> variant = program.getVariant())
      emitVariant(*variant);
    if (std::optional<ArrayAttr> keeps = program.getKeeps())
      for (auto port : keeps->getAsRange<train::PortAttr>())
        (port.getKind() == train::PortKind::Argument ? result->kept_arguments
                                                     : result->kept_outputs)
            .push_back(static_cast<uint32_t>(port.getIndex()));
    for (Operation &op : program.getBody().front())
      emitOp(&op);
    emitOutputs();
    return std::move(result);
  }

private:
  static std::vector<uint32_t> emitIndices(ArrayRef<int64_t> indices) {
    return {indices.begin(), indices.end()};
  }

  void emitVariant(train::VariantAttr variant) {
    result->gradient_outputs = emitIndices(variant.getOutputs());
    result->wanted_arguments = emitIndices(variant.getArguments());
    result->wanted_parameters = emitIndices(variant.getParameters());
    result->gradients = emitIndices(variant.getGradients());
    result->retain = variant.getRetain();
    result->local = variant.getLocal();
  }

  void emitOp(Operation *op) {
    if (isa<exec::GetOp, exec::BufferOp, exec::ViewOp, exec::ReturnOp>(op))
      return;
    if (auto given = dyn_cast<exec::GivenOp>(op))
      return emitGiven(given);
    if (auto instruction = dyn_cast<exec::InstructionOpInterface>(op))
      return emitInstruction(instruction);
    emitScalar(op);
  }

  //===--------------------------------------------------------------------===//
  // Scalars
  //===--------------------------------------------------------------------===//

  void emitScalar(Operation *op) {
    if (op->use_empty())
      return;
    auto entry = std::make_unique<fb::ScalarOpT>();
    if (op->getNumResults() != 1 || !op->getResult(0).getType().isF64())
      failEmit(op, "a scalar that is no double");
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      entry->kind = fb::ScalarKind::Constant;
      entry->value = cast<FloatAttr>(constant.getValue()).getValueAsDouble();
    } else if (auto hyper = dyn_cast<train::HyperOp>(op)) {
      entry->kind = fb::ScalarKind::Hyper;
      entry->hyper = static_cast<fb::Hyper>(hyper.getKind());
      entry->group = static_cast<uint32_t>(hyper.getGroup());
    } else {
      std::optional<fb::ScalarKind> kind =
          TypeSwitch<Operation *, std::optional<fb::ScalarKind>>(op)
              .Case([](arith::AddFOp) { return fb::ScalarKind::Add; })
              .Case([](arith::SubFOp) { return fb::ScalarKind::Sub; })
              .Case([](arith::MulFOp) { return fb::ScalarKind::Mul; })
              .Case([](arith::DivFOp) { return fb::ScalarKind::Div; })
              .Case([](arith::NegFOp) { return fb::ScalarKind::Neg; })
              .Case([](math::PowFOp) { return fb::ScalarKind::Pow; })
              .Case([](math::SqrtOp) { return fb::ScalarKind::Sqrt; })
              .Default(std::nullopt);
      if (!kind)
        failEmit(op, "a scalar operation that plans do not have");
      entry->kind = *kind;
      entry->a = registers.at(op->getOperand(0));
      entry->b = op->getNumOperands() > 1 ? registers.at(op->getOperand(1)) : 0;
    }
    registers[op->getResult(0)] = static_cast<uint32_t>(result->scalars.size());
    result->scalars.push_back(std::move(entry));
  }

  //===--------------------------------------------------------------------===//
  // Instructions
  //===--------------------------------------------------------------------===//

  void emitInstruction(exec::InstructionOpInterface op) {
    auto entry = std::make_unique<fb::InstructionT>();
    entry->lane = static_cast<fb::Lane>(op.getLane());
    entry->location = tables.locationOf(op);
    TypeSwitch<Operation *>(op)
        .Case([&](exec::CallOp call) { entry->body.Set(emitCall(call)); })
        .Case([&](exec::CollectiveOp collective) { entry->body.Set(emitCollective(collective)); })
        .Case([&](exec::LoadInputOp load) { entry->body.Set(emitLoad(load)); })
        .Case([&](exec::RecordOp record) {
          fb::RecordT body;
          body.event = static_cast<uint32_t>(record.getEvent());
          entry->body.Set(body);
        })
        .Case([&](exec::WaitOp wait) {
          fb::WaitT body;
          body.event = static_cast<uint32_t>(wait.getEvent());
          entry->body.Set(body);
        })
        .Default(
            [](Operation *other) { failEmit(other, "an instruction that plans do not have"); });
    result->instructions.push_back(std::move(entry));
  }

  fb::CollectiveT emitCollective(exec::CollectiveOp op) {
    fb::CollectiveT body;
    body.kind = static_cast<fb::CollectiveKind>(op.getCollective());
    if (std::optional<StringRef> bucket = op.getBucket())
      body.bucket = tables.bucketIndex(*bucket);
    body.accumulate = op.getAccumulate();
    body.whole = tables.tensorOf(op.getWhole());
    if (Value part = op.getPart())
      body.part = static_cast<int32_t>(tables.tensorOf(part));
    for (Value member : op.getMembers())
      body.members.push_back(tables.tensorOf(member));
    if (Value scratch = op.getScratch())
      body.scratch = static_cast<int32_t>(tables.bufferOf(scratch));
    return body;
  }

  fb::LoadInputT emitLoad(exec::LoadInputOp load) {
    auto input = std::make_unique<fb::InputT>();
    input->name = cast<StringAttr>(program.getInputs()[load.getInput()]).str();
    input->tensor = tables.tensorOf(load.getTensor());
    fb::LoadInputT body;
    body.input = static_cast<uint32_t>(result->inputs.size());
    result->inputs.push_back(std::move(input));
    return body;
  }

  void emitGiven(exec::GivenOp given) {
    auto port = cast<train::PortAttr>((*program.getTakes())[given.getInput()]);
    auto input = std::make_unique<fb::InputT>();
    input->name = cast<StringAttr>(program.getInputs()[given.getInput()]).str();
    input->tensor = tables.tensorOf(given.getTensor());
    input->source = port.getKind() == train::PortKind::Argument ? fb::InputSource::Argument
                    : port.getKind() == train::PortKind::Output ? fb::InputSource::Output
                                                                : fb::InputSource::OutputGradient;
    input->index = static_cast<uint32_t>(port.getIndex());
    result->inputs.push_back(std::move(input));
  }

  fb::CallT emitCall(exec::CallOp call) {
    fb::CallT body;
    body.kernel = tables.kernelOf(call);
    OperandRange operands = call.getInputs();
    for (auto arg : call.getArgs().getAsRange<exec::ArgAttr>()) {
      size_t count = arg.getNumOperands();
      body.args.push_back(emitArg(arg, operands.take_front(count)));
      operands = operands.drop_front(count);
    }
    for (Value output : call.getOutputs())
      body.results.push_back(tables.tensorOf(output));
    if (Value scratch = call.getScratch())
      body.scratch = static_cast<int32_t>(tables.bufferOf(scratch));
    return body;
  }

  std::unique_ptr<fb::ArgT> emitArg(exec::ArgAttr arg, OperandRange operands) {
    auto entry = std::make_unique<fb::ArgT>();
    entry->kind = static_cast<fb::ArgKind>(arg.getKind());
    Attribute value = arg.getValue();
    switch (arg.getKind()) {
    case exec::ArgKind::Default:
    case exec::ArgKind::None:
      break;
    case exec::ArgKind::Tensor:
      entry->tensor = tables.tensorOf(operands.front());
      break;
    case exec::ArgKind::TensorList:
      for (Value operand : operands)
        entry->tensors.push_back(static_cast<int32_t>(tables.tensorOf(operand)));
      break;
    case exec::ArgKind::OptionalTensorList:
      for (bool present : cast<DenseBoolArrayAttr>(value).asArrayRef()) {
        entry->tensors.push_back(present ? static_cast<int32_t>(tables.tensorOf(operands.front()))
                                         : -1);
        operands = operands.drop_front(present);
      }
      break;
    case exec::ArgKind::Int:
    case exec::ArgKind::ScalarInt:
      entry->i = cast<IntegerAttr>(value).getInt();
      break;
    case exec::ArgKind::Bool:
    case exec::ArgKind::ScalarBool:
      entry->i = cast<BoolAttr>(value).getValue();
      break;
    case exec::ArgKind::Float:
    case exec::ArgKind::ScalarFloat:
      entry->f = cast<FloatAttr>(value).getValueAsDouble();
      break;
    case exec::ArgKind::IntList:
      entry->ints = std::vector<int64_t>(cast<DenseI64ArrayAttr>(value).asArrayRef());
      break;
    case exec::ArgKind::FloatList:
      entry->floats = std::vector<double>(cast<DenseF64ArrayAttr>(value).asArrayRef());
      break;
    case exec::ArgKind::BoolList:
      for (bool element : cast<DenseBoolArrayAttr>(value).asArrayRef())
        entry->ints.push_back(element);
      break;
    case exec::ArgKind::DType:
      entry->i = static_cast<int64_t>(emitDType(cast<TypeAttr>(value).getValue()));
      break;
    case exec::ArgKind::String:
      entry->s = cast<StringAttr>(value).str();
      break;
    case exec::ArgKind::ScalarRegister:
      entry->i = registers.at(operands.front());
      break;
    }
    return entry;
  }

  //===--------------------------------------------------------------------===//
  // Outputs
  //===--------------------------------------------------------------------===//

  static void emitPort(fb::OutputT &output, train::PortAttr port) {
    output.kind = port.getKind() == train::PortKind::Output ? fb::OutputKind::Value
                  : port.getKind() == train::PortKind::ArgumentGradient
                      ? fb::OutputKind::ArgumentGradient
                      : fb::OutputKind::ParameterGradient;
    output.index = static_cast<uint32_t>(port.getIndex());
  }

  void emitOutputs() {
    auto names = program.getOutputs().getAsValueRange<StringAttr>();
    for (auto [index, name, value] :
         llvm::enumerate(names, program.getBody().front().getTerminator()->getOperands())) {
      auto output = std::make_unique<fb::OutputT>();
      output->name = name.str();
      output->tensor = tables.tensorOf(value);
      output->index = static_cast<uint32_t>(index);
      if (program.getGives())
        emitPort(*output, cast<train::PortAttr>((*program.getGives())[index]));
      if (program.getDependences()) {
        auto dependence = cast<train::DependenceAttr>((*program.getDependences())[index]);
        output->arguments = emitIndices(dependence.getArguments());
        output->parameters = emitIndices(dependence.getParameters());
      }
      result->outputs.push_back(std::move(output));
    }
    auto indexOf = [](std::optional<uint64_t> index) {
      return index ? static_cast<int32_t>(*index) : -1;
    };
    result->loss = indexOf(program.getLoss());
    result->grad_norm = indexOf(program.getGradNorm());
  }

  exec::ProgramOp program;
  PlanTables &tables;
  std::unique_ptr<fb::ProgramT> result;
  llvm::DenseMap<Value, uint32_t> registers;
};

} // namespace

std::unique_ptr<fb::ProgramT> regimen::passes::emitProgram(exec::ProgramOp program,
                                                           PlanTables &tables) {
  return ProgramEmitter(program, tables).run();
}
