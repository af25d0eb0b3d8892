"""A gRPC server that answers as `sae worker` does, without Beam."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator

import grpc

from pipeline.orchestration.portable import worker_identity


@contextlib.contextmanager
def running(answer: Callable[[bytes], bytes], method: str = worker_identity.METHOD) -> Iterator[int]:
    """Serve; yield the port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: answer(request))
    service = grpc.method_handlers_generic_handler(worker_identity.SERVICE, {method: handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
