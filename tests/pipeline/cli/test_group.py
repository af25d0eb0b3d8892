"""Groups that import a command when it is called."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from pipeline import cli
from pipeline.cli.group import LazyGroup
from tests import PROJECT

GROUPS = [cli.sae, *(cli.sae.commands[name] for name in ("cluster", "data", "schedule", "sweep"))]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_entry_is_a_command_with_help(group: LazyGroup) -> None:
    for names in group.sections.values():
        for name, (_, text) in names.items():
            command = group.commands[name]
            assert isinstance(command, click.Command)
            assert command.name == name
            assert command.help, name
            assert text.endswith("."), name
            assert len(text) <= 72, name  # one line beside the name


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_no_command_is_listed_twice(group: LazyGroup) -> None:
    listed = [name for names in group.sections.values() for name in names]
    assert sorted(listed) == sorted(set(listed)) == sorted(group.commands)


@pytest.mark.parametrize(
    ("action", "imported"),
    [
        ("cli.main(['--help'])", set()),
        ("cli.main(['schedule', '--help'])", set()),
        ("cli.main(['config', 'show'])", {"config", "options", "completion", "output"}),
        ("complete([], '')", set()),
        ("complete(['schedule'], '')", set()),
        ("complete(['runs'], '--s')", {"runs", "options", "completion", "output"}),
    ],
)
def test_only_the_module_of_a_called_command_is_imported(action: str, imported: set[str]) -> None:
    code = f"""
import contextlib, io, sys
from click.shell_completion import ShellComplete
from pipeline import cli
def complete(before, word):
    assert ShellComplete(cli.sae, {{}}, "sae", "_SAE_COMPLETE").get_completions(before, word)
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    {action}
print(*sorted(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    modules = done.stdout.split()
    prefix = "pipeline.cli."
    always = {"command", "entry", "group", "output", "process", "selected"}
    assert {name.removeprefix(prefix) for name in modules if name.startswith(prefix)} - always == imported - always
    assert not {"tensorflow", "tfx", "apache_beam", "numpy", "ml_metadata"} & set(modules)


def test_a_mistyped_command_suggests_a_similar_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["runz"])
    assert "runs" in capsys.readouterr().err


def test_commands_are_completed_with_their_help() -> None:
    found = ShellComplete(cli.sae, {}, "sae", "_SAE_COMPLETE").get_completions([], "re")
    assert [(one.value, one.help) for one in found] == [
        (name, next(names[name][1] for names in cli.sae.sections.values() if name in names))
        for name in ("restore", "resume")
    ]
