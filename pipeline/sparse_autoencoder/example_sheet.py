"""Draw examples of a data set: a PNG file, and brightness for a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pipeline.sparse_autoencoder.prepared import Array, Example

_TILE = 96  # pixels: the longer side of an image in the sheet
_GAP, _LINE, _COLUMNS = 6, 14, 8  # pixels, pixels, tiles
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


def png(examples: Sequence[Example], limits: tuple[float, float]) -> bytes:
    """Return a PNG file with the examples and their labels; `limits` become black and white, or bottom and top."""
    rows = -(-len(examples) // _COLUMNS)
    columns = min(len(examples), _COLUMNS)
    step_x, step_y = _TILE + _GAP, _TILE + _LINE + _GAP
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, example in enumerate(examples):
        x, y = _GAP + place % _COLUMNS * step_x, _GAP + place // _COLUMNS * step_y
        label = example.label.encode("latin-1", "replace").decode("latin-1")  # what Pillow's own font has
        draw.text((x, y), label[:16], fill=_INK)
        y += _LINE
        if example.values.ndim == 1:
            levels = _scaled(example.values, limits)
            along = np.linspace(0, _TILE - 1, len(levels))
            points = [(x + float(a), y + (1 - float(b)) * (_TILE - 1)) for a, b in zip(along, levels, strict=True)]
            draw.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), outline=(200, 200, 200))
            draw.line(points * (2 if len(points) == 1 else 1), fill=_INK)
            continue
        height, width, channels = example.values.shape
        factor = _TILE / max(height, width)
        bytes_ = np.rint(_scaled(example.values, limits) * 255).astype(np.uint8)
        tile = Image.fromarray(bytes_ if channels == 3 else bytes_[..., 0])
        method = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
        sheet.paste(tile.resize((max(1, round(width * factor)), max(1, round(height * factor))), method), (x, y))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def brightness(values: Array, limits: tuple[float, float], width: int, height: int) -> Array:
    """Return the brightness of an image in so many rows and columns: shape (height, width), in [0, 1]."""
    grey = _scaled(values, limits).mean(axis=2).astype(np.float32)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def _scaled(values: Array, limits: tuple[float, float]) -> Array:
    low, high = limits
    return np.clip((values.astype(np.float64) - low) / (high - low if high > low else 1.0), 0, 1)
