"""A gRPC server that answers as `sae worker` or Beam's job server do, without Beam."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator

import grpc

from pipeline.orchestration.portable import worker_identity


@contextlib.contextmanager
def running(
    answer: Callable[[bytes], bytes],
    method: str = worker_identity.METHOD,
    service: str = worker_identity.SERVICE,
) -> Iterator[int]:
    """Serve; yield the port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: answer(request))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
