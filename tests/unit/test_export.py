"""`chaukas export --otlp`: what was recorded earlier, sent later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chaukas.cli import main
from loopback.otlp import Answer, SpanReceiver
from tests.support import scenarios
from tests.support.agent_runs import Mode, record
from tests.support.otlp_trees import expected_span_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

    from chaukas.sdk.typing import Event


@pytest.fixture
def receiver() -> Iterator[SpanReceiver]:
    with SpanReceiver() as running:
        yield running


def file_of(events: list[Event], folder: Path) -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def export(receiver: SpanReceiver, *options: object) -> Result:
    arguments = ["export", "--otlp", receiver.endpoint, *map(str, options)]
    return CliRunner().invoke(main, arguments)


def test_what_a_file_holds_is_sent_with_the_ids_of_the_record(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    events = record(lambda: scenarios.handoff(Mode.RUN)).events
    done = export(receiver, file_of(events, tmp_path))
    assert done.exit_code == 0, done.output
    assert done.output == f"{len(events)} events, 6 spans sent.\n"
    assert len(expected_span_tree(events).splitlines()) == len(receiver.spans) == 6
    ids = {event["span_id"] for event in events}
    flow = {s.span_id for s in receiver.spans if s.name.startswith("invoke_workflow")}
    assert {span.span_id for span in receiver.spans} - ids == flow


def test_a_span_without_an_end_is_sent_as_incomplete(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    events = record(lambda: scenarios.answer(Mode.RUN)).events
    cut = [e for e in events if "AGENT_END" not in e["type"]][:-2]
    done = export(receiver, file_of(cut, tmp_path))
    assert done.exit_code == 0, done.output
    assert "1 span had no END: marked as incomplete." in done.output
    (agent,) = [s for s in receiver.spans if s.name.startswith("invoke_agent")]
    assert agent.attributes["chaukas.incomplete"] is True


def test_an_event_that_is_refused_is_counted_and_the_others_are_sent(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    events = record(lambda: scenarios.parallel_tools(Mode.RUN)).events
    receiver.rule = lambda spans: (
        Answer(400) if any(s.name == "execute_tool plus" for s in spans) else None
    )
    done = export(receiver, file_of(events, tmp_path))
    assert done.exit_code == 1
    assert "1 event refused for good." in done.output
    assert len(receiver.spans) == 4


def test_a_receiver_that_refuses_the_headers_ends_it_with_a_line(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    receiver.rule = lambda _spans: Answer(401)
    events = record(lambda: scenarios.answer(Mode.RUN)).events
    done = export(receiver, file_of(events, tmp_path))
    assert done.exit_code == 1
    assert "CHAUKAS_OTLP_HEADERS" in done.output


def test_a_file_that_cannot_be_read_is_named(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    done = export(receiver, tmp_path / "none.jsonl")
    assert done.exit_code == 2
    assert "none.jsonl" in done.output


def test_a_header_is_no_argument(receiver: SpanReceiver, tmp_path: Path) -> None:
    done = export(receiver, "--set", "otlp_headers=x=1", tmp_path / "none.jsonl")
    assert done.exit_code == 2
    assert "Set CHAUKAS_OTLP_HEADERS." in done.output
