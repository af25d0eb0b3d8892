"""`sae tag` and `sae note`: what people say of runs, with who and when; recorded like decisions."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Callable, Sequence

from pipeline.core.errors import UsageError
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store, open_store
from pipeline.registry import decision_log
from pipeline.registry.decision_log import DecisionType

LONGEST_NOTE = 2_000  # characters
_TAG = re.compile(r"[^\W_][\w.:/+-]{0,59}")
_Needed = Callable[["Annotation"], list[tuple[DecisionType, str]]]
_KINDS = (DecisionType.TAG, DecisionType.UNTAG, DecisionType.NOTE)


@dataclasses.dataclass(frozen=True)
class Annotation:
    """Tags and note of a run.

    Attributes:
      tags: in the order in which they were added.
      note: empty for none.
      note_by, note_when: who wrote it, and when, in UTC.
    """

    tags: tuple[str, ...] = ()
    note: str = ""
    note_by: str = ""
    note_when: datetime.datetime | None = None


def tag(root: Root, wanted: str, tags: Sequence[str], remove: bool = False) -> tuple[str, Annotation]:
    """Add tags to a run, or remove them; return its id and what is recorded of it then.

    Tags that it has, or lacks, already are no error.

    Raises:
      NotFoundError: there is no such run.
      UsageError: a tag has other characters than letters, digits and `_.:/+-`, or is too long.
      LockedError: a run is in progress.
    """
    for one in tags:
        if not _TAG.fullmatch(one):
            raise UsageError(
                f"{one!r} is no tag: use up to 60 letters, digits and _ . : / + -, a letter or digit first"
            )
    kind = DecisionType.UNTAG if remove else DecisionType.TAG
    given = dict.fromkeys(tags)
    return _record(root, wanted, lambda found: [(kind, one) for one in given if (one in found.tags) == remove])


def note(root: Root, wanted: str, text: str) -> tuple[str, Annotation]:
    """Replace the note of a run; an empty text removes it. Raises as `tag` does."""
    text = text.strip()
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(text):,} characters: use at most {LONGEST_NOTE:,}")
    return _record(root, wanted, lambda found: [(DecisionType.NOTE, text)] if text != found.note else [])


def _record(root: Root, wanted: str, needed: _Needed) -> tuple[str, Annotation]:
    from pipeline.metadata.writer import MetadataWriter  # not for lists of runs
    from pipeline.registry import journal

    run_id = open_store(root, read_only=True).find_run(wanted)
    with journal.locked(root) as store:
        writer = MetadataWriter(root)
        for kind, text in needed(of_runs(store).get(run_id, Annotation())):
            writer.record_decision(kind.value, run_id, decision_log.common_properties(run_id, text, optional=True), {})
        journal.record(root, store)
        return run_id, of_runs(store).get(run_id, Annotation())


def of_runs(store: Store) -> dict[str, Annotation]:
    """Return tags and notes by run."""
    found: dict[str, Annotation] = {}
    for record in decision_log.decisions(store, _KINDS):
        before = found.get(record.run_id, Annotation())
        if record.kind == DecisionType.NOTE:
            after = dataclasses.replace(before, note=record.reason, note_by=record.who, note_when=record.when)
        else:
            others = tuple(one for one in before.tags if one != record.reason)
            added = (record.reason,) if record.kind == DecisionType.TAG else ()
            after = dataclasses.replace(before, tags=(*others, *added))
        found[record.run_id] = after
    return found
