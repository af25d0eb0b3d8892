"""The report's figures, drawn by matplotlib.

Every `draw_*` function takes a theme and plain arrays and returns a figure, which `render` writes as a PNG file. Sizes
are in CSS pixels (px): a figure 480 px wide is shown 480 px wide and stays readable at 330 px. All numbers must be
finite.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image

from components.evaluation.metrics import WORDS, reworded

Floats = npt.NDArray[np.float64]
IMAGES: Mapping[str, str] = WORDS["image"]

PX_PER_INCH = 72  # so that a font size of 1 point is 1 px
DENSITY = 2  # pixels of the PNG file for each px, for screens of high density

FONT = 13.0  # px
SMALL_FONT = 11.5  # px
CHARACTER_WIDTH = 0.65  # of DejaVu Sans, matplotlib's font, as a share of the font size: a safe mean

CHART_WIDTH = 480  # px
CHART_TOP = 34  # px above a panel, for its heading
CHART_BOTTOM = 42  # px below a panel, for its scale

CURVE_HEIGHT = 210  # px
MANY_EPOCHS = 12  # fewer are drawn with a dot for each, and without an enlarged second half
VISIBLE_SHARE = 0.02  # two curves closer than this share of the panel's height look like one
LOG_SCALE_RATIO = 2.0  # a range this many times wider than its lower end gets a logarithmic scale

ROW_HEIGHT = 19  # px
NUMBERED_UNITS = 64  # more units are lines of UNITS_HEIGHT / units without numbers
DEAD_MARK = "\N{MULTIPLICATION SIGN}"
UNIT_ROW_HEIGHT = 15  # px
UNITS_HEIGHT = 720  # px

IMAGES_WIDTH = 760  # px
LARGEST_TILE = 112  # px
LARGEST_FONT = 20.0  # px; larger than elsewhere, because ten columns are shown 330 px wide on a phone
IMAGE_COLUMNS = (20, 10, 5)  # the first only for more than MANY_IMAGES, if their labels fit
MANY_IMAGES = 100
IMAGES_MARGIN = 8  # px
IMAGES_HEADING = 26  # px above the images
IMAGES_HEADING_WIDTH = 380  # px
MOST_PROFILES = 40  # labels
PROFILE_CELL = 14  # px, the width of a label in a profile
TRAVERSALS_WIDTH = 800  # px, at most, unless one is wider
VECTOR_HEIGHT = 90  # px of a panel with a vector
VECTOR_COLUMNS = 2


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours as `#rrggbb`. Colours in one figure differ for colour-blind readers too (after Okabe and Ito)."""

    name: str
    background: str
    text: str
    muted: str
    line: str
    model: str
    training: str
    baseline: str
    alert: str


LIGHT = Theme(
    name="light",
    background="#ffffff",
    text="#1c2127",
    muted="#59636e",
    line="#d8dde3",
    model="#0067a8",
    training="#b35000",
    baseline="#a3acb6",
    alert="#b3261e",
)
DARK = Theme(
    name="dark",
    background="#14171b",
    text="#e6e9ec",
    muted="#9da7b1",
    line="#343b43",
    model="#5db4ee",
    training="#f0a040",
    baseline="#6a747e",
    alert="#ff8a80",
)
THEMES = (LIGHT, DARK)


# Metadata that matplotlib would write: its version, and the time.
_NO_METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "Producer": None}}


def render(draw: Callable[[Theme], Figure], theme: Theme, form: str = "png") -> bytes:
    """Draw a figure and return its file: the same bytes for the same figure, independent of matplotlibrc.

    Args:
      draw: draws it.
      theme: its colours.
      form: `png`, `svg` or `pdf`.
    """
    if form == "png":
        return png_of(pixels(draw, theme))
    file = io.BytesIO()
    with matplotlib.rc_context(_style(theme)):
        draw(theme).savefig(file, format=form, metadata=_NO_METADATA[form])
    return file.getvalue()


def pixels(draw: Callable[[Theme], Figure], theme: Theme) -> Image.Image:
    """Draw a figure, and return its pixels: red, green, blue and alpha."""
    with matplotlib.rc_context(_style(theme)):
        canvas = FigureCanvasAgg(draw(theme))
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba()))


def png_of(picture: Image.Image) -> bytes:
    """Return a PNG file of the pixels of a figure. Threads can do so side by side."""
    file = io.BytesIO()
    density = PX_PER_INCH * DENSITY
    picture.save(file, format="PNG", dpi=(density, density))
    return file.getvalue()


def _style(theme: Theme) -> dict[str, Any]:
    """Return all of matplotlib's settings."""
    return {
        **matplotlib.rcParamsDefault,
        "axes.axisbelow": True,
        "axes.edgecolor": theme.line,
        "axes.facecolor": "none",
        "axes.labelcolor": theme.muted,
        "axes.spines.left": False,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": theme.text,
        "axes.titlelocation": "left",
        "axes.titlepad": 10.0,
        "axes.titlesize": FONT,
        "axes.titley": 1.0,  # else matplotlib lays out every tick a second time, to see that none is in the way
        "figure.facecolor": theme.background,
        "font.size": SMALL_FONT,
        "grid.color": theme.line,
        "grid.linewidth": 0.8,
        "hatch.color": theme.line,
        "hatch.linewidth": 1.0,
        "image.composite_image": False,  # else images of one panel become one, resampled, in vector graphics
        "lines.solid_capstyle": "round",
        "pdf.fonttype": 42,  # TrueType, which journals ask for
        "svg.hashsalt": "sae",  # ids are the same each time
        "text.color": theme.text,
        "text.parse_math": False,  # a label may hold a dollar sign
        "xtick.color": theme.line,
        "xtick.labelcolor": theme.muted,
        "ytick.color": theme.line,
        "ytick.labelcolor": theme.muted,
        "ytick.major.size": 0,
    }


def draw_curves(
    theme: Theme,
    epochs: Sequence[int],
    *,
    training: Floats,
    validation: Floats,
    training_with_penalty: Floats,
    validation_with_penalty: Floats,
    floor: float | None,
    unit: str = "nats per pixel",
) -> Figure:
    """Draw losses by epoch; many epochs get a second panel that enlarges their second half.

    Args:
      theme: the colours.
      epochs: n numbers, rising, n >= 1.
      training, validation: float64, shape (n,): the reconstruction loss.
      training_with_penalty, validation_with_penalty: the same with the penalty; drawn only if visibly different.
      floor: the entropy floor of the test images; None: none.
      unit: of the losses.
    """
    enlarge = len(epochs) >= MANY_EPOCHS
    panel = CHART_TOP + CURVE_HEIGHT + CHART_BOTTOM
    figure = _figure(CHART_WIDTH, panel * (1 + enlarge))
    left, right = 54, 98
    width = CHART_WIDTH - left - right

    axes = _axes(figure, left, CHART_TOP, width, CURVE_HEIGHT)
    floors = [] if floor is None else [floor]
    everything = np.concatenate([training, validation, training_with_penalty, validation_with_penalty, floors])
    logarithmic = _scale_losses(axes, everything)
    axes.set_title(f"{unit}{', log scale' if logarithmic else ''}")
    labels = []
    for value in floors:
        axes.axhline(value, color=theme.muted, linewidth=1, linestyle=(0, (1, 2)))
        labels.append((value, "entropy floor", theme.muted))
    pairs = ((training, training_with_penalty), (validation, validation_with_penalty))
    if max(_visible_gap(axes, *pair) for pair in pairs) > VISIBLE_SHARE:
        for values, color in ((training_with_penalty, theme.training), (validation_with_penalty, theme.model)):
            _draw_curve(axes, epochs, values, color, linestyle=(0, (3, 2)), linewidth=1.2)
        labels.append((float(training_with_penalty[-1] + validation_with_penalty[-1]) / 2, "with penalty", theme.text))
    labels += _draw_losses(axes, theme, epochs, training, validation)
    _scale_epochs(axes, epochs)
    _label_ends(axes, labels)

    if enlarge:
        half = len(epochs) // 2
        axes = _axes(figure, left, panel + CHART_TOP, width, CURVE_HEIGHT)
        _scale_losses(axes, np.concatenate([training[half:], validation[half:]]), linear=True)
        axes.set_title(f"epochs {epochs[half]} to {epochs[-1]} enlarged, without penalty")
        labels = _draw_losses(axes, theme, epochs[half:], training[half:], validation[half:])
        _scale_epochs(axes, epochs[half:])
        _label_ends(axes, labels)
    return figure


def draw_reconstructions(
    theme: Theme, images: npt.NDArray[np.float32], reconstructions: npt.NDArray[np.float32], labels: Sequence[str]
) -> Figure:
    """Draw originals with their labels, each above its reconstruction; 0 is black and 1 is white.

    Vectors are drawn as lines, original and reconstruction in one panel.

    Args:
      theme: the colours.
      images: float32, shape (n, height, width), (n, height, width, 3) or (n, values), values in [0, 1], n >= 1.
      reconstructions: the same.
      labels: n texts.
    """
    if images.ndim == 2:
        return _draw_vectors(theme, images, reconstructions, labels)
    count, height, width = images.shape[:3]
    longest = max(len(label) for label in labels) * CHARACTER_WIDTH  # times the font size
    fitting = [number for number in IMAGE_COLUMNS if longest * FONT <= IMAGES_WIDTH / number]
    wanted = [number for number in fitting if number <= 10 or count > MANY_IMAGES]
    columns = min(count, (wanted or IMAGE_COLUMNS[-1:])[0])
    bands = -(-count // columns)

    gap = max(1, width // 14)  # image pixels
    tiled_width = columns * (width + gap) - gap
    # Pixels of the file for each pixel of an image; enlarged by a whole number, all have the same size.
    enlargement = DENSITY * min(IMAGES_WIDTH / tiled_width, LARGEST_TILE / max(height, width))
    scale = (enlargement if enlargement < 1 else int(enlargement)) / DENSITY  # px
    step = (width + gap) * scale  # px
    font = max(SMALL_FONT, min(LARGEST_FONT, step / longest, 0.45 * step))
    label_height = 1.4 * font
    pair_height = (2 * height + gap) * scale
    shown_width = max(tiled_width * scale, IMAGES_HEADING_WIDTH)
    figure = _figure(
        shown_width + 2 * IMAGES_MARGIN, IMAGES_HEADING + bands * (label_height + pair_height + IMAGES_MARGIN)
    )
    _text(
        figure,
        IMAGES_MARGIN,
        IMAGES_HEADING / 2,
        "Originals above, reconstructions below",
        max(FONT, 0.8 * font),
        color=theme.muted,
    )

    background = np.round(np.array(matplotlib.colors.to_rgb(theme.background)) * 255).astype(np.uint8)
    for band in range(bands):
        top = IMAGES_HEADING + band * (label_height + pair_height + IMAGES_MARGIN)
        tiled = np.tile(background, (2 * height + gap, tiled_width, 1))
        for column, index in enumerate(range(band * columns, min((band + 1) * columns, count))):
            x = column * (width + gap)
            tiled[:height, x : x + width] = _levels(images[index])
            tiled[height + gap :, x : x + width] = _levels(reconstructions[index])
            middle = IMAGES_MARGIN + (x + width / 2) * scale
            label = _shorten(labels[index], step / font)
            _text(figure, middle, top + label_height / 2, label, font, horizontalalignment="center")
        axes = _axes(figure, IMAGES_MARGIN, top + label_height, tiled_width * scale, pair_height)
        axes.set_axis_off()
        axes.imshow(tiled, aspect="auto", interpolation="nearest" if enlargement >= 1 else "antialiased")
    return figure


def _draw_vectors(
    theme: Theme, vectors: npt.NDArray[np.float32], reconstructions: npt.NDArray[np.float32], labels: Sequence[str]
) -> Figure:
    """Draw each vector and its reconstruction as lines in a panel of their own, two panels beside each other."""
    columns = min(VECTOR_COLUMNS, len(vectors))
    bands = -(-len(vectors) // columns)
    panel, key = CHART_TOP + VECTOR_HEIGHT, 26
    figure = _figure(IMAGES_WIDTH, key + bands * panel + IMAGES_MARGIN)
    width = (IMAGES_WIDTH - IMAGES_MARGIN * (columns + 1)) / columns
    _text(figure, IMAGES_MARGIN, key / 2, "Original", FONT, color=theme.training)
    _text(figure, IMAGES_MARGIN + 80, key / 2, "reconstruction", FONT, color=theme.model)
    both = np.concatenate([vectors, reconstructions])
    low, high = float(both.min()), float(both.max())
    margin = 0.05 * (high - low) or 0.05
    for number, (vector, reconstruction, label) in enumerate(zip(vectors, reconstructions, labels, strict=True)):
        band, column = divmod(number, columns)
        left = IMAGES_MARGIN + column * (width + IMAGES_MARGIN)
        axes = _axes(figure, left, key + band * panel + CHART_TOP, width, VECTOR_HEIGHT)
        axes.set_title(_shorten(label, width / FONT))
        axes.set_xlim(-0.5, vectors.shape[1] - 0.5)
        axes.set_ylim(low - margin, high + margin)
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_locator(NullLocator())
        marker = "o" if vectors.shape[1] < MANY_EPOCHS else ""
        places = np.arange(vectors.shape[1])
        axes.plot(places, vector, color=theme.training, linewidth=2, marker=marker, markersize=5)
        axes.plot(places, reconstruction, color=theme.model, linewidth=1.2, marker=marker, markersize=4)
    return figure


def draw_units(theme: Theme, frequency: Floats, mean: Floats, words: Mapping[str, str] = IMAGES) -> Figure:
    """Draw the units of the code, the most active first: how often and how strongly each is active.

    Args:
      theme: the colours.
      frequency: float64, shape (units,), in [0, 1]: share of test images on which a unit is active; 0: dead.
      mean: float64, shape (units,), >= 0: mean activation over those images; 0 for a dead unit.
      words: of the data, one of `metrics.WORDS`.
    """
    units = len(frequency)
    order = np.argsort(-frequency, kind="stable")
    dead = int(np.sum(frequency == 0))
    numbered = units <= NUMBERED_UNITS
    height = units * UNIT_ROW_HEIGHT if numbered else UNITS_HEIGHT
    figure = _figure(CHART_WIDTH, CHART_TOP + height + CHART_BOTTOM)
    left, right, between = 46, 14, 36
    width = (CHART_WIDTH - left - right - between) / 2
    rows = np.arange(units)

    often = _axes(figure, left, CHART_TOP, width, height)
    often.set_title(reworded("active on % of images", words))
    often.set_xlim(0, 100)
    often.set_ylabel("unit" if numbered else f"{units:,} units, the most active first")
    strong = _axes(figure, left + width + between, CHART_TOP, width, height)
    strong.set_title("mean activation when active")
    strong.set_xlim(0, float(mean.max()) * 1.05 or 1.0)
    for axes in (often, strong):
        axes.set_ylim(units - 0.5, -0.5)
        axes.yaxis.set_major_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="x")
        if dead:
            axes.axhspan(units - dead - 0.5, units - 0.5, facecolor="none", edgecolor=theme.line, hatch="////")

    active = rows[: units - dead]
    edges = np.arange(len(active) + 1) - 0.5
    if numbered:
        often.yaxis.set_major_locator(FixedLocator(rows.tolist()))
        often.set_yticklabels([str(unit) for unit in order], fontsize=10)
        often.barh(active, frequency[order][active] * 100, height=0.7, color=theme.model)
        strong.plot(mean[order][active], active, "o", color=theme.model, markersize=5)
        often.plot(np.full(dead, 4), rows[units - dead :], "x", color=theme.alert, markersize=6)
    else:
        for axes, values in ((often, frequency * 100), (strong, mean)):
            axes.stairs(values[order][active], edges, orientation="horizontal", fill=True, color=theme.model)
    if dead:
        often.text(
            50,
            min(units - dead / 2 - 0.5, units - 0.5 - 8 * units / height),
            f"{DEAD_MARK} {dead:,} dead",
            color=theme.alert,
            fontsize=FONT,
            horizontalalignment="center",
            verticalalignment="center_baseline",
            bbox={"facecolor": theme.background, "edgecolor": "none", "pad": 2},
        )
    return figure


def draw_unit_images(
    theme: Theme,
    units: Sequence[int],
    sheets: Sequence[Sequence[npt.NDArray[np.uint8]]],
    profiles: Floats,
    labels: Sequence[str],
) -> Figure:
    """Draw a row for each unit: its sheets of pictures, and its profile by label as a row of a heat map.

    Args:
      theme: the colours.
      units: n numbers, n >= 1.
      sheets: for each unit as many sheets, with alpha: shape (height, width, 4), all of one height.
      profiles: float64, shape (n, labels), >= 0: mean activation by label, drawn as a share of the row's largest.
      labels: of the profiles; more than `MOST_PROFILES` are not drawn.
    """
    height = sheets[0][0].shape[0]
    row = height + IMAGES_MARGIN
    widths = [max(sheet.shape[1] for sheet in column) for column in zip(*sheets, strict=True)]
    left = 40.0
    drawn = 0 < len(labels) <= MOST_PROFILES
    top = IMAGES_HEADING + (max(map(len, labels)) * CHARACTER_WIDTH * SMALL_FONT if drawn else 0)
    cells = left + sum(width + 2 * IMAGES_MARGIN for width in widths)
    figure = _figure(cells + (len(labels) * PROFILE_CELL if drawn else 0) + IMAGES_MARGIN, top + len(units) * row)
    placed = []
    for place, (unit, of_unit) in enumerate(zip(units, sheets, strict=True)):
        _text(figure, left - 8, top + place * row + height / 2, str(unit), SMALL_FONT, horizontalalignment="right")
        x = left
        for sheet, width in zip(of_unit, widths, strict=True):
            placed.append((sheet, x, top + place * row))
            x += width + 2 * IMAGES_MARGIN
    _draw_sheets(figure, placed)
    if drawn:
        axes = _axes(figure, cells, top - IMAGES_MARGIN / 2, len(labels) * PROFILE_CELL, len(units) * row)
        shares = profiles / np.maximum(profiles.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        colors = matplotlib.colors.LinearSegmentedColormap.from_list("", [theme.background, theme.model])
        axes.imshow(shares, aspect="auto", interpolation="nearest", cmap=colors, vmin=0, vmax=1)
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 1 else 0)
        axes.yaxis.set_major_locator(NullLocator())
    return figure


def draw_traversals(theme: Theme, units: Sequence[int], sheets: Sequence[npt.NDArray[np.uint8]]) -> Figure:
    """Draw the traversal of each unit below its number; sheets as of `draw_unit_images`, all of one size."""
    height, width = sheets[0].shape[:2]
    columns = max(1, min(len(units), int(TRAVERSALS_WIDTH // (width + 2 * IMAGES_MARGIN))))
    step_down = height + IMAGES_HEADING + IMAGES_MARGIN
    step_right = width + 2 * IMAGES_MARGIN
    figure = _figure(columns * step_right, -(-len(units) // columns) * step_down)
    placed = []
    for place, (unit, sheet) in enumerate(zip(units, sheets, strict=True)):
        band, column = divmod(place, columns)
        x, y = IMAGES_MARGIN + column * step_right, band * step_down
        _text(figure, x, y + IMAGES_HEADING / 2, f"unit {unit}", FONT)
        placed.append((sheet, x, y + IMAGES_HEADING))
    _draw_sheets(figure, placed)
    return figure


def _draw_sheets(figure: Figure, placed: Iterable[tuple[npt.NDArray[np.uint8], float, float]]) -> None:
    """Draw sheets, a px for each of their pixels, with their upper left corners at (x, y).

    All are in one pair of axes, because matplotlib takes longer to make a pair for each than for all else.
    """
    width, height = figure.get_size_inches() * PX_PER_INCH
    axes = _axes(figure, 0, 0, width, height)
    axes.set_axis_off()
    for sheet, x, y in placed:
        down, right = sheet.shape[:2]
        axes.imshow(sheet, aspect="auto", interpolation="nearest", extent=(x, x + right, y + down, y))
    axes.set(xlim=(0, width), ylim=(height, 0))


def draw_labels(
    theme: Theme,
    labels: Sequence[str],
    *,
    model: Floats,
    mean_image: Floats,
    floor: Floats | None,
    overall: float,
    unit: str = "nats per pixel",
    words: Mapping[str, str] = IMAGES,
) -> Figure:
    """Draw the model's loss for each label between its entropy floor and the mean image's loss, the largest first.

    Args:
      theme: the colours.
      labels: n texts, n >= 1.
      model, mean_image, floor: float64, shape (n,): losses; floor None: none is drawn.
      overall: the model's loss over all test images.
      unit: of the losses.
      words: of the data, one of `metrics.WORDS`.
    """
    order = np.argsort(-model, kind="stable")
    rows = np.arange(len(labels))
    names = [_shorten(labels[index], 10) for index in order]
    left = 22 + max(len(name) for name in names) * CHARACTER_WIDTH * SMALL_FONT
    right, key = 62, 26
    height = len(labels) * ROW_HEIGHT
    figure = _figure(CHART_WIDTH, key + CHART_TOP + height + CHART_BOTTOM)
    axes = _axes(figure, left, key + CHART_TOP, CHART_WIDTH - left - right, height)
    axes.set_xlim(0, float(max(mean_image.max(), model.max())) * 1.05 or 1.0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(rows, names, color=theme.text)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="x")
    axes.set_xlabel(unit)

    axes.axvline(overall, color=theme.model, linewidth=1, linestyle=(0, (1, 2)))
    axes.text(
        overall, -0.5 - 6 / ROW_HEIGHT, f"all labels {overall:.4f}", color=theme.model, horizontalalignment="center"
    )
    ends = np.stack([mean_image, model] if floor is None else [floor, mean_image, model])[:, order]
    axes.hlines(rows, ends.min(axis=0), ends.max(axis=0), color=theme.baseline, linewidth=1.5)
    hollow: dict[str, Any] = {"mfc": theme.background, "mec": theme.muted, "mew": 1.5}
    axes.plot(mean_image[order], rows, "o", markersize=6, **hollow)
    if floor is not None:
        axes.plot(floor[order], rows, "|", markersize=11, **hollow)
    axes.plot(model[order], rows, "o", color=theme.model, markersize=8)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "verticalalignment": "center_baseline"}
    for row, index in enumerate(order):
        axes.text(1.04, row, f"{model[index]:.4f}", color=theme.model, **beside)

    keys = _axes(figure, 0, 0, CHART_WIDTH, key)
    keys.set_axis_off()
    keys.set_xlim(0, CHART_WIDTH)
    keys.set_ylim(-1, 1)
    places: tuple[tuple[float, str, str, dict[str, Any]], ...] = (
        (left, "entropy floor", "|", {**hollow, "markersize": 11}),
        (left + 122, "model", "o", {"color": theme.model, "markersize": 8}),
        (left + 198, reworded("mean image", words), "o", {**hollow, "markersize": 6}),
    )
    for x, name, marker, style in places if floor is not None else places[1:]:
        keys.plot([x], [0], marker, **style)
        keys.text(x + 9, 0, name, color=theme.muted, fontsize=SMALL_FONT, verticalalignment="center_baseline")
    return figure


def draw_baselines(
    theme: Theme,
    names: Sequence[str],
    *,
    bce: Sequence[float | None] | None,
    mse: Sequence[float | None],
    model: str,
    words: Mapping[str, str] = IMAGES,
) -> Figure:
    """Draw two panels of bars: cross-entropy and squared error of the model and its baselines.

    Args:
      theme: the colours.
      names: n texts, n >= 1.
      bce: n numbers, nats per pixel, or None; None: no panel of cross-entropies.
      mse: n numbers or None.
      model: the name that is drawn in the model's colour.
      words: of the data, one of `metrics.WORDS`.
    """
    row_height = 34  # px
    height = len(names) * row_height
    figure = _figure(CHART_WIDTH, CHART_TOP + height + CHART_BOTTOM)
    left = 14 + max(len(name) for name in names) * CHARACTER_WIDTH * SMALL_FONT
    between, right = 18, 8
    panels: list[tuple[Sequence[float | None], int, str, str]] = [(mse, 5, "squared error", "mean over pixels")]
    if bce is not None:
        panels.insert(0, (bce, 4, "cross-entropy", "nats per pixel"))
    width = (CHART_WIDTH - left - right - between * (len(panels) - 1)) / len(panels)
    for panel, (values, decimals, title, unit) in enumerate(panels):
        axes = _axes(figure, left + panel * (width + between), CHART_TOP, width, height)
        axes.set_title(title)
        axes.set_xlabel(reworded(unit, words))
        largest = max((value for value in values if value is not None), default=0.0) or 1.0
        axes.set_xlim(0, largest * 1.5)  # leaves room for the number behind the longest bar
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.xaxis.set_major_locator(NullLocator())
        axes.yaxis.set_major_locator(NullLocator())
        axes.spines["bottom"].set_visible(False)
        axes.axvline(0, color=theme.line, linewidth=1.5)
        if not panel:
            axes.set_yticks(range(len(names)), names, color=theme.text)
        for row, (name, value) in enumerate(zip(names, values, strict=True)):
            bar, ink = (theme.model, theme.model) if name == model else (theme.baseline, theme.muted)
            if value is not None:
                axes.barh(row, value, height=0.5, color=bar)
            text = "none" if value is None else f"{value:.{decimals}f}" if value else "0"
            axes.text((value or 0.0) + largest * 0.05, row, text, color=ink, verticalalignment="center_baseline")
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width / PX_PER_INCH, height / PX_PER_INCH), dpi=PX_PER_INCH * DENSITY)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a position in px from the figure's left and upper edge."""
    total_width, total_height = figure.get_size_inches() * PX_PER_INCH
    bottom = total_height - top - height
    return figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))


def _text(figure: Figure, x: float, y: float, text: str, font: float, **style: Any) -> None:
    """Add text whose middle line is y px below the figure's upper edge."""
    width, height = figure.get_size_inches() * PX_PER_INCH
    figure.text(x / width, 1 - y / height, text, fontsize=font, verticalalignment="center_baseline", **style)


def _shorten(text: str, width: float) -> str:
    """Cut a text that is longer than `width`, in units of the font size, and mark the cut."""
    characters = max(1, int(width / CHARACTER_WIDTH))
    return text if len(text) <= characters else text[: max(1, characters - 1)] + "…"


def _levels(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    levels: npt.NDArray[np.uint8] = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return levels if levels.ndim == 3 else levels[:, :, np.newaxis]


def _scale_losses(axes: Axes, values: Floats, linear: bool = False) -> bool:
    """Set the y axis to show all values, logarithmic if their range is wide; return whether it is."""
    low, high = float(values.min()), float(values.max())
    logarithmic = not linear and low > 0 and high / low > LOG_SCALE_RATIO
    if logarithmic:
        axes.set_yscale("log")
        margin = (high / low) ** 0.05
        axes.set_ylim(low / margin, high * margin)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=20))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.05
        axes.set_ylim(low - margin, high + margin)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.grid(axis="y")
    return logarithmic


def _scale_epochs(axes: Axes, epochs: Sequence[int]) -> None:
    margin = 0.5 if len(epochs) == 1 else 0.02 * (epochs[-1] - epochs[0])
    axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    locator = MaxNLocator(6, integer=True)
    ticks = [tick for tick in locator.tick_values(epochs[0], epochs[-1]) if epochs[0] <= tick <= epochs[-1]]
    axes.xaxis.set_major_locator(FixedLocator(ticks if len(epochs) > 1 else list(epochs)))
    axes.set_xlabel("epoch")


def _visible_gap(axes: Axes, one: Floats, other: Floats) -> float:
    """Return the largest distance between two curves, as a share of the panel's height."""
    to_panel = axes.transData + axes.transAxes.inverted()
    heights = [to_panel.transform(np.stack([np.zeros_like(values), values], axis=1))[:, 1] for values in (one, other)]
    return float(np.max(np.abs(heights[0] - heights[1])))


def _draw_losses(
    axes: Axes, theme: Theme, epochs: Sequence[int], training: Floats, validation: Floats
) -> list[tuple[float, str, str]]:
    """Draw both reconstruction losses; return height, text and colour of their labels."""
    curves = ((training, "training", theme.training), (validation, "validation", theme.model))
    for values, _, color in curves:
        _draw_curve(axes, epochs, values, color)
    return [(float(values[-1]), name, color) for values, name, color in curves]


def _draw_curve(axes: Axes, epochs: Sequence[int], values: Floats, color: str, **style: Any) -> None:
    marker = "o" if len(epochs) < MANY_EPOCHS else ""
    axes.plot(epochs, values, color=color, **{"linewidth": 2, "marker": marker, "markersize": 5, **style})


def _label_ends(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write each label to the right of the panel at its height, moved up or down if two would overlap."""
    to_panel = axes.transData + axes.transAxes.inverted()
    positions = sorted((float(to_panel.transform((0, value))[1]), text, color) for value, text, color in labels)
    panel_height = axes.get_window_extent().height / DENSITY  # px
    heights = _spread([position[0] for position in positions], 1.25 * SMALL_FONT / panel_height)
    for y, (_, text, color) in zip(heights, positions, strict=True):
        axes.text(1.03, y, text, color=color, transform=axes.transAxes, verticalalignment="center_baseline")


def _spread(heights: Sequence[float], distance: float) -> list[float]:
    """Move rising heights at least `distance` apart: those too close are spread evenly around their mean."""

    def lowest(group: Sequence[float]) -> float:
        return sum(group) / len(group) - distance * (len(group) - 1) / 2

    def highest(group: Sequence[float]) -> float:
        return sum(group) / len(group) + distance * (len(group) - 1) / 2

    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and lowest(groups[-1]) - highest(groups[-2]) < distance:
            last = groups.pop()
            groups[-1] += last
    return [lowest(group) + index * distance for group in groups for index in range(len(group))]
