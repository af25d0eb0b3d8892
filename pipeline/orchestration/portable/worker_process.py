"""The program of one worker process of `sae worker`: Beam's, but it ends with the pool and says when it is ready."""

from __future__ import annotations

import logging
import os
import sys

from pipeline.core import parent_process
from pipeline.orchestration import imports


def main(control: str, worker_id: str, ready: int) -> None:
    """Work for a runner until it closes the connection.

    Args:
      control: address of the runner's control service.
      worker_id: the id that the runner gave.
      ready: descriptor to write one byte to before the connection.
    """
    parent_process.end_with_parent()  # before the slow import
    imports.put_off_rarely_used()
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    from apache_beam.runners.worker import channel_factory, sdk_worker

    from pipeline.orchestration.portable import worker_address
    from pipeline.orchestration.tfx import file_order

    file_order.sort_files()
    channel_factory.GRPCChannelFactory.DEFAULT_OPTIONS.append(worker_address.NO_PROXY)
    # The sizes of caches are those of Beam's own pool.
    harness = sdk_worker.SdkHarness(control, worker_id=worker_id, state_cache_size=0, data_buffer_time_limit_ms=0)
    os.write(ready, b"1")
    os.close(ready)
    code = 0
    try:
        harness.run()
    except Exception:  # the runner is gone, such as with its host
        logging.exception("the connection to the runner broke")
        code = 1
    logging.shutdown()
    os._exit(code)  # a thread may still wait for the runner


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
