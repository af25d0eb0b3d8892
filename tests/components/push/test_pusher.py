"""Pusher: what it pushes, and what it records."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import pytest

from components.push import decision as push_decision
from components.push import serving_dir
from tests import nodes

pytestmark = pytest.mark.component


def model(folder: pathlib.Path, weights: str) -> pathlib.Path:
    """The files of a SavedModel."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_text(weights)
    return folder


def weights_of(version: pathlib.Path) -> str:
    return (version / "variables" / "variables.data-00000-of-00001").read_text()


def run(folder: pathlib.Path, blessed: bool, digest: str = "", push: bool = True) -> Any:
    """Runs the node on the model in `folder / "model"`; it serves from `folder / "serving"`."""
    blessing = nodes.artifact("ModelBlessing", folder / "blessing")
    blessing.set_int_custom_property("blessed", int(blessed))
    model_artifact = nodes.artifact("Model", folder / "model")
    model_artifact.set_string_custom_property("content_digest", digest)
    pusher_node = nodes.make(folder, {})["Pusher"]
    decision = nodes.artifact("Model", folder / "decision")  # of any type: the node reads its folder
    standing = push_decision.Standing("model-1:a", 1e-3, note="nothing was served")
    decided = push_decision.decide(blessed, 0.1, 1.05, standing, None)
    (folder / "decision").mkdir(exist_ok=True)
    push_decision.write(
        folder / "decision", decided if push else dataclasses.replace(decided, push=False, reason="worse")
    )
    outputs = nodes.run(
        pusher_node, folder / "Pusher", model=model_artifact, model_blessing=blessing, decision=decision
    )
    return outputs["pushed_model"]


def test_blessed_model_is_pushed_and_where_to_is_recorded(tmp_path: pathlib.Path) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    pushed = run(tmp_path, blessed=True)
    assert weights_of(tmp_path / "serving" / "1") == "1.0"
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(tmp_path / "serving" / "1")
    assert pushed.get_string_custom_property("pushed_version") == "1"


def test_model_that_is_not_blessed_is_not_pushed(tmp_path: pathlib.Path) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    pushed = run(tmp_path, blessed=False)
    assert not (tmp_path / "serving").exists()
    assert pushed.get_int_custom_property("pushed") == 0
    assert not pushed.has_custom_property("pushed_version")

    assert pushed.get_string_custom_property("not_pushed") == "the model is not blessed"


def test_model_that_the_gate_kept_back_is_not_pushed_though_it_is_blessed(tmp_path: pathlib.Path) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    pushed = run(tmp_path, blessed=True, push=False)
    assert not (tmp_path / "serving").exists()
    assert (pushed.get_int_custom_property("pushed"), pushed.get_string_custom_property("not_pushed")) == (0, "worse")


@pytest.mark.parametrize(("held", "pushed_and_held"), [("model-1:a", (0, 1)), ("model-1:b", (1, 0)), ("", (1, 0))])
def test_model_that_is_held_back_is_not_pushed(tmp_path: pathlib.Path, held: str, pushed_and_held: Any) -> None:
    model(tmp_path / "model" / "Format-Serving", "1.0")
    serving_dir.write_superseded(tmp_path / "serving", {held} - {""})
    pushed = run(tmp_path, blessed=True, digest="model-1:a")
    assert (pushed.get_int_custom_property("pushed"), pushed.get_int_custom_property("held_back")) == pushed_and_held
    assert (tmp_path / "serving").exists() == bool(pushed_and_held[0])
