"""The lock of a cluster's parts, and what Maven is asked for. `tests/cluster` fetches them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from pipeline.cluster import java, parts
from pipeline.cluster.engines import ENGINES, FLINK, SPARK, ClusterEngine
from pipeline.core.errors import UnavailableError, UsageError

SMALL = ClusterEngine("small", "1", ("a.b:c:1",))
BYTES = b"a jar"


def program(folder: pathlib.Path, name: str, text: str) -> None:
    """Put a program on PATH that runs a shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


@pytest.fixture
def small_lock(monkeypatch: pytest.MonkeyPatch) -> list[parts.Jar]:
    """Make the lock of every engine one small jar."""
    jars = [parts.Jar("a/b/c/1/c-1.jar", hashlib.sha256(BYTES).hexdigest())]
    monkeypatch.setattr(parts, "read_lock", lambda engine: jars)
    return jars


def writes(content: str) -> str:
    """A script that does what Maven does here: it writes the jar, and a note of its own beside it."""
    return f"""for one in "$@"; do case $one in -DoutputDirectory=*) to=${{one#*=}};; esac; done
mkdir -p "$to/a/b/c/1"; printf '{content}' > "$to/a/b/c/1/c-1.jar"; echo x > "$to/a/b/c/1/_remote.repositories" """


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_every_line_of_a_lock_is_a_jar_and_what_was_asked_for_is_among_them(engine: ClusterEngine) -> None:
    jars = parts.read_lock(engine)
    found = {":".join((one["groupId"], one["artifactId"], one["version"])) for one in (jar.coordinates for jar in jars)}
    assert set(engine.packages) <= found
    assert len({jar.path for jar in jars}) == len(jars)
    for jar in jars:
        assert re.fullmatch(r"[0-9a-f]{64}", jar.digest)
        assert re.fullmatch(r"([\w-][\w.-]*/){3,}[\w.-]+\.jar", jar.path)


def test_coordinates_follow_from_the_path() -> None:
    epoll = parts.Jar("io/netty/epoll/4.1.96.Final/epoll-4.1.96.Final-linux-x86_64.jar", "0" * 64)
    assert epoll.coordinates == {
        "groupId": "io.netty",
        "artifactId": "epoll",
        "version": "4.1.96.Final",
        "classifier": "linux-x86_64",
    }
    plain = parts.Jar("org/slf4j/slf4j-api/1.7.30/slf4j-api-1.7.30.jar", "0" * 64)
    assert plain.coordinates == {"groupId": "org.slf4j", "artifactId": "slf4j-api", "version": "1.7.30"}


def test_maven_is_asked_for_each_jar_alone() -> None:
    root = ElementTree.fromstring(parts.project([jar.coordinates for jar in parts.read_lock(SPARK)], alone=True))
    name = "{http://maven.apache.org/POM/4.0.0}"
    listed = root.findall(f"{name}dependencies/{name}dependency")
    assert len(listed) == len(parts.read_lock(SPARK))
    assert {one.findtext(f"{name}exclusions/{name}exclusion/{name}artifactId") for one in listed} == {"*"}


def test_install_fetches_once_and_again_after_damage(
    tmp_path: pathlib.Path, bin_folder: pathlib.Path, small_lock: list[parts.Jar]
) -> None:
    program(bin_folder, "mvn", writes(BYTES.decode()))
    notes: list[str] = []
    place = tmp_path / "parts"
    first = parts.install(SMALL, place, notes.append)
    assert (first.fetched, first.files, first.bytes) == (True, 1, len(BYTES))
    assert [path.name for path in first.folder.rglob("*") if path.is_file()] == ["c-1.jar"]
    assert parts.class_path(place, SMALL) == [first.folder / small_lock[0].path]
    assert not parts.install(SMALL, place, notes.append).fetched
    (first.folder / small_lock[0].path).write_bytes(b"others")
    with pytest.raises(UnavailableError, match=f"SHA-256.*`sae cluster install --engine small --to {place}`"):
        parts.class_path(place, SMALL)
    assert parts.install(SMALL, place, notes.append).fetched
    assert len(notes) == 2
    assert os.listdir(place) == ["small-1"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (writes("other bytes"), "SHA-256"),
        ("exit 0", "is missing"),
        ("echo '[INFO] x'; echo '[ERROR] no route'; exit 3", "exit code 3: no route"),
        ("exit 1", "printed nothing"),
    ],
)
def test_a_failed_installation_leaves_nothing(
    script: str, message: str, tmp_path: pathlib.Path, bin_folder: pathlib.Path, small_lock: list[parts.Jar]
) -> None:
    program(bin_folder, "mvn", script)
    with pytest.raises(UnavailableError, match=message):
        parts.install(SMALL, tmp_path / "parts")
    assert not any((tmp_path / "parts").iterdir())
    with pytest.raises(UnavailableError, match=f"`sae cluster install --engine small --to {tmp_path}/parts`"):
        parts.class_path(tmp_path / "parts", SMALL)


def test_a_full_disk_is_named_and_not_the_bytes(
    tmp_path: pathlib.Path,
    bin_folder: pathlib.Path,
    small_lock: list[parts.Jar],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program(bin_folder, "mvn", writes("half a j"))
    monkeypatch.setattr(parts.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(2**30, 2**30, 0))
    with pytest.raises(UnavailableError, match=r"No space left on device.*free space"):
        parts.install(SMALL, tmp_path / "parts")


def test_the_default_folder_needs_no_option(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAE_CLUSTER_PARTS", str(tmp_path))
    assert parts.install_command(FLINK, tmp_path) == "sae cluster install --engine flink"
    assert parts.install_command(FLINK, tmp_path / "a b") == f"sae cluster install --engine flink --to '{tmp_path}/a b'"


def test_installing_needs_maven_and_a_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, small_lock: list[parts.Jar]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="Maven"):
        parts.install(SMALL, tmp_path / "parts")
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="--to"):
        parts.install(SMALL, tmp_path / "file")


def test_the_folder_of_the_variable_is_one_of_this_machine(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(parts.VARIABLE, "~/here")
    assert parts.default_folder() == tmp_path / "here"
    monkeypatch.setenv(parts.VARIABLE, "s3://bucket")
    with pytest.raises(UsageError, match="URL"):
        parts.default_folder()


@pytest.mark.parametrize("engine", ENGINES.values(), ids=str)
@pytest.mark.parametrize(
    "line",
    ['openjdk version "21.0.13" 2026-10-20', 'openjdk version "17.0.15" 2025-04-15', 'openjdk version "11.0.22"'],
)
def test_java_that_is_supported(engine: ClusterEngine, line: str, bin_folder: pathlib.Path) -> None:
    program(bin_folder, "java", f"echo '{line}' >&2")
    assert java.find(engine) == str(bin_folder / "java")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'openjdk version \"25.0.1\"' >&2", "is Java 25.*11 or 17 or 21"),
        ("echo 'java version \"1.8.0_402\"' >&2", "is Java 8"),
        ("exit 1", "exit code 1"),
    ],
)
def test_java_that_is_not(script: str, message: str, bin_folder: pathlib.Path) -> None:
    program(bin_folder, "java", script)
    with pytest.raises(UnavailableError, match=message):
        java.find(FLINK)


def test_java_that_does_not_end(bin_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bin_folder, "java", "exec sleep 600")
    monkeypatch.setattr(java, "_SECONDS", 0.2)
    with pytest.raises(UnavailableError, match="has not ended"):
        java.find(FLINK)


def test_java_home_comes_first(
    tmp_path: pathlib.Path, bin_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bin_folder, "java", "echo 'openjdk version \"17\"'")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java.find(FLINK) == str(bin_folder / "java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match="cannot be started"):
        java.find(FLINK)


def test_no_java(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="not on PATH"):
        java.find(FLINK)
