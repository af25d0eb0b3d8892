"""The locks agree with pyproject.toml, and tools/bootstrap.py makes .venv from them on any machine."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pipeline.core.toml import tomllib
from tests import PROJECT

ROOT = PROJECT
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-cluster.txt", "requirements-export.txt")
SHARED = LOCKS[:3]  # those of one environment


# --- the locks ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pin:
    """One requirement of a lock."""

    name: str
    version: str
    marker: str
    hashes: int
    sources: tuple[str, ...]  # what asks for it, from the comments under it

    def holds_in(self, environment: dict[str, str]) -> bool:
        return not self.marker or holds(self.marker, *environment.items())


@functools.cache
def holds(marker: str, *environment: tuple[str, str]) -> bool:
    """Few different markers stand at hundreds of requirements."""
    return Marker(marker).evaluate(dict(environment))


@functools.cache
def read_lock(text: str) -> list[Pin]:
    pins = []
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]:
        first, *rest = block.splitlines()
        found = re.fullmatch(r"([\w.-]+)==([\w.!+-]+)(?: ; (.*?))? \\", first)
        assert found, f"not a pinned requirement with hashes: {first}"
        comments = [line.strip("# ") for line in rest if line.strip().startswith("#")]
        pins.append(
            Pin(
                name=canonicalize_name(found[1]),
                version=found[2],
                marker=found[3] or "",
                hashes=sum("--hash=sha256:" in line for line in rest),
                sources=tuple(line.removeprefix("via").strip() for line in comments),
            )
        )
    return pins


def environments(project: dict[str, Any]) -> list[dict[str, str]]:
    """Every Python and machine that pyproject.toml says the project is for."""
    pythons = SpecifierSet(project["project"]["requires-python"])
    markers = [Marker(text) for text in project["tool"]["uv"]["environments"]]
    found = []
    for minor in range(8, 20):
        for system, machine in [
            ("linux", "x86_64"),
            ("linux", "aarch64"),
            ("darwin", "x86_64"),
            ("darwin", "arm64"),
        ]:
            environment = {
                "python_version": f"3.{minor}",
                "python_full_version": f"3.{minor}.0",
                "sys_platform": system,
                "platform_machine": machine,
                "platform_system": system.capitalize(),
                "platform_python_implementation": "CPython",
                "implementation_name": "cpython",
                "os_name": "posix",
            }
            if f"3.{minor}" in pythons and any(marker.evaluate(environment) for marker in markers):
                found.append(environment)
    return found


def disagreements(project: dict[str, Any], lock: str, group: str = "", extra: str = "pipeline") -> list[str]:
    """Where a lock does not hold what pyproject.toml asks for; needs no network."""
    if group:
        declared = project["dependency-groups"][group]
        source = f"sae-pipeline (pyproject.toml:{group})"
    else:
        declared = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"][extra]]
        source = "sae-pipeline (pyproject.toml)"
    requirements = [Requirement(text) for text in declared]
    pins = read_lock(lock)
    problems = []
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    direct = {pin.name for pin in pins if source in pin.sources}
    problems += [f"{name}: locked, but no longer asked for" for name in direct - names]
    problems += [f"{name}: asked for, but not locked" for name in names - direct]
    for environment in environments(project):
        where = f"{environment['sys_platform']}, Python {environment['python_version']}"
        locked = {pin.name: pin.version for pin in pins if pin.holds_in(environment)}
        for requirement in requirements:
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            version = locked.get(canonicalize_name(requirement.name))
            if version is None:
                problems.append(f"{requirement.name}: not locked for {where}")
            elif not requirement.specifier.contains(version, prereleases=True):
                problems.append(f"{requirement}: locked at {version} for {where}")
    return sorted(set(problems))


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_locked_setuptools_has_the_module_that_tensorboard_imports() -> None:
    """TensorBoard imports pkg_resources, which setuptools has no longer from 82 on."""
    pins = read_lock((PROJECT / "requirements.txt").read_text("utf-8"))
    versions = [Version(str(pin.version)) for pin in pins if pin.name == "setuptools"]
    assert versions
    assert all(version < Version("82") for version in versions)


# Without TensorFlow, by TensorBoard's own switch for that: a module of this name.
TENSORBOARD = """
import runpy, sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
runpy.run_module("tensorboard.main", run_name="__main__")
"""


@pytest.mark.component
def test_tensorboard_starts() -> None:
    pins = read_lock((PROJECT / "requirements.txt").read_text("utf-8"))
    if importlib.metadata.version("setuptools") not in {str(pin.version) for pin in pins if pin.name == "setuptools"}:
        pytest.skip(".venv was not made from these locks")
    done = subprocess.run([sys.executable, "-c", TENSORBOARD, "--version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.strip() == importlib.metadata.version("tensorboard")


def test_locks_hold_what_pyproject_asks_for(project: dict[str, Any]) -> None:
    problems = disagreements(project, (ROOT / "requirements.txt").read_text("utf-8"))
    problems += disagreements(project, (ROOT / "requirements-dev.txt").read_text("utf-8"), "dev")
    problems += disagreements(project, (ROOT / "requirements-cluster.txt").read_text("utf-8"), extra="cluster")
    problems += disagreements(project, (ROOT / "requirements-export.txt").read_text("utf-8"), "export")
    assert not problems, "run `make lock`: " + "; ".join(problems)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("click", "click<1", "click<1: locked at"),
        ("click", None, "click: locked, but no longer asked for"),
        (None, "flask", "flask: asked for, but not locked"),
        (None, "dill==0.3.1.1", "dill==0.3.1.1: locked at 0.4.1 for linux, Python 3.13"),
    ],
)
def test_a_changed_dependency_is_noticed_without_a_network(
    project: dict[str, Any], old: str | None, new: str | None, problem: str
) -> None:
    listed = project["project"]["dependencies"]
    project["project"]["dependencies"] = [text for text in listed if text != old]
    project["project"]["dependencies"] += [new] if new else []
    problems = disagreements(project, (ROOT / "requirements.txt").read_text("utf-8"))
    assert any(problem in line for line in problems), problems


def test_a_machine_that_the_lock_does_not_know_is_noticed(project: dict[str, Any]) -> None:
    project["tool"]["uv"]["environments"].append("platform_machine == 'aarch64'")
    assert disagreements(project, (ROOT / "requirements.txt").read_text("utf-8"))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address_and_hashes_everything(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"(?m)^\s*-(?!-hash)", text), "an option, such as an index"
    assert all(pin.hashes for pin in read_lock(text))


def test_the_locks_agree_on_what_they_share(project: dict[str, Any]) -> None:
    pins = [pin for name in SHARED for pin in read_lock((ROOT / name).read_text("utf-8"))]
    for environment in environments(project):
        locked: dict[str, str] = {}
        for pin in pins:
            if pin.holds_in(environment):
                assert locked.setdefault(pin.name, pin.version) == pin.version, pin.name


def test_the_locks_name_once_what_setup_needs_itself() -> None:
    main, dev = (read_lock((ROOT / name).read_text("utf-8")) for name in LOCKS[:2])
    assert [pin.name for pin in main].count("setuptools") == 1
    assert [pin.name for pin in dev].count("uv") == 1


@pytest.mark.component
def test_compiling_the_locks_again_changes_nothing(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    # The locked uv, if it is there: each version words markers in its own way.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "tools/bootstrap.py", "lock"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    unreachable = r"(?i)connect|fetch|dns|network|offline|timed out|missing: uv"
    if done.returncode and re.search(unreachable, done.stderr):
        pytest.skip("uv or the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    for name in LOCKS:
        # Without the hashes: an index may get another file of the same version.
        old, new = (
            [line for line in (folder / name).read_text("utf-8").splitlines() if "--hash" not in line]
            for folder in (ROOT, tmp_path)
        )
        assert [line.rstrip(" \\") for line in new] == [line.rstrip(" \\") for line in old], name


# --- tools/bootstrap.py ----------------------------------------------------------------------------


def load_bootstrap(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_tool", checkout / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_checkout(folder: Path) -> None:
    for name in (
        "Makefile",
        "pyproject.toml",
        "pipeline/__init__.py",
        "pipeline/core/tfx_versions.py",
        "tools/bootstrap.py",
        *LOCKS,
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text, "utf-8")
    path.chmod(0o755)


# Notes what it is asked to do. Its `venv` makes a folder with a Python; Python it cannot download.
FAKE_UV = """
case "$1 $2" in
  "--version ") echo "uv 99.0.0"; exit ;;
esac
echo "$1 $2" >> "$UV_CALLS"
case "$1 $2" in
  "venv "*)
    for folder in "$@"; do :; done
    /bin/mkdir -p "$folder/bin" && /bin/ln -s "$PYTHON" "$folder/bin/python" ;;
  "pip sync") exit "${SYNC_EXIT:-0}" ;;
  "python "*) exit 2 ;;
esac
"""


@dataclass
class Machine:
    """A checkout, and a PATH with a uv that only notes what it is asked to do."""

    checkout: Path
    bin: Path
    environment: dict[str, str] = field(default_factory=dict)

    def set_up(self, kind: str = "run", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "tools/bootstrap.py", kind],
            cwd=self.checkout,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        """What uv was asked to do since the last time."""
        file = Path(self.environment["UV_CALLS"])
        text = file.read_text("utf-8") if file.exists() else ""
        file.unlink(missing_ok=True)
        return text.splitlines()


INSTALL = ["pip install", "pip sync", "pip install"]  # setuptools, the lock, the project


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout, folder = tmp_path / "checkout", tmp_path / "bin"
    copy_checkout(checkout)
    write_script(folder / "uv", FAKE_UV)
    write_script(folder / "c++", "echo a compiler")
    # The wanted version on this machine is the one that runs these tests.
    python = Path(sys.executable).resolve()
    (folder / f"python3.{sys.version_info.minor}").symlink_to(python)
    environment = {
        "PATH": str(folder),
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "PYTHON": str(python),
        "UV_CALLS": str(tmp_path / "calls"),
    }
    return Machine(checkout, folder, environment)


NEW_LINE = ["3.13", "3.12", "3.11"]


def test_a_failing_shim_is_passed_over_for_the_newest_python_of_pyenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_script(tmp_path / "shims/python3.12", "echo 'pyenv: not selected' >&2; exit 127\n")
    versions = tmp_path / "pyenv/versions"
    for patch in (9, 13, 2):
        write_script(versions / f"3.12.{patch}/bin/python3.12", "echo True 3.12 True\n")
    write_script(versions / "3.13.0/bin/python3.13", "echo True 3.13 False\n")
    write_script(versions / "3.11.1/bin/python3.11", "echo False 3.11 True\n")  # not CPython
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = load_bootstrap(ROOT).find_pythons(NEW_LINE)
    assert [(Path(each.path).parts[-3], each.headers) for each in found] == [
        ("3.13.0", False),
        ("3.12.13", True),
        ("3.12.9", True),
        ("3.12.2", True),
    ]


def test_a_missing_compiler_is_named_before_anything_is_done(machine: Machine) -> None:
    (machine.bin / "c++").unlink()
    done = machine.set_up()
    assert done.returncode == 6
    assert done.stderr.startswith("error: missing: ")
    assert "C++ compiler" in done.stderr
    assert done.stderr.count("\n") == 1
    assert machine.calls() == []
    assert not (machine.checkout / ".venv").exists()
    assert not (machine.checkout / ".uv").exists()


def test_missing_headers_are_named(machine: Machine) -> None:
    version = f"3.{sys.version_info.minor}"
    python = machine.bin / f"python{version}"
    python.unlink()
    write_script(python, f"echo True {version} False\n")
    done = machine.set_up()
    assert done.returncode == 6
    assert f"missing: the headers of {python}" in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_missing_interpreter_is_named_when_uv_has_none_either(machine: Machine) -> None:
    (machine.bin / f"python3.{sys.version_info.minor}").unlink()
    done = machine.set_up()
    assert done.returncode == 6
    errors = [line for line in done.stderr.splitlines() if not line.startswith("bootstrap: ")]
    assert len(errors) == 1
    assert re.match(r"error: missing: Python 3\.1\d.* on PATH or in pyenv's folder; uv could not", errors[0])
    assert set(machine.calls()) == {"python find", "python install"}
    assert not (machine.checkout / ".venv").exists()


def test_all_that_is_missing_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    bootstrap = load_bootstrap(machine.checkout)
    monkeypatch.setattr(bootstrap, "output", lambda command, env=None: "")  # nothing runs
    with pytest.raises(bootstrap.Missing, match=r"C\+\+ compiler.*uv.*pip.*venv"):
        bootstrap.set_up("run")


def test_an_old_uv_is_passed_over(monkeypatch: pytest.MonkeyPatch, machine: Machine, tmp_path: Path) -> None:
    write_script(tmp_path / "old/uv", "echo uv 0.6.17\n")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "old"), str(machine.bin)]))
    assert load_bootstrap(machine.checkout).find_uv() == str(machine.bin / "uv")
    monkeypatch.setenv("PATH", str(tmp_path / "old"))
    assert load_bootstrap(machine.checkout).find_uv() == ""


def test_uv_itself_comes_from_the_lock_with_hashes(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    bootstrap = load_bootstrap(machine.checkout)
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, env=None: commands.append(list(command)))
    monkeypatch.setattr(bootstrap, "has_pip", lambda python: python != "without-pip")
    bootstrap.get_uv("with-pip")
    assert [command[0] for command in commands] == ["with-pip"]
    assert {"--require-hashes", "--only-binary=:all:"} <= set(commands[0])
    entry = Path(commands[0][-1]).read_text("utf-8")
    assert re.fullmatch(r"uv==[\d.]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", entry)
    commands.clear()
    bootstrap.get_uv("without-pip")
    assert commands[0][:3] == ["without-pip", "-m", "venv"]
    assert commands[1][0] == str(machine.checkout / ".uv/pip/bin/python")


@pytest.mark.parametrize(
    ("arguments", "environment", "compiled"),
    [
        (["start"], {}, False),
        (["start"], {"PYTHONDONTWRITEBYTECODE": "1"}, True),
        (["start"], {"PYTHONDONTWRITEBYTECODE": ""}, False),
        (["run"], {}, True),
        (["dev"], {}, True),
    ],
)
def test_only_make_run_compiles_beside_the_run_what_it_imports(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, arguments: list[str], environment: dict[str, str], compiled: bool
) -> None:
    commands: list[list[str]] = []
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    for name, value in {**machine.environment, **environment}.items():
        monkeypatch.setenv(name, value)
    bootstrap = load_bootstrap(machine.checkout)
    run = bootstrap.run
    monkeypatch.setattr(bootstrap, "run", lambda command, env=None: (commands.append(list(command)), run(command, env)))
    started: list[str] = []
    monkeypatch.setattr(bootstrap, "start", lambda command: started.append(Path(command[-1]).name))
    assert bootstrap.main(arguments) == 0
    assert started == ([] if compiled else ["compile_ahead.py"])
    [synced] = [command for command in commands if command[1:3] == ["pip", "sync"]]
    assert ("--compile-bytecode" in synced) == compiled
    assert "--require-hashes" in synced
    commands.clear()
    assert bootstrap.main(["run"]) == 0
    assert commands == []


def test_each_step_is_a_line(machine: Machine) -> None:
    locks = "requirements.txt and requirements-dev.txt into .venv"
    assert machine.set_up("dev").stderr.splitlines() == [
        f"bootstrap: installing {locks}, Python 3.{sys.version_info.minor}: 3.4 GB, which takes minutes the first time",
        "bootstrap: installing the project",
        "bootstrap: .venv is complete",
    ]


def test_a_second_call_does_nothing(machine: Machine) -> None:
    assert machine.set_up().returncode == 0
    assert machine.calls() == ["venv --quiet", *INSTALL]
    done = machine.set_up()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls() == []


def test_tests_add_to_the_environment_of_run(machine: Machine) -> None:
    machine.set_up("run")
    machine.calls()
    assert machine.set_up("dev").returncode == 0
    assert machine.calls() == INSTALL
    machine.set_up("run")
    machine.set_up("dev")
    assert machine.calls() == []


def test_the_environment_for_a_cluster_is_also_that_of_run_and_of_tests(machine: Machine) -> None:
    assert machine.set_up("cluster").returncode == 0
    assert machine.calls() == ["venv --quiet", *INSTALL]
    machine.set_up("run")
    machine.set_up("dev")
    machine.set_up("cluster")
    assert machine.calls() == []


def test_the_environment_of_exports_is_beside_that_of_tests(machine: Machine) -> None:
    done = machine.set_up("export")
    assert done.returncode == 6
    assert done.stderr.endswith("run `make setup-dev`\n")
    machine.set_up("dev")
    write_script(machine.checkout / ".venv/bin/uv", FAKE_UV)
    machine.calls()
    assert machine.set_up("export", SYNC_EXIT="1").returncode == 6
    machine.calls()
    for calls in (["venv --quiet", "pip sync"], []):
        assert machine.set_up("export").returncode == 0
        assert machine.calls() == calls
    with (machine.checkout / "requirements-export.txt").open("a") as lock:
        lock.write("\n")
    machine.set_up("export")
    assert machine.calls() == ["venv --quiet", "pip sync"]
    machine.set_up("dev")
    assert machine.calls() == []


def test_a_half_made_environment_is_made_again(machine: Machine) -> None:
    done = machine.set_up(SYNC_EXIT="1")
    assert done.returncode == 6
    assert done.stderr.endswith("error: `uv pip sync` failed, see above; try again\n")
    (machine.checkout / ".venv/half").touch()
    machine.calls()
    assert machine.set_up().returncode == 0
    assert machine.calls() == ["venv --quiet", *INSTALL]
    assert not (machine.checkout / ".venv/half").exists()


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed(machine: Machine, name: str) -> None:
    machine.set_up()
    machine.calls()
    file = machine.checkout / name
    text = file.read_text("utf-8")
    file.write_text(text.replace("[project]", "[project]\n# changed") + "\n# changed\n", "utf-8")
    assert machine.set_up().returncode == 0
    assert machine.calls() == INSTALL


def test_a_moved_checkout_or_a_lost_interpreter_is_noticed(machine: Machine) -> None:
    machine.set_up()
    moved = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.checkout = moved
    machine.calls()
    machine.set_up()
    assert machine.calls() == ["venv --quiet", *INSTALL]
    (moved / ".venv/bin/python").unlink()
    (moved / ".venv/bin/python").symlink_to(moved / "gone")
    machine.set_up()
    assert machine.calls() == ["venv --quiet", *INSTALL]


def test_uv_gets_the_index_of_pip_only_when_it_has_none(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, tmp_path: Path
) -> None:
    bootstrap = load_bootstrap(machine.checkout)
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    listed = "global.cert='/pip.pem'\nglobal.index-url='of-pip-config'\n"
    monkeypatch.setattr(bootstrap, "output", lambda command, env=None: listed)
    env = bootstrap.uv_environment()
    assert (env["UV_DEFAULT_INDEX"], env["SSL_CERT_FILE"]) == ("of-pip-config", "/pip.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "of-pip")
    assert bootstrap.uv_environment()["UV_DEFAULT_INDEX"] == "of-pip"
    monkeypatch.setenv("UV_INDEX_URL", "of-uv")
    assert "UV_DEFAULT_INDEX" not in bootstrap.uv_environment()


def test_make_returns_at_once_and_offline_when_this_checkout_is_complete() -> None:
    bootstrap = load_bootstrap(ROOT)
    made = bootstrap.read_stamp("dev")
    if not made or made != bootstrap.stamp("dev", made["python"]):
        pytest.skip(".venv was not made by `make test` from these locks")
    env = {**os.environ, "UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(["make", "setup-dev"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_target() -> None:
    phony = re.search(r"(?m)^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"))
    assert phony
    printed = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    assert re.findall(r"(?m)^make ([a-z-]+)", printed) == phony[1].split()
