"""S21: what a tenant may keep, and what a client is told beyond it."""

from __future__ import annotations

import grpc
import orjson

import chaukas
from chaukas.sdk.wire.proto import ingest_pb2
from tests.support.collector_process import (
    BATCH,
    LINES,
    CollectorProcess,
    command,
    events,
    lines_of,
)


def quota(collector, *options):
    done = command("quota", "--data", str(collector.data), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_s21_beyond_its_quota_a_tenant_keeps_nothing_and_is_told(collector):
    assert quota(collector) == "No tenant has a limit.\n"
    quota(collector, "--tenant", "a", "--events", "5")

    first = collector.post(lines_of(events(3, "a")))
    second = collector.post(lines_of(events(4, "a", 3)))
    third = collector.ask("POST", BATCH, lines_of(events(2, "a", 7)), LINES)

    assert (first[0], first[1]["accepted"]) == (202, 3)
    over = [{"event_id": f"event-a-{n}", "reason": "quota"} for n in (5, 6)]
    assert (second[0], second[1]["accepted"]) == (202, 2)
    assert second[1]["rejected"] == over
    assert (third[0], int(third[1]["retry-after"])) == (429, 60)
    assert b"quota" in third[2]
    # What was kept is still known as such, and another tenant has its own room.
    assert collector.post(lines_of(events(5, "a")))[1]["duplicate"] == 5
    assert collector.post(lines_of(events(9, "b")))[1]["accepted"] == 9
    text = collector.ask("GET", "/metrics")[2].decode()
    assert 'chaukas_events_rejected_total{reason="quota"} 4' in text
    assert quota(collector).startswith("a  5 events, 0.0 MB of 5 events")


def test_s21_the_same_over_grpc(collector):
    quota(collector, "--tenant", "a", "--events", "0")
    message = ingest_pb2.IngestEventBatchRequest()
    message.event_batch.events.add(event_id="x", tenant_id="a", type=1)
    with grpc.insecure_channel(collector.grpc.removeprefix("grpc://")) as channel:
        call = channel.unary_unary("/chaukas.v1.ChaukasService/IngestEventBatch")
        try:
            call(message.SerializeToString(), timeout=60)
        except grpc.RpcError as error:
            found = error.code(), dict(error.trailing_metadata())
    assert found[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert found[1]["grpc-retry-pushback-ms"] == "60000"


def test_s21_room_is_made_by_removal_or_by_another_quota(collector):
    quota(collector, "--tenant", "a", "--megabytes", "0.000001")
    assert collector.post(lines_of(events(1, "a")))[0] == 429
    quota(collector, "--tenant", "a", "--unlimited")
    assert quota(collector) == "No tenant has a limit.\n"
    assert collector.post(lines_of(events(4, "a")))[0] == 202
    quota(collector, "--tenant", "a", "--events", "4")
    assert collector.post(lines_of(events(1, "a", 4)))[0] == 429
    done = command("retain", "--data", str(collector.data), "--days", "0")
    assert done.returncode == 0, done.stderr
    assert collector.post(lines_of(events(1, "a", 4)))[0] == 202


def test_s21_a_quota_is_on_record_and_a_wrong_one_is_refused(collector):
    quota(collector, "--tenant", "a", "--events", "5")
    record = (collector.data / "administration.jsonl").read_bytes()
    last = orjson.loads(record.splitlines()[-1])["metadata"]
    assert last["name"] == "chaukas.collector.quota_set"
    assert last["data"]["tenant"] == "a"
    for wrong in (["--events", "5"], ["--tenant", "a"], ["--unlimited"],
                  ["--tenant", "a", "--events", "1", "--unlimited"]):  # fmt: skip
        done = command("quota", "--data", str(collector.data), *wrong)
        assert (done.returncode, done.stdout) == (2, "")


def test_s21_an_application_keeps_what_its_full_tenant_does_not_take(tmp_path):
    with CollectorProcess(tmp_path / "data") as collector:
        quota(collector, "--tenant", "app", "--events", "0")
        chaukas.enable_chaukas(
            endpoint=collector.http,
            tenant_id="app",
            spool_dir=tmp_path / "spool",
            integrations=[],
        )
        try:
            chaukas.event("tick")
            assert not chaukas.flush(2)
            stats = chaukas.stats()
            assert (stats.acked, sum(stats.dropped.values())) == (0, 0)
            assert stats.emitted == stats.spooled + stats.queued > 0
        finally:
            chaukas.disable_chaukas()
