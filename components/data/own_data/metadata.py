"""What is recorded in the metadata of a data set made of own data: how it was made, and what was found."""

from __future__ import annotations

from typing import Any

from components.data.own_data.records import Options

FILE = "metadata.json"  # as TFDS names it
KEY = "sae_data_add"  # a data set with this key was made by `sae data add`
AS_GIVEN = "as in the source"  # channels that were not converted


def options(given: Options) -> dict[str, Any]:
    """Return the options as JSON. Paths are left out, so that equal data has equal metadata wherever it is."""
    return {
        "size": list(given.size) if given.size else None,
        "resampling": f"{given.resampling} (Pillow)" if given.size else None,
        "channels": {True: "colour", False: "grey", None: AS_GIVEN}[given.colour],
        "split": dict(given.fractions),
        "seed": given.seed,
        "group": given.group,
        "label": given.label,
        "labels": "none" if given.no_labels else "file" if given.labels else "of the source",
        "array": given.array,
        "skip_unreadable": given.skip_unreadable,
    }
