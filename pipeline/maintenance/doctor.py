"""`sae doctor`: check the machine, the packages and the data for a run, without TensorFlow, TFX or Beam."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable

from pipeline.core import file_system, root_lock, tfx_versions
from pipeline.core.errors import ExitCode, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.core.project import LOCK
from pipeline.core.text import first_of
from pipeline.definition.spec import DataLookup
from pipeline.metadata import root_store
from pipeline_config import Configuration, EngineConfig

# A run on MNIST writes about 60 MB; a gigabyte leaves room for TensorFlow's temporary files.
_FREE_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
      name: of what is checked.
      good: whether a run can use it.
      found: what was found.
      advice: what to do; empty if the result is good.
      exit_code: of a run that fails for it.
    """

    name: str
    good: bool
    found: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.ENVIRONMENT


def exit_code(checks: Iterable[Check]) -> ExitCode:
    """Return the exit code for these results: that of the environment before that of options."""
    return max((check.exit_code for check in checks if not check.good), default=ExitCode.DONE)


def examine(
    config: Configuration, look_up: Callable[[], DataLookup | None], cluster: Callable[[], list[Check]] = list
) -> list[Check]:
    """Run all checks for a run with `config`.

    Args:
      config: the settings.
      look_up: returns where its data is, as `DataSource.look_up` does.
      cluster: returns what was found of the cluster of the run, if it uses one.
    """
    found = [
        interpreter(),
        c_library(),
        packages(),
        keras(),
        beam_engine(config.engine),
        processor(),
        disk(pathlib.Path(config.paths.root)),
        root(Root.at(pathlib.Path(config.paths.root)), config.paths.metadata),
        data(look_up),
        *cluster(),
    ]
    return [check for check in found if check is not None]


def interpreter() -> Check:
    """Check Python's version, which selects the TFX version."""
    version = ".".join(map(str, sys.version_info[:3]))
    tfx = tfx_versions.of_python(sys.version_info[:2])
    if tfx is None:
        return Check("python", False, version, "TFX needs Python 3.10 to 3.13: `make setup` finds or installs one")
    return Check("python", True, f"{version}, TFX {tfx.name}")


def c_library() -> Check:
    """Check the version of the C library, which TFX's packages need."""
    tfx = tfx_versions.of_python(sys.version_info[:2])
    glibc = tfx_versions.glibc_version()
    if glibc is None:
        machine = (sys.platform, platform.machine())
        good = tfx_versions.for_machine(*machine, None) is not None
        advice = "" if good else "use Linux with glibc on x86_64, or macOS on arm64"
        return Check("C library", good, " ".join(machine), advice)
    found = f"glibc {glibc[0]}.{glibc[1]}"
    if tfx is not None and glibc < tfx.glibc:
        needed = f"TFX {tfx.name} needs glibc {tfx.glibc[0]}.{tfx.glibc[1]}"
        return Check("C library", False, found, f"{needed}: `make setup` finds or installs a Python for this machine")
    return Check("C library", True, found)


def packages() -> Check:
    """Compare the installed packages with the lock file."""
    if not LOCK.is_file():
        return Check("packages", True, "no lock file beside the package: versions not compared")
    locked = locked_versions(LOCK.read_text(encoding="utf-8"))
    wrong = []
    for name, versions in locked.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = ""
        if installed not in versions:
            wrong.append(f"{name} {installed or 'missing'} (locked: {', '.join(sorted(versions)) or 'none'})")
    if wrong:
        return Check("packages", False, first_of(wrong, 3, "; "), "install the locked versions with `make setup`")
    return Check("packages", True, f"{len(locked)} packages as locked")


def locked_versions(lock: str) -> dict[str, set[str]]:
    """Return the locked versions of each package, from the lines whose marker applies to this interpreter."""
    from packaging.requirements import Requirement

    found: dict[str, set[str]] = {}
    for line in re.findall(r"^([A-Za-z0-9][^\\\n]*==[^\\\n]*)", lock, re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            versions = {specifier.version for specifier in requirement.specifier}
            found.setdefault(requirement.name, set()).update(versions)
    return found


def keras() -> Check:
    """Check for Keras 2, the package tf-keras, which TFT and TFMA need."""
    return _package("keras", "tf-keras", " (Keras 2)")


def beam_engine(engine: EngineConfig) -> Check:
    """Check for Beam, and name the engine that a run with this configuration uses."""
    if not engine.is_local:
        return _package("beam", "apache-beam", f", runner {engine.runner}, parallelism {engine.parallelism}")
    workers = engine.beam_workers
    place = "in this process" if workers == 1 else f"in {workers} worker processes"
    return _package("beam", "apache-beam", f", FnApiRunner {place}")


def _package(check: str, name: str, rest: str) -> Check:
    try:
        return Check(check, True, f"{name} {importlib.metadata.version(name)}{rest}")
    except importlib.metadata.PackageNotFoundError:
        return Check(check, False, f"{name} is missing", "install it with `make setup`")


def processor() -> Check:
    """Check the processor's features, by which TensorFlow selects code: it changes the last bits of results."""
    wanted = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return Check("processor", True, platform.machine())
    match = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    flags = match.group(1).split() if match else []
    found = [flag for flag in wanted if flag in flags]
    if platform.machine() == "x86_64" and "avx" not in flags:
        return Check("processor", False, "no AVX", "TensorFlow needs a processor with AVX: use another machine")
    return Check("processor", True, f"{os.cpu_count()} cores, {' '.join(found) or platform.machine()}")


def disk(path: pathlib.Path) -> Check:
    """Check the free space on the root's disk."""
    existing = _existing(path.resolve())
    free = shutil.disk_usage(existing).free
    found = f"{free / (1 << 30):.1f} GiB free at {existing}"
    if free < _FREE_BYTES:
        return Check("disk", False, found, "free at least 1 GiB, or choose another root with --root")
    return Check("disk", True, found)


def _existing(path: pathlib.Path) -> pathlib.Path:
    """Return the path, or its nearest parent that exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def root(place: Root, metadata: str = "") -> Check:
    """Check that the root has a known format, is writable and can be locked, and that its store answers."""
    try:
        place.check_path()
        dataset = place.dataset()
    except SaeError as error:
        return Check("root", False, str(place.path), str(error), error.exit_code)
    if not place.path.exists():
        existing = _existing(place.path)
        if not (existing.is_dir() and os.access(existing, os.W_OK)):
            return Check("root", False, f"{existing} is not a writable folder", "choose another root with --root")
        return _store(place, metadata, f"{place.path} does not exist yet; the first run creates it")
    if refused := place.refused():
        return Check("root", False, str(place.path), refused)
    try:
        root_lock.check(place.path)
    except (OSError, UnavailableError) as error:
        return Check("root", False, str(place.path), str(error))
    found = f"{place.path}, format {place.format()}, data set {dataset or 'none yet'}"
    if file_system.is_shared(kind := file_system.type_of(place.path)):
        found += f"; on {kind}: locks exclude runs of other hosts only if it is mounted with locks on the server"
    if holder := root_lock.last_holder(place.lock_file):
        found += f"; held by {holder}"
    return _store(place, metadata, found)


def _store(place: Root, metadata: str, found: str) -> Check:
    """Check the store of a root that can be used; `found` says so."""
    try:
        store = root_store.given(place, metadata)
        store.check_server()
    except SaeError as error:
        return Check("root", False, str(place.path), str(error), error.exit_code)
    return Check("root", True, f"{found}; its store: {store.name}" if place.metadata_url() or metadata else found)


def data(look_up: Callable[[], DataLookup | None]) -> Check | None:
    """Check the data of a run; None if the pipeline does not tell where it is."""
    try:
        found = look_up()
    except SaeError as error:
        return Check("data", False, "cannot be used", str(error), error.exit_code)
    return Check("data", found.good, found.found, found.advice) if found else None
