"""Which fields of a request with events hold messages, as the spec's own code says."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .counted import Schema

__all__ = ("ENVELOPE", "schema_of")

ENVELOPE: Final[Schema] = {1: {}}
"""Of a batch alone: what is in its events is not looked at."""

_LIGHT: Final = frozenset(
    f"google.protobuf.{name}"
    for name in ("Struct", "Struct.FieldsEntry", "Value", "ListValue")
)


@cache
def schema_of(*, is_batch: bool) -> tuple[Schema, tuple[Schema, ...]]:
    """Return the schema of a request, and those in it that are values of metadata."""
    # Loading protobuf takes longer than loading all of the SDK.
    from chaukas.sdk.wire.proto import ingest_pb2

    request = "IngestEventBatchRequest" if is_batch else "IngestEventRequest"
    known: dict[str, Schema] = {}
    schema = _schema(getattr(ingest_pb2, request).DESCRIPTOR, known)
    return schema, tuple(known[name] for name in sorted(_LIGHT & known.keys()))


def _schema(descriptor: Any, known: dict[str, Schema]) -> Schema:
    found = known.get(descriptor.full_name)
    if found is None:
        # Kept before its fields are known: some messages hold their own kind.
        found = known[descriptor.full_name] = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                found[field.number] = _schema(field.message_type, known)
    return found
