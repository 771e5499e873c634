//===- BuildUpdate.cpp - The optimizer as a program -----------------------===//
//
// Writes the update in torch.optim's single-tensor order, one parameter after the other, so that
// its bits are torch.optim's (foreach=False). Scalars are computed in double, as Python does. With
// fuse.enable, AdamW is one fused kernel per group instead.
//
//===----------------------------------------------------------------------===//
#include "dialects/aten/AtenOps.h"
#include "dialects/train/TrainDialect.h"
#include "passes/CompileConfig.h"
#include "passes/autodiff/ParameterGroups.h"
#include "passes/autodiff/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace regimen::passes {
#define GEN_PASS_DEF_BUILDUPDATEPASS
#include "passes/autodiff/Passes.h.inc"
} // namespace regimen::passes

using namespace mlir;
using namespace regimen;
using namespace regimen::train;

namespace {

/// A parameter that the update changes.
struct Trained {
  ParameterOp parameter;
  GradientOp gradient;
  Value grad;
};

/// Builds the body of the update program.
class UpdateBuilder {
public:
  UpdateBuilder(OpBuilder &builder, ModuleOp module, const CompileConfig &config)
      : b(builder), module(module), config(config), groups(config.optimizer) {}

  /// Fills the program after `program`'s start; returns the global gradient norm. A caller measures
  /// and clips gradients itself: then there is none.
  Value build(MutableArrayRef<Trained> trained) {
    SmallVector<Value> grads;
    for (Trained &t : trained) {
      t.grad = ReadOp::create(b, t.parameter.getLoc(), t.gradient.getTensorType(),
                              t.gradient.getSymName());
      grads.push_back(t.grad);
    }
    Location loc = module.getLoc();
    Value norm;
    if (config.isDriven())
      norm = GlobalNormOp::create(b, loc, RankedTensorType::get({}, b.getF32Type()), grads);
    if (config.isDriven() && config.clipGradNorm)
      clip(trained, norm);
    if (config.optimizer.type == "adamw" && config.fuse)
      fusedAdamW(trained);
    else
      for (Trained &t : trained)
        config.optimizer.type == "adamw" ? adamW(t) : sgd(t);
    return norm;
  }

private:
  /// clip_grad_norm_: g *= clamp(max_norm / (norm + 1e-6), max=1).
  void clip(MutableArrayRef<Trained> trained, Value norm) {
    Location loc = module.getLoc();
    Value sum = aten::AddScalarOp::create(b, loc, norm.getType(), norm, f64(1e-6), Value());
    Value inverse = aten::ReciprocalOp::create(b, loc, norm.getType(), sum);
    Value ratio =
        aten::MulScalarOp::create(b, loc, norm.getType(), inverse, f64(*config.clipGradNorm));
    Value coefficient = aten::ClampOp::create(b, loc, norm.getType(), ratio, Value(), f64(1.0));
    for (Trained &t : trained) {
      Location at = t.parameter.getLoc();
      t.grad = aten::MulTensorOp::create(b, at, t.grad.getType(), t.grad, coefficient);
      WriteOp::create(b, at, t.grad, t.gradient.getSymName());
    }
  }

  /// Whether a parameter decays. A caller says so step by step; a factor of one changes no bits.
  bool decays(Trained &t) const {
    if (!config.isDriven())
      return config.optimizer.type == "adamw" || config.optimizer.weightDecay != 0;
    return groups.groups()[groups.groupOf(t.parameter.getSymName().str())].weightDecay != 0;
  }

  void adamW(Trained &t) {
    Location loc = t.parameter.getLoc();
    int64_t group = t.parameter.getGroup();
    Type type = t.gradient.getTensorType();
    Value p = ReadOp::create(b, loc, type, t.parameter.getSymName());
    Value m = readState(t, "exp_avg"), v = readState(t, "exp_avg_sq");
    Value lr = hyper(Hyper::Lr, group), beta1 = hyper(Hyper::Beta1, group),
          beta2 = hyper(Hyper::Beta2, group);
    Value step = hyper(Hyper::Step, group), one = f64(1.0);
    if (decays(t))
      p = aten::MulScalarOp::create(b, loc, type, p,
                                    sub(one, mul(lr, hyper(Hyper::WeightDecay, group))));
    m = aten::LerpScalarOp::create(b, loc, type, m, t.grad, sub(one, beta1));
    v = aten::MulScalarOp::create(b, loc, type, v, beta2);
    v = aten::AddcmulOp::create(b, loc, type, v, t.grad, t.grad, sub(one, beta2));
    writeState(t, "exp_avg", m);
    writeState(t, "exp_avg_sq", v);
    Value correction1 = sub(one, pow(beta1, step)), correction2 = sub(one, pow(beta2, step));
    Value stepSize = div(lr, correction1);
    Value denominator = aten::SqrtOp::create(b, loc, type, v);
    // Python's x ** 0.5 is pow, not sqrt.
    denominator = aten::DivScalarOp::create(b, loc, type, denominator, pow(correction2, f64(0.5)));
    denominator =
        aten::AddScalarOp::create(b, loc, type, denominator, hyper(Hyper::Eps, group), Value());
    p = aten::AddcdivOp::create(b, loc, type, p, m, denominator,
                                arith::NegFOp::create(b, loc, stepSize));
    WriteOp::create(b, loc, p, t.parameter.getSymName());
  }

  void sgd(Trained &t) {
    Location loc = t.parameter.getLoc();
    int64_t group = t.parameter.getGroup();
    Type type = t.gradient.getTensorType();
    Value p = ReadOp::create(b, loc, type, t.parameter.getSymName());
    Value grad = t.grad;
    if (decays(t))
      grad = aten::AddTensorOp::create(b, loc, type, grad, p, hyper(Hyper::WeightDecay, group));
    if (config.optimizer.momentum != 0) {
      // torch's first step sets the buffer to the gradient; from zero, momentum * 0 + gradient is
      // the same number.
      Value momentum = hyper(Hyper::Momentum, group);
      Value buffer =
          aten::MulScalarOp::create(b, loc, type, readState(t, "momentum_buffer"), momentum);
      buffer = aten::AddTensorOp::create(b, loc, type, buffer, grad, f64(1.0));
      writeState(t, "momentum_buffer", buffer);
      grad = config.optimizer.nesterov
                 ? aten::AddTensorOp::create(b, loc, type, grad, buffer, momentum).getResult()
                 : buffer;
    }
    Value step = arith::NegFOp::create(b, loc, hyper(Hyper::Lr, group));
    p = aten::AddTensorOp::create(b, loc, type, p, grad, step);
    WriteOp::create(b, loc, p, t.parameter.getSymName());
  }

  void fusedAdamW(MutableArrayRef<Trained> trained) {
    llvm::MapVector<int64_t, SmallVector<Trained *>> byGroup;
    for (Trained &t : trained)
      byGroup[t.parameter.getGroup()].push_back(&t);
    for (auto &[group, members] : byGroup) {
      SmallVector<Value> parameters, grads, averages, squares;
      SmallVector<Type> types;
      for (Trained *t : members) {
        parameters.push_back(ReadOp::create(b, t->parameter.getLoc(), t->gradient.getTensorType(),
                                            t->parameter.getSymName()));
        grads.push_back(t->grad);
        averages.push_back(readState(*t, "exp_avg"));
        squares.push_back(readState(*t, "exp_avg_sq"));
        types.push_back(t->gradient.getTensorType());
      }
      auto fused = FusedAdamWOp::create(b, module.getLoc(), types, types, types, parameters, grads,
                                        averages, squares, group);
      for (auto [i, t] : llvm::enumerate(members)) {
        WriteOp::create(b, t->parameter.getLoc(), fused.getNewParameters()[i],
                        t->parameter.getSymName());
        writeState(*t, "exp_avg", fused.getNewExpAvgs()[i]);
        writeState(*t, "exp_avg_sq", fused.getNewExpAvgSqs()[i]);
      }
    }
  }

  Value readState(Trained &t, StringRef slot) {
    return ReadOp::create(b, t.parameter.getLoc(), t.gradient.getTensorType(),
                          stateName(t.parameter.getSymName(), slot));
  }

  void writeState(Trained &t, StringRef slot, Value value) {
    WriteOp::create(b, t.parameter.getLoc(), value, stateName(t.parameter.getSymName(), slot));
  }

  /// Scalars are shared between parameters: the host computes each once a step.
  Value hyper(Hyper kind, int64_t group) {
    Value &value = hypers[{int(kind), group}];
    if (!value)
      value = HyperOp::create(b, module.getLoc(), b.getF64Type(), kind, group);
    return value;
  }
  Value f64(double x) {
    return arith::ConstantOp::create(b, module.getLoc(), b.getF64FloatAttr(x));
  }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, module.getLoc(), x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, module.getLoc(), x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, module.getLoc(), x, y); }
  Value pow(Value x, Value y) { return math::PowFOp::create(b, module.getLoc(), x, y); }

  OpBuilder &b;
  ModuleOp module;
  const CompileConfig &config;
  passes::ParameterGroups groups;
  llvm::MapVector<std::pair<int, int64_t>, Value> hypers;
};

struct BuildUpdatePass : passes::impl::BuildUpdatePassBase<BuildUpdatePass> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<CompileConfig> parsed = passes::parseConfig(module, config);
    if (failed(parsed))
      return signalPassFailure();
    const CompileConfig &options = *parsed;
    assignGroups(options);
    if (options.optimizer.type == "none")
      return;
    SmallVector<Trained> trained;
    if (failed(collectTrained(options, trained)))
      return signalPassFailure();
    declareStates(options);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    bool driven = options.isDriven();
    SmallVector<StringRef> outputs;
    if (driven)
      outputs.push_back("grad_norm");
    auto program =
        ProgramOp::create(builder, module.getLoc(), "update", Role::Update, Contribution::None,
                          builder.getStrArrayAttr({}), builder.getStrArrayAttr(outputs),
                          IntegerAttr(), driven ? builder.getI64IntegerAttr(0) : IntegerAttr());
    SmallVector<int64_t> changed;
    for (auto [index, parameter] : llvm::enumerate(module.getOps<ParameterOp>()))
      if (llvm::any_of(trained, [&](const Trained &t) { return t.parameter == parameter; }))
        changed.push_back(index);
    program.setVariantAttr(VariantAttr::get(&getContext(), {}, {}, {}, changed, /*retain=*/false,
                                            /*local=*/false));
    builder.createBlock(&program.getBody());
    Value norm = UpdateBuilder(builder, module, options).build(trained);
    ReturnOp::create(builder, module.getLoc(), norm ? ValueRange(norm) : ValueRange());
  }

private:
  /// The optimizer's groups; where a caller sets hyperparameters each parameter is its own.
  void assignGroups(const CompileConfig &options) {
    passes::ParameterGroups groups(options.optimizer);
    std::vector<std::string> names;
    for (auto [index, parameter] : llvm::enumerate(getOperation().getOps<ParameterOp>())) {
      names.push_back(parameter.getSymName().str());
      parameter.setGroup(options.isSuspended() ? index : groups.groupOf(names.back()));
    }
    for (const std::string &glob : groups.unmatched(names))
      emitWarning(getOperation().getLoc())
          << "the glob '" << glob << "' of the optimizer's groups matches no parameter";
  }

  /// States of every parameter with a gradient, in whichever update: so all updates share them.
  void declareStates(const CompileConfig &options) {
    SmallVector<StringRef> slots;
    if (options.optimizer.type == "adamw")
      slots = {"exp_avg", "exp_avg_sq"};
    else if (options.optimizer.momentum != 0)
      slots = {"momentum_buffer"};
    for (auto gradient : llvm::to_vector(getOperation().getOps<GradientOp>())) {
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfter(gradient);
      for (StringRef slot : slots)
        StateOp::create(builder, gradient.getLoc(), stateName(gradient.getParameter(), slot),
                        gradient.getParameter(), slot, gradient.getTensorType());
    }
  }

  LogicalResult collectTrained(const CompileConfig &options, SmallVectorImpl<Trained> &trained) {
    ModuleOp module = getOperation();
    llvm::StringSet<> wanted;
    if (options.update)
      for (const std::string &name : *options.update)
        wanted.insert(name);
    for (auto gradient : module.getOps<GradientOp>()) {
      bool known = wanted.erase(gradient.getParameter());
      if (!options.update || known)
        trained.push_back(
            {module.lookupSymbol<ParameterOp>(gradient.getParameterAttr()), gradient, Value()});
    }
    for (const std::string &name : options.update.value_or(std::vector<std::string>()))
      if (wanted.contains(name))
        return emitError(module.getLoc())
               << "key 'update': '" << name << "' is no parameter that gets a gradient";
    if (trained.empty())
      return emitError(module.getLoc())
             << "no parameter gets a gradient: nothing to train. Is the loss connected to a "
                "parameter with requires_grad?";
    return success();
  }
};

} // namespace
