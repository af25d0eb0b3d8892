"""An HTTP server with answers of Flink 1.19's REST API, as a cluster gave them."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

OVERVIEW = {"taskmanagers": 2, "slots-total": 4, "slots-available": 3, "jobs-running": 0, "flink-version": "1.19.0"}
TASK_MANAGERS = {
    "taskmanagers": [
        {"id": "host2", "path": "pekko.tcp://flink@127.0.0.1:44459/user/rpc/taskmanager_0", "slotsNumber": 2},
        {"id": "host1", "path": "akka.tcp://flink@127.0.0.1:39135/user/rpc/taskmanager_1", "slotsNumber": 2},
    ]
}
TASKS = {
    "DEPLOYING": 0, "INITIALIZING": 0, "CREATED": 0, "CANCELED": 0, "RUNNING": 0, "FINISHED": 0, "SCHEDULED": 0,
    "CANCELING": 0, "RECONCILING": 0, "FAILED": 0,
}  # fmt: skip
JOBS = {
    "jobs": [
        {"jid": "761b", "name": "sae-1-ExampleGen-ab", "start-time": 5, "state": "FAILED"},
        {"jid": "86f0", "name": "sae-1-ExampleGen-ab", "start-time": 7, "state": "RUNNING"},
        {"jid": "d214", "name": "of-somebody-else", "start-time": 9, "state": "RUNNING"},
    ]
}


def job(state: str = "RUNNING", **tasks: int) -> dict[str, Any]:
    vertices = [{"parallelism": 2, "tasks": {**TASKS, name: 2}} for name, count in tasks.items() for _ in range(count)]
    return {"jid": "86f0", "state": state, "vertices": vertices}


class Answers(dict[str, Any]):
    """By path. `asked` lists the requests: `PATCH /jobs/86f0?mode=cancel`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(
            {
                "/overview": OVERVIEW,
                "/taskmanagers": TASK_MANAGERS,
                "/jobs/overview": JOBS,
                "/jobs/86f0": job(RUNNING=1),
            }
        )
        self.update(given)
        self.asked: list[str] = []


@contextlib.contextmanager
def running(answers: Answers) -> Iterator[str]:
    """Serve the answers; yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.asked.append(f"{self.command} {self.path}")
            found = answers.get(self.path.partition("?")[0])
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        do_PATCH = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
