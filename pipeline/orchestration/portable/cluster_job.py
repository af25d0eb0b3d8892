"""What the Beam job of a node on a cluster needs besides the pipeline itself."""

from __future__ import annotations

import dataclasses
import json
import os

from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import Node
from pipeline.orchestration.portable import worker_identity
from pipeline.orchestration.portable.worker_identity import Identity, JobParameters
from pipeline.provenance import numeric_variables
from pipeline_config import EngineConfig

# A worker that no stage of its job has used for this long ends; by default, Flink and Spark end it at once, and start
# another one for the next stage.
_IDLE_MILLISECONDS = 30_000


@dataclasses.dataclass(frozen=True)
class ClusterJob:
    """The Beam job of a node.

    Attributes:
      engine: the settings of the engine.
      name: the name of the job in the cluster, which no other job has.
      parameters: what the workers are told.
    """

    engine: EngineConfig
    name: str
    parameters: JobParameters

    @property
    def flags(self) -> list[str]:
        """Return Beam's pipeline options."""
        if self.engine.runner == "dataflow":
            return [*self.engine.beam_arguments, f"--job_name={self.name.lower()}"]
        environment = {
            "url": self.engine.worker_address,
            "params": {worker_identity.PARAMETER: self.parameters.to_text()},
        }
        flags = [*self.engine.beam_arguments]
        if not any(one.startswith("--environment_cache_millis") for one in flags):
            flags.append(f"--environment_cache_millis={_IDLE_MILLISECONDS}")
        return [
            *flags,
            f"--job_name={self.name}",
            f"--job_endpoint={self.engine.job_endpoint}",
            "--environment_type=EXTERNAL",
            f"--environment_config={json.dumps(environment)}",
            f"--parallelism={self.engine.parallelism}",
        ]


def of_node(node: Node, engine: EngineConfig, root: Root, run_id: str, identity: Identity) -> ClusterJob:
    """Return the job of a node of a run."""
    variables = {**numeric_variables.fixed(engine), **numeric_variables.recorded(os.environ)}
    parameters = JobParameters(identity, variables, node.name, str(root.worker_logs(run_id)))
    # A node may be executed several times in a run, and two roots may have runs with the same id.
    name = f"sae-{run_id}-{node.name}-{os.urandom(4).hex()}"
    return ClusterJob(engine, name, parameters)
