"""Run the trials of a sweep on the workers of a Dask cluster (https://distributed.dask.org).

Each runs in a root of its own, as with `--parallel`, in the folder of the sweep, which all workers see. Dask chooses
the workers, and repeats the trial of a worker that died. Only `sae sweep run --on` imports Dask.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from components.errors import cause_text
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from pipeline.orchestration.portable import worker_identity
from pipeline.orchestration.portable.worker_identity import Identity
from pipeline.sweeps import dask_task
from pipeline.sweeps.dask_task import Order, TrialOutcome, WorkerState
from pipeline.sweeps.trials import INTERRUPT_GRACE, LocalTrials, Trial, read_run_id
from pipeline.sweeps.workers import WorkerTrials

_ADDRESS = re.compile(r"(tcp|tls)://([^\s/:]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_CONNECT = 10.0  # seconds to wait for the scheduler
_COUNT = 2.0  # seconds between two counts of the workers
_SIGKILL = -9
_LOGGERS = ("distributed", "distributed.client", "distributed.scheduler", "distributed.worker", "tornado", "asyncio")


class DaskCluster:
    """A Dask cluster that this process is connected to.

    Attributes:
      address: of its scheduler.
      client: Dask's client.
    """

    def __init__(self, library: ModuleType, address: str, client: Any) -> None:
        self.address, self.client, self._library = address, client, library
        self._threads, self._counted = 0, 0.0

    def threads(self) -> int:
        """Return how many trials its workers can run at once. Raises `UnavailableError` if the scheduler is gone."""
        if time.monotonic() > self._counted + _COUNT:
            try:
                self._threads, self._counted = sum(self.client.nthreads().values()), time.monotonic()
            except Exception as error:  # Dask has several, also plain ones
                raise self.lost() from error
        return self._threads

    def lost(self) -> UnavailableError:
        """Return the error that the scheduler is gone."""
        return UnavailableError(
            f"the Dask scheduler {self.address} is gone; the same command continues the sweep when it is back"
        )

    def event(self, name: str) -> Any:
        """Return the Dask event of a name."""
        return self._library.Event(name, client=self.client)

    def killed_workers(self, error: BaseException) -> bool:
        """Return whether a task failed because the workers that ran it died."""
        return isinstance(error, self._library.KilledWorker)


def check_address(address: str) -> None:
    """Check that a text is the address of a scheduler. Raises `UsageError`."""
    try:
        is_allowed = bool(_ADDRESS.fullmatch(address) and urllib.parse.urlsplit(address).port)
    except ValueError:  # no port has this number
        is_allowed = False
    if not is_allowed:
        raise UsageError(f"--on {address!r} is no address of a Dask scheduler: give one such as tcp://host:8786")


@contextlib.contextmanager
def connect(address: str, root: Root, pipeline: str) -> Iterator[DaskCluster]:
    """Connect to a cluster, and check that its workers can run trials of this root.

    Args:
      address: of its scheduler, `tcp://host:8786`.
      root: the root of the sweep, whose folders exist.
      pipeline: where the pipeline is declared, `MODULE:NAME`; empty for the default one.

    Raises:
      UnavailableError: Dask is not installed, the scheduler is not reachable or has no workers, a worker does not see
        the root or has another installation.
    """
    library = _library()
    check_certificates(library.Security(), address)
    # Dask's waits for 20 s for a client that never connected, and writes a trace. It is closed below.
    client_type: Any = type("Client", (library.Client,), {"__del__": lambda _: None})
    try:
        _probe(address)
        client = client_type(address, timeout=_CONNECT, set_as_default=False)
    except Exception as error:  # Dask has several, and asyncio's TimeoutError of Python 3.10 is no OSError
        raise UnavailableError(
            f"the Dask scheduler {address} cannot be reached: {cause_text(error)}; start it with `dask scheduler`, or "
            "give another address with --on"
        ) from error
    try:
        _check_workers(client, address, root, pipeline)
        yield DaskCluster(library, address, client)
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=2)


def check_certificates(security: Any, address: str) -> None:
    """Check that Dask's `Security` has certificates if the address needs them.

    Raises:
      UnavailableError: it has none.
    """
    if address.startswith("tls:") and security.get_connection_args("client")["ssl_context"] is None:
        raise UnavailableError(
            f"--on {address} needs certificates, and Dask's configuration has none: set distributed.comm.tls.ca-file "
            "and client.cert there, or give a scheduler at tcp://"
        )


def _probe(address: str) -> None:
    """Check that a scheduler answers: Dask's client would wait for ever for another server. Raises `OSError`."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "tls":  # the server waits for the client
        return
    with socket.create_connection((parts.hostname, parts.port or 0), _CONNECT) as connection:
        if not connection.recv(1):  # a scheduler speaks first
            raise ConnectionError("what listens there is no Dask scheduler")


def _library() -> ModuleType:
    try:
        import dask

        dask.config.set({"logging": dict.fromkeys(_LOGGERS, "critical")})  # errors are reported here, in one line
        import distributed
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"--on needs the Python package {error.name}, which is not installed: run `make setup-cluster` in a "
            "checkout, or install `sae-pipeline[cluster]`"
        ) from error
    library: ModuleType = distributed
    return library


def _check_workers(client: Any, address: str, root: Root, pipeline: str) -> None:
    names: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    if not names:
        raise UnavailableError(f"the Dask scheduler {address} has no workers: start some with `dask worker {address}`")
    text = secrets.token_hex(16)
    token = root.sweeps / f".token-{text[:8]}"
    try:
        token.write_text(text, encoding="utf-8")
        found = client.run(dask_task.state, token, pipeline, on_error="return")
    except Exception as error:
        raise UnavailableError(f"the workers of {address} cannot be checked: {cause_text(error)}; try again") from error
    finally:
        token.unlink(missing_ok=True)
    here = dask_task.identity(pipeline)
    for place, one in sorted(found.items()):
        about = names.get(place, {})
        if problem := worker_problem(str(about.get("name", place)), str(about.get("host", place)), one, text, here):
            raise UnavailableError(problem)


def worker_problem(name: str, host: str, found: object, token: str, here: Identity) -> str:
    """Return why a worker cannot run trials; empty if it can.

    Args:
      name, host: of the worker, as Dask knows them.
      found: the state of the worker, or the error that it raised.
      token: the text of the token file.
      here: the identity of this process.
    """
    if not isinstance(found, WorkerState):
        why = cause_text(found) if isinstance(found, BaseException) else str(found)
        return (
            f"the Dask worker {name} on host {host} cannot run this code: {why}; start it with the Python of an "
            "installation of the same code"
        )
    if differences := worker_identity.differences(here, found.identity):
        return dask_task.refusal(name, found.host, differences)
    if found.problem or found.token != token:
        why = found.problem or "its file system is another one"
        return (
            f"the Dask worker {name} on host {found.host} does not see the pipeline root: {why}; all workers need it "
            "under the same path, on a shared file system"
        )
    return ""


class DaskTrials(WorkerTrials):
    """Runs as many points at once as the workers of a cluster have threads."""

    def __init__(
        self,
        local: LocalTrials,
        most: int | None,
        note: Callable[[str], None],
        cluster: DaskCluster,
        pipeline: str,
    ) -> None:
        """Take over the runs that an earlier process left behind.

        Args:
          local, note: as of `WorkerTrials`.
          most: how many points run at once, if the cluster has more workers; None: no limit.
          cluster, pipeline: the cluster, and the pipeline for which it was checked.
        """
        self._cluster, self._most = cluster, most
        self._pipeline, self._identity = pipeline, dask_task.identity(pipeline)
        super().__init__(local, most or 1, note)

    @property
    def capacity(self) -> int:
        if not self._base:
            return 1
        threads = max(1, self._cluster.threads())
        return threads if self._most is None else min(threads, self._most)

    def blocked_by(self) -> str:
        if not self._cluster.threads():
            return f"a worker: the Dask scheduler {self._cluster.address} has none"
        return super().blocked_by()

    def _start_in(self, root: Root, point: int, settings: Sequence[str]) -> Trial:
        name = f"{point}-{secrets.token_hex(4)}"
        order = Order(
            root.path,
            self._local.options(root, point, settings),
            self._local.folder / f"{name}.run",
            self._local.folder / f"{name}.output",
            dask_task.environment(),
            self._pipeline,
            self._identity,
            f"sae-interrupt-{self._local.sweep}-{name}",
        )
        return DaskTrial(self._cluster, point, root, order, self._note)

    def finish(self, trial: Trial) -> None:
        super().finish(trial)
        for path in self._local.folder.glob(f"{trial.point}-*"):
            path.unlink(missing_ok=True)


class DaskTrial:
    """The run of a point on a worker of a cluster."""

    def __init__(self, cluster: DaskCluster, point: int, root: Root, order: Order, note: Callable[[str], None]) -> None:
        """Submit it; `note`: shows a text."""
        self.point, self.root = point, root
        self._cluster, self._order, self._note = cluster, order, note
        self._event = cluster.event(order.interrupt)
        key = order.interrupt.replace("interrupt", "trial", 1)
        self._future = cluster.client.submit(dask_task.run, order, key=key, pure=False)
        self._give_up: float | None = None  # when to stop waiting for a worker that does not answer
        self._attempt = ""  # the run of the newest attempt
        self._outcome: TrialOutcome | None = None

    @property
    def run_id(self) -> str:
        return read_run_id(self._order.run_file)

    def ended(self) -> bool:
        """Return whether it ended.

        Raises:
          UnavailableError: the scheduler is gone, or a worker with another installation refused it.
        """
        if self._outcome is None:
            self._show_attempts()
            self._outcome = self._ended()
        return self._outcome is not None

    def _ended(self) -> TrialOutcome | None:
        status = self._future.status
        if status == "pending":
            if self._give_up is None or time.monotonic() < self._give_up:
                return None
            self.kill()
            return TrialOutcome(None)
        error: UnavailableError | None = None
        if status == "finished":
            outcome: TrialOutcome = self._future.result()
            if not outcome.refused:
                return outcome
            error = UnavailableError(outcome.refused)
        elif status == "error":
            cause = self._future.exception()
            if self._cluster.killed_workers(cause):
                self._note(f"each worker that ran point {self.point} died, the last at {cause.last_worker.address}")
                return TrialOutcome(_SIGKILL)
            error = UnavailableError(f"Dask cannot run point {self.point}: {type(cause).__name__}: {cause}")
        else:
            error = self._cluster.lost()
        if self._give_up is None:
            raise error
        return TrialOutcome(None)  # it was interrupted, and needs no reason

    def _show_attempts(self) -> None:
        run_id = self.run_id
        if self._attempt and run_id != self._attempt:
            self._note(f"the worker that ran point {self.point} died; it runs again, as {run_id}")
        self._attempt = run_id

    def exit_code(self) -> int | None:
        return self._outcome.exit_code if self._outcome else None

    def error(self) -> str:
        return self._outcome.error if self._outcome else ""

    def interrupt(self) -> None:
        if self._give_up is None:
            self._give_up = time.monotonic() + 2 * INTERRUPT_GRACE
            with contextlib.suppress(Exception):  # the scheduler is gone, and the worker stops by itself
                self._event.set()

    def kill(self) -> None:
        with contextlib.suppress(Exception):
            self._future.cancel()
