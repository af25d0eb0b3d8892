"""Protocol buffers from a part of their `.proto` text, for messages whose own package imports TensorFlow.

Only the named fields are read: a file that has others, or those of a later version, is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = re.compile(r"(?:(repeated) )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);")
_MESSAGE = re.compile(r"message (\w+) \{([^}]*)\}")
_NUMBERS = descriptor_pb2.FieldDescriptorProto.Type
_Field = descriptor_pb2.FieldDescriptorProto


def classes(package: str, text: str) -> Mapping[str, Any]:
    """Return the class of each message, by name.

    Args:
      package: of the messages.
      text: messages as in a `.proto` file, none inside another: scalars, messages, `repeated` and `map<string, ...>`.
        An enumeration is an `int32`. Every field records whether it is set, as in the syntax `proto2`.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, body in _MESSAGE.findall(text):
        file.message_type.add(name=name)
        for repeated, of_map, type_name, field, number in _fields(body):
            _add(file.message_type[-1], package, field, number, of_map or type_name, bool(repeated), bool(of_map))
    pool = descriptor_pool.DescriptorPool()  # of its own: TensorFlow registers messages of the same names
    pool.AddSerializedFile(file.SerializeToString())
    found = (pool.FindMessageTypeByName(f"{package}.{one.name}") for one in file.message_type)
    return {one.name: _class_of(one, pool) for one in found}


def _fields(body: str) -> Iterator[tuple[str, ...]]:
    lines = (line.partition("//")[0].strip() for line in body.splitlines())
    for line in filter(None, lines):
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ValueError(f"not a field: {line}")
        yield match.groups(default="")


def _add(message: Any, package: str, field: str, number: str, kind: str, repeated: bool, is_map: bool) -> None:
    label = _Field.LABEL_REPEATED if repeated or is_map else _Field.LABEL_OPTIONAL
    made = message.field.add(name=field, number=int(number), label=label)
    if is_map:
        entry = message.nested_type.add(name="".join(part.capitalize() for part in field.split("_")) + "Entry")
        entry.options.map_entry = True
        _add(entry, package, "key", "1", "string", False, False)
        _add(entry, package, "value", "2", kind, False, False)
        made.type, made.type_name = _Field.TYPE_MESSAGE, f".{package}.{message.name}.{entry.name}"
    elif f"TYPE_{kind.upper()}" in _NUMBERS.keys():  # noqa: SIM118 - no mapping
        made.type = _NUMBERS.Value(f"TYPE_{kind.upper()}")
    else:
        made.type, made.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"


def _class_of(descriptor: Any, pool: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):  # from protobuf 4.22 on
        return message_factory.GetMessageClass(descriptor)
    factory: Any = message_factory.MessageFactory(pool)
    return factory.GetPrototype(descriptor)
