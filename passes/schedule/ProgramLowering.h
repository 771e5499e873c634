//===- ProgramLowering.h - One train.program to exec ------------*- C++ -*-===//
#ifndef REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H
#define REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H

#include "passes/schedule/CallBuilder.h"
#include "passes/schedule/StaticStorage.h"
#include "passes/schedule/StoragePlan.h"

#include "mlir/IR/IRMapping.h"

namespace regimen::passes {

/// Writes the exec.program of a train.program in front of it.
class ProgramLowering {
public:
  ProgramLowering(train::ProgramOp program, const LayoutAnalysis &layouts, StaticStorage &statics,
                  int64_t threads);
  mlir::LogicalResult run();

private:
  mlir::LogicalResult lower(mlir::Operation *op);
  void createTarget();
  void loadInputs();
  void returnOutputs();
  void lowerKernel(mlir::Operation *op, const KernelRecord &kernel);
  void lowerReshape(mlir::Operation *op);
  void lowerRead(train::ReadOp op);
  void lowerWrite(train::WriteOp op);
  void lowerAccumulate(train::AccumulateOp op);
  void lowerSeed(train::SeedOp op);
  void lowerGlobalNorm(train::GlobalNormOp op);
  mlir::LogicalResult lowerFusedAdamW(train::FusedAdamWOp op);

  /// The exec tensor of a train value, with its layout.
  mlir::Value tensorOf(mlir::Value value);
  /// The same storage seen with another layout.
  mlir::Value tensorOf(mlir::Value value, const Layout &layout);
  /// A tensor over all of a storage symbol.
  mlir::Value storageTensor(mlir::FlatSymbolRefAttr symbol, mlir::RankedTensorType type);
  mlir::Value view(mlir::Value buffer, int64_t byteOffset, const Layout &layout,
                   mlir::Type elementType);
  /// The buffer that holds base value `base`, and the byte in it where `base` starts.
  std::pair<mlir::Value, int64_t> bufferOf(mlir::Value base);
  mlir::Value staticBuffer(mlir::FlatSymbolRefAttr symbol);
  mlir::Value newBuffer(llvm::StringRef name, int64_t bytes, exec::Category category,
                        mlir::Location loc);
  mlir::Value newCallerBuffer(llvm::StringRef name, int64_t bytes, mlir::Location loc);
  /// The register of an f64 value.
  mlir::Value registerOf(mlir::Value scalar);

  train::ProgramOp source;
  const LayoutAnalysis &layouts;
  StaticStorage &statics;
  StoragePlan plan;
  int64_t threads;
  mlir::OpBuilder builder;
  exec::ProgramOp target;
  /// Scalars of the source to registers.
  mlir::IRMapping registers;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers;
  llvm::DenseMap<mlir::Attribute, mlir::Value> staticBuffers;
  llvm::DenseMap<std::tuple<mlir::Value, int64_t, mlir::Type>, mlir::Value> views;
};

} // namespace regimen::passes

#endif // REGIMEN_PASSES_SCHEDULE_PROGRAMLOWERING_H
