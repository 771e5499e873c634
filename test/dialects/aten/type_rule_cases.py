"""Calls of every aten op, whose result types PyTorch's own kernels tell: what test_type_rules.py compares with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

Case = tuple[str, tuple[Any, ...], dict[str, Any]]


class S:
    """A Scalar argument: an SSA operand."""

    def __init__(self, value: float | int | bool) -> None:
        self.value = value


def f(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape).to(dtype)


def i(*shape: int, high: int = 2, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    return torch.randint(0, high, shape).to(dtype)


def b(*shape: int) -> torch.Tensor:
    return torch.rand(shape) < 0.5


def case(name: str, *args: Any, **kwargs: Any) -> Case:
    return name, args, kwargs


def views() -> Iterator[Case]:
    for name in ("alias", "detach"):
        yield case(name, f(2, 3))
    for name in ("view", "_unsafe_view"):
        yield case(name, f(2, 3), [3, -1])
        yield case(name, f(1), [])
        yield case(name, f(0, 3), [0, 5])
        yield case(name, f(4, 6), [2, 2, 6])
    yield case("expand", f(1, 3), [4, -1])
    yield case("expand", f(3), [2, 4, 3])
    yield case("expand", f(), [2, 2])
    yield case("permute", f(2, 3, 4), [2, 0, -2])
    yield case("select.int", f(2, 3), -1, -3)
    yield case("select.int", f(5), 0, 4)
    for bounds in ((0, 2), (-2, None), (1, 2**63 - 1), (None, -1), (3, 1), (-100, 100)):
        yield case("slice.Tensor", f(4, 3), 0, *bounds)
        yield case("slice.Tensor", f(3, 4), -1, *bounds, 3)
    yield case("split.Tensor", f(7, 2), 3)
    yield case("split.Tensor", f(2, 6), 2, -1)
    yield case("split_with_sizes", f(2, 6), [1, 5], 1)
    yield case("squeeze.dim", f(1, 3), 0)
    yield case("squeeze.dim", f(1, 3), -1)
    yield case("squeeze.dims", f(1, 3, 1), [0, -1])
    for shape in ((), (3,), (2, 3)):
        yield case("t", f(*shape))
    yield case("transpose.int", f(2, 3, 4), 0, -1)
    yield case("unbind.int", f(3, 2))
    yield case("unbind.int", f(2, 3), -1)
    for dim in (0, 1, 2, -1, -3):
        yield case("unsqueeze", f(2, 3), dim)
    yield case("broadcast_tensors", [f(2, 1), f(3), f()])
    for offset in (-1, 0, 1, 5):
        yield case("diagonal", f(2, 3, 4), offset, 0, -1)
    yield case("squeeze", f(1, 3, 1))


def creation() -> Iterator[Case]:
    yield case("arange", S(5))
    yield case("arange", S(5.5))
    yield case("arange", S(5), dtype=torch.float32)
    yield case("arange.start", S(2), S(7))
    yield case("arange.start_step", S(0), S(7), S(3))
    yield case("arange.start_step", S(7), S(0), S(-2))
    yield case("arange.start_step", S(0), S(1), S(0.25))
    for value in (1, 1.0, True):
        yield case("full", [2, 3], S(value))
        yield case("scalar_tensor", S(value))
        yield case("new_full", i(2), [3], S(value))
        yield case("full_like", i(2), S(value))
    yield case("full", [], S(1), dtype=torch.bool)
    yield case("scalar_tensor", S(1), dtype=torch.int64)
    yield case("full_like", f(2, 3), S(0), dtype=torch.float64)
    for name in ("ones", "zeros"):
        yield case(name, [2, 0])
        yield case(name, [], dtype=torch.int64)
    for name in ("new_ones", "new_zeros"):
        yield case(name, f(2), [3, 4])
        yield case(name, f(2), [], dtype=torch.bool)
    for name in ("ones_like", "zeros_like", "empty_like"):
        yield case(name, i(2, 3))
        yield case(name, f(2, 3), dtype=torch.bool)
    yield case("_to_copy", f(2), dtype=torch.bfloat16)
    yield case("_to_copy", b(2))
    yield case("clone", f(2, 3), memory_format=torch.contiguous_format)
    yield case("copy", f(2, 3), f(3))
    yield case("type_as", f(2), i(3))
    yield case("fill.Scalar", i(2, 3), S(2.5))
    yield case("fill.Tensor", f(2, 3), f())


def pointwise() -> Iterator[Case]:
    for name in ("cos", "erf", "exp", "log", "log1p", "reciprocal", "rsqrt", "sigmoid", "sin", "sqrt", "tanh"):
        for tensor in (f(2, 3), i(2), b(2), f(2, dtype=torch.bfloat16), f(dtype=torch.float64)):
            yield case(name, tensor)
    for name in ("abs", "neg", "relu", "sgn"):
        yield case(name, f(2, 3))
        yield case(name, i(2))
    for name in ("gelu", "hardsigmoid", "hardswish", "leaky_relu", "silu", "softplus"):
        yield case(name, f(2, 3))
        yield case(name, f(2, dtype=torch.bfloat16))
    yield case("gelu", f(2), approximate="tanh")
    yield case("softplus", f(2), S(2.0), S(20))
    yield case("dropout", f(2), 0.0, False)
    yield case("bitwise_not", b(2))
    yield case("logical_not", f(2))
    mixed = [
        (f(2, 3), f(3)),
        (f(2, 3), i(2, 1)),
        (i(2), f()),
        (i(2), i(dtype=torch.int32)),
        (f(2), f(dtype=torch.float64)),
        (b(2), i()),
        (i(2, dtype=torch.int8), i(2, dtype=torch.uint8)),
        (f(2, dtype=torch.float16), f(2, dtype=torch.bfloat16)),
        (f(1, 0), f(3, 1)),
    ]
    for name in ("add.Tensor", "mul.Tensor", "div.Tensor", "maximum", "minimum", "min.other", "pow.Tensor_Tensor"):
        for pair in mixed:
            yield case(name, *pair)
    for pair in mixed[:5]:
        yield case("sub.Tensor", *pair)
        yield case("floor_divide", pair[0], pair[1] + 1)
    yield case("add.Tensor", f(2), f(2), alpha=S(2))
    for name in ("bitwise_and.Tensor", "bitwise_or.Tensor", "__and__.Tensor", "__or__.Tensor"):
        yield case(name, b(2, 3), b(3))
        yield case(name, i(2), b(2))
    for name in ("eq", "ge", "gt", "le", "lt", "ne"):
        yield case(f"{name}.Tensor", i(2, 1), i(3))
        yield case(f"{name}.Scalar", f(2), S(1))
    for name in ("logical_and", "logical_or"):
        yield case(name, f(2, 3), i(3))
    for name in ("add.Scalar", "sub.Scalar", "mul.Scalar", "div.Scalar", "rsub.Scalar", "remainder.Scalar"):
        for tensor in (f(2), i(2), f(dtype=torch.float64), f(2, dtype=torch.bfloat16), i(2, dtype=torch.int32)):
            for value in (2, 0.5):
                yield case(name, tensor, S(value))
    for tensor in (f(2), i(2)):
        for value in (2, 0.5):
            yield case("pow.Tensor_Scalar", tensor, S(value))
            yield case("clamp_min", tensor, S(value))
            yield case("clamp", tensor, None, S(value))
            yield case("clamp", tensor, S(0), S(value))
    yield case("addcdiv", f(2, 3), f(3), f(2, 1), value=S(2))
    yield case("addcmul", f(2, 3), f(3), f(2, 1))
    yield case("lerp.Scalar", f(2, 3), f(3), S(0.5))
    yield case("masked_fill.Scalar", f(2, 3), b(3), S(0))
    yield case("masked_fill.Scalar", i(3), b(2, 1), S(-100))
    yield case("where.self", b(2, 1), f(3), f())
    yield case("where.self", b(2), i(2), f())
    yield case("where.self", b(2), i(2), f(2, dtype=torch.bfloat16))
    for value in (1, 0.5):
        yield case("where.ScalarOther", b(2), f(2), S(value))
        yield case("where.ScalarSelf", b(2, 1), S(value), i(3))
    for name in ("atan", "cosh", "erfc", "exp2", "expm1", "log10", "log2", "sinh", "tan"):
        yield case(name, f(2, 3))
        yield case(name, i(2, 3))
    for name in ("ceil", "floor", "round", "sign", "trunc", "square"):
        yield case(name, f(2, 3))
    for name in ("celu", "elu", "hardtanh", "log_sigmoid", "log_sigmoid_forward", "mish", "relu6", "selu"):
        yield case(name, f(2, 3))
    yield case("isnan", f(2, 3))
    yield case("glu", f(2, 6))
    yield case("glu", f(4, 3), 0)
    yield case("threshold", f(2, 3), S(0.1), S(0.2))
    yield case("clamp_max", i(2), S(0.5))
    yield case("clamp.Tensor", f(2, 3), f(3), None)
    yield case("clamp.Tensor", i(2, 3), f(2, 1), f())
    yield case("div.Tensor_mode", i(3), i(2, 3) + 1, rounding_mode="floor")
    yield case("floor_divide.Scalar", i(3), S(2))
    yield case("fmod.Scalar", i(3), S(0.7))
    yield case("lerp.Tensor", f(2, 3), f(3), f(2, 1))
    yield case("masked_fill.Tensor", f(3), b(2, 3), f())
    yield case("max.other", f(2, 1), i(3))
    yield case("pow.Scalar", S(2), f(2, 3))
    yield case("pow.Scalar", S(2.5), i(2, 3))
    yield case("_prelu_kernel", f(2, 3), f(1, 3))
    yield case("prelu", f(2, 3, 4), f(3))
    yield case("rsub.Tensor", f(2, 3), i(3))
    yield case("xlogy.Tensor", i(2, 3), i(3))


def reductions() -> Iterator[Case]:
    for tensor in (f(2, 3), i(2, 3), b(2, 3)):
        yield case("sum", tensor)
        for dims in ([0], [-1, 0], [], None):
            yield case("sum.dim_IntList", tensor, dims)
        yield case("sum.dim_IntList", tensor, [1], True, dtype=torch.float64)
        yield case("cumsum", tensor, -1)
        yield case("any.dim", tensor, -1)
        yield case("all.dim", tensor, 0, True)
    yield case("any.dim", i(2, dtype=torch.uint8), 0)
    yield case("mean", f(2, 3))
    yield case("mean", i(2), dtype=torch.float32)
    yield case("mean.dim", f(2, 3), [-1], True)
    yield case("mean.dim", f(2, 3, dtype=torch.bfloat16), [0], dtype=torch.float32)
    yield case("amax", i(2, 3), [0], True)
    yield case("amax", f(2, 3))
    yield case("logsumexp", f(2, 3), [1])
    yield case("logsumexp", i(2, 3), [0, 1], True)
    for dim in (None, 1, -2):
        yield case("argmax", f(2, 3), dim)
        yield case("argmax", f(2, 3), dim, True)
    yield case("diff", i(2, 5))
    yield case("diff", i(2, 5), 2, 0)
    yield case("diff", i(2, 5), 1, -1, i(2, 1))
    yield case("diff", b(2, 5), 1, -1, None, b(2, 3))
    for name in ("softmax.int", "log_softmax.int"):
        yield case(name, f(2, 3), -1)
        yield case(name, i(2, 3), 0, torch.float32)
    for name in ("_softmax", "_log_softmax"):
        yield case(name, f(2, 3), -1, False)
    yield case("_safe_softmax", f(2, 3), -1)
    for name in ("_softmax_backward_data", "_log_softmax_backward_data"):
        yield case(name, f(2, 3), f(2, 3), -1, torch.float32)
    for name in ("all", "any", "max", "min"):
        yield case(name, f(2, 3))
    yield case("amin", f(2, 3), [1], True)
    yield case("argmin", f(2, 3), 1)
    for name in ("max.dim", "min.dim"):
        yield case(name, f(2, 3), 0)
        yield case(name, i(2, 3), -1, True)
    yield case("argsort", f(2, 3))
    yield case("sort", f(2, 3), 0, True)
    yield case("topk", f(2, 5), 3)
    yield case("topk", f(5, 2), 4, 0)
    yield case("bincount", i(6), None, 2)
    yield case("linalg_vector_norm", f(2, 3))
    yield case("linalg_vector_norm", f(2, 3), S(1), [1], True)
    for name in ("std", "var"):
        yield case(f"{name}.dim", f(2, 3), [1], False)
        yield case(f"{name}.correction", f(2, 3), [0], correction=S(0), keepdim=True)
        yield case(f"{name}.correction", f(2, 3))


def copies() -> Iterator[Case]:
    yield case("cat", [f(2, 3), f(1, 3)])
    yield case("cat", [f(0), f(2, 3), i(2, 4)], -1)
    yield case("cat", [b(2), b(3)])
    yield case("stack", [f(2), i(2)], -1)
    yield case("constant_pad_nd", f(2, 3), [1, 2], S(0.5))
    yield case("constant_pad_nd", i(2, 3), [0, 1, -1, 2])
    yield case("pad", i(2, 3), [0, 1], "constant", -100.0)
    yield case("pad", f(1, 2, 3), [1, 2], "reflect")
    yield case("repeat", f(2, 3), [2, 1, 2])
    yield case("repeat_interleave.self_int", f(2, 3), 2, 1)
    yield case("repeat_interleave.self_int", f(2, 3), 2)
    yield case("roll", f(2, 3), [1], [0])
    yield case("select_scatter", f(2, 3), f(2), 1, -1)
    yield case("slice_scatter", f(4, 3), f(2, 3), 0, 1, 3)
    yield case("select_backward", f(2), [2, 3], 1, 0)
    yield case("slice_backward", f(2, 3), [4, 3], 0, 0, 2, 1)
    yield case("flip", f(2, 3), [0, 1])
    for name in ("tril", "triu"):
        yield case(name, f(3, 3), 1)
    for counts in ([2], [2, 3], [2, 1, 3]):
        yield case("tile", f(2, 3), counts)
    for name in ("reflection", "replication"):
        yield case(f"{name}_pad1d", f(2, 4), [1, 2])
        yield case(f"{name}_pad2d", f(2, 3, 4, 5), [1, 2, 3, 0])
        yield case(f"{name}_pad1d_backward", f(2, 3, 6), f(2, 3, 4), [1, 1])
        yield case(f"{name}_pad2d_backward", f(2, 6, 6), f(2, 4, 4), [1, 1, 1, 1])
    yield case("diagonal_backward", f(2), [2, 3], 0, 0, 1)


def indexing() -> Iterator[Case]:
    yield case("embedding", f(5, 3), i(2, 4))
    yield case("embedding", f(5, 3), i(dtype=torch.int32))
    yield case("embedding_dense_backward", f(2, 4, 3), i(2, 4), 5, -1, False)
    yield case("gather", f(2, 3), 1, i(2, 2))
    yield case("index_select", f(2, 3), 1, i(5))
    yield case("index_select", f(2, 3), 0, i(dtype=torch.int32))
    x = f(2, 3, 4)
    for indices in ([i(5)], [i(5, 1), i(6)], [None, i(5), i(5)], [i(5), None, i(5)], [None, None, i(2, 2)], [i()]):
        yield case("index.Tensor", x, indices)
    yield case("index_put", x, [i(5)], f(3, 4), True)
    yield case("index_put", x, [None, i(5)], f(2, 5, 4))
    offsets = torch.tensor([0, 2])
    for mode, padding in ((0, -1), (0, 1), (1, -1), (2, -1)):
        yield case("_embedding_bag", f(5, 3), i(6), offsets, False, mode, False, None, False, padding)
        yield case("embedding_bag.padding_idx", f(5, 3), i(6), offsets, False, mode, False, None, True, padding if padding > 0 else None)
    bag = torch.ops.aten._embedding_bag(f(5, 3), i(6), offsets, False, 1)
    yield case("_embedding_bag_backward", bag[0], i(6), offsets, bag[1], bag[2], bag[3], 5, False, 1, False, None)
    yield case("index_add", f(3, 4), 0, i(5), f(5, 4))
    yield case("index_fill.int_Scalar", f(3, 4), 1, i(2), S(0.5))
    yield case("one_hot", i(2, 3), 4)
    yield case("scatter.src", f(3, 4), 1, i(3, 2), f(3, 2))
    yield case("scatter.value", f(3, 4), 1, i(3, 2), S(0.5))
    yield case("scatter_add", f(3, 4), 0, i(2, 4), f(2, 4))
    yield case("take_along_dim", f(3, 4), i(3, 2), 1)
    yield case("take_along_dim", f(1, 4), i(3, 2), -1)
    yield case("take_along_dim", f(3, 4), i(3, 2))


def matrices() -> Iterator[Case]:
    yield case("mm", f(2, 3), f(3, 4))
    yield case("bmm", f(5, 2, 3), f(5, 3, 4))
    yield case("addmm", f(4), f(2, 3), f(3, 4), alpha=S(2))
    yield case("addmm", f(2, 4), f(2, 3), f(3, 4), beta=S(1), alpha=S(1))
    yield case("baddbmm", f(1, 2, 4), f(5, 2, 3), f(5, 3, 4))
    yield case("linear", f(2, 5, 3), f(4, 3), f(4))
    yield case("linear", f(3), f(4, 3))
    yield case("linear", f(2, 3, dtype=torch.bfloat16), f(4, 3, dtype=torch.bfloat16))
    shapes = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((5, 2, 3), (3,))]
    for left, right in shapes:
        yield case("matmul", f(*left), f(*right))
    yield case("dot", f(3), f(3))
    yield case("mv", f(2, 3), f(3))
    yield case("outer", f(2), i(3))
    yield case("einsum", "bij, bjk -> bik", [f(2, 3, 4), f(2, 4, 5)])
    yield case("einsum", "ij->j", [f(3, 4)])


def convolutions() -> Iterator[Case]:
    for stride, padding, dilation in ((1, 0, 1), (2, 1, 1), (1, 2, 2)):
        yield case("conv2d", f(2, 4, 9, 8), f(6, 2, 3, 3), f(6), [stride] * 2, [padding] * 2, [dilation] * 2, 2)
        yield case("conv1d", f(2, 4, 9), f(6, 4, 3), None, [stride], [padding], [dilation])
        for transposed in (False, True):
            args = ([stride] * 2, [padding] * 2, [dilation] * 2, transposed, [0, 0], 1)
            x, w = f(2, 4, 9, 8), f(4, 4, 3, 2)
            yield case("convolution", x, w, f(4), *args)
            grad = torch.ops.aten.convolution(x, w, None, *args)
            yield case("convolution_backward", grad, x, w, [4], *args, [True, True, True])
    yield case("conv2d", f(4, 9, 8), f(6, 4, 3, 3))
    for ceil in (False, True):
        for size in (7, 8, 9):
            x = f(1, 2, size, 10)
            yield case("max_pool2d", x, [3, 3], [2, 2], [1, 1], [1, 1], ceil)
            yield case("max_pool2d_with_indices", x, [3, 2], [], [1, 1], [1, 1], ceil)
            yield case("avg_pool2d", x, [3], [2], [1], ceil)
    x = f(1, 2, 8, 8)
    out, indices = torch.ops.aten.max_pool2d_with_indices(x, [2, 2])
    yield case("max_pool2d_with_indices_backward", out, x, [2, 2], [2, 2], [0, 0], [1, 1], False, indices)
    yield case("avg_pool2d_backward", f(1, 2, 4, 4), x, [2, 2], [2, 2], [0, 0], False, True, None)
    for name in ("adaptive_avg_pool2d", "_adaptive_avg_pool2d"):
        yield case(name, x, [3, 3])
        yield case(name, f(2, 8, 8), [1, 1])
    yield case("_adaptive_avg_pool2d_backward", f(1, 2, 3, 3), x)
    for padding in ("same", "valid"):
        yield case("conv1d.padding", f(2, 3, 6), f(4, 3, 3), None, [1], padding)
        yield case("conv2d.padding", f(2, 3, 6, 5), f(4, 3, 3, 2), f(4), [1, 1], padding)
    yield case("conv3d", f(2, 3, 4, 4, 4), f(5, 3, 2, 2, 2), f(5))
    yield case("conv_transpose1d", f(2, 3, 6), f(3, 4, 3), f(4), [2])
    yield case("conv_transpose2d.input", f(2, 3, 6, 5), f(3, 4, 3, 2), None, [2, 1], [1, 0], [1, 0])
    yield case("adaptive_avg_pool1d", f(2, 3, 7), [4])
    yield case("avg_pool1d", f(2, 3, 7), [2])
    yield case("max_pool1d", f(3, 7), [3], [2])
    yield case("upsample_nearest2d", f(2, 3, 4, 5), [7, 6])
    yield case("upsample_bilinear2d", f(2, 3, 4, 5), [7, 6], False)
    yield case("upsample_nearest2d.vec", f(2, 3, 4, 5), [7, 6], None)
    yield case("upsample_bilinear2d.vec", f(2, 3, 4, 5), [7, 6], True, None)
    yield case("upsample_nearest2d_backward", f(2, 3, 7, 6), [7, 6], [2, 3, 4, 5])
    yield case("upsample_bilinear2d_backward", f(2, 3, 7, 6), [7, 6], [2, 3, 4, 5], False)


def norms() -> Iterator[Case]:
    yield case("layer_norm", f(2, 3, 4), [4], f(4), f(4))
    yield case("layer_norm", f(2, 3, 4), [3, 4], None, f(3, 4))
    for shape in ([4], [3, 4]):
        x, w = f(2, 3, 4), f(*shape)
        yield case("native_layer_norm", x, shape, w, w, 1e-5)
        yield case("native_layer_norm", x, shape, None, None, 1e-5)
        _, mean, rstd = torch.ops.aten.native_layer_norm(x, shape, w, w, 1e-5)
        yield case("native_layer_norm_backward", x, x, shape, mean, rstd, w, w, [True, True, True])
    yield case("group_norm", f(2, 6, 5), 3, f(6), f(6))
    x, w = f(2, 6, 5), f(6)
    yield case("native_group_norm", x, w, w, 2, 6, 5, 3, 1e-5)
    _, mean, rstd = torch.ops.aten.native_group_norm(x, w, w, 2, 6, 5, 3, 1e-5)
    yield case("native_group_norm_backward", x, x, mean, rstd, w, 2, 6, 5, 3, [True, True, True])
    channels = [f(3), f(3), f(3), f(3)]
    yield case("_native_batch_norm_legit_functional", f(2, 3, 4, 4), *channels, True, 0.1, 1e-5)
    yield case("_native_batch_norm_legit_functional", f(2, 3), None, None, f(3), f(3), True, 0.1, 1e-5)
    yield case("_native_batch_norm_legit_no_training", f(2, 3, 4, 4), *channels, 0.1, 1e-5)
    statistics = [f(3), f(3), f(3), f(3), f(3)]
    yield case("native_batch_norm_backward", f(2, 3, 4), f(2, 3, 4), *statistics, True, 1e-5, [True, True, True])
    yield case("rms_norm", f(2, 3, 4), [4], f(4))
    for name, gates in (("gru", 3), ("rnn_relu", 1), ("rnn_tanh", 1)):
        yield case(f"{name}_cell", f(2, 3), f(2, 4), f(gates * 4, 3), f(gates * 4, 4), f(gates * 4), f(gates * 4))
    layer = [f(16, 3), f(16, 4)]
    yield case("lstm.input", f(5, 2, 3), [f(1, 2, 4)] * 2, layer, False, 1, 0.0, True, False, False)
    yield case("lstm.input", f(2, 5, 3), [f(2, 2, 4)] * 2, layer * 2, False, 1, 0.0, True, True, True)


def attention() -> Iterator[Case]:
    q, k = f(2, 4, 5, 8), f(2, 4, 6, 8)
    yield case("scaled_dot_product_attention", q, k, k)
    yield case("scaled_dot_product_attention", q, k, k, b(2, 1, 5, 6), 0.0, False, scale=0.5)
    yield case("scaled_dot_product_attention", q, k[:, :2], k[:, :2], enable_gqa=True)
    flash = "_scaled_dot_product_flash_attention_for_cpu"
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        d, e = q.to(dtype), k.to(dtype)
        yield case(flash, d, e, e, 0.0, True)
        yield case(flash, d, e, e, attn_mask=f(5, 6, dtype=dtype), scale=1 / math.sqrt(8))
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(d, e, e)
        yield case(f"{flash}_backward", out, d, e, e, out, lse, 0.0, False)


def losses() -> Iterator[Case]:
    for reduction in (0, 1, 2):
        yield case("mse_loss", f(2, 3), f(3), reduction)
        yield case("mse_loss_backward", f(2, 3) if reduction == 0 else f(), f(2, 3), f(2, 3), reduction)
        yield case("binary_cross_entropy_with_logits", f(2, 3), f(2, 3), None, f(3), reduction)
        yield case("cross_entropy_loss", f(4, 5), i(4), None, reduction)
        yield case("cross_entropy_loss", f(2, 5, 3), i(2, 3), f(5), reduction, -100, 0.1)
        yield case("cross_entropy_loss", f(4, 5), f(4, 5), None, reduction)
        yield case("nll_loss_forward", f(4, 5), i(4), None, reduction, -100)
        grad = f(4) if reduction == 0 else f()
        yield case("nll_loss_backward", grad, f(4, 5), i(4), None, reduction, -100, f())
    yield case("cross_entropy_loss", f(5), i())
    yield case("_assert_tensor_metadata", f(2), None, None, torch.float32)
    for reduction in (0, 1, 2):
        grad = f(2, 3) if reduction == 0 else f()
        yield case("l1_loss", f(2, 3), f(3), reduction)
        yield case("kl_div", f(2, 3), f(2, 3), reduction)
        yield case("binary_cross_entropy", f(2, 3), f(2, 3), None, reduction)
        yield case("binary_cross_entropy_backward", grad, f(2, 3), f(2, 3), None, reduction)
        for name in ("huber_loss", "smooth_l1_loss"):
            yield case(name, f(2, 3), f(2, 3), reduction)
            yield case(f"{name}_backward", grad, f(2, 3), f(2, 3), reduction, 1.0)
        yield case("nll_loss_nd", f(2, 5, 3), i(2, 3), None, reduction)
        yield case("nll_loss2d_forward", f(2, 5, 3, 4), i(2, 3, 4), None, reduction, -100)
        grad = f(2, 3, 4) if reduction == 0 else f()
        yield case("nll_loss2d_backward", grad, f(2, 5, 3, 4), i(2, 3, 4), None, reduction, -100, f())


def backwards() -> Iterator[Case]:
    for name in ("gelu", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh"):
        yield case(f"{name}_backward", f(2, 3), f(2, 3))
    yield case("leaky_relu_backward", f(2), f(2), S(0.1), False)
    yield case("softplus_backward", f(2), f(2), S(1), S(20))
    yield case("threshold_backward", f(2, 3), f(2, 3), S(0))
    yield case("mish_backward", f(2, 3), f(2, 3))
    yield case("elu_backward", f(2), S(1), S(1), S(1), False, f(2))
    yield case("glu_backward", f(2, 3), f(2, 6), -1)
    yield case("hardtanh_backward", f(2), f(2), S(-1), S(1))
    yield case("log_sigmoid_backward", f(2), f(2), f(2))
    yield case("_prelu_kernel_backward", f(2, 3), f(2, 3), f(1, 3))


FAMILIES = [views, creation, pointwise, reductions, copies, indexing, matrices, convolutions, norms, attention, losses]
FAMILIES.append(backwards)
