"""What a run was made from: noted, stored, read again, compared."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import shutil
import subprocess

import pytest

from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.provenance import environment, manifest, manifest_diff
from pipeline.provenance.manifest_diff import Group
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from pipeline_config import PipelineConfig

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECORDED = manifest.Manifest(
    run_id="20240102-030405-abcd",
    created="2024-01-02T03:04:05+00:00",
    trigger="manual",
    command=("sae", "run", "--set", "training.epochs=2"),
    profile="mnist",
    configuration={
        "data.dataset": "mnist",
        "training.epochs": 2,
        "training.jit_compile": True,
        "evaluation.max_bce": math.inf,
        "engine.beam_workers": 1,
        "paths.root": "pipeline_root",
    },
    seed=7,
    data=ImageDataset(
        builder_dir="/data/mnist/3.0.1",
        files={"mnist-train.tfrecord": "f" * 64},
        name="mnist",
        version="3.0.1",
        height=28,
        width=28,
        label_names=("0", "1"),
        split_sizes={"train": 50_000, "test": 10_000},
        schema_file="/project/components/schemas/mnist.pbtxt",
        notice="a notice",
    ),
    code={
        "Trainer": {"components/model/run_fn.py": "a" * 64, "components/data/features.py": "b" * 64},
        "Pusher": {"components/push/pusher.py": "c" * 64},
        "Report": {"components/report/component.py": "d" * 64, "components/data/features.py": "b" * 64},
    },
    code_digest="e" * 64,
    git=environment.Git(COMMIT, dirty=False),
    packages={"numpy": "1.26.4", "tfx": "1.16.0"},
    lock=environment.Lock("requirements.txt", "1" * 64),
    tfx_line="1.16",
    python=environment.Python("3.10.12", "CPython"),
    tensorflow=environment.TensorFlow("tensorflow", "2.16.2", "cp310-cp310-any", "2" * 64),
    machine=environment.Machine("x86_64", "Processor A", ("avx", "avx2", "ibrs"), "Debian 12", "glibc 2.36"),
    engine=manifest.Engine("FnApiRunner", 1, 2, 2),
)


def changed(part=None, /, **fields):
    """The manifest with other fields, or with other fields in one of its parts."""
    if part:
        fields = {part: dataclasses.replace(getattr(RECORDED, part), **fields)}
    return dataclasses.replace(RECORDED, **fields)


# --- recorded -------------------------------------------------------------------------------------


def collect(**fields):
    given = {
        "run_id": "r1",
        "command": ["sae", "run"],
        "profile": "mnist",
        "configuration": PipelineConfig.build(
            {"training.seed": 7, "engine.beam_workers": 3, "engine.intra_op_threads": 4}
        ).recorded(),
        "data": RECORDED.data,
        "code": RECORDED.code,
        "pipeline": PIPELINE,
    }
    return manifest.collect(**{**given, **fields})


def test_the_arguments_are_recorded():
    found = collect(trigger="schedule")
    assert (found.run_id, found.command, found.profile) == ("r1", ("sae", "run"), "mnist")
    assert found.trigger == "schedule"
    assert found.seed == 7
    assert found.engine == manifest.Engine("FnApiRunner", 3, 4, 2)
    assert set(found.configuration) == set(PipelineConfig().recorded())
    assert (found.data, found.code) == (RECORDED.data, RECORDED.code)


def test_variables_that_select_instructions_are_recorded_and_compared(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    found = collect()
    assert found.variables["OPENBLAS_CORETYPE"] == "Haswell"
    assert "XLA_FLAGS" not in found.variables
    assert manifest.from_json(manifest.to_json(found)).variables == found.variables
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    [difference] = manifest_diff.differences(found, collect(), PipelineConfig)
    assert (difference.old, difference.new, difference.matters) == ("Haswell", "Zen", True)
    assert "OPENBLAS_CORETYPE" in difference.field


def test_variables_are_not_compared_with_a_manifest_that_recorded_none(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    values = json.loads(manifest.to_json(collect()))
    del values["variables"]
    older = manifest.from_json(json.dumps(values))
    assert older.variables is None
    assert manifest_diff.differences(older, collect(), PipelineConfig) == []


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_of_another_pipeline_is_that_of_its_code(tmp_path, monkeypatch):
    package = tmp_path / "my_pipeline_in_git"
    package.mkdir()
    for name in ("__init__.py", "definition.py"):
        (package / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    declared = dataclasses.replace(PIPELINE, location="my_pipeline_in_git.definition:PIPELINE")
    assert collect(pipeline=declared).pipeline_git is None
    assert "not a git repository" in collect(pipeline=declared).pipeline_git_unknown
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    printed = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    commit = printed.stdout.strip()
    found = collect(pipeline=declared)
    assert found.pipeline_git == environment.Git(commit, dirty=False)
    assert (found.git, found.git_unknown) == (collect().git, collect().git_unknown)
    assert manifest.from_json(manifest.to_json(found), pipeline=PIPELINE) == found
    (package / "definition.py").write_text("1")
    assert collect(pipeline=declared).pipeline_git == environment.Git(commit, dirty=True)


def test_of_the_default_pipeline_one_commit_is_recorded():
    assert (collect().pipeline_git, collect().pipeline_git_unknown) == (None, "")
    assert manifest.commit_text(RECORDED) == COMMIT[:12]


def test_of_another_pipeline_both_commits_are_shown():
    git = environment.Git("9" * 40, True)
    assert manifest.commit_text(changed(pipeline="a:B", pipeline_git=git)) == (
        f"999999999999 with uncommitted changes; of sae {COMMIT[:12]}"
    )
    assert manifest.commit_text(changed(pipeline="a:B", pipeline_git=RECORDED.git)) == COMMIT[:12]
    assert manifest.commit_text(changed(pipeline="a:B")) == f"unknown; of sae {COMMIT[:12]}"  # an earlier version


def test_a_run_that_nothing_else_started_is_manual_and_of_now():
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    found = collect()
    assert found.trigger == "manual"
    assert before <= datetime.datetime.fromisoformat(found.created) <= datetime.datetime.now(datetime.timezone.utc)


def test_the_environment_is_recorded():
    found = collect()
    assert found.packages["tfx"].startswith(found.tfx_line)
    assert found.tensorflow.version == found.packages["tensorflow"]
    assert found.machine == environment.machine()
    assert len(found.code_digest) == 64


def test_here_and_now_twice_is_the_same():
    assert (
        manifest_diff.differences(
            collect(), collect(run_id="r2", command=["other"], trigger="schedule"), PipelineConfig
        )
        == []
    )


# --- stored ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        RECORDED,
        changed(git=None, lock=None, tensorflow=None),
        changed(command=("sae", "bad \udcff byte", "ümläut"), code={}, packages={}),
        changed("machine", features=()),
    ],
    ids=["full", "nothing known", "text that is not valid", "no features"],
)
def test_what_is_written_is_read_again(tmp_path, one):
    path = manifest.write(tmp_path, one)
    assert path == tmp_path / "manifests" / "20240102-030405-abcd.json"
    found = manifest.read(tmp_path, one.run_id, PIPELINE)
    assert found == one
    assert type(found.configuration["training.jit_compile"]) is bool


def test_a_collected_manifest_is_read_again():
    one = collect()
    assert manifest.from_json(manifest.to_json(one), pipeline=PIPELINE) == one


def test_the_file_says_its_version_and_plain_values(tmp_path):
    values = json.loads(manifest.write(tmp_path, RECORDED).read_text())
    assert values["schema_version"] == 1
    assert values["git"] == {"commit": COMMIT, "dirty": False}
    assert values["data"]["split_sizes"] == {"train": 50_000, "test": 10_000}


def test_a_second_write_replaces_the_first_and_leaves_nothing_else(tmp_path):
    manifest.write(tmp_path, RECORDED)
    manifest.write(tmp_path, changed(seed=8))
    assert manifest.read(tmp_path, RECORDED.run_id).seed == 8
    assert [path.name for path in (tmp_path / "manifests").iterdir()] == ["20240102-030405-abcd.json"]


def test_a_write_that_fails_keeps_what_was_there(tmp_path, monkeypatch):
    manifest.write(tmp_path, RECORDED)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UnavailableError, match=r"abcd\.json.*No space left on device"):
        manifest.write(tmp_path, changed(seed=8))
    assert manifest.read(tmp_path, RECORDED.run_id, PIPELINE) == RECORDED
    assert [path.name for path in (tmp_path / "manifests").iterdir()] == ["20240102-030405-abcd.json"]


def test_a_root_that_cannot_be_written(tmp_path):
    (tmp_path / "manifests").write_text("a file")
    with pytest.raises(UnavailableError):
        manifest.write(tmp_path, RECORDED)


def test_a_run_without_one(tmp_path):
    with pytest.raises(NotFoundError, match=r"\br9\b.*TFX's own runners .*--root"):
        manifest.read(tmp_path, "r9")


@pytest.mark.parametrize("run_id", ["../secret", "/etc/secret", "", ".hidden", "a/b", "a\0b", "a\n"])
def test_an_id_that_names_another_file(tmp_path, run_id):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "secret.json").write_text(manifest.to_json(RECORDED))
    with pytest.raises(NotFoundError):
        manifest.read(tmp_path, run_id)


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_another_schema_version_is_refused(version):
    values = {**json.loads(manifest.to_json(RECORDED)), "schema_version": version}
    with pytest.raises(UnavailableError, match=f"schema_version {version!r}"):
        manifest.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("recorded", "given", "said"),
    [
        (
            "cells:PIPELINE",
            "",
            "is of a run of cells:PIPELINE, not of the default pipeline: add --pipeline cells:PIPELINE",
        ),
        ("", "cells:PIPELINE", "is of a run of the default pipeline, not of cells:PIPELINE: leave out --pipeline"),
    ],
)
def test_a_file_of_another_pipeline_is_refused_and_not_called_damaged(recorded, given, said, tmp_path):
    values = json.loads(manifest.to_json(RECORDED))
    del values["data"]["builder_dir"]  # which the data set of another pipeline lacks
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**values, "pipeline": recorded}))
    with pytest.raises(UsageError) as raised:
        manifest.from_file(path, dataclasses.replace(PIPELINE, location=given))
    assert str(raised.value).startswith(f"{path} {said}")


def test_fields_that_a_later_version_added_are_left_out():
    values = json.loads(manifest.to_json(RECORDED))
    values["later"] = 1
    values["machine"]["later"] = [1]
    assert manifest.from_json(json.dumps(values), pipeline=PIPELINE) == RECORDED


def test_no_notice_is_an_empty_one():
    values = json.loads(manifest.to_json(RECORDED))
    del values["data"]["notice"]
    assert manifest.from_json(json.dumps(values)).data.notice == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", "null", '"text"'])
def test_a_file_that_is_no_manifest(tmp_path, text):
    path = manifest.write(tmp_path, RECORDED)
    path.write_text(text)
    with pytest.raises(UnavailableError, match=r"abcd\.json"):
        manifest.read(tmp_path, RECORDED.run_id)


def test_a_file_that_is_no_text(tmp_path):
    manifest.write(tmp_path, RECORDED).write_bytes(b"\xff\xfe")
    with pytest.raises(UnavailableError):
        manifest.read(tmp_path, RECORDED.run_id)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda values: values.pop("seed"), "seed"),
        (lambda values: values["machine"].pop("libc"), "machine.libc"),
        (lambda values: values["git"].pop("commit"), "git.commit"),
        (lambda values: values["git"].update(dirty=1), "git.dirty"),
        (lambda values: values.update(seed="7"), "seed"),
        (lambda values: values.update(seed=True), "seed"),
        (lambda values: values.update(packages=["tfx"]), "packages"),
        (lambda values: values["packages"].update(tfx=1), "packages.tfx"),
        (lambda values: values["code"].update(Trainer="x"), "code.Trainer"),
        (lambda values: values.update(command="sae run"), "command"),
        (lambda values: values.update(data=None), "data"),
        (lambda values: values.update(lock="requirements.txt"), "lock"),
        (lambda values: values["configuration"].update(x=None), "configuration.x"),
    ],
)
def test_a_damaged_field_is_named(spoil, named):
    values = json.loads(manifest.to_json(RECORDED))
    spoil(values)
    with pytest.raises(UnavailableError, match=f"{named} "):
        manifest.from_json(json.dumps(values), "file")


def test_the_manifest_of_another_run_under_this_name(tmp_path):
    path = manifest.write(tmp_path, RECORDED)
    path.rename(path.with_name("r2.json"))
    with pytest.raises(UnavailableError, match="20240102-030405-abcd"):
        manifest.read(tmp_path, "r2")


# --- compared ----------------------------------------------------------------------------------


def test_id_time_and_trigger_are_no_difference():
    other = changed(run_id="r2", created="2025-01-01T00:00:00+00:00", trigger="schedule", command=(), profile="sample")
    assert manifest_diff.differences(RECORDED, other, PipelineConfig) == []


def test_the_folder_of_the_data_and_the_commit_are_no_difference():
    other = dataclasses.replace(changed("data", builder_dir="/elsewhere"), git=environment.Git("f" * 40, True))
    assert manifest_diff.differences(RECORDED, other, PipelineConfig) == []


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (changed("data", name="fashion_mnist"), (Group.DATA, "data set", "mnist 3.0.1", "fashion_mnist 3.0.1", True)),
        (
            changed("data", files={"mnist-train.tfrecord": "0" * 64}),
            # sha256sum of {"mnist-train.tfrecord":"ffff..."} and of the other one
            (Group.DATA, "content of the data set", "4a310db2445f", "2cc389df90fc", True),
        ),
        (
            changed("data", split_sizes={"train": 50_000, "test": 9_999}),
            (Group.DATA, "examples in test", "10000", "9999", True),
        ),
        (changed("data", notice=""), (Group.DATA, "notice on the data", "a notice", "empty", True)),
        (
            changed(code_digest="0" * 64),
            (Group.CODE, "code outside the nodes", "eeeeeeeeeeee", "000000000000", True),
        ),
        (
            changed(configuration={**RECORDED.configuration, "training.epochs": 3}),
            (Group.CONFIGURATION, "training.epochs", "2", "3", True),
        ),
        (
            changed(configuration={**RECORDED.configuration, "training.jit_compile": False}),
            (Group.CONFIGURATION, "training.jit_compile", "true", "false", True),
        ),
        (
            changed(configuration={**RECORDED.configuration, "paths.root": "elsewhere"}),
            (Group.CONFIGURATION, "paths.root", "pipeline_root", "elsewhere", False),
        ),
        (
            changed(configuration={**RECORDED.configuration, "engine.beam_workers": 2}),
            (Group.CONFIGURATION, "engine.beam_workers", "1", "2", False),
        ),
        (
            changed(configuration={**RECORDED.configuration, "training.new": 0.5}),
            (Group.CONFIGURATION, "training.new", "not there", "0.5", True),
        ),
        (changed("engine", name="Other"), (Group.CONFIGURATION, "Beam's engine", "FnApiRunner", "Other", True)),
        (changed(tfx_line="1.21"), (Group.PACKAGES, "TFX version", "1.16", "1.21", True)),
        (changed("python", version="3.10.13"), (Group.PACKAGES, "Python", "CPython 3.10.12", "CPython 3.10.13", True)),
        (
            changed("tensorflow", files="0" * 64),
            (
                Group.PACKAGES,
                "TensorFlow's build",
                "tensorflow 2.16.2 (cp310-cp310-any, files 222222222222)",
                "tensorflow 2.16.2 (cp310-cp310-any, files 000000000000)",
                True,
            ),
        ),
        (
            changed(packages={"numpy": "1.26.5", "tfx": "1.16.0"}),
            (Group.PACKAGES, "numpy", "1.26.4", "1.26.5", True),
        ),
        (changed(packages={"numpy": "1.26.4"}), (Group.PACKAGES, "tfx", "1.16.0", "not there", True)),
        (
            changed("lock", digest="0" * 64),
            (Group.PACKAGES, "lock (requirements.txt)", "111111111111", "000000000000", False),
        ),
        (
            changed("machine", architecture="arm64"),
            (Group.MACHINE, "processor's architecture", "x86_64", "arm64", True),
        ),
        (changed("machine", processor="Processor B"), (Group.MACHINE, "processor", "Processor A", "Processor B", True)),
        (
            changed("machine", features=("avx", "avx512f", "fma", "ibrs")),
            (Group.MACHINE, "processor's features for arithmetic", "avx2", "avx512f fma", True),
        ),
        (
            changed("machine", features=("avx", "avx2", "ibrs", "md_clear")),
            (Group.MACHINE, "processor's other features", "none of its own", "md_clear", False),
        ),
        (changed("machine", libc="glibc 2.41"), (Group.MACHINE, "C library", "glibc 2.36", "glibc 2.41", True)),
        (changed("machine", system="Debian 13"), (Group.MACHINE, "operating system", "Debian 12", "Debian 13", False)),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_each_difference_is_named_in_plain_words(here, expected):
    (found,) = manifest_diff.differences(RECORDED, here, PipelineConfig)
    assert (found.group, found.field, found.old, found.new, found.matters) == expected
    assert found.effect


def test_a_helper_names_the_nodes_that_use_it_and_how_to_get_it_back():
    code = {node: dict(files) for node, files in RECORDED.code.items()}
    for node in ("Trainer", "Report"):
        code[node]["components/data/features.py"] = "0" * 64
    (found,) = manifest_diff.differences(RECORDED, changed(code=code, code_digest="0" * 64), PipelineConfig)
    assert (found.field, found.old, found.new) == ("components/data/features.py", "bbbbbbbbbbbb", "000000000000")
    assert found.effect == "other code in Report, Trainer: check out commit 0123456789ab"


def test_a_file_that_came_or_went():
    code = {**RECORDED.code, "Pusher": {"components/new.py": "0" * 64}}
    found = manifest_diff.differences(RECORDED, changed(code=code), PipelineConfig)
    assert [(one.field, one.old, one.new) for one in found] == [
        ("components/new.py", "not there", "000000000000"),
        ("components/push/pusher.py", "cccccccccccc", "not there"),
    ]


def test_another_set_of_nodes():
    code = {node: RECORDED.code[node] for node in ("Trainer", "Report")}
    new = {**code, "ModelSize": code["Report"], "Codes": code["Report"]}
    found = manifest_diff.differences(RECORDED, changed(code=new), PipelineConfig)[0]
    assert (found.field, found.old, found.new) == ("nodes", "Pusher", "Codes, ModelSize")
    found = manifest_diff.differences(RECORDED, changed(code=code), PipelineConfig)[0]
    assert (found.field, found.old, found.new) == ("nodes", "Pusher", "none of its own")


@pytest.mark.parametrize(
    ("git", "remedy"),
    [
        (None, "no commit was recorded"),
        (environment.Git(COMMIT, True), "commit 0123456789ab, though the run had changes that were not committed"),
    ],
)
def test_code_that_no_commit_holds(git, remedy):
    (found,) = manifest_diff.differences(changed(git=git), changed(code_digest="0" * 64), PipelineConfig)
    assert remedy in found.effect


def of_another(**fields):
    """The manifest of a run of another pipeline than the default one."""
    return changed(pipeline="mine.definition:PIPELINE", **fields)


@pytest.mark.parametrize(
    ("git", "remedy"),
    [
        (None, "no commit of the pipeline's code was recorded"),
        (environment.Git("9" * 40, False), "commit 999999999999"),
    ],
)
def test_for_code_of_another_pipeline_its_own_commit_is_named_and_for_this_projects_code_that_of_this_project(
    git, remedy
):
    code = {"Trainer": {"mine/run_fn.py": "a" * 64, "components/data/features.py": "b" * 64}}
    here = {"Trainer": {"mine/run_fn.py": "0" * 64, "components/data/features.py": "0" * 64}}
    recorded = of_another(code=code, pipeline_git=git)
    found = manifest_diff.differences(recorded, of_another(code=here), PipelineConfig)
    effects = {one.field: one.effect for one in found}
    assert remedy in effects["mine/run_fn.py"]
    assert "check out commit 0123456789ab" in effects["components/data/features.py"]
    [one] = manifest_diff.differences(recorded, of_another(code={"Other": code["Trainer"]}), PipelineConfig)
    assert (one.field, remedy in one.effect) == ("nodes", True)
    configuration = {**RECORDED.configuration, "gone.setting": 1}
    [one] = manifest_diff.differences(
        dataclasses.replace(recorded, configuration=configuration), recorded, PipelineConfig
    )
    assert (one.field, remedy in one.effect) == ("gone.setting", True)


def test_another_setting_says_how_to_set_it():
    here = changed(configuration={**RECORDED.configuration, "training.epochs": 3})
    assert "--set training.epochs=2 " in manifest_diff.differences(RECORDED, here, PipelineConfig)[0].effect


def test_a_lock_that_is_not_there_is_no_difference():
    assert manifest_diff.differences(RECORDED, changed(lock=None), PipelineConfig) == []


def test_no_tensorflow_any_more():
    (found,) = manifest_diff.differences(RECORDED, changed(tensorflow=None), PipelineConfig)
    assert found.new == "not there"


def test_groups_come_in_order():
    here = dataclasses.replace(
        changed("machine", libc="", architecture="arm64", features=()),
        data=dataclasses.replace(RECORDED.data, files={"a": "0"}),
        code_digest="0",
        configuration={},
        packages={},
    )
    groups = [found.group for found in manifest_diff.differences(RECORDED, here, PipelineConfig)]
    assert list(dict.fromkeys(groups)) == list(Group)
    assert groups == sorted(groups, key=list(Group).index)


def test_what_is_stored_is_json_to_every_reader():
    """JSON has no infinity, which a gate that is none has as its limit."""

    def refuse(constant):
        raise AssertionError(constant)

    text = manifest.to_json(RECORDED)
    assert json.loads(text, parse_constant=refuse)["configuration"]["evaluation.max_bce"] == "inf"
    assert manifest.from_json(text).configuration["evaluation.max_bce"] == math.inf


def test_a_text_that_reads_like_infinity_stays_a_text():
    named = dataclasses.replace(RECORDED, configuration={**RECORDED.configuration, "data.dataset": "inf"})
    assert manifest.from_json(manifest.to_json(named), pipeline=PIPELINE).configuration["data.dataset"] == "inf"


def test_a_setting_without_effect_has_no_value_to_compare():
    l1 = {"model.sparsity": "l1", "model.l1": 0.001, "model.active_units": 8.0}
    topk = {"model.sparsity": "topk", "model.l1": 0.001, "model.active_units": 25.0}

    def differences(old, new):
        pairs = changed(configuration=old), changed(configuration=new)
        return {one.field: (one.old, one.new) for one in manifest_diff.differences(*pairs, PipelineConfig)}

    assert differences(l1, topk) == {
        "model.sparsity": ("l1", "topk"),
        "model.l1": ("0.001", "no effect"),
        "model.active_units": ("no effect", "25.0"),
    }
    assert differences(l1, {**l1, "model.active_units": 9.0}) == {}


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (("sae", "run", "--set", "training.epochs=2"), ["sae", "run", "--set", "training.epochs=2"]),
        (("/a b/.venv/bin/sae", "run"), ["/a b/.venv/bin/sae", "run"]),
        (
            ("/x/pipeline/__main__.py", "run", "--trigger", "t", "--run-id-file", "/tmp/f"),
            ["sae", "run", "--trigger", "t"],
        ),
        (("/x/pipeline/__main__.py", "run", "--run-id-file=/tmp/f", "--json"), ["sae", "run", "--json"]),
        ((), []),
    ],
)
def test_a_command_that_a_process_made_is_shown_as_one_would_type_it(command, typed):
    assert changed(command=command).typed_command == typed
