//===- TorchModelTest.cpp - Suspended programs under PyTorch's autograd ----===//
#include "formats/Error.h"
#include "runtime/torch/Model.h"
#include "test/formats/Samples.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <chrono>
#include <sys/stat.h>

namespace regimen::runtime {
namespace {

using plan::fb::Contribution;
using samples::Variant;
using Tensors = std::vector<at::Tensor>;

/// Every backward that these tests need without a compiler.
std::vector<Variant> usual() {
  std::vector<Variant> variants;
  for (std::vector<uint32_t> outputs : {std::vector<uint32_t>{0}, {1}, {0, 1}})
    for (bool input : {false, true})
      for (bool retain : {false, true}) {
        std::vector<uint32_t> parameters = outputs == std::vector<uint32_t>{0}
                                               ? std::vector<uint32_t>{0}
                                               : std::vector<uint32_t>{0, 1};
        for (Contribution contribution :
             {Contribution::First, Contribution::Later, Contribution::None})
          variants.push_back({outputs, input, parameters, contribution, retain});
        if (input)
          variants.push_back({outputs, true, {}, Contribution::None, retain});
      }
  return variants;
}

class TorchModel : public testing::Test {
protected:
  void open(const std::string &options = "{}", const std::vector<Variant> &variants = usual(),
            bool write = true) {
    if (write)
      plan::write(samples::suspendedPlan(variants), folder / "a.plan");
    model = c10::make_intrusive<Model>(options);
    ASSERT_EQ(model->load((folder / "a.plan").string(), "tiny.pt2", "{}"), 0);
    w = model->parameter(0);
    b = model->parameter(1);
    w.copy_(at::sin(at::arange(6, at::kFloat)).view({3, 2}));
    b.copy_(at::arange(2, at::kFloat));
    for (at::Tensor *leaf : {&w, &b})
      *leaf = leaf->detach().requires_grad_();
    model->bindParameters({w, b});
    plainW = w.detach().clone().requires_grad_();
    plainB = b.detach().clone().requires_grad_();
  }
  static at::Tensor batch(int k) { return at::cos(at::arange(12, at::kFloat) + k).view({4, 3}); }
  Tensors run(const at::Tensor &x) { return model->forward(0, {x}); }
  Tensors plain(const at::Tensor &x) const {
    at::Tensor h = at::tanh(at::mm(x, plainW));
    return {h, h + plainB};
  }
  static void backward(const at::Tensor &root, bool retain = false) {
    torch::autograd::backward({root}, {}, retain);
  }
  void expectGradients() {
    for (auto [mine, theirs] : {std::pair(&w, &plainW), std::pair(&b, &plainB)}) {
      ASSERT_EQ(mine->grad().defined(), theirs->grad().defined());
      if (mine->grad().defined())
        EXPECT_TRUE(at::equal(mine->grad(), theirs->grad())) << mine->grad() << theirs->grad();
    }
  }
  template <typename Act> static std::string failure(Act act) {
    try {
      act();
    } catch (const std::exception &error) {
      return error.what();
    }
    return "";
  }
  void expectFrames(int64_t live, int64_t allocated) {
    EXPECT_EQ(model->frames(), std::make_tuple(live, allocated));
  }

  samples::TemporaryFolder folder;
  c10::intrusive_ptr<Model> model;
  at::Tensor w, b, plainW, plainB;
};

#define EXPECT_FAILURE(part, act)                                                                  \
  EXPECT_NE(failure([&] { act; }).find(part), std::string::npos) << failure([&] { act; })

TEST_F(TorchModel, GivesAutogradsBits) {
  open();
  for (int k = 0; k < 3; ++k) {
    Tensors mine = run(batch(k)), theirs = plain(batch(k));
    EXPECT_TRUE(at::equal(mine[0], theirs[0]));
    EXPECT_TRUE(at::equal(mine[1], theirs[1]));
    backward((mine[0].square() + mine[1]).sum());
    backward((theirs[0].square() + theirs[1]).sum());
    expectGradients();
    EXPECT_EQ(w.grad().const_data_ptr(), model->gradient(0)->const_data_ptr());
  }
  expectFrames(0, 1);
}

TEST_F(TorchModel, OneOutputReachesItsParametersOnly) {
  open();
  backward(run(batch(0))[0].sum());
  backward(plain(batch(0))[0].sum());
  expectGradients();
  EXPECT_FALSE(b.grad().defined());
  backward(run(batch(1))[1].sum()); // b has none yet, w has one
  backward(plain(batch(1))[1].sum());
  expectGradients();
}

TEST_F(TorchModel, OutstandingForwardsGoBackInAnyOrder) {
  open();
  std::vector<Tensors> mine, theirs;
  for (int k = 0; k < 3; ++k) {
    mine.push_back(run(batch(k)));
    theirs.push_back(plain(batch(k)));
  }
  expectFrames(3, 3);
  for (size_t k : {2, 0, 1}) {
    backward(mine[k][1].sum());
    backward(theirs[k][1].sum());
  }
  expectGradients();
  expectFrames(0, 3);
}

TEST_F(TorchModel, ARetainedFrameServesAgain) {
  open();
  Tensors mine = run(batch(0)), theirs = plain(batch(0));
  backward(mine[0].sum(), /*retain=*/true);
  backward(theirs[0].sum(), true);
  expectFrames(1, 1);
  backward(mine[1].square().sum());
  backward(theirs[1].square().sum());
  expectGradients();
  expectFrames(0, 1);
}

TEST_F(TorchModel, ASecondBackwardIsRefused) {
  open();
  Tensors out = run(batch(0));
  backward(out[0].sum());
  EXPECT_FAILURE("Trying to backward through the graph a second time", backward(out[0].sum()));
}

TEST_F(TorchModel, DroppedOutputsFreeTheirFrame) {
  open();
  for (int k = 0; k < 100; ++k)
    run(batch(k));
  expectFrames(0, 1);
  {
    Tensors kept = run(batch(0));
    expectFrames(1, 1);
  }
  expectFrames(0, 1);
}

TEST_F(TorchModel, WithoutGradModeNothingIsKept) {
  open();
  at::NoGradGuard guard;
  Tensors out = run(batch(0));
  EXPECT_FALSE(out[1].requires_grad());
  expectFrames(0, 0);
  EXPECT_TRUE(at::equal(out[1], plain(batch(0))[1]));
}

TEST_F(TorchModel, GradientsOfInputs) {
  open();
  at::Tensor x = batch(0).requires_grad_(), y = batch(0).requires_grad_();
  backward(run(x)[1].square().sum());
  backward(plain(y)[1].square().sum());
  EXPECT_TRUE(at::equal(x.grad(), y.grad()));
  expectGradients();
}

TEST_F(TorchModel, GradOfAnInputLeavesParametersAlone) {
  open();
  at::Tensor x = batch(0).requires_grad_();
  Tensors mine = torch::autograd::grad({run(x)[1].square().sum()}, {x});
  Tensors theirs = torch::autograd::grad({plain(x)[1].square().sum()}, {x});
  EXPECT_TRUE(at::equal(mine[0], theirs[0]));
  EXPECT_FALSE(w.grad().defined());
  EXPECT_FALSE(b.grad().defined());
}

TEST_F(TorchModel, GradOfParametersIsTheCallers) {
  open();
  Tensors mine = torch::autograd::grad({run(batch(0))[1].square().sum()}, {w, b});
  Tensors theirs = torch::autograd::grad({plain(batch(0))[1].square().sum()}, {plainW, plainB});
  for (size_t i : {0, 1})
    EXPECT_TRUE(at::equal(mine[i], theirs[i]));
  EXPECT_FALSE(w.grad().defined());
  EXPECT_NE(mine[0].const_data_ptr(), model->gradient(0)->const_data_ptr());
}

TEST_F(TorchModel, ForeignGradientsAreAddedTo) {
  open();
  w.mutable_grad() = at::ones({3, 2});
  plainW.mutable_grad() = at::ones({3, 2});
  backward(run(batch(0))[1].sum());
  backward(plain(batch(0))[1].sum());
  expectGradients();
  EXPECT_EQ(w.grad().const_data_ptr(), model->gradient(0)->const_data_ptr());
  w.mutable_grad() = at::full({3, 2}, 2.0f);
  model->scaleGradients({0}, at::ones({}));
  EXPECT_EQ(w.grad().const_data_ptr(), model->gradient(0)->const_data_ptr());
  EXPECT_TRUE(at::equal(w.grad(), at::full({3, 2}, 2.0f)));
}

TEST_F(TorchModel, HooksSeeGradients) {
  open();
  struct Double : torch::autograd::FunctionPreHook {
    torch::autograd::variable_list
    operator()(const torch::autograd::variable_list &grads) override {
      return {grads[0] * 2};
    }
  };
  for (at::Tensor *leaf : {&w, &plainW})
    torch::autograd::impl::add_hook(*leaf, std::make_unique<Double>());
  for (int k = 0; k < 2; ++k) {
    backward(run(batch(k))[1].sum());
    backward(plain(batch(k))[1].sum());
    expectGradients();
  }
}

TEST_F(TorchModel, FrozenLeavesGetNothing) {
  open("{}", {{.outputs = {1}, .parameters = {1}}});
  w.requires_grad_(false);
  plainW.requires_grad_(false);
  Tensors out = run(batch(0));
  EXPECT_FALSE(out[0].requires_grad());
  backward(out[1].sum());
  backward(plain(batch(0))[1].sum());
  expectGradients();
}

TEST_F(TorchModel, ChangedVariablesAreNoticed) {
  open();
  Tensors out = run(batch(0));
  {
    at::NoGradGuard guard;
    w.add_(1);
  }
  backward(out[1].sum()); // this backward does not read w
  at::Tensor x = batch(0).requires_grad_();
  out = run(x);
  {
    at::NoGradGuard guard;
    w.add_(1);
  }
  EXPECT_FAILURE("modified by an inplace operation: parameter 'w'", backward(out[1].sum()));
  at::Tensor data = batch(0);
  out = run(data);
  data.add_(1);
  EXPECT_FAILURE("modified by an inplace operation: input 0", backward(out[1].sum()));
}

TEST_F(TorchModel, DoubleBackwardIsRefused) {
  open();
  at::Tensor x = batch(0).requires_grad_();
  EXPECT_FAILURE("double backward",
                 torch::autograd::grad({run(x)[1].sum()}, {x}, {}, true, /*create_graph=*/true));
}

TEST_F(TorchModel, FramesAreLimitedByName) {
  open(R"({"frames": 2})");
  Tensors first = run(batch(0)), second = run(batch(1));
  EXPECT_FAILURE("memory.frames = 2", run(batch(2)));
  backward(first[1].sum());
  run(batch(2));
  expectFrames(1, 2);
}

TEST_F(TorchModel, UnfitInputsAreRefused) {
  open();
  EXPECT_FAILURE("input 0 is", run(at::zeros({5, 3})));
  EXPECT_FAILURE("input 0 is", run(at::zeros({4, 3}, at::kDouble)));
  EXPECT_FAILURE("takes 1 tensors", model->forward(0, {}));
  EXPECT_FAILURE("no specialisation 3", model->forward(3, {batch(0)}));
  at::Tensor strided = batch(0).t().contiguous().t();
  EXPECT_TRUE(at::equal(run(strided)[1], plain(batch(0))[1]));
  EXPECT_FAILURE("is not the model's", model->bindParameters({w, w}));
  EXPECT_FAILURE("1 were given", model->bindParameters({w}));
  EXPECT_FAILURE("option \"nonsense\"", Model(R"({"nonsense": 1})"));
  EXPECT_FAILURE("option \"threads\"", Model(R"({"threads": 0})"));
  EXPECT_FAILURE("a JSON object", Model("["));
}

TEST_F(TorchModel, UpdatesExactlyWhatHasAGradient) {
  open();
  at::Tensor table = at::zeros({2, 9}, at::kDouble), steps = at::zeros({2});
  table.select(1, 0).fill_(0.5);
  table.select(1, 5).fill_(0.9);
  table.select(1, 8).fill_(1);
  EXPECT_TRUE(model->update(-1, table, steps)) << "nothing has a gradient";
  backward(run(batch(0))[1].sum());
  EXPECT_FAILURE("no update 0", model->update(0, table, steps));
  EXPECT_FAILURE("of 18 Double numbers", model->update(0, at::zeros({9}, at::kDouble), steps));
  EXPECT_FAILURE("of 2 Float numbers", model->update(0, table, at::zeros({1})));
  plan::write(samples::suspendedUpdate({0, 1}), folder / "u.plan");
  plan::write(samples::suspendedUpdate({0}), folder / "w.plan");
  ASSERT_EQ(model->loadUpdate((folder / "w.plan").string()), 0);
  ASSERT_EQ(model->loadUpdate((folder / "u.plan").string()), 1);
  at::Tensor before = w.detach().clone(), want = before - 0.5 * w.grad();
  uint32_t version = static_cast<uint32_t>(w._version());
  EXPECT_FALSE(model->update(0, table, steps));
  EXPECT_TRUE(at::equal(w.detach(), before));
  EXPECT_TRUE(at::equal(steps, at::zeros({2})));
  EXPECT_TRUE(model->update(1, table, steps));
  EXPECT_TRUE(at::allclose(w.detach(), want));
  EXPECT_TRUE(at::equal(steps, at::ones({2})));
  EXPECT_EQ(w._version(), version + 1);
  EXPECT_EQ(model->stateSlots(0), std::vector<std::string>{"momentum_buffer"});
  EXPECT_TRUE(at::equal(model->state(0, "momentum_buffer"), w.grad()));
  EXPECT_FAILURE("no optimizer state 'exp_avg'", model->state(0, "exp_avg"));
  table[1][8] = 0; // b is another optimizer's
  before = b.detach().clone();
  EXPECT_FALSE(model->update(1, table, steps));
  EXPECT_TRUE(model->update(0, table, steps));
  EXPECT_TRUE(at::equal(b.detach(), before));
  EXPECT_EQ(steps[0].item<float>(), 2);
  EXPECT_EQ(steps[1].item<float>(), 1);
}

TEST_F(TorchModel, PlansOfOneModelShareStates) {
  open();
  backward(run(batch(0))[1].sum());
  at::Tensor before = w.detach().clone(), gradient = w.grad().clone();
  EXPECT_EQ(model->load((folder / "a.plan").string(), "tiny.pt2", "{}"), 1);
  EXPECT_TRUE(at::equal(w.detach(), before)) << "binding a plan changed the states";
  EXPECT_TRUE(at::equal(w.grad(), gradient));
  EXPECT_TRUE(at::equal(model->forward(1, {batch(0)})[0], run(batch(0))[0]));
  plan::fb::PlanT other = samples::suspendedPlan({});
  std::swap(other.parameters[0], other.parameters[1]);
  plan::write(other, folder / "b.plan");
  EXPECT_FAILURE("parameter 'b' has another place",
                 model->load((folder / "b.plan").string(), "tiny.pt2", "{}"));
  other = samples::suspendedPlan({});
  other.arenas[0]->bytes += 64;
  plan::write(other, folder / "b.plan");
  EXPECT_FAILURE("arena 'params' has 576 bytes, others (512)",
                 model->load((folder / "b.plan").string(), "tiny.pt2", "{}"));
  other = samples::suspendedPlan({});
  other.target->threads = 2;
  plan::write(other, folder / "b.plan");
  EXPECT_FAILURE("target.threads=1", model->load((folder / "b.plan").string(), "tiny.pt2", "{}"));
  EXPECT_EQ(model->layout(), R"([["w"],["b"]])");
}

TEST_F(TorchModel, ARefusedPlanLeavesNothingBehind) {
  model = c10::make_intrusive<Model>("{}");
  plan::fb::PlanT broken = samples::suspendedPlan({});
  broken.arenas[0]->bytes += 64;
  for (auto &kernel : broken.kernels)
    if (kernel->name == "aten::tanh.out")
      kernel->name = "aten::no_such_kernel";
  plan::write(broken, folder / "a.plan");
  EXPECT_FAILURE("no operator 'aten::no_such_kernel'",
                 model->load((folder / "a.plan").string(), "tiny.pt2", "{}"));
  plan::write(samples::suspendedPlan({}), folder / "a.plan");
  EXPECT_EQ(model->load((folder / "a.plan").string(), "tiny.pt2", "{}"), 0);
}

TEST_F(TorchModel, AFailedBackwardEndsTheFrame) {
  plan::fb::PlanT plan = samples::suspendedPlan({{.outputs = {1}}});
  // The last call of the backward gets an axis that does not exist.
  plan.programs[2]->instructions.back()->body.AsCall()->args[1]->ints = {7};
  plan::write(plan, folder / "a.plan");
  open("{}", {}, /*write=*/false);
  Tensors out = run(batch(0));
  EXPECT_FAILURE("of backward_1_p0_p1_First", backward(out[1].sum()));
  expectFrames(0, 1);
  EXPECT_FALSE(w.grad().defined());
  EXPECT_FAILURE("a second time", backward(out[1].sum()));
}

TEST_F(TorchModel, TensorsOutliveTheModel) {
  open();
  at::Tensor kept = w, out = run(batch(0))[1];
  w = b = at::Tensor();
  model.reset();
  backward(out.sum());
  EXPECT_TRUE(kept.grad().defined());
}

TEST_F(TorchModel, CompilesAVariantOnDemandOnce) {
  // The compiler here is a script that notes its calls and copies a plan made before.
  plan::write(samples::suspendedPlan({{.outputs = {1}}, {{1}, false, {0, 1}, Contribution::Later}}),
              folder / "more.plan");
  std::string script = "#!/bin/sh\necho \"$1\" >> '" + (folder / "calls").string() +
                       "'\ncp \"$5\" '" + (folder / "request.json").string() + "'\ncp '" +
                       (folder / "more.plan").string() + "' \"$3\"\n";
  samples::writeFile(folder / "compiler", std::as_bytes(std::span(script)));
  chmod((folder / "compiler").c_str(), 0700);
  std::string options = R"({"compiler": ")" + (folder / "compiler").string() + R"(", "cache": ")" +
                        (folder / "cache").string() + "\"}";
  for (int time = 0; time < 2; ++time) {
    open(options, {});
    for (int k = 0; k < 3; ++k) {
      backward(run(batch(k))[1].sum());
      backward(plain(batch(k))[1].sum());
      expectGradients();
    }
  }
  EXPECT_EQ(samples::toText(samples::readFile(folder / "calls")), "tiny.pt2\n");
  std::string request(samples::toText(samples::readFile(folder / "request.json")));
  EXPECT_EQ(
      request,
      R"({"backward":[{"gradients":"first","inputs":[],"outputs":[1],"parameters":true,"retain":false},)"
      R"({"gradients":"later","inputs":[],"outputs":[1],"parameters":true,"retain":false}]})");
  EXPECT_FAILURE("the compiler made no backward", backward(run(batch(0))[0].sum()));
}

TEST_F(TorchModel, SaysWhatTheCompilerSaid) {
  std::string script = "#!/bin/sh\necho 'no such op' >&2\nexit 1\n";
  samples::writeFile(folder / "compiler", std::as_bytes(std::span(script)));
  chmod((folder / "compiler").c_str(), 0700);
  open(R"({"compiler": ")" + (folder / "compiler").string() + R"(", "cache": ")" +
           (folder / "cache").string() + "\"}",
       {});
  EXPECT_FAILURE("ended with 1): no such op", backward(run(batch(0))[1].sum()));
  open("{}", {});
  EXPECT_FAILURE("no compiler", backward(run(batch(0))[1].sum()));
}

TEST_F(TorchModel, ManyStepsLeaveNothingBehind) {
  open();
  at::Tensor x = batch(0), ones = at::ones({4, 2});
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    auto begin = std::chrono::steady_clock::now();
    for (int k = 0; k < 100; ++k) {
      at::Tensor out = run(x)[1];
      torch::autograd::backward({out}, {ones});
      w.mutable_grad() = at::Tensor();
      b.mutable_grad() = at::Tensor();
    }
    best = std::min(
        best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
                      .count() /
                  100);
  }
  RecordProperty("microseconds_per_step", std::to_string(best));
  expectFrames(0, 1);
  EXPECT_LT(best, 500.0);
}

} // namespace
} // namespace regimen::runtime
