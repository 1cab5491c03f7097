"""What one sender gets wrong keeps nobody else's events out, and all are counted."""

from __future__ import annotations

import sqlite3
from concurrent.futures import wait

import pytest

from chaukas.collector.metrics import Metrics
from chaukas.collector.refusal import Refusal
from chaukas.collector.writer import Writer
from chaukas.store.memory import MemoryStore
from chaukas.store.protocol import Batch, Rejection, Verdicts
from tests.support.collector_process import LINES, events, lines_of
from tests.support.records import event, lines

ERRORS = [
    sqlite3.IntegrityError("UNIQUE constraint failed"),
    sqlite3.DataError("string or blob too big"),
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]


class Picky(MemoryStore):
    """A store that one event breaks, or any."""

    def __init__(self, error, poison="poison"):
        super().__init__()
        self.error, self.poison = error, poison

    def ingest_all(self, batches):
        if any(self.poison in str(line) for one in batches for line in one.lines):
            raise self.error
        return super().ingest_all(batches)


def batch(*ids):
    return Batch(lines([event("ERROR", 1, id=one) for one in ids]), None)


def written(store, *batches):
    """Return the answer to each batch, and what is counted."""
    metrics = Metrics()
    writer = Writer(store, 1 << 20, metrics.commit)
    answers = [writer.put(one) for one in batches]
    wait(answers)
    writer.close()
    told = [one.exception() or one.result() for one in answers]
    return told, metrics, writer.trouble


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_event_that_no_store_can_hold_is_refused_alone(error):
    store = Picky(error)
    ids = [f"e{number}" for number in range(9)]
    poisoned = batch(*ids[:4], "poison 1", *ids[4:], "poison 2")

    told, metrics, trouble = written(store, batch("a"), poisoned, batch("b"))

    refused = tuple(Rejection(f"poison {number}", "invalid") for number in (1, 2))
    assert told == [Verdicts(1, 0), Verdicts(9, 0, refused), Verdicts(1, 0)]
    assert store.reader(None).event_count() == 11
    assert metrics.accepted == 11
    assert 'events_rejected_total{reason="invalid"} 2' in metrics.text({})
    assert trouble == ""


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_where_nothing_of_a_request_can_be_written_it_may_be_our_fault(error):
    told, _, trouble = written(Picky(error), batch("poison 1", "poison 2"))
    assert isinstance(told[0], Refusal)
    assert told[0].status == 500
    assert trouble == ""


def test_a_disk_that_is_full_is_nobodys_event():
    full = sqlite3.OperationalError("database or disk is full")
    told, metrics, trouble = written(Picky(full), batch("a", "poison", "b"))
    assert isinstance(told[0], Refusal)
    assert (told[0].status, told[0].retry_after_s > 0) == (503, True)
    assert (metrics.accepted, trouble) == (0, "database or disk is full")


def test_an_id_with_a_zero_character_is_refused_alone(shared):
    good = events(2, "zero")
    bad = [{**good[0], "event_id": f"a\0{number}"} for number in range(2)]
    for accepted, duplicate in ((2, 0), (0, 2)):
        status, answer = shared.post(lines_of([*bad, *good]), LINES)
        assert status == 202
        assert (answer["accepted"], answer["duplicate"]) == (accepted, duplicate)
        assert [one["event_id"] for one in answer["rejected"]] == [
            "a\0" + n for n in "01"
        ]


def test_places_with_a_zero_character_are_taken_again_and_again(shared):
    names = "session_id trace_id span_id project_id".split()
    for number in range(3):
        made = [
            {**one, **dict.fromkeys(names, "a\0b")}
            for one in events(4, "places", start=number * 4)
        ]
        status, answer = shared.post(lines_of(made), LINES)
        assert (status, answer["accepted"]) == (202, 4)
