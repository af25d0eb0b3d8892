"""Hints at settings that do not suit a prepared data set, shown by commands that run or suggest a run.

Free of TensorFlow.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from components.data import features
from components.model import pca_memory
from pipeline.core import memory, settings
from pipeline.core.errors import SaeError
from pipeline.core.settings import Settings
from pipeline.core.text import counted
from pipeline.sparse_autoencoder import dataset_folder, prepared
from pipeline_config import PipelineConfig

_FEWEST_STEPS = 10  # of an epoch
_USED = 0.5  # part of the range of 16 bit below which scaling by that range wastes it
_LEAST, _MOST = 1e-18, 1e14  # spread of values whose squares float32 can hold, and the sums of those of 1e9 records
_BASE_MIB = 1_536  # TensorFlow, TFX, Beam, and what other nodes add to the memory of the Trainer
_FLOAT_BYTES = 4
_BOUND = r"(-?\d+(?:\.\d+)?%|-?\d+)?"
_PART = re.compile(rf"([\w-]+)(?:\[{_BOUND}:{_BOUND}\])?")  # of a split, such as train[:83%]
_DEEP = {"uint16": 65_535}  # largest value by the name of a type that `data.scaling=auto` divides by


def hints(resolved: Settings, attainable: bool = True) -> tuple[str, ...]:
    """Return one line for each setting that does not suit the data set; empty if that is missing or cannot be read.

    Args:
      resolved: the settings.
      attainable: whether a model can pass the gates; if not, training more would not help.
    """
    dataset = _dataset(resolved.config)
    return tuple(_hints(resolved.config, dataset, attainable)) if dataset else ()


def run_options(name: str, data_dir: str = "") -> tuple[str, ...]:
    """Return the options of `sae run` without which a model of a data set may learn too little; empty if it is missing.

    Args:
      name: of the data set.
      data_dir: the setting `data.data_dir`.
    """
    assignments = (f"data.dataset={name}", f"data.data_dir={data_dir}")
    config = settings.resolve(settings.Request(assignments=assignments)).config
    dataset = _dataset(config)
    examples = _train_examples(config, dataset.splits) if dataset else 0
    smaller = _smaller_batch(config.training.batch_size, examples)
    return ("--set", f"training.batch_size={smaller}") if smaller else ()


def _dataset(config: PipelineConfig) -> prepared.PreparedDataset | None:
    """Return the data set of the settings; None if it is the sample, is missing or cannot be read."""
    if config.data.source == "sample":
        return None
    try:
        folder = dataset_folder.prepared_version(config.data)
    except SaeError:
        return None
    dataset = prepared.describe(folder, config.data.dataset) if folder is not None else None
    return dataset if dataset and not dataset.fault else None


def _smaller_batch(size: int, examples: int) -> int | None:
    """Return a batch size with enough steps an epoch; None if `size` makes enough, or there are no known examples."""
    if size == 1 or not 0 < math.ceil(examples / size) < _FEWEST_STEPS:
        return None
    return 1 << int(math.log2(max(examples // _FEWEST_STEPS, 1)))


def _hints(config: PipelineConfig, dataset: prepared.PreparedDataset, attainable: bool) -> Iterator[str]:
    size, examples = config.training.batch_size, _train_examples(config, dataset.splits)
    if attainable and (smaller := _smaller_batch(size, examples)):
        steps = math.ceil(examples / size)
        yield (
            f"training.batch_size = {size} makes only {steps} step{'s' * (steps != 1)} an epoch of {examples:,} "
            f"examples, which may be too few to learn: try --set training.batch_size={smaller}"
        )
    values = _values(config, dataset)
    needed, present = memory_mib(config, values, sum(dataset.splits.values())), memory.limit_mib()
    if values and needed > present:
        yield (
            f"a run on records of {values:,} values needs about {needed / 1024:.1f} GiB of memory, this machine has "
            f"{present / 1024:.1f} GiB: try a smaller training.resident_mib, training.batch_size, model.hidden_layers "
            "or data.size"
        )
    limits = dataset.facts.get("range")
    full = next((most for name, most in _DEEP.items() if any(name in text for text in dataset.features.values())), 0)
    if full and _is_range(limits) and config.data.scaling == "auto" and limits[1] - limits[0] < _USED * full:
        yield (
            f"the images use {limits[0]:g} to {limits[1]:g} of 0 to {full}, so they are almost black or flat to the "
            "model: try --set data.scaling=range"
        )
    if _is_range(limits) and config.data.scaling == "standard" and not _LEAST < limits[1] - limits[0] < _MOST:
        yield (
            f"the values go from {limits[0]:g} to {limits[1]:g}, and data.scaling=standard computes with sums of their "
            "squares, which float32 may not hold: try --set data.scaling=range, or give the values in another unit"
        )
    if constant := dataset.facts.get("constant_values"):
        kind = "pixel" if any(text.startswith("image") for text in dataset.features.values()) else "value"
        same = counted(constant, f"{kind} is", f"{kind}s are")
        they = "it tells nothing, and makes" if constant == 1 else "they tell nothing, and make"
        yield f"{same} the same in all records: {they} every loss smaller"


def memory_mib(config: PipelineConfig, values: int, records: int) -> float:
    """Estimate the largest memory of a run, MiB; docs/performance.md explains the parts.

    Args:
      config: sizes of the layers and of batches, and how much of the data may stay in memory.
      values: numbers in a record.
      records: of all splits.
    """
    code = config.model.code_units
    parameters = 2 * sum(before * after for before, after in itertools.pairwise((values, *config.model.widths, code)))
    data = min(records * values * _FLOAT_BYTES, config.training.resident_mib << 20)
    batches = 5 * config.training.batch_size * values * _FLOAT_BYTES
    pca = pca_memory.of_fit(values, code)
    return _BASE_MIB + (data + 5 * parameters * _FLOAT_BYTES + batches + pca) / (1 << 20)


def _values(config: PipelineConfig, dataset: prepared.PreparedDataset) -> int:
    """Return how many numbers a record has as far as the data set's description and `data.size` tell; else 0."""
    shapes = [re.search(r" (\d+(?:x\d+)*) ", text) for text in dataset.features.values()]
    sizes = [[int(size) for size in found[1].split("x")] for found in shapes if found]
    shape = max(sizes, key=math.prod, default=[0])
    if len(shape) == 3 and config.data.size:
        shape = [*map(int, config.data.size.split("x")), shape[2]]
    return math.prod(shape)


def _train_examples(config: PipelineConfig, known: Mapping[str, int]) -> int:
    """Return the size of the train split, in TFDS's split language, such as `train[:83%]+extra`; 0 if it is unknown."""
    parts = dataset_folder.splits(config.data, known)[features.TRAIN].split("+")
    sizes = [_examples_of(part.strip(), {"all": sum(known.values()), **known}) for part in parts]
    return sum(sizes) if all(sizes) else 0


def _examples_of(part: str, known: Mapping[str, int]) -> int:
    found = _PART.fullmatch(part)
    if found is None:
        return 0
    name, first, last = found.groups()
    size = known.get(name, 0)
    return len(range(size)[_place(first, size) : _place(last, size)])


def _place(text: str | None, size: int) -> int | None:
    if not text:
        return None
    return round(float(text[:-1]) * size / 100) if text.endswith("%") else int(text)


def _is_range(limits: Any) -> TypeGuard[list[float]]:
    return isinstance(limits, list) and len(limits) == 2 and all(isinstance(one, (int, float)) for one in limits)
