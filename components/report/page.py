"""The report of one run: a self-contained HTML page and its figures as PNG files, from plain numbers.

The same `ReportData` gives the same bytes. Neither writing nor viewing the page needs a network. `figures.py` draws the
figures; `page.html` has text and style.
"""

from __future__ import annotations

import base64
import dataclasses
import math
import pathlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures

import jinja2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from components.evaluation import metrics
from components.evaluation.metrics import Loss
from components.evaluation.thresholds import EpochLosses, Gate
from components.report import figures, unit_file
from components.report.unit_file import UnitDetails
from components.text import counted

TEMPLATE = pathlib.Path(__file__).with_name("page.html")

MAX_TABLE_ROWS = 300  # longer tables are thinned out evenly, and say so
SHEET_SCALE = 1.5  # px for each pixel of a sheet of small pictures, where there is room
MAX_LABELS_IN_WORDS = 12  # alternative texts name the first and the last of more labels; the table has all

NO_BREAK = "\N{NO-BREAK SPACE}"

# Rows of the table and of the figure of baselines.
MODEL = "Model"
MEAN_IMAGE = "Mean image"
ENTROPY_FLOOR = "Entropy floor"

# Texts for metrics, in the order of the page. Other declared metrics follow under their own labels.
KEY_FIGURES = {
    "example_count": "test images",
    "bce_to_mean_image": "loss, share of the mean image's",
    "mse_to_mean_image": "loss, share of the mean image's",
    "active_units": "active units per image",
    "active_units_min": "active units, min",
    "active_units_median": "active units, median",
    "active_units_max": "active units, max",
    "dead_units": "dead units",
    "near_dead_units": "near-dead units",
    "always_active_units": "always active units",
    "effective_units": "effective number of units",
    "hoyer": "Hoyer sparsity",
    "gini": "Gini index",
}
COUNTS_OF_UNITS = ("active_units", "dead_units", "near_dead_units", "always_active_units", "effective_units")
LABEL_COLUMNS = {
    "example_count": "images",
    "bce": "cross-entropy",
    "mean_image_bce": "mean image's",
    "entropy_floor": "floor",
    "bce_to_mean_image": "share of mean image's",
    "mse_to_mean_image": "share of mean image's",
    "mse": "squared error",
    "active_units": "active units",
    "dead_units": "dead units",
    "hoyer": "Hoyer",
    "gini": "Gini",
}


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything that the page shows. Every number must be finite, except the limits of gates.

    Attributes:
      title: the data set's name and version.
      notice: a sentence to show as a banner; empty: none.
      blessed: whether the model passed all gates.
      reasons: why not blessed, one sentence each; empty if blessed.
      gates: the thresholds and the measured values.
      metrics: over all test images, one for each of `metrics.evaluated(loss)`.
      per_label: the same metrics over the test images of each label; empty without labels.
      pca_mse: squared error on test of PCA with as many components as the code has units, fitted on train.
      history: by epoch, rising; at least one.
      images: float32, values in [0, 1], n >= 1: fixed test images, sorted by label. Shape (n, height, width), in colour
        (n, height, width, 3), of vectors (n, values).
      reconstructions: the same.
      image_labels: n labels.
      unit_frequency: float64, shape (units,), in [0, 1], units >= 1: share of test images on which a unit is active.
      unit_mean: float64, shape (units,), >= 0: mean activation over those images; 0 for a dead unit.
      settings: resolved configuration, value by dotted name.
      facts: further facts about the run, value by name.
      loss: that the model was trained with, a key of `metrics.LOSSES`.
      details: more on the most active units, whose pictures are in the folder of the report; None: none.
      parameters: settings in the header, value by dotted name.
      probe: accuracies of the Probe, by the names of their metrics; empty if it measured none.

    Raises:
      ValueError: shapes do not match, or there is nothing to show.
    """

    title: str
    notice: str
    blessed: bool
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...]
    metrics: Mapping[str, float]
    per_label: Mapping[str, Mapping[str, float]]
    pca_mse: float
    history: tuple[EpochLosses, ...]
    images: npt.NDArray[np.float32]
    reconstructions: npt.NDArray[np.float32]
    image_labels: tuple[str, ...]
    unit_frequency: npt.NDArray[np.float64]
    unit_mean: npt.NDArray[np.float64]
    settings: Mapping[str, str]
    facts: Mapping[str, str]
    loss: str = "bce"
    details: UnitDetails | None = None
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    probe: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def terms(self) -> Loss:
        """The loss and the metrics in its terms."""
        return metrics.LOSSES[self.loss]

    @property
    def kind(self) -> str:
        """`image` or `vector`."""
        return "vector" if self.images.ndim == 2 else "image"

    @property
    def words(self) -> Mapping[str, str]:
        """Return the words of this data in place of those of images."""
        return metrics.WORDS[self.kind]

    def reworded(self, text: str) -> str:
        """Return a text on images in the words of this data."""
        return metrics.reworded(text, self.words)

    def __post_init__(self) -> None:
        if not self.history:
            raise ValueError("history is empty; give the losses of one epoch or more")
        if not (self.images.ndim in (2, 3) or self.images.shape[3:] == (3,)) or not self.images.size:
            raise ValueError(
                f"images has shape {self.images.shape}; give (n, height, width), (n, height, width, 3) or (n, values), "
                "none of them 0"
            )
        if self.reconstructions.shape != self.images.shape:
            raise ValueError(
                f"reconstructions has shape {self.reconstructions.shape}; give that of images: {self.images.shape}"
            )
        if len(self.image_labels) != len(self.images):
            raise ValueError(
                f"image_labels has {len(self.image_labels)} labels; give one for each of {len(self.images)} images"
            )
        if self.unit_frequency.ndim != 1 or not self.unit_frequency.size:
            raise ValueError(f"unit_frequency has shape {self.unit_frequency.shape}; give (units,), units > 0")
        if self.unit_mean.shape != self.unit_frequency.shape:
            raise ValueError(
                f"unit_mean has shape {self.unit_mean.shape}; give that of unit_frequency: {self.unit_frequency.shape}"
            )


def write_report(data: ReportData, folder: pathlib.Path) -> None:
    """Write report.html, and for each figure NAME-light.png and NAME-dark.png, into the existing folder.

    The names are curves, reconstructions, units, baselines, and labels if there are any. The page embeds the pictures.
    """
    drawn = _figures(data)
    # One figure is compressed while the next one is drawn.
    with futures.ThreadPoolExecutor(1) as pool:
        files = {
            (name, theme.name): pool.submit(figures.png_of, figures.pixels(draw, theme))
            for name, (draw, _) in drawn.items()
            for theme in figures.THEMES
        }
    for (name, theme), png in files.items():
        (folder / f"{name}-{theme}.png").write_bytes(png.result())
    pictures = {
        name: _picture(files[name, "light"].result(), files[name, "dark"].result(), text)
        for name, (_, text) in drawn.items()
    }
    cards = [_card(unit, data, folder) for unit in (data.details.units if data.details else ())]
    (folder / "report.html").write_text(_page(data, pictures, cards), encoding="utf-8", newline="\n")


def drawings(data: ReportData) -> dict[str, Callable[[figures.Theme], Figure]]:
    """Return what draws each figure, by the names of `write_report`."""
    return {name: draw for name, (draw, _) in _figures(data).items()}


@dataclasses.dataclass(frozen=True)
class _Picture:
    """A figure on the page: both files as data URIs, the alternative text, and the size in px."""

    light: str
    dark: str
    text: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table as text; the first cell of a row is its heading.

    Attributes:
      caption: its title.
      head: names of the columns.
      rows: as many cells as `head`.
      numeric: whether all columns except the first are numbers.
      emphasis: heading of the highlighted row; empty: none.
      cut: a sentence on rows that are left out; empty: none.
      links: addresses by headings of rows.
    """

    caption: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: bool = True
    emphasis: str = ""
    cut: str = ""
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)


def _picture(light: bytes, dark: bytes, text: str) -> _Picture:
    width, height = (size // figures.DENSITY for size in _size(light))
    return _Picture(light=_source(light), dark=_source(dark), text=text, width=width, height=height)


def _size(content: bytes) -> tuple[int, int]:
    """Return width and height of a PNG file, from bytes 16 to 24 of its first chunk."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def _source(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


@dataclasses.dataclass(frozen=True)
class _Sheet:
    """A sheet of small pictures on the page: a data URI, the alternative text, the caption, and the size in px."""

    source: str
    text: str
    caption: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class _Card:
    """What the page shows of a unit: its number, a line of text, sheets, and the largest bars of its profile.

    A bar is a label, a length in [0, 100], and its value as text.
    """

    unit: int
    text: str
    sheets: tuple[_Sheet, ...]
    bars: tuple[tuple[str, float, str], ...]


def _card(unit: unit_file.Unit, data: ReportData, folder: pathlib.Path) -> _Card:
    assert data.details is not None
    texts = data.details.captions(unit)
    sheets = []
    for name, (title, text) in texts.items():
        content = (folder / name).read_bytes()
        width, height = (round(size * SHEET_SCALE) for size in _size(content))
        caption = f"{title}: {text}" if text else title
        sheets.append(_Sheet(_source(content), f"Unit {unit.unit}: {caption}", caption, width, height))
    largest = max(unit.profile, default=0.0) or 1.0
    bars = tuple(
        (label, round(value / largest * 100, 1), f"{value:.3g}") for label, value in data.details.strongest_labels(unit)
    )
    often, mean = data.unit_frequency[unit.unit], data.unit_mean[unit.unit]
    line = (
        f"Active on {_percent(often)} of the test {data.kind}s; mean activation then {mean:.3f}, "
        f"largest {unit.largest:.3f}."
    )
    return _Card(unit.unit, line, tuple(sheets), bars)


def _page(data: ReportData, pictures: Mapping[str, _Picture], cards: Sequence[_Card]) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        data=data,
        light=figures.LIGHT,
        dark=figures.DARK,
        pictures=pictures,
        headline=_headline(data),
        key_figures=_key_figures(data),
        probe=_probe(data),
        gates=_gates(data),
        labels=_labels(data),
        labels_in_words=_losses_of_labels(data),
        epochs=_epochs(data),
        units=_units(data),
        cards=cards,
        explanation=data.details.explanation(data.unit_frequency) if data.details else "",
        settings=_Table("Resolved configuration", ("setting", "value"), list(data.settings.items()), numeric=False),
    )


def _figures(data: ReportData) -> dict[str, tuple[Callable[[figures.Theme], Figure], str]]:
    """Return by name a function that draws the figure, and its alternative text."""
    overall = data.metrics
    columns = {
        field.name: np.array([getattr(losses, field.name) for losses in data.history], dtype=np.float64)
        for field in dataclasses.fields(EpochLosses)
    }
    epochs = [losses.epoch for losses in data.history]
    baselines = _baselines(data)
    terms = data.terms
    floor = terms.floor

    def by_label(name: str) -> npt.NDArray[np.float64]:
        return np.array([values[name] for values in data.per_label.values()], dtype=np.float64)

    drawn: dict[str, tuple[Callable[[figures.Theme], Figure], str]] = {
        "baselines": (
            lambda theme: figures.draw_baselines(
                theme,
                list(baselines),
                bce=[bce for bce, _ in baselines.values()] if data.loss == "bce" else None,
                mse=[mse for _, mse in baselines.values()],
                model=MODEL,
                words=data.words,
            ),
            "Bars. "
            + " ".join(
                f"{name}: cross-entropy {_bce(bce)}, squared error {_mse(mse)}."
                if data.loss == "bce"
                else f"{name}: squared error {_mse(mse)}."
                for name, (bce, mse) in baselines.items()
            ),
        ),
        "reconstructions": (
            lambda theme: figures.draw_reconstructions(theme, data.images, data.reconstructions, data.image_labels),
            counted(len(data.images), f"test {data.kind}")
            + (f" of {counted(len(set(data.image_labels)), 'label')}" if data.per_label else "")
            + f", each {'with' if data.kind == 'vector' else 'above'} its reconstruction;"
            f" over all test {data.kind}s the squared error is {_mse(overall['mse'])}.",
        ),
        "curves": (
            lambda theme: figures.draw_curves(
                theme,
                epochs,
                training=columns["reconstruction"],
                validation=columns["val_reconstruction"],
                training_with_penalty=columns["loss"],
                validation_with_penalty=columns["val_loss"],
                floor=overall[floor.name] if floor else None,
                unit=_unit(data),
            ),
            _curves_in_words(data),
        ),
        "units": (
            lambda theme: figures.draw_units(theme, data.unit_frequency, data.unit_mean, data.words),
            data.reworded(_units_in_words(data.unit_frequency)),
        ),
    }
    if data.per_label:
        drawn["labels"] = (
            lambda theme: figures.draw_labels(
                theme,
                list(data.per_label),
                model=by_label(terms.metric.name),
                mean_image=by_label(terms.mean_image.name),
                floor=by_label(floor.name) if floor else None,
                overall=overall[terms.metric.name],
                words=data.words,
                unit=_unit(data),
            ),
            _labels_in_words(data),
        )
    return drawn


def _unit(data: ReportData) -> str:
    """Return the unit of the loss for axes and captions: `nats per pixel`, or `squared error`."""
    return data.reworded(data.terms.unit if data.terms.metric.unit else data.terms.title)


def _curves_in_words(data: ReportData) -> str:
    history = data.history
    first, last = history[0], history[-1]
    best = min(history, key=lambda losses: losses.val_reconstruction)
    if len(history) == 1:
        return (
            f"One point: after epoch {last.epoch} the training loss is {_bce(last.reconstruction)}"
            f" and the validation loss {_bce(last.val_reconstruction)} {_unit(data)}, without the penalty."
        )
    return (
        f"Two curves, without the penalty. From epoch {first.epoch} to {last.epoch} the training loss goes from"
        f" {_bce(first.reconstruction)} to {_bce(last.reconstruction)} and the validation loss from"
        f" {_bce(first.val_reconstruction)} to {_bce(last.val_reconstruction)} {_unit(data)};"
        f" the lowest validation loss is {_bce(best.val_reconstruction)} in epoch {best.epoch}."
        f" With the penalty the last are {_bce(last.loss)} and {_bce(last.val_loss)}."
    )


def _losses_of_labels(data: ReportData) -> str:
    """Return the caption of the losses by label: where the model's are, from its measured losses."""
    terms, values = data.terms, data.per_label.values()
    above = sum(one[terms.metric.name] > one[terms.mean_image.name] for one in values)
    where = f"the model is above its mean {data.kind}’s on {above} of {len(values)}" if above else ""
    if terms.floor is None:
        text = f"Each label’s test {data.kind}s have a mean-{data.kind} loss of their own"
        return f"{text}; {where}." if where else f"{text}."
    text = f"Each label’s test {data.kind}s have a floor and a mean-{data.kind} loss of their own"
    return f"{text}; {where or 'the model lies between'}."


def _labels_in_words(data: ReportData) -> str:
    per_label, loss = data.per_label, data.terms.metric.name
    ordered = sorted(per_label, key=lambda label: -per_label[label][loss])
    numbers = [f"{label} {_bce(per_label[label][loss])}" for label in ordered]
    if len(numbers) > MAX_LABELS_IN_WORDS:
        half = MAX_LABELS_IN_WORDS // 2
        numbers[half:-half] = [counted(len(numbers) - 2 * half, "label") + " between"]
    return f"The model's loss for each label, {_unit(data)}, the largest first: {', '.join(numbers)}."


def _units_in_words(frequency: npt.NDArray[np.float64]) -> str:
    active = frequency[frequency > 0]
    number = len(frequency) - len(active)
    dead = f"{number:,} of {counted(len(frequency), 'unit')} {'is' if number == 1 else 'are'} dead"
    if not active.size:
        return f"{dead}: none is active on any test image."
    return (
        f"{dead}. The others are active on {_percent(active.min())} to {_percent(active.max())} of the test images,"
        f" the median unit on {_percent(float(np.median(active)))}."
    )


def _baselines(data: ReportData) -> dict[str, tuple[float | None, float | None]]:
    """Return cross-entropy and squared error, from the worst to be expected to the best possible."""
    overall = data.metrics
    units = len(data.unit_frequency)
    found: dict[str, tuple[float | None, float | None]] = {
        data.reworded(MEAN_IMAGE): (overall.get("mean_image_bce"), overall["mean_image_mse"]),
        f"PCA, {units:,} component{'s' if units > 1 else ''}": (None, data.pca_mse),
        MODEL: (overall.get("bce"), overall["mse"]),
    }
    return found if data.terms.floor is None else {**found, ENTROPY_FLOOR: (overall["entropy_floor"], 0.0)}


def _headline(data: ReportData) -> _Table:
    if data.loss == "mse":
        rows: list[tuple[str, ...]] = [(name, _mse(mse)) for name, (_, mse) in _baselines(data).items()]
        return _Table(
            f"Reconstruction loss on the test {data.kind}s, without the penalty on the code",
            ("", "squared error, mean over values"),
            rows,
            emphasis=MODEL,
        )
    return _Table(
        f"Reconstruction loss on the test {data.kind}s, without the penalty on the code",
        ("", *map(data.reworded, ("cross-entropy, nats per pixel", "squared error, mean over pixels"))),
        [(name, _bce(bce), _mse(mse)) for name, (bce, mse) in _baselines(data).items()],
        emphasis=MODEL,
    )


def _key_figures(data: ReportData) -> dict[str, str]:
    units = f" of {len(data.unit_frequency):,}"
    shown = {
        name: text + (units if name in COUNTS_OF_UNITS else "") for name, text in _metric_texts(data, data.metrics)
    }
    named = {data.reworded(KEY_FIGURES[name]): shown.pop(name) for name in KEY_FIGURES if name in shown}
    return {**named, **{one.label: shown[one.name] for one in _further_metrics(data) if one.name in shown}}


def _metric_texts(data: ReportData, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every declared metric that was evaluated, a share in percent."""
    for one in _evaluated(data):
        if one.name not in values:
            continue
        value = values[one.name]
        yield one.name, _percent(value) if one is data.terms.to_mean_image else one.text(value)


def _further_metrics(data: ReportData) -> list[metrics.Metric]:
    """Return the metrics that have no text in this module."""
    texts = (*KEY_FIGURES, *LABEL_COLUMNS, "mean_image_mse")
    return [one for one in _evaluated(data) if one.name not in texts]


def _evaluated(data: ReportData) -> list[metrics.Metric]:
    """Return the metrics that the Evaluator computed; one of an earlier version did not compute all."""
    return [one for one in metrics.evaluated(data.loss, noise=True) if one.name in data.metrics]


def _probe(data: ReportData) -> _Table:
    names = {metrics.CODE: MODEL, metrics.PCA: "PCA", metrics.PIXELS: "Raw pixels"}
    rows = [
        (names[kind], *(_percent(data.probe[f"{kind}{one.name}"]) for one in metrics.PROBES))
        for kind in (metrics.PIXELS, metrics.PCA, metrics.CODE)
        if data.probe
    ]
    head = ("", *(one.label for one in metrics.PROBES))
    return _Table(f"Test {data.kind}s whose label is predicted correctly", head, rows, emphasis=MODEL)


def _gates(data: ReportData) -> _Table:
    def result(gate: Gate) -> str:
        if math.isinf(gate.limit):
            return f"no{NO_BREAK}gate"
        return f"✓{NO_BREAK}passed" if gate.passed else f"✗{NO_BREAK}failed"

    return _Table(
        "Gates",
        ("measure", "result", "value", "limit", "on"),
        [
            (
                data.reworded(metrics.label(gate.name)),
                result(gate),
                f"{gate.value:.5g}",
                "none" if math.isinf(gate.limit) else f"{gate.limit:.5g}",
                gate.slice or f"all test {data.kind}s",
            )
            for gate in data.gates
        ],
        numeric=False,
    )


def _labels(data: ReportData) -> _Table:
    known = {one.name for one in _evaluated(data)}
    columns = {name: text for name, text in LABEL_COLUMNS.items() if name in known}
    columns |= {one.name: one.label for one in _further_metrics(data)}
    rows = []
    for label, values in data.per_label.items():
        texts = dict(_metric_texts(data, values))
        rows.append((label, *(texts[name] for name in columns)))
    head = ("label", *map(data.reworded, columns.values()))
    return _Table(f"Test {data.kind}s of each label", head, rows)


def _epochs(data: ReportData) -> _Table:
    rows = [
        (str(one.epoch), *map(_bce, (one.reconstruction, one.val_reconstruction, one.loss, one.val_loss)))
        for one in data.history
    ]
    head = ("epoch", "training", "validation", "training with penalty", "validation with penalty")
    return _thinned(f"Losses by epoch, {_unit(data)}", head, rows)


def _units(data: ReportData) -> _Table:
    order = np.argsort(-data.unit_frequency, kind="stable")
    rows = [
        (
            str(unit),
            _percent(data.unit_frequency[unit]),
            f"{data.unit_mean[unit]:.3f}",
            "active" if data.unit_frequency[unit] > 0 else f"{figures.DEAD_MARK} dead",
        )
        for unit in order
    ]
    head = ("unit", f"active on, of test {data.kind}s", "mean activation when active", "state")
    table = _thinned("Units of the code, the most active first", head, rows)
    shown = data.details.units if data.details else ()
    return dataclasses.replace(table, links={str(one.unit): f"#unit-{one.unit}" for one in shown})


def _thinned(caption: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> _Table:
    if len(rows) <= MAX_TABLE_ROWS:
        return _Table(caption, head, list(rows))
    kept = np.linspace(0, len(rows) - 1, MAX_TABLE_ROWS).round().astype(int)
    cut = f"Cut: {MAX_TABLE_ROWS:,} of {len(rows):,} rows, evenly spaced, with the first and the last."
    return _Table(caption, head, [rows[index] for index in kept], cut=cut)


def _bce(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _mse(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.5f}" if value else "0"


def _percent(share: float) -> str:
    """Return a share in [0, 1] in percent; only 0 is shown as 0, and only 1 as 100."""
    if 0 < share < 0.001:
        return f"<{NO_BREAK}0.1{NO_BREAK}%"
    if 0.999 < share < 1:
        return f">{NO_BREAK}99.9{NO_BREAK}%"
    return f"{share * 100:.1f}{NO_BREAK}%"
