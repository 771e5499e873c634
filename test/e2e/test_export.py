"""regimen.export: what it writes, what it refuses, and that gradients stop where eager PyTorch stops them."""

import json
import os
import pathlib
import subprocess
import sys
import warnings
import zipfile

import pytest
import torch

from models import REGISTRY
from reference import Graph
from regimen._export_cli import main
from regimen.export import ExportError, export, mark, prepare, save


def mark_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(next(n for n in archive.namelist() if n.endswith("/extra/regimen.json"))))


def gradients(params, loss):
    loss.backward()
    return {n: p.grad for n, p in params.items() if p.grad is not None}


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_graph_has_eager_gradients(tmp_path, name):
    model = REGISTRY[name]
    inputs = tuple(model.batch(0).values())
    path = tmp_path / "model.pt2"
    save(export(model.module(), inputs), path)
    graph, module = Graph(path), model.module()
    eager = module(*inputs)
    eager = eager["loss"] if isinstance(eager, dict) else eager[0] if isinstance(eager, tuple) else eager
    outputs = mark_of(path)["outputs"]
    index = outputs["loss"] if isinstance(outputs, dict) else outputs[0] if isinstance(outputs, list) else outputs
    want = gradients(dict(module.named_parameters()), eager)
    have = gradients(graph.params, graph(*inputs)[index])
    assert sorted(have) == sorted(want)
    for n in want:
        scale = max(float(want[n].abs().max()), 1e-3 * max(float(g.abs().max()) for g in want.values()))
        assert float((have[n] - want[n]).abs().max()) <= 1e-5 * scale, n


def test_without_the_rewrite_gradients_would_flow():
    """The reason for the rewrite: PyTorch's own decomposition gives other gradients for this model."""
    model = REGISTRY["no_grad"]
    inputs = tuple(model.batch(0).values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = torch.export.export(model.module(), inputs).run_decompositions({})
    targets = [node.target for node in plain.graph.nodes]
    assert torch.ops.aten.detach.default not in targets
    assert torch.ops.aten.detach.default in [node.target for node in export(model.module(), inputs).graph.nodes]


class RunningMean(torch.nn.Module):
    """A buffer written under no_grad from a value with a gradient, and read afterwards."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        h = self.layer(x)
        with torch.no_grad():
            self.mean.mul_(0.9).add_(h.mean(0), alpha=0.1)
        return ((h - self.mean) ** 2).sum()


def test_buffer_written_under_no_grad(tmp_path):
    torch.manual_seed(0)
    x, module = torch.randn(5, 4), RunningMean()
    save(export(module, (x,)), tmp_path / "m.pt2")
    graph = Graph(tmp_path / "m.pt2")
    have = gradients(graph.params, graph(x)[0])
    want = gradients(dict(module.named_parameters()), module(x))
    assert torch.equal(graph.buffers["mean"], module.mean)
    for n in want:
        assert torch.allclose(have[n], want[n], rtol=1e-6), n


class WritesUnderNoGrad(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x):
        h = self.layer(x)
        with torch.no_grad():
            h.view(-1).mul_(2)
        return h.sum()


class WritesItsInput(torch.nn.Module):
    def forward(self, x):
        x.add_(1)
        return x.sum()


def test_refuses_writes_that_no_graph_can_say():
    with pytest.raises(ExportError, match="no_grad"):
        export(WritesUnderNoGrad(), (torch.randn(2, 4),))
    with pytest.raises(ExportError, match="writes to its input"):
        export(WritesItsInput(), (torch.randn(2, 4),))


def test_refuses_programs_of_others(tmp_path):
    model = REGISTRY["no_grad"]
    raw = torch.export.export(model.module(), tuple(model.batch(0).values()))
    with pytest.raises(ExportError, match="higher-order"):
        save(raw, tmp_path / "x.pt2")
    save(prepare(raw), tmp_path / "x.pt2")
    model = REGISTRY["mlp"]
    plain = torch.export.export(model.module(), tuple(model.batch(0).values())).run_decompositions({})
    with pytest.raises(ExportError, match="prepare"):
        save(plain, tmp_path / "y.pt2")
    assert not (tmp_path / "y.pt2").exists()


def test_mark(tmp_path):
    for name, ties, inputs, outputs in (
        ("mlp", {}, ["x", "labels"], 0),
        ("frozen", {"middle.weight": ["again.weight"]}, ["x", "labels"], 0),
        ("nanogpt", {"tokens.weight": ["head.weight"]}, ["idx", "targets"], 0),
        ("outputs", {}, ["x", "labels"], {"logits": 0, "loss": 1, "extra": [2, 3]}),
        ("vit", {}, ["pixel_values", "labels"], [0, 1]),
    ):
        model = REGISTRY[name]
        path = tmp_path / f"{name}.pt2"
        program = export(model.module(), tuple(model.batch(0).values()))
        save(program, path)
        found = mark_of(path)
        assert found == mark(program)
        assert (found["version"], found["ties"], found["inputs"], found["outputs"]) == (1, ties, inputs, outputs)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}.pt2" for n in ("mlp", "frozen", "nanogpt", "outputs", "vit"))


def cli(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "regimen.export", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2] / "python")},
    )  # fmt: skip


FACTORY = """\
import torch
def make():
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softplus()), (torch.zeros(2, 4),)
def by_name():
    return torch.nn.Linear(4, 3), {"input": torch.zeros(2, 4)}
def wrong():
    return 3
"""


def test_command_line(tmp_path):
    (tmp_path / "factories.py").write_text(FACTORY)
    done = cli("factories:make", "-o", "a.pt2", cwd=tmp_path)
    assert done.returncode == 0 and "15 parameters" in done.stdout, done.stderr
    assert cli("factories:by_name", "-o", "b.pt2", "--dynamic", "input.0=batch", cwd=tmp_path).returncode == 0
    assert mark_of(tmp_path / "b.pt2")["inputs"] == ["input"]
    gpt2 = ["--hf-config", "gpt2", "--batch", 2, "--seq", 16, "--set", "n_layer=1", "--set", "n_embd=16", "--set", "n_head=2"]
    assert cli(*gpt2, "--set", "vocab_size=50", "-o", "c.pt2", cwd=tmp_path).returncode == 0
    assert mark_of(tmp_path / "c.pt2")["outputs"] == {"loss": 0, "logits": 1}
    assert mark_of(tmp_path / "c.pt2")["ties"] == {"transformer.wte.weight": ["lm_head.weight"]}
    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "image_size": 8, "patch_size": 4}))  # fmt: skip
    done = cli("--hf-config", "config.json", "--task", "image-classification", "--batch", 2, "-o", "d.pt2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["factories:absent", "-o", "x.pt2"], "absent"),
        (["absent:make", "-o", "x.pt2"], "absent"),
        (["factories", "-o", "x.pt2"], "MODULE:FACTORY"),
        (["factories:wrong", "-o", "x.pt2"], "(module, args)"),
        (["factories:make", "-o", "x.bin"], ".pt2"),
        (["factories:make", "-o", "absent/x.pt2"], "No such file"),
        (["factories:make", "-o", "x.pt2", "--dynamic", "input.7"], "input.0..1"),
        (["--hf-config", "no_such_type", "-o", "x.pt2"], "no_such_type"),
        (["--hf-config", "broken.json", "-o", "x.pt2"], "broken.json"),
        (["--hf-config", "gpt2", "--set", "no_key=1", "-o", "x.pt2"], "no_key"),
        (["--hf-config", "gpt2", "--seq", "4096", "-o", "x.pt2"], "1024"),
    ],
)
def test_command_line_refuses(tmp_path, monkeypatch, capsys, arguments, says):
    (tmp_path / "factories.py").write_text(FACTORY)
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "factories", raising=False)
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert says in message and message.splitlines()[-1].startswith("regimen.export: ")
    assert not list(tmp_path.glob("x.*"))
