"""tools/debian_chroot.py: the root is made once, again when it must be, and in no folder that holds other things.

What runs in the root is proven by `make test-current` and `make test-tfx-versions`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.cluster import parts
from pipeline.core import tfx_versions
from tests import PROJECT

ROOT = PROJECT


@pytest.fixture
def checkout(debian_chroot: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A git checkout that stands for the project's: a tracked, an untracked and an ignored file."""
    folder = tmp_path / "checkout"
    (folder / "package").mkdir(parents=True)
    for name, text in {"package/tracked": "1", "untracked": "2", "ignored": "3", ".gitignore": "ignored\n"}.items():
        (folder / name).write_text(text)
    for command in (["init", "--quiet"], ["add", "package", ".gitignore"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.setattr(debian_chroot.bootstrap, "ROOT", folder)
    return folder


@pytest.fixture
def machine(debian_chroot: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with tools that note what they are asked to do; returns the file with their calls."""
    calls = tmp_path / "calls"
    scripts = {
        "debootstrap": 'mkdir -p "$3/etc" "$3/opt"; [ ! -e "$FAIL_DEBOOTSTRAP" ]',
        "unshare": 'for word; do last=$word; done; [ "$last" != "$FAIL_STEP" ]',
    }
    for name, text in scripts.items():
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nfor word; do last=$word; done\necho "{name} $last" >> {calls}\n{text}\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(debian_chroot, "environment", lambda index: dict(os.environ))
    monkeypatch.setattr(debian_chroot, "RECIPE", tmp_path / "recipe")
    (tmp_path / "recipe").write_text("first")
    return calls


def called(calls: Path) -> list[str]:
    """First and last word of the calls since the last time."""
    found = calls.read_text().splitlines() if calls.exists() else []
    calls.unlink(missing_ok=True)
    return found


def made(root: Path) -> list[str]:
    return [f"debootstrap {root}", "unshare build", "unshare run", "unshare test"]


def test_the_root_is_made_once_and_again_when_its_recipe_changes(
    debian_chroot: ModuleType, machine: Path, tmp_path: Path
) -> None:
    root = tmp_path / "cache/root"
    debian_chroot.Debian(tmp_path / "cache").prepare()
    assert called(machine) == made(root)
    (root / "left by the first").write_text("")
    debian_chroot.Debian(tmp_path / "cache").prepare()
    assert called(machine) == []
    (tmp_path / "recipe").write_text("second")
    debian_chroot.Debian(tmp_path / "cache").prepare()
    assert called(machine) == made(root)
    assert not (root / "left by the first").exists()


@pytest.mark.parametrize("step", ["debootstrap", "build", "run", "test"])
def test_a_root_that_was_not_finished_is_made_again(
    debian_chroot: ModuleType, machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    debian_chroot.Debian(tmp_path / "cache").prepare()
    (tmp_path / "recipe").write_text("second")
    monkeypatch.setenv("FAIL_STEP", step)
    monkeypatch.setenv("FAIL_DEBOOTSTRAP", str(tmp_path if step == "debootstrap" else ""))
    with pytest.raises(debian_chroot.bootstrap.Missing, match=step):
        debian_chroot.Debian(tmp_path / "cache").prepare()
    called(machine)
    monkeypatch.setenv("FAIL_STEP", "")
    monkeypatch.setenv("FAIL_DEBOOTSTRAP", "")
    (tmp_path / "recipe").write_text("first")  # that of the root which the failure left half removed
    debian_chroot.Debian(tmp_path / "cache").prepare()
    assert called(machine) == made(tmp_path / "cache/root")


def test_a_mirror_can_be_named(
    debian_chroot: ModuleType, machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAE_DEBIAN_MIRROR", "http://127.0.0.1/debian")
    debian_chroot.Debian(tmp_path / "cache").prepare()
    assert called(machine)[0] == "debootstrap http://127.0.0.1/debian"


def test_the_copy_follows_the_checkout(
    debian_chroot: ModuleType, machine: Path, checkout: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "cache/root/opt/sae"

    def files() -> dict[str, str]:
        debian_chroot.Debian(tmp_path / "cache").prepare()
        return {path.relative_to(copy).as_posix(): path.read_text() for path in copy.rglob("*") if path.is_file()}

    expected = {"package/tracked": "1", "untracked": "2", ".gitignore": "ignored\n"}
    assert files() == expected
    # What was made in the copy stays; what went away here goes away there.
    (copy / "ignored").write_text("the copy's own")
    (checkout / "package/tracked").write_text("changed")
    (checkout / "untracked").unlink()
    (checkout / "new").write_text("new")
    assert files() == {
        "package/tracked": "changed",
        "new": "new",
        ".gitignore": "ignored\n",
        "ignored": "the copy's own",
    }


@pytest.mark.parametrize("is_default", [False, True])
def test_the_root_reads_data_sets_and_the_programs_of_a_cluster(
    debian_chroot: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_default: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(parts.VARIABLE, "" if is_default else str(tmp_path / "programs"))
    assert debian_chroot.mounted(None) == []
    here = parts.default_folder()
    here.mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    assert debian_chroot.mounted(None) == [
        (tmp_path / "shared", Path("/opt/shared"), "ro"),
        (here, Path("/root/.cache/sae/cluster"), "ro"),
    ]
    assert debian_chroot.mounted(tmp_path)[0] == (tmp_path, tmp_path, "rw")


def test_a_folder_of_somebody_else_is_left_alone(debian_chroot: ModuleType, machine: Path, tmp_path: Path) -> None:
    (tmp_path / "home/root").mkdir(parents=True)
    (tmp_path / "home/root/thesis").write_text("")
    with pytest.raises(debian_chroot.bootstrap.Missing, match=r"SAE_DEBIAN_ROOT"):
        debian_chroot.Debian(tmp_path / "home").prepare()
    assert [path.name for path in (tmp_path / "home").rglob("*")] == ["root", "thesis"]
    assert called(machine) == []


def test_the_root_is_not_made_inside_the_checkout(debian_chroot: ModuleType, machine: Path, checkout: Path) -> None:
    for folder in (checkout, checkout / "cache"):
        with pytest.raises(debian_chroot.bootstrap.Missing):
            debian_chroot.Debian(folder).prepare()
    assert not (checkout / "cache").exists()
    assert called(machine) == []


def test_what_a_root_needs_is_named_in_one_line(
    debian_chroot: ModuleType,
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "bin/debootstrap").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(debian_chroot.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("SAE_DEBIAN_ROOT", str(tmp_path / "cache"))
    monkeypatch.setattr(tfx_versions, "glibc_version", lambda: (2, 36))
    monkeypatch.setattr(debian_chroot.sys, "platform", "linux")
    assert debian_chroot.main(["make", "test"]) == 6
    missing = "debootstrap, chroot, mount, the rights of root"
    assert capsys.readouterr().err == f"error: TFX 1.21 needs glibc 2.39 or a Debian 13 root, and for that: {missing}\n"
    assert not (tmp_path / "cache").exists()


def test_with_a_new_c_library_the_command_just_runs(debian_chroot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(tfx_versions, "glibc_version", lambda: (2, 39))
    monkeypatch.setattr(debian_chroot.sys, "platform", "linux")
    monkeypatch.setattr(debian_chroot.os, "chdir", lambda folder: ran.append(folder))
    monkeypatch.setattr(debian_chroot.os, "execvp", lambda file, words: ran.append((file, words)))
    monkeypatch.setattr(debian_chroot, "enter", lambda words, share: None)
    debian_chroot.main(["make", "test"])
    assert ran == [str(ROOT), ("make", ["make", "test"])]


def test_the_index_and_the_certificates_of_this_machine_hold_in_the_root(
    debian_chroot: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {*debian_chroot.PASSED, *debian_chroot.PROXIES}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("HOME", "/home/user")
    env = debian_chroot.environment({"UV_DEFAULT_INDEX": "http://127.0.0.1/simple", "SSL_CERT_FILE": "/etc/own.crt"})
    assert env.pop("PATH").endswith("/bin")
    assert env == {
        "CI": "true",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "UV_DEFAULT_INDEX": "http://127.0.0.1/simple",
        "PIP_INDEX_URL": "http://127.0.0.1/simple",
        "SSL_CERT_FILE": "/etc/ssl/host.crt",
        "PIP_CERT": "/etc/ssl/host.crt",
    }
