"""Runs, and the artifacts that they made."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from components.evaluation.metrics import Metric, by_split
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.text import number_text, seconds_text, when_text
from pipeline.inspection.views import NodeRun, Run, RunRow
from pipeline.metadata import references
from pipeline.metadata.types import deletion_text, restore_hint
from pipeline.provenance import manifest
from pipeline.terminal import runs as terminal_runs
from pipeline.terminal.table import Column, Screen, yes_no
from pipeline_config import Value
from sae import html
from sae.model import LoadedModel, RawData
from sae.names import ByName
from sae.report import RunReport

if TYPE_CHECKING:
    import pandas

    from sae.root import PipelineRoot


@dataclasses.dataclass(frozen=True, repr=False)
class RunList(Sequence[RunRow]):
    """Runs in a list, such as those of `sae runs`, which is what `print` shows.

    Attributes:
      rows: the runs; `RunRow` has `id`, `state`, `started`, `seconds`, `dataset`, `metrics`, `blessed` and others.
      columns: the metrics that are columns.
    """

    rows: tuple[RunRow, ...]
    columns: tuple[Metric, ...]

    @overload
    def __getitem__(self, index: int) -> RunRow: ...
    @overload
    def __getitem__(self, index: slice) -> RunList: ...
    def __getitem__(self, index: int | slice) -> RunRow | RunList:
        return RunList(self.rows[index], self.columns) if isinstance(index, slice) else self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a table: a row for each run by its id, a column for each field, recorded metric and setting.

        Raises:
          UnavailableError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UnavailableError("pandas is not installed: run `pip install pandas`") from error
        apart = ("id", "metrics", "settings")  # the index, and what has columns of its own
        fields = [field.name for field in dataclasses.fields(RunRow) if field.name not in apart]
        recorded = (name for row in self.rows for name, value in row.metrics.items() if value is not None)
        names = list(dict.fromkeys([*(one.run_key for one in self.columns), *recorded]))
        settings = list(dict.fromkeys(name for row in self.rows for name in row.settings))
        return pandas.DataFrame(
            [
                [
                    *(_plain(getattr(row, name)) for name in fields),
                    *(row.metrics.get(name) for name in names),
                    *(row.settings.get(name) for name in settings),
                ]
                for row in self.rows
            ],
            index=pandas.Index([row.id for row in self.rows], name="id"),
            columns=[*fields, *names, *settings],
        )

    def __repr__(self) -> str:
        return terminal_runs.as_text(_screen(), self.rows, self.columns) or "no runs"

    def _repr_html_(self) -> str:
        return html.table(
            ["run", "state", "started (UTC)", "time", "data set", *(one.column for one in self.columns), "blessed"],
            [
                [
                    row.id,
                    row.state.value,
                    when_text(row.started),
                    seconds_text(row.seconds),
                    row.dataset,
                    *(one.text(row.metrics.get(one.run_key)) for one in self.columns),
                    yes_no(row.blessed),
                ]
                for row in self.rows
            ],
        )


@dataclasses.dataclass(frozen=True)
class RunArtifact:
    """An output of a node in a run.

    Attributes:
      id: its id in ML Metadata.
      type: TFX's name of its type: `Model`.
      node, key: the node and the output that it is.
      content: content digest; empty if it has none.
      created: when it was made, in UTC.
    """

    id: int
    type: str
    node: str
    key: str
    content: str
    created: datetime.datetime | None
    _uri: str = dataclasses.field(repr=False)
    _deleted: str = dataclasses.field(repr=False)
    _root: PipelineRoot = dataclasses.field(repr=False)

    @property
    def path(self) -> pathlib.Path:
        """The folder with its files.

        Raises:
          NotFoundError: the files were deleted or are missing.
        """
        path = pathlib.Path(self._uri)
        if self._deleted or not path.is_dir():
            why = f"was {self._deleted}" if self._deleted else f"is missing: {path}"
            with self._root.completed_errors():
                raise NotFoundError(f"artifact {self.id}, {self.key} of {self.node}, {why}; {restore_hint(self.id)}")
        return path


class NodeList(tuple[NodeRun, ...]):
    """The nodes of a run; `nodes["Trainer"]` is the one of this name. Raises `NotFoundError` if there is none."""

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> NodeRun: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[NodeRun, ...]: ...
    def __getitem__(self, index: SupportsIndex | str | slice) -> NodeRun | tuple[NodeRun, ...]:
        if isinstance(index, str):
            names = [one.node for one in self]
            index = names.index(references.find_node(index, names))
        return super().__getitem__(index)

    def __repr__(self) -> str:
        columns = [Column("node"), Column("state"), Column("time", right=True), Column("error", min_width=16)]
        rows = [(one.node, one.state.value, seconds_text(one.seconds), one.error) for one in self]
        return "\n".join(_screen().table(columns, rows)) or "no nodes"


def _screen() -> Screen:
    """Return the terminal that text is printed to, without its colours: the text may be kept."""
    return dataclasses.replace(Screen.of(sys.stdout), color=False)


@dataclasses.dataclass(frozen=True)
class RecordedRun:
    """A run as it was when it was read.

    Attributes:
      root: the pipeline root that contains it.
      details: everything that ML Metadata has of it.
    """

    root: PipelineRoot
    details: Run

    @property
    def id(self) -> str:
        """The run's id: when it started, in UTC."""
        return self.details.row.id

    @property
    def state(self) -> str:
        """`running`, `succeeded`, `failed`, `cancelled` or `unfinished` (its process died)."""
        return self.details.row.state.value

    @property
    def started(self) -> datetime.datetime | None:
        """When it started, in UTC."""
        return self.details.row.started

    @property
    def seconds(self) -> float | None:
        """Its duration in seconds; None if unknown."""
        return self.details.row.seconds

    @property
    def dataset(self) -> str:
        """Name and version of its data set."""
        return self.details.row.dataset

    @property
    def blessed(self) -> bool | None:
        """Whether the model passed the gates; None if none was evaluated."""
        return self.details.row.blessed

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        return self.details.row.error

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics on the whole test split, by name; empty without an evaluation."""
        return ByName(self.details.metrics, "metric", self._name)

    @property
    def slices(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics of each slice, such as `label 3`."""
        found = {name: ByName(one, "metric", f"slice {name!r}") for name, one in self.details.slices.items()}
        return ByName(found, "slice", self._name)

    @property
    def nodes(self) -> NodeList:
        """The nodes with their states, times, inputs and outputs, in the order in which they ran, and by name."""
        return NodeList(self.details.nodes)

    @functools.cached_property
    def settings(self) -> Mapping[str, Value]:
        """Every setting by its dotted name.

        Raises:
          NotFoundError: the run has no manifest.
        """
        with self.root.completed_errors():
            found = manifest.read(self.root.path, self.id, self.root.pipeline).configuration
        return ByName(found, "setting", self._name)

    @property
    def _name(self) -> str:
        return f"run {self.id}"

    def artifact(self, node: str, key: str = "") -> RunArtifact:
        """Return an output of a node.

        Args:
          node: its name.
          key: the output; by default the node's first.

        Raises:
          NotFoundError: there is no such node or output, or the node did not run.
        """
        with self.root.reader() as reader:
            found = reader.artifact(reader.find_artifact(":".join([self.id, node, *([key] if key else [])])))
        row = found.row
        # A cached node did not make its output.
        used = {use.artifact.id: (one.node, use.key) for one in self.nodes for use in one.outputs}
        node, key = used.get(row.id, (row.node, row.key))
        deleted = deletion_text(row.state, found.properties)
        return RunArtifact(row.id, row.type, node, key, row.content, row.created, row.uri, deleted, self.root)

    def model(self) -> LoadedModel:
        """Load the trained model with TensorFlow, whether or not it is served.

        Raises:
          NotFoundError: the run has no model, or its files are gone.
        """
        pipeline = self.root.pipeline
        path = self._declared(pipeline.model, "model").path
        node, key = pipeline.model or ("", "")
        return LoadedModel(path / pipeline.by_name[node].saved_models.get(key, ""), self._raw_data())

    def report(self) -> RunReport:
        """Return the report on the model.

        Raises:
          NotFoundError: the run has no report, or its files are gone.
        """
        folder = self._declared(self.root.pipeline.report, "report").path
        model_run = self.details.output("ModelRun")
        return RunReport(self.id, folder, pathlib.Path(model_run.uri) / "history.json" if model_run else None)

    def _raw_data(self) -> RawData:
        """Return what the data set contains and how it is scaled; the defaults for runs of older versions."""
        with self.root.completed_errors():
            recorded = manifest.read(self.root.path, self.id, self.root.pipeline)
        known = {name: getattr(recorded.data, name, None) for name in ("dtype", "kind", "height", "width", "channels")}
        shape = tuple(int(known[name] or 1) for name in ("height", "width", "channels"))
        return RawData(
            dtype=known["dtype"] or RawData.dtype,
            scaling=str(recorded.configuration.get("data.scaling", RawData.scaling)),
            shape=() if known["kind"] == "vector" else shape,
        )

    def _declared(self, name: tuple[str, str] | None, what: str) -> RunArtifact:
        if name is None or self.details.named_output(name) is None:
            raise NotFoundError(f"run {self.id} has no {what}: it is {self.state}")
        with self.root.completed_errors():
            return self.artifact(*name)

    def __repr__(self) -> str:
        return f"RecordedRun(id={self.id!r}, state={self.state!r}, root={str(self.root.path)!r})"

    def _repr_html_(self) -> str:
        labels = {one.name: one.label for one in self.root.pipeline.declared_metrics}
        facts = [
            ("state", self.state),
            ("error", self.error),
            ("started (UTC)", when_text(self.started)),
            ("time", seconds_text(self.seconds)),
            ("data set", self.dataset),
            ("blessed", yes_no(self.blessed)),
        ]
        parts = [
            html.element("h4", f"run {self.id}"),
            html.table(["", ""], [pair for pair in facts if pair[1]]),
            html.table(
                ["node", "state", "time"],
                [(one.node, one.state.value, seconds_text(one.seconds)) for one in self.nodes],
            ),
        ]
        if self.metrics:
            test, validation = by_split(self.metrics, self.root.pipeline.declared_metrics)
            splits = [test, validation] if validation else [test]
            rows = [
                (labels.get(name, name), *(number_text(one[name]) if name in one else "" for one in splits))
                for name in dict.fromkeys(name for one in splits for name in one)
            ]
            parts.insert(2, html.table(["metric", "test split", "validation split"][: 1 + len(splits)], rows))
        return "".join(parts)


def _plain(value: Any) -> Any:
    """Return an enumeration as its text."""
    return getattr(value, "value", value)
