"""ML Metadata: the only package that imports `ml_metadata`, and only when a store is opened.

* `store.py` reads, `writer.py` writes; `client.py` and `sources.py` open a store, `database_stores.py` one on a server;
* `types.py`: the dataclasses that the rest of the product sees; `protobuf.py` converts to them;
* `properties.py` names all properties; `run_properties.py`: those of a run's context, `node_key.py`: of a cache key;
* `references.py` finds what `latest~2` or a digest names; `sqlite.py`, `backup.py` copy and check the file.
"""

from pipeline.core import late_import

# ML Metadata's client imports gRPC, and with it asyncio, for a server of its own, which is not used here.
late_import.on_first_use("grpc")
