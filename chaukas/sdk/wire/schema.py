"""
The fields of an event, read from the generated description.

The .proto files say once which fields exist; what turns events into messages,
and what hashes them, both ask here and so cannot disagree.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf import descriptor_pb2

__all__ = ("Field", "Kind", "Shape", "event_shape")


class Kind(enum.Enum):
    """What a field holds, as far as its JSON form is concerned."""

    TEXT = "text"
    FLAG = "true or false"
    INTEGER = "32-bit integer"
    NUMBER = "number"
    NAME = "name of an enum's value"
    TIME = "RFC 3339 time"
    TREE = "object of any content"
    ANY = "object with @type and value"
    MESSAGE = "object of known fields"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    path: str
    """From the event down, such as `tool_call.tool_id`."""
    number: int
    kind: Kind
    repeated: bool
    content: bool
    """Member of the event's oneof: at most one of these may be given."""
    names: Mapping[str, int]
    """The enum's numbers by name; empty for other kinds."""
    shape: Shape | None
    """The message's own fields; None for other kinds."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of one message."""

    fields: Mapping[str, Field]
    """By JSON name."""
    aliases: Mapping[str, str]
    """Names that are accepted instead, and the name that they stand for."""


_ALIASES: Mapping[str, Mapping[str, str]] = {
    # The published spec calls them so.
    "ToolCall": {"id": "tool_id", "name": "tool_name"},
}

_WELL_KNOWN = {
    ".google.protobuf.Struct": Kind.TREE,
    ".google.protobuf.Timestamp": Kind.TIME,
    ".google.protobuf.Any": Kind.ANY,
}


@functools.cache
def event_shape() -> Shape:
    """Return the fields of an event; loads protobuf when first called."""
    # Loading protobuf takes longer than loading all of the SDK.
    from google.protobuf import descriptor_pb2

    # As above.
    from .proto import events_pb2

    # The serialised form is read, since the descriptor objects of different
    # protobuf releases name the same facts differently (label, is_repeated).
    file = descriptor_pb2.FileDescriptorProto.FromString(
        events_pb2.DESCRIPTOR.serialized_pb
    )
    return _Reader(file).shape("Event", "")


class _Reader:
    """Reads the messages of one file."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._messages = {message.name: message for message in file.message_type}
        self._names = {
            item.name: MappingProxyType({v.name: v.number for v in item.value})
            for item in file.enum_type
        }
        prefix = f".{file.package}."
        self._kinds = dict(_WELL_KNOWN)
        self._kinds.update({prefix + name: Kind.MESSAGE for name in self._messages})
        self._kinds.update({prefix + name: Kind.NAME for name in self._names})

    def shape(self, message: str, prefix: str) -> Shape:
        """Return the fields of `message`, whose paths begin with `prefix`."""
        fields = {
            field.name: self._field(field, prefix + field.name)
            for field in self._messages[message].field
        }
        aliases = MappingProxyType(dict(_ALIASES.get(message, {})))
        return Shape(MappingProxyType(fields), aliases)

    def _field(self, field: descriptor_pb2.FieldDescriptorProto, path: str) -> Field:
        kind = self._kinds.get(field.type_name) or _scalar_kind(field)
        short = field.type_name.rpartition(".")[2]
        return Field(
            name=field.name,
            path=path,
            number=field.number,
            kind=kind,
            repeated=field.label == field.LABEL_REPEATED,
            content=field.HasField("oneof_index"),
            names=self._names.get(short, MappingProxyType({})),
            shape=self.shape(short, f"{path}.") if kind is Kind.MESSAGE else None,
        )


def _scalar_kind(field: descriptor_pb2.FieldDescriptorProto) -> Kind:
    return {
        field.TYPE_STRING: Kind.TEXT,
        field.TYPE_BOOL: Kind.FLAG,
        field.TYPE_INT32: Kind.INTEGER,
        field.TYPE_DOUBLE: Kind.NUMBER,
    }[field.type]
