"""`sae.run`: errors of the command, and progress as a table."""

from __future__ import annotations

import datetime
import io
import pathlib
import signal
import subprocess

import pytest

import sae
from pipeline.core.event_log import TimedEvent
from pipeline.core.events import EpochEnded, Event, NodeEnded, NodeStarted, NodeState, Note, RunStarted
from sae import running


def timed(*events: Event) -> list[TimedEvent]:
    return [TimedEvent(datetime.datetime.now(datetime.timezone.utc), one) for one in events]


def test_progress_is_a_bar_and_a_row_for_each_node() -> None:
    page = running.progress_html(
        timed(
            Note("loading"),
            Note("few <digits>", warning=True),
            RunStarted("r1", ("A", "B", "C")),
            NodeEnded("A", NodeState.CACHED, 0.0),
            NodeStarted("B", ("its code changed",)),
            EpochEnded(3, 50, 0.155, 0.151),
        )
    )
    assert '<progress value="1" max="3">' in page
    assert "run r1: 1 of 3 nodes" in page
    assert "<td>A</td><td>cached</td><td></td><td></td>" in page
    assert (
        "<td>B</td><td>running</td><td></td><td>epoch 3/50  with penalty: loss 0.1550, validation 0.1510</td>" in page
    )
    assert "<td>C</td><td>waiting</td>" in page
    assert "warning: few &lt;digits&gt;" in page
    assert "loading" not in page
    assert "starting" in running.progress_html([])


def test_commands_in_the_progress_of_a_run_select_its_root() -> None:
    ended = NodeEnded("A", NodeState.FAILED, 1.0, "killed; `sae resume` repeats it")
    page = running.progress_html(timed(RunStarted("r1", ("A",)), Note("see `sae runs`", warning=True), ended), "/r")
    assert "see `sae runs --root /r`" in page
    assert "killed; `sae resume --root /r` repeats it" in page


def test_the_line_of_an_error_is_not_shown_but_returned() -> None:
    shown: list[str] = []
    stream = io.BytesIO(b"loading\nerror: no profile 'x'\n")
    assert running._follow(stream, shown.append) == "no profile 'x'"
    assert shown == ["loading\n"]


@pytest.mark.parametrize(
    ("value", "text"),
    [([64, 16], "64,16"), ((64,), "64"), ([], ""), ("64,16", "64,16"), (64, "64"), (True, "true")],
)
def test_a_setting_is_given_as_the_shell_takes_it(
    value: object, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    given: list[str] = []
    monkeypatch.setattr(running, "_run_process", lambda words, root: given.extend(words) or (2, "", "refused"))
    with pytest.raises(sae.UsageError, match="refused"):
        sae.run(settings={"model.hidden_layers": value}, root=tmp_path / "root")  # type: ignore[dict-item]
    assert f"--set=model.hidden_layers={text}" in given


def test_a_command_that_an_error_names_selects_the_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(running, "_run_process", lambda words, root: (-9, "", "killed: `sae resume` continues it"))
    with pytest.raises(sae.SaeError, match=f"`sae resume --root {tmp_path}` continues it"):
        sae.run(root=tmp_path)


def test_settings_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(sae.UsageError, match="is not allowed: give values by name"):
        sae.run(settings="model.l1=1")  # type: ignore[arg-type]


@pytest.mark.component
def test_a_wrong_setting_is_the_error_of_the_command(tmp_path: pathlib.Path) -> None:
    with pytest.raises(sae.UsageError, match=r"no setting 'model.l2' \(settings=\); did you mean model.l1\?"):
        sae.run(settings={"model.l2": 1.0}, root=tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_an_interrupt_reaches_the_process_of_the_run_and_waits_for_its_end() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        with pytest.raises(KeyboardInterrupt), running._interrupting(process):
            raise KeyboardInterrupt
        assert process.returncode == -signal.SIGINT
