"""ML Metadata: the only package that imports `ml_metadata`.

* `client.py` opens a root's store; `sources.py` any store to read (`sqlite_stores.py`, `database_stores.py`);
* `store.py` reads, `writer.py` writes; `protobuf.py` converts to the dataclasses of `types.py`;
* `properties.py` names all properties; `run_properties.py`: those of a run's context, `node_key.py`: of a cache key;
* `references.py` finds what `latest~2` or a digest names; `sqlite.py`, `backup.py` copy and check the file.
"""
