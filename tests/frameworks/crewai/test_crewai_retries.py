"""Whatever is tried again, and whatever a model, an agent or a guardrail fails of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from crewai.hooks import register_before_llm_call_hook

from loopback import Call, Fail, Text, ToolCalls
from tests.frameworks.crewai.scripted import agent, crew, recorded, served, task
from tests.support.trees import named, only, tree, tree_of


def test_a_hook_that_refuses_a_model_ends_the_run() -> None:
    register_before_llm_call_hook(lambda _context: False)
    with recorded() as events, pytest.raises(Exception, match="hook"):
        crew(task(agent("never", max_retry_limit=0))).kickoff()
    shown = tree_of(events())
    assert "MODEL" not in shown
    assert shown.count("ERROR") == 1
    assert "POLICY hook:pre_model_call deny" in shown


def test_an_agent_that_tries_again_is_one_agent() -> None:
    with recorded() as events:
        worker = agent(ValueError("hm"), "better")
        assert crew(task(worker)).kickoff().raw == "better"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL FAILED
                ERROR ValueError recoverable
              RETRY agent 1/2
              MODEL
            OUTPUT
        """
    )
    retry = only(events(), "RETRY")["retry"]
    assert (retry["strategy"], retry["error_message"]) == ("immediate", "hm")
    assert retry["metadata"]["error_code"] == "ValueError"


def test_a_model_that_always_fails_is_one_error_that_ends_it() -> None:
    last = ValueError("still no")
    with recorded() as events:
        worker = agent(ValueError("no"), last, max_retry_limit=1)
        with pytest.raises(ValueError, match="still no") as raised:
            crew(task(worker)).kickoff()
    assert raised.value is last
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            AGENT writer FAILED
              MODEL FAILED
                ERROR ValueError recoverable
              RETRY agent 1/1
              MODEL FAILED
                ERROR ValueError
        """
    )


def test_retries_of_the_client_stand_in_the_model() -> None:
    replies = [
        Fail(429, headers={"retry-after-ms": "50"}),
        Fail(500),
        Text("It is blue"),
    ]
    with recorded() as events, served(replies) as (server, llm):
        assert crew(task(agent(llm=llm))).kickoff().raw == "It is blue"
        assert len(server.requests) == 3
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
                RETRY http 1/2
                RETRY http 2/2
            OUTPUT
        """
    )
    first, second = (each["retry"] for each in named(events(), "RETRY"))
    assert first["backoff_ms"] >= 50
    assert second["backoff_ms"] >= 400
    call = only(events(), "MODEL_INVOCATION_END")["llm_invocation"]
    assert call["provider"] == "openai_compatible"
    assert call["total_tokens"] > 0


class RateLimitError(Exception):
    """As a provider's client names it."""


def test_the_wait_of_crewai_itself_is_measured() -> None:
    with recorded() as events:
        worker = agent(RateLimitError("slow down"), "better")
        assert crew(task(worker)).kickoff().raw == "better"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
                RETRY crewai 1/2
            OUTPUT
        """
    )
    retry = only(events(), "RETRY")["retry"]
    assert retry["backoff_ms"] >= 800
    assert retry["strategy"] == "exponential"


def test_eighteen_requests_are_eighteen_on_record() -> None:
    with recorded() as events, served(_always_429) as (server, llm):
        worker = agent(llm=llm, max_retry_limit=1)
        with pytest.raises(Exception, match="429"):
            crew(task(worker)).kickoff()
        assert len(server.requests) == 18
    shown = tree_of(events())
    assert shown.count("MODEL FAILED") == 2
    layers = [each["retry"]["metadata"]["layer"] for each in named(events(), "RETRY")]
    once = ["http", "http", "crewai", "http", "http", "crewai", "http", "http"]
    assert layers == [*once, "agent", *once]
    errors = [
        each["error"].get("recoverable", False) for each in named(events(), "ERROR")
    ]
    assert errors == [True, False]


def _always_429(_request: Any) -> Fail:
    return Fail(429, headers={"retry-after-ms": "1"})


def refuse_once() -> Any:
    said: list[str] = []

    # Without a return type: CrewAI reads it, and knows no text for one.
    def no_blue(output: Any):  # type: ignore[no-untyped-def]
        said.append(output.raw)
        return (True, output.raw) if len(said) > 1 else (False, "not blue")

    return no_blue


def test_a_guardrail_that_refuses_once_has_the_agent_work_again() -> None:
    with recorded() as events:
        worker = agent("blue", "red")
        assert crew(task(worker, guardrail=refuse_once())).kickoff().raw == "red"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              POLICY no_blue deny
              RETRY guardrail 1/3
              MODEL
              POLICY no_blue allow
            OUTPUT
        """
    )
    assert only(events(), "RETRY")["retry"]["error_message"] == "not blue"
    deny, _ = named(events(), "POLICY_DECISION")
    assert deny["policy"]["rationale"] == "not blue"


def test_a_guardrail_that_always_refuses_ends_the_run() -> None:
    # As above.
    def never(_output: Any):  # type: ignore[no-untyped-def]
        return False, "no"

    with recorded() as events:
        worker = agent("a", "b")
        one = task(worker, guardrail=never, guardrail_max_retries=1)
        with pytest.raises(Exception, match="validation"):
            crew(one).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            AGENT writer FAILED
              MODEL
              POLICY never deny
              RETRY guardrail 1/1
              MODEL
              POLICY never deny
              ERROR Exception
        """
    )


def test_a_guardrail_in_words_is_an_agent_of_its_own() -> None:
    with recorded() as events:
        worker = agent("blue", '{"valid": true, "feedback": null}')
        crew(task(worker, guardrail="must be a colour")).kickoff()
    rules = only(events(), "POLICY_DECISION")["policy"]["rule_ids"]
    assert rules == ["must be a colour"]
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              AGENT Guardrail Agent
                MODEL
              POLICY llm_guardrail allow
            OUTPUT
        """
    )


def test_an_agent_alone_works_again_for_its_guardrail() -> None:
    with recorded() as events:
        worker = agent("blue", "red", guardrail=refuse_once())
        assert worker.kickoff("hi").raw == "red"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT writer
            INPUT
            MODEL
            POLICY no_blue deny
            RETRY guardrail 1/3
            MODEL
            POLICY no_blue allow
            OUTPUT
        """
    )


def test_a_crew_that_takes_too_long_is_one_error() -> None:
    import time

    with recorded() as events:
        worker = agent(lambda: time.sleep(4.2) or "late", max_execution_time=4)
        with pytest.raises(TimeoutError):
            crew(task(worker)).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            AGENT writer FAILED
              MODEL
              ERROR TimeoutError
        """
    )


def test_a_crew_that_is_cancelled_is_no_error() -> None:
    import threading

    is_asked, gate = threading.Event(), threading.Event()

    def answer() -> str:
        is_asked.set()
        gate.wait(60)
        return "late"

    async def main() -> None:
        running = asyncio.ensure_future(crew(task(agent(answer))).akickoff())
        assert await asyncio.to_thread(is_asked.wait, 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.set()

    with recorded() as events:
        asyncio.run(main())
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew CANCELLED
            INPUT
            AGENT writer CANCELLED
              MODEL CANCELLED
        """
    )
    end = only(events(), "MODEL_INVOCATION_END")
    assert end["metadata"]["orphan"] is True


def test_what_is_left_to_instructor_is_one_model_with_all_retries() -> None:
    from crewai.utilities.internal_instructor import InternalInstructor
    from pydantic import BaseModel

    class Colour(BaseModel):
        name: str

    replies = [Fail(429, headers={"retry-after-ms": "1"}), *_colours("not", "blue")]
    with recorded() as events, served(replies) as (server, llm):
        given: Any = InternalInstructor(content="colour?", model=Colour, llm=llm)
        assert given.to_pydantic().name == "blue"
        assert len(server.requests) == 3
    shown = tree_of(events())
    assert shown.splitlines()[:3] == ["SESSION", "  MODEL", "    RETRY http 1/2"]
    assert shown.count("MODEL") == 1
    start = only(events(), "MODEL_INVOCATION_START")["llm_invocation"]
    assert start["metadata"]["via"] == "instructor"
    end = only(events(), "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["total_tokens"] > 0


def _colours(*names: str) -> list[Any]:
    calls = ({} if name == "not" else {"name": name} for name in names)
    return [ToolCalls(Call("Colour", call)) for call in calls]
