"""Flink's REST API: slots, task managers, and the state of a job. Uses the standard library only."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from pipeline.core import http_answer
from pipeline.core.errors import SaeError, UnavailableError

_HOST = re.compile(r"@(\[[0-9A-Fa-f:]+\]|[^:/\[\]]+):\d+/")  # in `pekko.tcp://flink@10.0.0.7:41029/user/rpc/...`
_ENDED = ("FINISHED", "FAILED", "CANCELED")
_MAX_REASON = 300  # characters


class FlinkError(SaeError):
    """Flink's job manager refused a request."""


@dataclasses.dataclass(frozen=True)
class Overview:
    """What a Flink cluster has."""

    version: str
    task_managers: int
    slots: int
    free_slots: int


@dataclasses.dataclass(frozen=True)
class Job:
    """A job of Flink."""

    id: str
    state: str  # `RUNNING`, `RESTARTING`, `FAILED`, ...
    tasks: int  # of all steps
    done: int  # tasks that have finished
    running: int  # tasks that have a slot
    scheduled: int  # tasks that wait for a slot

    @property
    def ended(self) -> bool:
        """Return whether it ended, in whatever way."""
        return self.state in _ENDED


class FlinkMaster:
    """The job manager of a Flink cluster."""

    def __init__(self, address: str) -> None:
        self.url = (address if "://" in address else f"http://{address}").rstrip("/")

    def overview(self) -> Overview:
        """Return what the cluster has. Raises `UnavailableError` or `FlinkError` if no job manager answers."""
        found = self._get("/overview")
        try:
            counts = [int(found[name]) for name in ("taskmanagers", "slots-total", "slots-available")]
            return Overview(str(found["flink-version"]), *counts)
        except (KeyError, TypeError, ValueError) as error:
            raise self._other_server() from error

    def hosts(self) -> list[str]:
        """Return the address of each task manager's host, once each, sorted."""
        paths = [str(one["path"]) for one in self._get("/taskmanagers")["taskmanagers"]]
        return sorted({match[1] for path in paths if (match := _HOST.search(path))})

    def find_job(self, name: str) -> str | None:
        """Return the id of the newest job with this name; None if there is none."""
        jobs = [one for one in self._get("/jobs/overview")["jobs"] if one["name"] == name]
        return str(max(jobs, key=lambda one: one["start-time"])["jid"]) if jobs else None

    def job(self, job_id: str) -> Job:
        """Return the state of a job."""
        found = self._get(f"/jobs/{job_id}")
        counts = [vertex["tasks"] for vertex in found["vertices"]]
        return Job(
            job_id,
            str(found["state"]),
            sum(int(vertex["parallelism"]) for vertex in found["vertices"]),
            sum(one.get("FINISHED", 0) for one in counts),
            sum(one.get(state, 0) for one in counts for state in ("DEPLOYING", "INITIALIZING", "RUNNING", "CANCELING")),
            sum(one.get("SCHEDULED", 0) for one in counts),
        )

    def reason(self, job_id: str) -> str:
        """Return why a job failed last, as text of a Java exception; empty if nothing failed."""
        found = self._get(f"/jobs/{job_id}/exceptions?maxExceptions=1")
        entries = (found.get("exceptionHistory") or {}).get("entries") or []
        return str(entries[0].get("stacktrace") or "") if entries else str(found.get("root-exception") or "")

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        self._request(f"/jobs/{job_id}?mode=cancel", "PATCH")

    def page(self, job_id: str) -> str:
        """Return the address of Flink's page about a job."""
        return f"{self.url}/#/job/running/{job_id}"

    def _get(self, path: str) -> Any:
        try:
            return json.loads(self._request(path, "GET"))
        except (ValueError, RecursionError) as error:
            raise self._other_server() from error

    def _other_server(self) -> FlinkError:
        return FlinkError(f"what answers at {self.url} is no job manager of Flink")

    def _request(self, path: str, method: str) -> bytes:
        import http.client  # with the parser of mail: every run and plan imports this module
        import urllib.error

        try:
            return http_answer.of(self.url + path, method)
        except urllib.error.HTTPError as error:
            raise FlinkError(f"Flink's job manager at {self.url} answers {error.code} to {method} {path}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnavailableError(f"Flink's job manager at {self.url} cannot be reached: {reason}") from error


def headline(text: str) -> str:
    """Return one line about the text of a Java exception or a Python traceback: the innermost cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    line = (causes or lines or ["no reason was given"])[-1 if causes else 0].removeprefix("Caused by: ")
    # A traceback of Python in the message of a Java exception: its last line is the error itself.
    if "Traceback (most recent call last)" in text:
        start = max(number for number, one in enumerate(lines) if "Traceback (most recent call last)" in one)
        errors = [one for one in lines[start + 1 :] if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b", one)]
        line = errors[0] if errors else line
    line = re.sub(r"^(?:[a-z]\w*\.)+([A-Z]\w*(?:Exception|Error)): ", "", line)
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]} ..."
