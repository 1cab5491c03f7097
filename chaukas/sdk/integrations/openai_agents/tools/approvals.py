"""
Record approvals: what waits for a person, what was decided, what that led to.

The SDK takes a decision in one place, but it repeats decisions and forgets whose they
were; both are made good here. A rule that asked for no approval is a decision as well:
seen when its tool runs and nobody was asked, so that the rule is never called by us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.facts import agent_ref
from chaukas.sdk.integrations.openai_agents.resume.suspended import (
    SuspendedRun,
    suspended_run_of,
)
from chaukas.sdk.integrations.openai_agents.runs.facts import (
    PendingCall,
    pending_calls,
)
from chaukas.sdk.integrations.openai_agents.state import AgentsRun, current_run
from chaukas.sdk.integrations.shared.observe import Observation, observe
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import read_json
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, Node
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.bounded import BoundedMap
from chaukas.sdk.system.internal_errors import attempt

from .facts import arguments_of_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.resume.suspended import SuspendedRuns
    from chaukas.sdk.integrations.openai_agents.state import ToolCall
    from chaukas.sdk.record.context import Run

__all__ = ["Approvals"]

_POLICY = ("POLICY_DECISION",)
_REMEMBERED_QUESTIONS = 4096


class Approvals:
    """
    Wrappers around decisions about tool calls.

    Args:
        host: Where to record.
        pauses: Knows whose decision it is when no run goes on.
    """

    def __init__(self, host: Host, pauses: SuspendedRuns) -> None:
        self._host = host
        self._pauses = pauses
        self._asked_ns: BoundedMap[tuple[str, str], int] = BoundedMap(
            _REMEMBERED_QUESTIONS
        )
        """When each call began to wait, by trace and call; the oldest go first."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        state, decide = "agents.run_state:RunState", observe(self._begin_decision)
        return (
            Patch(f"{state}.approve", decide, _POLICY, min_version="0.8"),
            Patch(f"{state}.reject", decide, _POLICY, min_version="0.8"),
            Patch(
                "agents.run_context:RunContextWrapper._apply_approval_decision",
                self.decided,
                _POLICY,
                min_version="0.8",
            ),
            Patch(
                "agents.run_internal.tool_execution:resolve_approval_rejection_message",
                self.rejected,
                _POLICY,
                everywhere=True,
                min_version="0.8",
            ),
        )

    # -- review -------------------------------------------------------------------

    def review(self, run: AgentsRun, items: Any) -> None:
        """Record each approval item of an interrupted top-level run, once."""
        if not run.sampled:
            return
        pause = suspended_run_of(run)
        for item, call in zip(items, pending_calls(items), strict=False):
            # Decided already, while its run was ending; or waiting since before.
            if call.call_id in pause.decided:
                continue
            pause.is_news(call.call_id, "review")
            agent = getattr(item, "agent", None)
            name = ""
            if agent is not None and run.agent is not None:
                # Of an agent that was a tool, whose approvals surface here.
                name = agent_ref(agent).name
                name = "" if name == run.agent.name else name
            self.note_review(run, call, item, {"agent_name": name})

    def note_review(
        self, run: AgentsRun, call: PendingCall, item: Any, facts: dict[str, Any]
    ) -> None:
        """Record that *call* waits, and remember since when."""
        now_ns = self._host.recorder.clock.monotonic_ns()
        self._asked_ns.put((run.trace_id, call.call_id), now_ns)
        self._emit(run, run.agent_span_id, "review", call, facts, item=item)

    # -- decisions ----------------------------------------------------------------

    def _begin_decision(self, state: Any, *_: Any) -> Observation | None:
        """Say whose decision comes, when `RunState.approve` or `reject` is called."""
        node = CURRENT.get()
        if node is not None and type(node.detail) is SuspendedRun:
            # An agent used as a tool: its state decides for the outer one.
            return None
        place = self._pauses.place(state)
        if isinstance(place.run, AgentsRun):
            return None
        decision = Observation()
        decision.node = Node(place.run, place.parent_span_id, "tool", place.pause)
        return decision

    def decided(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the one place where every approval and rejection ends."""
        result = wrapped(*args, **kwargs)
        attempt("approval", self._note_decision, instance, args, kwargs)
        return result

    def _note_decision(self, context: Any, args: Any, kwargs: dict[str, Any]) -> None:
        item = args[0] if args else kwargs.get("approval_item")
        outcome = "allow" if kwargs.get("approve") is True else "deny"
        always = kwargs.get("always") is True
        node = CURRENT.get()
        # In a run that goes on, a decision is its business whosever context it is.
        in_run = node is not None and not node.run.is_ended
        run, parent_span_id, pause = self._pauses.place(None if in_run else context)
        (call,) = pending_calls([item])
        if not run.sampled or not pause.is_news(call.call_id, outcome, always=always):
            return
        facts = {"always": always, "waited_ms": self._waited_ms(run, call.call_id)}
        self._emit(
            run,
            parent_span_id,
            outcome,
            call,
            facts,
            rationale=kwargs.get("rejection_message"),
            item=item,
        )

    def _waited_ms(self, run: Run, call_id: str) -> float:
        """Return how long a call waited in this process; 0 if that is not known."""
        asked_ns = self._asked_ns.pop((run.trace_id, call_id))
        if asked_ns is None:
            return 0
        return self._host.recorder.monotonic_ms_since(asked_ns)

    # -- standing decisions -------------------------------------------------------

    def note_unasked(self, run: AgentsRun, context: Any, call: ToolCall) -> None:
        """
        Record why a tool runs though nobody approved this very call.

        All its calls were approved, or its rule asked for no approval. A tool that
        has no rule needs no reason.
        """
        name, call_id = call.name, call.call_id
        if getattr(context, "_approvals", None):
            self._note_standing(run, context, name, call_id, approved=True)
        if not call.rule or not run.sampled or not call_id:
            return
        if _is_decided(context, call_id) or not suspended_run_of(run).is_news(
            call_id, "allow"
        ):
            return
        pending = PendingCall(name, call_id, "")
        self._emit(run, run.agent_span_id, "allow", pending, {"rule": call.rule})

    async def rejected(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of what the model is told about a rejected call."""
        message = await wrapped(*args, **kwargs)
        run = current_run()
        if run is not None:
            attempt(
                "approval",
                self._note_standing,
                run,
                kwargs.get("context_wrapper"),
                kwargs.get("tool_name"),
                kwargs.get("call_id"),
                approved=False,
                rationale=message,
            )
        return message

    def _note_standing(
        self,
        run: AgentsRun,
        context: Any,
        tool_name: Any,
        call_id: Any,
        *,
        approved: bool,
        rationale: Any = None,
    ) -> None:
        if not run.sampled or type(tool_name) is not str or type(call_id) is not str:
            return
        if not _is_standing(context, tool_name, call_id, approved=approved):
            return
        outcome = "allow" if approved else "deny"
        pause = suspended_run_of(run)
        if not call_id or not pause.is_news(call_id, outcome):
            return
        call = PendingCall(tool_name, call_id, "")
        self._emit(
            run,
            run.agent_span_id,
            outcome,
            call,
            {"sticky": True},
            rationale=rationale,
        )

    # -- the event ----------------------------------------------------------------

    def _emit(
        self,
        run: Run,
        parent_span_id: str,
        outcome: str,
        call: PendingCall,
        facts: dict[str, Any],
        *,
        rationale: Any = None,
        item: Any = None,
    ) -> None:
        recorder = self._host.recorder
        capture = recorder.capture(run)
        metadata = {"tool_name": call.tool_name, "tool_call_id": call.call_id, **facts}
        arguments = read_json(arguments_of_call(getattr(item, "raw_item", None)))
        if arguments:
            metadata["arguments"] = capture.tree(arguments, "policy.metadata.arguments")
        is_text = type(rationale) is str
        agent = getattr(item, "agent", None)
        is_alone = run.agent is None and agent is not None
        record_policy(
            recorder,
            run,
            parent_span_id,
            "tool_approval",
            outcome,
            capture=capture,
            agent=agent_ref(agent) if is_alone else None,
            rule_ids=[call.tool_name] if call.tool_name else [],
            rationale=capture.text(rationale, "policy.rationale") if is_text else "",
            metadata=without_defaults(metadata),
        )


def _is_decided(context: Any, call_id: str) -> bool:
    """Tell whether this very call was approved, perhaps in another process."""
    records = getattr(context, "_approvals", None)
    for record in records.copy().values() if type(records) is dict else ():
        approved = getattr(record, "approved", None)
        if type(approved) is list and call_id in approved:
            return True
    return False


def _is_standing(context: Any, tool_name: str, call_id: str, *, approved: bool) -> bool:
    """Tell whether a decision for all calls, and none for this one, is in force."""
    records = getattr(context, "_approvals", None)
    if type(records) is not dict or not records:
        return False
    is_found = False
    for key, record in records.copy().items():
        verdicts = (
            getattr(record, "approved", None),
            getattr(record, "rejected", None),
        )
        if any(type(verdict) is list and call_id in verdict for verdict in verdicts):
            return False
        if verdicts[0 if approved else 1] is True and _names(key, tool_name):
            is_found = True
    return is_found


def _names(key: Any, tool_name: str) -> bool:
    """Tell whether the key of an approval record is that of a tool."""
    name = getattr(key, "tool_key", key)
    return type(name) is str and (
        name == tool_name or name.endswith((f".{tool_name}", f":{tool_name}"))
    )
