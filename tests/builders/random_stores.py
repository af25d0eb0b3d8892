"""Random stores of ML Metadata: pipelines, runs, nodes and states by a seed, written by SQL."""

from __future__ import annotations

import pathlib
import random
import shutil

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from tests.builders.foreign_stores import TYPES, ForeignStore, opened

PIPELINES = ("taxi", "taxi.v2", "iris", "Pipeline with spaces", "pipeline_ä")
NODES = {
    "CsvExampleGen": ("examples", ()), "StatisticsGen": ("statistics", ("examples",)), "SchemaGen": ("schema", ()),
    "Trainer": ("model", ("examples", "schema")), "Trainer.small": ("model", ("examples",)),
    "Evaluator": ("evaluation", ("model", "examples")), "Pusher": ("pushed_model", ("model",)),
}  # fmt: skip
STATES = (3, 3, 3, 3, 5, 5, 2, 4, 6, 1)  # as often as they are
STATE_NAMES = {1: "new", 2: "running", 3: "complete", 4: "failed", 5: "cached", 6: "canceled"}
ARTIFACT_STATES = (2, 2, 2, 2, 0, 3, 4)
ARTIFACT_STATE_NAMES = {0: "", 1: "pending", 2: "published", 3: "marked_for_deletion", 4: "deleted", 5: "abandoned"}
MINUTE = 60_000


def empty(path: pathlib.Path) -> pathlib.Path:
    """Make a store with ML Metadata's tables and the types that runs use, to copy."""
    store = ForeignStore(path)
    for kind in ("pipeline", "run", "component_run", "pipeline_run", "node"):
        store.client.put_context_type(pb.ContextType(name=kind))
    for node in NODES:
        store.client.put_execution_type(pb.ExecutionType(name=node))
    for name in sorted(set(TYPES.values())):
        store.client.put_artifact_type(pb.ArtifactType(name=name))
    return store.close()


class RandomStore:
    """Writes one random store; `write` does it."""

    def __init__(self, template: pathlib.Path, path: pathlib.Path, seed: int, now: int) -> None:
        """Prepare a store.

        Args:
          template: an empty store.
          path: of the new one.
          seed: of all choices.
          now: in milliseconds; the last run ended before, by minutes, or by years.
        """
        shutil.copyfile(template, path)
        self.path, self._now = path, now
        self._chance = random.Random(seed)
        self._classic = self._chance.random() < 0.4
        self._parents = not self._classic and self._chance.random() < 0.7
        self._contexts: dict[tuple[str, str], int] = {}
        self._outputs: dict[tuple[str, str], list[int]] = {}  # artifacts of a pipeline, by node
        self._by_key: dict[tuple[str, str], int] = {}  # the newest artifact of a pipeline and key
        self._ids = dict.fromkeys(("Context", "Execution", "Artifact", "Event"), 0)

    def write(self) -> pathlib.Path:
        """Write the store and return its path."""
        chance = self._chance
        pipelines = chance.sample(PIPELINES, chance.randint(1, 3))
        runs = chance.randint(1, 7)
        began = self._now - runs * 10 * MINUTE - (0 if chance.random() < 0.5 else 900 * 24 * 60 * MINUTE)
        with opened(self.path) as self._database:
            self._types = {(kind, name): number for number, kind, name in self._rows("id, type_kind, name", "Type")}
            for number in range(runs):
                name = f"{chance.choice(('run', '2024-03-29T10:00:00', 'taxi', 'ü'))}.{number}"
                self._run(chance.choice(pipelines), name, began + number * 10 * MINUTE)
            self._remove()
        schema = chance.choice((10, 10, 10, 9, 8, 7, 6, 5, 4))
        if schema < 10 and (self._classic or schema > 5):  # earlier ones have neither states nor parents
            config = pb.ConnectionConfig()
            config.sqlite.filename_uri = str(self.path)
            metadata_store.downgrade_schema(config, schema)
        return self.path

    def _rows(self, columns: str, table: str) -> list[tuple[int, int, str]]:
        return self._database.execute(f"SELECT {columns} FROM {table}").fetchall()

    def _insert(self, table: str, **values: object) -> int:
        if table in self._ids:
            self._ids[table] += 1
            values["id"] = self._ids[table]
        columns, places = ", ".join(values), ", ".join("?" * len(values))
        self._database.execute(f"INSERT INTO {table}({columns}) VALUES ({places})", list(values.values()))
        return self._ids.get(table, 0)

    def _set(self, table: str, owner: int, **properties: str | int) -> None:
        for name, value in properties.items():
            column = "int_value" if isinstance(value, int) else "string_value"
            where = {f"{table.lower()}_id": owner, "name": name, "is_custom_property": 1, column: value}
            self._insert(f"{table}Property", **where)

    def _context(self, kind: str, name: str, when: int, **properties: str) -> int:
        if (kind, name) not in self._contexts:
            made = self._insert(
                "Context", type_id=self._types[2, kind], name=name,
                create_time_since_epoch=when, last_update_time_since_epoch=when,
            )  # fmt: skip
            self._set("Context", made, **properties)
            self._contexts[kind, name] = made
        return self._contexts[kind, name]

    def _of_node(self, pipeline: str, run: str, node: str, when: int) -> int:
        if not self._classic:
            return self._context("node", f"{pipeline}.{node}", when)
        return self._context(
            "component_run", f"{run}.{node}", when, component_id=node, run_id=run, pipeline_name=pipeline
        )

    def _run(self, pipeline: str, run: str, when: int) -> None:
        chance = self._chance
        parent = self._context("pipeline", pipeline, when)
        names = {"pipeline_name": pipeline, "run_id": run} if self._classic else {}
        of_run = self._context("run" if self._classic else "pipeline_run", run, when, **names)
        if self._parents:
            self._insert("ParentContext", context_id=of_run, parent_context_id=parent)
        nodes = [name for name in NODES if chance.random() < 0.7]
        if chance.random() < 0.3:
            for node in nodes:
                self._of_node(pipeline, run, node, when)
            nodes = nodes[: chance.randint(0, len(nodes))]
        usual = chance.random() < 0.5  # all nodes completed
        for place, node in enumerate(nodes):
            for _ in range(2 if chance.random() < 0.1 else 1):  # some are tried again
                state = chance.choice((3, 5)) if usual else chance.choice(STATES)
                contexts = [parent, of_run, self._of_node(pipeline, run, node, when)]
                self._execution(pipeline, node, state, contexts, when + place * MINUTE)

    def _execution(self, pipeline: str, node: str, state: int, contexts: list[int], when: int) -> None:
        chance = self._chance
        reused = self._outputs.get((pipeline, node), [])
        state = 3 if state == 5 and not reused else state
        made = self._insert(
            "Execution", type_id=self._types[0, node], last_known_state=0 if self._classic else state,
            create_time_since_epoch=when, last_update_time_since_epoch=when + MINUTE // 2,
        )  # fmt: skip
        if self._classic:
            self._set("Execution", made, state=STATE_NAMES[state], component_id=node, pipeline_name=pipeline)
        for context in contexts:
            self._insert("Association", context_id=context, execution_id=made)
        key, inputs = NODES[node]
        for name in inputs:
            if (pipeline, name) in self._by_key:
                self._event(made, self._by_key[pipeline, name], 3, name, 0, contexts, when)
        if state == 5:
            for index, artifact in enumerate(reused):
                self._event(made, artifact, 4, key, index, contexts, when)
            return
        wrote = []
        for index in range(chance.choice((0, 1, 1, 1, 2))):
            pending = state != 3 and chance.random() < 0.6
            of_artifact = chance.choice((1, 5)) if pending else chance.choice(ARTIFACT_STATES)
            artifact = self._insert(
                "Artifact", type_id=self._types[1, TYPES[key]], uri=f"/a/{node}/{key}/{made}/{index}",
                state=0 if self._classic else of_artifact, create_time_since_epoch=when,
                last_update_time_since_epoch=when,
            )  # fmt: skip
            if self._classic:
                self._set("Artifact", artifact, state=ARTIFACT_STATE_NAMES[of_artifact])
            if key == "pushed_model" and chance.random() < 0.7:
                self._set("Artifact", artifact, pushed=chance.randint(0, 1))
            self._event(made, artifact, 7 if pending and chance.random() < 0.5 else 4, key, index, contexts, when)
            wrote.append(artifact)
        if state == 3 and wrote:
            self._outputs[pipeline, node] = wrote
            self._by_key[pipeline, key] = wrote[0]

    def _event(
        self, execution: int, artifact: int, kind: int, key: str, index: int, contexts: list[int], when: int
    ) -> None:
        made = self._insert(
            "Event",
            artifact_id=artifact,
            execution_id=execution,
            type=kind,
            milliseconds_since_epoch=when + MINUTE // 2,
        )
        self._insert("EventPath", event_id=made, is_index_step=0, step_key=key)
        self._insert("EventPath", event_id=made, is_index_step=1, step_index=index)
        for context in contexts:
            self._database.execute(
                "INSERT OR IGNORE INTO Attribution(context_id, artifact_id) VALUES (?, ?)", (context, artifact)
            )

    def _remove(self) -> None:
        """Delete artifacts that events name, with or without their properties, and what says whose a context is."""
        chance = self._chance
        while self._ids["Artifact"] and chance.random() < 0.4:
            number = chance.randint(1, self._ids["Artifact"])
            self._database.execute("DELETE FROM Artifact WHERE id = ?", (number,))
            if chance.random() < 0.5:
                self._database.execute("DELETE FROM ArtifactProperty WHERE artifact_id = ?", (number,))
        if chance.random() < 0.2:
            self._database.execute("DELETE FROM ContextProperty WHERE name = 'component_id'")
        if self._parents and chance.random() < 0.3:
            self._database.execute("DELETE FROM ParentContext WHERE context_id % 2 = 0")
