"""Makes .venv from the locks. `make` calls this before everything else it does.

    tools/bootstrap.py run     the locked packages and the project itself
    tools/bootstrap.py dev     the same, with the packages for tests and linters
    tools/bootstrap.py lock    compile both locks again from pyproject.toml

It runs on any Python from 3.6 and needs no package, because it comes first (hence the quoted types
and the old calls). What is missing is named in one line, before anything is installed, with exit
code 6. Nothing is written outside the checkout but the caches of uv and pip.
"""

import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from pipeline.core import tfx_versions  # noqa: E402

VENV = ROOT / ".venv"
OWN = ROOT / ".uv"  # a uv of our own, and the Python that uv downloads
EXIT_MISSING = 6
OLDEST_UV = (0, 7)  # knows every option used here

LOCKS = {
    "run": ("requirements.txt",),
    "dev": ("requirements.txt", "requirements-dev.txt"),
}


# Prints whether it is the usual CPython, its version, and whether its headers are there. It fails
# where a module is missing that the packages need, as happens to a Python built from source.
PROBE = """
import bz2, ctypes, lzma, os, ssl, sys, sysconfig
free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
print(sys.implementation.name == "cpython" and not free_threaded)
print("%d.%d" % sys.version_info[:2])
print(os.path.exists(header))
"""


class Missing(Exception):
    """What is missing, in one line."""


class Python(NamedTuple):
    """An interpreter that really runs."""

    path: str
    version: str  # "3.13"
    headers: bool  # its Python.h is there


# --- which interpreter -------------------------------------------------------------------------


def wanted_pythons(tfx: "tfx_versions.TfxVersion") -> "list[str]":
    """Return the Python versions that a TFX version supports, the preferred one first."""
    return ["%d.%d" % version for version in tfx.pythons]


def path_folders() -> "list[str]":
    return [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def candidates(version: str) -> "Iterator[str]":
    """Where this version may be: on PATH, then in pyenv's folder, the newest one first."""
    for folder in path_folders():
        # An activated .venv of ours is on PATH too, but it is what we are about to make.
        if Path(folder) != VENV / "bin":
            yield os.path.join(folder, "python" + version)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    pattern = os.path.join(pyenv, "versions", version + ".*", "bin", "python" + version)
    yield from sorted(glob.glob(pattern), key=patch_number, reverse=True)


def patch_number(path: str) -> int:
    """10 of .../versions/3.13.10/bin/python3.13"""
    found = re.search(r"versions/\d+\.\d+\.(\d+)", path)
    return int(found.group(1)) if found else 0


def probe(path: str) -> "Python | None":
    """Run it and see what it is; None when it does not run, as pyenv's shims may not."""
    printed = output([path, "-I", "-c", PROBE]).split()
    if len(printed) != 3 or printed[0] != "True":
        return None
    return Python(path, version=printed[1], headers=printed[2] == "True")


def find_pythons(versions: "Sequence[str]") -> "list[Python]":
    """Every interpreter of these versions that runs, in the order of the versions."""
    found = [probe(path) for version in versions for path in candidates(version)]
    return [python for python in found if python and python.version in versions]


def pythons_from_uv(uv: str, version: str) -> "list[Python]":
    """A Python of uv's own: one that it has already, or else a new one, kept in the checkout."""
    env = dict(os.environ)
    env.setdefault("UV_PYTHON_PREFERENCE", "only-managed")
    own = dict(env)
    own.setdefault("UV_PYTHON_INSTALL_DIR", str(OWN / "python"))
    own.setdefault("UV_PYTHON_INSTALL_BIN", "0")  # no link in the home folder
    find = [uv, "python", "find", "--system", version]
    path = output(find, env) or output(find, own)
    if not path:
        say("downloading Python " + version)
        output([uv, "python", "install", version], own)
        path = output(find, own)
    python = probe(path.strip())
    return [python] if python else []


# --- which uv ----------------------------------------------------------------------------------


def find_uv() -> str:
    """The first uv on PATH that runs and is new enough, or the one we got before, or ""."""
    for folder in [*path_folders(), str(OWN / "bin")]:
        uv = os.path.join(folder, "uv")
        found = re.match(r"uv (\d+)\.(\d+)", output([uv, "--version"]))
        if found and (int(found.group(1)), int(found.group(2))) >= OLDEST_UV:
            return uv
    return ""


def has_pip(python: str) -> bool:
    return bool(output([python, "-m", "pip", "--version"]))


def find_installer(pythons: "Sequence[Python]") -> str:
    """A Python that can get uv: it has pip, or can make a venv that has pip; or "".

    The one that runs this file comes last: it may be too old for uv's packages.
    """
    for path in [python.path for python in pythons] + [sys.executable]:
        if has_pip(path) or output([path, "-c", "import ensurepip, venv; print('yes')"]):
            return path
    return ""


def get_uv(python: str) -> str:
    """The uv that requirements-dev.txt names, by pip from the index that pip is set up for."""
    say("getting uv")
    entry = lock_entry("uv", "requirements-dev.txt")
    if not has_pip(python):
        run([python, "-m", "venv", "--clear", str(OWN / "pip")])
        python = str(OWN / "pip" / "bin" / "python")
    # Settings that are meant for other installs and make pip refuse this one.
    env = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    env.setdefault("PIP_ROOT_USER_ACTION", "ignore")
    pip = [python, "-m", "pip", "install", "-qq", "--no-deps", "--only-binary=:all:"]
    pip += ["--require-hashes", "--upgrade", "--target", str(OWN)]
    run([*pip, "-r", entry], env)
    return str(OWN / "bin" / "uv")


def uv_environment() -> "dict[str, str]":
    """The environment for uv's downloads.

    uv does not read pip's settings. Where it has none of its own it gets pip's index and
    certificate, because some machines are set up for pip alone.
    """
    env = dict(os.environ)
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    files = [os.path.join(folder, "uv", "uv.toml") for folder in (config, "/etc")]
    indexes = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"]
    if any(map(os.path.exists, files)) or any(map(os.environ.get, indexes)):
        return env
    listed = output([sys.executable, "-m", "pip", "config", "list"])
    pip = dict(re.findall(r"(?m)^[\w:]+\.(index-url|cert)='(.*)'$", listed))
    index = os.environ.get("PIP_INDEX_URL") or pip.get("index-url")
    certificate = os.environ.get("PIP_CERT") or pip.get("cert")
    if index:
        env["UV_DEFAULT_INDEX"] = index
    if certificate:
        env.setdefault("SSL_CERT_FILE", certificate)
    return env


# --- .venv -------------------------------------------------------------------------------------


def stamp_file(kind: str) -> Path:
    """Written last, so a .venv without it is half made."""
    return VENV / ("complete-%s.json" % kind)


def stamp(kind: str, version: str) -> "dict[str, str]":
    """What .venv is made from. Its scripts hold its path, so a moved checkout counts as new."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(tfx_versions.__file__).read_bytes())
    for name in LOCKS[kind]:
        digest.update((ROOT / name).read_bytes())
    # Of pyproject.toml only what the install of the project reads, not the linters' settings.
    sections = re.split(r"(?m)^(?=\[)", (ROOT / "pyproject.toml").read_text("utf-8"))
    for section in sections:
        if re.match(r"\[(project|build-system|tool\.setuptools)", section):
            digest.update(section.encode("utf-8"))
    return {"folder": str(ROOT), "python": version, "inputs": digest.hexdigest()}


def read_stamp(kind: str) -> "dict[str, str]":
    """What the .venv that is there was made from; {} when it is half made or does not run."""
    try:
        found = json.loads(stamp_file(kind).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    # False when its interpreter, to which it is a link, went away.
    runs = (VENV / "bin" / "python").exists()
    return found if runs and isinstance(found, dict) else {}


def has_compiler() -> bool:
    """Runs it, because macOS has a c++ that does nothing until its tools are installed."""
    names = [os.environ.get("CXX", "").split(" ")[0], "c++", "g++", "clang++"]
    return any(output([name, "--version"]) for name in names if name)


def set_up(kind: str) -> None:
    """Make .venv complete; return at once when it is."""
    tfx = tfx_versions.for_machine(sys.platform, os.uname().machine, tfx_versions.glibc_version())
    if tfx is None:
        raise Missing("TFX has packages for Linux x86_64 (glibc) and macOS arm64 only")
    versions = wanted_pythons(tfx)
    old = read_stamp(kind)
    if old.get("python") in versions and old == stamp(kind, old["python"]):
        return

    # Each TFX version needs a C++ package that has no wheel (pyfarmhash): it is built here.
    missing = []
    if not has_compiler():
        missing.append("a C++ compiler (Debian: g++; macOS: xcode-select --install)")
    pythons = find_pythons(versions)
    uv = find_uv()
    installer = uv or find_installer(pythons)
    if not installer:
        missing.append("uv, and pip or venv to get it with (Debian: python3-venv)")
    if missing:
        raise Missing("missing: " + "; ".join(missing))

    uv = uv or get_uv(installer)
    usable = [python for python in pythons if python.headers]
    usable = usable or pythons_from_uv(uv, versions[0])
    if not usable and pythons:
        path, version, _ = pythons[0]
        what = "the headers of %s (Debian: python%s-dev)" % (path, version)
        raise Missing("missing: %s; uv could not download a Python" % what)
    if not usable:
        what = "Python %s (with bz2, ctypes, lzma, ssl), on PATH or in pyenv's folder" % " or ".join(versions)
        raise Missing("missing: %s; uv could not download one" % what)
    install(kind, uv, usable[0])


def install(kind: str, uv: str, python: Python) -> None:
    complete = [each for each in LOCKS if set(LOCKS[each]) <= set(LOCKS[kind])]
    stamps = {each: stamp(each, python.version) for each in complete}
    old = read_stamp("run")
    for each in LOCKS:
        if stamp_file(each).exists():
            stamp_file(each).unlink()

    say("installing %s, Python %s" % (" and ".join(LOCKS[kind]), python.version))
    if (old.get("folder"), old.get("python")) != (str(ROOT), python.version):
        remove(VENV)
        run([uv, "venv", "--quiet", "--no-project", "--python", python.path, str(VENV)])
    env = uv_environment()
    target = ["--python", str(VENV / "bin" / "python")]
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    # Packages without wheels, and the project, are built with the setuptools of the lock, which
    # therefore comes first. A build of its own would fetch one without a hash.
    build = ["--no-build-isolation"]
    hashed = ["--require-hashes", "--compile-bytecode"]
    setuptools = ["--quiet", "-r", lock_entry("setuptools", "requirements.txt")]
    run([uv, "pip", "install", *target, *hashed, "--no-deps", *setuptools], env)
    run([uv, "pip", "sync", *target, *hashed, *build, *quiet, *LOCKS[kind]], env)
    env["UV_REQUIRE_HASHES"] = "0"  # the project itself has none
    project = ["--quiet", "--no-deps", "--editable", str(ROOT)]
    run([uv, "pip", "install", *target, *build, *project], env)

    for each, content in stamps.items():
        stamp_file(each).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def remove(folder: Path) -> None:
    if folder.is_symlink():  # the user's own arrangement: leave alone what it points to
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(str(folder))


# --- the locks ---------------------------------------------------------------------------------


def lock_entry(name: str, lock: str) -> str:
    """A requirements file with one package of a lock and its hashes, in the checkout.

    Without the marker: uv is got by whatever Python is there, not only by the project's own.
    """
    text = (ROOT / lock).read_text("utf-8")
    found = re.search(r"(?m)^%s==(?:.*\\\n)*.*" % re.escape(name), text)
    if not found:
        raise Missing("%s is not in %s; `make lock` makes it again" % (name, lock))
    OWN.mkdir(exist_ok=True)
    path = OWN / (name + ".txt")
    path.write_text(re.sub(r" ;.*", r" \\", found.group(), count=1) + "\n", "utf-8")
    return str(path)


def lock(options: "Sequence[str]") -> None:
    """Compile both locks. Versions stay where they can; the option `--upgrade` renews them."""
    # The locked uv where it is, because versions of uv word the same markers in different ways.
    own = str(VENV / "bin" / "uv")
    uv = own if output([own, "--version"]) else find_uv()
    installer = uv or find_installer([])
    if not installer:
        raise Missing("missing: uv, and pip or venv to get it with (Debian: python3-venv)")
    uv = uv or get_uv(installer)
    env = dict(uv_environment(), UV_CUSTOM_COMPILE_COMMAND="make lock")
    shared = ["--quiet", "--universal", "--generate-hashes", "--python-version", "3.10"]
    for inputs in (
        ["pyproject.toml", "-o", "requirements.txt"],
        ["--group", "dev", "-c", "requirements.txt", "-o", "requirements-dev.txt"],
    ):
        run([uv, "pip", "compile", *shared, *options, *inputs], env)


# --- small tools -------------------------------------------------------------------------------


def say(text: str) -> None:
    sys.stderr.write("bootstrap: %s\n" % text)
    sys.stderr.flush()


def output(command: "Sequence[str]", env: "dict[str, str] | None" = None) -> str:
    """What a command prints; "" when it is not there or fails."""
    try:
        return subprocess.check_output(command, env=env, cwd=str(ROOT), stderr=subprocess.DEVNULL, timeout=600).decode(
            "utf-8", "replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""


def run(command: "Sequence[str]", env: "dict[str, str] | None" = None) -> None:
    """Run a command whose own messages the user sees."""
    if subprocess.call(command, env=env, cwd=str(ROOT)) != 0:
        words = [os.path.basename(command[0]), *command[1:3]]
        raise Missing("`%s` failed, see above; try again" % " ".join(words))


def main(arguments: "Sequence[str]") -> int:
    try:
        if arguments[:1] == ["lock"]:
            lock(arguments[1:])
        elif len(arguments) == 1 and arguments[0] in LOCKS:
            set_up(arguments[0])
        else:
            sys.stderr.write("usage: tools/bootstrap.py run | dev | lock [OPTIONS OF uv]\n")
            return 2
    except (Missing, OSError) as error:
        sys.stderr.write("error: %s\n" % error)
        return EXIT_MISSING
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
