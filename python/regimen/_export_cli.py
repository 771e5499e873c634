"""The command line of ``regimen.export``."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

import torch

from regimen._export import ExportError, export, save

EXAMPLES = """\
examples:
  python -m regimen.export my_package.models:tiny -o tiny.pt2
      tiny() returns (module, args) or (module, args, kwargs); a dict in place of args holds keyword arguments
  python -m regimen.export my_package.models:tiny --dynamic x.0=batch -o tiny.pt2
  python -m regimen.export --hf-config gpt2 --batch 4 --seq 256 --set n_layer=6 --set n_embd=384 -o gpt2.pt2
  python -m regimen.export --hf-config path/to/config.json --batch 1 --seq 2048 --meta -o planned.pt2
"""

HF_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "masked-lm": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m regimen.export",
        description="Export a PyTorch model as a training graph for regimen-compile.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("factory", nargs="?", metavar="MODULE:FACTORY", help="importable function that makes the model and its example inputs")
    p.add_argument("-o", "--output", required=True, metavar="FILE.pt2", help="the archive to write")
    p.add_argument("--seed", type=int, default=0, help="seed of the initial weights (default 0)")
    p.add_argument("--meta", action="store_true", help="no weights: the archive serves for planning, or with regimen-run --weights")
    p.add_argument("--dynamic", action="append", default=[], metavar="INPUT.AXIS[=NAME]", help="leave an axis open; one name, one size")
    hf = p.add_argument_group("Hugging Face models")
    hf.add_argument("--hf-config", metavar="TYPE|CONFIG.json", help="model type with its default configuration, or a configuration file")
    hf.add_argument("--task", choices=list(HF_CLASSES), default="causal-lm")
    hf.add_argument("--batch", type=int, default=1, metavar="B")
    hf.add_argument("--seq", type=int, default=None, metavar="T", help="tokens in a row (text models)")
    hf.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="override a key of the configuration")
    hf.add_argument("--keep-dropout", action="store_true", help="keep the configuration's dropout probabilities instead of 0")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    p = parser()
    a = p.parse_args(argv)
    if (a.factory is None) == (a.hf_config is None):
        p.error("give either MODULE:FACTORY or --hf-config")
    try:
        torch.manual_seed(a.seed)
        module, args, kwargs = from_hf(a) if a.hf_config else from_factory(a.factory, a.meta)
        shapes = dynamic_shapes(module, args, kwargs, a.dynamic) if a.dynamic else None
        program = export(module, args, kwargs, dynamic_shapes=shapes)
        save(program, a.output)
    except ExportError as error:
        print(f"regimen.export: {error}", file=sys.stderr)
        return 1
    trained = {id(t): t.numel() for t in module.parameters() if t.requires_grad}
    size = os.path.getsize(a.output)
    print(f"{a.output}: {sum(trained.values()):,} parameters, {len(program.graph.nodes)} nodes, {size / 1e6:.1f} MB")
    return 0


def from_factory(spec: str, meta: bool) -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
    """Imports ``package.module:function`` (the working directory counts) and calls it."""
    name, colon, attribute = spec.partition(":")
    if not colon or not name or not attribute:
        raise ExportError(f"{spec}: MODULE:FACTORY expected, e.g. my_package.models:tiny")
    sys.path.insert(0, os.getcwd())
    try:
        factory: Any = importlib.import_module(name)
        for part in attribute.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise ExportError(f"{spec}: {error}") from error
    with torch.device("meta" if meta else "cpu"):
        made = factory()
    if not (isinstance(made, tuple) and len(made) in (2, 3) and isinstance(made[0], torch.nn.Module)):
        raise ExportError(f"{spec} returned {type(made).__name__}: (module, args) or (module, args, kwargs) expected")
    module, args, kwargs = made if len(made) == 3 else (*made, {})
    return (module, (), dict(args)) if isinstance(args, dict) else (module, tuple(args), dict(kwargs))


def from_hf(a: argparse.Namespace) -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A randomly initialised Hugging Face model with its loss, parameters named as in its checkpoints."""
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    if a.batch < 1 or (a.seq is not None and a.seq < 1):
        raise ExportError("--batch and --seq must be at least 1")
    config = hf_config(a.hf_config)
    for item in a.overrides:
        key, equals, text = item.partition("=")
        if not equals or not hasattr(config, key):
            raise ExportError(f"--set {item}: KEY=VALUE expected, KEY one of the configuration's")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        setattr(config, key, value)
    if not a.keep_dropout:
        drop_dropout(config)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    with torch.device("meta" if a.meta else "cpu"):
        try:
            module = getattr(transformers, HF_CLASSES[a.task]).from_config(config)
        except ValueError as error:
            raise ExportError(f"{a.hf_config} has no {a.task} model: {str(error).splitlines()[0][:200]}") from error
        module.train()
        return module, (), hf_inputs(a, config)


def hf_config(source: str) -> Any:
    import transformers

    if os.path.exists(source):
        try:
            with open(source, encoding="utf-8") as file:
                values = json.load(file)
            return transformers.AutoConfig.for_model(values.pop("model_type"), **values)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ExportError(f"{source}: not a Hugging Face model configuration ({type(error).__name__}: {error})") from error
    if source.endswith(".json") or "/" in source:
        raise ExportError(f"{source}: no such file")
    try:
        return transformers.AutoConfig.for_model(source)
    except ValueError as error:
        raise ExportError(f"{source}: neither a file nor a model type that transformers {transformers.__version__} knows") from error


def drop_dropout(config: Any) -> None:
    """Sets dropout probabilities to 0 and says which: plans have no random numbers yet."""
    names = [k for k, v in vars(config).items() if isinstance(v, float) and v > 0 and ("dropout" in k or "pdrop" in k or "drop_rate" in k)]
    for name in names:
        setattr(config, name, 0.0)
    if names:
        print(f"regimen.export: note: set to 0: {', '.join(sorted(names))} (--keep-dropout keeps them)", file=sys.stderr)


def hf_inputs(a: argparse.Namespace, config: Any) -> dict[str, torch.Tensor]:
    if a.task == "image-classification":
        size = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size, config.image_size)
        images = torch.zeros(a.batch, config.num_channels, *size)
        return {"pixel_values": images, "labels": torch.zeros(a.batch, dtype=torch.long)}
    longest = getattr(config, "max_position_embeddings", None) or math.inf
    seq = a.seq or int(min(longest, 512))
    if seq > longest:
        raise ExportError(f"--seq {seq}: the model has {longest} positions")
    ids = torch.zeros(a.batch, seq, dtype=torch.long)
    inputs = {"input_ids": ids, "labels": ids.clone()}
    if a.task == "masked-lm":
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    return inputs


def dynamic_shapes(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Sequence[str]) -> dict[str, Any]:
    """Turns ``INPUT.AXIS[=NAME]`` into torch.export's form, by the names of forward's parameters."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    shapes: dict[str, Any] = dict.fromkeys(bound)
    dims: dict[str, Any] = {}
    for spec in specs:
        place, _, label = spec.partition("=")
        name, dot, axis = place.rpartition(".")
        value = bound.get(name)
        if not dot or not axis.isdigit() or not isinstance(value, torch.Tensor) or int(axis) >= value.dim():
            known = ", ".join(f"{n}.0..{v.dim() - 1}" for n, v in bound.items() if isinstance(v, torch.Tensor) and v.dim())
            raise ExportError(f"--dynamic {spec}: no such axis; the inputs have {known}")
        label = label or f"{name}_{axis}"
        dims.setdefault(label, torch.export.Dim(label))
        shapes[name] = {**(shapes[name] or {}), int(axis): dims[label]}
    return shapes
