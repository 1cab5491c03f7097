"""
`chaukas.session()`, and the events that an application records itself.

Apart from `chaukas.sdk`, which stays a list of what users can call.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.record.context import (
    SCOPE,
    SUPPRESSED,
    Run,
    Session,
    SessionScope,
    reset,
)
from chaukas.sdk.record.placement import node_in_force, open_session
from chaukas.sdk.system.bounded import id_text
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import qualname_of

from . import _runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.capture.snapshot import Capture

    from .events import EventType
    from .typing import Json

__all__ = ["current_traceparent", "id_of", "point", "said", "session"]

_LOGGER = logging.getLogger("chaukas.sdk")
_TRACEPARENT = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_SAMPLED = 1


# A function to its callers: only `with` shows that it is a class.
class session:  # noqa: N801
    """
    Put the runs inside a `with` block into one session.

        with chaukas.session("chat-42", tenant_id="acme"):
            await Runner.run(agent, "Hello")

    Works as a synchronous and as an asynchronous context manager, for concurrent
    tasks each in its own. The session opens at its first run and ends with the
    block (with the last one, if several name the same session at once).

    Args:
        session_id: Its id; a new one if left out.
        tenant_id: Tenant of the runs inside; the configured one if left out.
        project_id: Project of the runs inside; the configured one if left out.
        name: Name for people.
        metadata: Facts for SESSION_START, which is recorded even if no run begins.
        traceparent: W3C trace context of the caller; the runs join that trace, and
            are not recorded if its flag says that nobody records it. A text that is
            none is ignored.
        user_id: The end user, on every event as `metadata.user_id`.
        keep_open: Leave the session open at the end of the block, for a chat over
            many requests. It ends with `end_session`, or when it was idle.

    .. versionadded:: 0.2
        `user_id`, `keep_open`.
    """

    # Each is one choice of the caller, named at the call.
    def __init__(
        self,
        session_id: str | None = None,
        *,
        tenant_id: str | None = None,
        project_id: str | None = None,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
        traceparent: str | None = None,
        user_id: str | None = None,
        keep_open: bool = False,
    ) -> None:
        self._given = (id_of(session_id), id_of(tenant_id), id_of(project_id))
        self._name = id_of(name)
        self._metadata = metadata
        self._trace = _trace_of(traceparent)
        self._user_id = id_of(user_id)
        self._keep_open = keep_open is True
        self._entered: list[_Entry] = []

    # `Self` comes with Python 3.11.
    def __enter__(self) -> session:  # noqa: PYI034
        """Begin the block; without chaukas enabled, do nothing."""
        try:
            self._enter()
        except Exception as error:
            report("session", error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the block; the error of the block, if any, passes."""
        try:
            entry = self._leave()
            if entry is not None and _runtime.active() is entry.runtime:
                entry.runtime.sessions.release(entry.scope)
        except Exception as problem:
            report("session", problem)

    def _enter(self) -> None:
        runtime = _runtime.active()
        if runtime is None:
            return
        scope = self._scope_of(runtime)
        runtime.sessions.hold(scope)
        self._entered.append(_Entry(SCOPE.set(scope), scope, runtime))

    # `Self` comes with Python 3.11.
    async def __aenter__(self) -> session:  # noqa: PYI034
        """Begin the block."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the block."""
        self.__exit__(kind, error, trace)

    @property
    def session_id(self) -> str:
        """Id of the session in force, once entered; empty before and after."""
        entry = self._entry_here() or (self._entered[-1] if self._entered else None)
        return entry.scope.session_id if entry else ""

    def _entry_here(self) -> _Entry | None:
        """Return the entry that this very task or thread made."""
        here = SCOPE.get()
        entries = reversed(self._entered.copy())
        return next((entry for entry in entries if entry.scope is here), None)

    def _leave(self) -> _Entry | None:
        entry = self._entry_here()
        if entry is not None:
            self._entered.remove(entry)
            reset(entry.token)
            return entry
        # Left in another context than entered: that context keeps its own.
        return self._entered.pop() if self._entered else None

    def _scope_of(self, runtime: _runtime.Runtime) -> SessionScope:
        outer = SCOPE.get()
        config = runtime.config
        session_id, tenant_id, project_id = self._given
        trace = self._trace
        user_id = self._user_id or (outer.user_id if outer else "")
        return SessionScope(
            session_id=session_id or runtime.recorder.new_id(),
            tenant_id=tenant_id or (outer.tenant_id if outer else config.tenant_id),
            project_id=project_id or (outer.project_id if outer else config.project_id),
            name=self._name,
            metadata=self._metadata,
            trace_id=trace.trace_id if trace else None,
            remote_parent_span_id=trace.span_id if trace else None,
            user_id=user_id,
            keep_open=self._keep_open,
            is_sampled=trace is None or trace.is_sampled,
        )


class _Entry(NamedTuple):
    """One entering of a block; a `session` may be entered several times at once."""

    token: Token[SessionScope | None]
    scope: SessionScope
    runtime: _runtime.Runtime


def id_of(value: object) -> str:
    """Return an id or a name that the application gives; log one that is none."""
    text = id_text(value)
    if text is None:
        _LOGGER.warning(
            "chaukas: session() got an id or name of type %s: it is left out. "
            "Pass a text.",
            qualname_of(type(value)),
        )
    return text or ""


def said(words: object) -> object:
    """Return what is to be recorded of a text that may be empty; runs none of it."""
    return None if type(words) is str and not words else words


class _Trace(NamedTuple):
    """A W3C trace context."""

    trace_id: str
    span_id: str
    is_sampled: bool


def _trace_of(traceparent: object) -> _Trace | None:
    """Return a W3C trace context; nothing if the text is none."""
    if type(traceparent) is not str:
        return None
    found = _TRACEPARENT.fullmatch(traceparent.strip().lower())
    if found is None or found[1] == "ff":
        return None
    trace_id, span_id = found[2], found[3]
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return _Trace(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED))


def current_traceparent() -> str | None:
    """
    Return the W3C `traceparent` of the span in force, to hand to another service.

    None outside of a recorded run, or in a run whose trace id is not W3C's.
    """
    node = node_in_force()
    if node is None:
        return None
    text = f"00-{node.run.trace_id}-{node.parent_span_id}-{int(node.run.sampled):02x}"
    return text if _TRACEPARENT.fullmatch(text) else None


def point(
    kind: EventType,
    field: str,
    *,
    facts: Mapping[str, object],
    content: object,
    trace_id: object = None,
) -> None:
    """
    Record one event of the application, under whatever is in force.

    Args:
        kind: Its type.
        field: Top-level member to fill; `metadata` is merged.
        facts: Names and ids, which stay readable when content is hidden: at most
            256 characters each, redacted as everything else. One that is a dict is
            joined with the content's of the same name.
        content: What else there is, a mapping best; bounded and redacted.
        trace_id: Trace in which it stands, where no run is in force.
    """
    runtime = _runtime.active()
    # Before anything is captured: a user's own redactor may have called.
    if runtime is None or SUPPRESSED.get():
        return
    # Late, as this module is loaded with chaukas itself.
    from chaukas.sdk.capture.held import held_bytes_of

    try:
        run, parent_span_id = _place(runtime, id_text(trace_id) or "")
        if not run.sampled:
            return
        recorder = runtime.recorder
        capture, shown = recorder.capture(run), recorder.capture_facts()
        held = _Body(
            field, capture.hold(content, field), shown.hold(dict(facts), field)
        )
        in_metadata = field == "metadata"
        outcome = facts.get("outcome")
        is_denied = type(outcome) is str and outcome == "deny"
        members = partial(_members_of, held, capture, shown)
        recorder.emit(
            kind,
            run,
            {} if in_metadata else members,
            parent_span_id=parent_span_id,
            capture=capture,
            metadata=members if in_metadata else None,
            is_captured=True,
            severity="SEVERITY_WARN" if is_denied else "",
            weight_bytes=held_bytes_of(held.content) + held_bytes_of(held.facts),
        )
    except Exception as error:
        runtime.recorder.count_failed()
        report(f"chaukas.{kind.name.lower()}", error)


class _Body(NamedTuple):
    """What an application says, held as it was."""

    field: str
    content: Any
    facts: Any


def _members_of(
    body: _Body, capture: DeferredCapture, shown: DeferredCapture, _made: object
) -> dict[str, Any]:
    """Return the members of the event, captured, where its field wants them."""
    from chaukas.sdk.capture.held import thawed

    field = body.field
    tree = capture.made.tree(thawed(body.content), field)
    given = tree if type(tree) is dict else {"value": tree}
    members: dict[str, Any] = {
        name: value for name, value in given.items() if value is not None
    }
    for name, value in thawed(body.facts).items():
        captured = _fact_of(shown.made, name, value, f"{field}.{name}")
        if type(value) is dict:
            content_of = members.get(name)
            captured = {
                **(content_of if type(content_of) is dict else {}),
                **(captured if type(captured) is dict else {}),
            }
        if captured:
            members[name] = captured
    # One list of what was hidden, whoever hid it.
    capture.note(shown.made.redacted)
    return members if field == "metadata" else {field: members}


def _fact_of(capture: Capture, name: str, value: object, path: str) -> Json:
    if type(value) is dict:
        return capture.tree(value, path)
    if name in _LISTS:
        return list(_texts_of(capture, value, path))
    return capture.text(value, path)


_LISTS = frozenset({"rule_ids", "document_ids", "chunk_ids"})


def _texts_of(capture: Capture, value: object, path: str) -> list[str]:
    """Return a list of texts; a single one counts as a list of one."""
    tree = capture.tree(value, path)
    items = tree if type(tree) is list else [tree]
    return [item if type(item) is str else capture.text(item, path) for item in items]


def _place(runtime: _runtime.Runtime, named: str = "") -> tuple[Run, str]:
    """
    Return where an event of the application stands.

    A `chaukas.session` block is opened for it. The process's own session is not: a
    program that says something before its first run has begun none.
    """
    node = node_in_force()
    if node is not None:
        return node.run, node.parent_span_id
    recorder, sessions = runtime.recorder, runtime.sessions
    found = sessions.find(None)
    if found is not None and found.scope is not None and found.pair is not None:
        # With what is in force here, the user say, and the trace of the session.
        scope_run = Run(
            found,
            named or found.scope.trace_id,
            sampled=not named or recorder.is_sampled(named),
            framework=found.scope.framework,
        )
        return scope_run, found.pair.span_id
    if SCOPE.get() is not None:
        opening = open_session(
            sessions, recorder, None, framework="", trace_id=named, is_run=False
        )
        sessions.leave(opening.session)
        run = Run(opening.session, opening.trace_id, sampled=opening.sampled)
        return run, opening.span_id
    tenant_id, project_id, session_id = sessions.key_of(None)
    alone = Session(session_id, tenant_id, project_id)
    trace_id = named or recorder.ids.trace_id()
    return Run(alone, trace_id, sampled=recorder.is_sampled(trace_id)), ""
