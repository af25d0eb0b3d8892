"""The addresses that `sae worker` listens on, and how a cluster's addresses are reached."""

from __future__ import annotations

from components.errors import cause_text
from pipeline.core import listening
from pipeline.core.errors import UnavailableError

NO_PROXY = ("grpc.enable_http_proxy", 0)  # without this option, gRPC would use the proxy of `http_proxy`
LOOPBACK = "127.0.0.1"  # by which the task manager of the same host reaches it


def listened(host: str) -> list[str]:
    """Return the addresses for the `--host` of a worker. Raises `OSError` if it is no name that is known here."""
    if host != "localhost":  # which gRPC takes for both loopback addresses
        host = _number(host)
    if host in ("0.0.0.0", "::", "::1", "localhost") or host.startswith("127."):
        return [host]
    return [host, LOOPBACK]


def check(host: str, port: int) -> None:
    """Check that a worker can listen: gRPC would write its own lines about a port that it cannot bind.

    Raises:
      UnavailableError: a port is in use, or the address is none of this machine.
    """
    address = host
    try:
        for address in listened(host):
            listening.bound(address, port).close()
    except OSError as error:
        raise refusal(address, port, cause_text(error)) from error


def refusal(address: str, port: int, reason: str) -> UnavailableError:
    """Return the error for an address on which a worker cannot listen."""
    return UnavailableError(f"cannot listen on {address}:{port} ({reason}): choose another with --port or --host")


def _number(host: str) -> str:
    """Return the IP address of a name, because gRPC looks for other ones, and does not know short forms: `127.1`."""
    with listening.bound(host, 0) as probe:
        return str(probe.getsockname()[0])
