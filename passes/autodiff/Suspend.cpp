//===- Suspend.cpp - Micro-steps that a caller resumes --------------------===//
#include "passes/CompileConfig.h"
#include "passes/autodiff/Backward.h"
#include "passes/autodiff/Passes.h"
#include "passes/autodiff/Vjp.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

namespace regimen::passes {
#define GEN_PASS_DEF_SUSPENDPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using namespace regimen::train;

namespace {

using Gradients = BackwardConfig::Gradients;

/// A backward by indices of outputs, arguments and parameters.
struct Variant {
  SmallVector<int64_t> outputs, arguments, parameters;
  Gradients gradients = Gradients::First;
  bool retain = false, local = false;
};

/// What of @forward can bring or get a gradient.
class Differentiability {
public:
  Differentiability(ProgramOp forward, MutableArrayRef<ParameterOp> parameters) : program(forward) {
    Block &block = forward.getBody().front();
    OperandRange outputs = block.getTerminator()->getOperands();
    dependences.resize(outputs.size());
    auto add = [&](Value source, bool isArgument, int64_t index) {
      DependenceAnalysis dependence(forward, source);
      bool reaches = false;
      for (auto [output, lists] : llvm::zip_equal(outputs, dependences))
        if (dependence.requiresGrad(output)) {
          (isArgument ? lists.first : lists.second).push_back(index);
          reaches = true;
        }
      return reaches;
    };
    for (auto [index, argument] : llvm::enumerate(block.getArguments()))
      if (isa<FloatType>(typeOf(argument).getElementType()) && add(argument, true, index) &&
          hasRules(argument))
        arguments.push_back(index);
    for (auto [index, parameter] : llvm::enumerate(parameters)) {
      Value read = parameter.getTrainable() ? firstRead(parameter.getSymName()) : Value();
      if (read && add(read, false, index))
        trained.push_back(index);
    }
    for (auto [index, lists] : llvm::enumerate(dependences))
      if (!lists.first.empty() || !lists.second.empty())
        gradientOutputs.push_back(index);
  }

  Value firstRead(StringRef symbol) {
    for (auto read : program.getBody().getOps<ReadOp>())
      if (read.getSymbol() == symbol)
        return read;
    return {};
  }

  ProgramOp program;
  /// Arguments and parameters, by index, on which each output depends.
  SmallVector<std::pair<SmallVector<int64_t>, SmallVector<int64_t>>> dependences;
  /// Outputs that can bring a gradient; arguments and parameters that can get one from some output.
  SmallVector<int64_t> gradientOutputs, arguments, trained;

private:
  /// Whether every op on the argument's way has a derivative. One that has none is no error before
  /// somebody asks for the argument's gradient.
  bool hasRules(Value argument) {
    DependenceAnalysis dependence(program, argument);
    for (Operation &op : program.getBody().front().without_terminator())
      for (OpOperand &operand : op.getOpOperands()) {
        if (!isa<aten::AtenOpInterface>(op) || !dependence.requiresGrad(operand.get()))
          continue;
        const VjpRule *rule = lookupVjp(&op);
        if (!rule || (rule->kind == VjpKind::Rule &&
                      !isDifferentiable(*rule, &op, operand.getOperandNumber())))
          return false;
      }
    return true;
  }
};

struct SuspendPass : passes::impl::SuspendPassBase<SuspendPass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<CompileConfig> parsed = parseConfig(module, config);
    if (failed(parsed))
      return signalPassFailure();
    const CompileConfig &options = *parsed;
    if (!options.isSuspended())
      return;
    ProgramOp forward = findForward(module);
    if (!forward)
      return signalPassFailure();
    parameters = llvm::to_vector(module.getOps<ParameterOp>());
    Differentiability facts(forward, parameters);
    declareGradients(forward, facts);

    SmallVector<Variant> variants;
    if (failed(collectVariants(options, forward, facts, variants)))
      return signalPassFailure();
    // The segments take its name.
    forward.setSymName("whole");
    if (!options.backward || !options.backward->empty()) {
      copy(forward, "inference", Role::Evaluation);
      Variant fullest{facts.gradientOutputs, facts.arguments, facts.trained, Gradients::Returned};
      if (failed(write(forward, fullest, "forward", Segment::Forward, facts)))
        return signalPassFailure();
      for (auto [index, variant] : llvm::enumerate(variants))
        if (failed(write(forward, variant, "backward" + std::to_string(index), Segment::Backward,
                         facts)))
          return signalPassFailure();
    }
    if (!options.isDriven())
      forward.erase();
  }

private:
  /// The gradient of every parameter that some output depends on, in the order of parameters.
  void declareGradients(ProgramOp forward, const Differentiability &facts) {
    OpBuilder builder(forward);
    for (int64_t index : facts.trained) {
      ParameterOp parameter = parameters[index];
      GradientOp::create(builder, parameter.getLoc(), gradientName(parameter.getSymName()),
                         parameter.getSymName(), parameter.getType());
    }
  }

  LogicalResult collectVariants(const CompileConfig &options, ProgramOp forward,
                                const Differentiability &facts,
                                SmallVectorImpl<Variant> &variants) {
    if (!options.backward) {
      Variant usual{{}, {}, facts.trained, Gradients::First};
      // What depends on inputs alone brings nothing to parameters.
      for (int64_t output : facts.gradientOutputs)
        if (!facts.dependences[output].second.empty())
          usual.outputs.push_back(output);
      if (usual.outputs.empty())
        return success();
      // A training graph's first output is its loss, and what else it returns is seldom seeded.
      Value first = forward.getBody().front().getTerminator()->getOperand(0);
      if (usual.outputs.front() == 0 && typeOf(first).getRank() == 0)
        usual.outputs = {0};
      variants.push_back(usual);
      usual.gradients = Gradients::Later;
      variants.push_back(usual);
      return success();
    }
    llvm::StringMap<int64_t> byName;
    for (auto [index, parameter] : llvm::enumerate(parameters)) {
      byName[parameter.getSymName()] = index;
      for (StringRef alias : parameter.getAliases().getAsValueRange<StringAttr>())
        byName[alias] = index;
    }
    for (const BackwardConfig &wanted : *options.backward) {
      Variant variant{llvm::to_vector(wanted.outputs),
                      llvm::to_vector(wanted.inputs),
                      facts.trained,
                      wanted.gradients,
                      wanted.retain,
                      wanted.local};
      for (int64_t output : variant.outputs)
        if (!llvm::is_contained(facts.gradientOutputs, output))
          return forward.emitError()
                 << "key 'backward': output " << output
                 << " brings no gradient: it does not exist, is no floating-point tensor, or "
                    "depends on no parameter and no input";
      for (int64_t input : variant.arguments)
        if (input >= int64_t(forward.getInputs().size()))
          return forward.emitError() << "key 'backward': there is no input " << input;
      if (wanted.parameters) {
        variant.parameters.clear();
        for (const std::string &name : *wanted.parameters) {
          auto it = byName.find(name);
          if (it == byName.end() || !parameters[it->second].getTrainable())
            return forward.emitError()
                   << "key 'backward': there is no trainable parameter '" << name << "'";
          variant.parameters.push_back(it->second);
        }
        llvm::sort(variant.parameters);
      }
      variants.push_back(std::move(variant));
    }
    return success();
  }

  static ArrayAttr ports(Builder &builder, ArrayRef<std::pair<PortKind, int64_t>> list) {
    return builder.getArrayAttr(llvm::map_to_vector(list, [&](auto port) -> Attribute {
      return PortAttr::get(builder.getContext(), port.first, port.second);
    }));
  }

  static SmallVector<std::pair<PortKind, int64_t>> portsOf(PortKind kind, size_t count) {
    SmallVector<std::pair<PortKind, int64_t>> list;
    for (size_t index = 0; index < count; ++index)
      list.push_back({kind, index});
    return list;
  }

  /// A copy of @forward for a caller: one that wants no gradient if its role is evaluation.
  ProgramOp copy(ProgramOp forward, const Twine &name, Role role) {
    OpBuilder builder(forward);
    auto program = cast<ProgramOp>(builder.clone(*forward));
    program.setSymName(name.str());
    program.setRole(role);
    program.removeLossAttr();
    program.setTakesAttr(ports(builder, portsOf(PortKind::Argument, program.getInputs().size())));
    program.setGivesAttr(ports(builder, portsOf(PortKind::Output, program.getOutputs().size())));
    return program;
  }

  /// A micro-step whose backward is `variant`.
  LogicalResult write(ProgramOp forward, const Variant &variant, const Twine &name, Segment segment,
                      const Differentiability &facts) {
    ProgramOp program = copy(forward, name, Role::MicroStep);
    program.setSegment(segment);
    Block &block = program.getBody().front();
    llvm::StringMap<Value> reads;
    for (auto read : block.getOps<ReadOp>())
      reads.try_emplace(read.getSymbol(), read);
    SmallVector<Value> sources, outputs;
    for (int64_t index : variant.arguments)
      sources.push_back(block.getArgument(index));
    for (int64_t index : variant.parameters)
      if (Value read = reads.lookup(parameters[index].getSymName()))
        sources.push_back(read);
    for (int64_t index : variant.outputs)
      outputs.push_back(block.getTerminator()->getOperand(index));

    ActivityAnalysis activity(program, sources, outputs);
    Backward backward(program, activity);
    OpBuilder &builder = backward.builder();
    Location loc = block.getTerminator()->getLoc();
    auto suspend = SuspendOp::create(
        builder, loc, llvm::map_to_vector(outputs, [](Value v) -> Type { return v.getType(); }),
        outputs, variant.outputs);
    for (auto [index, output, gradient] :
         llvm::zip_equal(variant.outputs, outputs, suspend.getGradients())) {
      if (activity.isActive(output))
        backward.seed(output, gradient);
      else if (segment == Segment::Backward)
        return forward.emitError() << "key 'backward': output " << index
                                   << " depends on no input and no parameter that wants a gradient";
    }
    if (failed(backward.run()))
      return failure();

    giveGradients(program, variant, backward, facts);
    return success();
  }

  /// Writes, adds or returns what the backward made.
  void giveGradients(ProgramOp program, const Variant &variant, const Backward &backward,
                     const Differentiability &facts) {
    Block &block = program.getBody().front();
    Builder builder(program.getContext());
    SmallVector<Value> results(block.getTerminator()->getOperands());
    SmallVector<Attribute> names(program.getOutputs().getValue());
    SmallVector<Attribute> gives(program.getGives()->getValue());
    auto give = [&](Value value, PortKind kind, int64_t index, const Twine &name) {
      results.push_back(value);
      names.push_back(builder.getStringAttr(name));
      gives.push_back(PortAttr::get(program.getContext(), kind, index));
    };
    for (int64_t index : variant.arguments)
      if (Value value = backward.gradientOf(block.getArgument(index)))
        give(value, PortKind::ArgumentGradient, index,
             cast<StringAttr>(program.getInputs()[index]).getValue() + ":grad");
    SmallVector<int64_t> contributes;
    for (int64_t index : variant.parameters) {
      StringRef parameter = parameters[index].getSymName();
      Value value = backward.gradientOf(parameter);
      if (!value)
        continue;
      contributes.push_back(index);
      if (variant.gradients == Gradients::Returned)
        give(value, PortKind::ParameterGradient, index, gradientName(parameter));
      else
        contribute(value, parameter, index, variant.gradients);
    }
    block.getTerminator()->setOperands(results);
    program.setOutputsAttr(builder.getArrayAttr(names));
    program.setGivesAttr(builder.getArrayAttr(gives));
    if (program.getSegment() == Segment::Forward) {
      setDependences(program, facts);
      return;
    }
    program.setContribution(variant.gradients == Gradients::First   ? Contribution::First
                            : variant.gradients == Gradients::Later ? Contribution::Later
                                                                    : Contribution::None);
    program.setVariantAttr(VariantAttr::get(program.getContext(), variant.outputs,
                                            variant.arguments, variant.parameters, contributes,
                                            variant.retain, variant.local));
  }

  static void contribute(Value value, StringRef parameter, int64_t index, Gradients gradients) {
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    std::string symbol = gradientName(parameter);
    if (gradients == Gradients::First)
      WriteOp::create(builder, value.getLoc(), value, symbol);
    else
      AccumulateOp::create(builder, value.getLoc(), value, symbol, index);
  }

  static void setDependences(ProgramOp program, const Differentiability &facts) {
    MLIRContext *context = program.getContext();
    SmallVector<Attribute> dependences =
        llvm::map_to_vector(facts.dependences, [&](const auto &lists) -> Attribute {
          return DependenceAttr::get(context, lists.first, lists.second);
        });
    // Gradients, which the split takes away, depend on nothing that a caller asks about.
    dependences.resize(program.getOutputs().size(), DependenceAttr::get(context, {}, {}));
    program.setDependencesAttr(ArrayAttr::get(context, dependences));
  }

  SmallVector<ParameterOp> parameters;
};

} // namespace
