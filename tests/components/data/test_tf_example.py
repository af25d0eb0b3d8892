"""Serialized tf.Examples: the bytes that protobuf itself writes."""

from __future__ import annotations

import numpy as np
import pytest

from tests import lazy

tf = lazy.module("tensorflow")
tf_example = lazy.module("components.data.tf_example")

pytestmark = pytest.mark.component


def by_protobuf(data: object, numbers: dict[str, int], record_id: str) -> bytes:
    example = tf.train.Example()
    feature = example.features.feature
    if isinstance(data, bytes):
        feature["image"].bytes_list.value.append(data)
    else:
        feature["values"].float_list.value.extend(data)
    for name, number in numbers.items():
        feature[name].int64_list.value.append(number)
    if record_id:
        feature["id"].bytes_list.value.append(record_id.encode())
    return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("length", [0, 1, 100, 127, 128, 16_383, 16_384, 300_000])
def test_example_of_a_file_has_the_bytes_of_protobuf(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    for numbers, record_id in (
        ({}, ""),
        ({"height": 28, "width": 28, "label": 7}, ""),
        ({"width": 1, "height": 300, "channels": 3, "label": 0}, "pictures/Größe 1.png"),
    ):
        assert tf_example.serialized(data, numbers, record_id) == by_protobuf(data, numbers, record_id)


@pytest.mark.parametrize("length", [1, 5, 32, 4_096])
def test_example_of_numbers_has_the_bytes_of_protobuf(length: int) -> None:
    values = np.random.default_rng(length).normal(size=length).astype(np.float32)
    values[0] = -0.0
    assert tf_example.serialized(values, {"label": 2}, "row 1") == by_protobuf(values.tolist(), {"label": 2}, "row 1")
    special = np.array([np.inf, -np.inf, np.nan, np.finfo(np.float32).tiny / 2], np.float32)
    assert tf_example.serialized(special) == by_protobuf(special.tolist(), {}, "")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)])
def test_integers_of_64_bits_have_the_bytes_of_protobuf(number: int) -> None:
    assert tf_example.serialized(b"file", {"label": number}) == by_protobuf(b"file", {"label": number}, "")
