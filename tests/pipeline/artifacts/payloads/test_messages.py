"""Protocol buffers from a part of their text."""

from __future__ import annotations

import pytest

from pipeline.artifacts.payloads import messages

TEXT = """
    message Box {
      map<string, Part> parts = 1;  // by name
      repeated int64 sizes = 2;
      string name = 300;
    }
    message Part {
      double weight = 1;
    }
"""


def test_fields_are_read_and_others_left_alone() -> None:
    box = messages.classes("test", TEXT)["Box"]
    # By hand: {"a": Part(weight=0.5)}, packed [1, 300], an unknown field 7, and the name "ab".
    part = b"\x09" + b"\0\0\0\0\0\0\xe0\x3f"
    entry = b"\x0a\x01a" + b"\x12" + bytes([len(part)]) + part
    content = b"\x0a" + bytes([len(entry)]) + entry + b"\x12\x03\x01\xac\x02" + b"\x38\x05" + b"\xe2\x12\x02ab"
    found = box.FromString(content)
    assert ({name: one.weight for name, one in found.parts.items()}, list(found.sizes)) == ({"a": 0.5}, [1, 300])
    assert (found.name, box().HasField("name")) == ("ab", False)


def test_two_packages_may_have_messages_of_one_name() -> None:
    other = messages.classes("test", "message Box {\n int32 number = 1;\n}")["Box"]
    assert other.FromString(b"\x08\x05").number == 5
    assert {*messages.classes("test", TEXT)["Box"].DESCRIPTOR.fields_by_name} == {"parts", "sizes", "name"}


def test_a_line_that_is_no_field_is_an_error() -> None:
    with pytest.raises(ValueError, match="reserved"):
        messages.classes("test", "message Box {\n reserved 2;\n}")
