//===- PlanTables.h - The tables that programs refer to ---------*- C++ -*-===//
#ifndef REGIMEN_PASSES_EMIT_PLANTABLES_H
#define REGIMEN_PASSES_EMIT_PLANTABLES_H

#include "dialects/exec/ExecDialect.h"
#include "formats/plan/Plan.h"
#include "passes/allocate/Lifetimes.h"

#include <array>
#include <map>
#include <tuple>

namespace regimen::passes {

/// Throws Error that calls `what` a defect of the compiler, with the place of `op` in the model.
[[noreturn]] void failEmit(mlir::Operation *op, const llvm::Twine &what);

plan::fb::DType emitDType(mlir::Type type);

/// Fills a plan's arenas, buffers, tensors, kernels and locations, each entry once, numbered in
/// order of first use.
class PlanTables {
public:
  explicit PlanTables(plan::fb::PlanT &plan) : plan(plan) {}

  void addArena(exec::ArenaOp arena);
  void addStatic(exec::StaticOp buffer);
  void addFrame(exec::FrameOp buffer);
  void addBuffer(exec::BufferOp buffer, int32_t program, Lifetime lifetime);

  /// Index of a buffer that was added, by its op or by the op that makes it a value.
  uint32_t bufferOf(mlir::Value buffer) const;
  uint32_t bufferOf(llvm::StringRef symbol) const;
  /// Index of the tensor that a value of exec.view stands for.
  void addBucket(dist::BucketOp bucket);
  int32_t bucketIndex(llvm::StringRef name) const { return bucketIndices.at(name.str()); }
  uint32_t tensorOf(mlir::Value tensor);
  uint32_t tensorOf(uint32_t buffer, int64_t byteOffset, mlir::MemRefType type,
                    exec::SegmentAttr segment = {});
  uint32_t kernelOf(exec::CallOp call);
  uint32_t locationOf(mlir::Operation *op);

private:
  template <typename Buffer>
  uint32_t addBufferEntry(Buffer op, int32_t program, Lifetime lifetime, llvm::StringRef name);

  using TensorKey = std::tuple<uint32_t, int64_t, plan::fb::DType, std::vector<int64_t>,
                               std::vector<int64_t>, std::array<int64_t, 4>>;
  using LocationKey = std::tuple<std::string, std::string, std::string, uint32_t>;

  plan::fb::PlanT &plan;
  std::map<std::string, uint16_t, std::less<>> arenas;
  std::map<std::string, uint32_t, std::less<>> symbols; // static and frame buffers
  llvm::DenseMap<mlir::Operation *, uint32_t> buffers;
  std::map<TensorKey, uint32_t> tensors;
  std::map<std::pair<std::string, plan::fb::KernelMode>, uint32_t> kernels;
  std::map<LocationKey, uint32_t> locations;
  std::map<std::string, int32_t, std::less<>> bucketIndices;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_EMIT_PLANTABLES_H
