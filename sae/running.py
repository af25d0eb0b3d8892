"""Run the pipeline as `sae run` does, in a process of its own, with progress in a notebook."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from components import json_text
from pipeline.core import event_log, parent_process
from pipeline.core.errors import ExitCode, UsageError, of_exit_code
from pipeline.core.event_log import TimedEvent
from pipeline.core.events import EpochEnded, JobProgress, NodeEnded, NodeStarted, Note, RunStarted
from pipeline.core.pipeline_root import Root
from pipeline.core.project import python_path
from pipeline.core.settings import text_of
from pipeline.core.suggestions import Selection
from pipeline.core.text import seconds_text, signal_name
from pipeline.terminal.progress import epoch_text
from pipeline_config import Value
from sae import errors, html
from sae.root import locate, open_root
from sae.runs import RecordedRun

_REFRESH = 0.25  # seconds between two updates of a notebook
_ERROR = "error: "


def run(
    profile: str = "",
    settings: Mapping[str, Value | Sequence[int | str]] | None = None,
    root: str | os.PathLike[str] | None = None,
    *,
    seed: int | None = None,
    use_cache: bool = True,
    pipeline: str = "",
) -> RecordedRun:
    """Run the pipeline like `sae run`, wait for its end, and return the run.

    The run has a process of its own, so TensorFlow, its threads and its memory are as in the shell, and so are the
    results. A notebook shows the nodes as they run; elsewhere, lines go to standard error. An interrupt ends the run as
    Ctrl-C does in the shell.

    Args:
      profile: name of a profile; by default the first one.
      settings: values by dotted name, as in `{"model.l1": 1e-3, "model.hidden_layers": [64, 16]}`.
      root: the pipeline root; by default SAE_ROOT, or else `pipeline_root`.
      seed: of the weights and of the order in each epoch.
      use_cache: False executes every node.
      pipeline: `MODULE:NAME` of another pipeline.

    Returns:
      The run, also if a gate refused its model: see `RecordedRun.blessed`.

    Raises:
      SaeError: the run could not start, a node failed, or the data has anomalies; `exit_code` is that of the command.
      KeyboardInterrupt: the run was interrupted.
    """
    if not isinstance(settings, (Mapping, type(None))):
        raise UsageError(f'settings {settings!r} is not allowed: give values by name, such as {{"model.l1": 1e-3}}')
    given = (settings or {}).get("paths.root") if root is None else os.fspath(root)
    with errors.worded(Selection()):
        folder = locate(None if given is None else str(given))
    words = ["--set=" + f"{name}={text_of(value)}" for name, value in (settings or {}).items()]
    words += [f"--profile={profile}"] * bool(profile)
    words += [f"--seed={seed}"] * (seed is not None)
    words += ["--no-cache"] * (not use_cache)
    group = [f"--pipeline={pipeline}"] if pipeline else []
    code, output, error = _run_process([*group, "run", *words, f"--root={folder.path}", "--json"], folder)
    if not output:
        with errors.worded(Selection(pipeline, str(folder.path))):
            raise of_exit_code(code, error)
    summary = json_text.parse(output)
    opened = open_root(folder.path, pipeline=pipeline)
    if summary["state"] != "succeeded":
        with opened.completed_errors():
            next_step = f"`sae resume {summary['run_id']}` continues it when the cause is removed"
            raise of_exit_code(code, f"run {summary['run_id']} failed: {summary['error']}; {next_step}")
    return opened.run(summary["run_id"])


def _run_process(arguments: Sequence[str], root: Root) -> tuple[int, str, str]:
    """Run a command of `sae` that ends with JSON, and show its progress.

    Returns:
      Its exit code, its standard output, and its error; empty if it wrote none.

    Raises:
      KeyboardInterrupt: it was interrupted, here or by a signal.
    """
    environment = {**parent_process.environment(os.environ), "PYTHONPATH": python_path()}
    with tempfile.TemporaryDirectory() as folder, open(pathlib.Path(folder) / "output", "w+b") as output:
        id_file = pathlib.Path(folder) / "run"
        command = [sys.executable, "-m", "pipeline", *arguments, f"--run-id-file={id_file}"]
        with (
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches it once, through `_interrupting`
            ) as process,
            _interrupting(process),
            _display(root, id_file) as show,
        ):
            assert process.stderr is not None
            error = _follow(process.stderr, show)
            code = process.wait()
        if code == ExitCode.INTERRUPTED or code == -signal.SIGINT:
            raise KeyboardInterrupt
        output.seek(0)
        if code < 0:
            error = f"the run was ended by {signal_name(-code)}: `sae resume` continues it"
        return code, output.read().decode("utf-8"), error or f"the run ended with exit code {code}"


def _follow(stream: IO[bytes], show: Callable[[str], None]) -> str:
    """Show the lines of a command, and return the text of its error; empty if it writes none."""
    error = ""
    for line in io.TextIOWrapper(stream, encoding="utf-8", errors="replace"):
        if line.startswith(_ERROR):
            error = line.removeprefix(_ERROR).rstrip()
        else:
            show(line)
    return error


@contextlib.contextmanager
def _interrupting(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Interrupt a process, and wait for its end, when this one is interrupted; a second time kills it."""
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise


@contextlib.contextmanager
def _display(root: Root, id_file: pathlib.Path) -> Iterator[Callable[[str], None]]:
    """Yield what shows a line of progress: as it is, or in a notebook a table of the nodes that is updated."""
    if not _in_notebook():
        yield functools.partial(print, end="", file=sys.stderr, flush=True)
        return
    from IPython.display import HTML, display

    handle: Any = display(HTML(""), display_id=True)
    shown = 0.0

    def update(line: str) -> None:
        nonlocal shown
        if not line or time.monotonic() - shown > _REFRESH:
            shown = time.monotonic()
            run_id = id_file.read_text(encoding="utf-8").strip() if id_file.is_file() else ""
            events = event_log.read(root.path, run_id) if run_id else []
            handle.update(HTML(progress_html(events, str(root.path))))

    try:
        yield update
    finally:
        update("")


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; plain IPython has no pages."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def progress_html(events: Sequence[TimedEvent], root: str = "") -> str:
    """Return a bar and a table of the nodes of a run from its events so far, with its warnings.

    The commands that these suggest select the root, if one is given.
    """
    selection = Selection(root=root)
    nodes: tuple[str, ...] = ()
    rows: dict[str, tuple[str, str, str]] = {}  # state, time and detail by node
    current, warnings, run_id = "", [], ""
    for event in (one.event for one in events):
        if isinstance(event, RunStarted):
            nodes, run_id = event.nodes, event.run_id
        elif isinstance(event, NodeStarted):
            current, rows[event.node] = event.node, ("running", "", "; ".join(event.reasons))
        elif isinstance(event, EpochEnded):
            rows[current] = ("running", "", epoch_text(event))
        elif isinstance(event, JobProgress):
            rows[current] = ("running", "", event.text)
        elif isinstance(event, NodeEnded):
            detail = errors.text(selection, event.reason) or (rows[event.node][2] if event.node in rows else "")
            rows[event.node] = (event.state.value, seconds_text(event.seconds) if event.seconds else "", detail)
        elif isinstance(event, Note) and event.warning:
            warnings.append(html.element("p", f"warning: {errors.text(selection, event.text)}"))
    ended = sum(state != "running" for state, _, _ in rows.values())
    bar = f'<progress value="{ended}" max="{max(len(nodes), 1)}"></progress> '
    text = f"run {run_id}: {ended} of {len(nodes)} nodes" if nodes else "starting"
    heading = f"<p>{bar}{html.element('span', text)}</p>"
    return (
        heading
        + "".join(warnings)
        + html.table(["node", "state", "time", ""], [(node, *rows.get(node, ("waiting", "", ""))) for node in nodes])
    )
