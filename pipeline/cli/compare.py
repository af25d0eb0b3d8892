"""The commands that compare executions and runs: `sae why` and `sae diff`."""

from __future__ import annotations

import click

from pipeline.cli import completion, output
from pipeline.cli.command import command
from pipeline.cli.options import RUN_HELP, ReadOptions, explained, reading_options, run_argument
from pipeline.core import shell
from pipeline.core.errors import UsageError
from pipeline.inspection import explain, run_diff
from pipeline.terminal import differences as differences_text
from pipeline.terminal import json_documents
from pipeline.terminal import why as why_text


@command("why")
@run_argument
@click.argument("node", metavar="NODE", default="", shell_complete=completion.nodes)
@reading_options
def why_command(options: ReadOptions, run_id: str, node: str) -> None:
    """Explain why a node was executed or cached in a run: compare its cache key with the nearest earlier execution."""
    if not node:  # RUN:NODE, as `sae artifact` takes it
        run_id, _, node = run_id.rpartition(":")
        if not run_id:
            run = shell.quoted(node)
            raise UsageError(f"of which node? `sae why {run} NODE`; `sae show {run}` lists them")
    with options.reader() as reader:
        found = explain.explain(reader.pipeline, reader.store, reader.root, run_id, node)
    output.write_result(options.as_json, found, lambda: why_text.as_text(found))


@command("diff")
@explained(RUN_HELP)
@click.argument("old", metavar="RUN", shell_complete=completion.runs)
@click.argument("new", metavar="RUN", shell_complete=completion.runs)
@reading_options
def diff_command(options: ReadOptions, old: str, new: str) -> None:
    """Compare two runs: their inputs, their results, and the first node whose result differs."""
    with options.reader() as reader:
        found = run_diff.compare(reader, [reader.find_run(old), reader.find_run(new)])
    output.write_result(
        options.as_json,
        json_documents.differences(found),
        lambda: differences_text.as_text(
            output.screen(), found, reader.pipeline.headline, reader.pipeline.declared_metrics
        ),
    )
