"""The documents say what the program does. `python -m tests.test_docs` writes the generated tables anew."""

from __future__ import annotations

import fnmatch
import functools
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable

import click
import pytest

from benchmarks import results as measurements
from benchmarks.results import block, write_tables
from components.evaluation.metrics import METRICS
from pipeline import cli
from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import json_documents
from pipeline_config import PipelineConfig
from tests import PROJECT
from tests.builders import schedules as examples

USAGE = PROJECT / "docs" / "usage.md"


def settings_table() -> str:
    """Every setting with its default, what is allowed, its unit and its meaning."""
    lines = ["| setting | default | allowed | unit | meaning |", "|---|---|---|---|---|"]
    for name, value in PipelineConfig().values().items():
        one = PipelineConfig.settings()[name]
        meaning = one.meaning.replace("|", "\\|")
        default = f"`{value}`" if value != "" else "empty"
        lines.append(f"| `{name}` | {default} | {one.allowed} | {one.unit} | {meaning} |")
    return "\n".join(lines)


def profiles_table() -> str:
    """What each profile sets."""
    names = sorted({name for profile in PipelineConfig.profiles.values() for name in profile})
    order = [name for name in PipelineConfig.settings() if name in names]
    lines = ["| setting | " + " | ".join(f"`{name}`" for name in PipelineConfig.profiles) + " |"]
    lines.append("|---" * (len(PipelineConfig.profiles) + 1) + "|")
    for name in order:
        values = [profile.get(name) for profile in PipelineConfig.profiles.values()]
        texts = ["" if value is None else "empty" if value == "" else f"`{value}`" for value in values]
        lines.append(f"| `{name}` | " + " | ".join(texts) + " |")
    return "\n".join(lines)


SHARED = {"root", "metadata", "as_json"}  # of all commands that read


def reading_commands() -> dict[str, click.Command]:
    """The commands that read a store of ML Metadata, by name."""
    return {
        name: command
        for name, command in cli.sae.commands.items()
        if any(parameter.name == "metadata" for parameter in command.params)
    }


def reading_table() -> str:
    """The options of each of these, but for those that all have."""
    lines = ["| command | option | meaning |", "|---|---|---|"]
    for name, command in reading_commands().items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in SHARED:
                [written] = option.opts
                value = f" {option.metavar}" if option.metavar else ""
                default = f" Default: {option.default}." if option.show_default and not option.is_flag else ""
                lines.append(f"| `sae {name}` | `{written}{value}` | {option.help}{default} |")
    return "\n".join(lines)


OF_A_RUN = {"profile", "config_file", "assignments", "seed"}  # in a table of their own


def group_table(group: str) -> str:
    """The options of the commands of a group, but for those that all have and those of a run."""
    found = cli.sae.commands[group]
    assert isinstance(found, click.Group)
    return options_table({f"{group} {name}": command for name, command in found.commands.items()})


def exporting_table() -> str:
    """The same of the commands that write the pipeline for another orchestrator."""
    return options_table({name: command for name, command in cli.sae.commands.items() if name.startswith("export ")})


def options_table(commands: dict[str, click.Command]) -> str:
    lines = ["| command | option | meaning |", "|---|---|---|"]
    for name, command in commands.items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in SHARED | OF_A_RUN:
                value = f" {option.metavar}" if option.metavar else ""
                written = ", ".join(f"`{one}{value}`" for one in option.opts).replace("|", "\\|")
                meaning = re.sub(r"\s+\[default: (.+)\]$", r" Default: \1.", option.help or "")
                default = f" Default: {option.default}." if option.show_default and not option.is_flag else ""
                lines.append(f"| `sae {name}` | {written} | {meaning}{default} |")
    return "\n".join(lines)


def data_table() -> str:
    """The options of the commands of `sae data`, but for those that all have."""
    group = cli.sae.commands["data"]
    assert isinstance(group, click.Group)
    lines = ["| command | option | meaning |", "|---|---|---|"]
    for name, command in group.commands.items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in SHARED | {"data_dir"}:
                value = f" {option.metavar}" if option.metavar else ""
                written = f"`{option.opts[0]}{value}`".replace("|", "\\|")
                meaning = re.sub(r"\s+\[default: (.+)\]$", r" Default: \1.", option.help or "")
                default = f" Default: {option.default}." if option.show_default and not option.is_flag else ""
                lines.append(f"| `sae data {name}` | {written} | {meaning}{default} |")
    return "\n".join(lines)


def metrics_table() -> str:
    """The metrics of a run, as declared; those on the validation split have the same meanings."""
    lines = ["| in the summary | unit | better | meaning |", "|---|---|---|---|"]
    listed = [one for one in METRICS if one.run_key and not one.validation_of]
    lines += [f"| `{one.run_key}` | {one.unit} | {one.better} | {one.meaning} |" for one in listed]
    return "\n".join(lines)


TABLES = {
    "settings": (USAGE, settings_table),
    "profiles": (USAGE, profiles_table),
    "reading": (USAGE, reading_table),
    "scheduling": (USAGE, functools.partial(group_table, "schedule")),
    "sweeping": (USAGE, functools.partial(group_table, "sweep")),
    "cluster": (USAGE, functools.partial(group_table, "cluster")),
    "exporting": (USAGE, exporting_table),
    "data": (USAGE, data_table),
    "metrics": (PROJECT / "docs" / "model.md", metrics_table),
    **measurements.TABLES,
}


@pytest.mark.parametrize("name", TABLES)
def test_generated_tables_are_up_to_date(name: str) -> None:
    path, table = TABLES[name]
    assert block(path.read_text(encoding="utf-8"), name).group(1) == table(), "python -m tests.test_docs"


def commands(command: click.Command, path: str = "sae") -> dict[str, click.Command]:
    found = {path: command}
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            found.update(commands(sub, f"{path} {name}"))
    return found


def test_every_command_and_option_is_documented() -> None:
    text = USAGE.read_text(encoding="utf-8")
    for path, command in commands(cli.sae).items():
        if not isinstance(command, click.Group):
            assert f"`{path}`" in text, path
        for parameter in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
            for option in parameter.opts:
                assert re.search(rf"`{re.escape(option)}[` ]", text), f"{path} {option}"


def test_every_command_that_reads_has_its_place_in_the_guide() -> None:
    text = (PROJECT / "docs" / "inspect.md").read_text(encoding="utf-8")
    for name, command in reading_commands().items():
        assert re.search(rf"^\$ sae {name}\b", text, re.MULTILINE), name
        own = {parameter.name for parameter in command.params}
        assert {"root", "metadata"} <= own, name
        assert name in ("serve", "export") or "as_json" in own, name


def test_every_field_of_the_json_is_documented() -> None:
    text = (PROJECT / "docs" / "inspect.md").read_text(encoding="utf-8")
    shapes = json.loads((PROJECT / "tests" / "golden" / "schema.json").read_text(encoding="utf-8"))
    for command, fields in shapes.items():
        for field in fields:
            assert f"`{field}`" in text, f"sae {command}: {field}"


def test_the_defaults_of_the_policies_are_those_of_the_guide() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = 0
    for option in commands(cli.sae)["sae schedule add"].params:
        default = re.search(r"\[default: (.+)\]$", getattr(option, "help", "") or "")
        if default and option.name not in {"zone", "root", "profile"}:
            [row] = re.findall(rf"^\| `{option.opts[0]} [^|]*(?:\\\|[^|]*)*\| `?([^|`]+)`? \|", text, re.MULTILINE)
            assert row == default.group(1), option.name
            found += 1
    assert found == 8


def test_every_field_of_the_json_of_schedules_is_documented() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    one = examples.planned()
    made = {
        "list": json_documents.schedules([one], examples.RUNNING),
        "show": json_documents.schedule(one, []),
        "next": {
            **json_documents.next_times([(one, one.next[0])]),
            **json_documents.next_times([(one, one.next[0])])["times"][0],
        },
        "history": json_documents.history([], False),
        "status": json_documents.scheduler_status(examples.RUNNING, [one]),
    }
    for command, fields in made.items():
        [row] = re.findall(rf"^\| `sae schedule {command}(?: NAME)? --json` \|.*$", text, re.MULTILINE)
        for field in fields:
            assert f"`{field}`" in row, f"{command}: {field}"


def test_every_exit_code_is_documented() -> None:
    text = USAGE.read_text(encoding="utf-8")
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert rows == {int(code) for code in ExitCode}


def not_in_the_section_on_backups(names: Iterable[str]) -> list[str]:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("**Backups.**")[2].partition("**Disk.**")[0]
    known = re.findall(r"`([^`]+?)/?`", section)
    return [name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in known)]


def test_the_section_on_backups_lists_every_file_of_a_root() -> None:
    declared = {name for name, value in vars(Root).items() if type(value).__name__ == "_PathInRoot"}
    root = Root(pathlib.Path("/root"))
    found = {getattr(root, name).relative_to(root.path).parts[0] for name in declared}
    assert not_in_the_section_on_backups(sorted(found)) == []
    assert not_in_the_section_on_backups(["metadata.sqlite.before-restore-1", "other"]) == ["other"]


def test_every_node_is_documented() -> None:
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for node in PIPELINE.names:
        assert f"**{node}**" in text, node


def test_links_between_the_documents_lead_somewhere() -> None:
    for path in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")):
        prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


# --- names in the documents ----------------------------------------------------------------------

DOCUMENTS = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
OURS = ("pipeline", "components", "tests", "benchmarks", "tools", "docs")
# The yardsticks of `make bench`, which lie beside the project, and a module that a reader writes.
ELSEWHERE = {"plain_keras.py", "stock_tfx.py", "setup.py"}


def code_in(text: str) -> list[str]:
    """Lines of the fenced blocks, and code spans."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`]+)`", prose)


@functools.cache
def python_files() -> frozenset[str]:
    """Files of Python by their paths in the project."""
    files = {str(path.relative_to(PROJECT)) for folder in OURS for path in (PROJECT / folder).rglob("*.py")}
    return frozenset(files | {path.name for path in PROJECT.glob("*.py")})


def unknown_modules(code: str) -> list[str]:
    """Files of Python, and dotted names of ours, that do not exist. A path of another project is left out."""
    files, missing = python_files(), []
    for name in re.findall(r"(?<![\w./~-])[\w./-]+\.py\b", code):
        folder = name.partition("/")[0]
        if name not in ELSEWHERE and ("/" not in name or folder in OURS):
            missing += [] if any(f"/{file}".endswith(f"/{name}") for file in files) else [name]
    for name in re.findall(rf"(?<![\w./-])(?:{'|'.join(OURS)})(?:\.[A-Za-z_]\w*)+(?![\w/])", code):
        whole, (parent, _, last) = name.replace(".", "/"), name.rpartition(".")
        homes = [f"{parent.replace('.', '/')}{end}" for end in (".py", "/__init__.py")]
        known = any(f"{whole}{end}" in files for end in (".py", "/__init__.py")) or any(
            re.search(rf"\b{last}\b", (PROJECT / home).read_text(encoding="utf-8")) for home in homes if home in files
        )
        missing += [] if known or last == "py" else [name]
    return missing


def unknown_commands(code: str) -> list[str]:
    """Commands and options of `sae` that do not exist."""
    missing = []
    for words in re.findall(r"(?<![\w./-])sae ((?:(?![|;&)#]).)+)", code):
        command: click.Command = cli.sae
        options, path = {option for one in cli.sae.params for option in one.opts}, "sae"
        for two in (name for name in cli.sae.commands if " " in name):
            words = re.sub(rf"^{two}\b", two.replace(" ", "_"), words)
        for word in words.split():
            name = word.strip("`,.:'\"[]").replace("_", " ")
            if isinstance(command, click.Group) and re.fullmatch(r"[a-z ]+", name):
                if name not in command.commands:
                    missing.append(f"{path} {name}")
                    break
                command, path = command.commands[name], f"{path} {name}"
                options |= {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
            elif name.startswith("--") and name.partition("=")[0] not in {*options, "--help", "--version", "--"}:
                missing.append(f"{path} {name}")
    return missing


def unknown_targets(code: str) -> list[str]:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [f"make {name}" for name in re.findall(r"(?:^|[\s$(])make ([a-z][a-z-]*)", code) if name not in targets]


def unknown_names(text: str) -> list[str]:
    # What an example of a change adds does not exist yet.
    text = re.sub(r"^\+.*$", "", text, flags=re.MULTILINE)
    checks = (unknown_modules, unknown_commands, unknown_targets)
    return [name for code in code_in(text) for check in checks for name in check(code)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_modules_commands_options_and_targets_in_the_documents_exist(path: pathlib.Path) -> None:
    assert unknown_names(path.read_text(encoding="utf-8")) == []


def test_options_of_make_test_chaos_exist() -> None:
    [targets] = re.findall(r"pytest (\S+) -m chaos", (PROJECT / "Makefile").read_text(encoding="utf-8"))
    named = {name for path in DOCUMENTS for name in re.findall(r"--chaos-[a-z]+", path.read_text(encoding="utf-8"))}
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", targets, "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert named
    assert named <= set(re.findall(r"--chaos-[a-z]+", shown))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("see `tools/bootstrap.py` and `root_lock.py`, `pipeline.core.text`, `dvc/stage/cache.py`", []),
        ("see `tools/strap.py`", ["tools/strap.py"]),
        ("see `scheduling.py`", ["scheduling.py"]),
        ("`.venv/bin/python -m benchmarks.soak`", ["benchmarks.soak"]),
        ("```\n$ sae runs --limit 3 | head --lines=3\n$ sae schedule list --json\n```", []),
        ("`sae runs --limits 3`", ["sae runs --limits"]),
        ("```\nsae rums   # all\n```", ["sae rums"]),
        ("`sae schedule ad nightly`", ["sae schedule ad"]),
        ("run `make test` or make do, `make tests`", ["make tests"]),
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str, wrong: list[str]) -> None:
    assert unknown_names(text) == wrong


if __name__ == "__main__":
    write_tables(TABLES)


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
