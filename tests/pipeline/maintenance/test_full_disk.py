"""A disk without a free byte, or a maximum size of files: each command is one line, nothing is lost, `sae gc` helps."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.builders.histories import made_once
from tests.mounts import run_in_namespace

__all__ = ["made_once"]

pytestmark = pytest.mark.sqlite_file  # on the disk that is full

_KEEP_ONE = ["--set", "retention.runs=1", "--set", "retention.pushed=0"]
_WRITERS = [
    ["pin", "latest", "--reason", "x"],
    ["unpin", "run-1", "--reason", "x"],
    ["promote", "run-1", "--reason", "x"],
    ["rollback", "--reason", "x"],
    ["restore", "--metadata"],
    ["run"],
    ["resume"],
    ["schedule", "add", "other", "--every", "1h"],
    ["schedule", "pause", "nightly"],
    ["schedule", "trigger", "nightly"],
    ["schedule", "remove", "nightly"],
    ["schedule", "run"],
    ["export", "DISK/pages"],
]
_READERS = [["runs"], ["show", "latest"], ["models"], ["plan"], ["gc", *_KEEP_ONE], ["schedule", "list", "--json"]]
# Arguments: the root; its copy; commands as JSON; how to fill the disk. Prints the results and the tree as JSON.
_PROGRAM = """
import json, os, pathlib, resource, shutil, sys
from tests.builders import forked
from tests.builders.roots import tree
source, disk, commands, kind = sys.argv[1:]
root = pathlib.Path(disk, "root")
shutil.copytree(source, root)
def sae(*command):
    return forked.sae(*command, "--root", str(root))
forked.call(["plan", "--root", str(root)])
assert sae("schedule", "add", "nightly", "--every", "6h")[0] == 0
if "unpin" in commands:
    assert sae("pin", "run-1", "--reason", "x")[0] == 0
if kind == "full":
    with open(root.with_name("ballast"), "wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    assert os.statvfs(root).f_bfree == 0
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
before = tree(root)
results = [sae(*command) for command in json.loads(commands.replace("DISK", disk))]
after = tree(root)
print(json.dumps([results, [name for name in {**before, **after} if before.get(name) != after.get(name)]]))
"""


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def run_on(disk: pathlib.Path, source: pathlib.Path, kind: str, *commands: list[str]) -> tuple[list[list], list[str]]:
    """Run commands on a copy of a root; return exit code, output and errors of each, and the files that changed."""
    mount = f"mount -t tmpfs -o size=16m tmpfs {disk}"
    done = run_in_namespace(mount, _PROGRAM, source, disk, json.dumps(commands), kind)
    assert done.returncode == 0, done.stderr
    results, changed = json.loads(done.stdout)
    return results, changed


@pytest.mark.component
@pytest.mark.parametrize("kind", ["full", "maximum size of files"])
def test_each_command_is_one_line_and_changes_nothing(disk, made_once, kind):
    results, changed = run_on(disk, made_once[1] / "root", kind, *_WRITERS, *_READERS)
    for command, (code, output, errors) in zip(_WRITERS, results, strict=False):
        assert (command, code, output) == (command, 6, ""), errors
        assert errors.count("\n") == 1, errors
        assert errors.startswith("error: ")
        assert "Traceback" not in errors
        assert str(disk) in errors.partition("`")[0], errors  # which file or folder, not only in the suggested command
    for command, (code, _, errors) in zip(_READERS, results[len(_WRITERS) :], strict=True):
        assert (command, code) == (command, 0), errors
    # The schedule database is touched when it is opened.
    assert {name.partition("-")[0] for name in changed} <= {"lock", "daemon.lock", "schedules.sqlite"}
    listed = json.loads(results[-1][1])["schedules"]
    assert [(one["schedule"]["name"], one["schedule"]["paused"]) for one in listed] == [("nightly", "")]


@pytest.mark.component
def test_gc_frees_a_disk_without_a_free_byte(disk, made_once):
    results, changed = run_on(
        disk,
        made_once[1] / "root",
        "full",
        ["gc", "--yes", *_KEEP_ONE],
        ["gc", "--yes", "--json", *_KEEP_ONE],
        ["fsck", "--json"],
        ["pin", "latest", "--reason", "x"],
        ["schedule", "pause", "nightly"],
    )
    assert [code for code, _, _ in results] == [0] * 5, results
    assert results[0][1].splitlines()[-1].startswith("deleted 27 artifacts, 3 ")
    again = json.loads(results[1][1])
    assert (again["artifacts"], again["versions"], again["left_over"]) == ([], [], [])
    counts = json.loads(results[2][1])["counts"]
    assert [counts[kind] for kind in ("missing", "altered", "deleted")] == [0, 0, 27]
    assert any(name.startswith("artifacts/") for name in changed)
