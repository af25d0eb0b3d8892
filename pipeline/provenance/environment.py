"""The environment of a run: commit, lock file, Python, TensorFlow's build, machine.

Nothing here imports TensorFlow or writes anything. Unknown values are empty or None, so that a run never fails because
of its own description.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence

from components.errors import cause_text
from pipeline.core import file_digests, tfx_versions
from pipeline.core.project import LOCK, PACKAGES, PROJECT
from pipeline.provenance import packages, remembered

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_COMMAND_SECONDS = 5.0  # git takes milliseconds, but may hang on a network disk

# The files of the repository that results depend on.
_CODE = (*PACKAGES, "pipeline_config.py", "pyproject.toml", "requirements.txt")
# Inside a git hook these name the repository of the hook.
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


@dataclasses.dataclass(frozen=True)
class Git:
    """The commit that is checked out."""

    commit: str  # in hex
    # Whether code differs from the commit, or pyproject.toml or the lock of this project; also files of these packages
    # that are neither tracked nor ignored. Other files, such as the README, do not count.
    dirty: bool


@dataclasses.dataclass(frozen=True)
class Checkout:
    """The commit that is checked out, or why it is unknown."""

    git: Git | None = None
    unknown: str = ""  # empty if the commit is known


@dataclasses.dataclass(frozen=True)
class Lock:
    """The lock file of the packages to install."""

    file: str  # file name
    digest: str  # SHA-256 of its bytes, in hex


@dataclasses.dataclass(frozen=True)
class Python:
    """The interpreter."""

    version: str  # `3.10.12`
    implementation: str  # `CPython`


@dataclasses.dataclass(frozen=True)
class TensorFlow:
    """The installed build of TensorFlow."""

    distribution: str  # `tensorflow`, `tensorflow-cpu`
    version: str  # `2.16.2`
    wheel: str  # sorted tags of its wheel, separated by spaces
    files: str  # digest, in hex, of the names and digests of its files, without those that the installer wrote


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine that computes."""

    architecture: str  # `x86_64`
    processor: str  # name of the model; empty if it is not known
    features: tuple[str, ...]  # the kernel's names of the processor's features, sorted
    system: str  # name and version of the operating system
    libc: str  # name and version of the C library; empty if it is not known


def checkout(project: pathlib.Path = PROJECT) -> Checkout:
    """Return the commit of a project that is its own repository, or why it is unknown."""
    # The project may be installed in a folder of an unrelated repository.
    return _checkout(project, _CODE, ceiling=str(project.resolve().parent))


def checkout_of(file: pathlib.Path, others: Iterable[str] = ()) -> Checkout:
    """Return the commit of the repository that tracks a file, or why it is unknown.

    Args:
      file: a file of code.
      others: more files and folders of code: those in the same repository may differ from the commit as well.
    """
    file = pathlib.Path(os.path.realpath(file))  # git takes no path through a symbolic link from outside
    folder = file.parent
    try:
        repository = _git(folder, ["rev-parse", "--show-toplevel"]).removesuffix("\n")
        if not _git(folder, ["ls-files", "-z", "--", str(file)]):
            return Checkout(unknown=f"the repository {repository} does not track {file}")
    except (OSError, subprocess.SubprocessError) as error:
        return Checkout(unknown=_unknown(folder, error))
    inside = [path for path in map(os.path.realpath, others) if pathlib.Path(path).is_relative_to(repository)]
    return _checkout(folder, [str(file), *inside])


def _checkout(folder: pathlib.Path, code: Sequence[str], ceiling: str = "") -> Checkout:
    """Return the commit of the repository of a folder, not above `ceiling`, and whether code in it was changed."""
    status = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--", *code]
    try:
        printed = _git(folder, status, ceiling)
    except (OSError, subprocess.SubprocessError) as error:
        return Checkout(unknown=_unknown(folder, error))
    entries = [entry for entry in printed.split("\0") if entry]
    commits = [entry.removeprefix("# branch.oid ") for entry in entries if entry.startswith("# branch.oid ")]
    if not commits or commits[0] == "(initial)":
        return Checkout(unknown="the repository has no commit")
    return Checkout(Git(commits[0], any(not entry.startswith("# ") for entry in entries)))


def _git(folder: pathlib.Path, arguments: Sequence[str], ceiling: str = "") -> str:
    """Return the output of git in a folder. Raises `OSError` or `SubprocessError`."""
    environment = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
    if ceiling:
        environment["GIT_CEILING_DIRECTORIES"] = ceiling
    environment["LC_ALL"] = "C"  # reasons in English
    # Without optional locks, `git status` does not write the index; without a file monitor, it starts no daemon.
    quiet = ["git", "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false"]
    return _run([*quiet, *arguments], cwd=folder, environment=environment)


def _unknown(folder: pathlib.Path, error: Exception) -> str:
    """Return why git did not answer."""
    if isinstance(error, subprocess.CalledProcessError):
        return _reason(error.stderr.decode("utf-8", errors="replace"))
    if isinstance(error, subprocess.TimeoutExpired):
        return f"git took longer than {_COMMAND_SECONDS:g} s"
    return f"git cannot be run in {folder}: {cause_text(error)}"


def _reason(printed: str) -> str:
    """Return the first line that git printed, and the command that it advises, as for a checkout of another owner."""
    lines = [line.strip().removeprefix("fatal: ") for line in printed.splitlines() if line.strip()]
    commands = [line for line in lines if line.startswith("git config ")]
    return "; ".join([*lines[:1], *(f"`{command}` allows it" for command in commands[:1])]) or "git failed"


def lock(file: pathlib.Path = LOCK) -> Lock | None:
    """Return the lock file; None if there is none, as for an installed package."""
    try:
        return Lock(file.name, file_digests.of_file(file))
    except OSError:
        return None


def python() -> Python:
    """Return the running interpreter."""
    return Python(".".join(map(str, sys.version_info[:3])), platform.python_implementation())


def tensorflow() -> TensorFlow | None:
    """Return the installed build of TensorFlow, from the metadata of its package; None if there is none."""
    found = remembered.answer("tensorflow", [], _tensorflow)
    return TensorFlow(**found) if found else None


def _tensorflow() -> dict[str, str]:
    """Return the fields of the build; empty if there is none."""
    names = packages.providing(["tensorflow"])
    if not names:
        return {}
    name = min(names)
    import importlib.metadata  # 10 ms

    distribution = importlib.metadata.distribution(name)
    tags = re.findall(r"^Tag:\s*(\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE)
    files = sorted(filter(_is_of_wheel, (distribution.read_text("RECORD") or "").splitlines()))
    return {
        "distribution": name,
        "version": distribution.version,
        "wheel": " ".join(sorted(tags)),
        "files": file_digests.of_mapping({"files": files}),
    }


def machine() -> Machine:
    """Return this machine."""
    model, features = _linux_processor() if sys.platform.startswith("linux") else _mac_processor()
    return Machine(platform.machine(), model, tuple(sorted(features)), _system(), tfx_versions.c_library())


def _is_of_wheel(line: str) -> bool:
    """Whether a line of RECORD is part of the wheel; installers add scripts, compiled files and their own metadata."""
    path = line.partition(",")[0]
    return not (path.startswith("..") or "__pycache__/" in path or ".dist-info/" in path)


def _linux_processor() -> tuple[str, set[str]]:
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", set()
    fields: dict[str, str] = {}  # of the first processor that has them
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    features = fields.get("flags") or fields.get("Features", "")  # x86, arm64
    return fields.get("model name", ""), set(features.split())


def _mac_processor() -> tuple[str, set[str]]:
    model = _output(["sysctl", "-n", "machdep.cpu.brand_string"]) or ""
    listed = _output(["sysctl", "hw.optional"]) or ""
    return model.strip(), set(re.findall(r"^hw\.optional\.(\S+): 1$", listed, re.MULTILINE))


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}".strip()
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _output(command: list[str]) -> str | None:
    """Return the output of a command; None if it is missing, fails or takes too long."""
    try:
        return _run(command)
    except (OSError, subprocess.SubprocessError):
        return None


def _run(command: list[str], cwd: pathlib.Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Return the output of a command. Raises `OSError` or `SubprocessError`."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_COMMAND_SECONDS,
        check=True,
    )
    return done.stdout.decode("utf-8", errors="replace")
