"""Compare runs with the first of them: inputs, metrics, contents of outputs, and the first node that differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from components.evaluation.thresholds import OVERALL as OVERALL  # also for those who show a comparison
from pipeline.core.errors import SaeError
from pipeline.core.text import beginning
from pipeline.definition.spec import Pipeline, RecordedInputs
from pipeline.inspection import run_filter, run_groups
from pipeline.inspection.reader import Reader
from pipeline.inspection.run_groups import RunGroup
from pipeline.inspection.views import ArtifactRow, NodeRun, NodeRunState, Run, RunRow
from pipeline.metadata import properties
from pipeline.provenance import manifest as manifests
from pipeline.provenance import manifest_diff
from pipeline.provenance.manifest import Manifest
from pipeline_config import Configuration

_ABSENT = "not there"
_LONGEST_VALUE = 60  # characters of a property in the reason of a difference
_ROOT = "paths.root"  # runs compared are in one root, however each gave its path
_SUCCEEDED = (NodeRunState.EXECUTED, NodeRunState.CACHED)


@dataclasses.dataclass(frozen=True)
class SettingDifference:
    """An input that differs between the runs.

    Attributes:
      group: `data`, `code`, `configuration`, `packages` or `machine`.
      field: name of the setting, file or package.
      values: one for each run, short enough to show.
      matters: whether results may differ because of it.
    """

    group: str
    field: str
    values: tuple[str, ...]
    matters: bool = True


@dataclasses.dataclass(frozen=True)
class MetricDifference:
    """A metric on the test split that differs between the runs.

    Attributes:
      slice: `overall`, or a slice such as `label 3`.
      values: one for each run; None if it has none.
      deltas: one for each run: its value minus that of the first run; None if one of them is missing.
    """

    name: str
    slice: str
    values: tuple[float | None, ...]
    deltas: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class OutputDifference:
    """An output whose content differs between the runs.

    Attributes:
      contents: content digests, one for each run; empty if the run has no such output, or it has no digest. If none has
        one, the artifacts differ, and whether their contents do is not known.
      artifacts: ids in ML Metadata, one for each run; 0 if the run has no such output.
      removed: those of `artifacts` that were deleted from ML Metadata, so that their contents are not known.
    """

    node: str
    key: str
    contents: tuple[str, ...]
    artifacts: tuple[int, ...]
    removed: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class NodeStates:
    """A node that succeeded only in some of the runs; `states`: one for each run, empty if it has no such node."""

    node: str
    states: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FirstDifference:
    """The first difference between a run and the first one.

    Attributes:
      run: id of the run.
      node: the first node, in the pipeline's order, with other outputs or another state; empty if there is none.
      reasons: changes in the node's cache key; without keys, in its properties and inputs; empty if none is known.
    """

    run: str
    node: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The differences between runs.

    Attributes:
      runs: the runs; the others are compared with the first one.
      settings: inputs that differ, in the order of `manifest_diff.Group`.
      metrics: metrics that differ, overall first, then by slice.
      outputs, states: in the order of the pipeline.
      partings: the first difference of each run but the first.
      unknown: what could not be compared and why, in words.
      incomparable: one for each run: why its losses cannot be compared with those of the first run, one phrase each;
        empty if they can, and without manifests.
      slice_titles: what people see in place of names of slices, such as `label cat` for `label 0`.
      words: what people see in labels of metrics in place of other words, such as `vector` for `image`.
      names: one for each run: the settings in which the runs differ, such as `l1 = 0.001, seed = 2`; may be empty.
      groups: the configurations of the runs, if one of them was run with several seeds; else empty.
    """

    runs: tuple[RunRow, ...]
    settings: tuple[SettingDifference, ...]
    metrics: tuple[MetricDifference, ...]
    outputs: tuple[OutputDifference, ...]
    states: tuple[NodeStates, ...]
    partings: tuple[FirstDifference, ...]
    unknown: tuple[str, ...]
    incomparable: tuple[tuple[str, ...], ...] = ()
    slice_titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    groups: tuple[RunGroup, ...] = ()

    @property
    def same(self) -> bool:
        """Whether no difference was found."""
        return not (self.settings or self.metrics or self.outputs or self.states)


def compare(reader: Reader, run_ids: Sequence[str]) -> Comparison:
    """Compare two or more runs, by their full ids, with the first of them. Raises `NotFoundError`."""
    runs = [reader.run(run_id) for run_id in run_ids]
    recorded, unknown = _manifests(reader, runs)
    unread = bool(unknown)
    settings = _property_differences(runs) if unread else _manifest_differences(reader.pipeline.configuration, recorded)
    nodes = list(dict.fromkeys(node.node for run in runs for node in run.nodes))
    outputs, undigested = _outputs(runs, nodes)
    states = list(_states(runs, nodes))
    has_digests = any(use.artifact.content for run in runs for node in run.nodes for use in node.outputs)
    if undigested and not has_digests and reader.root is None:
        unknown.append(
            "no output has a content digest; compared instead: which artifacts they are, so different "
            "artifacts may have equal contents"
        )
    elif undigested:
        unknown.append(f"without a digest, so whether they differ is not known: {', '.join(undigested)}")
    differences = []
    for place, run in enumerate(runs[1:], start=1):
        differ = {one.node for one in outputs if _has_other_content(one, place)}
        differ |= {one.node for one in states if one.states[0] != one.states[place]}
        if has_digests:
            node = next((node for node in nodes if node in differ), "")
            differences.append(FirstDifference(run.row.id, node, _key_changes(reader, runs[0], run, node)))
        else:
            changes = {node: _changes(runs[0], run, node) for node in nodes}
            node = next((node for node in nodes if node in differ or changes[node]), "")
            differences.append(FirstDifference(run.row.id, node, changes.get(node, ())))
    return Comparison(
        runs=tuple(run.row for run in runs),
        settings=tuple(settings),
        metrics=tuple(_metrics(runs)),
        outputs=tuple(outputs),
        states=tuple(states),
        partings=tuple(differences),
        unknown=tuple(unknown),
        incomparable=() if unread else _incomparable(reader.pipeline, recorded),
        slice_titles=_shared(reader.pipeline.data.slice_titles, recorded),
        words=_shared(reader.pipeline.data.words, recorded),
        names=run_filter.run_names([run.row for run in runs]),
        groups=run_groups.by_configuration([run.row for run in runs], reader.pipeline.configuration),
    )


def _manifests(reader: Reader, runs: Sequence[Run]) -> tuple[list[Manifest], list[str]]:
    """Return the manifests of the runs, and what is missing."""
    found: list[Manifest] = []
    unknown = []
    for run in runs:
        try:
            if reader.root is None:
                raise SaeError("a store alone has no manifests")
            found.append(manifests.read(reader.root.path, run.row.id, reader.pipeline))
        except SaeError as error:
            unknown.append(f"{error}; compared instead: each node's properties in ML Metadata")
    return found, list(dict.fromkeys(unknown))


def _incomparable(pipeline: Pipeline, recorded: Sequence[Manifest]) -> tuple[tuple[str, ...], ...]:
    first, *others = (RecordedInputs(one.configuration, one.data) for one in recorded)
    return (), *(pipeline.incomparable(first, other) for other in others)


def _shared(words: Callable[[Any], Mapping[str, str]], recorded: Sequence[Manifest]) -> Mapping[str, str]:
    """Return the words for the data sets of the runs, if they are the same for all."""
    found = [words(one.data) for one in recorded]
    return found[0] if found and all(one == found[0] for one in found) else {}


def _manifest_differences(config_type: type[Configuration], found: Sequence[Manifest]) -> list[SettingDifference]:
    first, *others = found
    by_run = [
        {
            (one.group, one.field): one
            for one in manifest_diff.differences(first, other, config_type)
            if one.field != _ROOT
        }
        for other in others
    ]
    order = list(manifest_diff.Group)
    fields = sorted(dict.fromkeys(field for run in by_run for field in run), key=lambda field: order.index(field[0]))
    settings = []
    for group, field in fields:
        pairs = [run.get((group, field)) for run in by_run]
        changed = [pair for pair in pairs if pair is not None]
        old = changed[0].old
        values = [old]
        for pair in pairs:
            if pair is None:
                values.append(old)
            else:  # differences of sets, such as a processor's features, contain only what the other side lacks
                values.append(pair.new if pair.old == old else f"{pair.new} (in place of {pair.old})")
        settings.append(SettingDifference(group.value, field, tuple(values), any(pair.matters for pair in changed)))
    return settings


def _property_differences(runs: Sequence[Run]) -> list[SettingDifference]:
    by_run = [
        {f"{node.node} {name}": value for node in run.nodes for name, value in _parameters(node).items()}
        for run in runs
    ]
    values = {
        field: tuple(run.get(field, _ABSENT) for run in by_run)
        for field in dict.fromkeys(field for run in by_run for field in run)
    }
    return [SettingDifference("configuration", field, row) for field, row in values.items() if len(set(row)) > 1]


def _parameters(node: NodeRun) -> dict[str, str]:
    """Return the properties of a node that say what it does, not in which run."""
    return {name: str(value) for name, value in node.properties.items() if properties.is_parameter(name)}


def _metrics(runs: Sequence[Run]) -> Iterable[MetricDifference]:
    slices = dict.fromkeys(name for run in runs for name in run.slices)
    yield from _metrics_of([run.metrics for run in runs], OVERALL)
    for name in slices:
        yield from _metrics_of([run.slices.get(name, {}) for run in runs], name)


def _metrics_of(found: Sequence[Mapping[str, float]], of_slice: str) -> Iterable[MetricDifference]:
    for name in dict.fromkeys(name for metrics in found for name in metrics):
        values = tuple(metrics.get(name) for metrics in found)
        if len(set(values)) > 1:
            first = values[0]
            deltas = (None if value is None or first is None else value - first for value in values)
            yield MetricDifference(name, of_slice, values, tuple(deltas))


def _node(run: Run, name: str) -> NodeRun | None:
    return next((node for node in run.nodes if node.node == name), None)


def _outputs_of(run: Run, name: str) -> dict[str, ArtifactRow]:
    """Return a node's outputs by key; further ones of a list by key and index."""
    node = _node(run, name)
    outputs = node.outputs if node else ()
    return {f"{use.key} {use.index}" if use.index else use.key: use.artifact for use in outputs}


def _outputs(runs: Sequence[Run], nodes: Sequence[str]) -> tuple[list[OutputDifference], list[str]]:
    """Return the outputs that differ, and the names of those without a digest."""
    found, undigested = [], []
    for node in nodes:
        by_run = [_outputs_of(run, node) for run in runs]
        for key in dict.fromkeys(key for outputs in by_run for key in outputs):
            rows = [outputs.get(key) for outputs in by_run]
            present = [row for row in rows if row is not None]
            removed = tuple(dict.fromkeys(row.id for row in present if row.removed))
            if len({row.id for row in present}) > 1 and not all(row.content for row in present):
                gone = ", ".join(f"artifact {number}, removed" for number in removed)
                undigested.append(f"{node} {key} ({gone})" if gone else f"{node} {key}")
            is_known = len({row.content for row in present if row.content}) > 1
            is_other = len({row.id for row in present}) > 1 and not any(row.content or row.removed for row in present)
            if len(present) == len(rows) and not is_known and not is_other:
                continue
            contents = tuple(row.content if row else "" for row in rows)
            artifacts = tuple(row.id if row else 0 for row in rows)
            found.append(OutputDifference(node, key, contents, artifacts, removed))
    return found, undigested


def _states(runs: Sequence[Run], nodes: Sequence[str]) -> Iterable[NodeStates]:
    """Yield the nodes that succeeded only in some of the runs."""
    for name in nodes:
        found = [_node(run, name) for run in runs]
        if len({node is not None and node.state in _SUCCEEDED for node in found}) > 1:
            yield NodeStates(name, tuple(node.state.value if node else "" for node in found))


def _has_other_content(output: OutputDifference, place: int) -> bool:
    """Return whether the output of a run is known to differ from that of the first run."""
    if not (output.artifacts[0] and output.artifacts[place]):
        return output.artifacts[0] != output.artifacts[place]
    first, other = output.contents[0], output.contents[place]
    return bool(first and other and first != other)


def _changes(first: Run, other: Run, name: str) -> tuple[str, ...]:
    """Return how properties and inputs of a node differ, in words; empty if the node is missing in a run."""
    old, new = _node(first, name), _node(other, name)
    if old is None or new is None:
        return ()
    before, now = _parameters(old), _parameters(new)
    changed = [one for one in dict.fromkeys((*before, *now)) if before.get(one) != now.get(one)]
    found = [f"{one}: {_short(before.get(one))} -> {_short(now.get(one))}" for one in changed]
    inputs, others = _taken(first, old), _taken(other, new)
    for key in dict.fromkeys((*inputs, *others)):
        if inputs.get(key) != others.get(key):
            found.append(f"input {key}: {inputs.get(key, _ABSENT)} -> {others.get(key, _ABSENT)}")
    return tuple(found)


def _taken(run: Run, node: NodeRun) -> dict[str, str]:
    """Return what a node read, by key: the output of a node of the run, or else an artifact.

    The output of a node that was executed again is another artifact, but that is no difference of its readers.
    An artifact that a node without inputs took from another one, as a resolver does, counts as read.
    """
    made = {use.artifact.id: f"{one.node} {use.key}" for one in run.nodes for use in one.outputs}
    found: dict[str, list[str]] = {}
    for use in node.inputs:
        found.setdefault(use.key, []).append(made.get(use.artifact.id, f"artifact {use.artifact.id}"))
    if not node.inputs:
        for use in node.outputs:
            if use.artifact.node not in ("", node.node):
                found.setdefault(use.key, []).append(f"artifact {use.artifact.id}")
    return {key: ", ".join(sorted(values)) for key, values in found.items()}


def _short(value: str | None) -> str:
    return _ABSENT if value is None else beginning(value, _LONGEST_VALUE)


def _key_changes(reader: Reader, first: Run, other: Run, name: str) -> tuple[str, ...]:
    """Return the changes of a node's cache key, in words; empty if a run has no execution or no key of it."""
    executions = [node.execution for node in (_node(first, name), _node(other, name)) if node and node.execution]
    if reader.root is None or len(executions) < 2:
        return ()
    old, new = (reader.store.execution(number).key for number in executions)
    return tuple(map(str, new.changes_since(old))) if old is not None and new is not None else ()
