"""Find the run, node or artifact that a text names: `latest`, `latest~2`, start of an id, `latest:Trainer:model`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from pipeline.core.errors import NotFoundError
from pipeline.core.text import closest

LATEST = "latest"
_BACK = re.compile(rf"{LATEST}(?:~(\d+))?")
_SHOWN = 5  # names in an error
SHORTEST_DIGEST = 4  # digits of a digest that may stand for it


def find_run(wanted: str, run_ids: Sequence[str]) -> str:
    """The run that `wanted` names among `run_ids`, the newest first.

    Raises:
      NotFoundError: there is none, or more than one; suggests the nearest.
    """
    if wanted in run_ids:
        return wanted
    if match := _BACK.fullmatch(wanted):
        back = int(match.group(1) or 0)
        if back < len(run_ids):
            return run_ids[back]
        if run_ids:
            oldest = f"there are {len(run_ids)}, the oldest is {LATEST}~{len(run_ids) - 1}"
            raise NotFoundError(f"no run {wanted}: {oldest if len(run_ids) > 1 else f'the only one is {LATEST}'}")
    found = [run_id for run_id in run_ids if wanted and run_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(sorted(found)[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise NotFoundError(f"run {wanted}: {len(found)} runs begin so: {shown}{more}; give more of the id")
    raise NotFoundError(
        f"no run {wanted}{closest(wanted, run_ids)} (the newest is called {LATEST}; `sae runs` lists all)"
    )


def find_digest(wanted: str, contents: Callable[[], Mapping[int, str]]) -> int | None:
    """The artifact whose content digest begins with `wanted`; None where none does. `contents`: digests by id.

    The same content can be published more than once: then it is the newest of these.

    Raises:
      NotFoundError: different digests begin so.
    """
    form, _, digits = wanted.rpartition(":")
    if len(digits) < SHORTEST_DIGEST or not re.fullmatch(r"[0-9a-f]+", digits):
        return None
    found = {
        number: content
        for number, content in contents().items()
        if content.rpartition(":")[2].startswith(digits) and content.startswith(form)
    }
    if len(set(found.values())) > 1:
        raise NotFoundError(f"artifact {wanted}: {len(set(found.values()))} digests begin so; give more digits")
    return max(found, default=None)


def find_node(wanted: str, nodes: Sequence[str]) -> str:
    """The node of this name, whatever its capitals. Raises `NotFoundError` with the nearest."""
    for node in nodes:
        if node.lower() == wanted.lower():
            return node
    raise NotFoundError(f"no node {wanted}{closest(wanted, nodes)} (there are: {', '.join(nodes)})")
