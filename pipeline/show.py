"""`sae show RUN`: the nodes of a run, how they ended, and the digests of what they made."""

from __future__ import annotations

from pipeline import metadata
from pipeline.root import Root

_SHOWN = 12  # digits of a digest


def find(root: Root, wanted: str) -> str:
    """The id of the run that `wanted` names. Raises `NotFoundError` where there is none."""
    return metadata.open_store(root, read_only=True).find_run(wanted)


def as_text(root: Root, wanted: str) -> str:
    """A line for each node, and one for each artifact with the digest of its content."""
    store = metadata.open_store(root, read_only=True)
    run_id = store.find_run(wanted)
    lines = [f"run {run_id}, {root.path}", ""]
    for node, execution in store.executions(run_id).items():
        lines.append(f"{node:<18}{execution.state.value if execution.state else 'not ended'}")
        for key, output in store.outputs(execution.id).items():
            form, _, digest = output.content.partition(":")
            content = f"{form} {digest[:_SHOWN]}" if digest else "without a digest"
            lines.append(f"  {key:<16}{content}" + ("" if output.live else "  (out of use)"))
    return "\n".join(lines)
