"""The two forms of an event say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.sdk import wire
from chaukas.sdk.wire.proto import events_pb2, ingest_pb2
from chaukas.sdk.wire.schema import Kind, event_shape
from tests.support.samples import EVENTS, event

BASE = {"type": "EVENT_TYPE_SYSTEM", "event_id": "e"}


def there_and_back(given: dict[str, Any]) -> dict[str, Any]:
    data = wire.to_message(given).SerializeToString()
    return wire.from_message(events_pb2.Event.FromString(data))


def spelled(given: Any) -> str:
    """Return a tree as JSON, in which 1 and 1.0 are not the same."""
    return json.dumps(given, sort_keys=True)


def struct(tree: Any) -> Any:
    return there_and_back({"metadata": {"x": tree}})["metadata"]["x"]


# --- round trips -----------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_comes_back_as_it_was(name: str) -> None:
    assert spelled(there_and_back(EVENTS[name])) == spelled(EVENTS[name])


@pytest.mark.parametrize("name", EVENTS)
def test_protobuf_s_own_parser_makes_the_same_message(name: str) -> None:
    given = {k: v for k, v in EVENTS[name].items() if k != "extensions"}
    expected = json_format.ParseDict(given, events_pb2.Event())
    assert wire.to_message(given) == expected


@pytest.mark.parametrize("name", EVENTS)
def test_a_sample_is_in_normal_form_already(name: str) -> None:
    assert spelled(wire.normal(EVENTS[name])) == spelled(EVENTS[name])


def test_every_field_of_the_proto_is_mapped() -> None:
    def known(shape: Any) -> dict[str, Any]:
        fields = {}
        for field in shape.fields.values():
            fields[field.path] = field
            if field.shape is not None:
                fields |= known(field.shape)
        return fields

    values = {
        Kind.TEXT: "x",
        Kind.FLAG: True,
        Kind.INTEGER: 7,
        Kind.NUMBER: 0.5,
        Kind.TIME: "2026-01-01T00:00:00.000001Z",
        Kind.TREE: {"k": [1]},
    }
    for path, field in known(event_shape()).items():
        if field.kind in (Kind.MESSAGE, Kind.ANY):
            continue
        value = values.get(field.kind) or max(field.names, key=field.names.__getitem__)
        tree: Any = [value] if field.repeated else value
        for name in reversed(path.split(".")):
            tree = {name: tree}
        assert there_and_back(tree) == tree
        assert wire.normal(tree) == tree


NAMES = st.text(max_size=8)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).map(
        lambda x: int(x) if abs(x) <= 2**53 and x.is_integer() else x
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=24,
)


@given(st.dictionaries(KEYS, TREES, max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_tree_comes_back_as_it_was(tree: dict[str, Any]) -> None:
    given = {"tool_call": {"tool_name": "t", "arguments": tree}, "metadata": tree}
    assert spelled(there_and_back(given)) == spelled(given)
    assert spelled(wire.normal(given)) == spelled(given)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["2026-01-01T00:00:00", "EVENT_TYPE_ERROR", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tool_id", "id", "arguments", "text", "seconds"]), inner
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([*event_shape().fields, "unknown", "tool_call"]),
        ANYTHING,
        max_size=4,
    )
)
@settings(max_examples=300, deadline=None)
def test_an_object_becomes_a_message_or_is_refused_with_a_sentence(given: Any) -> None:
    try:
        message = wire.to_message(given)
    except ValueError as error:
        assert str(error).startswith("chaukas: ")  # noqa: PT017 - either is right
        return
    back = wire.from_message(events_pb2.Event.FromString(message.SerializeToString()))
    known = {k: v for k, v in given.items() if k in event_shape().fields}
    assert wire.normal(back) == wire.normal(wire.from_message(message))
    assert set(wire.normal(back)) <= set(known)


# --- what else is read -----------------------------------------------------


def test_published_tool_names_are_read() -> None:
    message = wire.to_message({"tool_call": {"id": "c", "name": "add"}})
    assert wire.from_message(message) == {
        "tool_call": {"tool_id": "c", "tool_name": "add"}
    }


def test_our_tool_names_win_over_the_published_ones() -> None:
    message = wire.to_message({"tool_call": {"id": "theirs", "tool_id": "ours"}})
    assert message.tool_call.tool_id == "ours"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-01T12:00:00.027420", "2026-01-01T12:00:00.027420Z"),
        ("2026-01-01T12:00:00", "2026-01-01T12:00:00.000000Z"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000000Z"),
        ("2026-01-01 12:00:00+02:00", "2026-01-01T10:00:00.000000Z"),
        ("2026-01-01T12:00:00.123456789Z", "2026-01-01T12:00:00.123456Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_read_in_many_spellings_and_written_in_one(
    given: str, expected: str
) -> None:
    assert there_and_back({"timestamp": given}) == {"timestamp": expected}
    assert wire.normal({"timestamp": given}) == {"timestamp": expected}


def test_enum_numbers_are_read_and_later_ones_kept() -> None:
    assert there_and_back({"type": 22, "status": 99}) == {
        "type": "EVENT_TYPE_TOOL_CALL_START",
        "status": 99,
    }


def test_null_and_defaults_mean_not_given() -> None:
    given: dict[str, Any] = {
        "agent_id": None,
        "branch": "",
        "is_final": False,
        "tags": [],
        "type": "EVENT_TYPE_UNSPECIFIED",
        "error": {"recoverable": False, "error_code": ""},
        "performance": {"duration_ms": -0.0},
    }
    assert there_and_back(given) == {"error": {}, "performance": {}}
    assert wire.normal(given) == {"error": {}, "performance": {}}


def test_an_empty_content_is_still_given() -> None:
    given: dict[str, Any] = {"state_update": {}, "retry": {}, "metadata": {}}
    assert there_and_back(given) == given


def test_whole_numbers_are_read_where_integers_are_due() -> None:
    given = {"llm_invocation": {"total_tokens": 5.0}}
    assert there_and_back(given) == {"llm_invocation": {"total_tokens": 5}}


def test_fields_of_a_later_version_s_class_are_left_out() -> None:
    file = descriptor_pb2.FileDescriptorProto.FromString(
        events_pb2.DESCRIPTOR.serialized_pb
    )
    later = next(message for message in file.message_type if message.name == "Event")
    later.field.add(
        name="colour",
        number=2039,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, struct_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    described = pool.FindMessageTypeByName("chaukas.v1.Event")
    message: Any = message_factory.GetMessageClass(described)(colour="red", branch="b")
    assert wire.from_message(message) == {"branch": "b"}


def test_an_unknown_key_is_left_out_of_the_message_and_kept_in_the_normal_form() -> (
    None
):
    given: dict[str, Any] = {**BASE, "colour": {"n": 1.0}}
    assert there_and_back(given) == BASE
    assert spelled(wire.normal(given)) == spelled({**BASE, "colour": {"n": 1}})


# --- numbers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1.0, 1),
        (-0.0, 0),
        (2**53, 2**53),
        (float(2**53), 2**53),
        (-(2**53), -(2**53)),
        (0.1, 0.1),
        (1e16, 1e16),
        (10**16, 1e16),
        (1e300, 1e300),
        (5e-324, 5e-324),
    ],
)
def test_a_number_has_one_form(given: float, expected: float) -> None:
    for value in (
        struct(given),
        wire.normal({"metadata": {"x": given}})["metadata"]["x"],
    ):
        assert value == expected
        assert type(value) is type(expected)


def test_numbers_that_json_lacks_become_their_names() -> None:
    message = events_pb2.Event()
    message.performance.duration_ms = float("inf")
    message.metadata["x"] = float("nan")
    read = wire.from_message(message)
    assert read == {
        "performance": {"duration_ms": "Infinity"},
        "metadata": {"x": "NaN"},
    }
    assert wire.to_message(read).performance.duration_ms == float("inf")


# --- refusals --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"event_id": 5}, "event_id"),
        ({"tags": "a"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"is_final": 1}, "is_final"),
        ({"type": "SESSION_START"}, "type"),
        ({"type": 2**40}, "type"),
        ({"type": True}, "type"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+05:00"}, "timestamp"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {1: "x"}}, "metadata"),
        ({"metadata": {"x": {1, 2}}}, "metadata"),
        ({"metadata": {"x": 10**400}}, "metadata"),
        ({"metadata": {"x": "\ud800"}}, "metadata"),
        ({"error": "boom"}, "error"),
        ({"llm_invocation": {"total_tokens": 2**31}}, "llm_invocation.total_tokens"),
        ({"llm_invocation": {"total_tokens": 0.5}}, "llm_invocation.total_tokens"),
        ({"llm_invocation": {"top_p": "1"}}, "llm_invocation.top_p"),
        ({"extensions": [{"value": ""}]}, "extensions"),
        ({"extensions": [{"@type": "t", "value": "%"}]}, "extensions"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_field(
    given: dict[str, Any], field: str
) -> None:
    with pytest.raises(
        ValueError, match=f"^chaukas: cannot send '{field}' as protobuf"
    ):
        wire.to_message(given)


def test_a_refusal_never_shows_the_value() -> None:
    for bad in (
        {"timestamp": "s3cret"},
        {"metadata": {"k": {"s3cret"}}},
        {"type": "s3cret"},
    ):
        with pytest.raises(ValueError, match="chaukas") as refused:
            wire.to_message(bad)
        assert "s3cret" not in str(refused.value)


def test_two_contents_in_one_event_are_refused() -> None:
    with pytest.raises(ValueError, match="'message' and a second content"):
        wire.to_message({"message": {"text": "a"}, "error": {}})


def nested(levels: int, *, lists: bool) -> Any:
    tree: Any = [] if lists else {}
    for _ in range(levels - 1):
        tree = [tree] if lists else {"k": tree}
    return {"k": tree} if lists else tree


@pytest.mark.parametrize("lists", [False, True])
def test_what_is_accepted_can_be_read_back_inside_a_request(lists: bool) -> None:
    levels = 23 if lists else 24
    request = ingest_pb2.IngestEventBatchRequest()
    given = {"tool_call": {"arguments": nested(levels, lists=lists)}}
    request.event_batch.CopyFrom(
        wire.batch_to_message([given], batch_id="b", timestamp="2026-01-01T00:00:00Z")
    )
    data = request.SerializeToString()
    read = ingest_pb2.IngestEventBatchRequest.FromString(data)
    assert [wire.from_message(one) for one in read.event_batch.events] == [given]
    with pytest.raises(ValueError, match="nested deeper than 24"):
        wire.to_message({"metadata": nested(levels + 1, lists=lists)})


def test_a_message_with_an_impossible_time_is_refused() -> None:
    message = events_pb2.Event()
    message.timestamp.seconds = 2**62
    with pytest.raises(ValueError, match="years 1 to 9999"):
        wire.from_message(message)


# --- batches ---------------------------------------------------------------


def test_a_batch_keeps_its_events_in_order() -> None:
    events = [event("TOOL_CALL_START", 1), event("TOOL_CALL_END", 2), event("ERROR", 3)]
    batch = wire.batch_to_message(
        iter(events), batch_id="b-1", timestamp="2026-01-01T00:00:00.000001Z"
    )
    assert (batch.batch_id, batch.timestamp.nanos) == ("b-1", 1000)
    assert [wire.from_message(one) for one in batch.events] == events


def test_a_batch_with_one_bad_event_is_refused() -> None:
    with pytest.raises(ValueError, match="'branch'"):
        wire.batch_to_message(
            [BASE, {"branch": 1}], batch_id="b", timestamp="2026-01-01T00:00:00Z"
        )
