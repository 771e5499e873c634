//===- AtenCall.cpp -------------------------------------------------------===//
#include "runtime/kernels/AtenCall.h"

#include "formats/Error.h"
#include "runtime/kernels/Arguments.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <sstream>

namespace regimen::runtime {
namespace {

using plan::fb::KernelMode;

/// Runs before the one that is recorded: libraries build their caches in the first ones.
constexpr int kWarmUps = 2;

std::optional<c10::OperatorHandle> findOperator(const std::string &kernel) {
  size_t colons = kernel.find("::");
  size_t dot = colons == std::string::npos ? colons : kernel.find('.', colons);
  std::string overload = dot == std::string::npos ? "" : kernel.substr(dot + 1);
  std::string name = dot == std::string::npos ? kernel : kernel.substr(0, dot);
  if (overload == "default")
    overload.clear();
  return c10::Dispatcher::singleton().findSchema({name, overload});
}

/// Equal but for axes of one element, whose strides mean nothing.
bool sameStrides(at::IntArrayRef sizes, at::IntArrayRef a, at::IntArrayRef b) {
  if (a.size() != sizes.size() || b.size() != sizes.size())
    return false;
  for (size_t axis = 0; axis < sizes.size(); ++axis)
    if (sizes[axis] > 1 && a[axis] != b[axis])
      return false;
  return true;
}

class AtenCall : public BoundCall {
public:
  AtenCall(const CallSite &site, c10::OperatorHandle op, RecordingCache &recordings)
      : op(std::move(op)), mode(site.kernel.mode), name(site.kernel.name), where(site.where),
        scratch(site.scratch), recordings(recordings) {
    bindArguments(site);
    stack.reserve(pattern.size() + this->op.schema().returns().size());
    resultPointers.resize(results.size());
    for (const at::Tensor &result : results)
      resultSizes.push_back(result.sizes().vec());
    if (mode == KernelMode::Functional || !scratch.empty())
      signature = describe(site);
  }

  void run(Registers registers) override {
    for (size_t i = 0; i < results.size(); ++i)
      resultPointers[i] = results[i].const_data_ptr();
    if (plan.empty()) {
      call(registers);
    } else {
      locateSlots();
      AllocationReplay replay(plan);
      call(registers);
    }
    if (mode == KernelMode::Functional)
      settleResults();
    else if (mode == KernelMode::Out)
      checkResults();
    stack.clear();
  }

  void prepare() override {
    if (signature.empty())
      return;
    std::shared_ptr<const CallRecording> &recording = recordings[signature];
    if (!recording)
      recording = record();
    plan.clear();
    for (const RecordedAllocation &allocation : recording->log)
      plan.push_back({allocation.bytes, nullptr});
    std::vector<bool> isResult(plan.size());
    resultSlots.clear();
    for (size_t i = 0; i < recording->ordinals.size(); ++i)
      if (int64_t ordinal = recording->ordinals[i];
          ordinal >= 0 &&
          sameStrides(results[i].sizes(), recording->strides[i], results[i].strides())) {
        isResult[static_cast<size_t>(ordinal)] = true;
        resultSlots.push_back({static_cast<size_t>(ordinal), i});
        plan[static_cast<size_t>(ordinal)].address =
            const_cast<void *>(results[i].const_data_ptr());
      }
    scratchBase = scratch.data();
    placeInScratch(recording->log, scratchBase, scratch.bytes, plan);
    scratchSlots.clear();
    for (size_t n = 0; n < plan.size(); ++n)
      if (!isResult[n] && plan[n].address)
        scratchSlots.push_back(
            {n, static_cast<size_t>(static_cast<std::byte *>(plan[n].address) - scratchBase)});
  }

  uint64_t copiedResults() const override { return copied; }

private:
  void bindArguments(const CallSite &site) {
    const c10::FunctionSchema &schema = op.schema();
    size_t given = 0, bound = 0;
    for (const c10::Argument &argument : schema.arguments()) {
      if (argument.is_out() && mode == KernelMode::Out) {
        if (bound == site.call.results.size())
          fail("has fewer results than " + name + " has out arguments");
        pattern.emplace_back(site.tensors.at(site.call.results[bound++]));
        continue;
      }
      if (given == site.call.args.size()) {
        if (!argument.default_value())
          fail("lacks argument '" + argument.name() + "' of " + name);
        pattern.push_back(*argument.default_value());
        continue;
      }
      BoundArgument value = bindArgument(site, *site.call.args[given++], argument);
      if (value.reg)
        patches.push_back(
            {pattern.size(), *value.reg,
             value.wrapped.defined() ? value.wrapped.mutable_data_ptr<double>() : nullptr});
      pattern.push_back(std::move(value.value));
    }
    if (given != site.call.args.size())
      fail("has " + std::to_string(site.call.args.size()) + " arguments, " + name + " takes " +
           std::to_string(given));
    if (mode == KernelMode::Out && bound != site.call.results.size())
      fail("has " + std::to_string(site.call.results.size()) + " results, " + name + " has " +
           std::to_string(bound) + " out arguments");
    if (mode == KernelMode::InPlace && !site.call.results.empty())
      fail("has results, which a kernel in place cannot have");
    for (uint32_t result : site.call.results)
      results.push_back(site.tensors.at(result));
  }

  /// Gives the planned slots the addresses that results and scratch have in this run.
  void locateSlots() {
    for (auto [ordinal, result] : resultSlots)
      plan[ordinal].address = const_cast<void *>(resultPointers[result]);
    std::byte *base = scratch.data();
    if (base == scratchBase)
      return;
    for (auto [ordinal, offset] : scratchSlots)
      plan[ordinal].address = base + offset;
    scratchBase = base;
  }

  /// Two calls with equal descriptions make the same allocations.
  std::string describe(const CallSite &site) const {
    std::ostringstream text;
    text << name;
    auto tensor = [&](const at::Tensor &t) {
      text << ' ' << t.scalar_type() << t.sizes() << t.strides();
    };
    for (const c10::IValue &value : pattern) {
      if (value.isTensor()) {
        tensor(value.toTensor());
      } else if (value.isTensorList()) {
        for (const at::Tensor &element : value.toTensorVector())
          tensor(element);
      } else if (value.isOptionalTensorList()) {
        for (const std::optional<at::Tensor> &element : value.toOptionalTensorVector())
          element ? tensor(*element) : void(text << " none");
      } else {
        text << ' ' << value;
      }
    }
    text << " ->";
    for (const at::Tensor &result : results)
      tensor(result);
    return text.str();
  }

  void call(Registers registers) {
    stack.assign(pattern.begin(), pattern.end());
    for (const Patch &patch : patches) {
      if (patch.element)
        *patch.element = registers[patch.reg];
      else
        stack[patch.index] = registers[patch.reg];
    }
    op.callBoxed(stack);
  }

  /// Calls `visit(i, tensor)` for the defined tensors that the kernel returned, in order; returns
  /// their number.
  template <typename Visit> size_t forReturned(Visit visit) {
    size_t i = 0;
    auto one = [&](const at::Tensor &tensor) {
      if (!tensor.defined())
        return;
      if (i < results.size())
        visit(i, tensor);
      ++i;
    };
    for (const c10::IValue &value : stack) {
      if (value.isTensor()) {
        one(value.toTensor());
      } else if (value.isTensorList()) {
        for (const at::Tensor &tensor : value.toTensorVector())
          one(tensor);
      }
    }
    return i;
  }

  void settleResults() {
    size_t returned = forReturned([&](size_t i, const at::Tensor &tensor) {
      const at::Tensor &result = results[i];
      bool inPlace = tensor.const_data_ptr() == resultPointers[i];
      if (inPlace && sameStrides(result.sizes(), tensor.strides(), result.strides()))
        return;
      if (tensor.sizes() != result.sizes() || tensor.scalar_type() != result.scalar_type())
        mismatch(i, tensor);
      ++copied;
      result.copy_(tensor.is_alias_of(result) ? tensor.clone() : tensor);
    });
    if (returned != results.size())
      fail("has " + std::to_string(results.size()) + " results, " + name + " returned " +
           std::to_string(returned));
  }

  /// An out argument of the wrong size would have been resized: a fault of the plan.
  void checkResults() const {
    for (size_t i = 0; i < results.size(); ++i)
      if (results[i].const_data_ptr() != resultPointers[i] || results[i].sizes() != resultSizes[i])
        mismatch(i, results[i]);
  }

  std::shared_ptr<const CallRecording> record() {
    const std::vector<double> zeros(registerCount(), 0.0);
    for (int i = 0; i < kWarmUps; ++i) {
      call(zeros);
      stack.clear();
    }
    auto recording = std::make_shared<CallRecording>();
    AllocationRecorder recorder;
    call(zeros);
    if (mode == KernelMode::Functional)
      forReturned([&](size_t i, const at::Tensor &tensor) {
        int64_t ordinal = -1;
        for (size_t n = 0; n < recorder.log().size(); ++n)
          if (recorder.log()[n].address == tensor.const_data_ptr() &&
              recorder.log()[n].bytes == tensor.nbytes())
            ordinal = static_cast<int64_t>(n);
        recording->ordinals.push_back(ordinal);
        recording->strides.push_back(tensor.strides().vec());
      });
    // Results outlive the call, so they are still alive in the log.
    recording->log = recorder.log();
    stack.clear();
    return recording;
  }

  size_t registerCount() const {
    size_t count = 0;
    for (const Patch &patch : patches)
      count = std::max<size_t>(count, patch.reg + 1);
    return count;
  }

  [[noreturn]] void fail(const std::string &what) const {
    throw Error(where + " " + what + "; the plan was not made for this version of the runtime");
  }
  [[noreturn]] void mismatch(size_t i, const at::Tensor &tensor) const {
    std::ostringstream text;
    text << where << ": result " << i << " of " << name << " is " << tensor.scalar_type()
         << tensor.sizes() << ", the plan has " << results[i].scalar_type()
         << at::IntArrayRef(resultSizes[i]) << " for it; compile the model again with this version";
    throw Error(text.str());
  }

  struct Patch {
    size_t index;
    uint32_t reg;
    double *element;
  };

  c10::OperatorHandle op;
  KernelMode mode;
  std::string name, where, signature;
  StorageWindow scratch;
  std::byte *scratchBase = nullptr;
  struct ResultSlot {
    size_t ordinal, result;
  };
  struct ScratchSlot {
    size_t ordinal, offset;
  };
  std::vector<ResultSlot> resultSlots;
  std::vector<ScratchSlot> scratchSlots;
  RecordingCache &recordings;
  std::vector<c10::IValue> pattern, stack;
  std::vector<Patch> patches;
  std::vector<at::Tensor> results;
  std::vector<const void *> resultPointers;
  std::vector<std::vector<int64_t>> resultSizes;
  AllocationPlan plan;
  uint64_t copied = 0;
};

} // namespace

std::unique_ptr<BoundCall> bindAtenCall(const CallSite &site, RecordingCache &recordings) {
  std::optional<c10::OperatorHandle> op = findOperator(site.kernel.name);
  if (!op)
    throw Error(site.where + ": this runtime's PyTorch has no operator '" + site.kernel.name +
                "'; compile the model again with the version of Regimen that runs it");
  UnplannedMemory::install();
  return std::make_unique<AtenCall>(site, *op, recordings);
}

} // namespace regimen::runtime
