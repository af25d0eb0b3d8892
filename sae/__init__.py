"""Run the pipeline from Python, read its runs, and use its models.

    import sae

    run = sae.run(profile="sample", settings={"model.l1": 1e-3}, root="pipeline_root")
    codes = run.model().encode(images)
    for row in sae.open("pipeline_root").runs():
        print(row.id, row.metrics)

Errors are those of the command `sae`, with its one line as their text: `SaeError` and its subclasses in
`pipeline.core.errors`. docs/python.md describes the package. Reading does not import TensorFlow; `RecordedRun.model`
does.
"""

from __future__ import annotations

from pipeline.core.errors import LockedError, NotFoundError, SaeError, UnavailableError, UsageError
from sae.model import LoadedModel
from sae.report import RunReport
from sae.root import PipelineRoot
from sae.root import open_root as open  # noqa: A004
from sae.running import run
from sae.runs import NodeList, RecordedRun, RunArtifact, RunList

__all__ = [
    "LoadedModel",
    "LockedError",
    "NodeList",
    "NotFoundError",
    "PipelineRoot",
    "RecordedRun",
    "RunArtifact",
    "RunList",
    "RunReport",
    "SaeError",
    "UnavailableError",
    "UsageError",
    "open",
    "run",
]
