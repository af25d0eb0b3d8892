"""Kill an operation on a root at its N-th writing step, run another one after it, and check the root.

A step is a call that changes a file in the root, or a call that writes to ML Metadata. The process is killed before it.
SQLite makes each of ML Metadata's calls atomic.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import pathlib
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

from ml_metadata.metadata_store import metadata_store

from components.push import serving_dir
from pipeline.core import settings
from pipeline.core.errors import NotFoundError, UsageError
from pipeline.maintenance import fsck, gc, restore_store
from pipeline.metadata import backup, run_properties
from pipeline.metadata.types import Artifact
from pipeline.orchestration import run
from pipeline.orchestration.request import RunRequest
from pipeline.registry import decision_log, journal, pins, promotion, versions
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline_config import RetentionConfig
from tests.builders.roots import Recorded

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect"}
_STRICT = RetentionConfig(runs=1, pushed=0, max_mib=0)
_MOST = 500  # steps of an operation

Operation = Callable[[Recorded], object]


def _run(recorded: Recorded) -> None:
    """Rerun the run whose model is served: all nodes are cached, so no TensorFlow is imported."""
    seed = _served(recorded).removeprefix("run-")
    request = settings.Request(assignments=(f"training.seed={seed}",), root=str(recorded.root.path))
    run.run(RunRequest(PIPELINE, request), lambda stream: contextlib.nullcontext(lambda event: None))


def _run_killed_in_nodes(recorded: Recorded) -> None:
    """Kill such a rerun when its nodes are in the store as running, before the call that says that they are cached."""

    def call(self: object, name: str, *arguments: object) -> object:
        if name == "PutExecutions":
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, name, *arguments)

    original = metadata_store.MetadataStore._call_method
    metadata_store.MetadataStore._call_method = call
    _run(recorded)


def _resume(recorded: Recorded) -> None:
    """Resume the run that `prepare` killed, or a newer one; PushGate runs again if another model is served by now."""
    store = recorded.store()
    states = {run_id: run_properties.headline_of(store.run_properties(run_id)).state for run_id in store.run_ids()}
    wanted = next((run_id for run_id, state in states.items() if state != "succeeded"), "")
    ended = run.resume(PIPELINE, recorded.root, wanted, lambda stream: contextlib.nullcontext(lambda event: None))
    assert ended.state == "succeeded", ended.error


def _models(recorded: Recorded) -> dict[str, Artifact]:
    return {f"run-{number}": recorded.outputs(f"run-{number}", "Trainer")["model"] for number in range(1, 5)}


def _served(recorded: Recorded) -> str:
    """Return the run whose model is served, by its bytes."""
    newest = serving_dir.newest_version(recorded.root.serving)
    assert newest is not None
    [found] = [name for name, model in _models(recorded).items() if versions.has_bytes_of(newest, model)]
    return found


def _restore(recorded: Recorded) -> None:
    with recorded.root.lock():
        restore_store.restore(recorded.root, "run-4")


def _copy(recorded: Recorded) -> None:
    with recorded.root.lock():
        backup.make(recorded.root, "run-3", keep=3)


OPERATIONS: dict[str, Operation] = {
    "promote": lambda recorded: promotion.promote(recorded.root, "run-3", "better", lambda text: None),
    "rollback": lambda recorded: promotion.rollback(recorded.root, "worse", lambda text: None),
    "pin": lambda recorded: pins.pin(recorded.root, "run-3", "paper"),
    "unpin": lambda recorded: pins.unpin(recorded.root, "run-2", "done"),
    "gc": lambda recorded: gc.apply(PIPELINE, recorded.root, _STRICT),
    "restore": _restore,
    "copy": _copy,
    "run": _run,
    "resume": _resume,
}


def prepare_resume(recorded: Recorded) -> None:
    """Give each run an evaluation that PushGate can read, and import what `resume` needs.

    A child process that is forked later has it already.
    """
    from tests.builders import evaluations  # imports TensorFlow

    for run_id in _models(recorded):
        evaluations.write(recorded, run_id)
    importlib.import_module("pipeline.definition.pipeline")
    importlib.import_module("pipeline.orchestration.tfx.local_runner")
    importlib.import_module("pipeline.sparse_autoencoder.dataset_resolver")


def prepare(recorded: Recorded) -> pathlib.Path:
    """Make decisions on a root with four runs, after a copy of its store; return a copy of its folder.

    Version 5, the model of `run-2`, is served; `run-4` is superseded; `run-1` and `run-2` are pinned. A rerun of
    `run-2` was killed while it recorded its nodes.
    """
    os.environ.pop("TFDS_DATA_DIR", None)  # the data set is remembered for the folder that it names
    backup.make(recorded.root, "run-4", keep=3)
    recorded.remember()
    pins.pin(recorded.root, "run-1", "paper")
    pins.pin(recorded.root, "run-2", "later")
    promotion.promote(recorded.root, "run-2", "better", lambda text: None)
    assert _in_child(lambda: _run_killed_in_nodes(recorded)) == "killed"
    assert len(recorded.store().unended_runs()) == 1
    return _save(recorded, "prepared")


def failures(
    recorded: Recorded, prepared: pathlib.Path, first: str, others: list[str], start: int = 1, every: int = 1
) -> Iterator[str]:
    """Kill `first` at each of its steps and run each other operation after it; yield a text for each broken promise.

    Args:
      recorded: the root.
      prepared: the copy of `prepare`.
      first: the operation that is killed.
      others: the operations that run after it.
      start, every: kill it at steps `start`, `start + every` and so on, instead of at each.
    """
    for step in itertools.count(start, every):
        _load(recorded, prepared)
        died = _in_child(lambda: OPERATIONS[first](recorded), recorded.root.path, step)
        if died != "killed":
            assert 3 < step < _MOST, f"{first} took {step - 1} steps: {died}"
            if died:
                yield f"{first}: {died}"
            print(f"{first}: at most {step - 1} steps")
            return
        killed = _save(recorded, "killed")
        for other in others:
            _load(recorded, killed)
            if text := _in_child(lambda other=other: _continue(recorded, other)):
                yield f"{first} killed at step {step}, then {other}: {text}"


def _continue(recorded: Recorded, name: str) -> None:
    """Run an operation, check the root, then check that an operator can still decide and delete."""
    root = recorded.root
    with contextlib.suppress(UsageError, NotFoundError):  # done already, or deleted by the policy
        OPERATIONS[name](recorded)
    _check(recorded)
    assert promotion.promote(root, "run-1", "known", lambda text: None).run_id == "run-1"
    _check(recorded)
    store = recorded.store()
    assert decision_log.open_decisions(store) == journal.lost(root, store) == []
    assert serving_dir.superseded(root.serving) == decision_log.superseded(store)
    gc.apply(PIPELINE, root, _STRICT)
    _check(recorded)
    assert _served(recorded) == "run-1"
    assert not [path.name for path in root.serving.iterdir() if not path.name.isdecimal()]


def _check(recorded: Recorded) -> None:
    """Assert that no served or pinned model is lost, none that was rolled back is served, and fsck finds no damage."""
    root, store = recorded.root, recorded.store()
    newest = serving_dir.newest_version(root.serving)
    assert newest is not None
    assert int(newest.name) >= 5
    models = _models(recorded)
    served = models[_served(recorded)]
    if not decision_log.open_decisions(store):
        assert served.content not in decision_log.rolled_back(store)
    pinned = journal.pinned_runs(root, store)
    assert "run-1" in pinned
    for name in {*pinned} - {"run-3"}:  # gc may have deleted that one before it was pinned
        assert versions.saved_model(root, models[name], ()) is not None, f"the pinned model of {name} is lost"
    found = fsck.check(root)
    assert not found.damaged, [one.sentence for one in found.findings if one.kind.is_damage]


def _in_child(work: Callable[[], object], root: pathlib.Path | None = None, step: int = 0) -> str:
    """Do work in a child process, which is killed at a step; return `killed`, an error's traceback, or nothing."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        text = b""
        try:
            if root is not None:
                _kill_at(root, step)
            work()
        except BaseException:
            text = "".join(traceback.format_exc().splitlines(keepends=True)[-6:]).encode()
        finally:
            os.write(write, text)
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else text.decode()


def _kill_at(root: pathlib.Path, step: int) -> None:
    """Kill this process just before it writes to a root for the N-th time. It cannot be undone."""
    count, process = itertools.count(1), os.getpid()

    def writes() -> None:
        if os.getpid() == process and next(count) == step:  # not one that it forked
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            changes = isinstance(flags, int) and bool(flags & _WRITES)
        else:
            path, changes = (arguments or ("",))[0], event in _EVENTS
        # `shutil.rmtree` names files by the number of their folder. The lock file is not counted: it is no data.
        in_root = str(root) in str(path) or (event in ("os.remove", "os.rmdir") and arguments[1] != -1)
        if changes and in_root and pathlib.Path(str(path)) != root / "lock":
            writes()

    def call(self: object, name: str, *arguments: object) -> object:
        if name.startswith("Put"):
            writes()
        return original(self, name, *arguments)

    original = metadata_store.MetadataStore._call_method
    metadata_store.MetadataStore._call_method = call
    sys.addaudithook(hook)


def _save(recorded: Recorded, name: str) -> pathlib.Path:
    place = recorded.folder.with_name(name)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(recorded.folder, place)
    return place


def _load(recorded: Recorded, place: pathlib.Path) -> None:
    shutil.rmtree(recorded.folder)
    shutil.copytree(place, recorded.folder)
