"""The tools' command lines: help, options, stages, configuration, determinism."""

import json
import subprocess

import pytest

from toolchain import read_metrics

TOOLS = ["regimen-compile", "regimen-run", "regimen-opt", "regimen-plan"]


@pytest.mark.parametrize("tool", TOOLS)
def test_help(tools, tool):
    text = tools.must(tool, "--help").out
    assert tool in text
    if tool != "regimen-opt":
        assert "xample" in text, "the help shows examples"


@pytest.mark.parametrize("tool", ["regimen-compile", "regimen-run", "regimen-plan"])
def test_usage_errors(tools, tool):
    for arguments in ([], ["--no-such-option"]):
        result = tools.call(tool, *arguments)
        assert result.code == 2 and result.err.strip(), (tool, arguments, result.code, result.err)


def test_stages(tools):
    """Every stage prints IR, and the stage's dialects are in it."""
    archive = tools.archive("mlp")
    for stage, words in {
        "import": ["aten.linear", "train.parameter"], "autodiff": ["aten.", "train."], "shard": ["dist."], "schedule": ["exec."],
        "allocate": ["exec."],
    }.items():  # fmt: skip
        text = tools.must("regimen-compile", archive, f"--compile-to={stage}").out
        for word in words:
            assert word in text, f"{word} not in the IR after {stage}"
    tools.must_fail("regimen-compile", archive, "--compile-to=shedule", says=["schedule"])


def test_opt_reads_what_compile_prints(tools, tmp_path):
    text = tools.must("regimen-compile", tools.archive("mlp"), "--compile-to=import").out
    (tmp_path / "m.mlir").write_text(text)
    again = tools.must("regimen-opt", tmp_path / "m.mlir").out
    assert "aten.linear" in again


def test_config_file_and_set(tools, tmp_path):
    archive = tools.archive("mlp")
    nested = {"optimizer": {"type": "adamw", "lr": 0.01}, "accumulate": 2}
    flat = {"optimizer.type": "adamw", "optimizer.lr": 0.01, "accumulate": 2}
    plans = []
    for i, config in enumerate((nested, flat)):
        (tmp_path / f"c{i}.json").write_text(json.dumps(config))
        tools.must("regimen-compile", archive, "-o", tmp_path / f"{i}.plan", "--config", tmp_path / f"c{i}.json")
        plans.append((tmp_path / f"{i}.plan").read_bytes())
    tools.must("regimen-compile", archive, "-o", tmp_path / "2.plan", "--set", "optimizer.lr=0.01", "--set", "accumulate=2")
    plans.append((tmp_path / "2.plan").read_bytes())
    tools.must("regimen-compile", archive, "-o", tmp_path / "3.plan", "--config", tmp_path / "c0.json", "--set", "accumulate=1")
    assert plans[0] == plans[1] == plans[2]
    assert plans[0] != (tmp_path / "3.plan").read_bytes(), "--set wins over --config"


@pytest.mark.parametrize(
    "setting, says",
    [
        ("optimizer.lrr=1", ["optimizer.lrr", "optimizer.lr"]),
        ("acumulate=2", ["acumulate", "accumulate"]),
        ("mesh.dq=2", ["mesh.dp"]),
        ("accumulate=two", ["accumulate"]),
        ("accumulate=0", ["accumulate"]),
        ("accumulate=1.5", ["accumulate"]),
        ("optimizer.type=adamm", ["adamw"]),
        ("optimizer.lr=fast", ["optimizer.lr"]),
        ("optimizer.betas=[0.9]", ["betas"]),
        ("optimizer.no_decay=3", ["no_decay"]),
        ("clip_grad_norm=-1", ["clip_grad_norm"]),
        ("zero.stage=4", ["zero.stage", "0 to 3"]),
        ("mesh.tp=2", ["mesh.tp"]),
        ("precision.autocast=bf16", ["precision.autocast"]),
        ("memory.offload.optimizer=nvme", ["memory.offload.optimizer", "not built yet"]),
        ("driver=nobody", ["driver", "python"]),
        ("memory.frames=2", ["memory.frames", "driver=python"]),
        ("optimizer.type=none", ["driver=python"]),
        ("target.device=cuda", ["target.device"]),
        ("loss=nothing", ["nothing"]),
        ("loss=7", ["loss"]),
    ],
)
def test_refused_settings(tools, tmp_path, setting, says):
    """Unknown keys name the nearest known one; known features that are not built say so."""
    plan = tmp_path / "x.plan"
    result = tools.call("regimen-compile", tools.archive("mlp"), "-o", plan, "--set", setting)
    assert result.code in (1, 2), result
    for word in says:
        assert word in result.err, result.err
    assert len(result.err.strip().splitlines()) <= 4, result.err
    assert not plan.exists()


def test_defaults_of_later_features_are_accepted(tools, tmp_path):
    settings = ["zero.stage=0", "mesh.dp=1", "mesh.tp=1", "precision.autocast=none", "memory.remat=none", "memory.limit=null"]
    settings += ["precision.params=fp32", "comm.reduction=ordered", "driver=run", "target.device=cpu", "precision.loss_scale=none"]
    tools.compile(tools.archive("mlp"), tmp_path / "x.plan", {}, *(x for s in settings for x in ("--set", s)))


def test_unknown_option_names_the_nearest(tools, tmp_path):
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("mlp"), plan)
    result = tools.call("regimen-run", plan, "--data", tools.data("mlp", 2), "--stesp", 2)
    assert result.code == 2 and "stesp" in result.err


@pytest.mark.parametrize("name", ["mlp", "llama"])
def test_same_input_same_bytes(tools, tmp_path, name):
    for plan in ("a.plan", "b.plan"):
        tools.compile(tools.archive(name), tmp_path / plan, {"clip_grad_norm": 1.0})
    assert (tmp_path / "a.plan").read_bytes() == (tmp_path / "b.plan").read_bytes()


def test_plan_shows_and_proves(tools, tmp_path):
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("gpt2"), plan)
    tools.must("regimen-plan", "check", plan)
    shown = tools.must("regimen-plan", "show", plan).out
    for word in ("micro_step", "update", "addmm"):
        assert word in shown, word
    assert "params" in tools.must("regimen-plan", "memory", plan).out


def test_dynamic_export_is_specialised(tools, tmp_path):
    """A dynamic export at the sizes of a static one trains with the same bits; without sizes it is refused."""
    from compare import check_same_run

    for name, dims in (
        ("mlp", ["x.0=8"]),
        ("gpt2", ["input_ids.0=2", "input_ids.1=24"]),
        ("llama", ["input_ids.0=2", "input_ids.1=24"]),
    ):
        archive = tools.archive(name, dynamic=True)
        options = [x for d in dims for x in ("--dim", d)]
        tools.compile(archive, tmp_path / f"{name}.plan", {"fuse.enable": False}, *options)
        run = tools.train(tmp_path / f"{name}.plan", tools.data(name, 4), 4, tmp_path / name)
        check_same_run(run, tools.line(name, {"fuse.enable": False}, 4, tmp_path / f"{name}-static"))
        tools.must_fail("regimen-compile", archive, "-o", tmp_path / "y.plan", says=["--dim"])
    tools.must_fail("regimen-compile", tools.archive("mlp", dynamic=True), "-o", tmp_path / "y.plan", "--dim", "y.0=8", says=["y"])
    assert not (tmp_path / "y.plan").exists()


def test_unmarked_archive_warns_and_raw_export_is_refused(tools, tmp_path):
    import torch

    from models import REGISTRY

    model = REGISTRY["no_grad"]
    raw = torch.export.export(model.module(), tuple(model.batch(0).values()))
    torch.export.save(raw, tmp_path / "raw.pt2")
    tools.must_fail("regimen-compile", tmp_path / "raw.pt2", "-o", tmp_path / "x.plan", says=["regimen.export"])
    model = REGISTRY["mlp"]
    plain = torch.export.export(model.module(), tuple(model.batch(0).values())).run_decompositions({})
    torch.export.save(plain, tmp_path / "plain.pt2")
    assert "warning" in tools.must("regimen-compile", tmp_path / "plain.pt2", "-o", tmp_path / "x.plan").err


def test_metrics_and_trace(tools, tmp_path):
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("gpt2"), plan)
    options = ("--metrics", tmp_path / "m.jsonl", "--trace", tmp_path / "t.json")
    tools.must("regimen-run", plan, "--data", tools.data("gpt2", 3), *options)
    metrics = read_metrics(tmp_path / "m.jsonl")
    assert len(metrics) == 3, "without --steps, one pass over the data"
    keys = {"step", "loss", "grad_norm", "lr", "step_ms", "samples", "bytes_sent", "loss_scale", "skipped"}
    for m in metrics:
        assert keys <= set(m), keys - set(m)
        assert m["samples"] == 2 and m["bytes_sent"] == 0 and not m["skipped"]
    assert [b["step"] - a["step"] for a, b in zip(metrics, metrics[1:])] == [1, 1]
    trace = json.loads((tmp_path / "t.json").read_text())
    events = trace["traceEvents"] if isinstance(trace, dict) else trace
    assert any("addmm" in e.get("name", "") for e in events)
    assert any("modeling_gpt2.py" in json.dumps(e) for e in events), "events name the model's source line"


def test_data_wraps_around(tools, tmp_path):
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("mlp"), plan, {"optimizer.lr": 0.0, "optimizer.weight_decay": 0.0})
    run = tools.train(plan, tools.data("mlp", 2), 5, tmp_path / "run")
    assert run.losses[0] == run.losses[2] == run.losses[4] != run.losses[1] == run.losses[3]


def test_tokens(tools, tmp_path):
    """A token stream gives the same run as the windows it holds."""
    import numpy
    import torch

    from toolchain import write_data

    stream = torch.randint(0, 96, (2 * 24 * 5 + 1,), generator=torch.Generator().manual_seed(3))
    for kind in ("uint16", "uint32"):
        stream.numpy().astype(kind).tofile(tmp_path / f"{kind}.bin")
    assert numpy.fromfile(tmp_path / "uint16.bin", "uint16").size == stream.numel()
    windows = stream[:-1].view(5, 2, 24)
    write_data(tmp_path / "d.safetensors", [{"input_ids": w, "labels": w.clone()} for w in windows])
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("gpt2"), plan)
    base = ("regimen-run", plan, "--steps", 5, "--metrics")
    tools.must(*base, tmp_path / "a", "--data", tmp_path / "d.safetensors")
    tools.must(*base, tmp_path / "b", "--tokens", tmp_path / "uint16.bin", "--labels", "same")
    assert [m["loss"] for m in read_metrics(tmp_path / "a")] == [m["loss"] for m in read_metrics(tmp_path / "b")]


def test_ctrl_c_ends_cleanly(tools, tmp_path):
    import signal
    import time

    plan, metrics = tmp_path / "m.plan", tmp_path / "m.jsonl"
    tools.compile(tools.archive("mlp"), plan)
    process = tools.start("regimen-run", plan, "--data", tools.data("mlp", 2), "--steps", 100000000, "--metrics", metrics)
    deadline = time.time() + 60
    while time.time() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("still running 20 s after Ctrl-C")
    assert process.returncode in (0, 1, 130), (process.returncode, err[-1000:])
    assert "terminate" not in err
    read_metrics(metrics)
