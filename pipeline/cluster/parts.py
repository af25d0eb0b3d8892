"""The parts of a cluster: jar files, listed in a lock with their SHA-256, which Maven fetches.

Maven reads its own settings (`~/.m2/settings.xml`) for mirrors, proxies and passwords. After an interruption it fetches
only what it does not have yet, because it keeps each complete file in a cache of its own.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence

from components.errors import cause_text
from pipeline.cluster.engines import ClusterEngine
from pipeline.core import file_digests, shell, unfinished_folder
from pipeline.core.errors import UnavailableError, UsageError, advice
from pipeline.core.local_path import local_path
from pipeline.core.text import counted

VARIABLE = "SAE_CLUSTER_PARTS"
_DEFAULT = "~/.cache/sae/cluster"
_ROOM = 2**20  # bytes: a disk with less is full
_DIGITS = 12  # of a digest in a message
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"


@dataclasses.dataclass(frozen=True)
class Jar:
    """A jar file of a lock.

    Attributes:
      path: in a repository of Maven: `org/slf4j/slf4j-api/1.7.30/slf4j-api-1.7.30.jar`.
      digest: SHA-256 of its bytes, in hex.
    """

    path: str
    digest: str

    @property
    def coordinates(self) -> dict[str, str]:
        """What Maven knows it by."""
        *group, artifact, version, name = self.path.split("/")
        classifier = name.removeprefix(f"{artifact}-{version}").removesuffix(".jar").removeprefix("-")
        given = {"groupId": ".".join(group), "artifactId": artifact, "version": version}
        return {**given, "classifier": classifier} if classifier else given


@dataclasses.dataclass(frozen=True)
class Installed:
    """The parts of an engine.

    Attributes:
      engine: `flink`.
      version: of the engine.
      folder: which contains the parts.
      files: how many.
      bytes: of all.
      fetched: whether this call fetched them; False if they were complete.
    """

    engine: str
    version: str
    folder: pathlib.Path
    files: int
    bytes: int
    fetched: bool


def default_folder() -> pathlib.Path:
    """Return the folder of SAE_CLUSTER_PARTS, else `~/.cache/sae/cluster`.

    Raises:
      UsageError: the variable is no path on this machine.
      UnavailableError: the path is too long.
    """
    given = os.environ.get(VARIABLE) or _DEFAULT
    try:
        return pathlib.Path(local_path(given))
    except ValueError as error:
        raise UsageError(f"{VARIABLE}={given} is not allowed: {error}") from error


def engine_folder(parts: pathlib.Path, engine: ClusterEngine) -> pathlib.Path:
    """Return the folder with the jars of an engine, in the layout of a repository."""
    return parts / f"{engine.name}-{engine.version}"


def read_lock(engine: ClusterEngine) -> list[Jar]:
    """Return the jars of an engine, from the lock beside this module, whose lines are `SHA256  PATH`."""
    text = pathlib.Path(__file__).with_name(f"{engine.name}.lock").read_text(encoding="utf-8")
    pairs = (line.split("  ") for line in text.splitlines() if not line.startswith("#"))
    return [Jar(path, digest) for digest, path in pairs]


def class_path(parts: pathlib.Path, engine: ClusterEngine) -> list[pathlib.Path]:
    """Return the jars of an installed engine.

    Raises:
      UnavailableError: one is missing, or has other bytes than the lock says.
    """
    folder, jars = engine_folder(parts, engine), read_lock(engine)
    if why := damage(folder, jars):
        what = why if folder.is_dir() else f"{engine} is not installed in {parts}"
        raise UnavailableError(f"{what}: run `{install_command(engine, parts)}`")
    return [folder / jar.path for jar in jars]


def install_command(engine: ClusterEngine, parts: pathlib.Path) -> str:
    """Return the command that installs an engine in a folder."""
    option = "" if parts == default_folder() else f" --to {shell.quoted(str(parts))}"
    return f"sae cluster install --engine {engine.name}{option}"


def install(engine: ClusterEngine, parts: pathlib.Path, note: Callable[[str], None] = lambda text: None) -> Installed:
    """Fetch the jars of an engine into a folder of `parts`, unless they are there with their digests.

    The folder gets its name when it is complete. `note` gets a line before Maven starts.

    Raises:
      UnavailableError: Maven is missing or cannot fetch them, or the bytes of a file differ from the lock.
    """
    jars, folder = read_lock(engine), engine_folder(parts, engine)
    fetched = bool(damage(folder, jars))
    if fetched:
        note(f"Maven fetches {counted(len(jars), 'jar file')} of {engine}; the first time takes minutes")
        try:
            _fetch(engine, jars, folder)
        except OSError as error:
            todo = advice(error, "choose another folder with --to")
            raise UnavailableError(f"cannot write to {parts}: {cause_text(error)}; {todo}") from error
    size = sum((folder / jar.path).stat().st_size for jar in jars)
    return Installed(engine.name, engine.version, folder, len(jars), size, fetched)


def _fetch(engine: ClusterEngine, jars: Sequence[Jar], folder: pathlib.Path) -> None:
    with unfinished_folder.create(folder) as unfinished:
        try:
            copy(project([jar.coordinates for jar in jars], alone=True), unfinished / "jars", unfinished / "pom.xml")
            if why := damage(unfinished / "jars", jars):
                raise UnavailableError(
                    f"{why}: Maven keeps its files in ~/.m2/repository; remove that one there, check the mirror in "
                    f"Maven's settings, and run `{install_command(engine, folder.parent)}` again"
                )
        except UnavailableError as error:
            if shutil.disk_usage(unfinished).free < _ROOM:  # Maven ends with exit code 0 then, and leaves half a file
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
        for path in (unfinished / "jars").rglob("*"):
            if path.is_file() and path.suffix != ".jar":  # Maven's own notes
                path.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        (unfinished / "jars").rename(folder)


def damage(folder: pathlib.Path, jars: Sequence[Jar]) -> str:
    """Describe the first jar that is missing in a folder or has other bytes than the lock says; empty if none."""
    for jar in jars:
        path = folder / jar.path
        if not path.is_file():
            return f"{path} is missing"
        if (found := file_digests.of_file(path)) != jar.digest:
            return f"{path} has SHA-256 {found[:_DIGITS]}..., the lock has {jar.digest[:_DIGITS]}..."
    return ""


def project(dependencies: Sequence[dict[str, str]], alone: bool) -> str:
    """Return a project for Maven with these dependencies; `alone`: without what they need themselves."""
    root = ElementTree.Element("project", xmlns="http://maven.apache.org/POM/4.0.0")
    own = {"modelVersion": "4.0.0", "groupId": "sae", "artifactId": "cluster", "version": "1", "packaging": "pom"}
    for name, value in own.items():
        ElementTree.SubElement(root, name).text = value
    listed = ElementTree.SubElement(root, "dependencies")
    for one in dependencies:
        added = ElementTree.SubElement(listed, "dependency")
        for name, value in {**one, "scope": "runtime"}.items():
            ElementTree.SubElement(added, name).text = value
        if alone:
            excluded = ElementTree.SubElement(ElementTree.SubElement(added, "exclusions"), "exclusion")
            ElementTree.SubElement(excluded, "groupId").text = ElementTree.SubElement(excluded, "artifactId").text = "*"
    return ElementTree.tostring(root, encoding="unicode")


def copy(text: str, folder: pathlib.Path, file: pathlib.Path) -> None:
    """Copy the dependencies of a project for Maven to a folder, in the layout of a repository.

    Args:
      text: of the project.
      folder: for the jars.
      file: to which the text is written.

    Raises:
      UnavailableError: Maven is missing, or it failed.
    """
    if (maven := shutil.which("mvn")) is None:
        raise UnavailableError(
            "Maven (`mvn`) is not on PATH, it fetches the jars: install it, as by `apt-get install maven`"
        )
    file.write_text(text, encoding="utf-8")
    options = [f"-DoutputDirectory={folder}", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true"]
    command = [maven, "-B", "-q", "-Dstyle.color=never", "-f", str(file), COPY, *options]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        why = next((line for line in lines if "[ERROR]" in line), lines[-1] if lines else "it printed nothing")
        raise UnavailableError(
            f"Maven failed with exit code {done.returncode}: {why.replace('[ERROR]', '').strip()}; "
            "check the network, and mirrors and proxies in ~/.m2/settings.xml, then run the command again: "
            "it fetches only what is missing"
        )
