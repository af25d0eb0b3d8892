"""Parse pipeline options with Beam's own parser: `python -m ... ENDPOINT OPTION...` prints what is wrong, or nothing.

Options that Beam does not know may be those of the job server at ENDPOINT, which is asked for them unless it is
empty. Importing this module imports Beam.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

import grpc
from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from pipeline.orchestration.portable import worker_address

_SECONDS = 10.0


class _RefusedError(Exception):
    """An option has no value, or one that is not allowed."""


class _Parser(pipeline_options._BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _RefusedError(message)


def refusal(endpoint: str, arguments: Sequence[str]) -> str:
    """Return what is wrong with the options; empty if nothing is."""
    parser = _Parser(allow_abbrev=False, add_help=False)
    for options in dict.fromkeys(pipeline_options.PipelineOptions.__subclasses__()):
        options._add_argparse_args(parser)
    try:
        unknown = parser.parse_known_args(arguments)[1]
        if unknown and endpoint:
            _add_server_options(parser, endpoint)
            unknown = parser.parse_known_args(arguments)[1]
    except _RefusedError as error:
        return str(error)
    if not unknown:
        return ""
    return (
        f"{shlex.join(unknown)} is no pipeline option of Beam; the documentation of Beam's PipelineOptions lists them: "
        "write --NAME=VALUE"
    )


def _add_server_options(parser: argparse.ArgumentParser, endpoint: str) -> None:
    """Add the options of a job server; nothing if it does not answer."""
    with contextlib.suppress(grpc.RpcError), grpc.insecure_channel(endpoint, [worker_address.NO_PROXY]) as opened:
        service = beam_job_api_pb2_grpc.JobServiceStub(opened)
        request = beam_job_api_pb2.DescribePipelineOptionsRequest()
        for one in service.DescribePipelineOptions(request, timeout=_SECONDS).options:
            is_flag = one.type == beam_job_api_pb2.PipelineOptionType.BOOLEAN
            with contextlib.suppress(argparse.ArgumentError):  # Beam has the option as well
                parser.add_argument(f"--{one.name}", action="store_true" if is_flag else "store")


if __name__ == "__main__":
    print(refusal(sys.argv[1], sys.argv[2:]))
