"""Checkpoints: a run that was broken off and resumed equals the unbroken one, bit for bit."""

import os
import pathlib
import shutil
import subprocess

import pytest
from safetensors.torch import load_file

from compare import check_same_names, same_bits
from toolchain import read_metrics

STEPS = 7


def start(tools, tmp_path, name, config):
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive(name), plan, config)
    data = tools.data(name, STEPS * int(config.get("accumulate", 1)))
    return plan, data


@pytest.mark.parametrize(
    "name, config",
    [
        ("gpt2", {}),
        ("gpt2", {"fuse.enable": False}),
        ("nanogpt", {"accumulate": 2, "clip_grad_norm": 0.5}),
        ("mlp", {"optimizer.type": "sgd", "optimizer.momentum": 0.9}),
        ("llama", {"optimizer.schedule.type": "cosine", "optimizer.schedule.total_steps": 7, "optimizer.schedule.warmup_steps": 2}),
        ("frozen", {}),
    ],
)
def test_resumed_equals_unbroken(tools, tmp_path, name, config):
    plan, data = start(tools, tmp_path, name, config)
    whole = tools.train(plan, data, STEPS, tmp_path / "whole")
    half = tools.train(plan, data, 3, tmp_path / "half")
    metrics = tmp_path / "rest.jsonl"
    tools.must(
        "regimen-run", plan, "--data", data, "--steps", STEPS, "--resume", half.folder / "saved", "--save", tmp_path / "rest",
        "--metrics", metrics,
    )  # fmt: skip
    rest = read_metrics(metrics)
    assert len(half.metrics) == 3 and len(rest) == STEPS - 3
    joined = [*half.metrics, *rest]
    for key in ("step", "loss", "grad_norm", "lr"):
        assert [m[key] for m in joined] == [m[key] for m in whole.metrics], key
    weights = load_file(tmp_path / "rest" / "model.safetensors")
    check_same_names(weights, whole.weights, "weights")
    assert all(same_bits(weights[n], whole.weights[n]) for n in weights)


def test_shuffled_resume(tools, tmp_path):
    plan, data = start(tools, tmp_path, "mlp", {})
    options = ("--shuffle", "--seed", 5)
    whole = tools.train(plan, data, STEPS * 2, tmp_path / "whole", *options)
    half = tools.train(plan, data, 4, tmp_path / "half", *options)
    metrics = tmp_path / "rest.jsonl"
    tools.must("regimen-run", plan, "--data", data, "--steps", STEPS * 2, "--resume", half.folder / "saved", "--metrics", metrics, *options)
    assert [m["loss"] for m in (*half.metrics, *read_metrics(metrics))] == whole.losses
    plain = tools.train(plan, data, STEPS, tmp_path / "plain")
    assert plain.losses[0] != whole.losses[0] or plain.losses[1] != whole.losses[1], "--shuffle changes the order"


def test_save_every_and_link(tools, tmp_path):
    plan, data = start(tools, tmp_path, "mlp", {})
    saved = tmp_path / "saved"
    tools.must("regimen-run", plan, "--data", data, "--steps", 5, "--save", saved, "--save-every", 2)
    steps = sorted(p.name for p in saved.iterdir() if p.name.startswith("step-"))
    assert steps == ["step-2", "step-4", "step-5"]
    link = saved / "model.safetensors"
    assert link.is_symlink() and "step-5" in os.readlink(link)
    assert not [p for p in saved.iterdir() if "tmp" in p.name or "part" in p.name]


def test_weights_of_a_checkpoint_start_a_new_run(tools, tmp_path):
    plan, data = start(tools, tmp_path, "mlp", {})
    first = tools.train(plan, data, 3, tmp_path / "a")
    run = tools.train(plan, data, 1, tmp_path / "b", "--weights", first.folder / "saved" / "model.safetensors")
    other = tools.train(plan, data, 1, tmp_path / "c")
    assert run.losses[0] != other.losses[0]
    assert run.losses[0] < first.losses[0], "trained weights give a lower loss on the same batch"


def test_another_models_checkpoint_is_refused(tools, tmp_path):
    plan, data = start(tools, tmp_path, "mlp", {})
    other = tools.line("outputs", {"loss": 1}, 2, tmp_path / "other")
    tools.must_fail("regimen-run", plan, "--data", data, "--steps", 5, "--resume", other.folder / "saved")
    tools.must_fail("regimen-run", plan, "--data", data, "--steps", 5, "--resume", tmp_path / "absent", says=["absent"])
    tools.must_fail(
        "regimen-run", plan, "--data", data, "--weights", other.folder / "saved" / "model.safetensors", says=["layers.0.weight"]
    )


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damaged_checkpoints_are_refused(tools, tmp_path, damage):
    plan, data = start(tools, tmp_path, "mlp", {})
    half = tools.train(plan, data, 3, tmp_path / "half")
    files = [p for p in (half.folder / "saved" / "step-3").rglob("*") if p.is_file()]
    assert files
    for i, file in enumerate(files):
        copy = tmp_path / f"copy{i}"
        shutil.copytree(half.folder / "saved", copy, symlinks=True)
        target = copy / file.relative_to(half.folder / "saved")
        content = bytearray(file.read_bytes())
        if damage == "truncate":
            target.write_bytes(content[: len(content) // 2])
        elif damage == "flip":
            content[len(content) // 3] ^= 0x20
            target.write_bytes(content)
        else:
            target.unlink()
        result = tools.call("regimen-run", plan, "--data", data, "--steps", 4, "--resume", copy)
        if damage == "flip" and result.code == 0 and file.name == "training.json":
            continue  # a changed digit of the seed is still a seed
        assert result.code == 1 and result.err.strip() and "terminate" not in result.err, (file, result.code, result.err[-500:])


def test_disk_full_keeps_the_previous_checkpoint(tools, tmp_path):
    """A file system with room for one checkpoint, in a mount namespace of its own."""
    plan, data = start(tools, tmp_path, "nanogpt", {})
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = tools.train(plan, data, 1, tmp_path / "probe")
    size = sum(p.stat().st_size for p in (probe.folder / "saved").rglob("*") if p.is_file() and not p.is_symlink())
    kept = tmp_path / "kept"
    script = (
        f"mount -t tmpfs -o size={int(size * 1.6)} none {disk} || exit 99\n"
        f"{tools.bin}/regimen-run {plan} --data {data} --steps 2 --save {disk}/saved || exit 98\n"
        f"{tools.bin}/regimen-run {plan} --data {data} --steps 4 --resume {disk}/saved --save {disk}/saved 2>{tmp_path}/message\n"
        f"code=$?; cp -a {disk}/saved {kept}; exit $code\n"
    )
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.fail(f"this machine lets nobody mount in a namespace: {done.stderr}")
    assert done.returncode == 1, (done.returncode, done.stderr[-2000:])
    message = pathlib.Path(tmp_path / "message").read_text()
    assert "space" in message.lower(), message
    assert [p.name for p in kept.iterdir() if p.name.startswith("step-")] == ["step-2"]
    check = tools.call("regimen-run", plan, "--data", data, "--steps", 3, "--resume", kept)
    assert check.code == 0, check.err
