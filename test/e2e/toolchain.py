"""Runs the tools under test, as a user does, and reads back what they wrote."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models import REGISTRY, Model
from reference import DEFAULTS
from regimen.export import export, save

TIMEOUT = 300

#: What no message to a user may hold: marks of a crash or of an uncaught exception.
CRASH_MARKS = ["Traceback", "terminate called", "Assertion", "Stack dump", "PLEASE submit", "what():", "AddressSanitizer", "LLVM ERROR"]


@dataclasses.dataclass
class Result:
    code: int
    out: str
    err: str


@dataclasses.dataclass
class Run:
    """What a training run left: one metrics object a step and one an evaluation, and its files."""

    metrics: list[dict[str, Any]]
    grads: dict[str, Tensor]
    weights: dict[str, Tensor]
    memory: dict[str, Any]
    folder: pathlib.Path
    evaluations: list[dict[str, Any]]

    @property
    def losses(self) -> list[float]:
        return [m["loss"] for m in self.metrics]

    @property
    def norms(self) -> list[float]:
        return [m["grad_norm"] for m in self.metrics]


class Toolchain:
    def __init__(self, bin_folder: pathlib.Path, work: pathlib.Path) -> None:
        self.bin, self.work = bin_folder, work
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def call(self, tool: str, *arguments: Any, cwd: pathlib.Path | None = None, timeout: float = TIMEOUT) -> Result:
        done = subprocess.run(
            [str(self.bin / tool), *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=timeout,
            env=self.environment, cwd=cwd,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, tool: str, *arguments: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.bin / tool), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def must(self, tool: str, *arguments: Any, cwd: pathlib.Path | None = None) -> Result:
        result = self.call(tool, *arguments, cwd=cwd)
        assert result.code == 0, f"{tool} {' '.join(map(str, arguments))}: exit {result.code}\n{result.out[-2000:]}{result.err[-4000:]}"
        return result

    def must_fail(self, tool: str, *arguments: Any, says: Sequence[str] = (), code: int = 1) -> str:
        """The tool refuses: the exit code, one message that holds every word of `says`, and no sign of a crash."""
        result = self.call(tool, *arguments)
        check_refusal(result, says, code)
        return result.err

    # --- the line, step by step ---------------------------------------------------------------------------------

    def archive(self, name: str, dynamic: bool = False) -> pathlib.Path:
        """The exported model, made once."""
        path = self.work / f"{name}{'-dynamic' if dynamic else ''}.pt2"
        if not path.exists():
            model = REGISTRY[name]
            inputs = model.batch(0)
            shapes = dynamic_shapes(model, inputs) if dynamic else None
            save(export(model.module(), tuple(inputs.values()), dynamic_shapes=shapes), path)
        return path

    def data(self, name: str, blocks: int) -> pathlib.Path:
        path = self.work / f"{name}-{blocks}.safetensors"
        if not path.exists():
            write_data(path, [REGISTRY[name].batch(k) for k in range(blocks)])
        return path

    def compile(self, archive: pathlib.Path, plan: pathlib.Path, config: dict[str, Any] | None = None, *more: Any) -> Result:
        return self.must("regimen-compile", archive, "-o", plan, *settings({**DEFAULTS, **(config or {})}), *more)

    def train(self, plan: pathlib.Path, data: pathlib.Path, steps: int, folder: pathlib.Path, *more: Any) -> Run:
        """Trains with every output switched on; the files go to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.must(
            "regimen-run", plan, "--data", data, "--steps", steps, "--threads", 1, "--metrics", folder / "metrics.jsonl",
            "--dump-grads", folder / "grads.safetensors", "--memory-report", folder / "memory.json", "--save", folder / "saved", *more,
        )  # fmt: skip
        lines = read_metrics(folder / "metrics.jsonl")
        return Run(
            [line for line in lines if "loss" in line],
            load_file(folder / "grads.safetensors"),
            load_file(folder / "saved" / "model.safetensors"),
            json.loads((folder / "memory.json").read_text()),
            folder,
            [line for line in lines if "eval_loss" in line],
        )

    def line(self, name: str, config: dict[str, Any], steps: int, folder: pathlib.Path) -> Run:
        """Export, compile and train a model of the registry."""
        folder.mkdir(parents=True, exist_ok=True)
        plan = folder / "model.plan"
        self.compile(self.archive(name), plan, config)
        return self.train(plan, self.data(name, steps * int(config.get("accumulate", 1))), steps, folder)


def settings(config: dict[str, Any]) -> list[str]:
    if config.get("optimizer.type") == "sgd":
        config = {k: v for k, v in config.items() if k not in ("optimizer.betas", "optimizer.eps")}
    return [x for key, value in config.items() for x in ("--set", f"{key}={json.dumps(value)}")]


def dynamic_shapes(model: Model, inputs: dict[str, Tensor]) -> tuple[Any, ...]:
    axes = model.dynamic or {}
    dims = {label: torch.export.Dim(label) for spec in axes.values() for label in spec.values()}
    return tuple({axis: dims[label] for axis, label in axes[name].items()} if name in axes else None for name in inputs)


def write_data(path: pathlib.Path, rows: list[dict[str, Tensor]], metadata: dict[str, str] | None = None) -> None:
    save_file({n: torch.cat([r[n].reshape(1) if r[n].dim() == 0 else r[n] for r in rows]).contiguous() for n in rows[0]}, path, metadata)


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def check_refusal(result: Result, says: Sequence[str] = (), code: int = 1) -> None:
    text = result.err
    assert result.code == code, f"exit {result.code} instead of {code}\n{result.out[-1500:]}{text[-1500:]}"
    assert text.strip(), "no message on stderr"
    for sign in CRASH_MARKS:
        assert sign not in text, f"{sign!r} in the message:\n{text[-3000:]}"
    assert len([x for x in text.splitlines() if x.strip().lower().startswith(("error", "regimen-")) or ": error:" in x]) <= 1, text
    for word in says:
        assert word.lower() in text.lower(), f"{word!r} not in the message:\n{text[-3000:]}"


def check_no_crash(result: Result) -> None:
    """For damaged inputs: accepted or refused, but orderly."""
    assert result.code in (0, 1), (
        f"exit {result.code} ({signal.Signals(-result.code).name if result.code < 0 else ''})\n{result.err[-3000:]}"
    )
    if result.code == 1:
        check_refusal(result)
