//===- OwnKernels.cpp - Registry and operand access -----------------------===//
#include "runtime/kernels/OwnKernels.h"

#include "formats/Error.h"

#include <algorithm>
#include <array>

namespace regimen::runtime {
namespace {

using plan::fb::ArgKind;

struct Entry {
  std::string_view name;
  OwnKernelFactory bind;
};
constexpr std::array kKernels{
    Entry{"regimen::accumulate_gradient", &bindAccumulateGradient},
    Entry{"regimen::copy", &bindCopy},
    Entry{"regimen::embedding_backward", &bindEmbeddingBackward},
    Entry{"regimen::fill", &bindFill},
    Entry{"regimen::gelu_tanh", &bindGeluTanh},
    Entry{"regimen::gelu_tanh_backward", &bindGeluTanhBackward},
    Entry{"regimen::global_norm", &bindGlobalNorm},
    Entry{"regimen::move", &bindMove},
    Entry{"regimen::norm_of_squares", &bindNormOfSquares},
    Entry{"regimen::select_backward", &bindSelectBackward},
    Entry{"regimen::select_scatter", &bindSelectScatter},
    Entry{"regimen::slice_backward", &bindSliceBackward},
    Entry{"regimen::slice_scatter", &bindSliceScatter},
    Entry{"regimen::sum_of_squares", &bindSumOfSquares},
};

} // namespace

std::unique_ptr<BoundCall> bindOwnKernel(const CallSite &site) {
  for (const Entry &entry : kKernels)
    if (entry.name == site.kernel.name)
      return entry.bind(OwnOperands(site));
  throw Error(site.where + ": this runtime has no kernel '" + site.kernel.name +
              "'; compile the model again with the version of Regimen that runs it");
}

void OwnOperands::fail(const std::string &what) const {
  throw Error(site.where + ": " + site.kernel.name + " " + what +
              "; the plan was not made for this version of the runtime");
}

void OwnOperands::expectCounts(size_t arguments, size_t results) const {
  if (site.call.args.size() != arguments || site.call.results.size() != results)
    fail("takes " + std::to_string(arguments) + " arguments and " + std::to_string(results) +
         " results, got " + std::to_string(site.call.args.size()) + " and " +
         std::to_string(site.call.results.size()));
}

const plan::fb::ArgT &OwnOperands::argument(size_t i, std::initializer_list<ArgKind> kinds) const {
  const plan::fb::ArgT &arg = *site.call.args.at(i);
  if (std::find(kinds.begin(), kinds.end(), arg.kind) == kinds.end())
    fail("cannot take a " + std::string(plan::fb::EnumNameArgKind(arg.kind)) + " as argument " +
         std::to_string(i));
  return arg;
}

const at::Tensor &OwnOperands::tensor(size_t i) const {
  return site.tensors.at(argument(i, {ArgKind::Tensor}).tensor);
}

std::vector<at::Tensor> OwnOperands::tensorList(size_t i) const {
  std::vector<at::Tensor> list;
  for (int32_t index : argument(i, {ArgKind::TensorList}).tensors)
    list.push_back(site.tensors.at(static_cast<size_t>(index)));
  return list;
}

int64_t OwnOperands::integer(size_t i) const {
  return argument(i, {ArgKind::Int, ArgKind::ScalarInt, ArgKind::Bool, ArgKind::ScalarBool}).i;
}

int64_t OwnOperands::integerOr(size_t i, int64_t otherwise) const {
  ArgKind kind = site.call.args.at(i)->kind;
  return kind == ArgKind::None || kind == ArgKind::Default ? otherwise : integer(i);
}

std::vector<int64_t> OwnOperands::integers(size_t i) const {
  return argument(i, {ArgKind::IntList}).ints;
}

OwnOperands::Number OwnOperands::number(size_t i) const {
  const plan::fb::ArgT &arg =
      argument(i, {ArgKind::Int, ArgKind::Float, ArgKind::Bool, ArgKind::ScalarInt,
                   ArgKind::ScalarFloat, ArgKind::ScalarBool, ArgKind::ScalarRegister});
  switch (arg.kind) {
  case ArgKind::ScalarRegister:
    return {at::Scalar(0.0), static_cast<uint32_t>(arg.i)};
  case ArgKind::Float:
  case ArgKind::ScalarFloat:
    return {at::Scalar(arg.f), std::nullopt};
  default:
    return {at::Scalar(arg.i), std::nullopt};
  }
}

const at::Tensor &OwnOperands::result(size_t i) const {
  return site.tensors.at(site.call.results.at(i));
}

} // namespace regimen::runtime
