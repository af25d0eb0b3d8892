"""The configuration of the pipeline: every number, its meaning, its unit and what it may be.

`PipelineConfig` is a tree of frozen dataclasses. A value is checked when the object is made; a bad one raises a
`ValueError` that names the field, the value and what is allowed. `PROFILES` holds the named sets of values. This
module needs the standard library only, so that every command may import it at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

Value = str | int | float | bool


def _setting(
    default: Value,
    meaning: str,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    may_be_empty: bool = True,
) -> Any:
    """A field with its meaning and what is allowed: `low` and `high` may be taken, `above` may not."""
    limits = {
        "meaning": meaning,
        "low": low,
        "above": above,
        "high": high,
        "choices": choices,
        "may_be_empty": may_be_empty,
    }
    return dataclasses.field(default=default, metadata=limits)


@dataclasses.dataclass(frozen=True)
class _Section:
    """A group of settings that checks its values when it is made."""

    section: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _checked(f"{self.section}.{field.name}", field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)


@dataclasses.dataclass(frozen=True)
class DataConfig(_Section):
    """Which data set, where from, and how it is split."""

    section = "data"

    dataset: str = _setting("mnist", "name in TensorFlow Datasets, with its config if it has one: emnist/letters")
    source: str = _setting(
        "auto",
        "tfds: prepared or downloaded; sample: the embedded digits; auto: tfds, and for mnist else the sample",
        choices=("auto", "tfds", "sample"),
    )
    data_dir: str = _setting("", "folder of prepared data sets; empty: TFDS_DATA_DIR, else TFDS's default folder")
    train_split: str = _setting("train[:83%]", "examples to train on, in TFDS's split language")
    validation_split: str = _setting("train[83%:]", "examples to validate on after each epoch")
    test_split: str = _setting("test", "examples to evaluate the finished model on")
    schema: str = _setting("", "curated schema in components/schemas; empty: made from the data set's description")
    train_examples: int = _setting(0, "examples that the train split must hold; 0: any number", low=0)
    validation_examples: int = _setting(0, "examples that the validation split must hold; 0: any number", low=0)
    test_examples: int = _setting(0, "examples that the test split must hold; 0: any number", low=0)
    shard_examples: int = _setting(10_000, "examples in one output file", low=1)
    download_timeout: float = _setting(5.0, "seconds to find out whether a download host answers", above=0, high=10)


@dataclasses.dataclass(frozen=True)
class ModelConfig(_Section):
    """The sparse autoencoder: image - hidden - code - hidden - image."""

    section = "model"

    hidden_units: int = _setting(256, "units of the layer before and of the layer after the code", low=1, high=65_536)
    code_units: int = _setting(32, "units of the code", low=1, high=65_536)
    l1: float = _setting(1e-3, "weight of the L1 penalty: l1 * sum |code|, mean over examples", low=0, high=1)
    code_bias: float = _setting(
        1.0, "where the biases of the code start; above 0, fewer units start dead", low=0, high=10
    )


@dataclasses.dataclass(frozen=True)
class TrainingConfig(_Section):
    """How the model is trained (Adam, binary cross-entropy)."""

    section = "training"

    epochs: int = _setting(50, "passes over the train split", low=1, high=100_000)
    batch_size: int = _setting(256, "examples in one optimiser step", low=1, high=1_048_576)
    learning_rate: float = _setting(1e-3, "Adam's step size", above=0, high=1)
    seed: int = _setting(0, "seed of the weights and of each epoch's order", low=0, high=2**31 - 1)
    resident_mib: int = _setting(
        2048, "MiB of images (float32) that may stay in memory; more than that is streamed by tf.data", low=0
    )
    jit_compile: bool = _setting(True, "compile the training step with XLA")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(_Section):
    """What a model must reach on the test split to be blessed.

    Losses are reconstruction losses without the L1 penalty: binary cross-entropy in nats per pixel.
    """

    section = "evaluation"

    max_bce: float = _setting(math.inf, "largest test loss of a blessed model; inf: no such gate", above=0)
    max_bce_worst_label: float = _setting(math.inf, "the same for the label with the largest loss", above=0)
    max_bce_to_mean_image: float = _setting(
        0.9, "largest ratio of the loss to that of always predicting the mean training image", above=0, high=0.99
    )
    batch_size: int = _setting(1_000, "examples in one batch of evaluation", low=1, high=1_048_576)
    images_per_label: int = _setting(1, "test images of each label in the report", low=1, high=20)


@dataclasses.dataclass(frozen=True)
class ServingConfig(_Section):
    """When a blessed model replaces the one that is served."""

    section = "serving"

    # Seeds of the reference setting differ by up to 3 % (docs/model.md): no reason to refuse.
    max_bce_to_served: float = _setting(
        1.05, "largest ratio of its test loss to that of the served model of the same L1; inf: any", above=0
    )


@dataclasses.dataclass(frozen=True)
class EngineConfig(_Section):
    """How much of the machine is used. Never read off the machine: a run uses the same everywhere."""

    section = "engine"

    beam_workers: int = _setting(1, "worker processes of a Beam job; 1: this process does the work", low=1, high=256)
    beam_batch_size: int = _setting(
        1_000, "examples that a Beam job handles at once; never tuned by the clock", low=1, high=1_048_576
    )
    checkpoint_seconds: float = _setting(
        10.0, "seconds of training from one checkpoint to the next; 0: after each epoch, inf: none", low=0
    )
    intra_op_threads: int = _setting(2, "TensorFlow's threads within one operation", low=1, high=256)
    inter_op_threads: int = _setting(2, "TensorFlow's threads across operations", low=1, high=256)


@dataclasses.dataclass(frozen=True)
class PathsConfig(_Section):
    """Where the pipeline writes."""

    section = "paths"

    root: str = _setting("pipeline_root", "folder of artifacts, metadata, logs and served models", may_be_empty=False)
    metadata_copies: int = _setting(
        3, "copies of ML Metadata's store to keep; one is made after each run that succeeds; 0: none", low=0, high=1_000
    )


@dataclasses.dataclass(frozen=True)
class SchedulePolicies(_Section):
    """How a schedule handles overlapping, missed, failed and hung runs; the defaults of `sae schedule add`.

    No result depends on these: they are in no cache key and in no run's manifest. Durations are in seconds.
    """

    section = "schedule"

    overlap: str = _setting(
        "skip",
        "a tick that comes while a run holds the root: skip it, or start it later",
        choices=("skip", "queue"),
    )
    catch_up: str = _setting("one", "missed ticks that are run later", choices=("none", "one", "all"))
    catch_up_limit: int = _setting(10, "missed ticks that are run later at most, the newest ones", low=1, high=1_000)
    max_late: float = _setting(3_600.0, "seconds after its planned time until which a tick may start", low=0)
    jitter: float = _setting(0.0, "seconds by which a tick is delayed at most, to spread load", low=0, high=86_400)
    retries: int = _setting(2, "retries after a failure that may be temporary", low=0, high=100)
    retry_wait: float = _setting(
        60.0, "seconds before the first retry; doubled for each further one", above=0, high=86_400
    )
    timeout: float = _setting(0.0, "seconds after which a run is interrupted; 0: never", low=0)
    on_failure: str = _setting("", "command to run after a failure; it reads the run's JSON on standard input")
    on_success: str = _setting("", "command to run after a success; it reads the run's JSON on standard input")


@dataclasses.dataclass(frozen=True)
class RetentionConfig(_Section):
    """What `sae gc` keeps. No result depends on it: it is in no cache key and in no run's manifest."""

    section = "retention"

    runs: int = _setting(10, "newest runs that are kept with all that they made or used", low=1)
    pushed: int = _setting(5, "models pushed before the served one that are kept, for a rollback", low=0)
    max_mib: int = _setting(
        20_480, "MiB that the root may hold: above that older runs of these go as well; 0: no limit", low=0
    )


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """Every setting."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    serving: ServingConfig = dataclasses.field(default_factory=ServingConfig)
    engine: EngineConfig = dataclasses.field(default_factory=EngineConfig)
    paths: PathsConfig = dataclasses.field(default_factory=PathsConfig)
    retention: RetentionConfig = dataclasses.field(default_factory=RetentionConfig)


SECTIONS: dict[str, type[Any]] = {
    cls.section: cls
    for cls in (
        DataConfig,
        ModelConfig,
        TrainingConfig,
        EvaluationConfig,
        ServingConfig,
        EngineConfig,
        PathsConfig,
        RetentionConfig,
    )
}

# The reference description: 50,000 / 10,000 / 10,000 images. The gates lie above what the reference setting reaches
# with L1 from 0 to 1e-3 (0.079 to 0.094) and far below a collapsed model (0.2625).
_MNIST: dict[str, Value] = {
    "data.dataset": "mnist",
    "data.train_split": "train[:50000]",
    "data.validation_split": "train[50000:]",
    "data.test_split": "test",
    "data.schema": "mnist",
    "data.train_examples": 50_000,
    "data.validation_examples": 10_000,
    "data.test_examples": 10_000,
    "evaluation.max_bce": 0.12,
    "evaluation.max_bce_worst_label": 0.16,
}

PROFILES: dict[str, dict[str, Value]] = {
    "mnist": _MNIST,
    # 5,000 digits in the proportions of the reference, 5 : 1 : 1. A tenth of the data takes a tenth of the steps in an
    # epoch, so more epochs are needed; with them a run still takes well under a minute.
    "sample": {
        "data.dataset": "mnist_sample",
        "data.source": "sample",
        "data.train_split": "train[:3572]",
        "data.validation_split": "train[3572:4286]",
        "data.test_split": "train[4286:]",
        "data.schema": "mnist",
        "data.train_examples": 3_572,
        "data.validation_examples": 714,
        "data.test_examples": 714,
        "evaluation.max_bce": 0.2,
        "evaluation.max_bce_worst_label": 0.25,
    },
    # The same shape and splits; clothes fill more of the picture with middle greys, so no model comes near MNIST's
    # loss.
    "fashion_mnist": {
        **_MNIST,
        "data.dataset": "fashion_mnist",
        "data.schema": "fashion_mnist",
        "evaluation.max_bce": 0.32,
        "evaluation.max_bce_worst_label": 0.45,
    },
}


def setting_names() -> list[str]:
    """The dotted name of every setting, in the order of this file: `data.dataset`, ..."""
    return [f"{section}.{field.name}" for section, cls in SECTIONS.items() for field in dataclasses.fields(cls)]


def setting_field(name: str) -> dataclasses.Field[Any]:
    """The dataclass field behind a dotted name. Raises `KeyError` where there is none."""
    section, _, key = name.partition(".")
    for field in dataclasses.fields(SECTIONS[section]):
        if field.name == key:
            return field
    raise KeyError(name)


def allowed(field: dataclasses.Field[Any]) -> str:
    """What a setting may be, in words: `a whole number, at least 1`."""
    limits = field.metadata
    if not limits["may_be_empty"]:
        return "text that is not empty"
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}[str(field.type)]
    if limits["choices"]:
        return "one of " + ", ".join(limits["choices"])
    if limits["low"] is not None:
        words += f", at least {limits['low']:g}"
    if limits["above"] is not None:
        words += f", above {limits['above']:g}"
    if limits["high"] is not None:
        words += f", at most {limits['high']:.10g}"
    return words


def check(name: str, value: object) -> Value:
    """Returns the value of setting `name`, a whole number made a float where a float is wanted.

    Raises:
      ValueError: wrong type or out of range; names the setting, the value and what is allowed.
    """
    return _checked(name, setting_field(name), value)


def _checked(name: str, field: dataclasses.Field[Any], value: object) -> Value:
    limits = field.metadata
    kind = str(field.type)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # larger than any float: refused below
            value = float(value)
    good = isinstance(value, {"int": int, "float": float, "bool": bool, "str": str}[kind])
    good = good and (kind == "bool" or not isinstance(value, bool))
    if good and isinstance(value, (int, float)):
        good = (
            not math.isnan(value)
            and (limits["low"] is None or value >= limits["low"])
            and (limits["above"] is None or value > limits["above"])
            and (limits["high"] is None or value <= limits["high"])
        )
    if good and limits["choices"]:
        good = value in limits["choices"]
    good = good and (value != "" or limits["may_be_empty"])
    if not good:
        raise ValueError(f"{name} = {value!r} is not allowed: it must be {allowed(field)}")
    assert isinstance(value, (str, int, float, bool))
    return value


def build(values: Mapping[str, Value]) -> PipelineConfig:
    """The configuration with these dotted names set and every other at its default. Raises `ValueError`."""
    sections: dict[str, dict[str, Value]] = {section: {} for section in SECTIONS}
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections[section][key] = value
    return PipelineConfig(**{section: cls(**sections[section]) for section, cls in SECTIONS.items()})


def flatten(config: PipelineConfig) -> dict[str, Value]:
    """Every setting of `config` by its dotted name."""
    return {name: getattr(getattr(config, name.partition(".")[0]), name.partition(".")[2]) for name in setting_names()}


def of_run(config: PipelineConfig) -> dict[str, Value]:
    """The settings that a run is made from, by dotted name: all but those of what is kept afterwards."""
    return {
        name: value for name, value in flatten(config).items() if not name.startswith(f"{RetentionConfig.section}.")
    }
