"""Options of gRPC for connections inside a cluster. Without them, gRPC would use the proxy of `http_proxy`."""

from __future__ import annotations

NO_PROXY = ("grpc.enable_http_proxy", 0)
