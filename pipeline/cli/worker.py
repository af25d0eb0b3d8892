"""The command that runs Beam's jobs beside each task manager of a cluster: `sae worker`."""

from __future__ import annotations

import logging

import click

from pipeline.cli import output
from pipeline.cli.command import command
from pipeline.cli.options import current_pipeline, number_option
from pipeline.orchestration.portable import worker_address


@command("worker")
@number_option("--port", limits=(0, 65535), default=50000, meaning="Port to listen on; 0: any free port.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on, by which `sae run` reaches this host; 127.0.0.1 is added to it.",
)
def worker_command(port: int, host: str) -> None:
    """Run the Beam jobs of a cluster on this host until SIGTERM, SIGHUP or Ctrl-C: one worker beside each task manager.

    A job whose code, lock file, Python or packages differ is refused. Whoever reaches the port can run code as this
    user: use it in a trusted network only.
    """
    worker_address.check(host, port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("py.warnings").setLevel(logging.ERROR)  # of libraries, about Python's version
    pipeline = current_pipeline()
    from pipeline.orchestration.portable import worker_pool  # imports Beam

    worker_pool.serve(pipeline, host, port, output.note)
