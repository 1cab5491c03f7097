"""People who are asked: for feedback, for input, in a conversation, in a training."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.core.providers.human_input import SyncHumanInputProvider
from crewai.flow import Flow, human_feedback, listen, start

from tests.frameworks.crewai.scripted import ScriptedLLM, agent, crew, recorded, task
from tests.support.trees import named, only, tree, tree_of


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what a person at the terminal answers."""

    def answer(*texts: str) -> None:
        left = list(texts)
        monkeypatch.setattr(
            SyncHumanInputProvider,
            "_prompt_input",
            staticmethod(lambda _crew: left.pop(0)),
        )

    return answer


def test_a_person_who_remarks_and_then_accepts(says: Any) -> None:
    says("shorter", "")
    with recorded() as events:
        worker = agent("It is blue", "Blue")
        assert crew(task(worker, human_input=True)).kickoff().raw == "Blue"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              POLICY human_input review
              INPUT
              MODEL
              POLICY human_input allow
            OUTPUT
        """
    )
    _, remark = named(events(), "INPUT_RECEIVED")
    assert remark["message"] == {
        "role": "user",
        "text": "shorter",
        "metadata": {"source": "human_feedback"},
    }


def test_a_training_is_a_run_around_its_crew(says: Any, tmp_path: Any) -> None:
    says("shorter")
    evaluation = '{"suggestions": ["s"], "quality": 5.0, "final_summary": "f"}'
    with recorded() as events:
        worker = agent("It is blue", "Blue", evaluation)
        crew(task(worker)).train(1, str(tmp_path / "trained.pkl"), {})
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT crew
              AGENT writer
                MODEL
                POLICY human_input review
                INPUT
                MODEL
                POLICY human_input allow
            MODEL
        """
    )


def test_a_test_has_an_evaluator_inside() -> None:
    judge = ScriptedLLM('{"quality": 9.0}')
    with recorded() as events:
        crew(task(agent("It is blue"))).test(1, judge)
    shown = tree_of(events())
    assert "AGENT Task Execution Evaluator" in shown
    starts = named(events(), "AGENT_START")
    kinds = [each["metadata"].get("agent_type") for each in starts]
    assert kinds == ["crew_test", "crew", None, None]


def test_a_flow_that_asks_has_the_answer_as_input() -> None:
    class Provider:
        def request_input(self, message: str, flow: Any, metadata: Any = None) -> str:
            return "blue"

    class Asking(Flow):
        @start()
        def ask_it(self) -> Any:
            return self.ask("Which colour?")

    flow = Asking()
    flow.input_provider = Provider()
    with recorded() as events:
        assert flow.kickoff() == "blue"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT Asking
            INPUT
            STATE_UPDATE
            OUTPUT
        """
    )
    message = only(events(), "INPUT_RECEIVED")["message"]
    assert message["text"] == "blue"
    assert message["metadata"] == {"source": "flow_input"}


def test_feedback_on_a_flow_is_a_review_an_input_and_an_outcome() -> None:
    class Provider:
        def request_feedback(self, context: Any, flow: Any) -> str:
            return "yes, good"

    llm = ScriptedLLM("approved")

    class Reviewed(Flow):
        @start()
        @human_feedback(
            message="Good?",
            emit=["approved", "rejected"],
            llm=llm,
            provider=Provider(),
        )
        def draft(self) -> str:
            return "a draft"

        @listen("approved")
        def publish(self) -> str:
            return "published"

    with recorded() as events:
        assert Reviewed().kickoff() == "published"
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


def test_a_flow_that_is_paused_goes_on_in_the_same_session_and_trace() -> None:
    from crewai.flow.async_feedback import HumanFeedbackPending, PendingFeedbackContext

    class Later:
        def request_feedback(self, context: PendingFeedbackContext, flow: Any) -> str:
            raise HumanFeedbackPending(context=context)

    class Reviewed(Flow):
        @start()
        @human_feedback(message="Good?", provider=Later())
        def draft(self) -> str:
            return "a draft"

        @listen(draft)
        def publish(self) -> str:
            return "published"

    with recorded() as events:
        flow = Reviewed()
        assert isinstance(flow.kickoff(), HumanFeedbackPending)
        again = Reviewed.from_pending(flow.flow_id)
        assert again.resume("fine") == "published"
    shown = tree_of(events())
    assert "AGENT Reviewed waiting" in shown
    assert "ERROR" not in shown
    starts = named(events(), "AGENT_START")
    assert len(starts) == 2
    assert starts[1]["metadata"]["resumed"] is True
    assert len({(e["session_id"], e["trace_id"]) for e in starts}) == 1
