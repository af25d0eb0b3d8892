"""What is noted of commit, lock, TensorFlow's build and machine; nothing of it may fail, hang or write."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from pipeline.provenance import environment, packages
from tests import PROJECT

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def run_git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A project with one commit."""
    folder = tmp_path / "project"
    for name in ("components/a.py", "pipeline/b.py", "pipeline_config.py", "requirements.txt", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    (folder / ".gitignore").write_text("__pycache__/\n")
    run_git(folder, "init", "-q")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-q", "-m", "first")
    return folder


@needs_git
def test_the_commit_of_a_clean_project(repository):
    commit = run_git(repository, "rev-parse", "HEAD")
    assert environment.checkout(repository) == environment.Checkout(environment.Git(commit, dirty=False))


@needs_git
@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("components/a.py", True),
        ("components/new.py", True),
        ("pipeline/inner/new.py", True),
        ("pipeline_config.py", True),
        ("requirements.txt", True),
        ("README.md", False),
        ("new.py", False),
        ("components/__pycache__/a.pyc", False),
    ],
)
def test_what_makes_a_project_dirty(repository, name, dirty):
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("2")
    found = environment.checkout(repository).git
    assert found is not None
    assert found.dirty == dirty


@needs_git
def test_removed_and_staged_files_make_it_dirty(repository):
    (repository / "components" / "a.py").unlink()
    assert environment.checkout(repository).git.dirty
    run_git(repository, "add", "-A")
    assert environment.checkout(repository).git.dirty
    run_git(repository, "commit", "-q", "-m", "second")
    assert not environment.checkout(repository).git.dirty


@needs_git
def test_a_project_below_another_repository_has_no_commit(repository):
    installed = repository / "lib" / "site-packages"
    shutil.copytree(repository / "pipeline", installed / "pipeline")
    assert environment.checkout(installed).git is None


@needs_git
def test_code_in_another_repository_has_the_commit_of_that_one_and_is_dirty_by_its_own_files(repository, tmp_path):
    module, helper, elsewhere = repository / "mine" / "[a].py", repository / "help.py", tmp_path / "elsewhere.py"
    module.parent.mkdir()
    for file in (module, helper, elsewhere):
        file.write_text("1")
    assert environment.checkout_of(module).git is None
    assert environment.checkout_of(module).unknown == f"the repository {repository} does not track {module}"
    run_git(repository, "add", ".")
    run_git(repository, "commit", "-q", "-m", "second")
    commit = run_git(repository, "rev-parse", "HEAD")
    others = [str(module.parent), str(helper), str(elsewhere)]

    def is_dirty():
        assert environment.checkout_of(module, others).git.commit == commit
        return environment.checkout_of(module, others).git.dirty

    assert not is_dirty()
    (repository / "components" / "a.py").write_text("2")
    elsewhere.write_text("2")
    assert not is_dirty()
    helper.write_text("2")
    assert is_dirty()
    helper.write_text("1")
    (module.parent / "new.py").touch()
    assert is_dirty()


@needs_git
def test_code_that_is_reached_by_a_symbolic_link_has_the_commit_of_its_repository(repository, tmp_path):
    (tmp_path / "mine").symlink_to(repository / "components")
    (tmp_path / "other").symlink_to(repository / "pipeline")
    module, others = tmp_path / "mine" / "a.py", [str(tmp_path / "other")]
    commit = run_git(repository, "rev-parse", "HEAD")
    assert environment.checkout_of(module, others).git == environment.Git(commit, dirty=False)
    (repository / "pipeline" / "new.py").touch()
    assert environment.checkout_of(module, others).git == environment.Git(commit, dirty=True)


@needs_git
def test_code_in_no_repository_has_no_commit(tmp_path):
    assert environment.checkout_of(tmp_path / "a.py").git is None
    assert "not a git repository" in environment.checkout_of(tmp_path / "a.py").unknown
    assert "No such file" in environment.checkout_of(tmp_path / "missing" / "a.py").unknown


@needs_git
def test_a_linked_working_tree_is_a_repository(repository, tmp_path):
    run_git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    assert environment.checkout(tmp_path / "linked").git == environment.checkout(repository).git


@needs_git
def test_no_repository_and_one_without_commits(tmp_path):
    assert environment.checkout(tmp_path).unknown.startswith("not a git repository")
    run_git(tmp_path, "init", "-q")
    assert environment.checkout(tmp_path) == environment.Checkout(unknown="the repository has no commit")


def test_no_such_folder(tmp_path):
    assert environment.checkout(tmp_path / "missing").git is None


@needs_git
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_checkout_of_another_owner_tells_why_its_commit_is_unknown(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    found = environment.checkout(repository)
    assert found.git is None
    assert found.unknown.startswith(f"detected dubious ownership in repository at '{repository}'")
    assert f"`git config --global --add safe.directory {repository}`" in found.unknown


@needs_git
def test_a_damaged_repository(repository):
    (repository / ".git" / "HEAD").write_text("nonsense")
    assert environment.checkout(repository).git is None


@needs_git
def test_no_git_program(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.checkout(repository).git is None


def test_a_git_that_hangs_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "git"
    left = tmp_path / "left"
    program.write_text(f"#!/bin/sh\nsleep 30\ntouch {left}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(environment, "_COMMAND_SECONDS", 0.2)
    assert environment.checkout(tmp_path) == environment.Checkout(unknown="git took longer than 0.2 s")
    assert not left.exists()  # it was not waited for


@needs_git
def test_a_hooks_environment_does_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    found = environment.checkout(repository).git
    monkeypatch.undo()
    assert found.commit == run_git(repository, "rev-parse", "HEAD")


@needs_git
def test_nothing_is_written_to_the_repository(repository):
    # A file with new times but old content makes a plain `git status` write the index.
    os.utime(repository / "components" / "a.py", (1, 1))
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    index = (repository / ".git" / "index").read_bytes()
    assert environment.checkout(repository).git is not None
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before
    assert (repository / ".git" / "index").read_bytes() == index


def test_the_lock_is_named_and_digested(tmp_path):
    # The example of FIPS 180-4.
    (tmp_path / "requirements.txt").write_bytes(b"abc")
    assert environment.lock(tmp_path / "requirements.txt") == environment.Lock(
        "requirements.txt", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert environment.lock(tmp_path / "missing") is None


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Describes a made-up package of TensorFlow whose RECORD has these lines."""

    def described(*record, name="tensorflow_cpu"):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        info = folder / f"{name}-2.16.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 2.16.2\n")
        (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp310-cp310-b\nTag: cp310-cp310-a\n")
        (info / "RECORD").write_text("\n".join(["tensorflow/__init__.py,sha256=A,1", *record]) + "\n")
        monkeypatch.setattr(sys, "path", [str(folder)])
        return environment.tensorflow()

    return described


def test_the_build_of_tensorflow(build):
    found = build()
    assert (found.distribution, found.version, found.wheel) == (
        "tensorflow-cpu",
        "2.16.2",
        "cp310-cp310-a cp310-cp310-b",
    )


def test_another_library_is_another_build(build):
    one, other = build("tensorflow/lib.so,sha256=B,9"), build("tensorflow/lib.so,sha256=C,9")
    assert one.files != other.files


def test_what_an_installer_adds_is_not_another_build(build):
    installed = build(
        "../../../bin/saved_model_cli,sha256=of-a-path,9",
        "tensorflow/__pycache__/__init__.cpython-310.pyc,,",
        "tensorflow_cpu-2.16.2.dist-info/INSTALLER,sha256=uv,2",
        "tensorflow/lib.so,sha256=B,9",
    )
    assert installed == build("tensorflow/lib.so,sha256=B,9")


def test_no_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert environment.tensorflow() is None


def test_the_real_build_is_found_without_importing_it():
    text = (
        "import sys; from pipeline.provenance import environment, manifest; print(environment.tensorflow().version);"
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == importlib.metadata.version("tensorflow")


CPUINFO_X86 = """processor\t: 0
model name\t: Some Processor @ 2.0GHz
flags\t\t: fpu sse2 avx
bugs\t\t: spectre_v1

processor\t: 1
model name\t: Some Processor @ 2.0GHz
flags\t\t: fpu sse2 avx
"""
CPUINFO_ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\n"


@pytest.fixture
def linux(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    ("text", "model", "features"),
    [
        (CPUINFO_X86, "Some Processor @ 2.0GHz", ("avx", "fpu", "sse2")),
        (CPUINFO_ARM, "", ("asimd", "bf16", "fp")),
        ("", "", ()),
    ],
)
def test_the_processor_on_linux(linux, text, model, features):
    linux.write_text(text)
    found = environment.machine()
    assert (found.processor, found.features) == (model, features)


def test_a_processor_that_cannot_be_read(linux):
    assert environment.machine().features == ()


def test_the_processor_on_macos(tmp_path, monkeypatch):
    program = tmp_path / "sysctl"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -n ]; then echo "Apple M1"; else\n'
        'echo "hw.optional.arm.FEAT_BF16: 0"; echo "hw.optional.arm.FEAT_FP16: 1"; echo "hw.optional.neon: 1"; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "platform", "darwin")
    found = environment.machine()
    assert (found.processor, found.features) == ("Apple M1", ("arm.FEAT_FP16", "neon"))
    assert found.system.startswith("macOS")


@pytest.mark.skipif(not pathlib.Path("/proc/cpuinfo").exists(), reason="not Linux")
def test_this_machine():
    found = environment.machine()
    assert found.architecture
    assert found.system
    assert list(found.features) == sorted(set(found.features))
    assert found.features


def test_this_python():
    found = environment.python()
    assert sys.version.startswith(found.version)
    assert found.implementation.lower() == sys.implementation.name


def test_the_lock_of_this_project():
    assert packages.LOCK == environment.PROJECT / "requirements.txt"
