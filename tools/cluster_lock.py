"""Write the locks of `sae cluster install`: the jars of each engine and all that they need, with their SHA-256.

    .venv/bin/python -m tools.cluster_lock [flink|spark ...]

Maven resolves what is needed; `pipeline/cluster/engines.py` lists what is asked for.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

from pipeline.cluster import parts
from pipeline.cluster.engines import ENGINES, ClusterEngine
from pipeline.core import file_digests


def lock_text(engine: ClusterEngine, folder: pathlib.Path) -> str:
    """Return the text of the lock for the jars in a folder."""
    digests = {path: digest for path, digest in file_digests.of_folder(folder).items() if path.endswith(".jar")}
    lines = [
        f"# {len(digests)} jars of {engine}, made by tools/cluster_lock.py from:",
        *(f"#   {one}" for one in engine.packages),
    ]
    return "\n".join([*lines, *(f"{digests[path]}  {path}" for path in sorted(digests))]) + "\n"


def main() -> None:
    for name in sys.argv[1:] or ENGINES:
        engine = ENGINES[name]
        wanted = [
            dict(zip(("groupId", "artifactId", "version"), one.split(":"), strict=True)) for one in engine.packages
        ]
        with tempfile.TemporaryDirectory() as folder:
            jars = pathlib.Path(folder, "jars")
            parts.copy(parts.project(wanted, alone=False), jars, pathlib.Path(folder, "pom.xml"))
            pathlib.Path(parts.__file__).with_name(f"{name}.lock").write_text(lock_text(engine, jars), encoding="utf-8")


if __name__ == "__main__":
    main()
