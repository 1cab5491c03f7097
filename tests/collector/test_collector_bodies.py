"""What a request holds is measured before it is made, however it is written."""

from __future__ import annotations

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chaukas.collector.access.callers import LOCAL
from chaukas.collector.bodies.counted import values_in_message
from chaukas.collector.bodies.decode import PROTOBUF, TOO_MUCH, decoded
from chaukas.collector.bodies.expand import expanded
from chaukas.collector.bodies.schema import ENVELOPE, schema_of
from chaukas.collector.limits import Limits
from chaukas.collector.otlp.reading import REQUEST, VALUES, SpanBody
from chaukas.collector.refusal import Refusal
from chaukas.sdk.wire.proto.ingest_pb2 import IngestEventBatchRequest

LIMITS = Limits()
TEXT = b'{"event_id": "one"}\n' * 900
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress
SKIPPED = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"


def refusal_of(call, *args, **named):
    with pytest.raises(Refusal) as caught:
        call(*args, **named)
    return caught.value.status, caught.value.text


# --- compression ---


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", FRAME)])
def test_s5_a_body_that_is_cut_short_is_damaged_wherever_it_is_cut(coding, pack):
    packed = pack(TEXT)
    statuses = {
        refusal_of(expanded, packed[:length], coding, LIMITS)[0]
        for length in range(1, len(packed))
    }
    assert statuses == {400}
    assert expanded(packed, coding, LIMITS) == TEXT


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", FRAME)])
@pytest.mark.parametrize("rest", [b"x", b"\0" * 8, b"garbage " * 40_000])
def test_s5_what_stands_behind_a_compressed_body_is_no_part_of_it(coding, pack, rest):
    assert refusal_of(expanded, pack(TEXT) + rest, coding, LIMITS)[0] == 400


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"a\n") + gzip.compress(b"") + gzip.compress(b"b\n")),
        ("zstd", FRAME(b"a\n") + SKIPPED + FRAME(b"") + FRAME(b"b\n")),
    ],
)
def test_s5_several_pieces_are_one_text(coding, body):
    assert expanded(body, coding, LIMITS) == b"a\nb\n"


@pytest.mark.parametrize(
    ("coding", "empty"),
    [("gzip", gzip.compress(b"")), ("zstd", FRAME(b"")), ("zstd", SKIPPED)],
)
def test_s5_a_body_of_nothing_but_empty_pieces_is_given_up(coding, empty):
    body = empty * ((8 << 20) // len(empty))
    assert refusal_of(expanded, body, coding, LIMITS) == (
        413,
        "The body is compressed in too many pieces.",
    )


# --- protobuf ---


def varint(value):
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


GROUP = varint(99 << 3 | 3) + varint(1 << 3) + b"\x01" + varint(99 << 3 | 4)
"""An old way of writing a message, which protobuf reads, and keeps as it is."""
MANY = 2_600_000


@pytest.mark.parametrize("group", [GROUP, GROUP * 50, varint(1 << 3 | 3) + b"\x0c"])
def test_s5_a_group_hides_nothing_from_the_count_of_events(group):
    body = group + field(1, group + field(3, b"") * MANY)
    assert refusal_of(decoded, body, PROTOBUF, LIMITS, is_batch=True) == (
        413,
        TOO_MUCH,
    )


def test_s5_a_group_hides_nothing_from_the_count_of_spans():
    spans = GROUP + field(2, GROUP + field(2, b"") * MANY)
    body = GROUP + field(1, spans)
    refused = refusal_of(SpanBody(PROTOBUF, LIMITS, LOCAL), body)
    assert refused == (413, TOO_MUCH)
    assert values_in_message(body, LIMITS.values, REQUEST, VALUES) > LIMITS.values


NUMBERS = st.sampled_from([1, 2, 3, 4, 11, 30, 32, 90, 99, 1000, 536_870_911])


def wire():
    """Return fields of any kind, some of which hold others."""
    plain = st.one_of(
        st.builds(
            lambda n, v: varint(n << 3) + varint(v), NUMBERS, st.integers(0, 2**64 - 1)
        ),
        st.builds(lambda n: varint(n << 3 | 1) + b"12345678", NUMBERS),
        st.builds(lambda n: varint(n << 3 | 5) + b"1234", NUMBERS),
        st.builds(field, NUMBERS, st.binary(max_size=8)),
    )

    def inside(fields):
        some = st.lists(fields, max_size=6).map(b"".join)
        return st.one_of(
            st.builds(field, NUMBERS, some),
            st.builds(
                lambda n, b: varint(n << 3 | 3) + b + varint(n << 3 | 4), NUMBERS, some
            ),
        )

    return st.lists(st.recursive(plain, inside, max_leaves=40), max_size=12).map(
        b"".join
    )


@given(wire())
def test_s5_the_count_finds_every_event_that_protobuf_finds(inner):
    body = field(1, field(3, b"") + inner) + field(1, inner + field(3, inner))
    try:
        message = IngestEventBatchRequest.FromString(body)
    # Another error for each of its versions.
    except Exception:
        return
    events = message.event_batch.events
    schema, light = schema_of(is_batch=True)
    assert values_in_message(body, 10**6, ENVELOPE) >= len(events)
    assert values_in_message(body, 10**6, schema, light) >= 20 * len(events)
