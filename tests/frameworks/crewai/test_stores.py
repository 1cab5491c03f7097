"""What agents look up and keep: knowledge, memory, plans."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from crewai.knowledge.source.string_knowledge_source import StringKnowledgeSource
from crewai.memory.unified_memory import Memory

from loopback import Text
from tests.frameworks.crewai.scripted import (
    ScriptedLLM,
    agent,
    call,
    crew,
    recorded,
    served,
    task,
)
from tests.support.trees import named, only, tree, tree_of


def vectors(texts: list[str]) -> list[list[float]]:
    """Return a vector for each text, made of its hash."""
    digests = (hashlib.sha256(str(text).encode()).digest() for text in texts)
    return [[byte / 255 for byte in digest[:16]] for digest in digests]


def embedder() -> dict[str, Any]:
    from chromadb.api.types import EmbeddingFunction
    from crewai.rag.embeddings.providers.custom.embedding_callable import (
        CustomEmbeddingFunction,
    )

    class Hashed(CustomEmbeddingFunction, EmbeddingFunction):  # type: ignore[misc]
        def __init__(self) -> None:
            return

        # The name is that of the interface.
        def __call__(self, input: Any) -> Any:  # noqa: A002
            return vectors(list(input))

    return {"provider": "custom", "config": {"embedding_callable": Hashed}}


def test_knowledge_is_added_and_asked() -> None:
    source = StringKnowledgeSource(content="The sky is blue.")
    with recorded() as events:
        worker = agent(
            "sky colour",
            "It is blue",
            knowledge_sources=[source],
            embedder=embedder(),
        )
        crew(task(worker, "Colour of the sky")).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            STATE_UPDATE
            AGENT writer
              MODEL
              DATA_ACCESS writer
              MODEL
            OUTPUT
        """
    )
    added = only(events(), "STATE_UPDATE")["state_update"]["store"]
    assert added["operation"] == "add_sources"
    assert added["sources"] == ["StringKnowledgeSource"]
    access = only(events(), "DATA_ACCESS")["data_access"]
    assert access["metadata"]["query"] == ["sky colour"]


def memory(tmp_path: Any, *script: Any) -> Memory:
    return Memory(
        llm=ScriptedLLM(*script),
        storage=str(tmp_path / "memory"),
        embedder=vectors,
    )


def test_a_memory_is_asked_and_kept(tmp_path: Any) -> None:
    facts = json.dumps({"memories": ["the sky is blue"]})
    analysis = json.dumps(
        {
            "suggested_scope": "/sky",
            "categories": ["colour"],
            "importance": 0.5,
            "extracted_metadata": {"entities": [], "dates": [], "topics": []},
        }
    )
    with recorded() as events:
        own = memory(tmp_path, facts, analysis)
        crew(task(agent("It is blue")), memory=own).kickoff()
    shown = tree_of(events())
    assert (
        shown.splitlines()[:6]
        == tree(
            """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              DATA_ACCESS memory
              MODEL x2
        """
        ).splitlines()
    )
    saved = only(events(), "STATE_UPDATE")["state_update"]["store"]
    assert saved["operation"] == "save"
    crew_start = named(events(), "AGENT_START")[0]
    assert only(events(), "STATE_UPDATE")["parent_span_id"] == crew_start["span_id"]


def test_what_a_memory_forgets_outside_of_a_run_stands_under_the_session(
    tmp_path: Any,
) -> None:
    own = memory(tmp_path)
    with recorded() as events:
        own.remember("x", scope="/a", categories=["c"], importance=0.5)
        own.forget(scope="/a")
    operations = [
        each["state_update"]["store"]["operation"]
        for each in named(events(), "STATE_UPDATE")
    ]
    assert operations == ["save", "forget"]
    assert "AGENT" not in tree_of(events())


def test_a_plan_of_an_agent_is_a_change_of_state() -> None:
    with recorded() as events:
        plan = json.dumps({"plan": "think", "steps": [], "ready": True})
        worker = agent(plan, "It is blue", reasoning=True)
        crew(task(worker)).kickoff()
    shown = tree_of(events())
    assert shown.count("STATE_UPDATE") == 1
    change = only(events(), "STATE_UPDATE")["state_update"]["store"]
    assert change["store"] == "plan"


def test_each_step_of_a_plan_has_its_models_and_tools() -> None:
    from tests.frameworks.crewai.test_tools import add

    def step(number: int, text: str, tool: str | None, *before: int) -> dict[str, Any]:
        names = ("step_number", "description", "tool_to_use", "depends_on")
        return dict(zip(names, (number, text, tool, list(before)), strict=True))

    steps = [step(1, "add", "add"), step(2, "say", None, 1)]
    plan = json.dumps({"plan": "think", "steps": steps, "ready": True})
    observed = json.dumps(
        {
            "step_completed_successfully": True,
            "key_information_learned": "3",
            "remaining_plan_still_valid": True,
            "suggested_refinements": None,
            "needs_full_replan": False,
            "goal_already_achieved": False,
        }
    )
    add_them = [call("add", {"a": 1, "b": 2})]
    with recorded() as events:
        worker = agent(
            plan,
            *(add_them, "three", observed, "said", observed, "It is three"),
            # CrewAI asks for ever if an answer does not please it.
            KeyboardInterrupt(),
            reasoning=True,
            tools=[add],
        )
        assert crew(task(worker)).kickoff().raw == "It is three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              STATE_UPDATE
              MODEL
              TOOL add
              MODEL x5
            OUTPUT
        """
    )
    assert only(events(), "TOOL_CALL_START")["tool_call"]["tool_id"] == "c1"


def test_checkpoints_are_changes_and_what_is_restored_is_a_run(tmp_path: Any) -> None:
    from crewai import Crew
    from crewai.state.checkpoint_config import CheckpointConfig

    points = tmp_path / "points"
    with recorded() as events, served([Text("1"), Text("2"), Text("3")]) as (_, llm):
        first, second = agent(llm=llm, role="first"), agent(llm=llm, role="second")
        given = crew(task(first), task(second, "More"))
        given.kickoff(from_checkpoint=CheckpointConfig(location=str(points)))
        between = next(points.rglob("*_p-none.json"))
        restored = Crew.from_checkpoint(CheckpointConfig(restore_from=str(between)))
        restored.agents[1].llm = llm
        assert restored.kickoff().raw == "3"
    # A thread of CrewAI writes checkpoints while the crew goes on.
    changed = named(events(), "STATE_UPDATE")
    assert tree_of([one for one in events() if one not in changed]) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT first
              MODEL
            HANDOFF first -> second
            AGENT second
              MODEL
            OUTPUT
          AGENT crew
            INPUT
            AGENT second
              MODEL
            OUTPUT
        """
    )
    crews = [e for e in named(events(), "AGENT_START") if e["agent_name"] == "crew"]
    (session,) = {each["parent_span_id"] for each in crews}
    assert [one["parent_span_id"] for one in changed] == [
        crews[0]["span_id"],
        crews[0]["span_id"],
        session,
        crews[1]["span_id"],
    ]
    changes = [e["state_update"]["store"] for e in named(events(), "STATE_UPDATE")]
    assert [each["operation"] for each in changes] == [
        *["checkpoint_completed"] * 2,
        "checkpoint_restore_completed",
        "checkpoint_completed",
    ]
    assert changes[0]["checkpoint_id"] in between.name
