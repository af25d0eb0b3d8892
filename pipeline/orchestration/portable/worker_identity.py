"""What a worker of a cluster must have in common with the run: code, lock file, Python and packages.

A worker answers a request of ours on the port of Beam's worker pool, beside Beam's own. A job carries the digests too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import socket
from collections.abc import Mapping

from components.errors import cause_text
from pipeline.core import file_digests, regular_file
from pipeline.core.errors import UnavailableError
from pipeline.core.text import short_digest
from pipeline.definition.spec import Pipeline
from pipeline.orchestration.portable import worker_address
from pipeline.provenance import cache_key, environment, packages, source_code

SERVICE, METHOD = "sae.Worker", "Describe"
PARAMETER = "sae"  # of Beam's EXTERNAL environment: `JobParameters` as JSON
REFUSED = "worker refused the job"  # in the error of a job, before the reason
_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Identity:
    """What must be equal where a run is started and where its jobs run. Digests are SHA-256 in hex."""

    code: str  # digest of all files of the project, and of those of the pipeline's nodes
    lock: str  # digest of the lock file; empty without one
    python: str  # version
    packages: str  # digest of the names and versions of the installed packages


@dataclasses.dataclass(frozen=True)
class JobParameters:
    """What a job tells the workers that it needs.

    Attributes:
      identity: what they must have.
      variables: environment variables that results depend on.
      node: the node of the job.
      logs: the folder for the logs of worker processes, one file each.
    """

    identity: Identity
    variables: Mapping[str, str]
    node: str
    logs: str

    def to_text(self) -> str:
        """Return them as JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str) -> JobParameters:
        """Return what `to_text` wrote. Raises `ValueError` for anything else."""
        try:
            values = json.loads(text)
            return cls(**{**values, "identity": Identity(**values["identity"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"the job comes from another version of sae: {error}") from error


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a worker answers.

    Attributes:
      host: name of its host.
      identity: what it has.
      file: the digest of the file that was asked for; empty if it cannot be read.
      reason: why not.
    """

    host: str
    identity: Identity
    file: str = ""
    reason: str = ""


def here(pipeline: Pipeline) -> Identity:
    """Return the identity of this process, from the files as they are now."""
    nodes = cache_key.code_of_nodes(pipeline.nodes)
    files = {path: digest for found in nodes.values() for path, digest in found.items()}
    lock = environment.lock()
    return Identity(
        code=file_digests.of_mapping({"project": source_code.project_digest(), "nodes": files}),
        lock=lock.digest if lock else "",
        python=platform.python_version(),
        packages=file_digests.of_mapping(packages.installed_runtime()),
    )


def differences(wanted: Identity, found: Identity) -> str:
    """Return what differs, such as `code 1a2b3c4d5e6f there, 6f5e4d3c2b1a here`; empty if nothing does."""
    texts = []
    for field in dataclasses.fields(Identity):
        mine, theirs = getattr(wanted, field.name), getattr(found, field.name)
        if mine != theirs:
            shown = [value if field.name == "python" else short_digest(value) or "none" for value in (theirs, mine)]
            texts.append(f"{field.name} {shown[0]} there, {shown[1]} here")
    return ", ".join(texts)


def describe(pipeline: Pipeline, request: bytes) -> bytes:
    """Answer the request of `ask`: in the worker."""
    path = str(json.loads(request).get("file") or "")
    digest = reason = ""
    if path:
        try:
            regular_file.opened(pathlib.Path(path)).close()  # reading a pipe or a device may never end
            digest = file_digests.of_file(pathlib.Path(path))
        except (OSError, ValueError) as error:
            reason = cause_text(error)
    answer = Answer(socket.gethostname(), here(pipeline), digest, reason)
    return json.dumps(dataclasses.asdict(answer)).encode()


def ask(address: str, file: pathlib.Path | None) -> Answer:
    """Ask a worker what it has, and for the digest of a file there.

    Raises:
      UnavailableError: nothing answers at this address, or it is no `sae worker`.
    """
    import grpc  # 0.1 s

    with grpc.insecure_channel(address, [worker_address.NO_PROXY]) as opened:
        call = opened.unary_unary(f"/{SERVICE}/{METHOD}")
        try:
            raw = call(json.dumps({"file": os.fspath(file) if file else ""}).encode(), timeout=_SECONDS)
            values = json.loads(raw)
            return Answer(**{**values, "identity": Identity(**values["identity"])})
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                raise UnavailableError(
                    f"what listens on {address} is no `sae worker`, or one of another version"
                ) from error
            raise UnavailableError(f"no worker answers on {address}: start `sae worker` there") from error
        except (ValueError, TypeError, KeyError) as error:
            raise UnavailableError(f"the `sae worker` on {address} is of another version: {error}") from error
