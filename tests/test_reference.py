"""docs/reference.md and CITATION.cff say what the code says."""

from __future__ import annotations

import itertools
import re

import pytest
import yaml

from pipeline_config import PipelineConfig, Value
from tests import PROJECT

REFERENCE = (PROJECT / "docs" / "reference.md").read_text(encoding="utf-8")
STATED = re.findall(r"`([a-z_]+\.[a-z0-9_]+) = ([^`]+)`", REFERENCE)


@pytest.mark.parametrize(("name", "value"), STATED)
def test_a_stated_setting_is_that_of_the_profile(name: str, value: str) -> None:
    found: Value = PipelineConfig.build(PipelineConfig.profiles["mnist"]).values()[name]
    assert (str(found).lower() if isinstance(found, bool) else str(found)) == value


def test_the_number_of_parameters_follows_from_the_layers() -> None:
    layers = [784, 256, 32, 256, 784]
    parameters = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(layers))
    assert f"{parameters:,} parameters" in REFERENCE
    assert len(STATED) == 16


def test_the_citation_names_this_version_and_licence() -> None:
    about = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f'version = "{cited["version"]}"' in about
    assert f'license = "{cited["license"]}"' in about
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
