"""Whether a node runs, and why: the one place where that is decided, for `plan`, `why`, `run` and the fast rerun.

A node does not run when an earlier execution had the same key (provenance/cache_key.py) and its outputs are still
there, as they were published. Nothing here is written, and TFX is not needed.
"""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Callable, Collection, Mapping

from pipeline.core import file_digests
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import ConfiguredPipeline, Node, Reuse
from pipeline.metadata import node_key
from pipeline.metadata.store import Store, nearest_execution
from pipeline.metadata.types import Artifact, Execution
from pipeline.provenance import cache_key


class CacheVerdict(str, enum.Enum):
    """What becomes of a node."""

    RUN = "run"
    CACHED = "cached"
    DEPENDS = "depends"  # on what a node before it makes


@dataclasses.dataclass(frozen=True)
class Damage:
    """An artifact that is no longer what was published.

    Attributes:
      artifact_id: in ML Metadata.
      node, key: what made it, and under which output key.
      reason: which file, and what is wrong with it.
    """

    artifact_id: int
    node: str
    key: str
    reason: str

    @property
    def output(self) -> str:
        """`ExampleGen's examples`."""
        return f"{self.node}'s {self.key}"


@dataclasses.dataclass(frozen=True)
class CacheDecision:
    """What becomes of a node, and why.

    Attributes:
      key: what its result depends on; of `inputs` only those that are known.
      reasons: why it runs, one sentence each; empty when cached.
      execution_id, run_id: whose outputs are used when cached; 0 and empty otherwise.
      outputs: these outputs, by key.
      damage: what is to be taken out of use.
      runtime_properties: what the node is told besides, by property, that is in no key.
    """

    node: str
    verdict: CacheVerdict
    key: node_key.CacheKey
    reasons: tuple[str, ...] = ()
    execution_id: int = 0
    run_id: str = ""
    outputs: Mapping[str, Artifact] = dataclasses.field(default_factory=dict)
    damage: tuple[Damage, ...] = ()
    runtime_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


_ChangesSince = Callable[[node_key.CacheKey, node_key.CacheKey], tuple[node_key.Change, ...]]


class NodeCache:
    """Decides for each node of a run whether an earlier result of it is used."""

    def __init__(
        self,
        root: Root,
        store: Store,
        configured: ConfiguredPipeline,
        *,
        use_cache: bool = True,
        all_bytes: bool = False,
    ) -> None:
        """Set up.

        Args:
          root: the pipeline root.
          store: what was run before.
          configured: the pipeline, with the settings and the data set of the run.
          use_cache: False runs every node.
          all_bytes: True reads all files of what is reused, False those whose time changed.
        """
        self._root = root
        self._store = store
        self.configured = configured
        self.pipeline = configured.pipeline
        self.use_cache = use_cache
        self._all_bytes = all_bytes

    def decide(self, node: Node, inputs: Mapping[str, Artifact | None]) -> CacheDecision:
        """Decides on one node.

        Args:
          node: which.
          inputs: its input artifacts by key; None for one that a node before it has yet to make.

        Raises:
          UnavailableError: artifacts that it would read do not belong together.
        """
        known = {name: artifact for name, artifact in inputs.items() if artifact is not None}
        node.check_inputs(known)
        key = self._key(node, known)
        if not self.use_cache:
            told = self._runtime_properties(node, known) if len(known) == len(inputs) else {}
            return CacheDecision(node.name, CacheVerdict.RUN, key, ("the cache is not used",), runtime_properties=told)
        waits_for = sorted({node.inputs[name][0] for name in inputs if name not in known})
        if waits_for:
            return self._without_inputs(node, key, waits_for)
        told = self._runtime_properties(node, known)
        damage: list[Damage] = []
        reasons: list[str] = []
        for candidate in self._store.executions_with_key(key.digest):
            if candidate.state != NodeState.EXECUTED:
                continue
            outputs = self._store.outputs(candidate.id)
            found, unusable = self._examine(node, outputs)
            damage += [one for one in found if one not in damage]
            reasons += [f"{one.output} is damaged: {one.reason}" for one in found]
            reasons += [unusable] if unusable else []
            if found or unusable:
                continue
            if reason := node.outdated(Reuse(self._root, self._store, candidate, outputs, told, same_run=False)):
                reasons.append(reason)
                continue
            return CacheDecision(
                node.name,
                CacheVerdict.CACHED,
                key,
                execution_id=candidate.id,
                run_id=self._store.owner(candidate.id).run,
                outputs=outputs,
                damage=tuple(damage),
                runtime_properties=told,
            )
        reasons = list(dict.fromkeys(reasons)) or self._changes(node, key)
        return CacheDecision(
            node.name, CacheVerdict.RUN, key, tuple(reasons), damage=tuple(damage), runtime_properties=told
        )

    def decide_all(
        self, names: Collection[str] | None = None, given: Mapping[str, Mapping[str, Artifact]] | None = None
    ) -> list[CacheDecision]:
        """Decides on nodes in their order, without running any.

        Args:
          names: which; None: all.
          given: the outputs of nodes that are not among them, by node and key.
        """
        outputs = dict(given or {})
        decided = []
        for node in (node for node in self.pipeline.nodes if names is None or node.name in names):
            inputs = {name: outputs[upstream].get(output) for name, (upstream, output) in node.inputs.items()}
            decided.append(self.decide(node, inputs))
            outputs[node.name] = decided[-1].outputs
        return decided

    def holds(
        self, node: Node, candidate: Execution, inputs: Mapping[str, Artifact], outputs: Mapping[str, Artifact]
    ) -> bool:
        """Whether what an earlier attempt at the same run made is what the node would make now, and still there."""
        if candidate.key is None or candidate.key.digest != self._key(node, inputs).digest:
            return False
        damage, unusable = self._examine(node, outputs)
        told = self._runtime_properties(node, inputs)
        reuse = Reuse(self._root, self._store, candidate, outputs, told, same_run=True)
        return not damage and not unusable and not node.outdated(reuse)

    def _key(self, node: Node, inputs: Mapping[str, Artifact]) -> node_key.CacheKey:
        return cache_key.of_node(
            node,
            self.configured.parameters[node.name],
            self.configured.contents[node.name],
            {name: artifact.content or f"unverified artifact {artifact.id}" for name, artifact in inputs.items()},
            self.configured.config.engine,
        )

    def _examine(self, node: Node, outputs: Mapping[str, Artifact]) -> tuple[list[Damage], str]:
        """What is damaged among outputs, and why they cannot be used otherwise."""
        lacking = [name for name in node.outputs if name not in outputs]
        if lacking:
            return [], f"its {', '.join(lacking)} was not published"
        dead = [name for name in node.outputs if not outputs[name].live]
        if dead:
            verb = "is" if len(dead) == 1 else "are"
            why = {outputs[name].deleted or "out of use" for name in dead}
            return [], f"its {' and '.join(dead)} {verb} {' and '.join(sorted(why))}"
        return [
            Damage(output.id, node.name, name, reason)
            for name, output in outputs.items()
            if (reason := self.damage(output))
        ], ""

    def damage(self, output: Artifact) -> str:
        """What is wrong with an artifact's files; empty when nothing is, or nothing was noted of them."""
        return (
            "" if output.files is None else file_digests.damage(pathlib.Path(output.uri), output.files, self._all_bytes)
        )

    def _runtime_properties(self, node: Node, inputs: Mapping[str, Artifact]) -> dict[str, str]:
        return {**self.configured.paths[node.name], **node.runtime_properties(self._root, self._store, inputs)}

    def _without_inputs(self, node: Node, key: node_key.CacheKey, waits_for: list[str]) -> CacheDecision:
        """A node that reads what is not made yet: it runs when anything else of its key is new."""
        succeeded = [one for one in self._earlier(node) if one.state in (NodeState.EXECUTED, NodeState.CACHED)]
        if all(one.key is None or _own_changes(key, one.key) for one in succeeded):
            return CacheDecision(node.name, CacheVerdict.RUN, key, tuple(self._changes(node, key, _own_changes)))
        makes = "makes" if len(waits_for) == 1 else "make"
        names = " and ".join(filter(None, (", ".join(waits_for[:-1]), waits_for[-1])))
        reason = f"unless {names} {makes} the same again"
        return CacheDecision(node.name, CacheVerdict.DEPENDS, key, (reason,))

    def _changes(
        self, node: Node, key: node_key.CacheKey, changes_since: _ChangesSince = node_key.CacheKey.changes_since
    ) -> list[str]:
        earlier = self._earlier(node)
        if not earlier:
            return ["it never ran in this root"]
        found = nearest_execution(earlier, key)
        if found is None or found.key is None:
            return ["no earlier execution of it ended and noted what it depended on"]
        changes = changes_since(key, found.key)
        return [f"{change.part}: {change}" for change in changes] or ["with the same key it did not succeed before"]

    def _earlier(self, node: Node) -> list[Execution]:
        return self._store.executions_of_node(self.pipeline.name, node.name)


def _own_changes(key: node_key.CacheKey, old: node_key.CacheKey) -> tuple[node_key.Change, ...]:
    """What is another than before, but for inputs that are not known yet."""
    return tuple(change for change in key.changes_since(old) if change.part != "inputs" or change.new is not None)
