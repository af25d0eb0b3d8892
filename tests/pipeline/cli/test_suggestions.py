"""Every command that a message suggests exists and has the options and arguments that it needs."""

from __future__ import annotations

import ast
import itertools
import pathlib
import re
import shlex

import click
import pytest

from pipeline.cli.group import sae as group
from pipeline.cluster import local
from pipeline.core import suggestions
from pipeline.core.suggestions import Selection
from pipeline.metadata.run_properties import RunOptions
from tests import PROJECT
from tests.golden import store
from tests.pipeline.cli.test_fuzz import COMMANDS

# They name a command to say what it does, and are not shown as messages.
MENTIONED = {"pipeline/cli/group.py", "pipeline/web/static_site.py", "pipeline/scheduler/export/common.py"}
COMPOSED = {"pipeline/metadata/run_properties.py", "pipeline/cluster/local.py"}  # tested below
_COMMAND = re.compile(r"`sae ([a-z][^`\n]*)`")


def texts(code):
    """Yield the texts in code, but not its docstrings, with 1 for each value that is formatted into them."""
    if "`sae " not in code:
        return
    tree = ast.parse(code)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    other = docstrings | inner
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in other:
            yield node.value


def suggested():
    """Return the suggested commands, each with its file. Reading all code takes a second: not while collecting."""
    return {
        (str(path.relative_to(PROJECT)), command)
        for path in itertools.chain(*((PROJECT / folder).rglob("*.py") for folder in ("pipeline", "components")))
        if str(path.relative_to(PROJECT)) not in MENTIONED | COMPOSED
        for text in texts(path.read_text(encoding="utf-8"))
        for command in _COMMAND.findall(text)
    }


def parse(command):
    """Parse a suggested command; raises `click.UsageError` if a word is unknown or missing."""
    selected = Selection(root="some root", data_dir="some data")
    [completed] = _COMMAND.findall(selected.completed(f"`sae {command}`"))
    words = shlex.split(completed)
    found, context = group, click.Context(group, **group.context_settings)  # of its names of --help: commands keep them
    while isinstance(found, click.Group):
        name = words.pop(0)
        if name not in found.commands:
            raise click.UsageError(f"no command {name}")
        found = found.commands[name]
    found.make_context("sae", words, parent=context)


def test_suggested_commands_can_be_typed():
    found, faults = suggested(), []
    for path, command in sorted(found):
        try:
            parse(command)
        except click.UsageError as error:
            faults.append(f"{path}: `sae {command}`: {error.format_message()}")
    assert not faults
    assert len(found) > 40


@pytest.mark.parametrize("part", ["", "--from-node Trainer --base latest~1"])
def test_the_next_step_of_an_interrupted_run_can_be_typed(part):
    step = RunOptions(part=part).next_step("20261123-143005", pathlib.Path("/a root/manifests/1.json"))
    parse(*_COMMAND.findall(step))
    assert ("'/a root/manifests/1.json'" in step) == bool(part)


@pytest.mark.parametrize("name", ["up", "status", "down"])
def test_the_commands_for_a_cluster_in_a_folder_can_be_typed(name, tmp_path):
    [command] = _COMMAND.findall(local._command(name, tmp_path / "a b"))
    assert command == f"cluster {name} --folder '{tmp_path}/a b'"
    parse(command)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_has_the_options_that_suggestions_add(path):
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    reads_a_store = any(one.name == "metadata" for one in COMMANDS[path].params)
    expected = "--data-dir" if path[0] in suggestions.WITHOUT_ROOT else "--root"
    assert (expected in options) == (path[0] not in suggestions.WITHOUT_SELECTION)
    assert reads_a_store == (path[0] in suggestions.WITH_METADATA and len(path) == 1)


def test_an_error_suggests_a_command_on_the_same_root(sae, recorded, tmp_path, monkeypatch):
    monkeypatch.setenv("SAE_ROOT", str(tmp_path / "other"))
    root = recorded.root.path
    code, _, errors = sae("artifact", "999", "--root", str(root))
    assert code == 3
    assert f"artifacts --root {root}`" in errors


def test_a_note_suggests_a_command_on_the_same_store(sae, recorded):
    code, _, note = sae("runs", "--state", "running", "--metadata", str(recorded.root.metadata))
    assert code == 0
    assert f"runs --metadata {recorded.root.metadata}`" in note


def test_the_root_of_a_setting_is_suggested_too(sae, tmp_path):
    code, _, errors = sae("plan", "--set", f"paths.root={tmp_path / 'new root'}", "--from-node", "Trainer")
    assert code == 3
    assert f"run --root '{tmp_path / 'new root'}'`" in errors


def test_data_is_not_changed(sae, recorded):
    log = recorded.root.logs / f"{store.SECOND}.log"
    log.write_text("use `sae runs`\n")
    assert sae("logs", store.SECOND, "--root", str(recorded.root.path)) == (0, "use `sae runs`\n", "")
    log.unlink()
