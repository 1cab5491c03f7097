"""Flows: a pair for each, and the state after each of their methods."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.flow import Flow, human_feedback, listen, persist, router, start
from crewai.flow.flow import and_
from crewai.flow.persistence import SQLiteFlowPersistence
from pydantic import BaseModel

from tests.frameworks.crewai.scripted import ScriptedLLM, agent, crew, recorded, task
from tests.support.trees import named, only, tree, tree_of


class Colours(BaseModel):
    id: str = "f1"
    wanted: str = ""
    found: str = ""


class Painting(Flow[Colours]):
    @start()
    def choose(self) -> str:
        self.state.wanted = "blue"
        return "chosen"

    @router(choose)
    def check(self) -> str:
        return "good"

    @listen("good")
    def paint(self) -> str:
        self.state.found = crew(task(agent("sky"))).kickoff().raw
        return f"{self.state.wanted} {self.state.found}"


def test_a_flow_with_a_crew_is_one_tree() -> None:
    with recorded() as events:
        assert Painting().kickoff(inputs={"wanted": "red"}) == "blue sky"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Painting
            INPUT
            STATE_UPDATE x2
            AGENT crew
              AGENT writer
                MODEL
            STATE_UPDATE
            OUTPUT
        """
    )
    first, second, third = (
        each["state_update"]["flow"] for each in named(events(), "STATE_UPDATE")
    )
    assert first["method"] == "choose"
    assert first["state"]["wanted"] == "blue"
    assert second["method"] == "check"
    assert second["route"] == "good"
    assert "state" not in second
    assert third["state"] == {"found": "sky"}
    begin = next(
        each
        for each in named(events(), "AGENT_START")
        if each["agent_name"] == "Painting"
    )
    assert begin["metadata"]["agent_type"] == "flow"


class Mixed(Flow):
    @start()
    async def awaited(self) -> str:
        return str((await agent("one").kickoff_async("hi")).raw)

    @listen(awaited)
    def plain(self) -> Any:
        return agent("two", role="second").kickoff("hi")

    @listen(plain)
    def direct(self) -> str:
        return str(ScriptedLLM("three").call("hi"))


def test_agents_and_models_of_a_flow_stand_in_it() -> None:
    with recorded() as events:
        assert Mixed().kickoff() == "three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Mixed
            AGENT writer
              MODEL
            STATE_UPDATE
            AGENT second
              MODEL
            STATE_UPDATE
            MODEL
            STATE_UPDATE
            OUTPUT
        """
    )
    _, first, second = named(events(), "AGENT_START")
    *_, direct = named(events(), "MODEL_INVOCATION_START")
    methods = [first["metadata"], second["metadata"], direct["llm_invocation"]]
    assert methods[0]["flow_method"] == "awaited"
    assert methods[1]["flow_method"] == "plain"
    assert methods[2]["metadata"]["flow_method"] == "direct"


class Parallel(Flow):
    @start()
    async def left(self) -> str:
        return str((await crew(task(agent("l", role="l"))).akickoff()).raw)

    @start()
    async def right(self) -> str:
        return str((await crew(task(agent("r", role="r"))).akickoff()).raw)

    @listen(and_(left, right))
    def both(self) -> str:
        return "both"


def test_crews_of_a_flow_side_by_side_do_not_mix() -> None:
    with recorded() as events:
        assert Parallel().kickoff() == "both"
    tree_of(events())
    crews = {
        each["span_id"]: each["parent_span_id"]
        for each in named(events(), "AGENT_START")
        if each["agent_name"] == "crew"
    }
    flow = only(
        [e for e in named(events(), "AGENT_START") if e["agent_name"] == "Parallel"],
        "AGENT_START",
    )
    assert set(crews.values()) == {flow["span_id"]}
    agents = [
        each["parent_span_id"]
        for each in named(events(), "AGENT_START")
        if each["agent_name"] in "lr"
    ]
    assert sorted(agents) == sorted(crews)
    assert len(named(events(), "STATE_UPDATE")) == 3


class Failing(Flow):
    @start()
    def fail(self) -> None:
        raise LookupError("no")


def test_a_method_that_raises_ends_the_flow_with_one_error() -> None:
    with recorded() as events, pytest.raises(LookupError):
        Failing().kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Failing FAILED
            ERROR LookupError
        """
    )


class FailingCrew(Flow):
    @start()
    def fail(self) -> Any:
        return crew(task(agent(ValueError("no"), max_retry_limit=0))).kickoff()


def test_a_model_that_fails_inside_of_a_flow_is_one_error() -> None:
    with recorded() as events, pytest.raises(ValueError, match="no"):
        FailingCrew().kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT FailingCrew FAILED
            AGENT crew FAILED
              AGENT writer FAILED
                MODEL FAILED
                  ERROR ValueError
        """
    )


def test_a_persisted_flow_goes_on_in_the_session_of_its_id(tmp_path: Any) -> None:
    store = SQLiteFlowPersistence(str(tmp_path / "flows.db"))

    @persist(store)
    class Counting(Flow[dict]):  # type: ignore[type-arg]
        @start()
        def one(self) -> int:
            self.state["count"] = self.state.get("count", 0) + 1
            return int(self.state["count"])

        @listen(one)
        def two(self) -> str:
            return "done"

    with recorded() as events:
        first = Counting()
        first.kickoff()
        flow_id = first.state["id"]
        second = Counting()
        second.kickoff(inputs={"id": flow_id})
        assert second.state["count"] == 2
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Counting
            STATE_UPDATE x4
            OUTPUT
        SESSION
          AGENT Counting
            STATE_UPDATE x5
            OUTPUT
        """
    )
    operations = [
        each["state_update"]["flow"].get("operation", "method")
        for each in named(events(), "STATE_UPDATE")
    ]
    saved = ["persisted", "method"] * 2
    assert operations == [*saved, "restored", *saved]
    sessions = [each["session_id"] for each in named(events(), "SESSION_START")]
    assert sessions[1] == flow_id


def test_a_stream_of_a_flow_is_the_same_tree() -> None:
    with recorded() as events:
        flow = Painting()
        flow.stream = True
        stream: Any = flow.kickoff()
        for _piece in stream:
            continue
        assert stream.result == "blue sky"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Painting
            STATE_UPDATE x2
            AGENT crew
              AGENT writer
                MODEL
            STATE_UPDATE
            OUTPUT
        """
    )


def test_the_feedback_of_a_person_is_a_review_and_what_it_comes_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llm = ScriptedLLM("approved")

    class Reviewed(Flow):
        @start()
        @human_feedback(message="Good?", emit=["approved", "rejected"], llm=llm)
        def draft(self) -> str:
            return "a draft"

        @listen("approved")
        def publish(self) -> str:
            return "published"

    flow = Reviewed()
    monkeypatch.setattr(
        Flow, "_request_human_feedback", _answering("yes, good"), raising=True
    )
    with recorded() as events:
        assert flow.kickoff() == "published"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Reviewed
            POLICY human_feedback review
            INPUT
            MODEL
            POLICY human_feedback allow
            STATE_UPDATE x2
            OUTPUT
        """
    )
    _, allow = named(events(), "POLICY_DECISION")
    assert allow["policy"]["rule_ids"] == ["approved"]


def _answering(text: str) -> Any:
    def answer(self: Any, *args: Any, **kwargs: Any) -> str:
        return text

    return answer


def test_turns_of_a_conversation_are_runs_of_its_session() -> None:
    from crewai.flow import ConversationConfig, ConversationState

    @ConversationConfig(llm=ScriptedLLM("hello", "bye"))
    class Chat(Flow[ConversationState]):
        conversational = True

    with recorded() as events:
        chat = Chat()
        for text in ("hi", "so long"):
            chat.handle_turn(text, session_id="chat-1")
    inputs = [each["message"]["text"] for each in named(events(), "INPUT_RECEIVED")]
    assert inputs == ["hi", "so long"]
    assert only(events(), "SESSION_START")["session_id"] == "chat-1"
    runs = named(events(), "AGENT_START")
    assert [each["agent_name"] for each in runs] == ["Chat", "Chat"]
