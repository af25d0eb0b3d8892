"""`sae plan`: a line for each node and each reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.orchestration.plan import Plan

_REASONS = 8  # of a node that are listed; a changed tree of source files gives dozens


def as_text(found: Plan) -> str:
    """Return the plan as lines, then which nodes run on a cluster, and how many run."""
    profile = f"profile {found.profile}" if found.profile else "no profile"
    if found.dataset or not found.data:
        lines = [f"{found.dataset or 'data set not known yet'}, {profile}, {found.root}", ""]
    else:
        lines = [f"{profile}, {found.root}", f"data set: {found.data}", ""]
    reasons_of_nodes = [line.reasons for line in found.nodes if line.reasons]
    # Without a data set each node would run for the same reason.
    shared = not found.dataset and len(reasons_of_nodes) > 1 and len({*reasons_of_nodes}) == 1
    if shared and found.data not in reasons_of_nodes[0]:
        lines += [*reasons_of_nodes[0], ""]
    for line in found.nodes:
        verdict = "may run" if line.verdict == "depends" else line.verdict
        own = () if shared else line.reasons
        reasons = (*([f"outputs of run {line.of_run}"] if line.of_run else []), *own) or ("",)
        shown = [*reasons[:_REASONS]]
        if len(reasons) > _REASONS:
            shown.append(f"and {len(reasons) - _REASONS} more; --json lists all")
        lines.append(f"{line.node:<18}{verdict:<10}{shown[0]}".rstrip())
        lines += [f"{'':<28}{reason}" for reason in shown[1:]]
    counts = {verdict: sum(line.verdict == verdict for line in found.nodes) for verdict in ("run", "depends", "cached")}
    totals = [f"{counts['run']} would run", f"{counts['cached']} cached"]
    if counts["depends"]:
        totals.insert(1, f"{counts['depends']} may run, if their inputs change")
    notices = [f"warning: {notice}" for notice in found.notices]
    if found.cluster:
        notices.append(f"on {found.cluster}: {', '.join(found.on_cluster)}")
    return "\n".join([*lines, "", *notices, ", ".join(totals)])
