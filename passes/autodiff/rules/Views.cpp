//===- Views.cpp - Gradients of views and shape-changing copies -----------===//
#include "passes/autodiff/rules/Rules.h"

using namespace mlir;
using namespace regimen::passes;

void rules::permute(VjpContext &c) {
  if (!c.wants("self"))
    return;
  ArrayRef<int64_t> dims = c.ints("dims");
  SmallVector<int64_t> inverse(dims.size());
  for (auto [i, dim] : llvm::enumerate(dims))
    inverse[wrapDim(dim, dims.size())] = i;
  c.set("self", c.aten().permute(c.grad(), inverse));
}

void rules::slice(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  c.set("self",
        a.call("aten::slice_backward", {{c.grad()}},
               {a.ints("input_sizes", sizesOf(c.operand("self"))),
                a.i64("dim", c.integer("dim", 0)), a.i64("start", c.integer("start", 0)),
                a.i64("end", c.integer("end", INT64_MAX)), a.i64("step", c.integer("step", 1))}));
}

void rules::split(VjpContext &c) {
  if (!c.wants("self"))
    return;
  SmallVector<Value> pieces;
  for (unsigned i = 0; i < c.numResults(); ++i)
    pieces.push_back(c.grad(i) ? c.grad(i) : c.aten().zeros(typeOf(c.result(i))));
  int64_t rank = typeOf(c.operand("self")).getRank();
  c.set("self", c.aten().cat(pieces, wrapDim(c.integer("dim", 0), rank)));
}

void rules::unbind(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  SmallVector<Value> pieces;
  for (unsigned i = 0; i < c.numResults(); ++i)
    pieces.push_back(c.grad(i) ? c.grad(i) : a.zeros(typeOf(c.result(i))));
  c.set("self", a.call("aten::stack", {pieces}, {a.i64("dim", c.integer("dim", 0))}));
}

void rules::squeeze(VjpContext &c) {
  if (!c.wants("self"))
    return;
  RankedTensorType type = typeOf(c.operand("self"));
  int64_t rank = type.getRank();
  llvm::SmallBitVector squeezed(std::max<int64_t>(rank, 1));
  for (int64_t dim : c.ints("dim"))
    squeezed.set(wrapDim(dim, rank));
  if (auto dim = dyn_cast_or_null<IntegerAttr>(c.attr("dim")))
    squeezed.set(wrapDim(dim.getInt(), rank));
  if (!c.hasArgument("dim"))
    squeezed.set();
  Value grad = c.grad();
  for (int64_t i = 0; i < rank; ++i)
    if (squeezed[i] && type.getDimSize(i) == 1)
      grad = c.aten().unsqueeze(grad, i);
  c.set("self", grad);
}

void rules::cat(VjpContext &c) {
  int64_t begin = 0;
  for (auto [i, tensor] : llvm::enumerate(c.operands("tensors"))) {
    RankedTensorType type = typeOf(tensor);
    // torch still accepts an empty 1-d tensor among tensors of any shape.
    if (type.getRank() == 1 && type.getDimSize(0) == 0)
      continue;
    int64_t dim = wrapDim(c.integer("dim", 0), type.getRank());
    int64_t end = begin + type.getDimSize(dim);
    if (c.wants("tensors", i))
      c.set("tensors", c.aten().slice(c.grad(), dim, begin, end), i);
    begin = end;
  }
}

void rules::stack(VjpContext &c) {
  for (size_t i = 0, e = c.operands("tensors").size(); i < e; ++i)
    if (c.wants("tensors", i))
      c.set("tensors", c.aten().select(c.grad(), c.integer("dim", 0), i), i);
}

void rules::constantPadNd(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  SmallVector<int64_t> cut = llvm::map_to_vector(c.ints("pad"), [](int64_t n) { return -n; });
  c.set("self", a.call("aten::constant_pad_nd", {{c.grad()}, {a.scalar(int64_t(0))}},
                       {a.ints("pad", cut)}));
}

void rules::repeat(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  ArrayRef<int64_t> repeats = c.ints("repeats"), input = sizesOf(c.operand("self"));
  size_t leading = repeats.size() - input.size();
  Value grad = c.grad();
  for (size_t i = 0; i < leading; ++i)
    grad = a.sum(grad, {0}, false);
  // Each repeated dimension becomes (repeats, size); the repeats are then summed.
  SmallVector<int64_t> sizes, dims;
  for (auto [count, size] : llvm::zip_equal(repeats.drop_front(leading), input)) {
    if (count != 1) {
      dims.push_back(sizes.size());
      sizes.push_back(count);
    }
    sizes.push_back(size);
  }
  if (!dims.empty())
    grad = a.sum(a.view(grad, sizes), dims, false);
  c.set("self", grad);
}

void rules::roll(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  SmallVector<int64_t> shifts, dims(llvm::reverse(c.ints("dims")));
  for (int64_t shift : llvm::reverse(c.ints("shifts")))
    shifts.push_back(-shift);
  c.set("self",
        a.call("aten::roll", {{c.grad()}}, {a.ints("shifts", shifts), a.ints("dims", dims)}));
}

void rules::selectScatter(VjpContext &c) {
  AtenBuilder &a = c.aten();
  int64_t dim = c.integer("dim", 0), index = c.integer("index", 0);
  if (c.wants("self"))
    c.set("self", a.call("aten::select_scatter", {{c.grad()}, {a.zeros(typeOf(c.operand("src")))}},
                         {a.i64("dim", dim), a.i64("index", index)}));
  if (c.wants("src"))
    c.set("src", a.select(c.grad(), dim, index));
}

void rules::sliceScatter(VjpContext &c) {
  AtenBuilder &a = c.aten();
  int64_t dim = c.integer("dim", 0), start = c.integer("start", 0),
          end = c.integer("end", INT64_MAX), step = c.integer("step", 1);
  if (c.wants("self"))
    c.set("self", a.call("aten::slice_scatter", {{c.grad()}, {a.zeros(typeOf(c.operand("src")))}},
                         {a.i64("dim", dim), a.i64("start", start), a.i64("end", end),
                          a.i64("step", step)}));
  if (c.wants("src"))
    c.set("src", a.slice(c.grad(), dim, start, end, step));
}
