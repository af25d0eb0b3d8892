"""What `sae doctor` looks at, what it finds good and what it advises."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

from pipeline.core import file_system
from pipeline.core.errors import ExitCode, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DataLookup
from pipeline.maintenance import doctor
from pipeline.maintenance.doctor import Check
from pipeline_config import EngineConfig, PipelineConfig
from tests import PROJECT
from tests.builders import refused_calls

INSTALLED = importlib.metadata.version("click")


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    """No prepared data sets but those that a test makes."""
    for name in ("TFDS_DATA_DIR", "TF_USE_LEGACY_KERAS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def lock(monkeypatch, tmp_path):
    def write(*lines):
        path = tmp_path / "requirements.txt"
        path.write_text("".join(f"{line} \\\n    --hash=sha256:00\n    # via sae\n" for line in lines))
        monkeypatch.setattr(doctor, "LOCK", path)

    return write


def test_it_looks_at_everything_once_and_advises_where_something_is_bad(tmp_path):
    config = PipelineConfig.build({"paths.root": str(tmp_path / "root"), "data.source": "sample"})
    checks = doctor.examine(config, lambda: DataLookup(True, "the sample"))
    assert [check.name for check in checks] == [
        "python", "C library", "packages", "keras", "beam", "processor", "disk", "root", "data",
    ]  # fmt: skip
    assert all(check.found for check in checks)
    assert [bool(check.advice) for check in checks] == [not check.good for check in checks]


def test_it_changes_nothing(tmp_path):
    doctor.examine(PipelineConfig.build({"paths.root": str(tmp_path / "root")}), lambda: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "good", "found"),
    [
        ((3, 9, 19), False, "3.9.19"),
        ((3, 10, 13), True, "3.10.13, TFX 1.16"),
        ((3, 11, 0), True, "3.11.0, TFX 1.21"),
        ((3, 13, 2), True, "3.13.2, TFX 1.21"),
        ((3, 14, 0), False, "3.14.0"),
    ],
)
def test_the_interpreters_version_picks_the_tfx_line(monkeypatch, version, good, found):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    check = doctor.interpreter()
    assert (check.good, check.found) == (good, found)


@pytest.mark.parametrize(
    ("python", "glibc", "needed"),
    [
        ((3, 10, 13), (2, 36), ""),
        ((3, 10, 13), (2, 12), "2.17"),
        ((3, 12, 1), (2, 36), "2.39"),
        ((3, 12, 1), (2, 39), ""),
        ((3, 12, 1), (3, 0), ""),
    ],
)
def test_each_line_needs_its_glibc(monkeypatch, python, glibc, needed):
    monkeypatch.setattr(doctor.sys, "version_info", python)
    monkeypatch.setattr(doctor.tfx_versions, "glibc_version", lambda: glibc)
    check = doctor.c_library()
    assert (check.good, check.found) == (not needed, f"glibc {glibc[0]}.{glibc[1]}")
    assert (f"needs glibc {needed}:" in check.advice) == bool(needed)


@pytest.mark.parametrize(
    ("system", "machine", "good"), [("darwin", "arm64", True), ("darwin", "x86_64", False), ("linux", "x86_64", False)]
)
def test_without_glibc_only_macos_on_arm64_will_do(monkeypatch, system, machine, good):
    monkeypatch.setattr(doctor.tfx_versions, "glibc_version", lambda: None)
    monkeypatch.setattr(doctor.sys, "platform", system)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    check = doctor.c_library()
    assert (check.good, check.found) == (good, f"{system} {machine}")
    assert ("use Linux with glibc" in check.advice) == (not good)


def test_packages_as_locked_are_good(lock):
    lock(f"click=={INSTALLED}", "missing==1 ; python_version < '3.0'")
    assert doctor.packages() == Check("packages", True, "1 packages as locked")


def test_packages_other_than_locked_are_named_with_what_is_locked(lock):
    lock("click==0.0.1", "not-there==1.0")
    check = doctor.packages()
    assert not check.good
    assert check.found == f"click {INSTALLED} (locked: 0.0.1); not-there missing (locked: 1.0)"
    assert check.advice == "install the locked versions with `make setup`"


def test_of_many_wrong_packages_three_are_named_and_the_others_counted(lock):
    lock(*(f"not-there-{number}==1" for number in range(5)))
    found = doctor.packages().found
    assert found.count("missing") == 3
    assert found.endswith("not-there-2 missing (locked: 1) and 2 more")


def test_without_a_lock_versions_are_not_compared(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "LOCK", tmp_path / "none.txt")
    assert doctor.packages() == Check("packages", True, "no lock file beside the package: versions not compared")


def test_of_a_lock_the_lines_for_this_interpreter_are_read():
    lock = (
        "# made by uv\n"
        "one==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via two==9\n"
        "two[extra]==2.0 ; python_version < '3.0' \\\n    --hash=sha256:00\n"
        "two[extra]==3.0 ; python_version >= '3.0' \\\n    --hash=sha256:00\n"
        "Three.x==4.0.post1\n"
    )
    assert doctor.locked_versions(lock) == {"one": {"1.0"}, "two": {"3.0"}, "Three.x": {"4.0.post1"}}


def test_the_lock_of_this_project_can_be_read():
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    found = doctor.locked_versions(text)
    assert {"tfx", "tensorflow", "tf-keras", "apache-beam"} <= set(found)
    assert {len(versions) for versions in found.values()} == {1}


@pytest.mark.parametrize(("workers", "place"), [(1, "in this process"), (4, "in 4 worker processes")])
def test_the_beam_engine_is_named(workers, place):
    version = importlib.metadata.version("apache-beam")
    found = doctor.beam_engine(EngineConfig(beam_workers=workers)).found
    assert found == f"apache-beam {version}, FnApiRunner {place}"


def test_a_cluster_is_checked_too(tmp_path):
    config = PipelineConfig.build({"paths.root": str(tmp_path / "root"), "engine.runner": "flink"})
    found = Check("Flink", False, "it cannot be reached", "start it")
    *others, last = doctor.examine(config, lambda: None, lambda: [found])
    assert "runner flink" in next(check.found for check in others if check.name == "beam")
    assert last == found


def test_free_space_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert doctor.disk(tmp_path / "a" / "b").found.endswith(f" GiB free at {tmp_path}")


def test_too_little_free_space_is_bad(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_FREE_BYTES", 1 << 62)
    check = doctor.disk(tmp_path)
    assert (check.good, check.advice) == (False, "free at least 1 GiB, or choose another root with --root")


def test_a_root_that_is_not_there_yet_is_good(tmp_path):
    place = tmp_path / "root"
    assert doctor.root(Root(place)) == Check("root", True, f"{place} does not exist yet; the first run creates it")


def test_a_roots_data_set_is_shown(root):
    assert doctor.root(root).found == f"{root.path}, format 1, data set none yet"
    root.claim_dataset("kmnist")
    assert doctor.root(root).found == f"{root.path}, format 1, data set kmnist"


@pytest.mark.parametrize(("text", "advice"), [('{"format": 9}', "update sae"), ("{", "is damaged")])
def test_a_root_that_a_run_would_refuse_is_bad(root, text, advice):
    (root.path / "root.json").write_text(text)
    check = doctor.root(root)
    assert (check.good, check.found) == (False, str(root.path))
    assert advice in check.advice


def test_a_file_in_place_of_the_root_is_bad(tmp_path):
    (tmp_path / "file").touch()
    check = doctor.root(Root(tmp_path / "file"))
    assert not check.good
    assert "choose another" in check.advice


def test_a_root_that_cannot_be_made_is_bad(tmp_path):
    (tmp_path / "file").touch()
    assert not doctor.root(Root(tmp_path / "file" / "root")).good


def test_the_holder_of_the_root_is_named(root):
    with root.lock() as record:
        record("20261124-120000")
        check = doctor.root(root)
    assert check.good
    assert f"held by process {os.getpid()} since" in check.found
    assert "20261124-120000" in check.found
    assert "held" not in doctor.root(root).found


def test_a_file_system_that_other_hosts_share_is_named(root, monkeypatch):
    monkeypatch.setattr(file_system, "type_of", lambda path: "nfs4")
    check = doctor.root(root)
    assert check.good
    assert "nfs4" in check.found


@pytest.mark.component
def test_a_file_system_without_locks_is_bad(root):
    if refused_calls.FLOCK is None:
        pytest.skip("the number of the system call is unknown here")
    command = [sys.executable, refused_calls.__file__, str(refused_calls.FLOCK), str(errno.ENOLCK), sys.executable]
    done = subprocess.run(
        [*command, "-m", "pipeline", "doctor", "--json", "--profile", "sample", "--root", str(root.path)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == ExitCode.ENVIRONMENT
    [check] = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "root"]
    assert not check["good"]
    assert file_system.type_of(root.path) in check["advice"]
    assert os.strerror(errno.ENOLCK) in check["advice"]


@pytest.mark.parametrize(("name", "error"), [("works?", "UsageError"), ("x" * 3800, "UnavailableError")])
def test_a_root_that_a_run_refuses_is_bad(tmp_path, name, error):
    place = Root(tmp_path / "/".join(name[at : at + 200] for at in range(0, len(name), 200)))
    check = doctor.root(place)
    assert not check.good
    with pytest.raises(SaeError) as refused:
        place.create()
    assert (type(refused.value).__name__, str(refused.value)) == (error, check.advice)


def test_data_is_what_the_pipeline_tells():
    found = DataLookup(False, "mnist is not there", "download it")
    assert doctor.data(lambda: found) == Check("data", False, "mnist is not there", "download it")
    assert doctor.data(lambda: None) is None


def test_data_that_a_run_refuses_is_bad():
    def look_up():
        raise UnavailableError("it has no features.json")

    assert doctor.data(look_up) == Check("data", False, "cannot be used", "it has no features.json")
