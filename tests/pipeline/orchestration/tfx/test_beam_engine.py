"""Cached options and signatures are those of Beam; files are read in the order of their names."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from tests import lazy

pytestmark = pytest.mark.component

beam = lazy.module("apache_beam")
core = lazy.module("apache_beam.transforms.core")
decorators = lazy.module("apache_beam.typehints.decorators")
engine = lazy.module("pipeline.orchestration.tfx.beam_engine")
pipeline_options = lazy.module("apache_beam.options.pipeline_options")
userstate = lazy.module("apache_beam.transforms.userstate")

GET_SIGNATURE = "apache_beam.transforms.core.get_signature"


def test_options_are_parsed_once_for_each_kind_of_view(monkeypatch: pytest.MonkeyPatch) -> None:
    options = engine.CachedOptions(flags=[], direct_num_workers=3)
    kind = pipeline_options.DirectOptions
    parsed = []
    add = kind._add_argparse_args
    monkeypatch.setattr(kind, "_add_argparse_args", lambda parser: (parsed.append(parser), add(parser)))
    views = [options.view_as(kind) for _ in range(5)]
    assert len(parsed) == 1
    assert [view.direct_num_workers for view in views] == [3] * 5
    assert options.view_as(pipeline_options.TypeOptions).pipeline_type_check is True


def test_a_value_set_in_one_view_is_seen_in_all() -> None:
    options = engine.CachedOptions(flags=[])
    kind = pipeline_options.TypeOptions
    options.view_as(kind).pipeline_type_check = False
    assert options.view_as(kind).pipeline_type_check is False
    assert options.get_all_options()["pipeline_type_check"] is False


def test_options_are_sent_without_their_views() -> None:
    options = engine.CachedOptions(flags=[], direct_num_workers=3)
    options.view_as(pipeline_options.StandardOptions)
    sent = pickle.loads(pickle.dumps(options))
    assert "_views" not in vars(sent)
    assert sent.view_as(pipeline_options.DirectOptions).direct_num_workers == 3


def of_every_kind() -> Any:
    """A step whose methods have parameters of Beam's, defaults and annotations."""

    class Every(beam.DoFn):
        COUNT = userstate.CombiningValueStateSpec("count", sum)
        STATE = beam.DoFn.StateParam(COUNT)

        def process(self, element: int, window=beam.DoFn.WindowParam, count=STATE, more: int = 7):
            yield element + more

        def finish_bundle(self, window=beam.DoFn.WindowParam) -> None:
            pass

    return Every


def test_signatures_are_beam_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = of_every_kind()
    one, other = kind(), kind()
    asked = [one.process, other.process, one.finish_bundle, one.setup, kind.process, len, str.upper, list, lambda x: x]
    expected = [decorators.get_signature(function) for function in asked]
    monkeypatch.setattr(GET_SIGNATURE, core.get_signature)  # put back when the test ends
    engine.make_beam_pipeline(1, 10)
    for _ in range(2):
        assert [core.get_signature(function) for function in asked] == expected
    [spec] = userstate.get_dofn_specs(other)[0]
    assert spec is kind.COUNT


def test_the_methods_of_a_step_are_inspected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inspected = []
    inspect = decorators.get_signature

    def counting(function: Any) -> Any:
        inspected.append(function)
        return inspect(function)

    monkeypatch.setattr("apache_beam.typehints.decorators.get_signature", counting)
    monkeypatch.setattr(GET_SIGNATURE, core.get_signature)
    engine.make_beam_pipeline(1, 10)
    kind = of_every_kind()
    for _ in range(3):
        assert userstate.is_stateful_dofn(kind())
    assert sum(function.__name__ == "process" for function in inspected) == 1


def test_a_method_of_its_own_of_one_step_is_not_taken_for_that_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GET_SIGNATURE, core.get_signature)
    engine.make_beam_pipeline(1, 10)
    counts = beam.DoFn.StateParam(userstate.CombiningValueStateSpec("count", sum))

    class Plain(beam.DoFn):
        def process(self, element):
            yield element

    def process(self, element, count=counts):
        yield element

    odd = Plain()
    odd.process = process.__get__(odd)
    assert [userstate.is_stateful_dofn(one) for one in (Plain(), odd, Plain())] == [False, True, False]


def test_the_pipelines_of_the_engine_have_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GET_SIGNATURE, decorators.get_signature)
    made = engine.make_beam_pipeline(2, 10)
    assert isinstance(made.options, engine.CachedOptions)
    assert made.options.view_as(pipeline_options.DirectOptions).direct_num_workers == 2
    assert core.get_signature is not decorators.get_signature


@pytest.mark.parametrize("order", [1, -1])
def test_files_are_read_in_the_order_of_their_names(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    """File systems list the same folder in different orders."""
    for name in ("b", "a", "d", "c"):
        (tmp_path / f"{name}.txt").write_text(f"{name}1\n{name}2\n")
    walk = os.walk

    def listed(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
        for place, folders, names in walk(folder):
            yield place, folders, sorted(names)[::order]

    monkeypatch.setattr("apache_beam.io.localfilesystem.os.walk", listed)
    seen = str(tmp_path / "seen")

    def note(line: str) -> None:
        with open(seen, "a", encoding="utf-8") as file:
            file.write(f"{line} ")

    pipeline = engine.make_beam_pipeline(1, 10)
    _ = pipeline | beam.io.ReadFromText(f"{tmp_path}/*.txt") | beam.Map(note)
    pipeline.run()
    assert pathlib.Path(seen).read_text(encoding="utf-8").split() == ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]
