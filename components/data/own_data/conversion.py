"""How `sae data add` converted the images of a data set. Free of NumPy: commands about settings import it."""

from __future__ import annotations

import dataclasses

AS_GIVEN = "as in the source"  # channels that were not converted


@dataclasses.dataclass(frozen=True)
class Conversion:
    """How images were converted; the defaults: not at all.

    Attributes:
      size: height and width that images were resized to, pixels; empty: none.
      resampling: the name of Pillow's filter that resized them; empty: none.
      channels: `colour`, `grey` or `as in the source`.
    """

    size: tuple[int, ...] = ()
    resampling: str = ""
    channels: str = AS_GIVEN
