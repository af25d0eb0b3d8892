"""`sae encode`: what it refuses before it loads TensorFlow, and nothing is written."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from pipeline.provenance import manifest
from tests.builders.roots import Recorded
from tests.pipeline.provenance.test_manifest import RECORDED
from tests.pipeline.sparse_autoencoder.test_prepared import store


@pytest.fixture
def array(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    np.save("a.npy", np.zeros((2, 28, 28), np.uint8))
    pathlib.Path("there.csv").write_text("kept")
    pathlib.Path("t.csv").write_text("who,kind,a,b\np1,x,1,2\np2,y,3,4\n")
    np.savez("a.npz", data=np.zeros((2, 28, 28), np.uint8), who=np.zeros((2, 3)))
    for version in ("2", "10"):
        pathlib.Path("root", "serving", version).mkdir(parents=True)
    pathlib.Path("empty").mkdir()
    return "a.npy"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a.npy", "--to", "there.csv"], 2, "--to there.csv exists: delete it, or name another file"),
        (["a.npy", "--to", "a.txt"], 2, "expected a file that ends in .parquet, .npz, .csv"),
        (["a.npy", "--to", "no/a.csv"], 3, "there is no folder"),
        (["a.npy", "--to", "a.csv", "--model", "3"], 3, "there is no version 3: choose from 2, 10, or latest"),
        (["a.npy", "--to", "a.csv", "--model", "empty"], 3, "nor a folder with a SavedModel"),
        (["a.npy", "--to", "a.csv", "--root", "empty"], 3, "no model is served in"),
        (["b.npy", "--to", "a.csv", "--model", "model"], 3, "b.npy does not exist: give a picture or a folder"),
        (["No/Such", "--to", "a.csv", "--model", "model"], 3, "No/Such does not exist: give a picture or a folder"),
        (["emnist", "--to", "a.csv", "--model", "model"], 3, "emnist is not prepared in"),
        (["a.npy"], 2, "Missing option '--to'"),
        (["t.csv", "--to", "a.csv", "--model", "model"], 6, "name those of labels and groups with --label and --group"),
        (["t.csv", "--to", "a.csv", "--model", "model", "--label", "kind", "--group", "whom"], 2,
         "t.csv has no such column; there are: who, kind, a, b"),
        (["t.csv", "--to", "a.csv", "--model", "model", "--group", "who"], 6, "the column kind is not of numbers"),
        (["t.csv", "--to", "a.csv", "--model", "model", "--leave-out", "who", "--leave-out", "whom"], 2,
         "--leave-out 'whom': "),
        (["a.npz", "--to", "a.csv", "--model", "model", "--group", "who"], 6, "a.npz has the shape (2, 3)"),
    ],
)  # fmt: skip
def test_it_refuses_in_one_line(arguments, code, said, refused, array):
    pathlib.Path("model").mkdir()
    pathlib.Path("model", "saved_model.pb").write_bytes(b"")
    before = sorted(pathlib.Path().rglob("*"))
    root = [] if "--root" in arguments else ["--root", "root"]
    assert said in refused(code, "encode", *arguments, *root)
    assert sorted(pathlib.Path().rglob("*")) == before
    assert pathlib.Path("there.csv").read_text() == "kept"


def test_without_a_served_model_the_run_that_is_named_is_one_on_the_data_set_of_the_root(sae, array, tmp_path):
    root = Recorded(tmp_path / "cells").root
    root.claim_dataset("cells")
    code, _, errors = sae("encode", array, "--to", "a.csv", "--root", str(root.path))
    assert code == 3
    assert f"`sae run --set data.dataset=cells --root {root.path}`" in errors
    splits = [{"name": name, "shardLengths": ["90"]} for name in ("train", "validation", "test")]
    (store(tmp_path / "prepared", "cells") / "dataset_info.json").write_text(json.dumps({"splits": splits}))
    _, _, errors = sae("encode", array, "--to", "a.csv", "--root", str(root.path))
    assert f"`sae run --set data.dataset=cells --set training.batch_size=8 --root {root.path}`" in errors


def test_without_a_served_model_that_of_the_newest_run_is_named_if_it_was_not_blessed(sae, array, tmp_path):
    recorded = Recorded(tmp_path / "cells")
    recorded.run("run-1", blessed=False)
    refused = ["encode", array, "--to", "a.csv", "--root", str(recorded.root.path)]
    assert "`sae run " in sae(*refused)[2]  # of a run that did not end
    recorded.end("run-1", state="succeeded", blessed=0)
    code, _, errors = sae(*refused)
    model = recorded.folder_of("run-1", "Trainer", "model") / "Format-Serving"
    assert code == 3
    assert f"no model is served in {recorded.root.path}: the newest was not blessed" in errors
    assert f"(`sae show latest --root {recorded.root.path}` says why); --model {model} takes it anyway" in errors
    assert "`sae run" not in errors


@pytest.mark.parametrize("manifest", [None, "{", '{"schema_version": 99}'])
def test_a_version_without_its_manifest_is_used_like_a_folder_with_one_warning(manifest, sae, array, tmp_path):
    recorded = Recorded(tmp_path / "recorded")
    recorded.run("run-1")
    path = recorded.root.path / "manifests" / "run-1.json"
    if manifest is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(manifest)
    found, output, errors = sae("encode", "none.npy", "--to", "a.csv", "--root", str(recorded.root.path))
    assert (found, output) == (3, "")
    warning, refusal = errors.splitlines()
    for part in ("warning", "run-1", "training data", "resized"):
        assert part in warning
    assert "none.npy does not exist" in refusal


@pytest.mark.parametrize("model", ["latest", "1", "serving/1", "artifact"])
def test_images_of_another_size_are_refused_before_the_model_is_loaded(model, refused, array, tmp_path):
    """Whatever names the model, its run tells what it was trained on."""
    recorded = Recorded(tmp_path / "recorded")
    recorded.run("run-1")
    manifest.write(recorded.root.path, dataclasses.replace(RECORDED, run_id="run-1"))
    places = {
        "serving/1": recorded.root.serving / "1",
        "artifact": recorded.folder_of("run-1", "Trainer", "model") / "Format-Serving",
    }
    np.save("wide.npy", np.zeros((2, 60, 80), np.uint8))
    named = ("--model", str(places.get(model, model)))
    errors = refused(6, "encode", "wide.npy", "--to", "a.csv", "--root", str(recorded.root.path), *named)
    assert "record 0 is 60x80, grey, the model encodes 28x28, grey: `sae data add NAME PATH --size 28x28`" in errors
    assert f"`sae encode NAME --to FILE --root {recorded.root.path}`" in errors
