"""Plain values from protocol buffers."""

from __future__ import annotations

import datetime

import pytest
from google.protobuf import any_pb2, struct_pb2
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.metadata import protobuf
from pipeline.metadata.types import json_of, numbers_of


def test_a_time_is_in_utc_and_what_is_none_stays_none():
    # 1,000,000,000 s after 1970 began was 2001-09-09 01:46:40 UTC, a date in every textbook.
    assert protobuf.time_of(1_000_000_000_250) == datetime.datetime(
        2001, 9, 9, 1, 46, 40, 250_000, tzinfo=datetime.timezone.utc
    )
    assert protobuf.time_of(0) is None
    assert protobuf.time_of(2**62) is None


def test_each_kind_of_property_becomes_a_plain_value():
    wrapped, plain = struct_pb2.Struct(), struct_pb2.Struct()
    wrapped.update({"__value__": {"train": 1.0}})
    plain.update({"a": ["b", 2]})
    assert protobuf.value_of(pb.Value(int_value=3)) == 3
    assert protobuf.value_of(pb.Value(double_value=0.5)) == 0.5
    assert protobuf.value_of(pb.Value(string_value="text")) == "text"
    assert protobuf.value_of(pb.Value(bool_value=True)) is True
    assert protobuf.value_of(pb.Value(struct_value=wrapped)) == {"train": 1.0}
    assert protobuf.value_of(pb.Value(struct_value=plain)) == {"a": ["b", 2.0]}
    packed = any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"1234")
    assert protobuf.value_of(pb.Value(proto_value=packed)) == "type.googleapis.com/x.Y (4 bytes)"
    assert protobuf.value_of(pb.Value()) is None


def test_the_keys_of_a_structure_are_sorted():
    """protobuf has them in an order that differs from process to process."""
    letters = dict.fromkeys("jbtfqkadwxruneygohimspvlcz", 1.0)
    struct = struct_pb2.Struct()
    struct.update({**letters, "z": letters})
    found = protobuf.value_of(pb.Value(struct_value=struct))
    assert list(found) == list(found["z"]) == sorted(letters)


def test_a_custom_property_goes_before_one_of_the_type_and_a_missing_one_is_the_default():
    context = pb.Context()
    context.properties["a"].int_value, context.properties["b"].int_value = 1, 2
    context.custom_properties["b"].string_value = "custom"
    found = protobuf.properties_of(context)
    assert (found.get("a"), found.get("b"), found.get("c"), found.get("c", "none")) == (1, "custom", None, "none")
    assert dict(found) == {"a": 1, "b": "custom"}


def test_the_key_and_index_of_an_event():
    steps = [pb.Event.Path.Step(key="model"), pb.Event.Path.Step(index=2)]
    found = protobuf.event_of(pb.Event(path=pb.Event.Path(steps=steps)))
    assert (found.key, found.index) == ("model", 2)
    assert (protobuf.event_of(pb.Event()).key, protobuf.event_of(pb.Event()).index) == ("", 0)


@pytest.mark.parametrize(
    ("kind", "wrote", "declared"),
    [
        ("INPUT", False, True),
        ("DECLARED_INPUT", False, True),
        ("INTERNAL_INPUT", False, False),
        ("OUTPUT", True, True),
        ("DECLARED_OUTPUT", True, True),
        ("INTERNAL_OUTPUT", True, False),
        ("PENDING_OUTPUT", True, False),
    ],
)
def test_the_kinds_of_an_event(kind, wrote, declared):
    found = protobuf.event_of(pb.Event(type=pb.Event.Type.Value(kind)))
    assert (found.wrote, found.declared) == (wrote, declared)


def test_properties_are_sorted_those_of_the_type_first_and_custom_ones_count():
    artifact = pb.Artifact()
    for name, value in (("span", 3), ("blessed", 0)):
        artifact.properties[name].int_value = value
    for name, value in (("own", 7), ("a", 1), ("blessed", 1)):
        artifact.custom_properties[name].int_value = value
    found = protobuf.properties_of(artifact)
    assert list(found.items()) == [("blessed", 1), ("span", 3), ("a", 1), ("own", 7)]
    assert found == {"a": 1, "blessed": 1, "own": 7, "span": 3}
    assert ("gone" in found, found.get("gone"), len(found)) == (False, None, 4)
    assert "gone" not in artifact.custom_properties  # asking for what is not there does not add it


@pytest.mark.parametrize("odd", ["", "{", "[", "null", "7", "[" * 100_000, None, 3])
def test_json_that_is_something_else_gives_nothing(odd):
    assert json_of(odd, list) == []
    assert json_of(odd, dict) == {}


def test_json_that_is_right_is_read():
    assert json_of('["a", 1]', list) == ["a", 1]
    assert json_of('{"a": 1}', dict) == {"a": 1}
    assert numbers_of({"a": 1, "b": "x", "c": True, "d": 0.5}) == {"a": 1.0, "d": 0.5}
    assert numbers_of([1]) == {}
