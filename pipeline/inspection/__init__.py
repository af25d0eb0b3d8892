"""What is read of ML Metadata for people: commands, pages and JSON all come from here. Nothing here writes to a store.

* `places.py`: a root or a store that was named; `stores.py` opens it: `store_files.py` SQLite, `servers.py` others;
* `reader.py` reads it into the dataclasses of `snapshots.py`: `runs.py`, `artifacts.py`, over look-ups in `access.py`
  and plain values in `values.py`; `holder.py` tells whether a run is in progress;
* `lineage.py` walks from an artifact; `differences.py` compares runs;
* `logs.py` reads a run's log; `documents.py` makes the objects that `--json` prints.
"""
