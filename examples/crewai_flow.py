"""
A flow of CrewAI: state, a router, an agent alone, and a crew that a method kicks off.

    python examples/crewai_flow.py

A question is sorted, and answered by an agent or by a crew; what each method changed in
the flow's state is on record. Without a key a loopback model answers; with
`OPENAI_API_KEY` set, the real one. It needs `pip install '.[crewai]'`.
"""

from __future__ import annotations

import os
from typing import Any

# Before CrewAI is loaded: an example asks nobody, and uploads nothing.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("CREWAI_TESTING", "true")

from crewai import LLM, Agent, Crew, Task
from crewai.flow import Flow, listen, router, start
from pydantic import BaseModel

import chaukas
from loopback import ModelServer, Text
from recorded import fresh, show_tree

FILE = "crewai_flow.jsonl"
MODEL = "gpt-4o-mini"

# What the loopback model answers, request by request.
SCRIPT = (
    Text("travel"),
    Text("Trams in Lisbon run from six in the morning to one at night."),
    Text("6:00 to 1:00."),
)


class Question(BaseModel):
    """What a flow knows of a question."""

    id: str = "question-1"
    text: str = ""
    topic: str = ""
    answer: str = ""


# CrewAI is not installed where the types of examples are checked.
class Answering(Flow[Question]):  # type: ignore[misc]
    """Sorts a question and has it answered."""

    llm: Any = None

    @start()
    def sort(self) -> str:
        """Ask an agent what a question is about."""
        sorter = Agent(
            role="sorter", goal="Name a topic", backstory="Quick.", llm=self.llm
        )
        self.state.topic = str(sorter.kickoff(f"One word: {self.state.text}").raw)
        return str(self.state.topic)

    @router(sort)
    def choose(self) -> str:
        """Send a question to those who know."""
        return "travel" if "travel" in self.state.topic else "other"

    @listen("travel")
    def ask_travellers(self) -> str:
        """Have a crew answer."""
        guide = Agent(
            role="guide", goal="Know the trams", backstory="A local.", llm=self.llm
        )
        answer = Task(
            description=self.state.text, expected_output="A sentence.", agent=guide
        )
        shorten = Task(
            description="Shorten it.", expected_output="Two times.", agent=guide
        )
        crew = Crew(name="travellers", agents=[guide], tasks=[answer, shorten])
        self.state.answer = str(crew.kickoff().raw)
        return str(self.state.answer)

    @listen("other")
    def decline(self) -> str:
        """Say that nobody knows."""
        return "Nobody here knows that."


def ask(llm: LLM) -> None:
    flow = Answering()
    flow.llm = llm
    print(flow.kickoff(inputs={"text": "When do the trams in Lisbon run?"}))


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    if os.environ.get("OPENAI_API_KEY"):
        ask(LLM(model=MODEL))
    else:
        with ModelServer(SCRIPT) as server:
            ask(LLM(model=MODEL, base_url=server.base_url, api_key="none"))
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
