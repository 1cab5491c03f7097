"""
A crew of CrewAI: a manager, two workers, tools, a guardrail, and a retry.

    python examples/crewai_crew.py

A manager asks a researcher and has a writer work; a tool of the researcher fails once,
and a guardrail sends the first draft back. Without a key a loopback model answers; with
`OPENAI_API_KEY` set, the real one. It needs `pip install '.[crewai]'`.
"""

from __future__ import annotations

import os
from typing import Any

# Before CrewAI is loaded: an example asks nobody, and uploads nothing.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("CREWAI_TESTING", "true")

from crewai import LLM, Agent, Crew, Process, Task
from crewai.tools import tool

import chaukas
from loopback import Call, Fail, ModelServer, Text, ToolCalls
from recorded import fresh, show_tree

FILE = "crewai_crew.jsonl"
MODEL = "gpt-4o-mini"

# What the loopback model answers, request by request; once it is too busy.
SCRIPT = (
    ToolCalls(
        Call(
            "ask_question_to_coworker",
            {
                "question": "When do the trams run, and what is a ticket?",
                "context": "A guide for visitors of Lisbon.",
                "coworker": "researcher",
            },
        )
    ),
    ToolCalls(
        Call("timetable", {"city": "Lisbon"}), Call("price_of", {"ticket": "tram"})
    ),
    Fail(429, code="rate_limit_exceeded", retry_after=0.05),
    Text("They run from six to one; the price list is closed."),
    ToolCalls(
        Call(
            "delegate_work_to_coworker",
            {
                "task": "Write one sentence about the trams.",
                "context": "They run from six in the morning to one at night.",
                "coworker": "writer",
            },
        )
    ),
    Text("Trams in Lisbon run from six in the morning to one at night."),
    Text("Trams in Lisbon run from six in the morning to one at night!"),
    Text("Trams in Lisbon run from six in the morning to one at night."),
)


@tool("timetable")
def timetable(city: str) -> str:
    """Tell when the trams of a city run."""
    return f"{city}: 6:00 to 1:00"


@tool("price_of")
def price_of(ticket: str) -> float:
    """Tell what a ticket costs."""
    message = f"no price of {ticket}: the price list is closed"
    raise LookupError(message)


# Without a return type: CrewAI reads annotations, and knows none that are texts.
def no_shouting(output: Any):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Refuse an answer that shouts."""
    if "!" in output.raw:
        return False, "Do not shout."
    return True, output.raw


def crew_of(llm: LLM) -> Crew:
    researcher = Agent(
        role="researcher",
        goal="Find out what visitors need to know",
        backstory="Knows every timetable.",
        tools=[timetable, price_of],
        llm=llm,
    )
    writer = Agent(
        role="writer",
        goal="Write short sentences",
        backstory="Has written guides for years.",
        llm=llm,
    )
    guide = Task(
        description="Tell visitors of {city} when the trams run.",
        expected_output="One sentence.",
        guardrail=no_shouting,
    )
    return Crew(
        name="guide office",
        agents=[researcher, writer],
        tasks=[guide],
        process=Process.hierarchical,
        manager_llm=llm,
    )


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with chaukas.session("guide-1"):
        if os.environ.get("OPENAI_API_KEY"):
            answer = crew_of(LLM(model=MODEL)).kickoff(inputs={"city": "Lisbon"})
        else:
            with ModelServer(SCRIPT) as server:
                llm = LLM(model=MODEL, base_url=server.base_url, api_key="none")
                answer = crew_of(llm).kickoff(inputs={"city": "Lisbon"})
    print(answer)
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
