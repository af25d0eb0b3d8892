"""Text of `sae cluster`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from pipeline.core.shell import quoted
from pipeline.core.text import bytes_text, counted, escaped

if TYPE_CHECKING:
    from pipeline.cluster.local import Status
    from pipeline.cluster.parts import Installed
    from pipeline.core.suggestions import Selection


def installed(found: Installed) -> str:
    """Return what is installed, and where."""
    verb = "fetched" if found.fetched else "complete"
    files = f"{counted(found.files, 'jar file')}, {bytes_text(found.bytes)}"
    return escaped(f"{found.engine.capitalize()} {found.version}: {verb}, {files} in {found.folder}")


def status(found: Status, selected: Selection) -> str:
    """Return a table of programs, the slots, the addresses, and the command that runs on it, or starts it again."""
    cluster = found.cluster
    width = max(len(one.name) for one in found.programs)
    lines = [f"{cluster.engine.capitalize()} {cluster.version} in {cluster.folder}, since {cluster.started}", ""]
    lines += [
        f"  {one.name:<{width}}  {one.state:<6}  process {one.process:<8} {one.address or '-'}"
        for one in found.programs
    ]
    known = "unknown: the engine does not answer" if found.slots is None else f"{found.slots}, {found.free_slots} free"
    lines += [
        "",
        f"slots  {known}",
        f"pages  {cluster.page}",
        f"logs   {pathlib.Path(cluster.folder, 'logs')}",
        "",
    ]
    if found.advice:
        return "\n".join(map(escaped, [*lines, selected.completed(found.advice)]))
    lines.append("run on it with")
    settings = " ".join(f"--set {name}={quoted(value)}" for name, value in found.settings.items())
    return "\n".join([*map(escaped, lines), f"  {selected.command} run {settings}"])


def ended(count: int, folder: pathlib.Path) -> str:
    """Return how many programs ended."""
    return escaped(f"{counted(count, 'program')} ended" if count else f"no cluster runs in {folder}")
