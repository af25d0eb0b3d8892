"""What a run was made from: noted when it begins, stored beside its results, and compared when it is made again."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import os
import pathlib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline import code as code_of
from pipeline import lines, packages, surroundings
from pipeline.errors import NotFoundError, UnavailableError
from pipeline.source import Source
from pipeline_config import Value

SCHEMA_VERSION = 1
PROPERTY = "manifest_digest"  # custom property of the context of a run: SHA-256 of its manifest

_ENGINE = "FnApiRunner"
_SHOWN_DIGITS = 12  # of a digest or commit; enough to tell two apart


@dataclasses.dataclass(frozen=True)
class Engine:
    """What ran the nodes' work.

    Attributes:
      name: Beam's runner.
      workers: its processes.
      intra_op_threads, inter_op_threads: TensorFlow's threads within one operation and across operations.
    """

    name: str
    workers: int
    intra_op_threads: int
    inter_op_threads: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a run was made from. All values are plain; digests are SHA-256 in hex.

    Attributes:
      run_id: of the run.
      created: when, in UTC, ISO 8601.
      trigger: what started it: `manual`.
      command: the command line, as typed.
      profile: name of the profile.
      configuration: every setting by its dotted name.
      seed: of the weights and of each epoch's order; one of the settings.
      data: the data set.
      code: by node, digest by file: `components/trainer.py`.
      code_digest: of all of the project's code, also of what is outside the nodes.
      git: the commit; None where there is none to tell.
      packages: version by name of whatever is installed and needed to run.
      lock: the lock that lay beside the project; None where none did.
      tfx_line: name of the line of TFX: `1.16`.
      python: the interpreter.
      tensorflow: the build of TensorFlow; None when it is not installed as a package.
      machine: where it ran.
      engine: what ran the nodes' work; some of the settings.
    """

    run_id: str
    created: str
    trigger: str
    command: tuple[str, ...]
    profile: str
    configuration: Mapping[str, Value]
    seed: int
    data: Source
    code: Mapping[str, Mapping[str, str]]
    code_digest: str
    git: surroundings.Git | None
    packages: Mapping[str, str]
    lock: surroundings.Lock | None
    tfx_line: str
    python: surroundings.Python
    tensorflow: surroundings.TensorFlow | None
    machine: surroundings.Machine
    engine: Engine


class Group(str, enum.Enum):
    """What a difference is about."""

    DATA = "data"
    CODE = "code"
    CONFIGURATION = "configuration"
    PACKAGES = "packages"
    MACHINE = "machine"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not now as it was when a run was made.

    Attributes:
      group: what it is about.
      field: what differs, in plain words.
      old, new: what was recorded and what is here, short enough to show.
      effect: what follows for a run that is made again, and what to do.
      matters: whether the results may differ because of it.
    """

    group: Group
    field: str
    old: str
    new: str
    effect: str
    matters: bool = True


def collect(
    *,
    run_id: str,
    command: Sequence[str],
    profile: str,
    configuration: Mapping[str, Value],
    data: Source,
    code: Mapping[str, Mapping[str, str]],
    trigger: str = "manual",
    created: datetime.datetime | None = None,
) -> Manifest:
    """Notes what a run is made from, here and now.

    Args:
      run_id: of the run.
      command: the command line, as typed.
      profile: name of the profile.
      configuration: every setting by its dotted name.
      data: the data set.
      code: by node, what `pipeline.code.files` says of its module.
      trigger: what started the run.
      created: an aware time; None: now.

    Raises:
      LookupError: no line of TFX is for this Python.
    """
    created = created or datetime.datetime.now(datetime.timezone.utc)
    return Manifest(
        run_id=run_id,
        created=created.astimezone(datetime.timezone.utc).isoformat(timespec="seconds"),
        trigger=trigger,
        command=tuple(command),
        profile=profile,
        configuration=dict(configuration),
        seed=int(configuration["training.seed"]),
        data=data,
        code={node: dict(files) for node, files in code.items()},
        code_digest=code_of.project_digest(),
        git=surroundings.git(),
        packages=packages.installed_runtime(),
        lock=surroundings.lock(),
        tfx_line=lines.here().name,
        python=surroundings.python(),
        tensorflow=surroundings.tensorflow(),
        machine=surroundings.machine(),
        engine=Engine(
            name=_ENGINE,
            workers=int(configuration["engine.beam_workers"]),
            intra_op_threads=int(configuration["engine.intra_op_threads"]),
            inter_op_threads=int(configuration["engine.inter_op_threads"]),
        ),
    )


# --- storing -----------------------------------------------------------------------------------


def to_json(manifest: Manifest) -> str:
    """One object; arguments of a command line that are not valid text are escaped, so that it can always be written."""
    values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(manifest)}
    values["data"]["fingerprint"] = manifest.data.fingerprint
    return json.dumps(values, indent=2) + "\n"


def from_json(text: str, name: str = "the manifest") -> Manifest:
    """The manifest that `to_json` wrote. Fields that this version does not know are left out.

    Args:
      text: what `to_json` gave.
      name: what to call it in an error.

    Raises:
      UnavailableError: it is damaged, or of a newer version.
    """
    try:
        values = json.loads(text)
        version = values["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(name, f"no schema_version ({error})") from error
    if version != SCHEMA_VERSION:
        raise UnavailableError(
            f"{name} has schema_version {version!r}, this version of sae knows {SCHEMA_VERSION}: use the version that "
            "wrote it"
        )
    try:
        manifest = _read(Manifest, values, "")
    except (KeyError, TypeError) as error:
        raise _damaged(name, str(error.args[0])) from error
    assert isinstance(manifest, Manifest)
    return manifest


def path_of(root_folder: pathlib.Path, run_id: str) -> pathlib.Path:
    """Where the manifest of a run is stored."""
    return root_folder / "manifests" / f"{run_id}.json"


def write(root_folder: pathlib.Path, manifest: Manifest) -> pathlib.Path:
    """Stores a manifest, all of it or nothing, and returns where.

    Raises:
      UnavailableError: it cannot be written.
    """
    path = path_of(root_folder, manifest.run_id)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
                file.write(to_json(manifest))
                file.flush()
                os.fsync(file.fileno())  # else a crash could leave the new name with nothing behind it
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}; free space, or choose another root with --root"
        ) from error
    return path


def read(root_folder: pathlib.Path, run_id: str) -> Manifest:
    """The stored manifest of a run.

    Raises:
      NotFoundError: there is none.
      UnavailableError: it is damaged, or of a newer version.
    """
    path = path_of(root_folder, run_id)
    if not re.fullmatch(r"\w[\w.:+-]*", run_id):  # it comes from the command line and must not name another folder
        raise NotFoundError(f"no run {run_id!r}: the id of a run is letters, digits and -; `sae run` prints it")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no manifest of run {run_id} in {path.parent}, so what it was made from is not known: look for a typing "
            "error or another --root; a run of an older version has none and must be run again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(str(path), str(error)) from error
    manifest = from_json(text, str(path))
    if manifest.run_id != run_id:
        raise _damaged(str(path), f"it is of run {manifest.run_id}")
    return manifest


def _damaged(name: str, reason: str) -> UnavailableError:
    return UnavailableError(f"{name} is damaged: {reason}; restore it from a backup, or make the run again")


def _read(kind: Any, value: Any, place: str) -> Any:
    """`value`, as JSON gives it, as `kind`: a dataclass, mapping, tuple, union or plain type.

    Raises:
      KeyError, TypeError: it is not; says where.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if type(value) in arguments:
            return value
        for inner in arguments:
            if inner not in _PLAIN:  # there is never more than one
                return _read(inner, value, place)
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        missing = [
            field.name
            for field in dataclasses.fields(kind)
            if field.name not in value and field.default is dataclasses.MISSING
        ]
        if missing:
            raise KeyError(f"{place}{missing[0]} is missing")
        known = {name: inner for name, inner in value.items() if name in hints}
        return kind(**{name: _read(hints[name], inner, f"{place}{name}.") for name, inner in known.items()})
    elif origin is Mapping and isinstance(value, dict):
        return {key: _read(arguments[1], inner, f"{place}{key}.") for key, inner in value.items()}
    elif origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], inner, place) for inner in value)
    elif kind in _PLAIN and type(value) is kind:
        return value
    raise TypeError(f"{place.rstrip('.')} is not what it should be")


_PLAIN = (str, int, float, bool, type(None))


# --- comparing ---------------------------------------------------------------------------------

# Settings that say where something lies or how much of the machine is used, but not what comes out.
_WITHOUT_EFFECT = ("paths.", "data.data_dir", "data.source", "data.download_timeout", "engine.beam_workers")
# Features that arithmetic may use; names as in /proc/cpuinfo of x86 and arm64, and in macOS's sysctl.
_ARITHMETIC = re.compile(r"sse|avx|fma|f16c|amx|fp|simd|sve|sme|neon|bf16|i8mm|dotprod|FEAT_", re.IGNORECASE)
_LAST_BITS = "floating point results may differ in their last bits, and training lets that grow"
_ABSENT = "not there"


def differences(recorded: Manifest, here: Manifest) -> list[Difference]:
    """What is not here as it was recorded, group by group; empty when the same results must come out.

    What belongs to one run alone (id, time, trigger, command line) and where the data lay are not compared. Nor is the
    commit: the code itself is.
    """
    return [
        *_data_differences(recorded.data, here.data),
        *_code_differences(recorded, here),
        *_configuration_differences(recorded, here),
        *_package_differences(recorded, here),
        *_machine_differences(recorded.machine, here.machine),
    ]


def _data_differences(old: Source, new: Source) -> Iterator[Difference]:
    effect = "other data: no result can be expected to agree; point TFDS_DATA_DIR to the recorded data set"
    if (old.name, old.version) != (new.name, new.version):
        yield Difference(Group.DATA, "data set", f"{old.name} {old.version}", f"{new.name} {new.version}", effect)
    if old.fingerprint != new.fingerprint:
        yield Difference(
            Group.DATA, "content of the data set", _short(old.fingerprint), _short(new.fingerprint), effect
        )
    for split in _keys(old.split_sizes, new.split_sizes):
        before, after = old.split_sizes.get(split), new.split_sizes.get(split)
        if before != after:
            yield Difference(Group.DATA, f"examples in {split}", _shown(before), _shown(after), effect)
    if old.notice != new.notice:
        effect = "the report shows another notice; the model does not depend on it"
        yield Difference(Group.DATA, "notice on the data", _shown(old.notice), _shown(new.notice), effect)


def _code_differences(recorded: Manifest, here: Manifest) -> Iterator[Difference]:
    remedy = _remedy(recorded.git)
    if _names(recorded.code) != _names(here.code):
        effect = f"other nodes: {remedy}"
        yield Difference(Group.CODE, "nodes", _names(recorded.code), _names(here.code), effect)
    old, new = _by_file(recorded.code), _by_file(here.code)
    changed = [file for file in _keys(old, new) if old.get(file) != new.get(file)]
    for file in changed:
        users = [
            node
            for node in _keys(recorded.code, here.code)
            if file in recorded.code.get(node, {}) or file in here.code.get(node, {})
        ]
        effect = f"other code in {', '.join(users)}: {remedy}"
        yield Difference(Group.CODE, file, _short(old.get(file, _ABSENT)), _short(new.get(file, _ABSENT)), effect)
    if not changed and recorded.code_digest != here.code_digest:
        yield Difference(
            Group.CODE,
            "code outside the nodes",
            _short(recorded.code_digest),
            _short(here.code_digest),
            f"the nodes run the same code, but may be wired or told otherwise: {remedy}",
        )


def _configuration_differences(recorded: Manifest, here: Manifest) -> Iterator[Difference]:
    old, new = recorded.configuration, here.configuration
    for name in _keys(old, new):
        if old.get(name) == new.get(name):
            continue
        if name.startswith(_WITHOUT_EFFECT):
            effect = "does not change what comes out"
        elif name not in new:
            effect = f"this version has no such setting: {_remedy(recorded.git)}"
        elif name not in old:
            effect = "the recorded version had no such setting"
        else:
            effect = f"another setting: --set {name}={_shown(old[name])} gives the recorded one"
        yield Difference(
            Group.CONFIGURATION,
            name,
            _shown(old.get(name)),
            _shown(new.get(name)),
            effect,
            not name.startswith(_WITHOUT_EFFECT),
        )
    if recorded.engine.name != here.engine.name:
        effect = "another engine may hand on data in another order"
        yield Difference(Group.CONFIGURATION, "Beam's engine", recorded.engine.name, here.engine.name, effect)


def _package_differences(recorded: Manifest, here: Manifest) -> Iterator[Difference]:
    group = Group.PACKAGES
    if recorded.tfx_line != here.tfx_line:
        effect = "another line of TFX: results differ in their last bits, and so does the form of what TFX writes"
        yield Difference(group, "line of TFX", recorded.tfx_line, here.tfx_line, effect)
    if recorded.python != here.python:
        old, new = recorded.python, here.python
        effect = "another interpreter: the libraries that are made for it may be built otherwise"
        yield Difference(
            group, "Python", f"{old.implementation} {old.version}", f"{new.implementation} {new.version}", effect
        )
    if recorded.tensorflow != here.tensorflow:
        effect = f"another build of TensorFlow: {_LAST_BITS}"
        yield Difference(group, "TensorFlow's build", _build(recorded.tensorflow), _build(here.tensorflow), effect)
    for name in _keys(recorded.packages, here.packages):
        before, after = recorded.packages.get(name), here.packages.get(name)
        if before != after:
            effect = "another package may compute or write otherwise; `make setup` installs what is locked"
            yield Difference(group, name, before or _ABSENT, after or _ABSENT, effect)
    if recorded.lock is not None and here.lock is not None and recorded.lock.digest != here.lock.digest:
        yield Difference(
            group,
            f"lock ({here.lock.file})",
            _short(recorded.lock.digest),
            _short(here.lock.digest),
            "of no effect by itself: what counts is what is installed",
            matters=False,
        )


def _machine_differences(old: surroundings.Machine, new: surroundings.Machine) -> Iterator[Difference]:
    group = Group.MACHINE
    if old.architecture != new.architecture:
        effect = f"another kind of processor: {_LAST_BITS}"
        yield Difference(group, "processor's architecture", _shown(old.architecture), _shown(new.architecture), effect)
    if old.processor != new.processor:
        effect = f"another processor, whose caches decide how products of matrices are cut up: {_LAST_BITS}"
        yield Difference(group, "processor", _shown(old.processor), _shown(new.processor), effect)
    lost, gained = set(old.features) - set(new.features), set(new.features) - set(old.features)
    for field, effect, matters in (
        ("processor's features for arithmetic", f"other processor features: {_LAST_BITS}", True),
        ("processor's other features", "arithmetic does not use them", False),
    ):
        before = [name for name in sorted(lost) if bool(_ARITHMETIC.search(name)) == matters]
        after = [name for name in sorted(gained) if bool(_ARITHMETIC.search(name)) == matters]
        if before or after:
            yield Difference(group, field, _only(before), _only(after), effect, matters)
    if old.libc != new.libc:
        effect = f"another C library, which has mathematical functions of its own: {_LAST_BITS}"
        yield Difference(group, "C library", _shown(old.libc), _shown(new.libc), effect)
    if old.system != new.system:
        effect = "the libraries that compute come with the packages, not with the system"
        yield Difference(group, "operating system", _shown(old.system), _shown(new.system), effect, matters=False)


def _remedy(git: surroundings.Git | None) -> str:
    """How to get the recorded code."""
    if git is None:
        return "no commit was recorded, so get the version that made the run from where it was installed from"
    if git.dirty:
        return f"check out commit {git.commit[:_SHOWN_DIGITS]}, though the run had changes that were not committed"
    return f"check out commit {git.commit[:_SHOWN_DIGITS]}"


def _by_file(code: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {file: digest for files in code.values() for file, digest in files.items()}


def _names(code: Mapping[str, Any]) -> str:
    return ", ".join(sorted(code))


def _build(build: surroundings.TensorFlow | None) -> str:
    if build is None:
        return _ABSENT
    return f"{build.distribution} {build.version} ({build.wheel}, files {_short(build.files)})"


def _only(features: Iterable[str]) -> str:
    """Features that the other side does not have: all that both have would hide them."""
    return " ".join(features) or "none of its own"


def _short(digest: str) -> str:
    return digest[:_SHOWN_DIGITS]


def _shown(value: Value | None) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted({*old, *new})
