"""Orphans: files and folders in the artifact folder that no artifact in ML Metadata names."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Generator, Iterator

from components import int64
from pipeline.core import root_lock
from pipeline.core.events import NodeState
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import left_over
from pipeline.maintenance.fsck import files
from pipeline.maintenance.fsck.findings import Finding, FindingKind
from pipeline.metadata.store import Store
from pipeline.metadata.types import Execution

_Entry = os.DirEntry[str]

# Folders of TFX beside a node's outputs (tfx/orchestration/portable/outputs_utils.py).
_SYSTEM = ".system"
_IN_SYSTEM = {"executor_execution", "driver_execution", "stateful_working_dir", "orchestrator_generated_bcl"}


def findings(root: Root, store: Store, is_published: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield files and folders that no artifact names. Outputs of nodes are in `NODE/OUTPUT/EXECUTION`.

    Args:
      root, store: to check.
      is_published: returns whether a published artifact has a path, given as text.
    """
    for node in (yield from _entries(root.artifacts)):
        if not _is_folder(node):
            yield _unexpected(node)
            continue
        for output in (yield from _entries(node.path)):
            if not _is_folder(output):
                yield _unexpected(output)
                continue
            for entry in (yield from _entries(output.path)):
                if output.name != _SYSTEM:
                    yield from _output(entry, node.name, output.name, store, is_published)
                elif entry.name not in _IN_SYSTEM:
                    yield _unexpected(entry)


def left_over_findings(root: Root) -> Iterator[Finding]:
    """Yield files and folders that killed processes left anywhere in the root."""
    found = [*left_over.of_killed_processes(root)]
    if root_lock.holder(root.lock_file) is None:
        found += left_over.if_unlocked(root)
    for path in dict.fromkeys(found):
        sentence = f"{path} was left by a process that was killed: `sae gc --yes` deletes it"
        yield Finding(FindingKind.ORPHANED, sentence, str(path))


def _output(
    entry: _Entry, node: str, output: str, store: Store, is_published: Callable[[str], bool]
) -> Iterator[Finding]:
    """Yield a finding if no artifact names the output of an execution."""
    if is_published(entry.path):
        return
    # TFX's values, and several artifacts under one key, are one folder deeper.
    inside = (yield from _entries(entry.path)) if _is_folder(entry) else []
    if any(is_published(inner.path) for inner in inside):
        return
    kind, sentence = FindingKind.ORPHANED, f"no artifact in ML Metadata names {entry.path}"
    wrote = _execution(store, entry.name, node)
    if wrote is not None and wrote.state is None:
        sentence += f": execution {wrote.id}, which has not ended, wrote to it"
    elif wrote is not None and wrote.state == NodeState.EXECUTED:
        kind = FindingKind.ROW_MISSING
        sentence += f", though execution {wrote.id}, which wrote it, succeeded: the row of an artifact is missing"
    else:
        wrote = None
    execution = None if wrote is None else wrote.id
    yield Finding(kind, sentence, entry.path, execution=execution, node=node, output=output)


def _execution(store: Store, name: str, node: str) -> Execution | None:
    """Return the execution with this id, if it is one of this node."""
    number = int64.parsed(name)
    found = store.executions_by_id([] if number is None else [number])
    return next((one for id_, one in found.items() if store.owner(id_).node == node), None)


def _unexpected(entry: _Entry) -> Finding:
    sentence = f"{entry.path} is in the artifact folder, but is not the output of a node"
    return Finding(FindingKind.ORPHANED, sentence, entry.path)


def _entries(folder: os.PathLike[str] | str) -> Generator[Finding, None, list[_Entry]]:
    """Return the entries of a folder, sorted by name or number; yield a finding if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            # `left_over_findings` yields the others.
            named = [entry for entry in entries if not left_over.is_temporary(entry.name)]
            return sorted(named, key=lambda entry: (len(entry.name) * entry.name.isdecimal(), entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        yield files.unreadable(pathlib.Path(folder), error)
        return []


def _is_folder(entry: _Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
