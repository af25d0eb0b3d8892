"""An Airflow of its own for the tests: a database, its server, its scheduler, and what it says of DAGs."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

BIN = pathlib.Path(__file__).parents[2] / ".venv-export" / "bin"
PARTS = ("api-server", "scheduler", "dag-processor")
SECONDS = 900.0  # at most, to wait for anything
_ENDED = ("success", "failed", "upstream_failed", "skipped")


class Airflow:
    """A running Airflow, asked through its REST API.

    Attributes:
      home: the folder of everything that it writes.
      dags: the folder of the DAGs.
    """

    def __init__(self, home: pathlib.Path) -> None:
        self.home, self.dags = home, home / "dags"
        self.dags.mkdir(parents=True)
        self._port = _free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        settings = {
            "CORE__DAGS_FOLDER": self.dags,
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__EXECUTION_API_SERVER_URL": f"{self._url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "CORE__PARALLELISM": "2",
            "API__HOST": "127.0.0.1",
            "API__PORT": self._port,
            "API__WORKERS": "1",
            "LOGGING__WORKER_LOG_SERVER_PORT": _free_port(),
            "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        }
        inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        self._environment = {
            **inherited,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "NO_PROXY": "*",
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start it on the files in `dags`; end all its processes afterwards."""
        with contextlib.ExitStack() as stack:
            self._run("db", "migrate")
            for part in PARTS:
                stack.enter_context(self._process(part))
                if part == "api-server":  # which tasks of the scheduler need at once
                    self.wait_for(self._answers)
            yield

    def get(self, path: str) -> Any:
        """Return the answer to a question."""
        return self._ask(path)

    def trigger(self, dag: str, run: str) -> None:
        """Start a run."""
        self.wait_for(lambda: self._exists(f"dags/{dag}"))
        self._ask(f"dags/{dag}/dagRuns", {"dag_run_id": run, "logical_date": None})

    def tasks(self, dag: str, run: str) -> dict[str, tuple[str, int]]:
        """Return the state of each task of a run, and how often it was tried."""
        found = self._ask(f"dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: (task["state"], task["try_number"]) for task in found}

    def ended(self, dag: str, run: str) -> str:
        """Wait until a run ended; return its state."""
        self.wait_for(lambda: self._ask(f"dags/{dag}/dagRuns/{run}")["state"] in _ENDED)
        return str(self._ask(f"dags/{dag}/dagRuns/{run}")["state"])

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.5)

    def logs(self) -> str:
        """Return the end of what its processes wrote."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.home.glob("*.out"))

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [BIN / "airflow", *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]

    @contextlib.contextmanager
    def _process(self, part: str) -> Iterator[None]:
        with open(self.home / f"{part}.out", "w") as out:
            started = subprocess.Popen(
                [BIN / "airflow", part], env=self._environment, stdout=out, stderr=out, start_new_session=True
            )
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(started.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.wait(timeout=20)

    def _answers(self) -> bool:
        try:
            self._ask("version")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def _exists(self, path: str) -> bool:
        try:
            self._ask(path)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False
        return True

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        token = _json(urllib.request.Request(f"{self._url}/auth/token"))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return _json(urllib.request.Request(f"{self._url}/api/v2/{path}", data, headers))


def _json(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
