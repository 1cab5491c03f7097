"""What integrations read of objects, none of whose code may run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chaukas.sdk.integrations.crewai import facts as crewai
from chaukas.sdk.integrations.google_adk import exchange as adk
from chaukas.sdk.integrations.google_adk.facts import message_of
from chaukas.sdk.integrations.google_adk.runs import RunnerCalls
from chaukas.sdk.integrations.openai_agents import facts as agents
from chaukas.sdk.integrations.shared.read import is_blank, is_set


class Untouchable:
    """Raises whatever it is asked."""

    def _raised(self, *_args):
        raise RuntimeError("it was asked")

    __eq__ = __ne__ = __bool__ = __len__ = __iter__ = __contains__ = _raised
    __hash__ = _raised


class FinalEvent:
    """An event of ADK that says that it is the answer."""

    __module__ = "google.adk.events.event"

    def is_final_response(self):
        """Say so."""
        return True


THING = Untouchable()


def test_a_stranger_is_neither_blank_nor_unset():
    assert is_set(THING)
    assert not is_blank(THING)


@pytest.mark.parametrize(
    "value", [None, True, False, 0, 1, 0.0, 2.5, "", "a", b"", [], [0], (), {}, {1: 2}]
)
def test_plain_data_is_set_if_python_says_so(value):
    assert is_set(value) is bool(value)
    assert is_blank(value) is (value in (None, "") and value is not False)


def is_only(found, expected):
    """Tell whether both are the same, by identity where there is a stranger."""
    if type(found) is dict and type(expected) is dict:
        return list(found) == list(expected) and all(
            is_only(found[name], expected[name]) for name in expected
        )
    return found is expected or (THING is not expected and found == expected)


class TestCrewAI:
    """Agents, crews and requests of CrewAI."""

    def test_limits_of_an_agent_are_not_compared(self):
        agent = SimpleNamespace(role="cook", max_iter=THING, max_rpm=None)

        assert is_only(
            crewai.agent_facts(agent),
            {
                "instructions": "cook",
                "instructions_hash": crewai.hash_of("cook"),
                "tools": [],
                "allow_delegation": False,
                "max_iter": THING,
                "has_memory": False,
                "has_knowledge": False,
            },
        )

    def test_limits_of_a_crew_are_not_compared(self):
        crew = SimpleNamespace(max_rpm=THING, cache=THING)

        assert is_only(
            crewai.crew_facts(crew, "crew"),
            {
                "agent_type": "crew",
                "agents": [],
                "tasks": [],
                "planning": False,
                "memory": False,
                "cache": False,
                "max_rpm": THING,
            },
        )

    def test_what_a_request_holds_is_not_compared(self):
        llm = SimpleNamespace(model="m", stop=THING, seed=THING)
        tools = [{"function": THING}, {"function": {}, "name": "b"}]
        messages = [{"role": THING, "content": "c"}]

        request = crewai.request_of(llm, [messages, tools], {})

        assert is_only(request.settings, {"seed": THING, "stop": THING})
        assert request.tools == ["b"]
        assert request.messages is messages
        assert crewai.user_texts([*messages, {"role": "user", "content": 1}]) == [1]


class TestADK:
    """Requests and events of ADK."""

    def test_what_a_request_holds_is_not_compared(self):
        config = SimpleNamespace(
            temperature=THING, top_p=None, stop_sequences=[], cached_content=THING
        )
        asked = SimpleNamespace(model="m", config=config, contents=[])

        request = adk.request_of(SimpleNamespace(), asked, stream=False)

        assert is_only(request.settings, {"temperature": THING})
        assert request.more == {}

    def test_arguments_and_results_of_functions_are_not_compared(self):
        call = SimpleNamespace(name="f", args=THING)
        result = SimpleNamespace(name="f", response=THING)
        parts = [
            SimpleNamespace(function_call=call),
            SimpleNamespace(function_response=result),
            SimpleNamespace(text="t", thought=THING),
        ]
        content = SimpleNamespace(role="model", parts=parts)

        first, second, third = message_of(content)["parts"]
        (told,) = adk.answer_of(SimpleNamespace(content=content)).tool_calls

        assert is_only(first, {"function_call": {"name": "f", "args": THING}})
        assert is_only(second, {"function_response": {"name": "f", "response": THING}})
        assert third == {"text": "t"}
        assert is_only(told, {"name": "f", "arguments": THING})

    def test_the_output_of_a_workflow_is_not_compared(self):
        noted = []

        def note_output(_run, output, *_facts, **_by):
            noted.append(output)

        hooks = SimpleNamespace(_runs=SimpleNamespace(note_output=note_output))
        run = SimpleNamespace(turn_of=lambda *_: None)
        event = FinalEvent()
        event.author, event.interrupted, event.output = "flow", THING, THING
        event.node_info = SimpleNamespace(output_for=["flow"])

        RunnerCalls.note_event(hooks, run, event)

        assert [each is THING for each in noted] == [True]


def test_a_model_of_a_run_of_the_agents_sdk_is_not_asked():
    facts = agents.agent_facts(
        SimpleNamespace(instructions="i", model="other"), SimpleNamespace(model=THING)
    )

    assert facts == {
        "model": "Untouchable",
        "instructions": "i",
        "instructions_hash": agents.hash_of("i"),
    }
