"""`sae run`: from a request to a finished run and its summary."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import pathlib
import time
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline import cancellation, metadata, process, settings
from pipeline.display import display
from pipeline.errors import ExitCode, NotFoundError, UsageError
from pipeline.events import Listener, NodeState, Note
from pipeline.root import Root
from pipeline.summary import Summary

# The order of the nodes; a test holds it against the definition. Known here so that a misspelt node is refused before
# TFX is imported.
NODES = (
    "ExampleGen",
    "SchemaGen",
    "StatisticsGen",
    "ExampleValidator",
    "DataGate",
    "Transform",
    "Trainer",
    "Evaluator",
    "Pusher",
    "Report",
)

# Metrics of the summary, by their name in the Evaluator.
_METRICS = {
    "test_bce": "bce",
    "test_mse": "mse",
    "active_units": "active_units",
    "dead_units": "dead_units",
    "hoyer": "hoyer",
    "gini": "gini",
    "mean_image_bce": "mean_image_bce",
    "mean_image_mse": "mean_image_mse",
    "entropy_floor": "entropy_floor",
    "bce_to_mean_image": "bce_to_mean_image",
}


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """What `sae run` was asked for.

    Attributes:
      settings: profile, file, assignments.
      from_node, to_node: the part to run; empty for the whole.
      base_run: the run that stands in for the rest; empty for the newest that fits.
      use_cache: False runs every node.
    """

    settings: settings.Request
    from_node: str = ""
    to_node: str = ""
    base_run: str = ""
    use_cache: bool = True


def run(request: RunRequest) -> Summary:
    """Runs the pipeline and returns its summary; shows progress on standard error.

    Raises:
      SaeError: it could not start: usage, a locked root, no data. Nothing was recorded then.
      KeyboardInterrupt: it was interrupted; what had ended is kept.
    """
    resolved = settings.resolve(request.settings)
    for option, node in (("--from-node", request.from_node), ("--to-node", request.to_node)):
        if node and node not in NODES:
            raise NotFoundError(
                f"{option} {node}: no such node{settings.closest(node, NODES)} (there are: {', '.join(NODES)})"
            )
    if request.base_run and not (request.from_node or request.to_node):
        raise UsageError("--base goes with --from-node or --to-node: a whole run reuses nothing of another run")
    root = Root(pathlib.Path(resolved.config.paths.root).resolve())
    root.create()
    with root.lock():
        run_id = _new_run_id(root)
        process.set_environment(root, resolved.config.engine)
        log = root.logs / f"{run_id}.log"
        try:
            with process.output_to(log) as (_, terminal), _logging(log), display(terminal) as listener:
                return _Run(request, resolved, root, run_id, log, listener, terminal).execute()
        finally:
            process.clear_temporary(root)


def _new_run_id(root: Root) -> str:
    """UTC time to the second, with a number where that is taken: `20261123-143005`, `20261123-143005-2`."""
    base = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    taken = {path.stem for path in root.logs.glob(f"{base}*.log")}
    return base if base not in taken else next(name for n in range(2, 1000) if (name := f"{base}-{n}") not in taken)


@contextlib.contextmanager
def _logging(log: pathlib.Path) -> Iterator[None]:
    """All logging goes to the run's log, with times and names."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


class _Run:
    """One run, in its steps."""

    def __init__(
        self,
        request: RunRequest,
        resolved: settings.Settings,
        root: Root,
        run_id: str,
        log: pathlib.Path,
        listener: Listener,
        terminal: TextIO,
    ) -> None:
        self._request = request
        self._resolved = resolved
        self._root = root
        self._run_id = run_id
        self._log = log
        self._tell = listener
        self._terminal = terminal
        self._begun = time.monotonic()

    def execute(self) -> Summary:
        """Runs to the end; a signal is answered from the first import on."""
        with cancellation.cancellable(self._record_cancelled):
            return self._run()

    def _record_cancelled(self) -> None:
        """Closes what was running. May be called from another thread, so it opens the store anew."""
        if self._root.metadata.exists():
            store = metadata.Store(self._root.metadata)
            closed = store.close_unfinished(self._run_id, self._root, "the run was interrupted")
            for node in closed:
                self._tell(Note(f"{node} cancelled; its unfinished output was removed", warning=True))
        self._tell(Note(f"run {self._run_id} was interrupted; the same command goes on with what had ended"))

    def _run(self) -> Summary:
        metadata.Store(self._root.metadata)  # it opens, so it is not damaged: found out before the slow imports
        self._tell(Note("loading TensorFlow and TFX"))
        with process.heavy_imports():
            from pipeline import data_source, definition, runner

        found = data_source.find(self._request.settings, self._root, self._download)
        config, source = found.settings.config, found.source
        self._root.claim_dataset(source.name)
        if source.notice:
            self._tell(Note(source.notice, warning=True))
        pipeline = definition.create_pipeline(
            config, source, self._root.artifacts, self._root.metadata, self._root.serving
        )
        handler = runner.EpochHandler(self._tell)
        logging.getLogger("components").addHandler(handler)
        local = runner.LocalRunner(
            self._root, self._run_id, config.engine.beam_workers, self._tell, self._request.use_cache
        )
        try:
            result = local.run(pipeline, run_options=self._part(pipeline))
        finally:
            logging.getLogger("components").removeHandler(handler)
        return self._summary(result, found)

    def _download(self, builder: Any) -> None:
        """TFDS's own progress bars, on the terminal."""
        self._tell(Note(f"downloading {builder.info.full_name} to {builder.data_dir}"))
        with contextlib.redirect_stderr(self._terminal):
            builder.download_and_prepare()

    def _part(self, pipeline: Any) -> Any:
        """TFX's options for the part that was asked for; None for the whole pipeline."""
        from tfx.orchestration.pipeline import RunOptions

        from pipeline import parts

        request = self._request
        if not (request.from_node or request.to_node):
            return None
        from_nodes = [request.from_node] if request.from_node else []
        to_nodes = [request.to_node] if request.to_node else []
        to_run, reused = parts.nodes_of(pipeline, from_nodes, to_nodes)
        if not to_run:
            raise UsageError(f"no node lies between --from-node {request.from_node} and --to-node {request.to_node}")
        base_run = None
        if reused:
            needed = [node for node in NODES if node in reused]
            store = metadata.Store(self._root.metadata)
            base_run = parts.base_run(store, self._root, request.base_run, needed)
            self._tell(Note(f"reusing {', '.join(needed)} of run {base_run}"))
            for notice in parts.check_models(store, base_run, needed):
                self._tell(Note(notice, warning=True))
        return RunOptions(from_nodes=from_nodes, to_nodes=to_nodes, base_pipeline_run_id=base_run)

    def _summary(self, result: Any, found: Any) -> Summary:
        from components import evaluation
        from pipeline import definition

        store = metadata.Store(self._root.metadata)
        executions = store.executions(self._run_id)

        def output(node: str, key: str) -> metadata.Output | None:
            execution = executions.get(node)
            good = execution is not None and execution.state in (NodeState.EXECUTED, NodeState.CACHED)
            return store.outputs(execution.id).get(key) if execution is not None and good else None

        metrics: dict[str, float] = {}
        reasons: tuple[str, ...] = ()
        if evaluated := output("Evaluator", "evaluation"):
            judged = evaluation.read_evaluation(evaluated.uri, definition.gates(found.settings.config))
            metrics = {name: judged.overall[key] for name, key in _METRICS.items()}
            reasons = judged.reasons
        blessing = output("Evaluator", "blessing")
        blessed = None if blessing is None else blessing.properties.get("blessed") == 1
        pushed = output("Pusher", "pushed_model")
        report = output("Report", "report")
        if report:
            metrics["pca_mse"] = _pca_mse(pathlib.Path(report.uri))
        exit_code = result.exit_code
        if exit_code == ExitCode.DONE and blessed is False:
            exit_code = ExitCode.GATE_FAILED
        return Summary(
            run_id=self._run_id,
            state="succeeded" if result.exit_code == ExitCode.DONE else "failed",
            dataset=f"{found.source.name} {found.source.version}",
            notice=found.source.notice,
            profile=found.settings.profile,
            nodes=tuple(
                {
                    "id": node.node,
                    "state": node.state.value,
                    "seconds": round(node.seconds, 3),
                    "reason": node.reason or None,
                }
                for node in result.nodes
            ),
            metrics=metrics,
            blessed=blessed,
            reasons=reasons,
            pushed_version=str(pushed.properties["pushed_version"]) if pushed and blessed else None,
            report=str(pathlib.Path(report.uri) / "report.html") if report else None,
            root=str(self._root.path),
            log=str(self._log),
            seconds=round(time.monotonic() - self._begun, 3),
            error=result.error,
            exit_code=exit_code,
        )


def _pca_mse(folder: pathlib.Path) -> float:
    from components import report

    content = json.loads((folder / report.SUMMARY_FILE).read_text(encoding="utf-8"))
    return float(content["metrics"]["pca_mse"])
