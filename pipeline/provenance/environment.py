"""What a run's results depend on besides its data, code and configuration: commit, packages, Python, machine.

All of it is looked up without TensorFlow and without writing anything. What cannot be found out is empty or None, never
an error: a run must not fail because of what is noted about it.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys

from pipeline.core import file_digests
from pipeline.core.project import LOCK, PROJECT
from pipeline.provenance import packages

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_COMMAND_SECONDS = 5.0  # git takes milliseconds; on a network disk that hangs, it is given up

# What a result depends on and the repository holds.
_OF_A_RESULT = ("components", "pipeline", "pipeline_config.py", "pyproject.toml", "requirements.txt")
# Set inside a git hook, they would name the repository that the hook belongs to.
_GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


@dataclasses.dataclass(frozen=True)
class Git:
    """The commit that is checked out.

    Attributes:
      commit: in hex.
      dirty: whether code, pyproject.toml or the lock differs from the commit: tracked files that were changed, and
        files in our packages that are neither tracked nor ignored. Other files, such as the README, do not count.
    """

    commit: str
    dirty: bool


@dataclasses.dataclass(frozen=True)
class Lock:
    """The file that names the packages to install.

    Attributes:
      file: its name.
      digest: SHA-256 of its bytes, in hex.
    """

    file: str
    digest: str


@dataclasses.dataclass(frozen=True)
class Python:
    """The interpreter.

    Attributes:
      version: `3.10.12`.
      implementation: `CPython`.
    """

    version: str
    implementation: str


@dataclasses.dataclass(frozen=True)
class TensorFlow:
    """The build of TensorFlow that is installed.

    Attributes:
      distribution: its name: `tensorflow`, `tensorflow-cpu`.
      version: `2.16.2`.
      wheel: tags of the wheel that it was installed from, sorted and separated by spaces.
      files: digest, in hex, of its list of files with their digests, without those that the installer made.
    """

    distribution: str
    version: str
    wheel: str
    files: str


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where the arithmetic is done.

    Attributes:
      architecture: `x86_64`.
      processor: name of its model; empty when it is not known.
      features: names that the kernel gives to the processor's features, sorted.
      system: name and version of the operating system.
      libc: name and version of the C library; empty when it is not known.
    """

    architecture: str
    processor: str
    features: tuple[str, ...]
    system: str
    libc: str


def git(project: pathlib.Path = PROJECT) -> Git | None:
    """The commit of a project that is a repository of its own; None when it is not, or when git cannot tell."""
    environment = {name: value for name, value in os.environ.items() if name not in _GIT_PLACES}
    # A project that is installed somewhere below another repository has nothing to do with that one.
    environment["GIT_CEILING_DIRECTORIES"] = str(project.resolve().parent)
    # Without optional locks, status does not write the index; without a file monitor, it starts no daemon.
    quiet = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false"]
    status = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--", *_OF_A_RESULT]
    printed = _output([*quiet, *status], cwd=project, environment=environment)
    entries = [entry for entry in (printed or "").split("\0") if entry]
    commits = [entry.removeprefix("# branch.oid ") for entry in entries if entry.startswith("# branch.oid ")]
    if not commits or commits[0] == "(initial)":
        return None
    return Git(commits[0], any(not entry.startswith("# ") for entry in entries))


def lock(file: pathlib.Path = LOCK) -> Lock | None:
    """The lock, or None where there is none, as beside an installed package."""
    try:
        return Lock(file.name, file_digests.of_file(file))
    except OSError:
        return None


def python() -> Python:
    """The interpreter that runs this."""
    return Python(".".join(map(str, sys.version_info[:3])), platform.python_implementation())


def tensorflow() -> TensorFlow | None:
    """The installed build of TensorFlow, as its package describes it; None when there is none."""
    names = packages.providing(["tensorflow"])
    if not names:
        return None
    name = min(names)
    distribution = importlib.metadata.distribution(name)
    tags = re.findall(r"^Tag:\s*(\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE)
    files = sorted(filter(_is_of_wheel, (distribution.read_text("RECORD") or "").splitlines()))
    return TensorFlow(name, distribution.version, " ".join(sorted(tags)), file_digests.of_mapping({"files": files}))


def machine() -> Machine:
    """This machine."""
    on_linux = sys.platform.startswith("linux")
    model, features = _linux_processor() if on_linux else _mac_processor()
    return Machine(platform.machine(), model, tuple(sorted(features)), _system(), _libc())


def _is_of_wheel(line: str) -> bool:
    """Whether a line of RECORD came with the wheel.

    Installers add lines on scripts, which hold the environment's path, on compiled files, and on how they installed it.
    """
    path = line.partition(",")[0]
    return not (path.startswith("..") or "__pycache__/" in path or ".dist-info/" in path)


def _linux_processor() -> tuple[str, set[str]]:
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", set()
    model = re.search(r"^model name[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    features = re.search(r"^(?:flags|Features)[ \t]*:(.*)$", text, re.MULTILINE)  # x86, arm64
    return (model[1].strip() if model else "", set(features[1].split()) if features else set())


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


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""  # `glibc 2.36`
    except (AttributeError, OSError, ValueError):  # not Linux, or another C library
        return ""


def _output(
    command: list[str], cwd: pathlib.Path | None = None, environment: dict[str, str] | None = None
) -> str | None:
    """What a command prints; None when it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", errors="replace")
