//===- ProgramLowering.cpp - One train.program to exec --------------------===//
#include "passes/schedule/ProgramLowering.h"

#include "dialects/aten/AtenOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace regimen;
using namespace regimen::passes;
using exec::KernelMode;

ProgramLowering::ProgramLowering(train::ProgramOp program, const LayoutAnalysis &layouts,
                                 StaticStorage &statics, const LoweringOptions &options)
    : source(program), layouts(layouts), statics(statics), plan(program, layouts), spaces(program),
      options(options), builder(program) {}

LogicalResult ProgramLowering::run() {
  createTarget();
  findWindows();
  findSegments();
  loadInputs();
  for (Operation &op : source.getBody().front())
    if (plan.isLive(&op) && !op.hasTrait<OpTrait::IsTerminator>() && failed(lower(&op)))
      return failure();
  returnOutputs();
  return success();
}

/// The elements of an optional list at some indices.
template <typename Indices>
static ArrayAttr pick(Builder &builder, std::optional<ArrayAttr> list, const Indices &indices) {
  if (!list)
    return {};
  SmallVector<Attribute> picked;
  for (auto index : indices)
    picked.push_back((*list)[index]);
  return builder.getArrayAttr(picked);
}

void ProgramLowering::createTarget() {
  SmallVector<unsigned> kept = StoragePlan::keptOutputs(source), live;
  for (BlockArgument argument : source.getBody().getArguments())
    if (llvm::any_of(argument.getUsers(), [&](Operation *user) { return plan.isLive(user); }))
      live.push_back(argument.getArgNumber());
  auto newIndex = [&](std::optional<uint64_t> index) -> IntegerAttr {
    if (!index)
      return {};
    return builder.getI64IntegerAttr(llvm::find(kept, *index) - kept.begin());
  };
  target = exec::ProgramOp::create(
      builder, source.getLoc(), source.getSymName(), source.getRole(), source.getContribution(),
      pick(builder, source.getInputs(), live), pick(builder, source.getOutputs(), kept),
      newIndex(source.getLoss()), newIndex(source.getGradNorm()), /*events=*/0,
      /*lower_bound=*/IntegerAttr(), source.getSegment(), pick(builder, source.getTakes(), live),
      pick(builder, source.getGives(), kept), pick(builder, source.getDependences(), kept),
      source.getKeepsAttr(), source.getVariantAttr());
  builder.createBlock(&target.getBody());
}

void ProgramLowering::loadInputs() {
  int64_t index = 0;
  for (Value argument : source.getBody().getArguments()) {
    if (llvm::none_of(argument.getUsers(), [&](Operation *user) { return plan.isLive(user); }))
      continue;
    if (source.getTakes())
      exec::GivenOp::create(builder, argument.getLoc(), index++, tensorOf(argument));
    else
      exec::LoadInputOp::create(builder, argument.getLoc(), index++, tensorOf(argument),
                                exec::Lane::Copy);
  }
}

void ProgramLowering::returnOutputs() {
  Operation *terminator = source.getBody().front().getTerminator();
  SmallVector<Value> results;
  for (unsigned index : StoragePlan::keptOutputs(source)) {
    Value value = terminator->getOperand(index), tensor = tensorOf(value);
    if (source.getGives() && plan.outputMadeAs(layouts.baseOf(value)) != index) {
      auto type = cast<RankedTensorType>(value.getType());
      Value buffer = newCallerBuffer(cast<StringAttr>(source.getOutputs()[index]).getValue(),
                                     exec::denseBytes(type), terminator->getLoc());
      Value copy =
          view(buffer, 0, StoragePlan::callerLayout(layouts, value), type.getElementType());
      CallArgs(terminator->getContext())
          .tensor(tensor)
          .create(builder, terminator->getLoc(), "regimen::copy", KernelMode::Own, copy);
      tensor = copy;
    }
    results.push_back(tensor);
  }
  exec::ReturnOp::create(builder, terminator->getLoc(), results);
}

LogicalResult ProgramLowering::lower(Operation *op) {
  if (layouts.isView(op))
    return success();
  if (const KernelRecord *kernel = layouts.kernelOf(op)) {
    lowerKernel(op, *kernel);
    return success();
  }
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](aten::AtenOpInterface view) { return lowerReshape(view), success(); })
      .Case([&](train::ReadOp read) { return lowerRead(read), success(); })
      .Case([&](train::WriteOp write) { return lowerWrite(write), success(); })
      .Case([&](train::AccumulateOp add) { return lowerAccumulate(add), success(); })
      .Case([&](train::SeedOp seed) { return lowerSeed(seed), success(); })
      .Case([&](train::GlobalNormOp norm) { return lowerGlobalNorm(norm), success(); })
      .Case([&](train::FusedAdamWOp fused) { return lowerFusedAdamW(fused); })
      .Case([&](dist::StartOp start) { return lowerStart(start), success(); })
      .Case([&](dist::WaitOp wait) { return lowerWait(wait), success(); })
      .Case([&](dist::ReleaseOp) { return success(); })
      .Case([&](dist::SumOfSquaresOp sum) { return lowerSumOfSquares(sum), success(); })
      .Case([&](dist::ShareOp share) { return lowerShare(share), success(); })
      .Case([&](dist::NormOfSquaresOp norm) { return lowerNormOfSquares(norm), success(); })
      .Case([&](dist::MoveOp move) { return lowerMove(move), success(); })
      .Case([&](dist::MovedOp moved) { return lowerMoved(moved), success(); })
      .Case([&](aten::ConstantOp) { return success(); })
      .Default([&](Operation *other) -> LogicalResult {
        // Scalars become registers where they are used.
        if (llvm::none_of(other->getResultTypes(), llvm::IsaPred<ShapedType>) &&
            other->getNumResults())
          return success();
        return other->emitOpError() << "cannot be lowered to exec";
      });
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

void ProgramLowering::lowerKernel(Operation *op, const KernelRecord &kernel) {
  OperandMap map{[&](Value value) { return tensorOf(value); },
                 [&](Value value) { return registerOf(value); }};
  CallArgs args = buildArgs(op, kernel, map);
  // Results that output_mask switches off do not exist.
  auto mask = llvm::dyn_cast_if_present<DenseBoolArrayAttr>(
      op->getInherentAttr("output_mask").value_or(Attribute()));
  SmallVector<Value> results;
  for (auto [index, result] : llvm::enumerate(op->getResults()))
    if (!mask || mask[index])
      results.push_back(tensorOf(result));
  Value scratch;
  if (int64_t bytes = kernel.scratch(layouts.argsOf(op), options.threads))
    scratch = newBuffer("scratch", bytes, exec::Category::Workspace, op->getLoc(),
                        spaces.of(op->getResult(0)));
  args.create(builder, op->getLoc(), kernel.name, kernel.mode, results, scratch);
}

void ProgramLowering::lowerReshape(Operation *op) {
  // A view whose strides do not allow one: the elements in their order, contiguous.
  Value operand = op->getOperand(0);
  CallArgs(op->getContext())
      .tensor(tensorOf(operand))
      .create(builder, op->getLoc(), "regimen::copy", KernelMode::Own,
              tensorOf(op->getResult(0), contiguousLayout(layouts.layoutOf(operand).sizes)));
}

void ProgramLowering::lowerRead(train::ReadOp op) {
  if (!plan.needsCopy(op))
    return;
  CallArgs(op.getContext())
      .tensor(storageTensor(op.getSymbolAttr(), cast<RankedTensorType>(op.getType())))
      .create(builder, op.getLoc(), "regimen::copy", KernelMode::Own, tensorOf(op.getResult()));
}

void ProgramLowering::lowerWrite(train::WriteOp op) {
  if (plan.isInPlace(op))
    return;
  CallArgs(op.getContext())
      .tensor(tensorOf(op.getValue()))
      .create(builder, op.getLoc(), "regimen::copy", KernelMode::Own,
              storageTensor(op.getSymbolAttr(), cast<RankedTensorType>(op.getValue().getType())));
}

void ProgramLowering::lowerAccumulate(train::AccumulateOp op) {
  auto type = cast<RankedTensorType>(op.getValue().getType());
  Value gradient = storageTensor(op.getSymbolAttr(), type);
  Value flag = train::HyperOp::create(builder, op.getLoc(), builder.getF64Type(),
                                      train::Hyper::HasGradient, op.getGroup());
  CallArgs(op.getContext())
      .tensor(gradient)
      .tensor(tensorOf(op.getValue()))
      .scalarRegister(flag)
      .create(builder, op.getLoc(), "regimen::accumulate_gradient", KernelMode::Own, gradient);
}

void ProgramLowering::lowerSeed(train::SeedOp op) {
  CallArgs(op.getContext())
      .number(builder.getF64FloatAttr(1.0 / double(op.getAccumulate())))
      .create(builder, op.getLoc(), "regimen::fill", KernelMode::Own, tensorOf(op.getResult()));
}

void ProgramLowering::lowerGlobalNorm(train::GlobalNormOp op) {
  SmallVector<Value> tensors =
      llvm::map_to_vector(op.getTensors(), [&](Value value) { return tensorOf(value); });
  CallArgs(op.getContext())
      .tensors(tensors)
      .create(builder, op.getLoc(), "regimen::global_norm", KernelMode::Own,
              tensorOf(op.getResult()));
}

LogicalResult ProgramLowering::lowerFusedAdamW(train::FusedAdamWOp op) {
  Location loc = op.getLoc();
  // The kernel writes to its operands: each must be a whole storage symbol that its result
  // replaces, or a copy that nothing else uses.
  auto check = [&](ResultRange results, OperandRange operands) -> LogicalResult {
    for (auto [result, operand] : llvm::zip_equal(results, operands)) {
      if (operand.getDefiningOp<dist::MoveOp>() && operand.hasOneUse())
        continue;
      auto read = operand.getDefiningOp<train::ReadOp>();
      auto write =
          result.hasOneUse() ? dyn_cast<train::WriteOp>(*result.user_begin()) : train::WriteOp();
      if (!read || !write || read.getSymbolAttr() != write.getSymbolAttr() || plan.needsCopy(read))
        return op.emitOpError()
               << "works in place: operand " << operand
               << " must be read from, and its result written to, one storage symbol";
    }
    return success();
  };
  if (failed(check(op.getNewParameters(), op.getParameters())) ||
      failed(check(op.getNewExpAvgs(), op.getExpAvgs())) ||
      failed(check(op.getNewExpAvgSqs(), op.getExpAvgSqs())))
    return failure();

  auto hyper = [&](train::Hyper kind) {
    return train::HyperOp::create(builder, loc, builder.getF64Type(), kind, op.getGroup())
        .getResult();
  };
  auto tensors = [&](OperandRange values) {
    return llvm::map_to_vector(values, [&](Value value) { return tensorOf(value); });
  };
  // torch's fused kernel takes the step that it makes, as a tensor a parameter; all are equal.
  MLIRContext *context = op.getContext();
  Value step = view(newBuffer("step", sizeof(float), exec::Category::Workspace, loc,
                              spaces.of(op.getNewParameters().front())),
                    0, Layout(), builder.getF32Type());
  CallArgs(context)
      .scalarRegister(hyper(train::Hyper::Step))
      .create(builder, loc, "regimen::fill", KernelMode::Own, step);
  CallArgs(context)
      .tensors(tensors(op.getParameters()))
      .tensors(tensors(op.getGradients()))
      .tensors(tensors(op.getExpAvgs()))
      .tensors(tensors(op.getExpAvgSqs()))
      .tensors({})
      .tensors(SmallVector<Value>(op.getParameters().size(), step))
      .scalarRegister(hyper(train::Hyper::Lr))
      .scalarRegister(hyper(train::Hyper::Beta1))
      .scalarRegister(hyper(train::Hyper::Beta2))
      .scalarRegister(hyper(train::Hyper::WeightDecay))
      .scalarRegister(hyper(train::Hyper::Eps))
      .boolean(false)
      .boolean(false)
      .create(builder, loc, "aten::_fused_adamw_", KernelMode::InPlace, {});
  return success();
}

//===----------------------------------------------------------------------===//
// Tensors, buffers, registers
//===----------------------------------------------------------------------===//

Value ProgramLowering::tensorOf(Value value) { return tensorOf(value, layouts.layoutOf(value)); }

Value ProgramLowering::tensorOf(Value value, const Layout &layout) {
  BufferPlace location = locationOf(layouts.baseOf(value));
  Type element = getElementTypeOrSelf(value.getType());
  // A rank's part of a result is as long as those of its operands.
  if (exec::SegmentAttr segment = segments.lookup(value); segment && !location.segment)
    location.segment = segment.in(exec::SegmentPlace::Own);
  return view(location.buffer, location.offset + layout.offset * exec::elementBytes(element),
              layout, element, location.segment);
}

Value ProgramLowering::storageTensor(FlatSymbolRefAttr symbol, RankedTensorType type) {
  Layout layout = statics.placeOf(symbol.getValue()).layout;
  BufferPlace location = locationOf(symbol, nullptr);
  return view(location.buffer, location.offset, layout, type.getElementType(), location.segment);
}

Value ProgramLowering::view(Value buffer, int64_t byteOffset, const Layout &layout,
                            Type elementType, exec::SegmentAttr segment) {
  MemRefType type = exec::tensorType(layout.sizes, layout.strides, elementType);
  Value &tensor = views[{buffer, byteOffset, type, segment}];
  if (!tensor)
    tensor = exec::ViewOp::create(builder, buffer.getLoc(), type, buffer,
                                  builder.getI64IntegerAttr(byteOffset), segment);
  return tensor;
}

ProgramLowering::BufferPlace ProgramLowering::locationOf(FlatSymbolRefAttr symbol,
                                                         Operation *read) {
  StaticStorage::Place place = statics.placeOf(symbol.getValue());
  if (place.buffer)
    return {staticBuffer(place.buffer), place.offset, place.segment};
  dist::StartOp start = read ? gathers.lookup(read) : dist::StartOp();
  return {windowOf(start ? start : reductions.lookup(place.bucket)), place.offset};
}

ProgramLowering::BufferPlace ProgramLowering::locationOf(Value base) {
  if (FlatSymbolRefAttr symbol = plan.destinationOf(base))
    return locationOf(symbol, nullptr);
  if (auto read = base.getDefiningOp<train::ReadOp>(); read && !plan.needsCopy(read))
    return locationOf(read.getSymbolAttr(), read);
  if (auto constant = base.getDefiningOp<aten::ConstantOp>()) {
    StaticStorage::Place place = statics.constant(constant.getValue(), constant.getLoc());
    return {staticBuffer(place.buffer), place.offset};
  }
  Value owner = plan.bufferOf(base);
  Value &buffer = buffers[owner];
  if (!buffer) {
    std::string name;
    if (auto argument = dyn_cast<BlockArgument>(owner))
      name = cast<StringAttr>(source.getInputs()[argument.getArgNumber()]).getValue();
    else
      name = owner.getDefiningOp()->getName().getStringRef();
    int64_t bytes = exec::denseBytes(cast<ShapedType>(owner.getType()));
    buffer = plan.isCallers(owner)
                 ? newCallerBuffer(name, bytes, owner.getLoc())
                 : newBuffer(name, bytes, plan.categoryOf(owner), owner.getLoc(), spaces.of(owner));
  }
  return {buffer};
}

Value ProgramLowering::staticBuffer(FlatSymbolRefAttr symbol) {
  Value &buffer = staticBuffers[symbol];
  if (!buffer)
    buffer = exec::GetOp::create(builder, source.getLoc(),
                                 exec::BufferType::get(builder.getContext()), symbol);
  return buffer;
}

Value ProgramLowering::newBuffer(StringRef name, int64_t bytes, exec::Category category,
                                 Location loc, dist::Space space) {
  return exec::BufferOp::create(builder, loc, exec::BufferType::get(builder.getContext()), name,
                                bytes, category, FlatSymbolRefAttr(), IntegerAttr(),
                                space == dist::Space::Host ? exec::MemorySpace::Host
                                                           : exec::MemorySpace::Device);
}

Value ProgramLowering::newCallerBuffer(StringRef name, int64_t bytes, Location loc) {
  return exec::BufferOp::create(builder, loc, exec::BufferType::get(builder.getContext()), name,
                                bytes, exec::Category::Activations, statics.callerArena(),
                                builder.getI64IntegerAttr(0), exec::MemorySpace::Device);
}

Value ProgramLowering::registerOf(Value scalar) {
  if (Value known = registers.lookupOrNull(scalar))
    return known;
  Operation *op = scalar.getDefiningOp();
  for (Value operand : op->getOperands())
    registerOf(operand);
  builder.clone(*op, registers);
  return registers.lookup(scalar);
}
