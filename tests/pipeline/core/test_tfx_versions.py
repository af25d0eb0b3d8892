"""The TFX version for a machine and for a Python."""

from __future__ import annotations

import os
import re

import pytest
from packaging.requirements import Requirement

from pipeline.core import tfx_versions
from pipeline.core.tfx_versions import CURRENT, OLDER
from pipeline.core.toml import tomllib
from tests import PROJECT

ROOT = PROJECT


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "tfx"),
    [
        ("linux", "x86_64", (2, 36), OLDER),
        ("linux", "x86_64", (2, 38), OLDER),
        ("linux", "x86_64", (2, 39), CURRENT),
        ("linux", "x86_64", (3, 0), CURRENT),
        ("darwin", "arm64", None, CURRENT),
        ("linux", "x86_64", (2, 12), None),
        ("linux", "x86_64", None, None),  # another C library
        ("linux", "aarch64", (2, 39), None),
        ("darwin", "x86_64", None, None),
    ],
)
def test_a_machine_gets_the_newest_version_with_packages_for_it(system, machine, glibc, tfx):
    assert tfx_versions.for_machine(system, machine, glibc) == tfx


@pytest.mark.parametrize(("answer", "version"), [("glibc 2.36", (2, 36)), ("glibc 2.4.1", (2, 4)), (None, None)])
def test_the_version_of_glibc(monkeypatch, answer, version):
    monkeypatch.setattr(os, "confstr", lambda name: answer)
    assert tfx_versions.glibc_version() == version


@pytest.mark.parametrize("minor", range(8, 16))
def test_python_gets_the_version_that_pyproject_asks_for(minor):
    """pyproject.toml's markers select the packages, so they and this module must agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirement = Requirement(f"python{project['requires-python']}")
    allowed = requirement.specifier.contains(f"3.{minor}")
    wanted = [Requirement(text) for text in project["optional-dependencies"]["pipeline"] if text.startswith("tfx==")]
    versions = [
        re.sub(r"\.0$", "", str(each.specifier).removeprefix("=="))
        for each in wanted
        if allowed and each.marker and each.marker.evaluate({"python_version": f"3.{minor}"})
    ]
    tfx = tfx_versions.of_python((3, minor))
    assert versions == ([tfx.name] if tfx else [])
