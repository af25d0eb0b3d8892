"""`sae data`: each fault ends with one line and its exit code, and nothing is left behind."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.data.own_data import metadata
from components.data.own_data.records import Options
from pipeline.cli import output
from pipeline.core.errors import ExitCode
from pipeline.sparse_autoencoder import prepared
from pipeline.terminal import datasets
from tests.pipeline.sparse_autoencoder.test_prepared import store

USAGE, NOT_FOUND, DATA = ExitCode.USAGE, ExitCode.NOT_FOUND, ExitCode.ENVIRONMENT


@pytest.fixture
def data(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The folder of prepared data sets; the working directory has a folder of pictures and an array."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        save(tmp_path / "pictures" / f"{number}.png", np.full((4, 5), number, np.uint8))
    np.save(tmp_path / "vectors.npy", np.eye(3))
    (tmp_path / "empty.npy").touch()
    return tmp_path / "data"


def save(path: pathlib.Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(path)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["Bad", "pictures"], USAGE, "the name 'Bad' is not allowed"),
        (["mnist_sample", "pictures"], USAGE, "the embedded sample's"),
        (["mine", "nowhere"], NOT_FOUND, "nowhere does not exist"),
        (["mine", "pictures", "--size", "4"], USAGE, "--size '4' is not allowed: give HEIGHTxWIDTH"),
        (["mine", "pictures", "--size", "0x4"], USAGE, "--size '0x4'"),
        (["mine", "pictures", "--split", "train=.5,test=.4"], USAGE, "add up to 1"),
        (["mine", "pictures", "--split", "train=nan,test=.4"], USAGE, "add up to 1"),
        (["mine", "pictures", "--split", "train=1"], USAGE, "fractions of train, test"),
        (["mine", "pictures", "--grey", "--colour"], USAGE, "exclude each other"),
        (["mine", "pictures", "--no-labels", "--label", "x"], USAGE, "excludes --label"),
        (["mine", "pictures", "--version", "1"], USAGE, "three numbers"),
        (["mine", "pictures", "--labels", "nowhere.csv"], NOT_FOUND, "nowhere.csv is not a file"),
        (["mine", "vectors.npy", "--labels", "empty.npy"], DATA, "empty.npy cannot be read as labels"),
        (["mine", "pictures", "--size", "65536x65536"], USAGE, "--size '65536x65536' is not allowed"),
        (["mine", "pictures", "--array", "x"], USAGE, "--array names an array of an .npz file"),
        (["mine", "vectors.npy", "--leave-out", "x"], USAGE, "--leave-out names a column of a .csv or .parquet file"),
        (["mine", "vectors.npy", "--grey"], USAGE, "vectors"),
        (["mine", "vectors.npy"], DATA, "would be empty"),
        (
            ["mine", "pictures", "--no-labels", "--split", "train=.5,test=.5", "--data-dir", "empty.npy"],
            DATA,
            "--data-dir",
        ),
    ],
)
def test_what_cannot_be_added(
    refused: Any, data: pathlib.Path, arguments: list[str], code: ExitCode, reason: str
) -> None:
    assert reason in refused(code, "data", "add", *arguments)
    assert not data.exists()


def test_a_terminal_shows_at_once_what_is_done(sae: Any, data: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, messages = sae("data", "add", "mine", "vectors.npy")
    first, error = messages.splitlines()
    assert first.endswith("reading vectors.npy")
    assert "would be empty" in error


def _save_all(*shapes: tuple[int, ...]) -> None:
    for number, shape in enumerate(shapes):
        save(pathlib.Path("other") / f"{number}.png", np.full(shape, number, np.uint8))


def _link_out() -> None:
    _save_all((4, 5), (4, 5))
    pathlib.Path("other/link.png").symlink_to("../pictures/0.png")


def _one_label() -> None:
    for number in range(3):
        save(pathlib.Path("other/cat") / f"{number}.png", np.full((4, 5), number, np.uint8))


def _labels_without_a_picture() -> None:
    _save_all((4, 5), (4, 5))
    pathlib.Path("labels.csv").write_text("file,label\n0.png,a\n")


def _rows(*rows: str) -> None:
    pathlib.Path("other.csv").write_text("\n".join(("u,v,kind", *rows)))


@pytest.mark.parametrize(
    ("make", "arguments", "code", "reason"),
    [
        (lambda: _save_all((4, 5), (5, 4)), ["other"], DATA, "of 2 sizes: 4x5 (1, such as 0.png), 5x4 (1,"),
        (lambda: _save_all((4, 5), (4, 5, 3)), ["other"], DATA, "grey (1, such as 0.png), colour (1, such as 1.png)"),
        (lambda: _save_all((4, 5)), ["other"], DATA, "holds 1 usable record"),
        (lambda: pathlib.Path("other").mkdir(), ["other"], DATA, "holds no pictures"),
        (_one_label, ["other"], DATA, "the one label 'cat'"),
        (_link_out, ["other"], DATA, "link.png is a link out of the folder"),
        (_labels_without_a_picture, ["other", "--labels", "labels.csv"], DATA, "no line for 1.png"),
        (lambda: np.save("other.npy", np.ones((9, 3))), ["other.npy"], DATA, "all records are equal"),
        (lambda: np.save("other.npy", [[1, np.nan], [1, 2]]), ["other.npy"], DATA, "0: 1 of its values is NaN"),
        (lambda: _rows("1,2,a", "1,nan,b"), ["other.csv", "--label", "kind"], DATA, "1: line 3, column v: 'nan'"),
        (lambda: _rows("1,2,a", "1,inf,b"), ["other.csv", "--label", "kind"], DATA, "1: line 3, column v: 'inf'"),
        (lambda: _rows("1,2,a", "1,x,b"), ["other.csv", "--label", "kind"], DATA, "line 3: 'x'"),
        (lambda: _rows("1,2,a", "1,3,"), ["other.csv", "--label", "kind"], USAGE, "line 3, column kind"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_used_is_one_line(
    refused: Any, data: pathlib.Path, make: Callable[[], None], arguments: list[str], code: ExitCode, reason: str
) -> None:
    make()
    assert reason in refused(code, "data", "add", "mine", *arguments)
    assert not data.exists()


def test_a_picture_that_cannot_be_read_is_named(sae: Any, data: pathlib.Path) -> None:
    pathlib.Path(os.fsdecode(b"pictures/bad\xff\x1b.png")).write_bytes(b"no picture")
    ended, _, messages = sae("data", "add", "mine", "pictures")
    assert ended == DATA
    assert "1 of 4 records cannot be used: bad\\xff\\x1b.png: it is not a picture" in messages
    assert "--skip-unreadable" in messages


def test_a_decompression_bomb_is_named(sae: Any, data: pathlib.Path) -> None:
    header = b"BM" + struct.pack("<IIIIiiHHIIiiII", 2_000_000_054, 0, 54, 40, 25_000, 26_667, 1, 24, 0, 0, 0, 0, 0, 0)
    pathlib.Path("pictures/huge.bmp").write_bytes(header)
    ended, _, messages = sae("data", "add", "mine", "pictures")
    assert ended == DATA
    assert "huge.bmp: it has more than 89,478,485 pixels" in messages


@pytest.mark.parametrize("version", ["", "1.2.3"])
def test_remove_asks_for_yes_and_deletes_what_add_made(sae: Any, data: pathlib.Path, version: str) -> None:
    folder = store(data, "mine", own=True)
    given = ["--version", version] if version else []
    ended, _, messages = sae("data", "remove", "mine", *given)
    assert (ended, folder.is_dir()) == (0, True)
    assert "would delete" in messages
    ended, output, _ = sae("data", "remove", "mine", "--yes", *given)
    assert (ended, output) == (0, "removed 1 version of mine\n")
    assert list(data.iterdir()) == []


def test_remove_refuses_what_add_did_not_make(sae: Any, data: pathlib.Path) -> None:
    folder = store(data, "mine")
    ended, _, messages = sae("data", "remove", "mine", "--yes")
    assert (ended, folder.is_dir()) == (USAGE, True)
    ended, _, messages = sae("data", "remove", "mime", "--yes")
    assert ended == NOT_FOUND
    assert "did you mean mine?" in messages


def test_add_refuses_a_version_that_exists(sae: Any, data: pathlib.Path) -> None:
    folder = store(data, "mine", own=True)
    other = shutil.copytree(folder, folder.with_name("1.2.4"))
    ended, _, messages = sae("data", "add", "mine", "pictures", "--version", "1.2.3")
    assert ended == USAGE
    assert "exists already" in messages
    [advised] = re.findall("`sae (data remove [^`]*)`", messages)
    assert sae(*advised.split())[0] == 0
    assert (folder.exists(), other.exists()) == (False, True)


def test_list_and_show_and_a_sheet(sae: Any, data: pathlib.Path) -> None:
    assert sae("data", "list")[0] == 0
    store(data, "mine", own=True)
    ended, output, _ = sae("data", "list")
    assert ended == 0
    assert "image: image 2x3x1 uint8" in output
    ended, output, _ = sae("data", "show", "mine", "--sheet", "sheet.png")
    assert ended == 0
    assert "made from  folder of pictures" in output
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (2 * 102 + 6, 116 + 6)
    assert sae("data", "show", "other")[0] == NOT_FOUND


@pytest.mark.parametrize("sheet", ["folder", "empty.npy/sheet.png"])
def test_a_sheet_that_cannot_be_written_is_named(refused: Any, data: pathlib.Path, sheet: str) -> None:
    store(data, "mine", own=True)
    pathlib.Path("folder").mkdir()
    messages = refused(DATA, "data", "show", "mine", "--sheet", sheet)
    assert messages.startswith(f"error: --sheet {sheet} cannot be written (")
    assert messages.endswith("name another file\n")


def test_labels_do_not_control_the_terminal() -> None:
    label = "\x1b[31m\u202ea\tb"
    examples = [prepared.Example("train", label, np.zeros((2, 3, 1), np.uint8))]
    text = "".join(datasets._sheet(output.screen(), examples, (0, 255)))
    assert text.startswith(r"  \x1b[31m\u202e")
    assert text.isprintable()


@pytest.mark.parametrize("channels", ["as in the source", "grey"])
def test_show_says_what_was_converted(sae: Any, data: pathlib.Path, channels: str) -> None:
    folder = store(data, "mine", own=True)
    facts = {"form": "NumPy array", "options": {"channels": channels, "size": None}}
    (folder / metadata.FILE).write_text(json.dumps({metadata.KEY: facts}))
    ended, output, _ = sae("data", "show", "mine")
    assert ended == 0
    assert ("converted" in output) == ("channels grey" in output) == (channels == "grey")


def test_show_names_the_columns_that_were_left_out(sae: Any, data: pathlib.Path) -> None:
    folder = store(data, "mine", own=True)
    options = metadata.options(Options(leave_out=("name", "day", "name")))
    (folder / metadata.FILE).write_text(json.dumps({metadata.KEY: {"form": "CSV file", "options": options}}))
    ended, output, _ = sae("data", "show", "mine")
    assert ended == 0
    assert re.search(r"columns left out +day, name\n", output)


@pytest.mark.parametrize("command", ["doctor", "plan", pytest.param("run", marks=pytest.mark.component)])
@pytest.mark.parametrize(
    ("stored_as", "missing", "reason"),
    [
        ("array_record", "", "is stored as array_record, this pipeline reads tfrecord"),
        ("tfrecord", "features.json", "is incomplete: it has no features.json"),
    ],
)
def test_a_data_set_of_another_form_is_named_alike_by_doctor_plan_and_run(
    sae: Any, data: pathlib.Path, command: str, stored_as: str, missing: str, reason: str
) -> None:
    folder = store(data, "mine", stored_as=stored_as)
    if missing:
        (folder / missing).unlink()
    ended, output, messages = sae(command, "--set", "data.dataset=mine", "--root", "root")
    assert ended == DATA
    assert f"data set mine in {folder} {reason}" in " ".join((output + messages).split())
    assert "prepare it again with TFDS, or remove that folder" in " ".join((output + messages).split())
