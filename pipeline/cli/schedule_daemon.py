"""`sae schedule run`: the daemon."""

from __future__ import annotations

import logging
import time

from pipeline.cli.command import command
from pipeline.cli.options import resolve_root, root_option
from pipeline.scheduler import daemon


@command("run")
@root_option
def run_command(root: str | None) -> None:
    """Run the daemon: start scheduled runs, in the foreground, until stopped. It logs to standard error.

    Ctrl-C or SIGTERM: start no more runs and wait up to an hour for the current one; a second signal interrupts it.
    SIGHUP: read the schedules now; the daemon does so every few seconds anyway. A root has one daemon; a second one
    exits with code 5.

    After each run it deletes the outputs of old runs, also of those made by hand, as `sae gc --yes` does; `sae schedule
    show NAME` says which it keeps.
    """
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("pipeline").setLevel(logging.INFO)  # libraries log little that matters here
    raise SystemExit(int(daemon.run(resolve_root(root).path)))
