"""Bad input: exit 1, one message that says what is wrong, no crash, nothing half done."""

import json
import math
import os
import random
import subprocess
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import REGISTRY
from regimen.export import export, save
from toolchain import Result, check_no_crash, check_refusal, read_metrics, write_data


@pytest.fixture(scope="module")
def mlp(tools, tmp_path_factory):
    """(archive, plan, data) of the small model; the plan lies beside a copy of its archive."""
    folder = tmp_path_factory.mktemp("mlp")
    archive = folder / "mlp.pt2"
    archive.write_bytes(tools.archive("mlp").read_bytes())
    plan = folder / "mlp.plan"
    tools.compile(archive, plan)
    return archive, plan, tools.data("mlp", 4)


def damaged(content, seed, count):
    """(label, bytes): truncations and single flipped bits, spread over the file."""
    random_ = random.Random(seed)
    for _ in range(count):
        cut = random_.randrange(len(content))
        yield f"cut at {cut}", content[:cut]
        at = random_.randrange(len(content))
        flipped = bytearray(content)
        flipped[at] ^= 1 << random_.randrange(8)
        yield f"flip at {at}", bytes(flipped)
    yield "empty", b""
    yield "zeros", bytes(len(content))
    yield "twice", content + content
    yield "text", b"this is not the file you are looking for\n" * 9


def test_damaged_archives(tools, tmp_path, mlp):
    content = mlp[0].read_bytes()
    path, plan = tmp_path / "mlp.pt2", tmp_path / "x.plan"
    for label, data in damaged(content, 1, 20):
        path.write_bytes(data)
        result = tools.call("regimen-compile", path, "-o", plan, timeout=60)
        check_no_crash(result)
        if label.startswith("cut") or label in ("empty", "zeros", "text"):
            assert result.code == 1, label
        if result.code == 1:
            assert not plan.exists(), f"{label}: a plan was written"
            assert "mlp.pt2" in result.err, f"{label}: the message names no file: {result.err}"
        plan.unlink(missing_ok=True)


def test_flipped_weights_are_noticed(tools, tmp_path, mlp):
    """CRCs of the archive: a flipped bit in a weight never trains."""
    with zipfile.ZipFile(mlp[0]) as archive:
        entry = next(i for i in archive.infolist() if i.filename.endswith("/data/weights/weight_0"))
    content = bytearray(mlp[0].read_bytes())
    name, extra = (int.from_bytes(content[entry.header_offset + k : entry.header_offset + k + 2], "little") for k in (26, 28))
    content[entry.header_offset + 30 + name + extra + 5] ^= 4
    (tmp_path / "mlp.pt2").write_bytes(content)
    plan = tmp_path / "mlp.plan"
    compiled = tools.call("regimen-compile", tmp_path / "mlp.pt2", "-o", plan)
    check_no_crash(compiled)
    if compiled.code == 0:
        tools.must_fail("regimen-run", plan, "--data", mlp[2], "--steps", 1, says=["weight_0"])


def test_wrong_weights_file(tools, tmp_path, mlp):
    """The archive beside the plan was replaced by another model's."""
    folder = tmp_path / "moved"
    folder.mkdir()
    (folder / "mlp.plan").write_bytes(mlp[1].read_bytes())
    tools.must_fail("regimen-run", folder / "mlp.plan", "--data", mlp[2], "--steps", 1, says=["mlp.pt2"])
    (folder / "mlp.pt2").write_bytes(tools.archive("outputs").read_bytes())
    tools.must_fail("regimen-run", folder / "mlp.plan", "--data", mlp[2], "--steps", 1, says=["mlp.pt2"])
    (folder / "mlp.pt2").write_bytes(mlp[0].read_bytes())
    tools.must("regimen-run", folder / "mlp.plan", "--data", mlp[2], "--steps", 1)


def test_damaged_plans(tools, tmp_path, mlp):
    content = mlp[1].read_bytes()
    (tmp_path / "mlp.pt2").write_bytes(mlp[0].read_bytes())
    path = tmp_path / "mlp.plan"
    for label, data in damaged(content, 2, 20):
        path.write_bytes(data)
        checked = tools.call("regimen-plan", "check", path, timeout=60)
        check_no_crash(checked)
        ran = tools.call("regimen-run", path, "--data", mlp[2], "--steps", 1, timeout=60)
        check_no_crash(ran)
        if label.startswith("cut") or label in ("empty", "zeros", "text"):
            assert checked.code == 1 and ran.code == 1, label
        if checked.code == 1:
            assert ran.code == 1, f"{label}: regimen-plan check refuses what regimen-run accepts"
            assert "mlp.plan" in checked.err, checked.err


def test_damaged_data(tools, tmp_path, mlp):
    path = tmp_path / "data.safetensors"
    content = mlp[2].read_bytes()
    for label, data in damaged(content, 3, 15):
        path.write_bytes(data)
        result = tools.call("regimen-run", mlp[1], "--data", path, "--steps", 1, timeout=60)
        if label.startswith("flip") and result.code == 1 and "class" in result.err:
            continue  # a flipped label can name a class that does not exist
        check_no_crash(result)
        if label.startswith("cut") or label in ("empty", "zeros", "text"):
            check_refusal(result, says=["data.safetensors"])


def test_hostile_safetensors_headers(tools, tmp_path, mlp):
    path = tmp_path / "data.safetensors"
    entry = {"dtype": "F32", "shape": [8, 24], "data_offsets": [0, 768]}
    headers = [
        {"x": {**entry, "data_offsets": [0, 1 << 60]}},
        {"x": {**entry, "data_offsets": [768, 0]}},
        {"x": {**entry, "shape": [1 << 40, 1 << 40]}},
        {"x": {**entry, "shape": [-8, 24]}},
        {"x": {**entry, "dtype": "F33"}},
        {"x": {**entry, "shape": "many"}},
        {"x": 3},
        [],
        {"x": entry, "labels": {"dtype": "I64", "shape": [8], "data_offsets": [0, 64]}},
    ]
    for header in headers:
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(768))
        check_refusal(tools.call("regimen-run", mlp[1], "--data", path, "--steps", 1), says=["data.safetensors"])
    path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    check_refusal(tools.call("regimen-run", mlp[1], "--data", path, "--steps", 1), says=["data.safetensors"])


def rows(count=2, **replace):
    batches = [REGISTRY["mlp"].batch(k) for k in range(count)]
    merged = {n: torch.cat([b[n] for b in batches]) for n in batches[0]}
    merged.update(replace)
    return {n: t.contiguous() for n, t in merged.items() if t is not None}


@pytest.mark.parametrize(
    "tensors, says",
    [
        (lambda: rows(labels=None), ["labels"]),
        (lambda: rows(surplus=torch.zeros(16)), ["surplus"]),
        (lambda: rows(x=rows()["x"].double()), ["x"]),
        (lambda: rows(labels=rows()["labels"].int()), ["labels"]),
        (lambda: rows(x=torch.zeros(16, 25)), ["x", "24", "25"]),
        (lambda: rows(x=torch.zeros(16, 24, 1)), ["x"]),
        (lambda: rows(x=torch.zeros(5, 24), labels=torch.zeros(5, dtype=torch.long)), ["8"]),
        (lambda: rows(x=torch.zeros(16, 24), labels=torch.zeros(24, dtype=torch.long)), ["labels"]),
    ],
    ids=["missing", "extra", "dtype", "int32", "shape", "rank", "short", "uneven"],
)
def test_wrong_data(tools, tmp_path, mlp, tensors, says):
    path = tmp_path / "data.safetensors"
    save_file(tensors(), path)
    tools.must_fail("regimen-run", mlp[1], "--data", path, "--steps", 1, says=says)


def test_class_out_of_range(tools, tmp_path, mlp):
    save_file(rows(labels=torch.full((16,), 7)), tmp_path / "d.safetensors")
    check_refusal(tools.call("regimen-run", mlp[1], "--data", tmp_path / "d.safetensors", "--steps", 1))


def test_token_streams(tools, tmp_path):
    plan = tmp_path / "m.plan"
    tools.compile(tools.archive("gpt2"), plan)
    (tmp_path / "short.bin").write_bytes(bytes(20))
    tools.must_fail("regimen-run", plan, "--tokens", tmp_path / "short.bin", "--labels", "same", says=["short.bin"])
    (tmp_path / "odd.bin").write_bytes(bytes(1001))
    tools.must_fail("regimen-run", plan, "--tokens", tmp_path / "odd.bin", "--labels", "same", says=["odd.bin"])
    torch.full((500,), 4000, dtype=torch.int16).numpy().tofile(tmp_path / "range.bin")
    check_refusal(tools.call("regimen-run", plan, "--tokens", tmp_path / "range.bin", "--labels", "same"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"optimizer": 3}', '{"optimizer": {"lr": "x"}}', '{"no_such_key": 1}', "\xff\xfe", "[" * 100000]
)
def test_broken_config(tools, tmp_path, text):
    (tmp_path / "c.json").write_bytes(text.encode("latin-1"))
    result = tools.call("regimen-compile", tools.archive("mlp"), "-o", tmp_path / "x.plan", "--config", tmp_path / "c.json")
    check_refusal(result, says=["no_such_key"] if "no_such" in text else [])
    assert not (tmp_path / "x.plan").exists()


def test_absent_files(tools, tmp_path, mlp):
    absent, plan = tmp_path / "absent", tmp_path / "x.plan"
    tools.must_fail("regimen-compile", absent, "-o", plan, says=["absent"])
    tools.must_fail("regimen-compile", mlp[0], "-o", plan, "--config", absent, says=["absent"])
    tools.must_fail("regimen-run", absent, "--data", mlp[2], says=["absent"])
    tools.must_fail("regimen-run", mlp[1], "--data", absent, says=["absent"])
    tools.must_fail("regimen-run", mlp[1], "--data", mlp[2], "--weights", absent, says=["absent"])
    tools.must_fail("regimen-plan", "show", absent, says=["absent"])
    tools.must_fail("regimen-run", tmp_path, "--data", mlp[2])


def test_unwritable_outputs(tools, tmp_path, mlp):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "file").write_text("x")
    for bad in (folder, tmp_path / "file" / "below", tmp_path / "absent" / "x.plan"):
        tools.must_fail("regimen-compile", mlp[0], "-o", bad, says=[bad.name])
    run = ("regimen-run", mlp[1], "--data", mlp[2], "--steps", 2)
    for option in ("--metrics", "--dump-grads", "--trace", "--memory-report"):
        tools.must_fail(*run, option, tmp_path / "absent" / "out", says=["absent"])
        tools.must_fail(*run, option, folder, says=["folder"])
    tools.must_fail(*run, "--save", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "x" and not list(folder.iterdir())
    tools.must_fail(*run, "--metrics", "/dev/full", says=["/dev/full"])


def test_the_plan_never_replaces_its_model(tools, tmp_path, mlp):
    content = mlp[0].read_bytes()
    tools.must_fail("regimen-compile", mlp[0], "-o", mlp[0], says=["MODEL.pt2"])
    (tmp_path / "link.pt2").symlink_to(mlp[0])
    tools.must_fail("regimen-compile", mlp[0], "-o", tmp_path / "link.pt2", says=["MODEL.pt2"])
    config = tmp_path / "c.json"
    config.write_text("{}")
    tools.must_fail("regimen-compile", mlp[0], "-o", config, "--config", config, says=["--config"])
    assert mlp[0].read_bytes() == content and config.read_text() == "{}"


def test_pipes_are_refused(tools, tmp_path, mlp):
    """Nobody writes into it: a tool that opened it would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (
        ("regimen-compile", pipe, "-o", tmp_path / "x.plan"),
        ("regimen-compile", mlp[0], "-o", tmp_path / "x.plan", "--config", pipe),
        ("regimen-compile", mlp[0], "-o", pipe),
        ("regimen-plan", "check", pipe),
        ("regimen-run", mlp[1], "--data", pipe),
        ("regimen-run", mlp[1], "--data", mlp[2], "--weights", pipe),
        ("regimen-run", mlp[1], "--data", mlp[2], "--trace", pipe),
    ):
        check_refusal(tools.call(*command, timeout=20), says=["pipe"])
    assert pipe.is_fifo()


def test_limits_of_the_system_are_messages(tools, tmp_path, mlp):
    def limited(script):
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
        return Result(done.returncode, done.stdout, done.stderr)

    check_refusal(limited(f"ulimit -f 2; {tools.bin}/regimen-compile {mlp[0]} -o x.plan"), says=["x.plan", "too large"])
    assert not list(tmp_path.iterdir())
    check_refusal(limited(f"{tools.bin}/regimen-compile {mlp[0]} --compile-to=autodiff >/dev/full"), says=["standard output"])
    check_refusal(limited(f"{tools.bin}/regimen-plan show {mlp[1]} >/dev/full"), says=["standard output"])


def test_options_out_of_range(tools, mlp):
    run = ("regimen-run", mlp[1], "--data", mlp[2])
    tools.must_fail(*run, "--threads", 64, says=["target.threads"])
    tools.must_fail(*run, "--nproc", 2, says=["mesh.dp"])
    assert tools.call(*run, "--threads", 0).code == 2
    assert tools.call(*run, "--steps", -3).code == 2
    assert tools.call(*run, "--nan", "perhaps").code == 2
    assert tools.call("regimen-run", mlp[1], "--data", mlp[2], "--tokens", mlp[2]).code == 2


class TestNaN:
    STEPS, BAD = 5, 2

    @pytest.fixture
    def data(self, tmp_path):
        batches = [REGISTRY["mlp"].batch(k) for k in range(self.STEPS)]
        batches[self.BAD]["x"][3, 5] = math.nan
        write_data(tmp_path / "nan.safetensors", batches)
        return tmp_path / "nan.safetensors"

    def test_stop(self, tools, tmp_path, mlp, data):
        metrics = tmp_path / "m.jsonl"
        message = tools.must_fail("regimen-run", mlp[1], "--data", data, "--metrics", metrics, "--save", tmp_path / "s")
        assert str(read_metrics(metrics)[self.BAD - 1]["step"] + 1) in message, message
        assert "nan" in message.lower() or "finite" in message.lower()

    def test_skip(self, tools, tmp_path, mlp, data):
        metrics = tmp_path / "m.jsonl"
        tools.must("regimen-run", mlp[1], "--data", data, "--nan", "skip", "--metrics", metrics, "--save", tmp_path / "s")
        found = read_metrics(metrics)
        assert [bool(m["skipped"]) for m in found] == [s == self.BAD for s in range(self.STEPS)]
        assert all(torch.isfinite(t).all() for t in load_file(tmp_path / "s" / "model.safetensors").values())

    def test_ignore(self, tools, tmp_path, mlp, data):
        tools.must("regimen-run", mlp[1], "--data", data, "--nan", "ignore", "--save", tmp_path / "s")
        assert any(torch.isnan(t).any() for t in load_file(tmp_path / "s" / "model.safetensors").values())


class Unknown(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x):
        h = self.layer(x)
        return (torch.special.bessel_j0(h.detach()) + torch.special.bessel_j1(h.detach()) + torch.special.bessel_j1(x) + h).sum()


def test_unknown_operators_are_listed_once(tools, tmp_path):
    save(export(Unknown(), (torch.zeros(2, 4),)), tmp_path / "u.pt2")
    tools.must_fail(
        "regimen-compile", tmp_path / "u.pt2", "-o", tmp_path / "x.plan",
        says=["special_bessel_j0", "special_bessel_j1", "2", "test_bad_input.py"],
    )  # fmt: skip


def test_loss_that_is_no_scalar(tools, tmp_path):
    save(export(torch.nn.Linear(4, 3), (torch.zeros(2, 4),)), tmp_path / "l.pt2")
    tools.must_fail("regimen-compile", tmp_path / "l.pt2", "-o", tmp_path / "x.plan", says=["scalar"])


def test_messages_of_signals_would_be_seen():
    """The harness itself: a crash is never taken for a refusal."""
    with pytest.raises(AssertionError, match="SIGSEGV"):
        check_no_crash(Result(-11, "", "error: x"))
    with pytest.raises(AssertionError, match="terminate"):
        check_no_crash(Result(1, "", "terminate called after throwing"))
