"""
The wire: our bytes are the published spec's bytes, and the code is the proto's.

`chaukas-spec-client` from the package index stands for everybody who decodes
our events without knowing us.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2

from chaukas.sdk import events as vocabulary
from chaukas.sdk import wire as mapping
from chaukas.sdk.wire.proto import events_pb2, ingest_pb2, query_pb2, service_pb2
from tests.support.samples import EVENTS

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "chaukas" / "sdk" / "wire" / "proto"
TESTED = ROOT / "tests" / "support" / "proto"

spec_events = pytest.importorskip("chaukas.spec.common.v1.events_pb2")
spec_query = pytest.importorskip("chaukas.spec.common.v1.query_pb2")
spec_client = pytest.importorskip("chaukas.spec.client.v1.client_pb2")

RENAMED = {("ToolCall", 1), ("ToolCall", 2)}
"""Fields whose JSON names differ from the published ones."""


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter where every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def described(*modules: ModuleType) -> descriptor_pb2.FileDescriptorProto:
    """What the .proto files of these modules say, as if they were one."""
    made = descriptor_pb2.FileDescriptorProto()
    for module in modules:
        made.MergeFromString(module.DESCRIPTOR.serialized_pb)
    return made


PAIRS = [
    ((events_pb2,), spec_events),
    ((query_pb2,), spec_query),
    ((ingest_pb2, service_pb2), spec_client),
]


# --- the published spec ----------------------------------------------------


def test_every_published_field_has_the_same_number_and_type_here() -> None:
    seen = 0
    for ours, theirs in PAIRS:
        messages = {message.name: message for message in described(*ours).message_type}
        for message in described(theirs).message_type:
            fields = {field.number: field for field in messages[message.name].field}
            for field in message.field:
                same = fields[field.number]
                assert (same.type, same.label) == (field.type, field.label), field.name
                assert same.type_name.split(".")[-1] == field.type_name.split(".")[-1]
                if (message.name, field.number) not in RENAMED:
                    assert same.name == field.name
                seen += 1
    assert seen > 150


def test_every_published_enum_value_has_the_same_number_here() -> None:
    for ours, theirs in PAIRS:
        enums = {enum.name: enum for enum in described(*ours).enum_type}
        for enum in described(theirs).enum_type:
            values = {value.name: value.number for value in enums[enum.name].value}
            assert values == {value.name: value.number for value in enum.value}


def test_what_the_published_spec_lacks_is_numbered_from_1000() -> None:
    for ours, theirs in PAIRS:
        known = {
            message.name: {field.number for field in message.field}
            for message in described(theirs).message_type
        }
        for message in described(*ours).message_type:
            for field in message.field if message.name in known else ():
                # The client's answers are empty; ours have the server's fields.
                if field.number not in known[message.name] and known[message.name]:
                    assert field.number >= 1000, (message.name, field.name)


def test_the_vocabulary_is_the_proto_s() -> None:
    for enum in ("EventType", "EventStatus", "Severity", "Author"):
        names = {member.value for member in getattr(vocabulary, enum)}
        wire = set(getattr(events_pb2, enum).keys())
        assert {name for name in wire if not name.endswith("_UNSPECIFIED")} == names


def test_there_is_a_sample_of_every_type() -> None:
    assert set(EVENTS) == {member.name for member in vocabulary.EventType}


# --- bytes both ways -------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_the_published_decoder_reads_our_bytes_and_loses_nothing(name: str) -> None:
    data = mapping.to_message(EVENTS[name]).SerializeToString(deterministic=True)
    theirs = spec_events.Event.FromString(data)
    assert theirs.event_id == EVENTS[name]["event_id"]
    assert spec_events.EventType.Name(theirs.type) == EVENTS[name]["type"]
    again = events_pb2.Event.FromString(theirs.SerializeToString())
    assert mapping.from_message(again) == EVENTS[name]


def test_the_published_decoder_sees_the_published_fields() -> None:
    data = mapping.to_message(EVENTS["TOOL_CALL_START"]).SerializeToString()
    call = spec_events.Event.FromString(data).tool_call
    assert (call.id, call.name, call.arguments["b"]) == ("call_1", "add", -2.5)
    data = mapping.to_message(EVENTS["RETRY"]).SerializeToString()
    retry = spec_events.Event.FromString(data).retry
    assert (retry.attempt, retry.backoff_ms) == (1, 1000)


@pytest.mark.parametrize("name", EVENTS)
def test_we_read_the_published_encoder_s_bytes(name: str) -> None:
    # Reading and writing with their class drops nothing, so clearing what they
    # do not know leaves an event that is theirs alone.
    data = mapping.to_message(EVENTS[name]).SerializeToString()
    theirs = spec_events.Event.FromString(data)
    theirs.DiscardUnknownFields()
    ours = events_pb2.Event.FromString(theirs.SerializeToString())
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )
    # Their class itself is read as well: fields are found by number.
    assert mapping.from_message(ours) == mapping.from_message(theirs)


def test_fields_of_a_later_version_survive_our_message() -> None:
    later = b"\xba\x7f\x03new"  # Field 2039, text "new".
    data = mapping.to_message(EVENTS["ERROR"]).SerializeToString() + later
    assert events_pb2.Event.FromString(data).SerializeToString().endswith(later)


def test_an_empty_published_answer_decodes_to_zeros() -> None:
    data = spec_client.IngestEventBatchResponse().SerializeToString()
    answer = ingest_pb2.IngestEventBatchResponse.FromString(data)
    assert (answer.accepted_count, answer.rejected_count, answer.batch_id) == (0, 0, "")


def test_a_published_client_reads_our_answer() -> None:
    answer = ingest_pb2.IngestEventBatchResponse(
        batch_id="b",
        accepted_count=1,
        rejections=[ingest_pb2.Rejection(event_id="e", reason="invalid")],
    )
    data = answer.SerializeToString()
    theirs = spec_client.IngestEventBatchResponse.FromString(data)
    assert theirs.SerializeToString() == data


# --- one process, many protobufs -------------------------------------------

OURS = "from chaukas.sdk.wire.proto import events_pb2, ingest_pb2"
THEIRS = "from chaukas.spec.client.v1 import client_pb2"


@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS)])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_both_descriptions_live_in_one_process(
    order: tuple[str, str], implementation: str
) -> None:
    done = run(
        "; ".join([*order, "print(events_pb2.Event.DESCRIPTOR.full_name)"]),
        PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation,
    )
    assert (done.stdout, done.stderr) == ("chaukas.v1.Event\n", "")


def test_the_files_keep_their_names_in_the_descriptor_pool() -> None:
    modules = (events_pb2, ingest_pb2, query_pb2, service_pb2)
    assert [module.DESCRIPTOR.name for module in modules] == [
        f"chaukas/v1/{name}.proto" for name in ("events", "ingest", "query", "service")
    ]


def test_the_messages_say_where_they_live() -> None:
    assert events_pb2.Event.__module__ == "chaukas.sdk.wire.proto.events_pb2"


def test_the_generated_code_demands_no_new_protobuf() -> None:
    for path in PROTO.glob("*_pb2.py"):
        text = path.read_text(encoding="utf-8")
        assert "Protobuf Python Version: 4.25" in text
        # Newer code compares itself with the runtime and refuses an older one.
        assert "runtime_version" not in text


def test_the_service_has_its_six_methods() -> None:
    service = service_pb2.DESCRIPTOR.services_by_name["ChaukasService"]
    assert sorted(service.methods_by_name) == [
        "GetCapabilities",
        "GetEventStats",
        "Healthz",
        "IngestEvent",
        "IngestEventBatch",
        "QueryEvents",
    ]


def test_mapping_and_hashing_load_protobuf_only_when_used() -> None:
    done = run(
        "import sys; from chaukas.sdk import integrity, wire; "
        "integrity.link(b'{\"a\":1}', ''); "
        "print([n for n in sys.modules if n.startswith(('google.protobuf', 'grpc'))])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# --- the generator ---------------------------------------------------------


@pytest.mark.slow
def test_generated_code_is_what_the_proto_gives(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "proto" / "generate.py"), "--to", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {
        path.name: path.read_bytes()
        for folder in (PROTO, TESTED)
        for path in folder.glob("*_pb2*.py*")
    }
    assert sorted(made) == sorted(kept)
    for name, data in made.items():
        assert kept[name] == data, f"{name}: run proto/generate.py"


def test_generated_imports_are_moved_and_descriptions_are_not() -> None:
    spec = importlib.util.spec_from_file_location("g", ROOT / "proto" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    code = (
        "from chaukas.v1 import query_pb2 as x\n"
        "B(D, 'chaukas.v1.events_pb2')\n"
        "b'chaukas.v1'"
    )
    assert generator.relocate(code) == (
        "from chaukas.sdk.wire.proto import query_pb2 as x\n"
        "B(D, 'chaukas.sdk.wire.proto.events_pb2')\n"
        "b'chaukas.v1'"
    )
