//===- EmitPlanTest.cpp - Plans say what the IR says ----------------------===//
#include "passes/emit/EmitPlan.h"
#include "dialects/dist/DistDialect.h"
#include "dialects/exec/ExecDialect.h"
#include "formats/Error.h"
#include "passes/allocate/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace regimen;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fb = regimen::plan::fb;

namespace {

/// One linear step: dw = x^T x w, w -= lr w', and a module buffer, a constant, every kind of
/// argument.
constexpr const char *source = R"mlir(
module {
  train.parameter @w : tensor<4x4xf32> trainable
  train.parameter @frozen : tensor<4xf32> aliases ["other.frozen"]
  train.gradient @"w:grad" of @w : tensor<4x4xf32>
  train.state @"w:momentum" of @w slot "momentum_buffer" : tensor<4x4xf32>
  train.buffer @mask : tensor<2xi1> = dense<[true, false]> : tensor<2xi1>
  train.buffer @mean : tensor<4xf32> persistent
  dist.mesh @mesh [dp = 1]
  dist.bucket @bucket0 parameters [@w] offsets [0] elements 256 : f32 trainable
  exec.static @params bytes 1024 category(params)
  exec.static @grads bytes 1024 category(grads)
  exec.static @momentum bytes 1024 category(optimizer)
  exec.static @fixed bytes 16 category(params)
  exec.static @"mask:storage" bytes 2 category(workspace)
  exec.static @"mean:storage" bytes 16 category(workspace)
  exec.static @constant bytes 32 category(workspace) = dense<3> : tensor<4xi64>
  exec.bind @w at @params[0] : memref<4x4xf32>
  exec.bind @frozen at @fixed[0] : memref<4xf32>
  exec.bind @"w:grad" at @grads[0] : memref<4x4xf32>
  exec.bind @"w:momentum" at @momentum[0] : memref<4x4xf32>
  exec.bind @mask at @"mask:storage"[0] : memref<2xi1>
  exec.bind @mean at @"mean:storage"[0] : memref<4xf32>
  exec.program @micro_step_first micro_step contribution(first) inputs ["unused", "x"] outputs ["loss"] loss 0 events 1 {
    %params = exec.get @params
    %grads = exec.get @grads
    %w = exec.view %params[0] : memref<4x4xf32>
    %dw = exec.view %grads[0] : memref<4x4xf32>
    %xb = exec.buffer "x" bytes 64 category(activations)
    %x = exec.view %xb[0] : memref<4x4xf32>
    %xt = exec.view %xb[0] : memref<4x4xf32, strided<[1, 4]>>
    %lossBuffer = exec.buffer "loss" bytes 4 category(activations)
    %loss = exec.view %lossBuffer[0] : memref<f32>
    %yb = exec.buffer "y" bytes 64 category(activations)
    %y = exec.view %yb[0] : memref<4x4xf32>
    %temporary = exec.buffer "scratch" bytes 128 category(workspace)
    exec.load_input 1 -> %x : memref<4x4xf32>
    exec.record 0 lane(copy)
    exec.wait 0 lane(compute)
    exec.call "aten::mm.out" out (%xt, %w) -> (%y) scratch(%temporary) : (memref<4x4xf32, strided<[1, 4]>>, memref<4x4xf32>) -> memref<4x4xf32> loc("fc"("model.py":12:0))
    exec.call "aten::mm.out" out (%x, %y) -> (%dw) : (memref<4x4xf32>, memref<4x4xf32>) -> memref<4x4xf32>
    exec.call "aten::mean.dtype_out" out (%y, dtype f32) -> (%loss) : (memref<4x4xf32>) -> memref<f32>
    exec.return %loss : memref<f32>
  }
  exec.program @update update inputs [] outputs [] {
    %lr = train.hyper lr group 1
    %two = arith.constant 2.0 : f64
    %unused = arith.constant 5.0 : f64
    %rate = arith.mulf %lr, %two : f64
    %power = math.powf %rate, %two : f64
    %minus = arith.negf %power : f64
    %params = exec.get @params
    %grads = exec.get @grads
    %constant = exec.get @constant
    %w = exec.view %params[0] : memref<4x4xf32>
    %dw = exec.view %grads[0] : memref<4x4xf32>
    %c = exec.view %constant[0] : memref<4xi64>
    exec.call "aten::add_.Tensor" in_place (%w, %dw, %minus register) : (memref<4x4xf32>, memref<4x4xf32>, f64) -> ()
    %tb = exec.buffer "t" bytes 64 category(workspace)
    %t = exec.view %tb[0] : memref<4x4xf32>
    exec.call "regimen::everything" own ([%w, %dw], optional [%c, none], int 3, float 2.5, bool true, ints array<i64: 1, 2>, floats array<f64: 0.5>, bools array<i1: true, false>, dtype i64, string "mean", scalar_int 7, scalar_float 0.25, scalar_bool false, default, none) -> (%t) : (memref<4x4xf32>, memref<4x4xf32>, memref<4xi64>) -> memref<4x4xf32>
    exec.return
  }
}
)mlir";

class EmitPlan : public testing::Test {
protected:
  EmitPlan() {
    context.loadDialect<train::TrainDialect, dist::DistDialect, exec::ExecDialect,
                        arith::ArithDialect, math::MathDialect>();
    config.optimizer.noDecay = {"*.bias"};
    config.optimizer.lr = 0.5;
    config.clipGradNorm = 2.0;
    config.accumulate = 3;
    config.schedule.type = "cosine";
    config.schedule.totalSteps = 100;
    facts.file = "toy.pt2";
    facts.relativePath = "../models/toy.pt2";
    facts.bytes = 123;
    facts.digest = std::string(64, 'a');
    facts.hasWeights = true;
    module = parseSourceString<ModuleOp>(source, &context);
    EXPECT_TRUE(module);
    // The program with two contributions: its second micro-step differs in its contribution only.
    exec::ProgramOp first = *module->getOps<exec::ProgramOp>().begin();
    exec::ProgramOp later = first.clone();
    later.setSymName("micro_step_later");
    later.setContribution(train::Contribution::Later);
    module->insert(std::next(first->getIterator()), later);
    PassManager passes(&context);
    passes::buildAllocatePipeline(passes, config);
    EXPECT_TRUE(succeeded(passes.run(*module)));
  }

  std::string errorOf() {
    try {
      passes::emitPlan(*module, config, facts);
    } catch (const Error &error) {
      return error.what();
    }
    return "";
  }

  template <typename Op> Op find(StringRef name) { return SymbolTable(*module).lookup<Op>(name); }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  CompileConfig config;
  passes::ArchiveFacts facts;
  OwningOpRef<ModuleOp> module;
};

TEST_F(EmitPlan, Header) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  EXPECT_EQ(plan.model, "toy");
  EXPECT_EQ(plan.config, config.canonical());
  EXPECT_EQ(plan.archive->relative_path, "../models/toy.pt2");
  EXPECT_EQ(plan.archive->bytes, 123u);
  ASSERT_EQ(plan.mesh.size(), 1u);
  EXPECT_EQ(plan.mesh[0]->name, "dp");
  EXPECT_EQ(plan.target->device, "cpu");
}

TEST_F(EmitPlan, Training) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  EXPECT_EQ(plan.training->accumulate, 3u);
  EXPECT_EQ(plan.training->clip_grad_norm, 2.0);
  EXPECT_EQ(plan.training->schedule, fb::Schedule::Cosine);
  EXPECT_EQ(plan.training->total_steps, 100u);
  ASSERT_GE(plan.training->groups.size(), 2u);
  EXPECT_EQ(plan.training->groups[0]->lr, 0.5);
  EXPECT_EQ(plan.training->groups[0]->weight_decay, config.optimizer.weightDecay);
  EXPECT_EQ(plan.training->groups[1]->weight_decay, 0.0);
}

TEST_F(EmitPlan, States) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  ASSERT_EQ(plan.parameters.size(), 2u);
  const fb::ParameterT &w = *plan.parameters[0], &frozen = *plan.parameters[1];
  EXPECT_EQ(w.name, "w");
  EXPECT_TRUE(w.trainable);
  EXPECT_NE(w.gradient, -1);
  ASSERT_EQ(w.states.size(), 1u);
  EXPECT_EQ(w.states[0]->slot, "momentum_buffer");
  EXPECT_EQ(plan.buffers[plan.tensors[w.states[0]->tensor]->buffer]->name, "momentum");
  EXPECT_FALSE(frozen.trainable);
  EXPECT_EQ(frozen.gradient, -1);
  EXPECT_THAT(frozen.aliases, ElementsAre("other.frozen"));
  ASSERT_EQ(plan.module_buffers.size(), 2u);
  EXPECT_FALSE(plan.module_buffers[0]->persistent);
  EXPECT_TRUE(plan.module_buffers[1]->persistent);
}

TEST_F(EmitPlan, Constants) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  ASSERT_EQ(plan.constants.size(), 2u);
  EXPECT_EQ(plan.constants[0]->tensor, plan.module_buffers[0]->tensor);
  EXPECT_THAT(plan.constants[0]->data, ElementsAre(1, 0));
  ASSERT_EQ(plan.constants[1]->data.size(), 32u);
  EXPECT_EQ(plan.constants[1]->data[24], 3);
}

TEST_F(EmitPlan, ProgramAndItsInputs) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  ASSERT_EQ(plan.programs.size(), 3u);
  const fb::ProgramT &first = *plan.programs[0];
  EXPECT_EQ(first.role, fb::Role::MicroStep);
  EXPECT_EQ(first.contribution, fb::Contribution::First);
  ASSERT_EQ(first.inputs.size(), 1u); // the unused one is left out
  EXPECT_EQ(first.inputs[0]->name, "x");
  EXPECT_EQ(first.loss, 0);
  ASSERT_EQ(first.instructions.size(), 6u);
  EXPECT_EQ(first.instructions[0]->lane, fb::Lane::Copy);
  EXPECT_EQ(first.instructions[0]->body.AsLoadInput()->input, 0u);
  const fb::CallT &mm = *first.instructions[3]->body.AsCall();
  EXPECT_EQ(plan.kernels[mm.kernel]->name, "aten::mm.out");
  EXPECT_EQ(plan.buffers[mm.scratch]->name, "scratch");
  EXPECT_EQ(plan.buffers[mm.scratch]->first, 3u);
  EXPECT_EQ(plan.buffers[mm.scratch]->last, 3u);
  EXPECT_THAT(plan.tensors[mm.args[0]->tensor]->strides, ElementsAre(1, 4));
  const fb::LocationT &location = *plan.locations[first.instructions[3]->location];
  EXPECT_EQ(location.op, "aten.mm");
  EXPECT_EQ(location.layer, "fc");
  EXPECT_EQ(location.file, "model.py");
  EXPECT_EQ(location.line, 12u);
}

TEST_F(EmitPlan, OutputsLiveToTheEnd) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  const fb::ProgramT &first = *plan.programs[0];
  const fb::BufferT &loss = *plan.buffers[plan.tensors[first.outputs[0]->tensor]->buffer];
  EXPECT_EQ(loss.last, first.instructions.size() - 1);
}

TEST_F(EmitPlan, Scalars) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  const fb::ProgramT &update = *plan.programs[2];
  std::vector<fb::ScalarKind> kinds;
  for (const auto &scalar : update.scalars)
    kinds.push_back(scalar->kind);
  EXPECT_THAT(kinds, ElementsAre(fb::ScalarKind::Hyper, fb::ScalarKind::Constant,
                                 fb::ScalarKind::Mul, fb::ScalarKind::Pow, fb::ScalarKind::Neg));
  EXPECT_EQ(update.scalars[0]->group, 1u);
  EXPECT_EQ(update.scalars[1]->value, 2.0);
  const fb::CallT &add = *update.instructions[0]->body.AsCall();
  EXPECT_EQ(add.args[2]->kind, fb::ArgKind::ScalarRegister);
  EXPECT_EQ(add.args[2]->i, 4);
}

TEST_F(EmitPlan, EveryKindOfArgument) {
  fb::PlanT plan = passes::emitPlan(*module, config, facts);
  const auto &args = plan.programs[2]->instructions[1]->body.AsCall()->args;
  ASSERT_EQ(args.size(), 15u);
  EXPECT_EQ(args[0]->tensors.size(), 2u);
  ASSERT_EQ(args[1]->tensors.size(), 2u);
  EXPECT_EQ(args[1]->tensors[1], -1);
  EXPECT_EQ(args[2]->i, 3);
  EXPECT_EQ(args[3]->f, 2.5);
  EXPECT_EQ(args[4]->i, 1);
  EXPECT_THAT(args[5]->ints, ElementsAre(1, 2));
  EXPECT_THAT(args[6]->floats, ElementsAre(0.5));
  EXPECT_THAT(args[7]->ints, ElementsAre(1, 0));
  EXPECT_EQ(args[8]->i, static_cast<int64_t>(fb::DType::I64));
  EXPECT_EQ(args[9]->s, "mean");
  EXPECT_EQ(args[10]->i, 7);
  EXPECT_EQ(args[11]->f, 0.25);
  EXPECT_EQ(args[12]->kind, fb::ArgKind::ScalarBool);
  EXPECT_EQ(args[13]->kind, fb::ArgKind::Default);
  EXPECT_EQ(args[14]->kind, fb::ArgKind::None);
}

TEST_F(EmitPlan, SameModuleSameBytes) {
  EXPECT_EQ(plan::serialize(passes::emitPlan(*module, config, facts)),
            plan::serialize(passes::emitPlan(*module, config, facts)));
}

//===----------------------------------------------------------------------===//
// What an earlier stage did wrong does not reach the file
//===----------------------------------------------------------------------===//

TEST_F(EmitPlan, RefusesOverlap) {
  for (auto buffer : find<exec::ProgramOp>("micro_step_first").getBody().getOps<exec::BufferOp>())
    buffer.setOffset(0);
  EXPECT_THAT(errorOf(), HasSubstr("are alive at the same time and overlap"));
}

TEST_F(EmitPlan, RefusesMissingWait) {
  auto program = find<exec::ProgramOp>("micro_step_first");
  (*program.getBody().getOps<exec::WaitOp>().begin()).erase();
  EXPECT_THAT(errorOf(), HasSubstr("without waiting for Copy-lane instruction 0"));
}

TEST_F(EmitPlan, RefusesUnplacedBuffer) {
  exec::BufferOp buffer =
      *find<exec::ProgramOp>("micro_step_first").getBody().getOps<exec::BufferOp>().begin();
  buffer.removeArenaAttr();
  buffer.removeOffsetAttr();
  EXPECT_THAT(errorOf(), HasSubstr("buffer 'x' has no place (exec.buffer"));
}

TEST_F(EmitPlan, RefusesUnplacedParameter) {
  for (auto bind : llvm::to_vector(module->getOps<exec::BindOp>()))
    if (bind.getStorage() == "frozen")
      bind.erase();
  EXPECT_THAT(errorOf(), HasSubstr("'frozen' has no place"));
}

TEST_F(EmitPlan, RefusesForward) {
  find<exec::ProgramOp>("micro_step_first").setRole(train::Role::Forward);
  EXPECT_THAT(errorOf(), HasSubstr("neither trains nor evaluates"));
}

TEST_F(EmitPlan, RefusesUnknownScalar) {
  auto program = find<exec::ProgramOp>("update");
  auto neg = *program.getBody().getOps<arith::NegFOp>().begin();
  OpBuilder builder(neg);
  auto sine = math::SinOp::create(builder, neg.getLoc(), neg.getOperand());
  neg.replaceAllUsesWith(sine.getResult());
  EXPECT_THAT(errorOf(), HasSubstr("a scalar operation that plans do not have"));
}

} // namespace
