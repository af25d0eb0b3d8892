"""What a node's result depends on, part by part: the key under which a result is found again.

The parts, each from names to values:

* `code`: digest of each file of ours that the node runs;
* `parameters`: each value that it is told, as JSON;
* `data`: digest of each file that it reads beside its inputs; where it lies does not count;
* `inputs`: `content` digest of each input artifact;
* `packages`: version of each distribution that it imports, and a digest over all that these require.

Not in it: where anything is written, times, the number of Beam workers, the processor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.core import file_digests
from pipeline.definition.spec import Node
from pipeline.metadata.node_key import REQUIRED, Key
from pipeline.provenance import packages, source_code
from pipeline_config import EngineConfig

# Files of a data set that are told one by one; of more, a digest over all: Executions stay small.
_MOST_FILES = 100


def of_node(
    node: Node,
    parameters: Mapping[str, Any],
    contents: Mapping[str, str],
    inputs: Mapping[str, str],
    engine: EngineConfig,
) -> Key:
    """The key of a node.

    Args:
      node: which.
      parameters: what it is told.
      contents: digests of the files that it reads beside its inputs.
      inputs: content digests of its input artifacts by key.
      engine: of this, what a node says that it depends on.
    """
    told = dict(parameters)
    if node.threads:
        told |= {"intra_op_threads": engine.intra_op_threads, "inter_op_threads": engine.inter_op_threads}
    if node.batches:
        told |= {"beam_batch_size": engine.beam_batch_size}
    if len(contents) > _MOST_FILES:
        contents = {f"all {len(contents):,} files": file_digests.of_mapping(contents)}
    return Key(
        {
            "code": source_code.files(node.code) if node.code else {},
            "parameters": dict(_flat(told)),
            "data": dict(contents),
            "inputs": dict(inputs),
            "packages": _packages(node),
        }
    )


def packages_of(node: Node) -> dict[str, str]:
    """Version by name of each distribution that a node imports, and of all that these require."""
    return packages.closure(_imported(node))


def _imported(node: Node) -> set[str]:
    return set(node.packages) | (source_code.distributions(node.code) if node.code else set())


def code_of_nodes(nodes: Iterable[Node]) -> dict[str, dict[str, str]]:
    """Digest of each file of ours that a node runs, by node; those that are TFX's alone have none."""
    return {node.name: source_code.files(node.code) for node in nodes if node.code}


def _packages(node: Node) -> dict[str, str]:
    names, everything = _imported(node), packages_of(node)
    direct = {name: everything[name] for name in sorted(names & everything.keys())}
    rest = {name: version for name, version in everything.items() if name not in direct}
    return {**direct, REQUIRED: packages.digest(rest), "python": "{}.{}".format(*sys.version_info[:2])}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a tree of values by its dotted name, as JSON."""
    if isinstance(value, Mapping) and (value or not name):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(value)
