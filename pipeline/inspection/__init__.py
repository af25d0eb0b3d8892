"""Read-only queries over ML Metadata, shared by commands, pages and JSON.

* `locations.py` opens the root or the store that a command names; `reader.py` answers questions about it;
* `runs.py`, `artifacts.py`, `lineage.py`, `run_diff.py`, `explain.py`: the answers, as the dataclasses of `views.py`;
* `sessions.py` groups the cells of a notebook; `run_filter.py` has conditions on runs;
* `logs.py` reads a run's log.
"""
