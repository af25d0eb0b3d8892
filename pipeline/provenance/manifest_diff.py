"""Compare two manifests: what differs, the effect on a rerun, and whether the results may differ."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipeline.core.dataset import Dataset
from pipeline.core.project import PACKAGES
from pipeline.core.text import short_digest
from pipeline.provenance import environment
from pipeline.provenance.manifest import Manifest
from pipeline_config import Configuration

# Features that arithmetic may use; names as in /proc/cpuinfo of x86 and arm64, and in macOS's sysctl.
_ARITHMETIC = re.compile(r"sse|avx|fma|f16c|amx|fp|simd|sve|sme|neon|bf16|i8mm|dotprod|FEAT_", re.IGNORECASE)
_LAST_BITS = "floating point results may differ in their last bits, and training amplifies that"
_ABSENT, _NONE_OF_ITS_OWN, _NO_EFFECT = "not there", "none of its own", "no effect"


class Group(str, enum.Enum):
    """The subject of a difference."""

    DATA = "data"
    CODE = "code"
    CONFIGURATION = "configuration"
    PACKAGES = "packages"
    MACHINE = "machine"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between two manifests."""

    group: Group
    field: str  # what differs
    old: str  # the recorded value, shortened
    new: str  # the value here, shortened
    effect: str  # the effect on a rerun, and what to do
    matters: bool = True  # whether results may differ because of it


# Field, recorded value, value here, effect, and whether results may differ.
_Row = tuple[str, Any, Any, str, bool]


def differences(recorded: Manifest, here: Manifest, config_type: type[Configuration]) -> list[Difference]:
    """Return the differences between a recorded manifest and one of here and now, group by group.

    Not compared: id, time, trigger and command line of the run, the folder of the data set, and the commit (the code
    itself is compared).
    """
    groups = {
        Group.DATA: _data_rows(recorded.data, here.data),
        Group.CODE: _code_rows(recorded, here),
        Group.CONFIGURATION: _configuration_rows(recorded, here, config_type),
        Group.PACKAGES: _package_rows(recorded, here),
        Group.MACHINE: itertools.chain(_machine_rows(recorded.machine, here.machine), _variable_rows(recorded, here)),
    }
    return [
        Difference(group, field, _text(old), _text(new), effect, matters)
        for group, rows in groups.items()
        for field, old, new, effect, matters in rows
        if old != new
    ]


def _data_rows(old: Dataset, new: Dataset) -> Iterator[_Row]:
    effect = "other data, other results; set TFDS_DATA_DIR to the recorded data set"
    yield "data set", f"{old.name} {old.version}", f"{new.name} {new.version}", effect, True
    yield "content of the data set", short_digest(old.fingerprint), short_digest(new.fingerprint), effect, True
    for split in _union(old.split_sizes, new.split_sizes):
        yield f"examples in {split}", old.split_sizes.get(split), new.split_sizes.get(split), effect, True
    effect = "the report shows another notice; the model does not depend on it"
    yield "notice on the data", old.notice, new.notice, effect, True


def _code_rows(recorded: Manifest, here: Manifest) -> Iterator[_Row]:
    of_project, of_pipeline = _remedy(recorded.git), _remedy_of_pipeline(recorded)
    yield "nodes", *_own(recorded.code, here.code, ", "), f"other nodes: {of_pipeline}", True
    old, new = (
        {file: short_digest(digest) for files in code.values() for file, digest in files.items()}
        for code in (recorded.code, here.code)
    )
    for file in _union(old, new):
        nodes = [
            node
            for node in _union(recorded.code, here.code)
            if file in recorded.code.get(node, {}) or file in here.code.get(node, {})
        ]
        remedy = of_project if file.partition("/")[0] in PACKAGES else of_pipeline
        yield file, old.get(file), new.get(file), f"other code in {', '.join(nodes)}: {remedy}", True
    if old == new:
        effect = f"the nodes run the same code, but may be wired or configured differently: {of_project}"
        digests = short_digest(recorded.code_digest), short_digest(here.code_digest)
        yield "code outside the nodes", *digests, effect, True


def _configuration_rows(recorded: Manifest, here: Manifest, config_type: type[Configuration]) -> Iterator[_Row]:
    old, new = recorded.configuration, here.configuration
    declared = config_type.settings()
    shown_old, shown_new = ({**values, **_without_effect(values, config_type)} for values in (old, new))
    for name in _union(old, new):
        matters = name not in declared or declared[name].affects_results
        if not matters:
            effect = "does not change the results"
        elif shown_old.get(name) == _NO_EFFECT:
            effect = "it has no effect with the recorded settings"
        elif name not in new:
            effect = f"this version has no such setting: {_remedy_of_pipeline(recorded)}"
        elif name not in old:
            effect = "the recorded version had no such setting"
        else:
            effect = f"another setting: --set {name}={_text(old[name])} gives the recorded one"
        yield name, shown_old.get(name), shown_new.get(name), effect, matters
    effect = "another engine may process data in another order"
    yield "Beam's engine", recorded.engine.name, here.engine.name, effect, True


def _without_effect(values: Mapping[str, Any], config_type: type[Configuration]) -> dict[str, str]:
    """Return what is shown of the settings that have no effect with the others, such as those of another method."""
    declared, used = config_type.settings(), config_type.affecting(values)
    known = [name for name in values if name in declared and declared[name].affects_results]
    return dict.fromkeys((name for name in known if name not in used), _NO_EFFECT)


def _package_rows(recorded: Manifest, here: Manifest) -> Iterator[_Row]:
    effect = "results differ in their last bits, and so does the format of what TFX writes"
    yield "TFX version", recorded.tfx_line, here.tfx_line, effect, True
    old, new = (f"{one.python.implementation} {one.python.version}" for one in (recorded, here))
    yield "Python", old, new, "libraries may be built differently for another interpreter", True
    effect = f"another build of TensorFlow: {_LAST_BITS}"
    yield "TensorFlow's build", _build(recorded.tensorflow), _build(here.tensorflow), effect, True
    effect = "another package may compute or write differently; `make setup` installs the locked ones"
    for name in _union(recorded.packages, here.packages):
        yield name, recorded.packages.get(name), here.packages.get(name), effect, True
    if recorded.lock is not None and here.lock is not None:
        old, new = short_digest(recorded.lock.digest), short_digest(here.lock.digest)
        yield f"lock ({here.lock.file})", old, new, "no effect by itself: only installed packages count", False


def _machine_rows(old: environment.Machine, new: environment.Machine) -> Iterator[_Row]:
    effect = f"another processor architecture: {_LAST_BITS}"
    yield "processor's architecture", old.architecture, new.architecture, effect, True
    effect = f"another processor, whose caches decide how matrix products are split: {_LAST_BITS}"
    yield "processor", old.processor, new.processor, effect, True
    for field, effect, matters in (
        ("processor's features for arithmetic", f"other processor features: {_LAST_BITS}", True),
        ("processor's other features", "arithmetic does not use them", False),
    ):
        before, now = (
            [name for name in machine.features if bool(_ARITHMETIC.search(name)) == matters] for machine in (old, new)
        )
        yield field, *_own(before, now, " "), effect, matters
    effect = f"another C library, which has its own mathematical functions: {_LAST_BITS}"
    yield "C library", old.libc, new.libc, effect, True
    effect = "the libraries that compute come with the packages, not with the system"
    yield "operating system", old.system, new.system, effect, False


def _variable_rows(recorded: Manifest, here: Manifest) -> Iterator[_Row]:
    if recorded.variables is None or here.variables is None:
        return
    effect = f"libraries choose other instructions: {_LAST_BITS}; set the recorded value"
    for name in _union(recorded.variables, here.variables):
        yield f"variable {name}", recorded.variables.get(name), here.variables.get(name), effect, True


def _remedy_of_pipeline(recorded: Manifest) -> str:
    """Return how to get the recorded code of the pipeline, which may be in another repository than this project."""
    if not recorded.pipeline:
        return _remedy(recorded.git)
    if recorded.pipeline_git is None:
        return "no commit of the pipeline's code was recorded; restore the files that made the run"
    return _remedy(recorded.pipeline_git)


def _remedy(git: environment.Git | None) -> str:
    """Return how to get the recorded code of this project."""
    if git is None:
        return "no commit was recorded; install the version that made the run"
    dirty = ", though the run had changes that were not committed" if git.dirty else ""
    return f"check out commit {short_digest(git.commit)}{dirty}"


def _build(build: environment.TensorFlow | None) -> str:
    if build is None:
        return _ABSENT
    return f"{build.distribution} {build.version} ({build.wheel}, files {short_digest(build.files)})"


def _text(value: object) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "empty"


def _own(old: Collection[str], new: Collection[str], separator: str) -> tuple[str, str]:
    """Return the names that each has and the other does not; all names would be long."""
    both = {*old} & {*new}
    lost, gained = (separator.join(sorted({*names} - both)) for names in (old, new))
    return lost or _NONE_OF_ITS_OWN, gained or _NONE_OF_ITS_OWN


def _union(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted({*old, *new})
