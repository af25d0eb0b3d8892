"""Make .venv from the locks. `make` calls this before everything else.

    tools/bootstrap.py run     install the locked packages and the project
    tools/bootstrap.py start   the same for `make run`, which begins sooner: what a run imports is compiled beside it
    tools/bootstrap.py dev     the same, with the packages for tests and linters
    tools/bootstrap.py cluster the same, with Dask
    tools/bootstrap.py export  make .venv-export beside .venv, to test what `sae export` writes
    tools/bootstrap.py lock    compile all locks from pyproject.toml

It runs on any Python from 3.6 without packages (hence the quoted types and old calls). If something is missing, it
prints one line before it installs anything, and ends with exit code 6. It writes only to the checkout and the caches of
uv and pip.
"""

import functools
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
EXPORT_VENV = ROOT / ".venv-export"  # Airflow needs other versions of packages than TFX
EXPORT_LOCK = "requirements-export.txt"
OWN = ROOT / ".uv"  # our own uv, and the Python that uv downloads
EXIT_MISSING = 6
OLDEST_UV = (0, 7)  # has every option used here

LOCKS = {
    "run": ("requirements.txt",),  # also of `start`
    "dev": ("requirements.txt", "requirements-dev.txt"),
    "cluster": ("requirements.txt", "requirements-dev.txt", "requirements-cluster.txt"),
}

# Print whether this is an ordinary CPython, its version, and whether its headers exist. It fails if a module is missing
# that the packages need, as in some Pythons built from source.
PROBE = """
import bz2, ctypes, lzma, os, ssl, sys, sysconfig
free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
print(sys.implementation.name == "cpython" and not free_threaded)
print("%d.%d" % sys.version_info[:2])
print(os.path.exists(header))
"""


class Missing(Exception):
    """Something that the set-up needs is missing; the message is one line."""


class Python(NamedTuple):
    """An interpreter that runs."""

    path: str
    version: str  # "3.13"
    headers: bool  # whether its Python.h exists


# --- which interpreter -------------------------------------------------------------------------


def wanted_pythons(tfx: "tfx_versions.TfxVersion") -> "list[str]":
    """Return the Python versions that a TFX version supports, the preferred one first."""
    return ["%d.%d" % version for version in tfx.pythons]


def path_folders() -> "list[str]":
    return [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def candidates(version: str) -> "Iterator[str]":
    """Yield possible paths of this version: on PATH, then in pyenv's folder, newest first."""
    for folder in path_folders():
        # Skip our own .venv, which is on PATH if it is activated.
        if Path(folder) != VENV / "bin":
            yield os.path.join(folder, "python" + version)
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    pattern = os.path.join(pyenv, "versions", version + ".*", "bin", "python" + version)
    yield from sorted(glob.glob(pattern), key=patch_number, reverse=True)


def patch_number(path: str) -> int:
    """Return 10 for .../versions/3.13.10/bin/python3.13."""
    found = re.search(r"versions/\d+\.\d+\.(\d+)", path)
    return int(found.group(1)) if found else 0


def probe(path: str) -> "Python | None":
    """Run an interpreter and describe it; None if it does not run, like some shims of pyenv."""
    printed = output([path, "-I", "-c", PROBE]).split()
    if len(printed) != 3 or printed[0] != "True":
        return None
    return Python(path, version=printed[1], headers=printed[2] == "True")


def find_pythons(versions: "Sequence[str]") -> "list[Python]":
    """Return every interpreter of these versions that runs, in their order."""
    found = [probe(path) for version in versions for path in candidates(version)]
    return [python for python in found if python and python.version in versions]


def pythons_from_uv(uv: str, version: str) -> "list[Python]":
    """Return a Python of uv: an installed one, else one that it downloads into the checkout."""
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
    """Return the first uv on PATH that runs and is new enough, else our own, else ""."""
    for folder in [*path_folders(), str(OWN / "bin")]:
        uv = os.path.join(folder, "uv")
        found = re.match(r"uv (\d+)\.(\d+)", output([uv, "--version"]))
        if found and (int(found.group(1)), int(found.group(2))) >= OLDEST_UV:
            return uv
    return ""


@functools.lru_cache(maxsize=None)
def has_pip(python: str) -> bool:
    return bool(output([python, "-m", "pip", "--version"]))


def find_installer(pythons: "Sequence[Python]") -> str:
    """Return a Python that can install uv, because it has pip or can make a venv with pip; else "".

    The Python that runs this file comes last: it may be too old for uv's packages.
    """
    for path in [python.path for python in pythons] + [sys.executable]:
        if has_pip(path) or output([path, "-c", "import ensurepip, venv; print('yes')"]):
            return path
    return ""


def get_uv(python: str) -> str:
    """Install the uv of requirements-dev.txt with pip, from pip's index; return its path."""
    say("getting uv")
    entry = lock_entry("uv", "requirements-dev.txt")
    if not has_pip(python):
        run([python, "-m", "venv", "--clear", str(OWN / "pip")])
        python = str(OWN / "pip" / "bin" / "python")
    # Override settings for other installs with which pip would refuse this one.
    env = dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
    env.setdefault("PIP_ROOT_USER_ACTION", "ignore")
    pip = [python, "-m", "pip", "install", "-qq", "--no-deps", "--only-binary=:all:"]
    pip += ["--require-hashes", "--upgrade", "--target", str(OWN)]
    run([*pip, "-r", entry], env)
    return str(OWN / "bin" / "uv")


def uv_environment() -> "dict[str, str]":
    """Return the environment for uv's downloads, with pip's index and certificate if uv has no settings of its own.

    uv does not read pip's settings, and some machines are configured for pip alone.
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
    """Return the file that is written last: a .venv without it is incomplete."""
    return VENV / ("complete-%s.json" % kind)


def stamp(kind: str, version: str) -> "dict[str, str]":
    """Return the inputs of .venv. Its scripts contain its path, so a moved checkout counts as new."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(tfx_versions.__file__).read_bytes())
    for name in LOCKS[kind]:
        digest.update((ROOT / name).read_bytes())
    # Of pyproject.toml only the sections that installing the project reads, not the settings of linters.
    sections = re.split(r"(?m)^(?=\[)", (ROOT / "pyproject.toml").read_text("utf-8"))
    for section in sections:
        if re.match(r"\[(project|build-system|tool\.setuptools)", section):
            digest.update(section.encode("utf-8"))
    return {"folder": str(ROOT), "python": version, "inputs": digest.hexdigest()}


def read_stamp(kind: str) -> "dict[str, str]":
    """Return the inputs of the existing .venv; {} if it is incomplete or does not run."""
    try:
        found = json.loads(stamp_file(kind).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    # False if the interpreter that it links to was removed.
    runs = (VENV / "bin" / "python").exists()
    return found if runs and isinstance(found, dict) else {}


def has_compiler() -> bool:
    """Run the compiler: the c++ of macOS exists but fails until its tools are installed."""
    names = [os.environ.get("CXX", "").split(" ")[0], "c++", "g++", "clang++"]
    return any(output([name, "--version"]) for name in names if name)


def set_up(kind: str, compile_all: bool = True) -> None:
    """Complete .venv; return at once if it is complete. `compile_all`: as for `install`."""
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
        missing.append("uv, and pip or venv to install it (Debian: python3-venv)")
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
    install(kind, uv, usable[0], compile_all)


def install(kind: str, uv: str, python: Python, compile_all: bool = True) -> None:
    """Install the packages of a kind of .venv, and the project.

    Args:
      kind: a key of `LOCKS`.
      uv: path of uv.
      python: the interpreter.
      compile_all: compile all modules, as users who cannot write to .venv need it. False: a process that outlasts this
        one compiles those that a run imports, a third of them.
    """
    complete = [each for each in LOCKS if set(LOCKS[each]) <= set(LOCKS[kind])]
    stamps = {each: stamp(each, python.version) for each in complete}
    old = read_stamp("run")
    for each in LOCKS:
        if stamp_file(each).exists():
            stamp_file(each).unlink()

    locks = " and ".join(LOCKS[kind])
    say("installing %s into .venv, Python %s: 3.4 GB, which takes minutes the first time" % (locks, python.version))
    if (old.get("folder"), old.get("python")) != (str(ROOT), python.version):
        remove(VENV)
        run([uv, "venv", "--quiet", "--no-project", "--python", python.path, str(VENV)])
    env = uv_environment()
    target = ["--python", str(VENV / "bin" / "python")]
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    # Packages without wheels, and the project, are built with the locked setuptools, so it is installed first. An
    # isolated build would download one without a hash.
    build = ["--no-build-isolation"]
    # With this variable Python would compile a module at each start.
    compile_all = compile_all or bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    hashed = ["--require-hashes"] + ["--compile-bytecode"] * compile_all
    setuptools = ["--quiet", "-r", lock_entry("setuptools", "requirements.txt")]
    run([uv, "pip", "install", *target, *hashed, "--no-deps", *setuptools], env)
    run([uv, "pip", "sync", *target, *hashed, *build, *quiet, *LOCKS[kind]], env)
    if not compile_all:
        start([str(VENV / "bin" / "python"), str(ROOT / "tools" / "compile_ahead.py")])
    say("installing the project")
    env["UV_REQUIRE_HASHES"] = "0"  # the project itself has none
    project = ["--quiet", "--no-deps", "--editable", str(ROOT)]
    run([uv, "pip", "install", *target, *build, *project], env)

    for each, content in stamps.items():
        stamp_file(each).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    say(".venv is complete")


def set_up_export() -> None:
    """Complete .venv-export with the Python and the uv of .venv; return at once if it is complete."""
    python = read_stamp("dev").get("python")
    if not python:
        raise Missing("missing: .venv for tests; run `make setup-dev`")
    wanted = {"folder": str(ROOT), "python": python, "lock": file_digest(EXPORT_LOCK)}
    stamp = EXPORT_VENV / "complete.json"
    try:
        if json.loads(stamp.read_text("utf-8")) == wanted:
            return
    except (OSError, ValueError):
        pass
    say("installing %s, Python %s" % (EXPORT_LOCK, python))
    remove(EXPORT_VENV)
    uv = str(VENV / "bin" / "uv")
    target = str(EXPORT_VENV / "bin" / "python")
    run([uv, "venv", "--quiet", "--no-project", "--python", str(VENV / "bin" / "python"), str(EXPORT_VENV)])
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    run([uv, "pip", "sync", "--python", target, "--require-hashes", *quiet, EXPORT_LOCK], uv_environment())
    stamp.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")


def file_digest(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def remove(folder: Path) -> None:
    if folder.is_symlink():  # made by the user: keep its target
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(str(folder))


# --- the locks ---------------------------------------------------------------------------------


def lock_entry(name: str, lock: str) -> str:
    """Write a requirements file with one package of a lock and its hashes; return its path.

    The marker is left out, because any Python may install uv, not only those of the project.
    """
    text = (ROOT / lock).read_text("utf-8")
    found = re.search(r"(?m)^%s==(?:.*\\\n)*.*" % re.escape(name), text)
    if not found:
        raise Missing("%s is not in %s; run `make lock`" % (name, lock))
    OWN.mkdir(exist_ok=True)
    path = OWN / (name + ".txt")
    path.write_text(re.sub(r" ;.*", r" \\", found.group(), count=1) + "\n", "utf-8")
    return str(path)


def lock(options: "Sequence[str]") -> None:
    """Compile all locks. Versions stay if they can; the option `--upgrade` updates them."""
    # Prefer the locked uv, because versions of uv write the same markers differently.
    own = str(VENV / "bin" / "uv")
    uv = own if output([own, "--version"]) else find_uv()
    installer = uv or find_installer([])
    if not installer:
        raise Missing("missing: uv, and pip or venv to install it (Debian: python3-venv)")
    uv = uv or get_uv(installer)
    env = dict(uv_environment(), UV_CUSTOM_COMPILE_COMMAND="make lock")
    shared = ["--quiet", "--universal", "--generate-hashes", "--python-version", "3.10"]
    for inputs in (
        ["pyproject.toml", "--extra", "pipeline", "-o", "requirements.txt"],
        ["--group", "dev", "-c", "requirements.txt", "-o", "requirements-dev.txt"],
        ["pyproject.toml", "--extra", "cluster", "-c", "requirements.txt", "-o", "requirements-cluster.txt"],
        ["--group", "export", "-o", EXPORT_LOCK],
    ):
        run([uv, "pip", "compile", *shared, *options, *inputs], env)


# --- small tools -------------------------------------------------------------------------------


def say(text: str) -> None:
    sys.stderr.write("bootstrap: %s\n" % text)
    sys.stderr.flush()


def output(command: "Sequence[str]", env: "dict[str, str] | None" = None) -> str:
    """Return the output of a command; "" if it does not exist or fails."""
    try:
        found = subprocess.check_output(command, env=env, cwd=str(ROOT), stderr=subprocess.DEVNULL, timeout=600)
        return found.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        return ""


def run(command: "Sequence[str]", env: "dict[str, str] | None" = None) -> None:
    """Run a command whose messages the user sees."""
    if subprocess.call(command, env=env, cwd=str(ROOT)) != 0:
        words = [os.path.basename(command[0]), *command[1:3]]
        raise Missing("`%s` failed, see above; try again" % " ".join(words))


def start(command: "Sequence[str]") -> None:
    """Start a command, and do not wait for it. Nobody sees its messages."""
    subprocess.Popen(
        command, cwd=str(ROOT), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def main(arguments: "Sequence[str]") -> int:
    try:
        if arguments[:1] == ["lock"]:
            lock(arguments[1:])
        elif len(arguments) == 1 and arguments[0] in LOCKS:
            set_up(arguments[0])
        elif list(arguments) == ["start"]:
            set_up("run", compile_all=False)
        elif list(arguments) == ["export"]:
            set_up_export()
        else:
            sys.stderr.write("usage: tools/bootstrap.py run | start | dev | cluster | export | lock [OPTIONS OF uv]\n")
            return 2
    except (Missing, OSError) as error:
        sys.stderr.write("error: %s\n" % error)
        return EXIT_MISSING
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
