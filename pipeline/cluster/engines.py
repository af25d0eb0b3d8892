"""The engines that a cluster on this machine can have, and the packages that each consists of."""

from __future__ import annotations

import dataclasses

BEAM = "2.62.0"  # the newest job server that the repository holds with all that it needs


@dataclasses.dataclass(frozen=True)
class ClusterEngine:
    """An engine that runs Beam's jobs.

    Attributes:
      name: `flink`.
      version: of the engine.
      packages: `group:artifact:version` of what is asked for; the lock lists these and all that they need.
    """

    name: str
    version: str
    packages: tuple[str, ...]

    def __str__(self) -> str:
        """Write `Flink 1.19.0`."""
        return f"{self.name.capitalize()} {self.version}"


# Beam's runner brings the Flink that it was built with. Its web pages and something that writes logs are added.
FLINK = ClusterEngine(
    "flink",
    "1.19.0",
    (
        f"org.apache.beam:beam-runners-flink-1.19:{BEAM}",
        "org.apache.flink:flink-runtime-web:1.19.0",
        "org.slf4j:slf4j-jdk14:1.7.30",
    ),
)
# Beam's runner expects Spark on the cluster.
SPARK = ClusterEngine(
    "spark",
    "3.5.5",
    (
        f"org.apache.beam:beam-runners-spark-3:{BEAM}",
        "org.apache.spark:spark-core_2.12:3.5.5",
        "org.apache.spark:spark-sql_2.12:3.5.5",
        "org.apache.spark:spark-streaming_2.12:3.5.5",
        "org.slf4j:slf4j-api:2.0.7",  # as Spark has it; Beam asks for an older one
    ),
)
ENGINES = {engine.name: engine for engine in (FLINK, SPARK)}
