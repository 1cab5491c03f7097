"""Prove what each answer of a collector means, row by row of the table."""

from __future__ import annotations

import orjson
import pytest
from google.protobuf import any_pb2, duration_pb2

from chaukas.sdk.sinks.collector.responses import (
    Action,
    Answer,
    answer_of_grpc,
    answer_of_http,
    answer_of_message,
    answer_of_tally,
    key_missing,
    tls_unusable,
    untrusted,
)
from chaukas.sdk.sinks.collector.retry_after import (
    LONGEST_WAIT_S,
    pushback_s,
    retry_after_s,
)
from chaukas.sdk.sinks.collector.verdicts import Backend, Reply, Tally, backend_of
from chaukas.sdk.wire.proto import ingest_pb2

LINES = [orjson.dumps({"event_id": f"e{n}"}) + b"\n" for n in range(4)]
NOW_S = 1_800_000_000.0
PLACE = "https://c.example"


def http(status, body=b"", lines=LINES, is_single=False, credential="key", **headers):
    """Classify an HTTP answer to four events."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer_of_http(
        Reply(status, named, body),
        lines=lines,
        place=PLACE,
        now_s=NOW_S,
        is_single=is_single,
        credential=credential,
    )


def grpc(code, details="", trailers=None, size_bytes=100, credential="key"):
    """Classify a failed gRPC call."""
    return answer_of_grpc(
        code,
        details,
        trailers or {},
        size_bytes=size_bytes,
        place=PLACE,
        credential=credential,
    )


def verdict(**fields):
    """Classify a 202 with a JSON body."""
    return http(202, orjson.dumps(fields), content_type="application/json")


def single(body, **fields):
    """Classify the answer to the call for one event, by HTTP and by gRPC."""
    as_json = http(
        202,
        orjson.dumps(body),
        lines=LINES[:1],
        is_single=True,
        content_type="application/json",
    )
    message = ingest_pb2.IngestEventResponse(**(fields or body)).SerializeToString()
    as_message = answer_of_message(
        message, lines=LINES[:1], place=PLACE, status="gRPC OK", is_single=True
    )
    return as_json, as_message


class TestHttp:
    """HTTP status by status."""

    @pytest.mark.parametrize(
        ("action", "statuses"),
        [
            (Action.RETRY, [408, 425, 429, 500, 501, 502, 503, 504, 511, 599, 100]),
            (Action.PARK, [300, 301, 302, 303, 307, 308]),
            (Action.PARK, [401, 402, 403, 404, 405, 407, 410, 415, 431, 451]),
            (Action.BISECT, [400, 422]),
            (Action.SPLIT, [413]),
        ],
    )
    def test_each_status_has_its_action(self, action, statuses):
        for status in statuses:
            answer = http(status)

            assert answer.action is action, status
            assert answer.cause == f"http {status}"

    @pytest.mark.parametrize("status", [429, 503, 500, 401, 404])
    def test_a_wish_to_wait_is_kept(self, status):
        assert http(status, retry_after="7").retry_after_s == 7.0

    @pytest.mark.parametrize("status", [301, 400, 401, 404, 407, 413, 429, 503, 200])
    def test_an_error_is_one_line_that_quotes_nothing_of_the_body(self, status):
        answer = http(status, b"<p>sk-secret\npayload</p>", content_type="text/html")

        assert answer.error.startswith(f"chaukas: the collector at {PLACE} ")
        assert "\n" not in answer.error
        assert "secret" not in answer.error
        assert "payload" not in answer.error


class TestVerdict:
    """What a 2xx says."""

    def test_a_verdict_acks_and_counts(self):
        assert verdict(accepted=3, duplicate=1, rejected=[]) == Answer(
            Action.ACKED, duplicate=1
        )

    def test_refused_events_are_found_in_the_batch(self):
        rejected = [
            {"event_id": "e3", "reason": "too_large"},
            {"event_id": "e0", "reason": "invalid"},
        ]

        answer = verdict(accepted=2, duplicate=0, rejected=rejected)

        assert answer.rejected == ((0, "invalid"), (3, "too_large"))

    def test_the_published_servers_verdict_is_read_in_both_spellings(self):
        for fields in (
            {"accepted_count": 3, "rejected_count": 1, "rejected_event_ids": ["e1"]},
            {"acceptedCount": 3, "rejectedCount": 1, "rejectedEventIds": ["e1"]},
        ):
            assert verdict(**fields).rejected == ((1, "rejected"),)
        refused = [f"e{n}" for n in range(4)]
        # JSON of protobuf leaves zeros out.
        answer = verdict(rejectedCount=4, rejectedEventIds=refused)
        assert len(answer.rejected) == 4

    def test_copies_of_one_event_are_refused_one_by_one(self):
        lines = [LINES[0], LINES[0], LINES[1]]
        tally = Tally(1, 0, (("e0", "a"), ("e0", "b")), 2)

        assert answer_of_tally(tally, lines, PLACE).rejected == ((0, "a"), (1, "b"))

    @pytest.mark.parametrize(
        "fields",
        [
            {"accepted": 3, "duplicate": 0, "rejected": []},
            {"accepted": 5, "duplicate": 0, "rejected": []},
            {"accepted": 5, "duplicate": -1, "rejected": []},
            {"accepted": 3, "duplicate": 0, "rejected": [{"event_id": "stranger"}]},
            {"accepted": 3, "duplicate": 0, "rejected": [17]},
            {"accepted_count": 3, "rejected_count": 1},
        ],
    )
    def test_a_verdict_that_does_not_fit_the_batch_is_no_ack(self, fields):
        answer = verdict(**fields)

        assert (answer.action, answer.cause) == (Action.RETRY, "bad verdict")

    @pytest.mark.parametrize(
        "fields",
        [
            {"accepted": 4},
            {"accepted": "4", "duplicate": 0, "rejected": []},
            {"accepted": True, "duplicate": 3, "rejected": []},
            {"accepted": 4, "duplicate": 0, "rejected": "none"},
            {"accepted": 4, "duplicate": 0, "rejected": [], "error": None},
        ],
    )
    def test_a_verdict_without_sense_is_none(self, fields):
        answer = verdict(**fields)

        assert (answer.action, answer.cause) == (Action.RETRY, "no verdict")

    def test_fields_that_come_with_later_collectors_do_no_harm(self):
        told = {"accepted": 4, "duplicate": 0, "rejected": [], "later": {"a": 1}}

        assert verdict(**told) == Answer(Action.ACKED)

    def test_a_strange_reason_is_not_taken_over(self):
        rejected = [{"event_id": "e0", "reason": "x" * 65}, {"event_id": "e1"}]

        answer = verdict(accepted=2, duplicate=0, rejected=rejected)

        assert answer.rejected == ((0, "rejected"), (1, "rejected"))

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<html>log in</html>", "text/html; charset=utf-8"),
            (b"<html>log in</html>", "application/json"),
            (b"{}", "text/html"),
            (b"please log in", "text/plain"),
            (b'{"accepted": 4', "application/json"),
            (b"[]", "application/json"),
            (b'{"error": "no"}', "application/json"),
            (b"\xff\xfe", "application/octet-stream"),
        ],
    )
    def test_what_something_in_between_answers_is_no_ack(self, body, kind):
        answer = http(200, body, content_type=kind)

        assert (answer.action, answer.cause) == (Action.RETRY, "no verdict")

    @pytest.mark.parametrize("word", ["rejected", "REJECTED"])
    def test_the_published_answer_to_one_event_can_refuse_it(self, word):
        refused = Answer(Action.ACKED, ((0, "rejected"),))

        assert single({"event_id": "e0", "status": word}) == (refused, refused)

    def test_the_published_answer_to_one_event_can_take_it(self):
        told = {"event_id": "e0", "status": "accepted", "processed_at": 1_800_000_000}

        assert single(told) == (Answer(Action.ACKED), Answer(Action.ACKED))

    @pytest.mark.parametrize(
        "told",
        [
            {"event_id": "e1", "status": "accepted"},
            {"event_id": "e0", "status": "failed"},
            {"event_id": "e0", "status": "error"},
            {"event_id": "e0"},
        ],
    )
    def test_any_other_answer_to_one_event_is_no_ack(self, told):
        assert [each.cause for each in single(told)] == ["no verdict"] * 2

    def test_a_backend_is_known_by_its_capabilities(self):
        flags = {"worm_retention": False, "rbac": True}
        for told, backend in (
            ({"ingest": ["protobuf", "ndjson"]}, Backend.OURS),
            ({"ingest": ["protobuf"]}, Backend.UNKNOWN),
            ({"ingest": "ndjson"}, Backend.UNKNOWN),
            (flags, Backend.PUBLISHED),
            ({**flags, "sso": "yes"}, Backend.UNKNOWN),
            ({**flags, "status": "ok"}, Backend.UNKNOWN),
            ({}, Backend.UNKNOWN),
            ([], Backend.UNKNOWN),
            (None, Backend.UNKNOWN),
        ):
            assert backend_of(told) is backend


class TestCredentials:
    """What was refused, and what to correct."""

    @pytest.mark.parametrize(
        ("credential", "told", "remedy"),
        [
            ("key", "refused the API key", "CHAUKAS_API_KEY or the file that holds it"),
            ("key function", "refused the API key", "the function given as api_key"),
            ("no key", "none was sent", "Set CHAUKAS_API_KEY or CHAUKAS_API_KEY_FILE."),
            ("password", "refused the user and password", "CHAUKAS_ENDPOINT"),
        ],
    )
    def test_the_line_says_what_was_sent_and_what_to_do(self, credential, told, remedy):
        for answer in (
            http(401, credential=credential),
            http(403, credential=credential),
            grpc("UNAUTHENTICATED", credential=credential),
            grpc("PERMISSION_DENIED", credential=credential),
        ):
            assert answer.action is Action.PARK
            assert told in answer.error
            assert remedy in answer.error


class TestGrpc:
    """gRPC code by code."""

    @pytest.mark.parametrize(
        ("action", "codes"),
        [
            (Action.RETRY, "UNAVAILABLE DEADLINE_EXCEEDED ABORTED INTERNAL UNKNOWN"),
            (Action.RETRY, "CANCELLED DATA_LOSS RESOURCE_EXHAUSTED"),
            (Action.PARK, "UNAUTHENTICATED PERMISSION_DENIED UNIMPLEMENTED NOT_FOUND"),
            (Action.BISECT, "INVALID_ARGUMENT OUT_OF_RANGE"),
        ],
    )
    def test_each_code_has_its_action(self, action, codes):
        for code in codes.split():
            answer = grpc(code)

            assert answer.action is action, code
            assert answer.cause == f"grpc {code.lower()}"

    def test_a_request_that_cannot_be_deserialised_is_bisected(self):
        details = "Exception deserializing request!"

        assert grpc("INTERNAL", details).action is Action.BISECT

    def test_an_exhausted_resource_means_size_when_the_server_says_so(self):
        details = "Received message larger than max (5000000 vs. 4194304)"
        answer = grpc("RESOURCE_EXHAUSTED", details, size_bytes=5_000_000)

        assert answer.action is Action.SPLIT

    @pytest.mark.parametrize(
        "details",
        [
            "CLIENT: Received message larger than max (5000000 vs. 4194304)",
            "Decompressed message larger than max",
        ],
    )
    def test_an_answer_that_is_too_large_is_not_the_fault_of_the_batch(self, details):
        answer = grpc("RESOURCE_EXHAUSTED", details, size_bytes=5_000_001)

        assert (answer.action, answer.cause) == (Action.RETRY, "no verdict")

    def test_an_exhausted_resource_means_size_when_the_request_is_large(self):
        answer = grpc("RESOURCE_EXHAUSTED", size_bytes=1 << 20)

        assert answer.action is Action.SPLIT

    def test_an_exhausted_resource_with_retry_info_is_a_quota(self):
        trailers = {"grpc-status-details-bin": status_details(2, 500_000_000)}

        answer = grpc("RESOURCE_EXHAUSTED", "too large", trailers, 1 << 20)

        assert (answer.action, answer.retry_after_s) == (Action.RETRY, 2.5)

    @pytest.mark.parametrize(
        ("details", "meaning"),
        [
            ("SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: unable", "does not verify"),
            ("CERTIFICATE_VERIFY_FAILED: certificate has expired", "has expired"),
            ("Hostname Verification Check failed.", "another host"),
        ],
    )
    def test_tls_trouble_is_parked(self, details, meaning):
        answer = grpc("UNAVAILABLE", details)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")
        assert meaning in answer.error

    def test_a_name_that_cannot_be_resolved_is_named(self):
        details = "errors resolving c.example:1: [Domain name not found]"

        assert grpc("UNAVAILABLE", details).cause == "dns"

    def test_details_are_not_shown(self):
        assert "sk-secret" not in grpc("INTERNAL", "sk-secret").error


class TestWaits:
    """Each spelling of how long to wait."""

    @pytest.mark.parametrize(
        ("text", "wait_s"),
        [
            ("0", 0.0),
            ("120", 120.0),
            (" 1.5 ", 1.5),
            ("301", 300.0),
            ("9" * 60, 300.0),
            ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
            ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
            ("Fri, 15 Jan 2027 08:00:30", 30.0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
        ],
    )
    def test_a_retry_after_is_read_and_bounded(self, text, wait_s):
        assert retry_after_s(text, NOW_S) == wait_s

    @pytest.mark.parametrize(
        "text",
        [
            *(None, "", "-5", "soon", "inf", "nan", "1e3", "٣", "0x10", "1,5"),
            *("9" * 65, "Fri, 99 Foo 2027 99:99:99 GMT", "\x00", "1 2 3 4 5 6 7"),
        ],
    )
    def test_garbage_asks_for_nothing(self, text):
        assert retry_after_s(text, NOW_S) is None

    @pytest.mark.parametrize(
        ("seconds", "nanos", "wait_s"),
        [(2, 500_000_000, 2.5), (0, 0, 0.0), (86_400, 0, LONGEST_WAIT_S), (-5, 0, 0.0)],
    )
    def test_retry_info_is_found_among_the_details(self, seconds, nanos, wait_s):
        trailers = {"grpc-status-details-bin": status_details(seconds, nanos)}

        assert pushback_s(trailers) == wait_s

    def test_a_pushback_is_read(self):
        assert pushback_s({"grpc-retry-pushback-ms": "1500"}) == 1.5
        assert pushback_s({"grpc-retry-pushback-ms": "-1"}) is None

    def test_no_cut_and_no_changed_byte_of_the_details_raises(self):
        data = status_details(2, 500_000_000)
        for place in range(len(data)):
            for other in (data[:place], data[:place] + b"\xff" + data[place + 1 :]):
                wait_s = pushback_s({"grpc-status-details-bin": other})

                assert wait_s is None or 0.0 <= wait_s <= LONGEST_WAIT_S


def status_details(seconds: int, nanos: int) -> bytes:
    """Return a google.rpc.Status with RetryInfo behind a detail of another kind."""
    delay = duration_pb2.Duration(seconds=seconds, nanos=nanos).SerializeToString()
    info = b"\x0a" + bytes([len(delay)]) + delay
    other = any_pb2.Any(type_url="type.googleapis.com/x.Other", value=b"\x01")
    name = "type.googleapis.com/google.rpc.RetryInfo"
    details = [other, any_pb2.Any(type_url=name, value=info)]
    parts = [detail.SerializeToString() for detail in details]
    framed = b"".join(b"\x1a" + bytes([len(part)]) + part for part in parts)
    return b"\x08\x08" + b"\x12\x04text" + framed


@pytest.mark.parametrize(
    "answer",
    [
        key_missing(PLACE, "the file '/k': No such file", "Correct that file."),
        tls_unusable(PLACE, "cannot use CHAUKAS_CA_FILE='/ca': not a PEM file"),
        untrusted(PLACE, "certificate verify failed: self-signed certificate"),
    ],
)
def test_what_a_person_must_correct_is_parked_and_says_what_to_do(answer):
    assert answer.action is Action.PARK
    assert "events" in answer.error
    assert "\n" not in answer.error
