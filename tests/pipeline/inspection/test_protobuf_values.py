"""Plain values from protocol buffers."""

from __future__ import annotations

import datetime

import pytest
from google.protobuf import any_pb2, struct_pb2
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.inspection import protobuf_values


def test_a_time_is_in_utc_and_what_is_none_stays_none():
    # 1,000,000,000 s after 1970 began was 2001-09-09 01:46:40 UTC, a date in every textbook.
    assert protobuf_values.when(1_000_000_000_250) == datetime.datetime(
        2001, 9, 9, 1, 46, 40, 250_000, tzinfo=datetime.timezone.utc
    )
    assert protobuf_values.when(0) is None
    assert protobuf_values.when(2**62) is None


def test_each_kind_of_property_becomes_a_plain_value():
    wrapped, plain = struct_pb2.Struct(), struct_pb2.Struct()
    wrapped.update({"__value__": {"train": 1.0}})
    plain.update({"a": ["b", 2]})
    assert protobuf_values.value_of(pb.Value(int_value=3)) == 3
    assert protobuf_values.value_of(pb.Value(double_value=0.5)) == 0.5
    assert protobuf_values.value_of(pb.Value(string_value="text")) == "text"
    assert protobuf_values.value_of(pb.Value(bool_value=True)) is True
    assert protobuf_values.value_of(pb.Value(struct_value=wrapped)) == {"train": 1.0}
    assert protobuf_values.value_of(pb.Value(struct_value=plain)) == {"a": ["b", 2.0]}
    packed = any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"1234")
    assert protobuf_values.value_of(pb.Value(proto_value=packed)) == "type.googleapis.com/x.Y (4 bytes)"
    assert protobuf_values.value_of(pb.Value()) is None


def test_the_key_and_index_of_an_event():
    steps = [pb.Event.Path.Step(key="model"), pb.Event.Path.Step(index=2)]
    assert protobuf_values.key_of(pb.Event(path=pb.Event.Path(steps=steps))) == ("model", 2)
    assert protobuf_values.key_of(pb.Event()) == ("", 0)


@pytest.mark.parametrize("odd", ["", "{", "[", "null", "7", "[" * 100_000, None, 3])
def test_json_that_is_something_else_gives_nothing(odd):
    assert protobuf_values.texts_of(odd) == ()
    assert protobuf_values.object_of(odd) == {}


def test_json_that_is_right_is_read():
    assert protobuf_values.texts_of('["a", 1]') == ("a", "1")
    assert protobuf_values.object_of('{"a": 1}') == {"a": 1}
    assert protobuf_values.numbers_of({"a": 1, "b": "x", "c": True, "d": 0.5}) == {"a": 1.0, "d": 0.5}
    assert protobuf_values.numbers_of([1]) == {}
