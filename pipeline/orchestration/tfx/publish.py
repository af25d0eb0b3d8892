"""Record digests, files and metrics of each output before TFX publishes it, and write its preview."""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import time
from typing import Any

from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import execution_result_pb2

from pipeline.artifacts import fingerprints, previews, types
from pipeline.artifacts.types import StoredArtifact
from pipeline.core import file_digests
from pipeline.metadata.properties import CONTENT_DIGEST, FILES, METRICS, MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.protobuf import properties_of

logger = logging.getLogger(__name__)


def describe_outputs(
    execution: data_types.ExecutionInfo, output: execution_result_pb2.ExecutorOutput
) -> execution_result_pb2.ExecutorOutput:
    """Add these properties to each output artifact, also to those that the executor left out."""
    model = "".join(
        artifact.get_string_custom_property(CONTENT_DIGEST) for artifact in execution.input_dict.get("model", [])
    )
    for key, planned in execution.output_dict.items():
        found = output.output_artifacts[key].artifacts
        if not found:
            found.extend(artifact.mlmd_artifact for artifact in planned)
        for artifact, described in zip(found, planned, strict=True):
            _describe(artifact, described.type_name, model)
    _write_previews(execution, output)
    return output


def _describe(artifact: Any, type_name: str, model: str) -> None:
    folder = pathlib.Path(artifact.uri)
    properties = artifact.custom_properties
    if types.find(type_name).about_model:
        properties[MODEL_DIGEST].string_value = model
    if (measured := types.read_metrics(type_name, artifact.uri)) is not None:
        properties[METRICS].string_value = json.dumps(dataclasses.asdict(measured))
    files = file_digests.scan(folder)
    properties[FILES].string_value = file_digests.to_text(files)
    properties[RAW_DIGEST].string_value = file_digests.of_files(files)
    properties[CONTENT_DIGEST].string_value = fingerprints.content_digest(
        StoredArtifact(type_name, folder, properties_of(artifact))
    )


def _write_previews(execution: data_types.ExecutionInfo, output: execution_result_pb2.ExecutorOutput) -> None:
    """Write the preview of each output. It is in no digest, and a failure is only logged."""
    inputs = {key: pathlib.Path(read[0].uri) for key, read in execution.input_dict.items() if read}
    written = {key: found.artifacts for key, found in output.output_artifacts.items() if found.artifacts}
    siblings = {key: pathlib.Path(artifacts[0].uri) for key, artifacts in written.items()}
    for key, planned in execution.output_dict.items():
        for artifact, described in zip(written.get(key, ()), planned, strict=True):
            begun = time.monotonic()
            shown = StoredArtifact(
                described.type_name, pathlib.Path(artifact.uri), properties_of(artifact), inputs, siblings
            )
            try:
                made = types.make_preview(shown)
                # TFX writes an output to `<node>/<output>/<execution>` in the root's `artifacts`.
                place = previews.folder_of(shown.folder.parents[3], artifact.uri)
                if made is not None and place is not None:
                    previews.write(place, shown.type_name, *made)
                    logger.info("preview of %s written in %.3f s", key, time.monotonic() - begun)
            except Exception as error:
                logger.warning("no preview of %s: %s", artifact.uri, error, exc_info=True)
