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
_HELP = [
    ["gc", "--yes", *_KEEP_ONE],
    ["gc", "--yes", "--json", *_KEEP_ONE],
    ["fsck", "--json"],
    ["pin", "latest", "--reason", "x"],
    ["schedule", "pause", "nightly"],
]
# Arguments: the root; its copy; lists of commands as JSON; how to fill the disk. Prints the results of each list, and
# the files that it changed, as JSON.
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
found = []
for some in json.loads(commands.replace("DISK", disk)):
    before = tree(root)
    results = [sae(*command) for command in some]
    after = tree(root)
    found.append([results, [name for name in {**before, **after} if before.get(name) != after.get(name)]])
print(json.dumps(found))
"""


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def run_on(disk: pathlib.Path, source: pathlib.Path, kind: str, *commands: list[list[str]]) -> list[tuple[list, list]]:
    """Run lists of commands on a copy of a root; return exit code, output and errors of each, and the changed files."""
    mount = f"mount -t tmpfs -o size=16m tmpfs {disk}"
    done = run_in_namespace(mount, _PROGRAM, source, disk, json.dumps(commands), kind)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.component
@pytest.mark.parametrize("kind", ["full", "maximum size of files"])
def test_each_command_is_one_line_and_changes_nothing_and_gc_frees_a_full_disk(disk, made_once, kind):
    helping = [_HELP] if kind == "full" else []
    (results, changed), *helped = run_on(disk, made_once[1] / "root", kind, [*_WRITERS, *_READERS], *helping)
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
    for results, changed in helped:
        check_help(results, changed)


def check_help(results: list[list], changed: list[str]) -> None:
    """Check that `sae gc` freed a disk without a free byte, and that the commands after it found space."""
    assert [code for code, _, _ in results] == [0] * len(_HELP), results
    assert results[0][1].splitlines()[-1].startswith("deleted 18 artifacts, 3 ")
    again = json.loads(results[1][1])
    assert (again["artifacts"], again["versions"], again["left_over"]) == ([], [], [])
    counts = json.loads(results[2][1])["counts"]
    assert [counts[kind] for kind in ("missing", "altered", "deleted")] == [0, 0, 18]
    assert any(name.startswith("artifacts/") for name in changed)
