"""The schemas: the curated ones say what is generated for their data sets."""

from __future__ import annotations

import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data import curated_schemas, schema


def parse(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist"])
def test_curated_schema_is_the_generated_one(name: str) -> None:
    curated = parse(curated_schemas.path_of(name).read_text(encoding="utf-8"))
    assert curated == parse(schema.schema_text(height=28, width=28, labels=10))


def test_generated_schema_holds_the_sizes_that_it_was_given() -> None:
    found = parse(schema.schema_text(height=6, width=8, labels=3))
    domains = {feature.name: (feature.int_domain.min, feature.int_domain.max) for feature in found.feature}
    assert domains == {"image": (0, 0), "height": (6, 6), "width": (8, 8), "label": (0, 2)}
    assert {feature.name for feature in found.feature if feature.type == schema_pb2.BYTES} == {"image"}
    assert found.dataset_constraints.min_examples_count == 1
    for feature in found.feature:
        assert (feature.presence.min_fraction, feature.presence.min_count) == (1.0, 1)
        assert [dimension.size for dimension in feature.shape.dim] == [1]


def test_colour_without_labels_has_channels_and_no_label() -> None:
    found = parse(schema.schema_text(height=6, width=8, labels=0, channels=3))
    domains = {feature.name: (feature.int_domain.min, feature.int_domain.max) for feature in found.feature}
    assert domains == {"image": (0, 0), "height": (6, 6), "width": (8, 8), "channels": (3, 3)}


@pytest.mark.parametrize(
    ("kind", "height", "names"), [("vector", 1, ["values"]), ("image", 5, ["values", "height", "width"])]
)
def test_floats_are_values_that_are_finite(kind: str, height: int, names: list[str]) -> None:
    found = parse(schema.schema_text(height=height, width=96, labels=0, kind=kind, dtype="float32"))
    assert [feature.name for feature in found.feature] == names
    values = found.feature[0]
    assert (values.type, values.shape.dim[0].size) == (schema_pb2.FLOAT, height * 96)
    assert values.float_domain.disallow_nan
    assert values.float_domain.disallow_inf


@pytest.mark.parametrize("name", curated_schemas.names())
def test_the_size_that_a_curated_schema_fixes_is_that_of_its_file(name: str) -> None:
    text = curated_schemas.path_of(name).read_text()
    assert text.count("min: 28 max: 28") == 2
    assert schema.curated_size(name) == (28, 28)


def test_a_schema_that_allows_several_sizes_fixes_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = curated_schemas.path_of("mnist").read_text()
    (tmp_path / "some.pbtxt").write_text(text.replace("min: 28 max: 28", "min: 28 max: 32", 1))
    (tmp_path / "wide.pbtxt").write_text(schema.schema_text(5, 7, 0))
    monkeypatch.setattr(curated_schemas, "_FOLDER", tmp_path)
    assert schema.curated_size("some") is None
    assert schema.curated_size("wide") == (5, 7)
