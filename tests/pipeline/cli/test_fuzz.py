"""Every command with hostile arguments: each call ends with one line and a documented exit code.

The calls are made from the tree of commands, so a new command or option is called too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import random
import re
import shutil
import socket
import sys

import click
import pytest

from pipeline import cli
from pipeline.core import root_lock
from pipeline.core.errors import ExitCode, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.core.text import escaped
from pipeline.scheduler import schema
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from pipeline_config import PathsConfig
from tests.builders import schedules
from tests.golden.store import FIRST

SEED = 20_261_127
QUICK = 10  # calls of each command in the quick part
HOSTILE = [
    "", " ", "9" * 5_000, "-" + "9" * 400, "x" * 5_000, "a\x00b", "%00", "\udcff", "na\udc80me", "caf\u00e9",
    "\u202egpj.exe", "\u2066x", "\ufeff", "a\nb", "a\r\nb", "\t", "\x1b[2J", "..", "../..", "../../../x", ".", "~",
    "*", "[a-", "a/b", "//x", "nan", "NaN", "inf", "-inf", "-1", "-0", "0", "1e999", "0x10", "1_000", "\u0661\u0662",
    "-", "--", "--json", "--help", "-x", "'", '"', "`id`", "$(id)", "a;b", "{}", "[]", "null", "{0}", "%s", "\\", "=",
    "a=", "=b", ":", "::", "a:b:c", "~1", "latest~", "latest~99999999999999999999", "latest:", ":Trainer",
    "latest:Trainer:", "file:///etc/passwd", "http://127.0.0.1:1/x", "postgresql://",
    "postgresql://u:hidden@127.0.0.1:1/x", "mysql://u:hidden@127.0.0.1:1/x", "postgresql://u:hid?den@127.0.0.1:1/x",
    "os:system", "..:x", "json:nothing", "/proc/self/nothing", "/runs/%ff", "/artifacts/1/files/../../x",
    "/runs.json?limit=" + "9" * 30,
]  # fmt: skip
PLAUSIBLE = [
    "latest", "latest~1", FIRST, "Trainer", "1", "7", "latest:Trainer", "Model", "sample", "mnist", "nightly",
    "started", "training.epochs=5", "training.epochs=" + "9" * 5_000, "paths.root=", "model.l1=nan", "0 3 * * *",
    "6h", "1d", "Europe/Berlin", "skip", "all", "failed", "/runs.json", "/health.json", "/", "binary", "config.toml",
    "nul.toml", "deep.toml", "manifest.json", "deep.json", "folder", "store.sqlite",
]  # fmt: skip
STATES = ["recorded", "missing", "empty", "damaged", "a file", "newer", "no text"]
# They would run the pipeline, or the daemon: the lock that they need is held.
LOCKED = {("run",), ("resume",), ("verify",), ("restore",), ("schedule", "run")}


def commands(group, path=()):
    """Yield each command with the words that name it, from the tree of commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(cli.sae))


@dataclasses.dataclass(frozen=True)
class Call:
    """The words of one call, and its environment."""

    words: list[str]
    environment: dict[str, str]


def calls(path, command, count=None):
    """Yield calls: each hostile value for each parameter in turn, or `count` random ones."""
    chance = random.Random(f"{SEED} {' '.join(path)}")
    pairs = [(param, value) for param in command.params for value in [*HOSTILE, *PLAUSIBLE]]
    if count is not None:
        pairs = [chance.choice(pairs) if pairs else (None, "") for _ in range(count)]
    for param, value in pairs:
        words = []
        for other in command.params:
            if other is param:
                words += spelled(other, value, chance)
            elif other.required or chance.random() < 0.15:
                words += spelled(other, chance.choice([*PLAUSIBLE, *HOSTILE]), chance)
        if path == ("serve",):  # or it would serve
            words.append("--get=" + chance.choice(["/", "/runs.json", "/health.json", *HOSTILE]))
        if path == ("worker",):  # likewise; and what it imports would stay in the process of the tests
            words.append("--host=" + chance.choice(["\ufeff", "a name", "nothing.invalid", "a\x00b", ""]))
        before = ["--pipeline", chance.choice(HOSTILE)] if chance.random() < 0.03 else []
        root = f"roots/{chance.choice(STATES)}" if chance.random() < 0.97 else chance.choice(HOSTILE).replace("\0", "")
        yield Call([*before, *path, *words], {"SAE_ROOT": root})


def spelled(param, value, chance):
    if isinstance(param, click.Argument):
        return [value]
    if param.is_flag:
        return [param.opts[-1]]
    return [f"{param.opts[-1]}={value}"] if chance.random() < 0.5 else [param.opts[-1], value]


@pytest.fixture(scope="package")
def given(recorded, tmp_path_factory):
    """A folder that calls are made in a copy of: files to name, and below `roots` a root in each state."""
    place = tmp_path_factory.mktemp("fuzz") / "given"
    roots = place / "roots"
    shutil.copytree(recorded.root.path, roots / "recorded", symlinks=True)
    with ScheduleDatabase.open(roots / "recorded") as database:
        database.add(schedules.schedule())
        database.add(schedules.schedule("hourly", retries=0))
        schedules.write(database, schedules.FAILED)
    (roots / "empty").mkdir()
    for state in ("damaged", "newer", "no text"):
        (roots / state).mkdir()
        for name in ("metadata.sqlite", schema.NAME):
            shutil.copy(roots / "recorded" / name, roots / state)
    (roots / "damaged" / "metadata.sqlite").write_bytes(b"no database" * 1_000)
    (roots / "damaged" / schema.NAME).write_bytes(b"no database" * 1_000)
    (roots / "a file").write_text("a file")
    Root(roots / "newer").about.write_text('{"format": 99}')
    Root(roots / "no text").about.write_bytes(b"\xff\xfe\x00")
    (place / "folder").mkdir()
    (place / "binary").write_bytes(bytes(range(256)))
    (place / "config.toml").write_text("[training]\nepochs = 5\n")
    (place / "nul.toml").write_text('[paths]\nroot = "a\\u0000b"\n')
    (place / "deep.toml").write_text("x = " + "[" * 5_000)
    (place / "deep.json").write_text("[" * 100_000)
    shutil.copy(next(Root(roots / "recorded").manifests.glob("*.json")), place / "manifest.json")
    shutil.copy(recorded.root.metadata, place / "store.sqlite")
    return place


@pytest.fixture
def call(given, tmp_path, monkeypatch, capfd):
    """Makes a call in a folder of its own; returns its exit code, standard output and standard error."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "no data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no java"))  # `sae cluster` would start programs with it
    monkeypatch.delenv("SAE_CLUSTER_PARTS", raising=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SAE_PIPELINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setattr(sys, "argv", ["sae"])
    place = tmp_path / "a" / "b" / "c"
    place.parent.mkdir(parents=True)
    shutil.copytree(given, place, symlinks=True)
    monkeypatch.chdir(place)

    def make(one):
        with monkeypatch.context() as patched, contextlib.ExitStack() as held:
            patched.setenv("SAE_PIPELINE", "")  # `--pipeline` sets it for child processes
            for name, value in one.environment.items():
                patched.setenv(name, value)
            words = one.words[2:] if one.words[0] == "--pipeline" else one.words
            if any(path == tuple(words[: len(path)]) for path in LOCKED):
                hold_locks(roots_of(one), held)
            try:
                code = cli.main(list(one.words)) or 0
            except SystemExit as end:
                code = end.code
        return (code, *capfd.readouterr())

    return make


def roots_of(one):
    """The roots that a call could use; the default one where it names none."""
    found = [one.environment["SAE_ROOT"] or PathsConfig().root]
    for number, word in enumerate(one.words):
        if word == "--root":
            found += one.words[number + 1 : number + 2]
        elif word.startswith("--root="):
            found.append(word.partition("=")[2])
    return found


def hold_locks(roots, held):
    for folder in {pathlib.Path(os.path.expanduser(root)).resolve() for root in roots if "\0" not in root}:
        with contextlib.suppress(OSError, UsageError):
            folder.mkdir(parents=True, exist_ok=True)
            daemon = DaemonFiles(folder)
            for path, locked in ((Root(folder).lock_file, folder), (daemon.lock, daemon.folder)):
                held.enter_context(root_lock.hold(path, "held by the test", "wait for it", locked))


def problems(one, code, output, errors):
    """What is wrong with the end of a call."""
    lines = errors.removesuffix("\n").split("\n") if errors else []
    if code not in list(ExitCode) or code == ExitCode.INTERRUPTED:
        yield f"exit code {code} is not documented"
    if code == ExitCode.NODE_FAILED:
        yield "no node ran that could have failed"
    if re.search(r"unexpected \w+: |Traceback", errors):
        yield "an error that nobody foresaw"
    is_answer = "doctor" in one.words and output  # which lists what is wrong
    if code in (ExitCode.USAGE, ExitCode.NOT_FOUND, ExitCode.LOCKED) and len(lines) != 1 and not is_answer:
        yield f"{len(lines)} lines for an error"
    if any(escaped(line) != line for line in lines):
        yield "control characters on standard error"
    if one.words[0] != "serve" and any(escaped(line) != line for line in output.replace("\t", " ").split("\n")):
        yield "control characters on standard output"


def check(call, every):
    found = []
    for one in every:
        result = call(one)
        found += [f"{why}: sae {[word[:80] for word in one.words]} with {one.environment}: {str(result)[:600]}"
                  for why in problems(one, *result)]  # fmt: skip
    assert not found, f"{len(found)} problems:\n" + "\n\n".join(found[:40])


@pytest.mark.parametrize("options", [["--root=roots/empty"], [], ["--root=~"], ["--root", "~/a"]], ids=" ".join)
def test_a_call_that_would_run_the_pipeline_finds_its_root_locked(call, options):
    code, _, errors = call(Call(["run", *options], {"SAE_ROOT": ""}))
    assert code == ExitCode.LOCKED, errors


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_some_hostile_arguments_end_with_one_line_and_a_documented_code(call, path):
    check(call, calls(path, COMMANDS[path], QUICK))


@pytest.mark.chaos  # minutes
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_hostile_value_of_each_option_ends_with_one_line_and_a_documented_code(call, path):
    check(call, calls(path, COMMANDS[path]))


def test_a_hostile_command_or_pipeline_ends_with_one_line_and_a_documented_code(call):
    root = {"SAE_ROOT": "roots/recorded"}
    check(call, [Call([value], root) for value in HOSTILE])
    check(call, [Call([f"--pipeline={value}", "runs"], root) for value in HOSTILE])


@pytest.mark.parametrize(
    "host", ["", "nan", "a b", "127.0.0.1", "::", "999.1.1.1", "a\x00b", "\udcff", "x" * 300, "\u202e", ".."]
)
def test_an_address_that_cannot_be_served_is_one_line(call, host):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        one = Call(["serve", f"--host={host}", f"--port={port}"], {"SAE_ROOT": "roots/empty"})
        code, output, errors = call(one)
    assert (list(problems(one, code, output, errors)), output) == ([], "")
    assert code in (ExitCode.USAGE, ExitCode.ENVIRONMENT)
