"""
Know the workflow around a run: the SDK's `trace()` block, or what `RunConfig` says.

A block is known from its making, since one made while the SDK's tracing is disabled
forgets its name at once. What is known goes with the object. The trace that the SDK
makes for a run that stands in none is not known here: tasks that outlive the run still
see it.
"""

from __future__ import annotations

import hashlib
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.read import read, read_text
from chaukas.sdk.record.context import SCOPE
from chaukas.sdk.record.placement import otel_span
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.bounded import WeakMap

if TYPE_CHECKING:
    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.integrations.openai_agents.state import AgentsRun
    from chaukas.sdk.system.ids import Ids

__all__ = [
    "Workflow",
    "active_workflow",
    "note_trace",
    "workflow_facts",
    "workflow_trace_id",
]

_SCOPE = "agents.tracing.scope"
_SDK_ID = re.compile(r"trace_([0-9a-f]{32})")
_NO_ID = "no-op"
_ID_CHARS = 256
_TRACE_CHARS = 32
_DEFAULT_NAME = "Agent workflow"
"""What the SDK calls a workflow that was given no name."""
_REMEMBERED = 16_384


class Workflow(NamedTuple):
    """A `trace()` block."""

    name: str
    trace_id: str
    """W3C id for the events inside: that in the SDK's own id, or made of it."""
    sdk_trace_id: str
    """The SDK's own id; empty if its tracing is disabled."""
    group_id: str
    metadata: Any
    """As the application gave it; uncaptured."""


_known: WeakMap[Workflow] = WeakMap(_REMEMBERED)
"""What was said of each block, as long as it lives."""


def _w3c_id(sdk_id: str) -> str:
    """Return a W3C trace id for one of the SDK's; the same for the same."""
    found = _SDK_ID.fullmatch(sdk_id)
    if found is not None and found[1].strip("0"):
        return found[1]
    digest = hashlib.sha256(sdk_id.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_TRACE_CHARS]


def note_trace(trace: Any, given: dict[str, Any], ids: Ids) -> None:
    """
    Remember what the block *trace* was made of.

    Args:
        trace: What the SDK's provider returned.
        given: Its arguments by name.
        ids: Makes an id where the SDK makes none.
    """
    sdk_id = read_text(trace, "trace_id")
    if sdk_id == _NO_ID:
        sdk_id = ""
    _known.put(
        trace,
        Workflow(
            read_text(given, "name")[:_ID_CHARS],
            _w3c_id(sdk_id) if sdk_id else ids.trace_id(),
            sdk_id[:_ID_CHARS],
            read_text(given, "group_id")[:_ID_CHARS],
            given.get("metadata"),
        ),
    )


def active_workflow() -> Workflow | None:
    """Return the `trace()` block of the application that is in force, if any."""
    module = sys.modules.get(_SCOPE)
    trace = None if module is None else module.Scope.get_current_trace()
    if trace is None:
        return None
    return _known.get(trace)


def workflow_trace_id() -> str:
    """
    Return the trace of the block in force; empty if there is none.

    Empty too where `chaukas.session(traceparent=...)` or OpenTelemetry name one.
    """
    active = active_workflow()
    scope = SCOPE.get()
    is_named = (scope is not None and scope.trace_id) or otel_span()
    return "" if active is None or is_named else active.trace_id


def workflow_facts(run: AgentsRun, capture: DeferredCapture) -> dict[str, Any]:
    """
    Return what AGENT_START says of the workflow around a top-level run.

    Args:
        run: Its configuration counts where no block is in force, as for the SDK.
        capture: For names and for what the application added.
    """
    active = active_workflow()
    if active is not None:
        name, metadata, sdk_id = active.name, active.metadata, active.sdk_trace_id
    else:
        name = read_text(run.run_config, "workflow_name")[:_ID_CHARS]
        metadata, sdk_id = read(run.run_config, "trace_metadata"), ""
    facts: dict[str, Any] = {}
    if name and name != _DEFAULT_NAME:
        facts["workflow_name"] = name
    if sdk_id:
        facts["sdk_trace_id"] = sdk_id
    if metadata is not None:
        facts["trace_metadata"] = capture.tree(metadata, "metadata.trace_metadata")
    return without_defaults(facts)
