"""A root with runs in it, recorded the way a run records them: keys, events, digests, and files on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Collection, Mapping
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

import pipeline_config
from components.push import decision
from pipeline.core import file_digests, settings
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline
from pipeline.metadata import root_store, run_properties
from pipeline.metadata.properties import CONTENT_DIGEST, FILES, MODEL_DIGEST, RAW_DIGEST
from pipeline.metadata.store import Store, open_store
from pipeline.metadata.types import Artifact
from pipeline.metadata.writer import CachedNode, MetadataWriter
from pipeline.orchestration.cache import NodeCache
from pipeline.provenance import cache_key, source_code
from pipeline.sparse_autoencoder import baseline, dataset_cache
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sparse_autoencoder.image_dataset import ImageDataset
from tests import metadata_stores
from tests.builders.headlines import headline

STATE = pb.Execution.State
RESULT = "__execution_result__"

# What the Evaluator finds; better than every gate of the profile `mnist`.
METRICS = {
    "bce": 0.0943,
    "mse": 0.0108,
    "active_units": 17.2,
    "dead_units": 12.0,
    "hoyer": 0.41,
    "gini": 0.64,
    "mean_image_bce": 0.2625,
    "mean_image_mse": 0.0675,
    "entropy_floor": 0.0581,
    "bce_to_mean_image": 0.36,
}
# TFX's names of the types of artifact, by output key.
TYPES = {
    "examples": "Examples",
    "schema": "Schema",
    "statistics": "ExampleStatistics",
    "anomalies": "ExampleAnomalies",
    "transform_graph": "TransformGraph",
    "model": "Model",
    "model_run": "ModelRun",
    "evaluation": "ModelEvaluation",
    "blessing": "ModelBlessing",
    "decision": "PushDecision",
    "pushed_model": "PushedModel",
    "codes": "Codes",
    "pixel_scores": "PixelScores",
    "scores": "ProbeScores",
    "report": "Report",
}
LABEL_METRICS = {"0": {"bce": 0.1, "bce_to_mean_image": 0.4}, "1": {"bce": 0.05, "bce_to_mean_image": 0.3}}


class Writer:
    """Writes executions as TFX's launcher does: in the contexts of the pipeline, of the run and of the node."""

    def __init__(self, place: pathlib.Path | Root | pb.ConnectionConfig) -> None:
        """Of the store of a root, of an SQLite file, or of what ML Metadata's client takes."""
        self._types: dict[tuple[str, str], int] = {}
        if isinstance(place, pb.ConnectionConfig):
            self.store = mlmd.MetadataStore(place)
            return
        path = place.metadata if isinstance(place, Root) else place
        if isinstance(place, Root) and place.metadata_url():
            self.store = root_store.of(place).connect()
        else:
            config = pb.ConnectionConfig()
            config.sqlite.filename_uri = str(path)
            self.store = mlmd.MetadataStore(config)
        self.file = _number(path)  # not used again while the client has the file open

    def type(self, kind, name, **properties):
        """The id of a type of contexts, executions or artifacts, which is put once: each call takes a transaction."""
        if (kind, name) not in self._types:
            made = getattr(pb, f"{kind.title()}Type")(name=name, properties=properties)
            self._types[kind, name] = getattr(self.store, f"put_{kind}_type")(made)
        return self._types[kind, name]

    def context(self, kind, name):
        context_type = self.type("context", kind)
        known = self.store.get_context_by_type_and_name(kind, name)
        return known.id if known else self.store.put_contexts([pb.Context(type_id=context_type, name=name)])[0]

    def execution(self, run, node, state, result=None):
        """Puts an execution and returns its id; `result` is what TFX stores of a failure."""
        contexts = [
            self.context("pipeline", "sparse_autoencoder"),
            self.context("pipeline_run", run),
            self.context("node", f"sparse_autoencoder.{node}"),
        ]
        kind = self.type("execution", f"type_of_{node}")
        execution = pb.Execution(type_id=kind, last_known_state=state)
        if result is not None:
            execution.custom_properties[RESULT].string_value = result
        [made] = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [pb.Association(execution_id=made, context_id=context) for context in contexts]
        )
        return made

    def artifact(self, execution, key, uri, index=0, event=pb.Event.OUTPUT, **properties):
        """Puts an artifact with its event and returns its id."""
        kind = self.type("artifact", "Anything")
        artifact = pb.Artifact(type_id=kind, uri=uri, state=pb.Artifact.LIVE)
        set_properties(artifact.custom_properties, properties)
        [made] = self.store.put_artifacts([artifact])
        self.event(execution, made, key, event, index)
        return made

    def event(self, execution, artifact, key, kind, index=0):
        """Puts an event, and the artifact into the contexts of the execution."""
        steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=index)]
        self.store.put_events(
            [pb.Event(artifact_id=artifact, execution_id=execution, type=kind, path=pb.Event.Path(steps=steps))]
        )
        contexts = self.store.get_contexts_by_execution(execution)
        self.store.put_attributions_and_associations(
            [pb.Attribution(artifact_id=artifact, context_id=context.id) for context in contexts], []
        )


def _number(path):
    """Of a file; 0 if it does not exist, as with a store on a server."""
    return path.stat().st_ino if path.is_file() else 0


def set_properties(held, properties):
    for name, value in properties.items():
        field = {int: "int_value", float: "double_value", str: "string_value"}[type(value)]
        setattr(held[name], field, value)


class Recorded:
    """A root, the data set that its runs read, and the means to record more of them.

    Attributes:
      folder: holds the root and, beside it, the data set and its schema.
      root, writer: of the runs.
      data: folder of the data set's version.
      schema: the schema's file.
      bytes: that the largest file of an artifact has at least.
    """

    bytes = 0

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.root = Root(folder / "root")
        self.root.create()
        metadata_stores.give(self.root)
        self.data = folder / "datasets" / "mnist" / "3.0.1"
        self.data.mkdir(parents=True)
        (self.data / "mnist-train.tfrecord").write_bytes(b"images to train on")
        (self.data / "mnist-test.tfrecord").write_bytes(b"images to test with")
        self.schema = folder / "mnist.pbtxt"
        self.schema.write_text("feature {}")
        self.writer = Writer(self.root)

    def settings(self, *assignments: str) -> settings.Settings:
        """Of the profile `mnist`, in this root."""
        request = settings.Request(assignments=assignments, root=str(self.root.path))
        return settings.resolve(request, {})

    def config(self, *assignments: str) -> pipeline_config.PipelineConfig:
        return self.settings(*assignments).config

    def source(self, **changes: Any) -> ImageDataset:
        """The data set as it is now."""
        values: dict[str, Any] = {
            "builder_dir": str(self.data), "files": file_digests.of_folder(self.data), "name": "mnist",
            "version": "3.0.1", "height": 28, "width": 28, "label_names": ("0", "1"),
            "split_sizes": {"train": 50_000, "validation": 10_000, "test": 10_000}, "schema_file": str(self.schema),
        }  # fmt: skip
        return ImageDataset(**{**values, **changes})

    def store(self) -> Store:
        """Read with the writer's own client, because a process is forked for any other.

        If the file was replaced since, that client still has the old one.
        """
        if _number(self.root.metadata) == self.writer.file:
            return Store(self.writer.store, self.root.moved())
        return open_store(self.root, read_only=True)

    def remember(self, *assignments: str) -> None:
        """Notes the data set as a run does."""
        dataset_cache.remember(self.root, self.settings(*assignments), self.source())

    def remember_sample(self) -> None:
        """Notes the embedded sample as a run with the profile `sample` does."""
        resolved = settings.resolve(settings.Request("sample", root=str(self.root.path)), {})
        dataset_cache.remember(self.root, resolved, self.source(name="mnist_sample", version="1.0.0"))
        self.root.claim_dataset("mnist_sample")

    def configured(self, *assignments: str, source: ImageDataset | None = None) -> ConfiguredPipeline:
        """The pipeline with these settings and, unless another is given, the data set as it is now."""
        return ConfiguredPipeline(PIPELINE, self.settings(*assignments), source or self.source(), self.root.serving)

    def decider(self, *assignments: str, source: ImageDataset | None = None, **options: Any) -> NodeCache:
        return NodeCache(self.root, self.store(), self.configured(*assignments, source=source), **options)

    @source_code.read_once()
    def decisions(self, *assignments: str, **options: Any) -> dict[str, Any]:
        """What becomes of each node, by its name."""
        return {one.node: one for one in self.decider(*assignments, **options).decide_all()}

    def outputs(self, run_id: str, node: str) -> dict[str, Artifact]:
        store = self.store()
        return store.outputs(store.executions(run_id)[node].id)

    def folder_of(self, run_id: str, node: str, key: str) -> pathlib.Path:
        return pathlib.Path(self.outputs(run_id, node)[key].uri)

    @source_code.read_once()
    def run(
        self,
        run_id: str,
        *assignments: str,
        names: Collection[str] = PIPELINE.names,
        failed: str = "",
        blessed: bool = True,
        content: str = "",
        noted: bool = True,
        given: Mapping[str, Mapping[str, Artifact]] | None = None,
    ) -> dict[str, int]:
        """Records a run that executed its nodes, and writes their files. Returns the executions' ids by node.

        Args:
          run_id: of the run.
          assignments: its settings.
          names: the nodes.
          failed: the node that fails; those after it do not run.
          blessed: whether the model is.
          content: goes into the content of every artifact: another text makes other artifacts under the same keys.
          noted: False as plain TFX writes: neither keys nor digests.
          given: outputs of nodes that are not among `names`.
        """
        configured = self.configured(*assignments)
        made: dict[str, Mapping[str, Artifact]] = dict(given or {})
        ids = {}
        for node in (node for node in PIPELINE.nodes if node.name in names):
            inputs = {name: made[upstream][output] for name, (upstream, output) in node.inputs.items()}
            key = cache_key.of_node(
                node,
                configured.parameters[node.name],
                configured.contents[node.name],
                {name: one.content or f"unverified artifact {one.id}" for name, one in inputs.items()},
                configured.config.engine,
            )
            state = STATE.FAILED if node.name == failed else STATE.COMPLETE
            ids[node.name] = self._execution(run_id, node, key, inputs, state, blessed, content, noted)
            if node.name == failed:
                break
            made[node.name] = Store(self.writer.store).outputs(ids[node.name])
        return ids

    def _execution(self, run_id, node, key, inputs, state, blessed, content, noted):
        kind = self.writer.type("execution", f"tfx.{node.name}", declared=pb.STRING)
        execution = pb.Execution(type_id=kind, name=f"{run_id} {node.name}", last_known_state=state)
        # TFX writes what a type declares a second time, among the others.
        for held in (execution.properties, execution.custom_properties):
            held["declared"].string_value = f"of {node.name}"
        execution.custom_properties["own"].int_value = 7
        execution.custom_properties[RESULT].string_value = json.dumps({"resultMessage": f"{node.name} ended"})
        node_name = f"{PIPELINE.name}.{node.name}"
        contexts = [("pipeline", PIPELINE.name), ("pipeline_run", run_id), ("node", node_name)]
        if noted:
            set_properties(execution.custom_properties, {**key.properties(), "reasons": json.dumps(["as asked"])})
            contexts.append(("execution_cache", key.digest))
        known = self.writer.store.get_artifacts_by_id([one.id for one in inputs.values()])
        by_id = {artifact.id: artifact for artifact in known}
        pairs = [(by_id[one.id], event(name, pb.Event.INPUT)) for name, one in inputs.items()]
        if state == STATE.COMPLETE:
            for output in node.outputs:
                artifact = self._artifact(run_id, node.name, output, key, inputs, blessed, content, noted)
                pairs.append((artifact, event(output, pb.Event.OUTPUT)))
        made, _, _ = self.writer.store.put_execution(
            execution,
            pairs,
            [self._context(*context) for context in contexts],
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )
        return made

    def _context(self, kind, name):
        return pb.Context(type_id=self.writer.type("context", kind), name=name)

    def _artifact(self, run_id, node, output, key, inputs, blessed, content, noted):
        folder = self.root.artifacts / node / output / run_id
        folder.mkdir(parents=True)
        own = f"{node} {output} {key.digest} {content}".ljust(self.bytes)
        properties: dict[str, Any] = {"of": run_id}
        if output == "model":
            write(folder / "Format-Serving" / "saved_model.pb", own)
            write(folder / "Format-Serving" / "variables" / "variables.index", "index")
        elif output == "blessing":
            write(folder / ("BLESSED" if blessed else "NOT_BLESSED"), "")
            properties |= {"blessed": int(blessed), "current_model_id": inputs["model"].id}
            own += str(blessed)
        elif output == "decision":
            stands = baseline.standing(self.root, Store(self.writer.store), inputs["model"], inputs["examples"])
            known = stands.baseline.loss if stands.baseline else None
            decided = decision.decide(blessed, METRICS["bce"], 1.05, stands, known)
            decision.write(folder, decided)
            properties |= {"push": int(decided.push), "reason": decided.reason}
            own = f"{decided.push} {decided.model}"
        elif output == "pushed_model":
            properties |= self._push(inputs["model"], inputs["decision"].properties)
        elif output == "report":
            write(folder / "report.html", own)
            properties["pca_mse"] = 0.0168
        else:
            write(folder / "part-0", own)
            write(folder / "inner" / "part-1", "more")
        if noted:
            if output in ("blessing", "decision", "pushed_model"):
                properties[MODEL_DIGEST] = inputs["model"].content
            if output == "evaluation":
                properties["metrics"] = json.dumps({"overall": METRICS, "per_label": LABEL_METRICS})
            files = file_digests.scan(folder)
            properties |= {
                FILES: file_digests.to_text(files),
                RAW_DIGEST: file_digests.of_files(files),
                CONTENT_DIGEST: f"{output}-1:{hashlib.sha256(own.encode()).hexdigest()}",
            }
        kind = self.writer.type("artifact", TYPES[output])
        artifact = pb.Artifact(type_id=kind, uri=str(folder), state=pb.Artifact.LIVE)
        set_properties(artifact.custom_properties, properties)
        return artifact

    def _push(self, model, decided):
        if not decided["push"]:
            return {"pushed": 0, "not_pushed": decided["reason"]}
        number = max((int(path.name) for path in self.root.serving.glob("*")), default=0) + 1
        destination = self.root.serving / str(number)
        shutil.copytree(pathlib.Path(model.uri) / "Format-Serving", destination)
        return {"pushed": 1, "pushed_destination": str(destination), "pushed_version": str(number)}

    def end(self, run_id: str, **fields: Any) -> None:
        """Puts a headline on a run's context, as a run does when it ends."""
        held = self.writer.store
        context = held.get_context_by_type_and_name("pipeline_run", run_id)
        set_properties(context.custom_properties, run_properties.headline_properties(headline(**fields)))
        held.put_contexts([context])

    def change(self, artifact_id: int, uri: str = "", gone: Collection[str] = (), **properties: Any) -> None:
        """Changes an artifact in ML Metadata behind everybody's back."""
        [artifact] = self.writer.store.get_artifacts_by_id([artifact_id])
        artifact.uri = uri or artifact.uri
        for name in gone:
            del artifact.custom_properties[name]
        set_properties(artifact.custom_properties, properties)
        self.writer.store.put_artifacts([artifact])

    def replay(self, run_id: str, *assignments: str, names: Collection[str] = PIPELINE.names) -> None:
        """Records a run in which these nodes were cached."""
        recorder = MetadataWriter(self.root)
        recorder.begin_run(PIPELINE.name, run_id, {})
        for cached in self.cached_nodes(*assignments, names=names):
            recorder.record_cached(PIPELINE.name, run_id, cached)

    def cached_nodes(self, *assignments: str, names: Collection[str] = PIPELINE.names) -> list[CachedNode]:
        """Returns what a run records of these nodes if all of them are cached."""
        made = self.decisions(*assignments)
        nodes = []
        for name in names:
            one = made[name]
            inputs = {key: made[node].outputs[out] for key, (node, out) in PIPELINE.by_name[name].inputs.items()}
            nodes.append(CachedNode(name, one.key, one.execution_id, inputs, one.outputs, one.runtime_properties))
        return nodes


def event(key: str, event_type: int) -> pb.Event:
    steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)]
    return pb.Event(type=event_type, path=pb.Event.Path(steps=steps))


def write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def change_bytes(path: pathlib.Path, keep_time: bool = False) -> None:
    """Changes the first byte of a file, and nothing of its size; its time becomes another one unless it is kept."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    shift = 0 if keep_time else 1_000_000_000
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + shift))


def tree(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Every file in a folder, with its time and its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(IsADirectoryError):
            found[str(path.relative_to(folder))] = (path.stat().st_mtime_ns, path.read_bytes())
    return found
