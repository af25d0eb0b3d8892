"""The nodes of this project's pipeline by name, for what does not take a pipeline yet."""

from __future__ import annotations

from pipeline.definition.sparse_autoencoder import PIPELINE

ALL, NAMES, BY_NAME, PIPELINE_NAME = PIPELINE.nodes, PIPELINE.names, PIPELINE.by_name, PIPELINE.name
PUSH_GATE = "PushGate"
