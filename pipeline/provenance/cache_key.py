"""A node's cache key: everything that its result depends on.

Each part maps names to values:

* `code`: the digest of each file of one's own code that the node runs, as `source_code` finds it;
* `parameters`: each parameter as JSON; of nodes that compute, also the environment variables that select instructions;
* `data`: the digest of each file that it reads besides its inputs, wherever the file is;
* `inputs`: the content digest of each input artifact;
* `packages`: the version of each distribution that it imports, and one digest over everything that these require.

Not in the key: output paths, times, the number of Beam workers, the processor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from pipeline.core import file_digests
from pipeline.metadata.node_key import REQUIRED, CacheKey, Change
from pipeline.provenance import numeric_variables, packages, source_code
from pipeline_config import EngineConfig

# A data set with more files is one digest over all of them, to keep executions small.
_MAX_FILES = 100


class KeyedNode(Protocol):
    """What the key reads of a node's declaration; `pipeline.definition.spec.Node` has the same attributes."""

    @property
    def name(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def steps(self) -> tuple[str, ...]: ...
    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def threads(self) -> bool: ...
    @property
    def batches(self) -> bool: ...


def of_node(
    node: KeyedNode,
    parameters: Mapping[str, Any],
    contents: Mapping[str, str],
    inputs: Mapping[str, str],
    engine: EngineConfig,
) -> CacheKey:
    """Return the cache key of a node.

    Args:
      node: its declaration.
      parameters: its parameters.
      contents: digests of the files that it reads besides its inputs, by file name.
      inputs: content digests of its input artifacts, by input key.
      engine: threads and batch size; they enter the key only of nodes that declare to depend on them.
    """
    parameters = dict(parameters)
    if node.threads:
        parameters |= {"intra_op_threads": engine.intra_op_threads, "inter_op_threads": engine.inter_op_threads}
    if node.batches:
        parameters |= {"beam_batch_size": engine.beam_batch_size}
    if (node.threads or node.batches) and (variables := numeric_variables.recorded(os.environ)):
        parameters |= {"environment": variables}
    if len(contents) > _MAX_FILES:
        contents = {f"all {len(contents):,} files": file_digests.of_mapping(contents)}
    return CacheKey(
        {
            "code": _code(node),
            "parameters": dict(_flat(parameters)),
            "data": dict(contents),
            "inputs": dict(inputs),
            "packages": _packages(node),
        }
    )


def packages_of(node: KeyedNode) -> dict[str, str]:
    """Return the versions, by name, of the distributions that a node imports and of everything that these require."""
    return packages.closure(_imported(node))


def dependency_changes(
    node: KeyedNode | None, before: Mapping[str, str], after: Mapping[str, str], changes: Iterable[Change]
) -> tuple[Change, ...]:
    """Return the dependencies of the node's packages that changed; the key contains only one digest of all.

    Args:
      node: the node; None if the pipeline declares it no more: changes of all packages are returned.
      before, after: versions of the packages of all nodes, as manifests record them.
      changes: what is known already.
    """
    known = {change.field for change in changes}
    if node is not None:
        known |= packages.installed_runtime().keys() - packages_of(node).keys()
    return tuple(
        Change("packages", name, before.get(name), after.get(name))
        for name in sorted({**before, **after})
        if before.get(name) != after.get(name) and name not in known
    )


def _imported(node: KeyedNode) -> set[str]:
    return {*node.packages, *(name for module in _modules(node) for name in source_code.distributions(module))}


def code_of_nodes(nodes: Iterable[KeyedNode]) -> dict[str, dict[str, str]]:
    """Return the digest of each file of one's own that a node runs, by node; nodes of TFX alone are left out."""
    return {node.name: code for node in nodes if (code := _code(node))}


def check_code(nodes: Iterable[KeyedNode]) -> None:
    """Check that the modules exist that nodes declare as their code. Raises `UsageError`."""
    for module in dict.fromkeys(module for node in nodes for module in _modules(node)):
        source_code.check(module)


def _code(node: KeyedNode) -> dict[str, str]:
    return {path: digest for module in _modules(node) for path, digest in source_code.files(module).items()}


def _modules(node: KeyedNode) -> tuple[str, ...]:
    return (node.code, *node.steps) if node.code else node.steps


def _packages(node: KeyedNode) -> dict[str, str]:
    names = _imported(node)
    everything = packages.closure(names)
    direct = {name: everything[name] for name in sorted(names & everything.keys())}
    rest = {name: version for name, version in everything.items() if name not in direct}
    return {**direct, REQUIRED: file_digests.of_mapping(rest), "python": "{}.{}".format(*sys.version_info[:2])}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each leaf of nested mappings as its dotted name and its JSON."""
    if isinstance(value, Mapping) and (value or not name):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value)
