"""Options of Beam are parsed by Beam's own parser."""

from __future__ import annotations

import pytest

from tests import lazy

pytestmark = pytest.mark.component

beam_arguments = lazy.module("pipeline.orchestration.tfx.beam_arguments")


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--environment_cache_millis=30000", "--experiments=x"),
        ("--max_parallelism", "8"),
        ("--experiments=a b", "--save_main_session"),
    ],
)
def test_options_that_beam_knows(given: tuple[str, ...]) -> None:
    assert beam_arguments.refusal("", given) == ""


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--paralelism=2",), "--paralelism"),
        (("--experiments=x", "stray word"), "'stray word'"),
        (("--max_parallelism=many",), "max_parallelism"),
        (("--environment_cache_millis",), "environment_cache_millis"),
        (("--max_parallelis=2",), "--max_parallelis"),  # no abbreviation
    ],
)
def test_options_that_beam_does_not_know(given: tuple[str, ...], named: str) -> None:
    found = beam_arguments.refusal("127.0.0.1:9", given)  # where no job server listens
    assert named in found
    assert len(found.splitlines()) == 1
