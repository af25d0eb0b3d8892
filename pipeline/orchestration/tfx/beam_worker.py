"""The program of a Beam worker process: Beam's own, but it ends with the run that started it.

`beam_engine` starts it. It is started with the variables that Beam sets for its workers.
"""

from __future__ import annotations

import sys

from pipeline.core import parent_process
from pipeline.orchestration import imports


def main() -> None:
    """Work for the run until it closes the connection."""
    parent_process.end_with_parent()  # before the slow import
    imports.put_off_rarely_used()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
