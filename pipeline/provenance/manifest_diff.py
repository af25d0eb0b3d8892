"""What two manifests differ in, what follows for a run that is made again, and whether its results may differ."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pipeline.core.dataset import Dataset
from pipeline.provenance import environment
from pipeline.provenance.manifest import Manifest
from pipeline_config import Configuration, Value

_SHOWN_DIGITS = 12  # of a digest or commit; enough to tell two apart
# Features that arithmetic may use; names as in /proc/cpuinfo of x86 and arm64, and in macOS's sysctl.
_ARITHMETIC = re.compile(r"sse|avx|fma|f16c|amx|fp|simd|sve|sme|neon|bf16|i8mm|dotprod|FEAT_", re.IGNORECASE)
_LAST_BITS = "floating point results may differ in their last bits, and training lets that grow"
_ABSENT = "not there"

_Kind = TypeVar("_Kind")


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


def differences(recorded: Manifest, here: Manifest, config_type: type[Configuration]) -> list[Difference]:
    """What is not here as it was recorded, group by group; empty when the same results must come out.

    What belongs to one run alone (id, time, trigger, command line) and where the data lay are not compared. Nor is the
    commit: the code itself is.
    """
    return [
        *_data_differences(recorded.data, here.data),
        *_code_differences(recorded, here),
        *_configuration_differences(recorded, here, config_type),
        *_package_differences(recorded, here),
        *_machine_differences(recorded.machine, here.machine),
    ]


def _data_differences(old: Dataset, new: Dataset) -> Iterator[Difference]:
    group = Group.DATA
    effect = "other data: no result can be expected to agree; point TFDS_DATA_DIR to the recorded data set"
    yield from _unlike(group, "data set", (old.name, old.version), (new.name, new.version), effect, shown=" ".join)
    yield from _unlike(group, "content of the data set", old.fingerprint, new.fingerprint, effect, shown=_short)
    for split in _keys(old.split_sizes, new.split_sizes):
        before, after = old.split_sizes.get(split), new.split_sizes.get(split)
        yield from _unlike(group, f"examples in {split}", before, after, effect)
    effect = "the report shows another notice; the model does not depend on it"
    yield from _unlike(group, "notice on the data", old.notice, new.notice, effect)


def _code_differences(recorded: Manifest, here: Manifest) -> Iterator[Difference]:
    group, remedy = Group.CODE, _remedy(recorded.git)
    names = _names(recorded.code), _names(here.code)
    yield from _unlike(group, "nodes", *names, f"other nodes: {remedy}", shown=str)
    old, new = _by_file(recorded.code), _by_file(here.code)
    changed = [file for file in _keys(old, new) if old.get(file) != new.get(file)]
    for file in changed:
        users = [
            node
            for node in _keys(recorded.code, here.code)
            if file in recorded.code.get(node, {}) or file in here.code.get(node, {})
        ]
        effect = f"other code in {', '.join(users)}: {remedy}"
        yield Difference(group, file, _short(old.get(file, _ABSENT)), _short(new.get(file, _ABSENT)), effect)
    if not changed:
        effect = f"the nodes run the same code, but may be wired or told otherwise: {remedy}"
        digests = recorded.code_digest, here.code_digest
        yield from _unlike(group, "code outside the nodes", *digests, effect, shown=_short)


def _configuration_differences(
    recorded: Manifest, here: Manifest, config_type: type[Configuration]
) -> Iterator[Difference]:
    old, new = recorded.configuration, here.configuration
    declared = config_type.settings()
    for name in _keys(old, new):
        matters = name not in declared or declared[name].affects_results
        if not matters:
            effect = "does not change what comes out"
        elif name not in new:
            effect = f"this version has no such setting: {_remedy(recorded.git)}"
        elif name not in old:
            effect = "the recorded version had no such setting"
        else:
            effect = f"another setting: --set {name}={_shown(old[name])} gives the recorded one"
        yield from _unlike(Group.CONFIGURATION, name, old.get(name), new.get(name), effect, matters)
    effect = "another engine may hand on data in another order"
    names = recorded.engine.name, here.engine.name
    yield from _unlike(Group.CONFIGURATION, "Beam's engine", *names, effect, shown=str)


def _package_differences(recorded: Manifest, here: Manifest) -> Iterator[Difference]:
    group = Group.PACKAGES
    effect = "another line of TFX: results differ in their last bits, and so does the form of what TFX writes"
    yield from _unlike(group, "line of TFX", recorded.tfx_line, here.tfx_line, effect, shown=str)
    effect = "another interpreter: the libraries that are made for it may be built otherwise"
    yield from _unlike(group, "Python", recorded.python, here.python, effect, shown=_interpreter)
    effect = f"another build of TensorFlow: {_LAST_BITS}"
    yield from _unlike(group, "TensorFlow's build", recorded.tensorflow, here.tensorflow, effect, shown=_build)
    effect = "another package may compute or write otherwise; `make setup` installs what is locked"
    for name in _keys(recorded.packages, here.packages):
        before, after = recorded.packages.get(name), here.packages.get(name)
        yield from _unlike(group, name, before, after, effect, shown=_version)
    if recorded.lock is not None and here.lock is not None:
        effect = "of no effect by itself: what counts is what is installed"
        old, new = recorded.lock.digest, here.lock.digest
        yield from _unlike(group, f"lock ({here.lock.file})", old, new, effect, matters=False, shown=_short)


def _machine_differences(old: environment.Machine, new: environment.Machine) -> Iterator[Difference]:
    group = Group.MACHINE
    effect = f"another kind of processor: {_LAST_BITS}"
    yield from _unlike(group, "processor's architecture", old.architecture, new.architecture, effect)
    effect = f"another processor, whose caches decide how products of matrices are cut up: {_LAST_BITS}"
    yield from _unlike(group, "processor", old.processor, new.processor, effect)
    lost, gained = set(old.features) - set(new.features), set(new.features) - set(old.features)
    for field, effect, matters in (
        ("processor's features for arithmetic", f"other processor features: {_LAST_BITS}", True),
        ("processor's other features", "arithmetic does not use them", False),
    ):
        # Only what the other side does not have: all that both have would hide it.
        before = [name for name in sorted(lost) if bool(_ARITHMETIC.search(name)) == matters]
        after = [name for name in sorted(gained) if bool(_ARITHMETIC.search(name)) == matters]
        yield from _unlike(group, field, before, after, effect, matters, shown=_listed)
    effect = f"another C library, which has mathematical functions of its own: {_LAST_BITS}"
    yield from _unlike(group, "C library", old.libc, new.libc, effect)
    effect = "the libraries that compute come with the packages, not with the system"
    yield from _unlike(group, "operating system", old.system, new.system, effect, matters=False)


def _remedy(git: environment.Git | None) -> str:
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


def _version(version: str | None) -> str:
    return version or _ABSENT


def _interpreter(python: environment.Python) -> str:
    return f"{python.implementation} {python.version}"


def _build(build: environment.TensorFlow | None) -> str:
    if build is None:
        return _ABSENT
    return f"{build.distribution} {build.version} ({build.wheel}, files {_short(build.files)})"


def _listed(features: Sequence[str]) -> str:
    return " ".join(features) or "none of its own"


def _short(digest: str) -> str:
    return digest[:_SHOWN_DIGITS]


def _shown(value: Value | None) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"


def _unlike(
    group: Group,
    field: str,
    old: _Kind,
    new: _Kind,
    effect: str,
    matters: bool = True,
    shown: Callable[[Any], str] = _shown,
) -> Iterator[Difference]:
    """One difference; nothing where there is none."""
    if old != new:
        yield Difference(group, field, shown(old), shown(new), effect, matters)


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted({*old, *new})
