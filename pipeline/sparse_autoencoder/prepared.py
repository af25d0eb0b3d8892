"""Read the data sets that TensorFlow Datasets (TFDS) prepared, without importing it: `sae data list` and `show`."""

from __future__ import annotations

import dataclasses
import io
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components import json_text
from components.data.own_data import metadata
from pipeline.core import regular_file
from pipeline.core.errors import NotFoundError, UnavailableError
from pipeline.core.text import closest
from pipeline.sparse_autoencoder import dataset_folder

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

RECORDS = 100_000  # of each split, whose labels are counted
EXAMPLES = 40  # records in a sheet, at most
_DEEPEST = 3  # folders between that of the data sets and a version: NAME/CONFIG/VERSION


@dataclasses.dataclass(frozen=True)
class PreparedDataset:
    """One version of a prepared data set.

    Attributes:
      name: with its config if it has one: `emnist/letters`.
      version: `3.0.1`.
      folder: of this version.
      features: in words, by name: `image 28x28x1 uint8`, `label, 10 names`.
      splits: records by split.
      bytes: size of its files.
      own: whether `sae data add` made it.
      facts: what `sae data add` recorded; empty else.
      fault: why it cannot be read; empty if it can.
    """

    name: str
    version: str
    folder: pathlib.Path
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)
    splits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    bytes: int = 0
    own: bool = False
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class Example:
    """A record of a sheet: its split, its label's name (empty: none), and an image (h, w, 1 or 3) or a vector (n,)."""

    split: str
    label: str
    values: Array


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the records of a data set are.

    Attributes:
      labels: records by split and name of the label.
      counted: records whose labels were counted, by split; empty without labels.
      range: smallest and largest value: of all records if they were added by `sae data add`, else of the examples.
      examples: the first records of each label.
    """

    labels: Mapping[str, Mapping[str, int]]
    counted: Mapping[str, int]
    range: tuple[float, float] | None
    examples: tuple[Example, ...]


def find(folder: pathlib.Path) -> list[PreparedDataset]:
    """Return every prepared version in a folder of data sets, sorted by name and version."""
    found = []
    if folder.is_dir():
        for path in _version_folders(folder, _DEEPEST):
            found.append(describe(path, path.parent.relative_to(folder).as_posix()))
    return sorted(found, key=lambda one: (one.name, [int(part) for part in one.version.split(".")]))


def named(folder: pathlib.Path, name: str, version: str = "") -> PreparedDataset:
    """Return a data set: of one version, or of the newest.

    Raises:
      NotFoundError: there is none.
    """
    return versions(folder, name, version)[-1]


def versions(folder: pathlib.Path, name: str, version: str = "") -> list[PreparedDataset]:
    """Return one version of a data set, or all, the newest last.

    Raises:
      NotFoundError: there is none; names what is there.
    """
    known = find(folder)
    found = [one for one in known if one.name == name]
    if not found:
        near = similar(name, [one.name for one in known])
        raise NotFoundError(f"{folder} holds no data set {name!r}{near}; `sae data list` lists them")
    chosen = [one for one in found if version in ("", one.version)]
    if not chosen:
        there = ", ".join(one.version for one in found)
        raise NotFoundError(f"{folder} holds no version {version!r} of data set {name!r} (there are: {there})")
    return chosen


def similar(name: str, known: Sequence[str]) -> str:
    """Write `; did you mean X?` for a mistyped name; empty if it looks like the name of another data set."""
    return closest(name, known, similarity=0.7)


def contents(dataset: PreparedDataset) -> Contents:
    """Read labels and examples of a data set.

    Raises:
      UnavailableError: it cannot be read.
    """
    if dataset.fault:
        raise UnavailableError(f"data set {dataset.name} in {dataset.folder} cannot be read: {dataset.fault}")
    keys = _keys(dataset)
    names = _label_names(dataset.folder, keys.label)
    counts: dict[str, Counter[str]] = {split: Counter() for split in dataset.splits}
    examples: dict[tuple[str, str], list[Example]] = {}
    for split in dataset.splits:
        for number, record in enumerate(_records(dataset.folder, split)):
            if number >= RECORDS:
                break
            feature = record.features.feature
            label = ""
            if keys.label and feature[keys.label].int64_list.value:
                place = feature[keys.label].int64_list.value[0]
                label = names[place] if 0 <= place < len(names) else str(place)
            counts[split][label] += 1
            chosen = examples.setdefault((split, label), [])
            if keys.values and len(chosen) < 10:
                values = _values(feature[keys.values], keys.shape)
                if values is not None:
                    chosen.append(Example(split, label, values))
            elif not keys.label and number >= EXAMPLES:
                break
    first_split = next(iter(dataset.splits), "")
    order = {name: place for place, name in enumerate(names)}
    of_first = sorted(
        ((label, found) for (split, label), found in examples.items() if split == first_split),
        key=lambda one: order.get(one[0], -1),
    )
    most = max(1, EXAMPLES // max(len(of_first), 1))
    shown = tuple(example for _, found in of_first for example in found[:most])[:EXAMPLES]
    limits = dataset.facts.get("range")
    if limits is None and shown:
        limits = [float(min(one.values.min() for one in shown)), float(max(one.values.max() for one in shown))]
    labelled = bool(keys.label)
    return Contents(
        {split: {name: counts[split][name] for name in names} for split in dataset.splits} if labelled else {},
        {split: sum(count.values()) for split, count in counts.items()} if labelled else {},
        (limits[0], limits[1]) if limits else None,
        shown,
    )


@dataclasses.dataclass(frozen=True)
class _Keys:
    """Names of the features with values and label, empty if there is none, and the shape of the former."""

    values: str = ""
    shape: tuple[int, ...] = ()
    label: str = ""


def _version_folders(folder: pathlib.Path, depth: int) -> Iterator[pathlib.Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        if dataset_folder.is_version(path.name):
            if depth < _DEEPEST:
                yield path
        elif depth > 1:
            try:
                yield from _version_folders(path, depth - 1)
            except PermissionError:
                continue


def describe(folder: pathlib.Path, name: str) -> PreparedDataset:
    """Return the data set in the folder of a version; with its fault if it cannot be read."""
    try:
        info: Any = json_text.parse(regular_file.text(folder / dataset_folder.INFO))
        described = _feature_texts(json_text.parse(regular_file.text(folder / dataset_folder.FEATURES)))
        splits = {str(one["name"]): sum(map(int, one.get("shardLengths", []))) for one in info["splits"]}
        stored = str(info.get("fileFormat") or dataset_folder.FORMAT)
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        facts: Any = {}
        if (folder / metadata.FILE).exists():
            facts = json_text.parse(regular_file.text(folder / metadata.FILE))
            facts = facts.get(metadata.KEY) if isinstance(facts, dict) else {}
        facts = facts if isinstance(facts, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{dataset_folder.INFO}, {dataset_folder.FEATURES} or {metadata.FILE} is missing or damaged ({error})"
        return PreparedDataset(name, folder.name, folder, fault=reason)
    fault = "" if stored == dataset_folder.FORMAT else f"it is stored as {stored}, {dataset_folder.FORMAT} is needed"
    return PreparedDataset(name, folder.name, folder, described, splits, size, bool(facts), facts, fault)


def _nested(features: Any) -> dict[str, Any]:
    found = features.get("featuresDict", {}).get("features", {})
    return dict(found) if isinstance(found, dict) else {}


def _feature_texts(features: Any) -> dict[str, str]:
    return {name: _feature_text(feature) for name, feature in _nested(features).items()}


def _feature_text(feature: Mapping[str, Any]) -> str:
    """Describe a feature as TFDS stores it in `features.json`: `image 28x28x1 uint8`."""
    kind = str(feature.get("pythonClassName", "")).rpartition(".")[2] or "feature"
    if "classLabel" in feature:
        return f"label, {int(feature['classLabel'].get('numClasses', 0)):,} names"
    for place in ("image", "tensor"):
        if place in feature:
            shape = "x".join(str(size) for size in _shape(feature[place])) or "scalar"
            return f"{'image' if place == 'image' else kind.lower()} {shape} {feature[place].get('dtype', '')}".strip()
    return kind.lower()


def _shape(described: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in described.get("shape", {}).get("dimensions", ()))


def _keys(dataset: PreparedDataset) -> _Keys:
    features = _nested(json_text.parse(regular_file.text(dataset.folder / dataset_folder.FEATURES)))
    images = [name for name, feature in features.items() if "image" in feature]
    numbers = [
        name
        for name, feature in features.items()
        if "tensor" in feature and "classLabel" not in feature and len(_shape(feature["tensor"])) in (1, 3)
    ]
    labels = [name for name, feature in features.items() if "classLabel" in feature]
    label = labels[0] if len(labels) == 1 else ""
    if len(images) == 1:
        return _Keys(images[0], (), label)
    if not images and len(numbers) == 1:
        return _Keys(numbers[0], _shape(features[numbers[0]]["tensor"]), label)
    return _Keys(label=label)


def _label_names(folder: pathlib.Path, key: str) -> list[str]:
    """Return the names of labels, which TFDS writes one a line; their numbers where it wrote none."""
    if not key:
        return []
    path = folder / f"{key}.labels.txt"
    if path.is_file():
        return [line.strip() for line in regular_file.text(path).split("\n") if line.strip()]
    feature = _nested(json_text.parse(regular_file.text(folder / dataset_folder.FEATURES))).get(key, {})
    return [str(number) for number in range(int(feature.get("classLabel", {}).get("numClasses", 0)))]


def _values(feature: Any, shape: tuple[int, ...]) -> Array | None:
    """Return the image or the vector of a feature; None if it is of another form."""
    import numpy as np  # not for `describe`, which every plan and run calls
    from PIL import Image

    if feature.float_list.value:
        found = np.array(feature.float_list.value, np.float32)
        return found.reshape(shape) if shape and found.size == np.prod(shape) else found
    if len(feature.bytes_list.value) != 1:
        return None
    try:
        with Image.open(io.BytesIO(feature.bytes_list.value[0]), formats=("PNG", "JPEG")) as image:
            values = np.asarray(image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return values[..., np.newaxis] if values.ndim == 2 else values


def _records(folder: pathlib.Path, split: str) -> Iterator[Any]:
    """Yield the records of a split as tf.Examples.

    Raises:
      UnavailableError: a file is damaged.
    """
    from pipeline.artifacts.payloads import examples, files, tfrecords  # not for `describe` either

    try:
        for path in sorted(folder.glob(f"*-{split}.{dataset_folder.FORMAT}*")):
            for record in tfrecords.read(path, path.stat().st_size, check=False):
                yield files.parsed(examples.EXAMPLE, record, path)
    except (OSError, files.UnreadableFileError) as error:
        raise UnavailableError(f"the data set in {folder} is damaged: {error}; prepare it again") from error
