"""Record agents that other servers run (A2A): a handoff, and a pair for each turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.mcp.facts import without_query
from chaukas.sdk.integrations.shared.nested.runs import Running
from chaukas.sdk.integrations.shared.observe import observe, observe_async
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.content import without_defaults
from chaukas.sdk.record.context import AgentRef
from chaukas.sdk.system.bounded import id_text

from .facts import argument, held
from .state import CrewRun, run_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.recorder import Recorder

    from .runs import CrewRuns

__all__ = ["Remotes"]

_AGENT = ("AGENT_START", "AGENT_END", "ERROR")
_RUN = (*_AGENT, "SESSION_START", "SESSION_END", "INPUT_RECEIVED", "OUTPUT_EMITTED")
_WRAPPER = "crewai.a2a.wrapper"
_FAILED = ("failed", "canceled", "rejected")


class _Asking(Running):
    """A turn of a remote agent, whose failure is an answer as well."""

    def __init__(self, recorder: Recorder, running: Running) -> None:
        super().__init__(running.runs, running.run)
        self._recorder = recorder

    def ended(self, result: Any) -> None:
        answer = result if type(result) is dict else {}
        status = text_of(held(answer.get("status"), "_value_"))
        name = text_of(answer.get("a2a_agent_name"))
        self.run.notes |= without_defaults({"remote_status": status})
        if name:
            show = self._recorder.capture_facts()
            self.run.notes["remote_name"] = show.text(name, "metadata.remote_name")
        if status not in _FAILED:
            self.runs.answer(self.run, answer.get("result"))
            return
        self._note_failure(text_of(answer.get("error")) or status, status)
        self.runs.end(self.run, failure=status)

    def _note_failure(self, message: str, status: str) -> None:
        capture = self._recorder.capture(self.run)
        text = capture.text(message, "error.error_message")
        told = "returned to the agent as a result"
        self._recorder.emit(
            EventType.ERROR,
            self.run,
            content.error(text, status, recoverable=True, recovery_action=told),
            parent_span_id=self.run.agent_span_id,
            capture=capture,
        )


class Remotes(Part):
    """
    Wrappers around what asks a remote agent.

    Args:
        host: Where to record.
        runs: Begins and ends the pairs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        kickoffs = (
            ("_kickoff_with_a2a", observe(self._kickoff)),
            ("_akickoff_with_a2a", observe_async(self._kickoff)),
        )
        return (
            Patch(
                "crewai.a2a.utils.delegation:aexecute_a2a_delegation",
                observe_async(self._ask),
                (*_AGENT, "AGENT_HANDOFF"),
                everywhere=True,
                post_import=True,
                optional=True,
            ),
            *(
                Patch(f"{_WRAPPER}:{name}", wrap, _RUN, post_import=True, optional=True)
                for name, wrap in kickoffs
            ),
        )

    def _kickoff(self, _none: Any, args: Any, kwargs: Any) -> Running:
        """Record an agent alone: it is kicked off again for each turn of the other."""
        agent = argument(args, kwargs, 0, "self")
        messages = argument(args, kwargs, 3, "messages")
        return self._runs.alone(agent, messages, is_repeated=True)

    def _ask(self, _none: Any, args: Any, kwargs: Any) -> Running:
        url = without_query(text_of(argument(args, kwargs, 0, "endpoint")))
        host = urlsplit(url).netloc or "remote"
        ref, outer, shared = AgentRef(host, host), run_in_force(), self._runs.shared
        task = argument(args, kwargs, 3, "task_description")
        if outer is not None:
            shared.note_handoff(outer, ref, kind="a2a", data={"task": task})
        run = shared.open(CrewRun, agent=ref)
        facts = {
            "agent_type": "remote",
            "endpoint": self._recorder.capture_facts().text(url, "metadata.endpoint"),
            "context_id": id_text(kwargs.get("context_id")),
            "skill_id": id_text(kwargs.get("skill_id")),
            "remote_turn": kwargs.get("turn_number"),
        }
        running = shared.begin(run, ref, without_defaults(facts), [task])
        return _Asking(self._recorder, running)
