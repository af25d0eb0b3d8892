"""How `sae data add` made the records of a data set of files. Free of NumPy: commands about settings import it."""

from __future__ import annotations

import dataclasses

AS_GIVEN = "as in the source"  # channels that were not converted


@dataclasses.dataclass(frozen=True)
class Conversion:
    """How images were converted, and what of tables was left out; the defaults: not at all, and nothing.

    Attributes:
      size: height and width that images were resized to, pixels; empty: none.
      resampling: the name of Pillow's filter that resized them; empty: none.
      channels: `colour`, `grey` or `as in the source`.
      left_out: columns of a table that were left out.
      columns: those with the data, in their order; empty if an earlier version made the records.
    """

    size: tuple[int, ...] = ()
    resampling: str = ""
    channels: str = AS_GIVEN
    left_out: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
