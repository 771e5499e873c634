//===- Indexing.cpp - Gradients of indexing and selection -----------------===//
#include "passes/autodiff/rules/Rules.h"

using namespace mlir;
using namespace regimen::passes;

static NamedAttribute dimAttr(VjpContext &c) { return c.aten().i64("dim", c.integer("dim", 0)); }

static Value zerosLikeSelf(VjpContext &c) { return c.aten().zeros(typeOf(c.operand("self"))); }

void rules::embedding(VjpContext &c) {
  if (!c.wants("weight"))
    return;
  AtenBuilder &a = c.aten();
  c.set("weight", a.call("aten::embedding_dense_backward", {{c.grad()}, {c.operand("indices")}},
                         {a.i64("num_weights", sizesOf(c.operand("weight"))[0]),
                          a.i64("padding_idx", c.integer("padding_idx", -1)),
                          a.boolean("scale_grad_by_freq", c.flag("scale_grad_by_freq", false))}));
}

void rules::index(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  c.set("self", a.call("aten::index_put", {{zerosLikeSelf(c)}, c.operands("indices"), {c.grad()}},
                       {NamedAttribute("indices_present", c.attr("indices_present")),
                        a.boolean("accumulate", true)}));
}

void rules::indexPut(VjpContext &c) {
  AtenBuilder &a = c.aten();
  NamedAttribute present("indices_present", c.attr("indices_present"));
  if (c.wants("self")) {
    Value grad = c.grad();
    if (!c.flag("accumulate", false))
      grad = a.call("aten::index_put",
                    {{grad}, c.operands("indices"), {a.zeros(typeOf(c.operand("values")))}},
                    {present, a.boolean("accumulate", false)});
    c.set("self", grad);
  }
  if (c.wants("values"))
    c.set("values", a.call("aten::index.Tensor", {{c.grad()}, c.operands("indices")}, {present}));
}

void rules::gather(VjpContext &c) {
  if (c.wants("self"))
    c.set("self",
          c.aten().call("aten::scatter_add", {{zerosLikeSelf(c)}, {c.operand("index")}, {c.grad()}},
                        {dimAttr(c)}));
}

void rules::indexSelect(VjpContext &c) {
  if (c.wants("self"))
    c.set("self",
          c.aten().call("aten::index_add",
                        {{zerosLikeSelf(c)}, {c.operand("index")}, {c.grad()}, {}}, {dimAttr(c)}));
}

void rules::indexAdd(VjpContext &c) {
  AtenBuilder &a = c.aten();
  if (c.wants("self"))
    c.set("self", c.grad());
  if (c.wants("source"))
    c.set("source", a.maybeMultiply(a.call("aten::index_select", {{c.grad()}, {c.operand("index")}},
                                           {dimAttr(c)}),
                                    c.operand("alpha")));
}

void rules::selecting(VjpContext &c) {
  if (!c.wants("self"))
    return;
  AtenBuilder &a = c.aten();
  Value grad = c.grad(), indices = c.result(1);
  int64_t rank = typeOf(c.operand("self")).getRank();
  int64_t dim = c.integer("dim", -1);
  bool reduced = c.hasArgument("keepdim") && !c.flag("keepdim", false);
  if (reduced && rank > 0) {
    grad = a.unsqueeze(grad, wrapDim(dim, rank));
    indices = a.unsqueeze(indices, wrapDim(dim, rank));
  }
  c.set("self",
        a.call("aten::scatter.src", {{zerosLikeSelf(c)}, {indices}, {grad}}, {a.i64("dim", dim)}));
}

void rules::embeddingBag(VjpContext &c) {
  if (!c.wants("weight"))
    return;
  AtenBuilder &a = c.aten();
  c.set("weight", a.call("aten::_embedding_bag_backward",
                         {{c.grad()},
                          {c.operand("indices")},
                          {c.operand("offsets")},
                          {c.result(1)},
                          {c.result(2)},
                          {c.result(3)},
                          c.operands("per_sample_weights")},
                         {a.i64("num_weights", sizesOf(c.operand("weight"))[0]),
                          a.boolean("scale_grad_by_freq", c.flag("scale_grad_by_freq", false)),
                          a.i64("mode", c.integer("mode", 0)), a.boolean("sparse", false),
                          a.i64("padding_idx", c.integer("padding_idx", -1))}));
}
