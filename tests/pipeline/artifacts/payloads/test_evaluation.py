"""TFMA's metrics by slice, and the thresholds that were not met."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.artifacts.payloads import evaluation
from pipeline.artifacts.sections import Preview, Text
from pipeline.artifacts.types import StoredArtifact
from tests.builders.foreign_files import message, tfrecord


def shown(folder: pathlib.Path, *records: str, name: str = "metrics-00000-of-00001.tfrecord") -> Preview | None:
    tfrecord(folder / name, [message("MetricsForSlice", record) for record in records])
    made = evaluation.make(StoredArtifact("ModelEvaluation", folder, {}))
    return made[0] if made else None


def number(name: str, value: str, key: str = "") -> str:
    return f'metric_keys_and_values {{ key {{ name: "{name}" {key} }} value {{ {value} }} }}'


def test_metrics_overall_and_by_slice(tmp_path: pathlib.Path) -> None:
    hour = 'slice_key { single_slice_keys { column: "hour" int64_value: 5 } '
    both = f'{hour} single_slice_keys {{ column: "day" bytes_value: "mon" }} }}'
    made = shown(
        tmp_path,
        number("auc", "double_value { value: 0.5 }") + number("loss", "bounded_value { value { value: 2 } }"),
        f'{both} {number("auc", "double_value { value: 0.25 }")}',
        f'{hour} }} {number("auc", "double_value { value: 0.75 }")}',
    )  # fmt: skip
    assert made is not None
    assert made.sections[0].values == {"auc": 0.5, "loss": 2.0}  # type: ignore[union-attr]
    assert made.records("metrics of slices") == [
        {"slice": "hour 5", "auc": 0.75},
        {"slice": "hour 5, day mon", "auc": 0.25},
    ]


def test_what_else_identifies_a_metric_is_in_its_name(tmp_path: pathlib.Path) -> None:
    keys = {
        'model_name: "candidate"': "auc",
        'model_name: "baseline"': "auc (model baseline)",
        'output_name: "y" sub_key { class_id { value: 3 } }': "auc (output y, class 3)",
        "sub_key { top_k { value: 5 } } is_diff: true": "auc (top 5, difference from the baseline)",
    }
    made = shown(tmp_path, *(number("auc", "double_value { value: 1 }", key) for key in keys))
    assert made is not None
    assert made.sections[0].values == dict.fromkeys(keys.values(), 1.0)  # type: ignore[union-attr]


def test_what_is_no_finite_number_is_named(tmp_path: pathlib.Path) -> None:
    made = shown(tmp_path, number("auc", "double_value { value: nan }") + number("matrix", ""))
    assert made is not None
    [_, text] = made.sections
    assert isinstance(text, Text)
    assert text.items == ("auc", "matrix")


def test_metrics_of_early_versions(tmp_path: pathlib.Path) -> None:
    made = shown(tmp_path, 'metrics { key: "auc" value { double_value { value: 0.5 } } }', name="metrics")
    assert made is not None
    assert made.sections[0].values == {"auc": 0.5}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("validation_ok: true", ("thresholds passed", True, ())),
        ("missing_thresholds: true", ("", None, ())),
        (
            'metric_validations_per_slice { failures { metric_key { name: "auc" } '
            'metric_value { double_value { value: 0.5 } } message: "below 0.6" } }',
            ("thresholds not met", False, ("auc is 0.5: below 0.6",)),
        ),
    ],
)
def test_the_validation_names_thresholds_that_were_not_met(
    tmp_path: pathlib.Path, text: str, expected: tuple[str, bool | None, tuple[str, ...]]
) -> None:
    tfrecord(tmp_path / "validations.tfrecord", [message("ValidationResult", text)])
    made = evaluation.make(StoredArtifact("ModelEvaluation", tmp_path, {}))
    assert made is not None
    [found] = made[0].sections
    assert isinstance(found, Text)
    assert (found.verdict, found.passed, found.items) == expected


def test_metrics_in_parquet_files_are_said_not_to_be_shown(tmp_path: pathlib.Path) -> None:
    (tmp_path / "metrics-0.parquet").touch()
    made = evaluation.make(StoredArtifact("ModelEvaluation", tmp_path, {}))
    assert made is not None
    assert "Parquet" in made[0].sections[0].text  # type: ignore[union-attr]
