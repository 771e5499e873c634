"""Evaluation: the loss that PyTorch has for the trained weights under module.eval(), whatever the ranks and the stage."""

import json

import pytest
import torch
from safetensors.torch import load_file

from compare import check_same_run
from models import REGISTRY, classes_batch, image_batch
from regimen.export import export, save
from toolchain import read_metrics, write_data

STEPS, BLOCKS = 4, 3
MODELS = ["mlp", "outputs", "frozen", "nanogpt", "gpt2", "bert", "vit", "convnet"]
LOSS = {"outputs": {"loss": "loss"}}


def evaluation_batches(name):
    return [REGISTRY[name].batch(500 + k) for k in range(BLOCKS)]


def evaluation_data(folder, name, batches=None):
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder / "eval.safetensors", batches or evaluation_batches(name))
    return folder / "eval.safetensors"


def loss_of(output):
    return output["loss"] if isinstance(output, dict) else output[0] if isinstance(output, tuple) else output


def eager(name, weights, batches):
    """The mean loss of the module in evaluation mode."""
    module = REGISTRY[name].module().eval()
    known = module.state_dict()
    module.load_state_dict({**known, **weights})
    with torch.no_grad():
        return sum(loss_of(module(*batch.values())).item() for batch in batches) / len(batches)


def line(tools, folder, name, config, *more, compiled=(), ranks=1, batches=None, every=2):
    data = evaluation_data(folder, name, batches)
    config = {**LOSS.get(name, {}), **config}
    plan = folder / "model.plan"
    tools.compile(tools.archive(name), plan, {**config, "mesh.dp": ranks}, *compiled)
    tools.must("regimen-plan", "check", plan)
    options = ["--eval-data", data, "--nproc", ranks, *(["--eval-every", every] if every else []), *more]
    return tools.train(plan, tools.data(name, STEPS * ranks), STEPS, folder, *options)


def check_evaluations(run, name, rows, steps=(2, 4), batches=None):
    assert [e["step"] for e in run.evaluations] == list(steps)
    for e in run.evaluations:
        assert set(e) == {"step", "eval_loss", "eval_ms", "eval_samples"}
        assert e["eval_samples"] == rows and e["eval_ms"] > 0
    want = eager(name, run.weights, batches or evaluation_batches(name))
    assert run.evaluations[-1]["eval_loss"] == pytest.approx(want, rel=2e-6)


def rows_of(name, batches=None):
    return sum(len(next(iter(b.values()))) for b in batches or evaluation_batches(name))


@pytest.mark.parametrize("name", MODELS)
def test_as_module_eval(tools, tmp_path, name):
    run = line(tools, tmp_path, name, {"evaluation": True})
    check_evaluations(run, name, rows_of(name))
    (rank,) = run.memory["ranks"]
    assert rank["measured_peak"] == rank["predicted_peak"]


@pytest.mark.parametrize("name", ["nanogpt", "convnet"])
def test_reference_path_has_the_bits(tools, tmp_path, name):
    run = line(tools, tmp_path, name, {"evaluation": True, "fuse.enable": False})
    got, want = run.evaluations[-1]["eval_loss"], eager(name, run.weights, evaluation_batches(name))
    assert torch.tensor(got, dtype=torch.float32) == torch.tensor(want, dtype=torch.float32)


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_ranks_and_stages(tools, tmp_path, name):
    runs = [line(tools, tmp_path / str(z), name, {"evaluation": True, "zero.stage": z}, ranks=2) for z in (0, 3)]
    for run in runs:
        check_evaluations(run, name, rows_of(name))  # three blocks over two ranks
        for rank in run.memory["ranks"]:
            assert rank["measured_peak"] == rank["predicted_peak"]
    check_same_run(runs[1], runs[0])
    assert [e["eval_loss"] for e in runs[0].evaluations] == [e["eval_loss"] for e in runs[1].evaluations]


@pytest.mark.parametrize("stage", [0, 3])
def test_training_is_as_without_it(tools, tmp_path, stage):
    """Weights, running statistics, bytes that are sent, and what memory reports say of training."""
    config = {"zero.stage": stage}
    run = line(tools, tmp_path / "with", "convnet", {**config, "evaluation": True}, ranks=2, every=1)
    assert len(run.evaluations) == STEPS
    folder = tmp_path / "without"
    folder.mkdir()
    tools.compile(tools.archive("convnet"), folder / "model.plan", {**config, "mesh.dp": 2})
    plain = tools.train(folder / "model.plan", tools.data("convnet", 2 * STEPS), STEPS, folder, "--nproc", 2)
    check_same_run(run, plain)
    assert [m["bytes_sent"] for m in run.metrics] == [m["bytes_sent"] for m in plain.metrics]
    for mine, other in zip(run.memory["ranks"], plain.memory["ranks"], strict=True):
        assert mine["categories"] == other["categories"]
        assert mine["predicted_peak"] == other["predicted_peak"], "evaluation needs less than training"
    comm = [tools.must("regimen-plan", "comm", f / "model.plan", "--json").out for f in (tmp_path / "with", folder)]
    assert comm[0] == comm[1]


def larger(name, rows=20):
    g = torch.Generator().manual_seed(3)
    return [classes_batch(g, rows=rows) if name == "mlp" else {k: torch.cat([v] * 5) for k, v in image_batch(g).items()} for _ in range(2)]


@pytest.mark.parametrize("ranks, stage", [(1, 0), (2, 3)])
@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_export_of_its_own(tools, tmp_path, name, ranks, stage):
    """Five times the rows of a training batch: the arena grows to what the larger program needs."""
    batches = larger(name)
    archive = tmp_path / "eval.pt2"
    save(export(REGISTRY[name].module().eval(), tuple(batches[0].values())), archive)
    config = {"zero.stage": stage}
    run = line(tools, tmp_path, name, config, ranks=ranks, batches=batches, compiled=["--eval", archive], every=None)
    check_evaluations(run, name, rows_of(name, batches), steps=[4], batches=batches)
    for rank in run.memory["ranks"]:
        assert rank["measured_peak"] == rank["predicted_peak"]
    plain = tmp_path / "plain.plan"
    tools.compile(tools.archive(name), plain, {**config, "mesh.dp": ranks})
    planned = json.loads(tools.must("regimen-plan", "memory", plain, "--json").out)["ranks"][0]
    assert run.memory["ranks"][0]["categories"] == planned["categories"]


def test_dynamic_export(tools, tmp_path):
    batches = larger("mlp", rows=6)
    run = line(
        tools, tmp_path, "mlp", {}, batches=batches,
        compiled=["--eval", tools.archive("mlp", dynamic=True), "--eval-dim", "x.0=6"],
    )  # fmt: skip
    check_evaluations(run, "mlp", 12, batches=batches)


def test_tied_under_another_name(tools, tmp_path):
    """The evaluation graph may name a tied parameter first by the name that comes second in training."""

    class Swapped(type(REGISTRY["nanogpt"].module())):
        def __init__(self):
            super().__init__()
            head, tokens = self.head, self.tokens
            del self.head, self.tokens
            self.head, self.tokens = head, tokens

    module = Swapped().eval()
    archive = tmp_path / "eval.pt2"
    save(export(module, tuple(REGISTRY["nanogpt"].batch(0).values())), archive)
    run = line(tools, tmp_path, "nanogpt", {}, compiled=["--eval", archive])
    check_evaluations(run, "nanogpt", rows_of("nanogpt"))


def test_tokens(tools, tmp_path):
    """Beside --tokens, evaluation data are tokens too, or rows where the name says so."""
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive("gpt2"), plan, {"evaluation": True})
    rows = torch.cat([b["input_ids"].flatten() for b in evaluation_batches("gpt2")])
    (tmp_path / "held.bin").write_bytes(rows.to(torch.int16).numpy().tobytes())
    (tmp_path / "train.bin").write_bytes(torch.arange(96 * 8).remainder(96).to(torch.int16).numpy().tobytes())
    batches = [{"input_ids": b["input_ids"], "labels": b["input_ids"].clone()} for b in evaluation_batches("gpt2")]
    losses = []
    for data in (tmp_path / "held.bin", evaluation_data(tmp_path, "gpt2", batches)):
        tools.must(
            "regimen-run", plan, "--tokens", tmp_path / "train.bin", "--token-bits", 16, "--labels", "same", "--steps", 2,
            "--eval-data", data, "--metrics", tmp_path / "m.jsonl",
        )  # fmt: skip
        losses.append(read_metrics(tmp_path / "m.jsonl")[-1]["eval_loss"])
    assert losses[0] == losses[1]


def test_resumed_at_the_end(tools, tmp_path):
    """A run with no step left evaluates what it resumed: the way to evaluate a checkpoint."""
    run = line(tools, tmp_path, "convnet", {"evaluation": True}, ranks=2)
    result = tools.must(
        "regimen-run", tmp_path / "model.plan", "--data", tools.data("convnet", 2 * STEPS), "--steps", STEPS, "--nproc", 2,
        "--resume", tmp_path / "saved", "--eval-data", tmp_path / "eval.safetensors", "--metrics", tmp_path / "again.jsonl",
    )  # fmt: skip
    (again,) = read_metrics(tmp_path / "again.jsonl")
    assert again["eval_loss"] == run.evaluations[-1]["eval_loss"]
    assert f"evaluation after step {STEPS}" in result.out


def test_plan_says_what_it_has(tools, tmp_path):
    plan = tmp_path / "model.plan"
    for config, has in (({"evaluation": True}, True), ({}, False)):
        tools.compile(tools.archive("mlp"), plan, config)
        assert ('"evaluation" evaluation' in tools.must("regimen-plan", "show", plan).out) == has
        assert ("program 'evaluation'" in tools.must("regimen-plan", "memory", plan).out) == has


# --- errors -------------------------------------------------------------------------------------------------------


def test_plan_without_one(tools, tmp_path):
    plan, data = tmp_path / "model.plan", evaluation_data(tmp_path, "mlp")
    tools.compile(tools.archive("mlp"), plan)
    run = ["regimen-run", plan, "--data", tools.data("mlp", 4)]
    tools.must_fail(*run, "--eval-data", data, says=["no evaluation program", "--set evaluation=true", "--eval EVAL.pt2"])
    tools.must_fail(*run, "--eval-every", 2, says=["--eval-data"], code=2)
    tools.must_fail(*run, "--eval-data", data, "--eval-every", 0, says=["at least 1"], code=2)


def test_wrong_data(tools, tmp_path):
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive("mlp"), plan, {"evaluation": True})
    run = ["regimen-run", plan, "--data", tools.data("mlp", 4), "--eval-data"]
    tools.must_fail(*run, tmp_path / "none.safetensors", says=["none.safetensors"])
    tools.must_fail(*run, tools.data("nanogpt", 2), says=["no tensor for input 'x'"])


class Wider(torch.nn.Module):
    """The mlp with something else about it."""

    def __init__(self, change):
        super().__init__()
        mlp = REGISTRY["mlp"].module()
        self.layers = mlp.layers
        if change == "shape":
            self.layers[2] = torch.nn.Linear(48, 40)
            self.layers[4] = torch.nn.Linear(40, 7)
        if change == "more":
            self.extra = torch.nn.Linear(7, 7)
        if change == "less":
            del self.layers[2]
        if change == "tied":
            self.layers[2].weight.data = torch.eye(48)
            self.other = torch.nn.Linear(48, 48)
            self.other.weight = self.layers[2].weight
        if change == "buffer":
            self.register_buffer("scale", torch.ones(7))

    def forward(self, x, labels):
        y = self.layers(x)
        for name in ("extra", "scale"):
            if (part := getattr(self, name, None)) is not None:
                y = part(y) if isinstance(part, torch.nn.Module) else part * y
        return torch.nn.functional.cross_entropy(y, labels)


@pytest.mark.parametrize(
    "change, says",
    [
        ("shape", ["parameter 'layers.2.weight'", "tensor<40x48xf32>", "tensor<48x48xf32>"]),
        ("more", ["parameter 'extra.weight'", "none of the training graph"]),
        ("less", ["parameter 'layers.3.weight'"]),
        ("tied", ["'other.weight'", "tied in one"]),
        ("buffer", ["buffer 'scale'", "none of the training graph"]),
    ],
)
def test_other_modules(tools, tmp_path, change, says):
    archive = tmp_path / "eval.pt2"
    save(export(Wider(change).eval(), tuple(REGISTRY["mlp"].batch(0).values())), archive)
    result = tools.must_fail(
        "regimen-compile", tools.archive("mlp"), "-o", tmp_path / "x.plan", "--eval", archive, says=["eval.pt2", *says]
    )
    assert not (tmp_path / "x.plan").exists(), result


class Positions(torch.nn.Module):
    """A buffer that no state dict holds, of another value in each export."""

    def __init__(self, scale):
        super().__init__()
        self.fc = torch.nn.Linear(24, 7)
        self.register_buffer("ramp", torch.arange(7) * scale, persistent=False)

    def forward(self, x, labels):
        return torch.nn.functional.cross_entropy(self.fc(x) + self.ramp, labels)


def test_exports_that_do_not_fit(tools, tmp_path):
    inputs = tuple(REGISTRY["mlp"].batch(0).values())
    for name, scale in (("train.pt2", 1.0), ("eval.pt2", 2.0)):
        save(export(Positions(scale), inputs), tmp_path / name)
    compile_ = ["regimen-compile", tmp_path / "train.pt2", "-o", tmp_path / "x.plan"]
    tools.must_fail(*compile_, "--eval", tmp_path / "eval.pt2", says=["buffer 'ramp'", "another value"])
    tools.must_fail(*compile_, "--eval", tmp_path / "none.pt2", says=["none.pt2"])
    tools.must_fail(*compile_, "--eval-dim", "x.0=4", says=["--eval"], code=2)
    tools.must_fail(*compile_, "--eval", tmp_path / "train.pt2", "--eval-dim", "x=4", says=["--eval-dim x=4", "INPUT.AXIS=N"])
    tools.must_fail(*compile_[:2], "--eval", tmp_path / "eval.pt2", "-o", tmp_path / "eval.pt2", says=["-o", "--eval"])
    tools.must_fail(*compile_, "--set", "evaluation=true", "--set", "driver=python", says=["driver=run", "inference"])
    convnet = tools.archive("convnet")
    tools.must_fail("regimen-compile", convnet, "-o", tmp_path / "x.plan", "--eval", convnet, says=["training mode", "model.eval()"])


class Average(torch.nn.Module):
    """Centres by a running mean that includes this batch: what it does in evaluation mode is its own business."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(24, 7)
        self.register_buffer("mean", torch.zeros(24))

    def forward(self, x, labels):
        self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        return torch.nn.functional.cross_entropy(self.fc(x - self.mean), labels)


def test_what_cannot_be_derived(tools, tmp_path):
    save(export(Average(), tuple(REGISTRY["mlp"].batch(0).values())), tmp_path / "model.pt2")
    compile_ = ["regimen-compile", tmp_path / "model.pt2", "-o", tmp_path / "x.plan"]
    tools.must(*compile_)
    tools.must_fail(*compile_, "--set", "evaluation=true", says=['buffer "mean"', "cannot be derived", "--eval EVAL.pt2", ".py:"])


def test_weights_are_those_of_the_step(tools, tmp_path):
    """After step 2 the evaluation sees the weights of step 2, not those before it."""
    plan, data = tmp_path / "model.plan", evaluation_data(tmp_path, "mlp")
    tools.compile(tools.archive("mlp"), plan, {"evaluation": True})
    tools.must(
        "regimen-run", plan, "--data", tools.data("mlp", 4), "--steps", 3, "--eval-data", data, "--eval-every", 1,
        "--metrics", tmp_path / "m.jsonl", "--save", tmp_path / "saved", "--save-every", 1,
    )  # fmt: skip
    losses = {m["step"]: m["eval_loss"] for m in read_metrics(tmp_path / "m.jsonl") if "eval_loss" in m}
    for step in (1, 2, 3):
        weights = load_file(tmp_path / "saved" / f"step-{step}" / "model.safetensors")
        assert losses[step] == pytest.approx(eager("mlp", weights, evaluation_batches("mlp")), rel=2e-6)
