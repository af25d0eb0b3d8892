"""The pipeline root: its folders, its format, its one data set and its lock."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest

from pipeline.core.errors import ExitCode, LockedError, UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from tests import PROJECT
from tests.builders import namespaces
from tests.builders.roots import Recorded
from tests.mounts import run_in_namespace

HOLDER = """
import pathlib, sys
from pipeline.core.pipeline_root import Root
with Root(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path):
    root = Root(tmp_path / "some" / "root")
    root.create()
    return root


@contextlib.contextmanager
def holder(root):
    """A process that holds the lock until its standard input is closed."""
    command = [sys.executable, "-c", HOLDER, str(root.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def about(root):
    return json.loads((root.path / "root.json").read_text(encoding="utf-8"))


def test_create_makes_the_folders_and_records_the_format(root):
    assert sorted(path.name for path in root.path.iterdir()) == ["artifacts", "data", "logs", "root.json", "tmp"]
    assert list(root.temporary.iterdir()) == []
    assert about(root) == {"format": 1, "path": str(root.path)}


def test_create_keeps_existing_files(root):
    root.claim_dataset("mnist")
    (root.logs / "a.log").write_text("line")
    root.create()
    assert root.dataset() == "mnist"
    assert (root.logs / "a.log").read_text() == "line"


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    root = Root(tmp_path / "file" / "root")
    with pytest.raises(UnavailableError) as error:
        root.create()
    assert str(error.value) == (
        f"cannot write to the pipeline root {root.path}: Not a directory; choose another with --root"
    )


def test_a_root_of_a_newer_version_is_refused_and_unchanged(root):
    text = '{"format": 3, "dataset": "mnist"}'
    (root.path / "root.json").write_text(text)
    with pytest.raises(UnavailableError, match=r"\b3\b.*\b2\b"):
        root.create()
    with pytest.raises(UnavailableError, match=r"\b3\b"):
        root.claim_dataset("mnist")
    assert (root.path / "root.json").read_text() == text


def test_only_a_root_whose_store_is_elsewhere_has_the_format_that_earlier_versions_refuse(root, tmp_path):
    root.create()
    assert (root.format(), root.metadata_url()) == (1, "")
    root.record_metadata_url("postgresql://u@h/d")
    assert (root.format(), root.metadata_url()) == (2, "postgresql://u@h/d")
    root.claim_dataset("mnist")
    copy = Root(tmp_path / "copy")
    copy.path.mkdir()
    root.copy_record_to(copy)
    assert (copy.format(), copy.metadata_url(), copy.dataset()) == (1, "", "mnist")
    assert copy.moved() == (str(root.path), str(copy.path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "new"}', "\0\1"])
def test_a_damaged_root_file_is_named_and_unchanged(root, text):
    (root.path / "root.json").write_text(text)
    with pytest.raises(UnavailableError, match=r"root\.json.*--root"):
        root.create()
    assert (root.path / "root.json").read_text() == text


def test_a_root_has_one_data_set(root):
    assert root.dataset() is None
    root.claim_dataset("mnist")
    root.claim_dataset("mnist")
    assert root.dataset() == "mnist"
    with pytest.raises(UsageError, match=r"mnist.*fashion_mnist"):
        root.claim_dataset("fashion_mnist")
    assert about(root) == {"format": 1, "path": str(root.path), "dataset": "mnist"}


def test_a_locked_root_is_refused_with_the_process(root):
    with holder(root) as process:
        with pytest.raises(LockedError) as error, root.lock():
            pass
        text = str(error.value)
        assert f"another run holds {root.path}: process {process.pid} since " in text
        assert text.endswith("; wait for it to end, or choose another root with --root")


def test_a_refusal_does_not_free_the_root(root):
    with holder(root):
        for _ in range(2):
            with pytest.raises(LockedError), root.lock():
                pass


def test_a_killed_process_frees_the_root_and_is_no_longer_named(root):
    with holder(root) as process:
        process.kill()
        process.wait()
        with root.lock():
            line = (root.path / "lock").read_text().splitlines()[0]
            assert line.startswith(f"process {os.getpid()} since ")


def test_an_error_frees_the_root(root):
    with pytest.raises(RuntimeError), root.lock():
        raise RuntimeError
    with root.lock():
        pass


def test_two_roots_can_be_locked_at_once(root, tmp_path):
    other = Root(tmp_path / "other")
    other.create()
    with root.lock(), other.lock():
        assert (root.path / "lock").read_text().startswith("process ")


# --- its location -----------------------------------------------------------------------------


def move(root, name):
    return Root(root.path.rename(root.path.with_name(name)))


def test_a_new_root_was_not_moved(root):
    assert root.moved() is None
    root.create()
    assert root.moved() is None


def test_a_moved_root_knows_its_old_path_until_the_new_one_is_recorded(root):
    old = str(root.path)
    root.claim_dataset("mnist")
    root = move(root, "elsewhere")
    root.create()
    root.claim_dataset("mnist")
    assert root.moved() == (old, str(root.path))
    root.record_location()
    assert root.moved() is None
    assert about(root) == {"format": 1, "path": str(root.path), "dataset": "mnist"}


def test_recording_the_same_path_writes_nothing(root):
    before = (root.path / "root.json").stat().st_mtime_ns, (root.path / "root.json").stat().st_ino
    root.record_location()
    assert ((root.path / "root.json").stat().st_mtime_ns, (root.path / "root.json").stat().st_ino) == before


def test_a_root_without_a_recorded_path_was_not_moved(root):
    (root.path / "root.json").write_text('{"format": 1, "dataset": "mnist"}')
    assert root.moved() is None
    root.create()
    assert about(root) == {"format": 1, "dataset": "mnist", "path": str(root.path)}


def test_a_missing_folder_was_not_moved(tmp_path):
    assert Root(tmp_path / "none").moved() is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("what", ["argument 3", "root"])
def test_a_name_that_the_locale_cannot_encode_is_refused_in_one_line(tmp_path, what):
    """As of a folder with an umlaut where the locale is C and Python is told to stay with it."""
    root = str(tmp_path / "Größe")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "runs", *(["--root", root] if what != "root" else [])],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "SAE_ROOT": root},
        capture_output=True,
        check=False,
    )
    [line] = done.stderr.decode("ascii").splitlines()
    assert line.startswith(f"error: {what} '")
    assert line.endswith(
        r"Gr\xf6\xdfe': this process's locale, C, cannot name it: set LC_ALL=C.UTF-8 or PYTHONUTF8=1, or choose a name "
        "in ASCII"
    )
    assert done.returncode == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


# --- a folder with two paths ------------------------------------------------------------------

_USE_BOTH_PATHS = """
import pathlib, sys
from pipeline.core.pipeline_root import Root
from pipeline.metadata.writer import rewrite_moved_uris
first, second = map(pathlib.Path, sys.argv[1:])
assert Root(second).moved() == (str(first), str(second))  # what was taken for a move
for path in (first, second) * 3:
    root = Root.at(path)
    assert root.path == first and root.moved() is None, root
    assert rewrite_moved_uris(root) is None
"""


def test_a_root_in_a_bind_mount_has_the_path_that_was_recorded_and_is_never_moved(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1", names=["SchemaGen"])
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    done = run_in_namespace(
        f"mount --bind {recorded.root.path} {mounted}", _USE_BOTH_PATHS, recorded.root.path, mounted
    )
    assert done.returncode == 0, done.stderr
    assert not list(recorded.root.path.glob("metadata.sqlite.*"))


def test_a_root_with_a_link_at_its_old_path_was_not_moved(root):
    old = root.path
    moved = move(root, "elsewhere")
    assert Root.at(moved.path).path == moved.path
    old.symlink_to(moved.path)
    assert Root.at(moved.path).path == old


@pytest.mark.parametrize(
    "content", ["no JSON", "[]", '{"format": 1, "path": 3}', '{"format": 1, "path": "."}', '{"format": 1e999}']
)
def test_a_folder_is_found_also_if_its_record_is_damaged(root, content):
    root.about.write_text(content)
    assert Root.at(root.path / ".." / root.path.name).path == root.path


def test_a_folder_in_place_of_its_record_is_not_called_damaged(tmp_path):
    Root(tmp_path).about.mkdir()
    with pytest.raises(UnavailableError) as caught:
        Root(tmp_path).dataset()
    assert f"{Root(tmp_path).about} cannot be read: not a regular file" in str(caught.value)
    assert "damaged" not in str(caught.value)


# --- a root that this user cannot write -------------------------------------------------------


def test_a_root_of_another_user_names_the_owner_and_the_remedy():
    with namespaces.visible_folder() as folder:
        root = Root(folder / "root")
        root.create()
        before = sorted(folder.rglob("*"))
        with namespaces.as_nobody(), pytest.raises(UnavailableError) as caught:
            root.create()
        assert sorted(folder.rglob("*")) == before
        if os.geteuid() != 0:
            pytest.skip("needs root, to have two users")
    for part in (str(root.path), "root (user id 0)", f"user id {namespaces.NOBODY}", "chmod -R g+rwX", "--root"):
        assert part in str(caught.value)


def test_a_root_whose_permissions_forbid_it_names_them_and_not_another_owner():
    with namespaces.visible_folder() as folder, namespaces.owned_by_nobody(folder):
        root = Root(folder)
        root.create()
        folder.chmod(0o555)
        root.temporary.chmod(0o555)
        with pytest.raises(UnavailableError) as caught:
            root.create()
        folder.chmod(0o755)
    assert "chmod u+rwX" in str(caught.value)
    assert "belongs" not in str(caught.value)


_READ_ONLY = """
import pathlib, sys
from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
try:
    Root(pathlib.Path(sys.argv[1])).create()
except UnavailableError as error:
    print(error)
"""


def test_a_root_on_a_read_only_file_system_names_that(root):
    done = run_in_namespace(
        f"mount --bind {root.path} {root.path}; mount -o remount,ro,bind {root.path}", _READ_ONLY, root.path
    )
    assert done.returncode == 0, done.stderr
    assert f"{root.path}: its file system is read-only" in done.stdout
    assert "belongs" not in done.stdout
