"""Find the run, artifact or node that a text names: `latest~2`, the start of an id or of a digest, a node's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from components import int64
from pipeline.core import shell
from pipeline.core.errors import NotFoundError
from pipeline.core.text import closest, first_of

LATEST = "latest"
_BACK = re.compile(rf"{LATEST}(?:~([0-9]+))?")
_SHOWN = 5  # ids in an error
SHORTEST_DIGEST = 4  # digits


def find_run(wanted: str, run_ids: Sequence[str]) -> str:
    """Return the id of the run that `wanted` names.

    Args:
      wanted: an id, the start of exactly one id, `latest`, or `latest~N` for the Nth run before it.
      run_ids: newest first.

    Raises:
      NotFoundError: no run, or more than one; suggests the closest id.
    """
    if not wanted:
        raise NotFoundError(f"the id of the run is empty ({LATEST} is the newest; `sae runs` lists all)")
    if not run_ids:
        raise NotFoundError(f"no run {wanted}: no run is recorded yet")
    if wanted in run_ids:
        return wanted
    if _BACK.fullmatch(wanted):
        back = steps_back(wanted)
        if back is not None and back < len(run_ids):
            return run_ids[back]
        oldest = f"there are {len(run_ids)}, the oldest is {LATEST}~{len(run_ids) - 1}"
        raise NotFoundError(f"no run {wanted}: {oldest if len(run_ids) > 1 else f'the only one is {LATEST}'}")
    found = [run_id for run_id in run_ids if run_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = first_of(sorted(found), _SHOWN)
        raise NotFoundError(f"run {wanted}: {len(found)} ids start with it: {shown}; give more of the id")
    if ":" in wanted and not any(":" in run_id for run_id in run_ids):  # ids of notebooks are times with colons
        find_run(wanted.partition(":")[0], run_ids)  # else these commands would fail as well
        run, node = map(shell.quoted, wanted.split(":")[:2])
        raise NotFoundError(
            f"no run {wanted}: `sae logs {run} {node}` shows the log of the node, `sae why {run} {node}` why it ran, "
            f"`sae artifact {shell.quoted(wanted)}` its output"
        )
    raise NotFoundError(f"no run {wanted}{closest(wanted, run_ids)} ({LATEST} is the newest; `sae runs` lists all)")


def steps_back(wanted: str) -> int | None:
    """Return N of `latest~N`, and 0 of `latest`; None of any other text, and of a number that is too large."""
    match = _BACK.fullmatch(wanted)
    return int64.parsed(match.group(1) or "0") if match else None


def find_digest(wanted: str, contents: Callable[[], Mapping[int, str]]) -> int | None:
    """Return the newest artifact whose content digest starts with `wanted`; None if there is none.

    Args:
      wanted: four or more digits, with or without the form: `c19a33d9`, `model-1:c19a33d9`.
      contents: returns content digests by artifact id.

    Raises:
      NotFoundError: several different digests start with it.
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
        raise NotFoundError(f"artifact {wanted}: {len(set(found.values()))} digests start with it; give more digits")
    return max(found, default=None)


def find_pipeline(wanted: str, pipelines: Sequence[str]) -> str:
    """Return the name of the pipeline that a user names. Raises `NotFoundError`; suggests the closest name."""
    if wanted in pipelines:
        return wanted
    known = ", ".join(pipelines) or "none"
    raise NotFoundError(f"no pipeline {wanted} in this store{closest(wanted, pipelines)} (there are: {known})")


def find_node(wanted: str, nodes: Sequence[str], option: str = "") -> str:
    """Return the name of the node that a user names; case is ignored.

    Args:
      wanted: the name as typed.
      nodes: all names.
      option: the option that names it, such as `--node`; empty for an argument.

    Raises:
      NotFoundError: there is no such node; suggests the closest name.
    """
    if wanted in nodes:
        return wanted
    for node in nodes:
        if node.lower() == wanted.lower():
            return node
    what = f"{option} {wanted}: no such node" if option else f"no node {wanted}"
    raise NotFoundError(f"{what}{closest(wanted, nodes)} (there are: {', '.join(nodes)})")
