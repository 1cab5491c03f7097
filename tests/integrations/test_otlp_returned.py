"""What chaukas sends as spans is the same run in a collector as the recorded file."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import chaukas
from chaukas.collector.access.callers import LOCAL
from chaukas.collector.limits import Limits
from chaukas.collector.otlp.reading import SpanBody
from chaukas.query.tree import tree_of
from chaukas.store.filter import parse
from chaukas.store.memory import MemoryStore
from loopback.otlp import Answer, SpanReceiver
from tests.support import scenarios
from tests.support.agent_runs import Mode, in_loop, outcome_of
from tests.support.otlp_golden import VARIANTS, body_of, events

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaukas.sdk.sinks.otlp.mapping.names import Flavour, Version

PROTOBUF = "application/x-protobuf"


class Receiver(SpanReceiver):
    """Keeps requests as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.bodies.append(gzip.decompress(body))
        return super().take(path, headers, body)


def record(
    scenario: Callable[[Mode], Any], mode: Mode, folder: Path
) -> tuple[list[bytes], list[bytes]]:
    """Play a scenario; return its events from the file, and as they come by OTLP."""
    with Receiver() as receiver:
        chaukas.enable_chaukas(
            strict=True,
            output_mode="file,otlp",
            otlp_endpoint=receiver.endpoint,
            output_file=folder / "events.jsonl",
            spool_dir=folder / "spool",
        )
        outcome_of(lambda: scenario(mode))
        assert chaukas.disable_chaukas(60.0)
    received = [line for body in receiver.bodies for line in lines_in(body)]
    return (folder / "events.jsonl").read_bytes().splitlines(), received


def lines_in(body: bytes) -> list[bytes]:
    """Return the events that a request becomes."""
    decoded = SpanBody(PROTOBUF, Limits(), LOCAL)(body)
    assert not decoded.rejected
    return decoded.lines


def trees_in(lines: list[bytes], *, has_texts: bool = True) -> list[str]:
    """Return all runs of a record as trees, with their sums and their ends."""
    store = MemoryStore()
    verdicts = store.ingest(lines)
    assert not verdicts.rejected
    reader = store.reader(None)
    made = []
    for run in reader.runs(parse("", 0), "time").items:
        rows = reader.events(parse(f"trace:{run.trace_id}", 0), limit=1000).items
        tree = tree_of(run, rows, 1000)
        texts = f"{run.input!r} {run.output!r}" if has_texts else ""
        made.append(f"run {run.trace_id} {run.status} {run.agents} {texts}")
        for one in tree.spans:
            numbers = (one.input_tokens, one.output_tokens, one.cost_usd, one.retries)
            text = repr(one.text) if has_texts else ""
            made.append(
                f"{'  ' * one.depth}{one.kind} {one.name} {one.agent} {one.status}"
                f" {numbers} {text}"
            )
    return made


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: one.__name__)
@in_loop
def test_a_run_sent_as_spans_is_the_run_on_file(
    scenario: Callable[[Mode], Any], mode: Mode, tmp_path: Path
) -> None:
    recorded, received = record(scenario, mode, tmp_path)
    expected = trees_in(recorded)
    assert trees_in(received) == expected
    assert expected


@pytest.mark.parametrize(("version", "flavour"), VARIANTS)
def test_every_version_and_flavour_is_read_as_the_same_runs(
    version: Version, flavour: Flavour
) -> None:
    stream = events()[0]["metadata"]["chaukas"]["stream"]
    told = [e for e in events() if e["metadata"]["chaukas"]["stream"] == stream]
    received = lines_in(body_of(version, flavour, told))
    # What the application says itself is no span.
    recorded = [orjson.dumps(e) for e in told if e["type"] != "EVENT_TYPE_SYSTEM"]
    assert trees_in(received, has_texts=False) == trees_in(recorded, has_texts=False)
