"""The declaration: three nodes, its own settings, and a CSV file for data."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from pipeline.core import file_digests
from pipeline.core.dataset import Dataset
from pipeline.core.pipeline_root import Root
from pipeline.core.settings import Request, Settings
from pipeline.definition.spec import ComponentInputs, DataSource, FoundDataset, Node, Pipeline
from pipeline_config import Configuration, Section, setting


@dataclasses.dataclass(frozen=True)
class PointsConfig(Section):
    section = "points"

    file: str = setting(str(pathlib.Path(__file__).with_name("points.csv")), "CSV file with columns x and y")
    train_percent: int = setting(75, "part of the rows to train on", unit="%", low=1, high=99)


@dataclasses.dataclass(frozen=True)
class LineConfig(Section):
    section = "line"

    steps: int = setting(50, "gradient steps", low=1)
    step_size: float = setting(0.1, "factor of the gradient", above=0)


@dataclasses.dataclass(frozen=True)
class SecondConfig(Configuration):
    profiles = {"points": {}}

    points: PointsConfig = dataclasses.field(default_factory=PointsConfig)
    line: LineConfig = dataclasses.field(default_factory=LineConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvDataset(Dataset):
    path: str


def _describe(path: str) -> CsvDataset:
    return CsvDataset(
        name="points", version="1", files={"points.csv": file_digests.of_file(pathlib.Path(path))}, path=path
    )


def _recall(root: Root, request: Request, resolved: Settings) -> FoundDataset:
    return FoundDataset(resolved, _describe(resolved.config.points.file))


def _find(root: Root, request: Request, resolved: Settings, download: Callable[[Any], None]) -> FoundDataset:
    return _recall(root, request, resolved)


def _example_gen(node: ComponentInputs) -> Any:
    from tests.second_pipeline.csv_example_gen import CsvExampleGen

    return CsvExampleGen(**node.paths, **node.parameters)


def _statistics_gen(node: ComponentInputs) -> Any:
    from tfx.components.statistics_gen.component import StatisticsGen

    return StatisticsGen(**node.inputs)


def _trainer(node: ComponentInputs) -> Any:
    from tfx.components.trainer.component import Trainer
    from tfx.proto import trainer_pb2

    return Trainer(
        run_fn="tests.second_pipeline.trainer.run_fn",
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        custom_config=dict(node.parameters),
        **node.inputs,
    )


_EXAMPLES = ("CsvExampleGen", "examples")

PIPELINE = Pipeline(
    name="points",
    nodes=(
        Node(
            "CsvExampleGen",
            _example_gen,
            outputs=("examples",),
            code="tests.second_pipeline.csv_example_gen",
            parameters=lambda config, dataset: {"train_percent": config.points.train_percent},
            contents=lambda dataset: dict(dataset.files),
            paths=lambda dataset, serving_dir: {"file": dataset.path},
        ),
        Node(
            "StatisticsGen",
            _statistics_gen,
            inputs={"examples": _EXAMPLES},
            outputs=("statistics",),
            packages=("tfx", "tensorflow-data-validation"),
            batches=True,
        ),
        Node(
            "LineTrainer",
            _trainer,
            inputs={"examples": _EXAMPLES},
            outputs=("model", "model_run"),
            code="tests.second_pipeline.trainer",
            parameters=lambda config, dataset: {"steps": config.line.steps, "step_size": config.line.step_size},
            threads=True,
            saved_models={"model": "Format-Serving"},
        ),
    ),
    configuration=SecondConfig,
    data=DataSource(
        dataset=CsvDataset,
        recall=_recall,
        find=_find,
        refresh=lambda recorded: _describe(recorded.path),
        prepare=lambda recorded, root: _describe(recorded.path),
        fingerprint=lambda root, request, resolved: _describe(resolved.config.points.file).fingerprint,
        settings=("points.file",),
    ),
    model=("LineTrainer", "model"),
)
