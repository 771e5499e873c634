#!/usr/bin/env python3
"""Writes AtenOps.td: one ODS record per ATen overload in ops.list, from the schemas that torchgen ships.

    gen_ops.py [--check]      rewrite AtenOps.td, or fail if it is stale

Tensors and Scalars become operands; ints, floats, bools, lists and dtypes become attributes named as in the schema.
device, layout, pin_memory, generator and non_blocking carry nothing at static shapes on one device: they stay in the
schema's argument order, so that a call can be built positionally, but have no operand or attribute.
"""

import argparse
import pathlib
import re
import sys

import torchgen
from torchgen.gen import parse_native_yaml
from torchgen.model import BaseTy, BaseType, FunctionSchema, ListType, OptionalType

HERE = pathlib.Path(__file__).parent
IGNORED = {"device", "layout", "pin_memory", "generator", "non_blocking"}
INTS = {BaseTy.int, BaseTy.SymInt}


def camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[_.]+", text) if part)


def kind_of(arg) -> str:
    """The argument's kind: a name of regimen::aten::ArgKind."""
    if arg.name in IGNORED:
        return "Ignored"
    ty, optional = arg.type, False
    if isinstance(ty, OptionalType):
        ty, optional = ty.elem, True
    prefix = "Optional" if optional else ""
    if isinstance(ty, ListType):
        elem = ty.elem
        if isinstance(elem, OptionalType) and elem.elem == BaseType(BaseTy.Tensor):
            return "OptionalTensorList"
        if elem == BaseType(BaseTy.Tensor):
            return "TensorList"
        if isinstance(elem, BaseType) and elem.name in INTS:
            return prefix + "IntList"
        if elem == BaseType(BaseTy.float):
            return prefix + "FloatList"
        if elem == BaseType(BaseTy.bool):
            return "BoolList"
        raise ValueError(f"list argument {arg}")
    names = {
        BaseTy.Tensor: "Tensor",
        BaseTy.Scalar: "Scalar",
        BaseTy.float: "Float",
        BaseTy.bool: "Bool",
        BaseTy.ScalarType: "DType",
        BaseTy.MemoryFormat: "MemoryFormat",
        BaseTy.str: "String",
    }
    if ty.name in INTS:
        return prefix + "Int"
    return prefix + names[ty.name]


def constraint(arg, kind: str) -> str:
    """The ODS constraint of an argument, or '' if it has none."""
    default = arg.default if arg.default not in (None, "None") else None
    operands = {
        "Tensor": "Aten_Tensor",
        "OptionalTensor": "Optional<Aten_Tensor>",
        "TensorList": "Variadic<Aten_Tensor>",
        "OptionalTensorList": "Variadic<Aten_Tensor>",
        "Scalar": "Optional<Aten_Scalar>" if arg.default is not None else "Aten_Scalar",
        "OptionalScalar": "Optional<Aten_Scalar>",
        "Ignored": "",
    }
    if kind in operands:
        return operands[kind]
    attrs = {
        "Int": "I64Attr",
        "Float": "F64Attr",
        "Bool": "BoolAttr",
        "IntList": "DenseI64ArrayAttr",
        "FloatList": "DenseF64ArrayAttr",
        "BoolList": "DenseBoolArrayAttr",
        "DType": "TypeAttr",
        "MemoryFormat": "I64Attr",  # c10::MemoryFormat: 0 contiguous, 1 preserve, 2 channels last
        "String": "StrAttr",
    }
    attr = attrs[kind.removeprefix("Optional")]
    if kind.startswith("Optional"):
        return f"OptionalAttr<{attr}>"
    if default is None:
        return attr
    if kind == "IntList":
        size = arg.type.size
        value = default if default.startswith("[") else "[" + ",".join([default] * (size or 1)) + "]"
        default = "{" + value.strip("[]") + "}"
        return f'DefaultValuedOptionalAttr<{attr}, "{default}">'
    if kind == "String":
        default = '\\"' + default.strip("\"'") + '\\"'
    text = {"True": "true", "False": "false", "Mean": "1", "None": "0", "Sum": "2"}.get(default, default)
    return f'DefaultValuedOptionalAttr<{attr}, "{text}">'


def record(schema: FunctionSchema, flags: list[str]) -> str:
    name = str(schema.name.name)
    overload = schema.name.overload_name
    mnemonic = name + (f".{overload}" if overload else "")
    args, order, groups = [], [], 0
    for arg in schema.arguments.flat_all:
        kind = kind_of(arg)
        order.append(f'SchemaArg<"{arg.name}", "{kind}">')
        text = constraint(arg, kind)
        groups += text.startswith(("Optional<", "Variadic<"))
        if text:
            args.append(f"{text}:${arg.name}")
        if kind == "OptionalTensorList":
            args.append(f"DenseBoolArrayAttr:${arg.name}_present")
    results = []
    for i, ret in enumerate(schema.returns):
        label = ret.name or ("result" if len(schema.returns) == 1 else f"result{i}")
        results.append(("Variadic<Aten_Tensor>" if isinstance(ret.type, ListType) else "Aten_Tensor") + f":${label}")
    traits = [flag for flag in flags if not flag.startswith("as=")]
    cls = next((flag.removeprefix("as=") for flag in flags if flag.startswith("as=")), camel(mnemonic))
    if groups > 1:
        traits.append("AttrSizedOperandSegments")
    out = [f'def Aten_{cls}Op : Aten_Op<"{mnemonic}", [{", ".join(traits)}]> {{']
    out.append(f"  let arguments = (ins {', '.join(args)});".replace("(ins )", "(ins)"))
    out.append(f"  let results = (outs {', '.join(results)});")
    out.append(f"  let schemaArgs = [{', '.join(order)}];")
    out.append("}")
    return "\n".join(out)


def generate() -> str:
    folder = pathlib.Path(torchgen.__file__).parent / "packaged/ATen/native"
    # With the functional variants that torchgen derives, such as _native_batch_norm_legit_functional.
    parsed = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    schemas = {str(function.func.name): function.func for function in parsed.native_functions}
    records = []
    for line in (HERE / "ops.list").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, *flags = line.split()
            records.append(record(schemas[name], flags))
    head = (
        "// Generated by gen_ops.py from ops.list. Do not edit.\n\n"
        "#ifndef REGIMEN_DIALECTS_ATEN_OPS\n#define REGIMEN_DIALECTS_ATEN_OPS\n\n"
        'include "dialects/aten/AtenBase.td"\n\n'
    )
    return head + "\n\n".join(records) + "\n\n#endif // REGIMEN_DIALECTS_ATEN_OPS\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if AtenOps.td is stale")
    args = parser.parse_args()
    text, target = generate(), HERE / "AtenOps.td"
    if args.check:
        if not target.exists() or target.read_text() != text:
            print(f"{target} is stale: run {sys.argv[0]}")
            return 1
        return 0
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
