"""The commands that bring back what was lost."""

from __future__ import annotations

from pipeline.cli import output
from pipeline.cli.group import sae
from pipeline.cli.options import artifact_argument, json_option, root_of, root_option


@sae.command(short_help="Make an artifact again whose bytes are gone.")
@artifact_argument
@root_option
@json_option
def restore(artifact: str, root: str | None, as_json: bool) -> None:
    """Make an artifact again whose bytes are gone or damaged, check it against its digest, and put it back.

    ID is a number, the first digits of a digest, or what a node made in a run: latest:Trainer,
    latest:Trainer:model_run. Exits with 4 where it came out otherwise; then nothing was changed.
    """
    from pipeline import restoring
    from pipeline.inspection.places import open_reader

    place = root_of(root)
    with open_reader(None, place) as reader:
        wanted = reader.find_artifact(artifact)
    found = restoring.restore(place, wanted, output.note)
    output.write(found.as_json() if as_json else found.as_text())
