"""What the benchmarks share: where the tools are, small GPT-2 exports, CPU seconds of a command, and tables."""

import argparse
import os
import pathlib
import resource
import subprocess
import tempfile

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Loss(torch.nn.Module):
    """The training loss of a Hugging Face causal language model."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, labels=labels, use_cache=False).loss


def gpt2_mini() -> Loss:
    """GPT-2 with 6 layers, width 384 and context 256; dropout off."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=8192, n_positions=256, n_embd=384, n_layer=6, n_head=6, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)  # fmt: skip
    return Loss(transformers.GPT2LMHeadModel(config))


def parser(description: str | None) -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin", help="folder with the tools")
    return result


def cpu_seconds(command: list[str | os.PathLike[str]]) -> float:
    """Runs a command on one thread and returns its user and system CPU seconds; raises with its output if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.run(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode:
            log.seek(0)
            raise RuntimeError(f"{command[0]} failed:\n{log.read()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"  # noqa: E731
    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])
