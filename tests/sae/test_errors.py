"""Errors name the arguments of the package, and commands as they are typed."""

from __future__ import annotations

import pathlib

import pytest

import sae
from sae import errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("only the sample is there: add --profile sample", 'only the sample is there: add profile="sample"'),
        (
            "no setting 'l2' (--set); `sae config show` lists all",
            "no setting 'l2' (settings=); `sae config show` lists all",
        ),
        ("use --set data.dataset=cells, or another --root", 'use settings={"data.dataset": "cells"}, or another root='),
        ("run with --set engine.beam_workers=1 instead", 'run with settings={"engine.beam_workers": 1} instead'),
        (
            "or run `sae run --set a.b=1 --profile sample --root r`",
            "or run `sae run --set a.b=1 --profile sample --root r`",
        ),
        ("give --from-node, --rooted", "give --from-node, --rooted"),
    ],
)
def test_options_become_arguments_but_in_commands(text: str, shown: str) -> None:
    assert errors.in_python(text) == shown


def test_every_error_of_a_root_names_arguments(tmp_path: pathlib.Path) -> None:
    with pytest.raises(sae.NotFoundError, match=r"makes the first one, root= names another folder"):
        sae.open(tmp_path / "none")
    (tmp_path / "metadata.sqlite").write_bytes(b"SQLite format 3\0")
    with pytest.raises(sae.UsageError, match=r"is a file: name a folder with root=, or .* `sae runs --metadata \S+`$"):
        sae.open(tmp_path / "metadata.sqlite")
    for call in (lambda: sae.open("gs://bucket"), lambda: sae.run(root="gs://bucket")):
        with pytest.raises(sae.UsageError, match=r"gs://bucket.*\(root=\)"):
            call()
