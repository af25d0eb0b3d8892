"""Decide whether a node runs, and why: for `sae plan`, `why` and `run`.

A node is cached if an earlier execution has the same cache key (provenance/cache_key.py) and its outputs are still as
they were published. This module writes nothing and does not need TFX.
"""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Callable, Collection, Mapping

from pipeline.core import file_digests
from pipeline.core.errors import SaeError
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, Node, Reuse
from pipeline.metadata.node_key import REQUIRED, CacheKey, Change
from pipeline.metadata.store import Store, nearest_execution
from pipeline.metadata.types import Artifact, Execution
from pipeline.provenance import cache_key, manifest, packages

_ChangesSince = Callable[[CacheKey, CacheKey], tuple[Change, ...]]


class CacheVerdict(str, enum.Enum):
    """Whether a node runs."""

    RUN = "run"
    CACHED = "cached"
    DEPENDS = "depends"  # on the outputs of nodes that run before it


@dataclasses.dataclass(frozen=True)
class Damage:
    """An artifact whose files are not as they were published."""

    artifact_id: int  # its id in ML Metadata
    # node, key: the node and the output key of the artifact
    node: str
    key: str
    reason: str  # the damaged file, and what is wrong with it

    @property
    def output(self) -> str:
        """`ExampleGen's examples`."""
        return f"{self.node}'s {self.key}"


@dataclasses.dataclass(frozen=True)
class CacheDecision:
    """Whether a node runs, and why."""

    node: str
    verdict: CacheVerdict
    key: CacheKey  # the cache key; only of known inputs
    reasons: tuple[str, ...] = ()  # why the node runs, one sentence each; empty if it is cached
    # execution_id, run_id: the execution whose outputs are reused; 0 and empty if the node runs
    execution_id: int = 0
    run_id: str = ""
    outputs: Mapping[str, Artifact] = dataclasses.field(default_factory=dict)  # the reused outputs, by key
    damage: tuple[Damage, ...] = ()  # artifacts to take out of use
    # properties of the node that are in no cache key
    runtime_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class NodeCache:
    """Decides for each node of a run whether an earlier result is reused."""

    root: Root
    store: Store
    configured: ConfiguredPipeline  # with the settings and the data set of the run
    use_cache: bool = True  # False runs every node
    all_bytes: bool = False  # True hashes all files of reused artifacts, False only files whose time changed

    def decide(self, node: Node, inputs: Mapping[str, Artifact | None]) -> CacheDecision:
        """Decide whether one node runs.

        Args:
          node: the node.
          inputs: its input artifacts by key; None for an artifact that does not exist yet.

        Raises:
          UnavailableError: input artifacts do not belong together.
        """
        known = {name: artifact for name, artifact in inputs.items() if artifact is not None}
        node.check_inputs(known)
        key = self._key(node, known)
        properties = self._runtime_properties(node, known) if len(known) == len(inputs) else {}
        run = CacheDecision(node.name, CacheVerdict.RUN, key, runtime_properties=properties)
        if not self.use_cache:
            return dataclasses.replace(run, reasons=("the cache is not used",))
        if len(known) < len(inputs):
            unknown = sorted({node.inputs[name][0] for name in inputs if name not in known})
            return self._decide_without_inputs(node, run, unknown)
        damage: list[Damage] = []
        reasons: list[str] = []
        for candidate in self.store.executions_with_key(key.digest):
            owner = self.store.owner(candidate.id)
            if candidate.state != NodeState.EXECUTED or owner.node != node.name:  # two nodes may have the same key
                continue
            if candidate.code_changed:
                reasons.append(f"{candidate.code_changed} changed while it ran")
                continue
            outputs = self.store.outputs(candidate.id)
            reuse = Reuse(self.root, self.store, candidate, outputs, properties, same_run=False)
            damaged, unusable = self._check(node, reuse)
            if not damaged and not unusable:
                return dataclasses.replace(
                    run,
                    verdict=CacheVerdict.CACHED,
                    execution_id=candidate.id,
                    run_id=owner.run,
                    outputs=outputs,
                    damage=tuple(damage),
                )
            damage += [one for one in damaged if one not in damage]
            reasons += [f"{one.output} is damaged: {one.reason}" for one in damaged]
            reasons += [unusable] if unusable else []
        reasons = list(dict.fromkeys(reasons)) or self._changes(node, key)
        return dataclasses.replace(run, reasons=tuple(reasons), damage=tuple(damage))

    def decide_all(
        self, names: Collection[str] | None = None, given: Mapping[str, Mapping[str, Artifact]] | None = None
    ) -> list[CacheDecision]:
        """Decide on nodes in their order, without running any.

        Args:
          names: the nodes to decide on; None: all.
          given: the outputs of other nodes, by node and key.
        """
        outputs = dict(given or {})
        decisions = []
        for node in (node for node in self.configured.pipeline.nodes if names is None or node.name in names):
            inputs = {name: outputs[upstream].get(output) for name, (upstream, output) in node.inputs.items()}
            decisions.append(self.decide(node, inputs))
            outputs[node.name] = decisions[-1].outputs
        return decisions

    def is_reusable(
        self, node: Node, candidate: Execution, inputs: Mapping[str, Artifact], outputs: Mapping[str, Artifact]
    ) -> bool:
        """Whether the result of an earlier attempt at the same run is still valid and undamaged."""
        if candidate.code_changed or candidate.key is None or candidate.key.digest != self._key(node, inputs).digest:
            return False
        properties = self._runtime_properties(node, inputs)
        reuse = Reuse(self.root, self.store, candidate, outputs, properties, same_run=True)
        return self._check(node, reuse) == ([], "")

    def changes_since(self, node: Node, execution: Execution) -> list[str]:
        """Return what differs between this run and an execution of a node on the same inputs, for a partial run."""
        if execution.key is None:
            return []
        key = self._key(node, self.store.inputs(execution.id))
        return [f"{change.part}: {change}" for change in key.changes_since(execution.key)]

    def damage(self, output: Artifact) -> str:
        """Return what is wrong with an artifact's files; empty if they are intact, or no digests were recorded."""
        return (
            "" if output.files is None else file_digests.damage(pathlib.Path(output.uri), output.files, self.all_bytes)
        )

    def _key(self, node: Node, inputs: Mapping[str, Artifact]) -> CacheKey:
        return cache_key.of_node(
            node,
            self.configured.parameters[node.name],
            self.configured.contents[node.name],
            {name: artifact.content or f"unverified artifact {artifact.id}" for name, artifact in inputs.items()},
            node.engine_for(self.configured.config.engine, self.configured.dataset),
        )

    def _check(self, node: Node, reuse: Reuse) -> tuple[list[Damage], str]:
        """Return the damaged outputs of a result, and why it cannot be used for other reasons."""
        outputs = reuse.outputs
        missing = [name for name in node.outputs if name not in outputs]
        if missing:
            return [], f"its {', '.join(missing)} was not published"
        dead = [name for name in node.outputs if not outputs[name].live]
        if dead:
            verb = "is" if len(dead) == 1 else "are"
            states = {_state_in_words(outputs[name]) for name in dead}
            return [], f"its {' and '.join(dead)} {verb} {' and '.join(sorted(states))}"
        damage = [
            Damage(output.id, node.name, name, reason)
            for name, output in outputs.items()
            if (reason := self.damage(output))
        ]
        return damage, "" if damage else node.outdated(reuse)

    def _runtime_properties(self, node: Node, inputs: Mapping[str, Artifact]) -> dict[str, str]:
        return {**self.configured.paths[node.name], **node.runtime_properties(self.root, self.store, inputs)}

    def _decide_without_inputs(self, node: Node, run: CacheDecision, unknown: list[str]) -> CacheDecision:
        """Decide on a node whose inputs do not exist yet: it runs for certain if the rest of its key is new."""
        succeeded = [one for one in self._earlier(node) if one.has_succeeded]
        if all(one.key is None or _own_changes(run.key, one.key) for one in succeeded):
            return dataclasses.replace(run, reasons=tuple(self._changes(node, run.key, _own_changes)))
        names = " and ".join(filter(None, (", ".join(unknown[:-1]), unknown[-1])))
        reason = f"unless the outputs of {names} stay the same"
        return dataclasses.replace(run, verdict=CacheVerdict.DEPENDS, reasons=(reason,))

    def _changes(self, node: Node, key: CacheKey, changes_since: _ChangesSince = CacheKey.changes_since) -> list[str]:
        earlier = self._earlier(node)
        if not earlier:
            return ["it never ran in this root"]
        nearest = nearest_execution(earlier, key)
        if nearest is None or nearest.key is None:
            return ["no earlier execution of it ended and recorded a cache key"]
        changes = self._with_dependencies(node, nearest, changes_since(key, nearest.key))
        return [f"{change.part}: {change}" for change in changes] or [self._unsuccessful(key)]

    def _with_dependencies(self, node: Node, earlier: Execution, changes: tuple[Change, ...]) -> list[Change]:
        """Return changes with the packages that the sum of all required ones stands for, if a manifest tells them."""
        if not any(change.field == REQUIRED for change in changes):
            return list(changes)
        try:
            before = manifest.read(self.root.path, self.store.owner(earlier.id).run).packages
        except SaeError:
            return list(changes)
        found = cache_key.dependency_changes(node, before, packages.installed_runtime(), changes)
        return [*(one for one in changes if one.field != REQUIRED or not found), *found]

    def _unsuccessful(self, key: CacheKey) -> str:
        text = "its last attempt did not succeed"
        has_checkpoint = (self.root.checkpoints / key.digest).is_dir()
        return f"{text}; it continues from its checkpoint" if has_checkpoint else text

    def _earlier(self, node: Node) -> list[Execution]:
        return self.store.executions_of_node(self.configured.pipeline.name, node.name)


def _state_in_words(output: Artifact) -> str:
    return output.deleted or ("removed from ML Metadata" if output.removed else "out of use")


def _own_changes(key: CacheKey, old: CacheKey) -> tuple[Change, ...]:
    """Return the changes between two keys, without inputs that do not exist yet."""
    return tuple(change for change in key.changes_since(old) if change.part != "inputs" or change.new is not None)
