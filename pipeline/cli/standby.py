"""The process of a run that is still to come: `python -m pipeline.cli.standby ROOT ENGINE`, as sweeps start it.

It imports TensorFlow and TFX, with the variables of a run in the folder ROOT and the settings of ENGINE, a JSON object.
Then it waits for a line on standard input: a JSON list of options, with which it becomes `sae run`. At the end of
input, it ends.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time

import pipeline
from pipeline.cli import entry
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import of_root
from pipeline.orchestration import imports, process_setup
from pipeline.provenance import source_code
from pipeline_config import EngineConfig


def main() -> None:
    """Import, wait for options, and run."""
    began = time.time()
    place, engine = sys.argv[1:]
    variables = dict(os.environ)
    root = Root(pathlib.Path(place))
    process_setup.set_variables(root, EngineConfig(**json.loads(engine)))
    _import(root)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):  # whoever started it has ended
        return
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(variables)
    arguments = ["run", *json.loads(line)]
    if _changed_since(began):
        os.execv(sys.executable, [sys.executable, "-m", "pipeline", *arguments])
    source_code.imported_at(began)  # a file may still change before the run reads it
    sys.argv = [str(pathlib.Path(pipeline.__file__).with_name("__main__.py")), *arguments]
    entry.main()


def _import(root: Root) -> None:
    """Import what a run imports, and the code of the nodes."""
    with imports.heavy_imports():
        import pipeline.definition.pipeline
        import pipeline.orchestration.tfx.local_runner
        import pipeline.orchestration.tfx.partial_run  # noqa: F401

        for node in of_root(root).nodes:
            if node.code:
                importlib.import_module(node.code)


def _changed_since(time_of_import: float) -> bool:
    """Return whether a file of code was changed, which the cache keys of the run would contain as it is now."""
    for module in list(sys.modules.values()):
        try:
            if os.stat(getattr(module, "__file__", None) or "").st_ctime >= time_of_import:
                return True
        except (OSError, TypeError, ValueError):  # built in, or in an archive
            continue
    return False


if __name__ == "__main__":
    main()
