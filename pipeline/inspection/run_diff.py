"""Runs side by side: only what differs, each against the first one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from pipeline.core.errors import SaeError
from pipeline.inspection.reader import Reader
from pipeline.inspection.views import ArtifactRow, NodeRun, NodeRunState, Run, RunRow
from pipeline.metadata.store import open_store
from pipeline.provenance import manifest as manifests
from pipeline.provenance import manifest_diff
from pipeline.provenance.manifest import Manifest
from pipeline_config import Configuration

OVERALL = "overall"
_MADE = (NodeRunState.EXECUTED, NodeRunState.CACHED)
_PROPERTIES = "configuration"  # the group of what executions were told, where there are no manifests


@dataclasses.dataclass(frozen=True)
class SettingDifference:
    """Something that the runs were made from and that is not the same for all of them.

    Attributes:
      group: `data`, `code`, `configuration`, `packages` or `machine`.
      field: what differs: a setting's name, a file, a package.
      values: one for each run, short enough to show.
      matters: whether results may differ because of it.
    """

    group: str
    field: str
    values: tuple[str, ...]
    matters: bool = True


@dataclasses.dataclass(frozen=True)
class MetricDifference:
    """A metric on the test split that is not the same for all runs.

    Attributes:
      slice: `overall`, or `label 3`.
      values: one for each run; None where it has none.
      deltas: one for each run: its value less that of the first run; None where one of them is missing.
    """

    name: str
    slice: str
    values: tuple[float | None, ...]
    deltas: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class OutputDifference:
    """An output that does not have the same content in all runs.

    Attributes:
      contents: digests of the content, one for each run; empty where the run has no such output, or it no digest.
      artifacts: ids in ML Metadata, one for each run; 0 where the run has no such output.
    """

    node: str
    key: str
    contents: tuple[str, ...]
    artifacts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class NodeStates:
    """A node that ended well in some of the runs only; `states`: one for each run, empty where it has no such node."""

    node: str
    states: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FirstDifference:
    """Where a run parts from the first one.

    Attributes:
      run: its id.
      node: the first node, in the order of the pipeline, that did not make the same; empty where all did.
      reasons: what that node's result depends on and is not the same; empty where that is not known.
    """

    run: str
    node: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs side by side. All but `runs` and `partings` is empty where nothing differs.

    Attributes:
      runs: the first one is what the others are compared with.
      settings: by group, in the order of `manifest_differences.Group`.
      metrics: overall first, then by slice.
      outputs, states: in the order of the pipeline.
      partings: one for each run but the first.
      unknown: what could not be compared, and why, in words.
    """

    runs: tuple[RunRow, ...]
    settings: tuple[SettingDifference, ...]
    metrics: tuple[MetricDifference, ...]
    outputs: tuple[OutputDifference, ...]
    states: tuple[NodeStates, ...]
    partings: tuple[FirstDifference, ...]
    unknown: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing was found to differ."""
        return not (self.settings or self.metrics or self.outputs or self.states)


def compare(reader: Reader, run_ids: Sequence[str]) -> Comparison:
    """Compares runs with the first of them.

    Args:
      reader: of the store.
      run_ids: full ids, two or more.

    Raises:
      NotFoundError: no such run.
    """
    runs = [reader.run(run_id) for run_id in run_ids]
    settings, unknown = _settings(reader, runs)
    nodes = _node_names(runs)
    outputs, undigested = _outputs(runs, nodes)
    states = [one for node in nodes if (one := _states(runs, node)) is not None]
    if undigested:
        unknown.append(f"without a digest, so whether they differ is not known: {', '.join(undigested)}")
    return Comparison(
        runs=tuple(run.row for run in runs),
        settings=tuple(settings),
        metrics=tuple(_metrics(runs)),
        outputs=tuple(outputs),
        states=tuple(states),
        partings=tuple(_parting(reader, runs, place, nodes, outputs, states) for place in range(1, len(runs))),
        unknown=tuple(unknown),
    )


def _settings(reader: Reader, runs: Sequence[Run]) -> tuple[list[SettingDifference], list[str]]:
    """What the runs were made from, from their manifests; what executions were told where one has none."""
    found: list[Manifest] = []
    unknown = []
    for run in runs:
        try:
            if reader.root is None:
                raise SaeError("a store alone holds no manifests")
            found.append(manifests.read(reader.root.path, run.row.id, reader.pipeline))
        except SaeError as error:
            unknown.append(f"{error}; compared is what ML Metadata notes of each node")
    if unknown:
        return _told(runs), list(dict.fromkeys(unknown))
    return _of_manifests(reader.pipeline.configuration, found), []


def _of_manifests(config_type: type[Configuration], found: Sequence[Manifest]) -> list[SettingDifference]:
    first, *others = found
    by_run = [
        {(one.group, one.field): one for one in manifest_diff.differences(first, other, config_type)}
        for other in others
    ]
    order = list(manifest_diff.Group)
    fields = sorted(dict.fromkeys(field for run in by_run for field in run), key=lambda field: order.index(field[0]))
    settings = []
    for group, field in fields:
        pairs = [run.get((group, field)) for run in by_run]
        there = [pair for pair in pairs if pair is not None]
        old = there[0].old
        values = [old]
        for pair in pairs:
            if pair is None:
                values.append(old)
            else:  # of sets, such as a processor's features, only what the other side lacks is told
                values.append(pair.new if pair.old == old else f"{pair.new} (in place of {pair.old})")
        settings.append(SettingDifference(group.value, field, tuple(values), any(pair.matters for pair in there)))
    return settings


def _told(runs: Sequence[Run]) -> list[SettingDifference]:
    """What the executions were told, where that differs."""
    told = [
        {f"{node.node} {name}": str(value) for node in run.nodes for name, value in node.properties.items()}
        for run in runs
    ]
    fields = dict.fromkeys(field for run in told for field in run)
    rows = [
        SettingDifference(_PROPERTIES, field, tuple(run.get(field, "not there") for run in told)) for field in fields
    ]
    return [row for row in rows if len(set(row.values)) > 1]


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


def _node_names(runs: Sequence[Run]) -> list[str]:
    """All nodes, in the order in which they ran."""
    return list(dict.fromkeys(node.node for run in runs for node in run.nodes))


def _node(run: Run, name: str) -> NodeRun | None:
    return next((node for node in run.nodes if node.node == name), None)


def _made(run: Run, name: str) -> dict[str, ArtifactRow]:
    """What a node made or reused, by key; lists are numbered from the second on."""
    node = _node(run, name)
    outputs = node.outputs if node else ()
    return {f"{use.key} {use.index}" if use.index else use.key: use.artifact for use in outputs}


def _outputs(runs: Sequence[Run], nodes: Sequence[str]) -> tuple[list[OutputDifference], list[str]]:
    """Outputs that differ, and those of which that is not known."""
    found, undigested = [], []
    for node in nodes:
        made = [_made(run, node) for run in runs]
        for key in dict.fromkeys(key for outputs in made for key in outputs):
            rows = [outputs.get(key) for outputs in made]
            there = [row for row in rows if row is not None]
            if len({row.id for row in there}) > 1 and not all(row.content for row in there):
                undigested.append(f"{node} {key}")
            if len(there) == len(rows) and len({row.content for row in there if row.content}) < 2:
                continue
            contents = tuple(row.content if row else "" for row in rows)
            found.append(OutputDifference(node, key, contents, tuple(row.id if row else 0 for row in rows)))
    return found, undigested


def _states(runs: Sequence[Run], name: str) -> NodeStates | None:
    """How a node ended, where it ended well in some runs only."""
    found = [_node(run, name) for run in runs]
    if len({node is not None and node.state in _MADE for node in found}) == 1:
        return None
    return NodeStates(name, tuple(node.state.value if node else "" for node in found))


def _parting(
    reader: Reader,
    runs: Sequence[Run],
    place: int,
    nodes: Sequence[str],
    outputs: Sequence[OutputDifference],
    states: Sequence[NodeStates],
) -> FirstDifference:
    differ = {one.node for one in outputs if _is_other(one, place)}
    differ |= {one.node for one in states if one.states[0] != one.states[place]}
    node = next((node for node in nodes if node in differ), "")
    return FirstDifference(runs[place].row.id, node, _reasons(reader, runs[0], runs[place], node) if node else ())


def _is_other(output: OutputDifference, place: int) -> bool:
    """Whether a run is known to have another one than the first run."""
    first, other = ((output.artifacts[number], output.contents[number]) for number in (0, place))
    if not (first[0] and other[0]):
        return bool(first[0] or other[0])
    return bool(first[1] and other[1]) and first[1] != other[1]


def _reasons(reader: Reader, first: Run, other: Run, name: str) -> tuple[str, ...]:
    """What the keys of both executions of a node differ in; nothing where one has none."""
    pair = _node(first, name), _node(other, name)
    if reader.root is None or pair[0] is None or pair[1] is None or not (pair[0].execution and pair[1].execution):
        return ()
    store = open_store(reader.root, read_only=True)
    old, new = (store.execution(node.execution).key for node in pair if node is not None)
    return tuple(map(str, new.changes_since(old))) if old is not None and new is not None else ()
