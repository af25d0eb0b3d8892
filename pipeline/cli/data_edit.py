"""The commands that change prepared data sets: `sae data add` and `sae data remove`."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import click

from components.data import features
from components.data.own_data.convert import RESAMPLING
from components.data.own_data.records import Options
from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import (
    LocalPath,
    data_dir_option,
    data_folder,
    dataset_argument,
    label_options,
    number_option,
)
from pipeline.core.errors import UsageError
from pipeline.core.shell import joined
from pipeline.core.text import bytes_text, counted
from pipeline.sparse_autoencoder import hints, own_data

_SIDE = 9_999  # pixels, as the setting `data.size`
_PROGRESS = 1_000  # records between two lines of progress


@command("add")
@dataset_argument
@click.argument("path", metavar="PATH", type=LocalPath())
@click.option("--size", metavar="HxW", help="Resize images to height x width, such as 64x64; proportions may change.")
@click.option(
    "--resampling",
    type=click.Choice(RESAMPLING),
    default="bilinear",
    show_default=True,
    metavar="FILTER",
    help=f"Filter of --size: {', '.join(RESAMPLING)}.",
)
@click.option("--grey", is_flag=True, help="Convert images to grey (ITU-R BT.601).")
@click.option("--colour", is_flag=True, help="Convert images to three channels.")
@click.option(
    "--split",
    metavar="FRACTIONS",
    help="Fraction of each split, chosen by a hash of the content.  [default: train=.8,validation=.1,test=.1]",
)
@number_option("--seed", limits=(0, 2**31 - 1), default=0, meaning="Seed of that choice.")
@click.option(
    "--group",
    default="",
    metavar="COLUMN|REGEX",
    help="Keep records of one group in one split: a column or array, or a regular expression of file names, whose "
    "first parentheses are the group.",
)
@label_options
@click.option("--skip-unreadable", is_flag=True, help="Leave out and count records that cannot be used.")
@click.option("--version", default="1.0.0", show_default=True, metavar="VERSION", help="Version of the data set.")
@data_dir_option
def add_command(
    labels: dict[str, Any],
    name: str,
    path: pathlib.Path,
    size: str | None,
    resampling: str,
    grey: bool,
    colour: bool,
    split: str | None,
    seed: int,
    group: str,
    skip_unreadable: bool,
    version: str,
    data_dir: pathlib.Path | None,
) -> None:
    """Make the data set NAME of the files at PATH.

    PATH is a folder of PNG, JPEG, TIFF, BMP or WebP pictures (subfolders are labels; folders train, validation and test
    are splits), a .npy or .npz file of images (n, h, w[, c]) or vectors (n, d), a .csv or .parquet file of numbers, or
    IDX files.
    """
    if grey and colour:
        raise UsageError("--grey and --colour exclude each other: give one of them")
    options = Options(
        size=_size(size) if size is not None else None,
        resampling=resampling,
        colour=True if colour else False if grey else None,
        fractions=_fractions(split) if split is not None else Options.fractions,
        seed=seed,
        group=group,
        skip_unreadable=skip_unreadable,
        **labels,
    )

    def progress(count: int) -> None:
        if count % _PROGRESS == 0:
            _say(f"{counted(count, 'record')} read")

    folder = data_folder(data_dir)
    _say(f"reading {path}")
    made = own_data.add(folder, name, version, path, options, output.note, progress, _quiet)
    output.write(f"{name} {version} is in {made}")
    setting = ["--set", f"data.data_dir={folder}"] if data_dir else []
    smaller = hints.run_options(name, str(folder))
    run = joined(["sae", "run", "--set", f"data.dataset={name}", *setting, *smaller, "--root", f"{name}_root"])
    why = "a root contains runs on one data set" + "; so few records need a smaller batch" * bool(smaller)
    output.note(f"`sae data show {name}` shows it; `{run}` runs on it ({why})")


@command("remove")
@dataset_argument
@click.option("--version", default="", metavar="VERSION", help="Version to remove.  [default: all]")
@click.option("--yes", is_flag=True, help="Delete; without it, ask, or only say what would be deleted.")
@data_dir_option
def remove_command(name: str, version: str, yes: bool, data_dir: pathlib.Path | None) -> None:
    """Remove a data set that `sae data add` made; others are refused."""
    chosen = own_data.removable(data_folder(data_dir), name, version)
    for one in chosen:
        output.note(f"{'delete' if yes else 'would delete'} {one.folder} ({bytes_text(one.bytes)})")
    if not yes and not (sys.stdin.isatty() and click.confirm("Delete?", err=True)):
        output.note("nothing was deleted; --yes deletes")
        return
    output.write(f"removed {own_data.remove(chosen)}")


def _say(text: str) -> None:
    """Print a line of progress on a terminal."""
    if sys.stderr.isatty():
        output.note(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what TensorFlow and TFDS print; errors are raised."""
    _say("storing the records with TensorFlow Datasets")
    from pipeline.orchestration import imports, process_setup

    os.environ.setdefault(*process_setup.LOG_LEVEL)
    if not os.environ.get("TFDS_DATA_DIR"):
        os.environ.pop("TFDS_DATA_DIR", None)  # TFDS takes an empty value for a folder
    with tempfile.TemporaryDirectory() as folder, process_setup.output_to(pathlib.Path(folder) / "log"):
        with imports.heavy_imports():
            from tensorflow_datasets import core  # noqa: F401 - it is imported when a name in it is used
        yield


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text)
    height, width = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= height <= _SIDE and 1 <= width <= _SIDE):
        raise UsageError(
            f"--size {text!r} is not allowed: give HEIGHTxWIDTH in pixels, such as 64x64, each from 1 to {_SIDE}"
        )
    return height, width


def _fractions(text: str) -> tuple[tuple[str, float], ...]:
    """Parse `train=.8,validation=.1,test=.1`."""
    found: dict[str, float] = {}
    try:
        for part in text.split(","):
            name, separator, value = part.partition("=")
            if not separator or name.strip() in found:
                raise ValueError
            found[name.strip()] = float(value)
    except ValueError:
        found = {}
    allowed = (
        found.keys() <= set(features.SPLITS)
        and {features.TRAIN, features.TEST} <= found.keys()
        and all(0 < value < 1 for value in found.values())
        and math.isclose(sum(found.values()), 1, abs_tol=1e-6)
    )
    if not allowed:
        raise UsageError(
            f"--split {text!r} is not allowed: give fractions of train, test and perhaps validation that add up to 1, "
            "such as train=.8,validation=.1,test=.1"
        )
    return tuple((name, found[name]) for name in features.SPLITS if name in found)
