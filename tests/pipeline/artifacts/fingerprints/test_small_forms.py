"""Blessing, pushed model and report: the forms that need no TensorFlow."""

from __future__ import annotations

import base64
import io
import json
import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from components.codes import table as codes_table
from components.push import decision
from pipeline.artifacts import fingerprints
from tests.pipeline.artifacts.fingerprints.folders import artifact, assert_differ, assert_same, write


def test_a_blessing_is_the_verdict_and_the_model(tmp_path: pathlib.Path) -> None:
    def blessed(name: str, file: str = "BLESSED", content: bytes = b"", **properties: str | int) -> Any:
        return artifact("ModelBlessing", write(tmp_path / name, {file: content}), **properties)

    one = blessed("a", model_digest="model-1:12", current_model="/here", current_model_id=7, blessed=1)
    assert_same(one, blessed("b", model_digest="model-1:12", current_model="/there", current_model_id=8))
    assert assert_differ(one, blessed("c", "NOT_BLESSED", model_digest="model-1:12")) == (
        "verdict differs: 'BLESSED' against 'NOT_BLESSED'"
    )
    assert assert_differ(one, blessed("d")) == "model_digest differs: 'model-1:12' against ''"
    assert assert_differ(one, blessed("e", content=b"x", model_digest="model-1:12")) == (
        "only the second has file BLESSED"
    )
    stream = [(entry.name, entry.value) for entry in fingerprints.content_entries(one)[1]]
    assert stream == [("verdict", "BLESSED"), ("model_digest", "model-1:12")]


def test_a_pushed_model_is_whether_and_which(tmp_path: pathlib.Path) -> None:
    def pushed(name: str, **properties: str | int) -> Any:
        return artifact("PushedModel", write(tmp_path / name, {}), **properties)

    one = pushed("a", pushed=1, model_digest="model-1:12", pushed_destination="/here/3", pushed_version="3")
    assert_same(one, pushed("b", pushed=1, model_digest="model-1:12", pushed_destination="/there", pushed_version="1"))
    assert assert_differ(one, pushed("c", pushed=0, model_digest="model-1:12")) == "pushed differs: 1 against 0"
    assert assert_differ(one, pushed("d", model_digest="model-1:12")) == "pushed differs: 1 against nothing"
    assert assert_differ(one, pushed("e", pushed=1)) == "model_digest differs: 'model-1:12' against ''"
    write(tmp_path / "b", {"saved_model.pb": b""})
    assert assert_differ(one, artifact("PushedModel", tmp_path / "b", pushed=1, model_digest="model-1:12")) == (
        "only the second has file saved_model.pb"
    )
    assert [entry.value for entry in fingerprints.content_entries(pushed("d"))[1]] == [None, ""]


def test_a_push_decision_is_whether_and_which(tmp_path: pathlib.Path) -> None:
    def decided(name: str, model: str = "model-1:12", version: int = 3, bce: float = 0.1) -> Any:
        old = decision.Baseline(version, "run-3", "model-1:old", 0.1, "")
        standing = decision.Standing(model, 1e-3, baseline=old)
        folder = write(tmp_path / name, {})
        folder.mkdir(exist_ok=True)
        decision.write(folder, decision.decide(True, bce, 1.05, standing, 0.1))
        return artifact("PushDecision", folder, reason=name)

    one = decided("a")
    assert fingerprints.content_digest(one).startswith("push-decision-1:")
    assert_same(one, decided("b", version=4, bce=0.09))  # it is pushed, whatever it was held against
    assert assert_differ(one, decided("c", bce=0.2)) == "push of decision.json differs: True against False"
    assert assert_differ(one, decided("d", model="model-1:13")) == (
        "model of decision.json differs: 'model-1:12' against 'model-1:13'"
    )
    write(tmp_path / "b", {"other": b""})
    assert assert_differ(one, artifact("PushDecision", tmp_path / "b")) == "only the second has file other"
    broken = artifact("PushDecision", write(tmp_path / "e", {"decision.json": b"{}"}))
    assert assert_differ(one, broken) == "only the first has push of decision.json"


PIXELS = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
SUMMARY = {"metrics": {"bce": 0.1, "count": 3}, "reasons": [], "blessed": True}


def png(pixels: Any = PIXELS, level: int = 9, program: str = "one") -> bytes:
    file = io.BytesIO()
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", program)
    Image.fromarray(pixels).save(file, "PNG", compress_level=level, pnginfo=info)
    return file.getvalue()


def page(*pictures: bytes, text: str = "<p>hello") -> bytes:
    tags = "".join(f'<img src="data:image/png;base64,{base64.b64encode(one).decode()}">' for one in pictures)
    return f"{text} {tags}".encode()


@pytest.fixture
def report(tmp_path: pathlib.Path) -> Any:
    """Writes a report into a folder of this name, with these files instead of its own."""

    def make(name: str, **files: bytes) -> Any:
        content = {"summary.json": json.dumps(SUMMARY).encode(), "report.html": page(png(), png()), "curve.png": png()}
        changed = {key.replace("_", "."): value for key, value in files.items()}
        return artifact("Report", write(tmp_path / name, {**content, **changed}), test_bce=0.1)

    return make


def test_compression_of_pictures_and_spacing_of_json_do_not_count(report: Any) -> None:
    other = png(level=1, program="two")
    assert other != png()
    spaced = json.dumps(dict(reversed(SUMMARY.items())), indent=3).encode()
    assert_same(report("a"), report("b", curve_png=other, report_html=page(other, png()), summary_json=spaced))


def flipped(pixels: Any) -> Any:
    changed = pixels.copy()
    changed[4, 7, 1] ^= 1
    return changed


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"curve_png": png(flipped(PIXELS))},
            "picture curve.png differs: 1 of 576 values, largest difference 1 at [4, 7, 1]",
        ),
        (
            {"report_html": page(png(), png(flipped(PIXELS)))},
            "picture 1 of report.html differs: 1 of 576 values, largest difference 1 at [4, 7, 1]",
        ),
        ({"curve_png": png(PIXELS[:, :, 0])}, "picture curve.png differs: shape (12, 16, 3) against (12, 16)"),
        ({"report_html": page(png())}, "text of report.html differs"),
        ({"report_html": page(png(), png(), text="<p>hullo")}, "text of report.html differs"),
        (
            {"summary_json": json.dumps({**SUMMARY, "metrics": {"bce": 0.1 + 2**-56, "count": 3}}).encode()},
            "metrics.bce of summary.json differs: 0.1 against 0.10000000000000002",
        ),
        (
            {"summary_json": json.dumps({**SUMMARY, "metrics": {"bce": 0.1, "count": 3.0}}).encode()},
            "metrics.count of summary.json differs: 3 against 3.0",
        ),
        ({"summary_json": json.dumps({**SUMMARY, "reasons": ["x"]}).encode()}, "only the first has reasons of summary"),
        ({"summary_json": json.dumps({**SUMMARY, "reasons": {}}).encode()}, "reasons of summary.json differs"),
        ({"summary_json": b'{"blessed": 1, "blessed": true}'}, "only the first has blessed of summary.json"),
        ({"notes_txt": b""}, "only the second has file notes.txt"),
        ({"curve_png": png()[:200]}, "only the first has picture curve.png"),
    ],
)
def test_what_a_report_shows_counts(report: Any, files: dict[str, bytes], words: str) -> None:
    assert assert_differ(report("a"), report("b", **files)).startswith(words)


def test_pixels_from_a_palette_count_by_their_colour(report: Any) -> None:
    indices = Image.fromarray(PIXELS[:, :, 0] // 64, "P")
    made = []
    for colours in ([1, 2, 3] * 4, [1, 2, 3] * 3 + [1, 2, 4]):
        indices.putpalette(colours)
        file = io.BytesIO()
        indices.save(file, "PNG")
        made.append(file.getvalue())
    assert assert_differ(report("a", curve_png=made[0]), report("b", curve_png=made[1])).startswith("picture curve.png")


def test_a_damaged_picture_counts_by_its_bytes(report: Any) -> None:
    damaged = png()[:200]
    other = damaged[:-1] + bytes([damaged[-1] ^ 1])
    one = report("a", curve_png=damaged)
    assert_same(one, report("b", curve_png=damaged))
    assert assert_differ(one, report("c", curve_png=other)) == "file curve.png differs: 200 bytes, from byte 199 on"


def test_codes_are_columns_and_values_whatever_the_compression(tmp_path: pathlib.Path) -> None:
    def codes(name: str, value: float = 2, ids: tuple[str, ...] = ("a", "b"), compression: str = "zstd") -> Any:
        folder = write(tmp_path / name, {})
        folder.mkdir(exist_ok=True)
        rows = codes_table.to_table(list(ids), "train", np.float32([[1, 0], [0, value]]), np.array([3, 1]))
        pq.write_table(rows, folder / codes_table.FILE, compression=compression)
        return artifact("Codes", folder)

    one = codes("a")
    assert fingerprints.content_digest(one).startswith("codes-1:")
    assert_same(one, codes("b", compression="gzip"))
    assert assert_differ(one, codes("c", 3)).startswith("code_1 of rows 0 to 1 differs: ")
    assert assert_differ(one, codes("d", ids=("a", "c"))).startswith("id of rows 0 to 1 differs: ")
    names = [entry.name for entry in fingerprints.content_entries(one)[1]]
    assert names == ["columns of codes.parquet"] + [
        f"{column} of rows 0 to 1" for column in ("id", "split", "label", "code_0", "code_1")
    ]
    damaged = write(tmp_path / "e", {codes_table.FILE: b"PAR1 is not enough"})
    assert [entry.name for entry in fingerprints.content_entries(artifact("Codes", damaged))[1]] == [
        "file codes.parquet"
    ]


def test_scores_of_the_probe_are_their_values(tmp_path: pathlib.Path) -> None:
    def scores(name: str, accuracy: float, indent: int | None = 1) -> Any:
        text = json.dumps({"metrics": {"knn_accuracy": accuracy}, "reason": ""}, indent=indent)
        return artifact("ProbeScores", write(tmp_path / name, {"scores.json": text.encode()}))

    one = scores("a", 0.5)
    assert fingerprints.content_digest(one).startswith("probe-scores-1:")
    assert_same(one, scores("b", 0.5, None))
    assert "0.5 against 0.25" in assert_differ(one, scores("c", 0.25))
