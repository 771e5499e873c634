"""The picture of memory: valid XML that needs nothing else, and the numbers of `memory --json`."""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"
CATEGORIES = ["params", "grads", "optimizer", "activations", "comm", "workspace"]
CONFIGS = {
    "run": {"evaluation": True, "accumulate": 3},
    "stage3": {"mesh.dp": 2, "zero.stage": 3, "evaluation": True},
    "python": {"driver": "python", "memory.frames": 2},
}


def heights(d, baseline):
    """Distances of a path's corners from the baseline."""
    corners = [float(y) for y in re.findall(r"V([\d.]+)", d)] + [float(re.match(r"M[\d.]+ ([\d.]+)", d)[1])]
    return [baseline - y for y in corners]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("name", ["gpt2", "convnet"])
def test_picture(tools, tmp_path, name, config):
    plan, picture = tmp_path / "model.plan", tmp_path / "memory.svg"
    tools.compile(tools.archive(name), plan, config)
    tools.must("regimen-plan", "memory", plan, "--svg", picture)
    text = picture.read_text()
    root = ElementTree.fromstring(text)
    assert root.tag == SVG + "svg"

    outside = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for sign in ("href", "http", "url(", "@import", "<script", "<image", "<foreignObject", "<!"):
        assert sign not in outside, f"{sign} in the picture"

    planned = json.loads(tools.must("regimen-plan", "memory", plan, "--json").out)["ranks"][0]
    assert json.loads(root.find(SVG + "metadata").text) == planned
    tips = [t.text for t in root.iter(SVG + "title")]
    for category in CATEGORIES:
        assert any(t.startswith(f"{category}: at most {planned['categories'][category]} bytes,") for t in tips)
    assert f"{planned['predicted_peak']} bytes" in tips and f"{planned['lower_bound']} bytes" in tips

    # What is drawn reaches as high as what is written: the limit stands for the predicted peak, bytes are linear.
    baseline = max(
        float(line.get("y2")) for line in root.iter(SVG + "line") if line.get("class") == "axis" and line.get("y1") == line.get("y2")
    )
    (limit,) = [baseline - float(line.get("y1")) for line in root.iter(SVG + "line") if line.get("class") == "limit"]
    areas = list(root.iter(SVG + "path"))
    assert {a.get("class") for a in areas} <= set(CATEGORIES)
    scale = limit / planned["predicted_peak"]
    assert max(max(heights(a.get("d"), baseline)) for a in areas) == pytest.approx(planned["lower_bound"] * scale, abs=0.02)
    (dot,) = root.iter(SVG + "circle")
    assert baseline - float(dot.get("cy")) == pytest.approx(planned["lower_bound"] * scale, abs=0.02)

    # The table adds up to the peak.
    rows = [int(t.split()[0]) for t in tips if re.fullmatch(r"\d+ bytes", t)][2:]
    assert sum(rows) == planned["lower_bound"]


def test_programs_of_a_step(tools, tmp_path):
    plan, picture = tmp_path / "model.plan", tmp_path / "memory.svg"
    for config, names in (
        ({"accumulate": 4, "evaluation": True}, ["micro_step_first", "micro_step_later", "update", "evaluation"]),
        ({"driver": "python", "memory.frames": 8}, ["forward", "backward0", "update"]),
    ):
        tools.compile(tools.archive("mlp"), plan, config)
        tools.must("regimen-plan", "memory", plan, "--svg", picture)
        strips = [r for r in ElementTree.parse(picture).iter(SVG + "rect") if r.get("class") in ("strip", "outside")]
        drawn = [r.find(SVG + "title").text for r in strips if r.find(SVG + "title") is not None]
        assert drawn[: len(names)] == names
        assert all(a.get("class") == "outside" for a, n in zip(strips, drawn) if n in ("evaluation", "inference"))
