"""Program: damage a store by each seed, read it by commands, and print one JSON line for each damage."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.error
import urllib.request

from pipeline.cli import entry
from tests.builders.damage import damage

COMMANDS = (
    ["runs"], ["show", "latest"], ["artifacts"], ["artifact", "1"], ["lineage", "2"], ["why", "latest", "Trainer"],
    ["diff", "good", "better"], ["logs", "good"], ["models"], ["show", "good", "--json"],
    ["fsck"], ["gc"],
)  # fmt: skip
PAGES = (
    "",
    "runs/good",
    "runs/latest.json",
    "artifacts",
    "artifacts/1",
    "artifacts/2/lineage",
    "models",
    "health.json",
)


def main(pristine: str, root: str, address: str, first: int, last: int) -> None:
    store = pathlib.Path(root) / "metadata.sqlite"
    scratch = pathlib.Path(root) / "next.sqlite"
    call(["runs", "--root", root])  # imports what the children need
    for seed in range(first, last):
        shutil.copyfile(pristine, scratch)
        done = damage(scratch, seed)
        os.replace(scratch, store)
        commands = [
            *COMMANDS[seed % 3 :: 3],
            *([["export", f"{tempfile.gettempdir()}/export"]] if seed % 10 == 0 else []),
        ]
        results = [[*command, *in_child([*command, "--root", root])] for command in commands]
        pages = [[page, get(address + page)] for page in PAGES[seed % 2 :: 2]] if address else []
        print(json.dumps({"seed": seed, "damage": done, "commands": results, "pages": pages}), flush=True)


def in_child(arguments: list[str]) -> tuple[int, str]:
    """The exit code, negative for a signal, and standard error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.dup2(writer, 2)
        code = 99
        try:
            code = call(arguments)
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as file:
        errors = file.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), errors


def call(arguments: list[str]) -> int:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out):
            entry.main(arguments)
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def get(address: str) -> int | str:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            error.read()
        return error.code
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]))
