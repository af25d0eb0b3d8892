"""Writes the golden files anew: python -m tests.golden. What changed is seen in the difference to the commit."""

from __future__ import annotations

import json
import pathlib
import tempfile

from tests.golden import schema, store

if __name__ == "__main__":
    for path in store.FOLDER.glob("*.json"):
        path.unlink()
    with tempfile.TemporaryDirectory() as folder:
        recorded = store.make(pathlib.Path(folder))
        for name, arguments in store.COMMANDS.items():
            (store.FOLDER / f"{name}.json").write_text(store.answer(recorded, *arguments), encoding="utf-8")
    shapes = {command: schema.of_command(command) for command in schema.DOCUMENTS}
    (store.FOLDER / "schema.json").write_text(json.dumps(shapes, indent=1) + "\n", encoding="utf-8")
