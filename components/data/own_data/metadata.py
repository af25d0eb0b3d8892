"""What is recorded in the metadata of a data set made of own data: how it was made, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.data.own_data.conversion import AS_GIVEN, Conversion

if TYPE_CHECKING:
    from components.data.own_data.records import Options

FILE = "metadata.json"  # as TFDS names it
COLUMNS = "columns"  # only of tables
LEAVE_OUT = "leave_out"  # only in the options of tables of which columns were left out
KEY = "sae_data_add"  # a data set with this key was made by `sae data add`


_BY_PILLOW = " (Pillow)"
_CHANNELS = {True: "colour", False: "grey", None: AS_GIVEN}


def options(given: Options) -> dict[str, Any]:
    """Return the options as JSON. Paths are left out, so that equal data has equal metadata wherever it is."""
    return {
        "size": list(given.size) if given.size else None,
        "resampling": f"{given.resampling}{_BY_PILLOW}" if given.size else None,
        "channels": _CHANNELS[given.colour],
        "split": dict(given.fractions),
        "seed": given.seed,
        "group": given.group,
        "label": given.label,
        "labels": "none" if given.no_labels else "file" if given.labels else "of the source",
        "array": given.array,
        "skip_unreadable": given.skip_unreadable,
        **({LEAVE_OUT: sorted(set(given.leave_out))} if given.leave_out else {}),
    }


def conversion(recorded: Mapping[str, Any]) -> Conversion:
    """Return how the records of a data set were made, from its metadata."""
    given = recorded.get("options") or {}
    return Conversion(
        size=tuple(given.get("size") or ()),
        resampling=str(given.get("resampling") or "").removesuffix(_BY_PILLOW),
        channels=str(given.get("channels") or AS_GIVEN),
        left_out=tuple(given.get(LEAVE_OUT) or ()),
        columns=tuple(recorded.get(COLUMNS) or ()),
    )


def converting(found: Conversion) -> Options:
    """Return the options that convert images in the same way."""
    from components.data.own_data.records import Options  # imports NumPy, which descriptions of data sets do not need

    return Options(
        size=(found.size[0], found.size[1]) if found.size else None,
        resampling=found.resampling or Options.resampling,
        colour=next(colour for colour, name in _CHANNELS.items() if name == found.channels),
    )
