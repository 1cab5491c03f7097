"""What stands below what in the tree, whatever files and processes it came from."""

from __future__ import annotations

from typing import Any

import pytest

from chaukas.cli.tree import render
from tests.support.samples import event


def span(
    name: str, at: int, own: str = "", parent: str = "", **fields: Any
) -> dict[str, Any]:
    """Return an event `at` that many seconds, in a place of the tree."""
    about = {name: fields.pop(name) for name in ("stream",) if name in fields}
    metadata = fields.pop("metadata", {})
    made = event(name, at, span_id=own, parent_span_id=parent, **fields)
    made["timestamp"] = f"2026-01-01T12:{at // 60:02d}:{at % 60:02d}.000000Z"
    for content in {"session_start", "session_end"} - fields.keys():
        made.pop(content, None)
    made["metadata"] = {"chaukas": {"stream": "s1", **about}, **metadata}
    return made


def system(name: str, at: int, **fields: Any) -> dict[str, Any]:
    """Return an event of chaukas itself."""
    metadata = {"name": name, **fields.pop("metadata", {})}
    made = span("SYSTEM", at, f"y{at}", metadata=metadata, **fields)
    made.setdefault("session_id", "")
    return made


def agent(name: str, at: int, end: int, own: str, **fields: Any) -> list[Any]:
    """Return a pair of an agent right below the session `s`."""
    who = {"agent_id": name, "agent_name": name}
    status = fields.pop("status", "COMPLETED")
    last = {"status": f"EVENT_STATUS_{status}", "performance": {"duration_ms": 1}}
    start = span("AGENT_START", at, own, "s", **who, **fields)
    return [start, span("AGENT_END", end, own, "s", **who, **{**fields, **last})]


def handoff(at: int, parent: str, to: str, **fields: Any) -> dict[str, Any]:
    names = {"to_agent_id": to, "to_agent_name": to, "from_agent_name": parent}
    return span(
        "AGENT_HANDOFF", at, f"h{at}{to}", parent, agent_handoff=names, **fields
    )


def short(events: list[dict[str, Any]]) -> list[str]:
    """Return the lines without times, durations and amounts."""
    return [line.partition("  ")[0].rstrip("( ") for line in (
        one.replace("│  ", "│").replace("   ", "│") for one in render(events)
    )]  # fmt: skip


# --- runs ------------------------------------------------------------------------


@pytest.mark.parametrize("has_run_id", [True, False])
def test_an_agent_that_took_over_stands_after_the_one_that_handed_over(
    has_run_id: bool,
) -> None:
    events = [span("SESSION_START", 0, "s")]
    for n in range(3):
        place: dict[str, Any] = {"trace_id": f"t{n}"}
        if has_run_id:
            place["metadata"] = {"run_id": f"a{n}"}
            place["trace_id"] = "one"
        events += agent("desk", 1 + n, 10 + n, f"a{n}", **place)
        events.append(handoff(9 + n, f"a{n}", "billing", **place))
        events += agent("billing", 29 - n, 30, f"b{n}", **place)
    lines = render(events)[1:]
    assert [line for line in lines if "agent" in line or "handoff" in line] == [
        "├─ agent desk  12:00:01  ✓ 1 ms",
        "│  └─ handoff a0 → billing",
        "├─ agent billing  12:00:29  ✓ 1 ms",
        "├─ agent desk  12:00:02  ✓ 1 ms",
        "│  └─ handoff a1 → billing",
        "├─ agent billing  12:00:28  ✓ 1 ms",
        "├─ agent desk  12:00:03  ✓ 1 ms",
        "│  └─ handoff a2 → billing",
        "└─ agent billing  12:00:27  ✓ 1 ms",
    ]


def test_an_event_without_its_parent_stands_below_the_first_agent_of_its_run() -> None:
    run = {"run_id": "a"}
    events = [
        span("SESSION_START", 0, "s"),
        *agent("A", 1, 9, "a", metadata=run),
        span("OUTPUT_EMITTED", 2, "", "gone", metadata=run),
        span("OUTPUT_EMITTED", 3, "", "gone"),
    ]
    lines = render(events)
    assert lines[2] == '│  └─ output "done"'
    assert lines[3] == '└─ output "done"'


def test_a_run_that_went_on_after_an_approval_is_one_run_in_its_two_places() -> None:
    waiting = {"metadata": {"waiting": True}}
    about = {"tool_call_id": "c1", "tool_name": "refund"}
    policy = {"policy_id": "tool_approval", "outcome": "review"}
    events = [
        span("SESSION_START", 0, "s"),
        *agent("A", 1, 2, "a", **waiting),
        span("POLICY_DECISION", 2, "p", "a", policy=policy, metadata=about),
        span("POLICY_DECISION", 5, "q", "s", policy={
            **policy, "outcome": "allow", "rule_ids": ["refund"],
            "metadata": {"tool_call_id": "c1"},
        }),
        *agent("A", 7, 8, "b"),
    ]  # fmt: skip
    assert render(events) == [
        "session s-1  2026-01-01 12:00:00  …  1 run",
        "├─ agent A  12:00:01  waiting 1 ms",
        "│  └─ policy tool_approval review  refund c1",
        "├─ policy tool_approval allow  refund c1",
        "└─ agent A  12:00:07  ✓ 1 ms",
    ]
    assert render(events[:4])[0].endswith("1 run, 1 waiting")


# --- sessions --------------------------------------------------------------------


def test_a_session_tells_when_whose_how_many_and_how_much() -> None:
    priced = {"llm_invocation": {"prompt_tokens": 1000, "completion_tokens": 5},
              "cost": {"total_cost": 1.5, "currency": "USD"}}  # fmt: skip
    unpriced = {"metadata": {"price": "unknown"}, "cost": {},
                "llm_invocation": {"model": "m", "prompt_tokens": 1}}  # fmt: skip
    whose = {"tenant_id": "acme", "project_id": "support"}
    name = {"session_start": {"session_name": "web chat"}}
    events = [
        span("SESSION_START", 0, "s", **whose, **name),
        *agent("A", 1, 2, "a", **whose),
        *agent("B", 3, 4, "b", status="FAILED", **whose),
        *agent("C", 5, 6, "c", status="CANCELLED", **whose),
        span("MODEL_INVOCATION_END", 2, "m", "a", **whose, **priced),
        span("MODEL_INVOCATION_END", 2, "n", "a", **whose, **unpriced),
        span("SESSION_END", 9, "s", **whose),
    ]
    lines = render(events)
    assert lines[0] == (
        "session web chat (s-1)  2026-01-01 12:00:00  tenant acme  project support"
        "  ✓ 9.00 s  3 runs, 1 failed, 1 cancelled  1,001+5 tokens"
        "  1.50 USD + 1 call of unknown price"
    )
    assert any(line.endswith("model m  ✓  1+0 tokens  price unknown") for line in lines)


@pytest.mark.parametrize(("failed", "mark"), [(1, "✓"), (2, "✗")])
def test_a_session_whose_runs_all_failed_is_no_success(failed: int, mark: str) -> None:
    events = [span("SESSION_START", 0, "s"), span("SESSION_END", 9, "s")]
    for n in range(2):
        status = "FAILED" if n < failed else "COMPLETED"
        events += agent("A", 1 + n, 5, f"a{n}", status=status)
    assert f"  {mark} 9.00 s  2 runs, {failed} failed" in render(events)[0]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("s-1", "session s-1  "),
        ("openai_agents_session", "session s-1  "),
        ("chat", "session chat (s-1)  "),
    ],
)
def test_a_name_that_says_nothing_is_not_shown(name: str, shown: str) -> None:
    about = {"session_name": name, "metadata": {"framework": "openai_agents"}}
    assert render([span("SESSION_START", 0, "s", session_start=about)])[0].startswith(
        shown
    )


def test_an_event_stands_in_the_opening_of_its_session_that_its_time_falls_into() -> (
    None
):
    def own(name: str, at: int, **fields: Any) -> dict[str, Any]:
        return span("SYSTEM", at, f"y{at}", metadata={"name": name}, **fields)

    events = [
        own("before", 1),
        span("SESSION_START", 2, "s"),
        own("inside", 3),
        span("SESSION_END", 4, "s"),
        own("between", 5),
        span("SESSION_START", 6, "s'"),
        own("inside again", 7),
        span("SESSION_END", 8, "s'"),
        own("after", 9),
        # Another process serves the same session meanwhile, and another tenant.
        span("SESSION_START", 4, "s''", stream="s2"),
        own("elsewhere", 7, stream="s2"),
        own("a stranger's", 7, tenant_id="other"),
    ]
    assert short(events) == [
        "session s-1",
        "├─ system before",
        "└─ system inside",
        "session s-1",
        "└─ system elsewhere",
        "session s-1",
        "├─ system between",
        "├─ system inside again",
        "└─ system after",
        "session s-1",
        "└─ system a stranger's",
    ]


def test_a_session_that_begins_in_another_file_says_so() -> None:
    alone = span("AGENT_END", 1, "a", "s", agent_name="A")
    assert render([alone])[0] == (
        "session s-1  2026-01-01 12:00:01  begins in another file  1 run"
    )
    end = span("SESSION_END", 9, "s", session_end={"session_name": "chat"})
    assert render([alone, end])[0] == (
        "session chat (s-1)  2026-01-01 12:00:09  begins in another file  ✓  1 run"
    )
    # An event outside of any run opens no session.
    own = span("SYSTEM", 1, "y", metadata={"name": "http.request"})
    assert render([own])[0] == "session s-1  2026-01-01 12:00:01"


def test_a_span_of_others_at_the_top_tells_its_day() -> None:
    events = [
        span("SYSTEM", 1, "y", session_id="", metadata={"name": "POST /ask"}),
        *agent("A", 2, 3, "a", session_id=""),
    ]
    for one in events[1:]:
        one["parent_span_id"] = "y"
    assert render(events) == [
        "system POST /ask  2026-01-01 12:00:01",
        "└─ agent A  12:00:02  ✓ 1 ms",
    ]


# --- processes -------------------------------------------------------------------


def test_what_chaukas_says_of_itself_stands_below_its_process() -> None:
    events = [
        system("chaukas.enabled", 0),
        span("SESSION_START", 1, "s"),
        span("SESSION_END", 2, "s"),
        system("chaukas.pipeline", 2),
        system("chaukas.disabled", 3),
    ]
    assert render(events) == [
        "process s1  2026-01-01 12:00:00  ✓ 3.00 s",
        "├─ system chaukas.enabled",
        "├─ system chaukas.pipeline",
        "└─ system chaukas.disabled",
        "session s-1  2026-01-01 12:00:01  ✓ 1.00 s",
    ]
    # As older files have it: with a session that nothing opens.
    for one in events:
        if one["type"] == "EVENT_TYPE_SYSTEM":
            one["session_id"] = "phantom"
    assert "phantom" not in "\n".join(render(events))
    assert len(render(events)) == 5


def unfinished(stream: str, at: int) -> list[dict[str, Any]]:
    names = {"session_id": stream, "stream": stream}
    return [
        system("chaukas.enabled", at, stream=stream),
        span("SESSION_START", at + 1, f"{stream}s", **names),
        span("AGENT_START", at + 2, f"{stream}a", f"{stream}s", **names),
    ]


def marks(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return how it stands with each session."""
    return {
        line.split()[1]: "cut" if "  cut" in line else "…" if "  …" in line else "✓"
        for line in render(events)
        if line.startswith("session ")
    }


def test_a_process_that_nothing_is_known_of_may_be_at_work() -> None:
    assert marks(unfinished("s1", 0)) == {"s1": "…"}


def test_a_process_that_fell_silent_before_the_next_one_began_is_cut() -> None:
    events = [*unfinished("s1", 0), *unfinished("s2", 10), *unfinished("s3", 20)]
    assert marks(events) == {"s1": "cut", "s2": "cut", "s3": "…"}
    assert render(events)[0] == "process s1  2026-01-01 12:00:00  cut"


def test_processes_side_by_side_prove_nothing_of_each_other() -> None:
    events = [*unfinished("s1", 0), *unfinished("s2", 1), *unfinished("s3", 20)]
    assert marks(events) == {"s1": "…", "s2": "…", "s3": "…"}


def test_a_process_whose_spool_was_delivered_by_another_is_cut() -> None:
    report = {"metadata": {"data": {"stream": "s1"}}}
    events = [*unfinished("s1", 0), *unfinished("s2", 1)]
    events.append(system("chaukas.adopted", 5, stream="s2", **report))
    assert marks(events) == {"s1": "cut", "s2": "…"}


# --- sizes -----------------------------------------------------------------------


def chain(length: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "EVENT_TYPE_AGENT_START",
            "span_id": f"{n}",
            "parent_span_id": f"{n - 1}",
        }
        for n in range(length)
    ]


def test_a_chain_of_any_length_is_indented_up_to_a_bound() -> None:
    lines = render(chain(20_000))
    assert len(lines) == 20_000
    assert max(map(len, lines)) < 140
    assert lines[32] == "   " * 31 + "└─ agent  …"
    assert lines[19_999].strip() == "(level 19999) agent  …"


def test_work_grows_with_the_events_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from chaukas.cli.tree import nesting

    asked = 0
    text_of = nesting.text_of

    def counting(*arguments: Any) -> str:
        nonlocal asked
        asked += 1
        return text_of(*arguments)

    monkeypatch.setattr(nesting, "text_of", counting)
    counts = []
    for length in (1000, 2000):
        asked = 0
        render(chain(length))
        counts.append(asked)
    assert counts[1] < counts[0] * 2.2


def test_spans_in_a_large_circle_are_shown_once_each() -> None:
    events = chain(3000)
    events[0]["parent_span_id"] = "2999"
    assert len(render(events)) == 3000


# --- single lines ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"tool_call": {"tool_name": "f", "arguments": {"a": "x", "b": [1]}}},
         'tool f(a="x", b=[1])  …'),
        ({"tool_call": {"name": "f"}}, "tool f  …"),
        ({"tool_call": {"tool_name": "f", "arguments": {"text": "y" * 500}}},
         'tool f(text="' + "y" * 53 + "…)  …"),
        ({"tool_call": {"tool_name": "f", "arguments": {"a": "\x1b[31m\n"}}},
         'tool f(a="\\u001b[31m\\n")  …'),
    ],
)  # fmt: skip
def test_a_tool_is_shown_with_its_arguments(fields: dict[str, Any], line: str) -> None:
    assert render([span("TOOL_CALL_START", 1, "t", session_id="", **fields)]) == [line]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.00001, "0.000010 USD"),
        (0.000012, "0.000012 USD"),
        (0.25, "0.250000 USD"),
        (1234.5, "1,234.50 USD"),
        (0, "0.000000 USD"),
    ],
)
def test_money_is_shown_in_one_form(amount: float, shown: str) -> None:
    cost = {"total_cost": amount, "currency": "USD"}
    lines = render([span("MODEL_INVOCATION_END", 1, "m", session_id="", cost=cost)])
    assert lines[0].endswith(f"  {shown}")


def test_a_piece_of_an_answer_is_not_called_an_output() -> None:
    piece = span("OUTPUT_EMITTED", 1, "o", session_id="", is_partial=True)
    assert render([piece]) == ['partial "done"']


def test_one_document_is_not_called_documents() -> None:
    access = {"datasource": "d", "document_ids": ["x"]}
    assert render([span("DATA_ACCESS", 1, "d", session_id="", data_access=access)]) == [
        "data d (1 document)"
    ]
