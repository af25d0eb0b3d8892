"""`held_back.json`: the superseded models, for the Pusher, which cannot read decisions from ML Metadata.

The decisions in ML Metadata are the truth. The file is rebuilt from them before each run and with each decision.
"""

from __future__ import annotations

from components.errors import cause_text
from components.push import serving_dir
from pipeline.core.pipeline_root import Root
from pipeline.metadata.store import Store
from pipeline.registry import decision_log


def rebuild(root: Root, store: Store) -> str:
    """Rewrite the file unless it lists the superseded models; return what was wrong as `problem` does."""
    path, wanted = serving_dir.superseded_file(root.serving), decision_log.superseded(store)
    found = problem(root, store)
    is_needed = wanted or serving_dir.newest_version(root.serving)
    if found or (is_needed and (not path.exists() or serving_dir.superseded(root.serving) != wanted)):
        serving_dir.write_superseded(root.serving, wanted)
    return found


def problem(root: Root, store: Store) -> str:
    """Return why a run could push a superseded model; empty if it could not.

    While a decision is open, the file may be from before it or from after it.
    """
    path = serving_dir.superseded_file(root.serving)
    needed = decision_log.superseded(store) & decision_log.superseded(store, with_open=False)
    if not path.exists():
        return f"{path} is missing" if needed else ""
    try:
        found = serving_dir.superseded(root.serving)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be read: {cause_text(error)}"
    missing = len(needed - found)
    return f"{path} lacks {missing} of {len(needed)} superseded or rolled-back models" if missing else ""
