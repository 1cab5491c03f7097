"""
Record what sessions of the SDK keep: reads, writes, and ids that a provider keeps.

A session may wrap another and may be called by the runner or by the application, so
one rule holds for all of them: the outermost operation is told, once.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.capture.held import members_of
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents.runs.facts import hides_content
from chaukas.sdk.integrations.openai_agents.state import (
    FRAMEWORK,
    AgentsRun,
    attempt,
    current_run,
)
from chaukas.sdk.patching import Patch, in_place_of
from chaukas.sdk.record import content
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, reset
from chaukas.sdk.record.placement import Place, place
from chaukas.sdk.record.recorder import error_code_of, error_text
from chaukas.sdk.record.retries import class_name_of
from chaukas.sdk.system.internal_errors import report

from .operations import (
    CHANGES,
    Operation,
    facts_of,
    is_idle,
    note_compaction,
    path_of,
    session_id_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Token

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.patching import Wrap
    from chaukas.sdk.record.context import Run

__all__ = ["Stores"]

_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_PERSISTENCE = "agents.run_internal.session_persistence"
_SESSION = "agents.memory.session:SessionABC"
_COMPACTION = (
    "agents.memory.openai_responses_compaction_session:OpenAIResponsesCompactionSession"
)
_BRANCHING = "agents.extensions.memory.advanced_sqlite_session:AdvancedSQLiteSession"
_READ = ("DATA_ACCESS", "ERROR")
_WRITE = ("STATE_UPDATE", "ERROR")


def _argument(args: Any, kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)


_OPERATION: ContextVar[Operation | None] = ContextVar("chaukas_operation", default=None)


def _outer() -> Operation | None:
    """
    Return the operation that whoever calls is inside of.

    A run that is begun inside of one, to sum up a conversation say, has operations
    of its own: its node is another.
    """
    operation = _OPERATION.get()
    if operation is None or operation.is_over or CURRENT.get() is not operation.node:
        return None
    return operation


def _runner_tells() -> bool:
    """Tell whether this release has functions of its own for the runner's accesses."""
    module = sys.modules.get(_PERSISTENCE)
    return getattr(module, "_session_add_items", None) is not None


class Stores:
    """
    Wrappers around sessions, and around what the runner keeps of the provider's ids.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            *self._runner_patches(),
            *self._class_patches(),
            *self._further_patches(),
        )

    def _runner_patches(self) -> Sequence[Patch]:
        """Return those that see the classes of applications too, within runs."""
        return tuple(
            Patch(
                f"{_PERSISTENCE}:{name}",
                wrap,
                emits,
                everywhere=True,
                min_version="0.20",
            )
            for name, wrap, emits in (
                ("_session_get_items", self._function("get_items", "limit"), _READ),
                ("_session_add_items", self._function("add_items", "items"), _WRITE),
                ("_session_pop_item", self._function("pop_item"), _WRITE),
            )
        )

    def _class_patches(self) -> Sequence[Patch]:
        """Return those that see every call, of classes derived from the SDK's."""
        return tuple(
            Patch(f"{_SESSION}.{name}", wrap, emits, subclasses=True)
            for name, wrap, emits in (
                ("get_items", self._method("get_items", "limit"), _READ),
                ("add_items", self._method("add_items", "items"), _WRITE),
                ("pop_item", self._method("pop_item"), _WRITE),
                ("clear_session", self._method("clear_session"), _WRITE),
            )
        )

    def _further_patches(self) -> Sequence[Patch]:
        run_compaction = self._method("run_compaction", "args")
        switch_branch = self._method("switch_branch", "branch_id")
        delete_branch = self._method("delete_branch", "branch_id")
        return (
            Patch(
                f"{_COMPACTION}.run_compaction",
                run_compaction,
                _WRITE,
                subclasses=True,
                min_version="0.6.6",
            ),
            # An encrypted session comes in here.
            Patch(
                f"{_COMPACTION}._run_compaction",
                run_compaction,
                _WRITE,
                optional=True,
            ),
            # It reads only to decide whether there is something to compact.
            Patch(f"{_COMPACTION}._defer_compaction", self._method(""), optional=True),
            Patch(
                "openai.resources.responses.responses:AsyncResponses.compact",
                self.compacted,
                _WRITE,
                optional=True,
                post_import=True,
            ),
            *(
                Patch(f"{_BRANCHING}.{name}", wrap, _WRITE, post_import=True)
                for name, wrap in (
                    ("create_branch_from_turn", self._method("create_branch")),
                    ("switch_to_branch", switch_branch),
                    ("delete_branch", delete_branch),
                )
            ),
            Patch(
                "agents.run_internal.oai_conversation:"
                "OpenAIServerConversationTracker.track_server_items",
                self.track_server_items,
                ("STATE_UPDATE",),
                min_version="0.8",
            ),
        )

    # -- wrappers -------------------------------------------------------------------

    def _function(self, name: str, argument: str = "") -> Wrap:
        """Return the wrapper of a function of the runner: session, then *argument*."""

        def wrap(
            wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
        ) -> Any:
            store = _argument(args, kwargs, 0, "session")
            given = _argument(args, kwargs, 1, argument)
            operation = Operation(name, store, given, is_runners=True)
            return self._operate(operation, wrapped, args, kwargs)

        return wrap

    def _method(self, name: str, argument: str = "") -> Wrap:
        """Return the wrapper of a session's method, which may take *argument*."""

        def wrap(wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            given = _argument(args, kwargs, 0, argument) if argument else None
            operation = Operation(name, instance, given)
            return self._operate(operation, wrapped, args, kwargs)

        return wrap

    async def compacted(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the request for a compaction, which knows what it costs."""
        response = await wrapped(*args, **kwargs)
        operation = _outer()
        if operation is not None:
            attempt("responses.compact", note_compaction, operation, kwargs, response)
        return response

    # -- one operation --------------------------------------------------------------

    def _operate(
        self, operation: Operation, wrapped: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        outer = _outer()
        if outer is not None:
            outer.has_changed |= operation.name in CHANGES
            return wrapped(*args, **kwargs)
        if SUPPRESSED.get():
            return wrapped(*args, **kwargs)
        watched = partial(self._awaited, operation)
        return in_place_of(watched, wrapped, None, args, kwargs)

    async def _awaited(
        self,
        operation: Operation,
        wrapped: Any,
        _instance: Any,
        args: Any,
        kwargs: dict[str, Any],
    ) -> Any:
        token = self._begin(operation)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(operation, None, error)
            raise
        finally:
            operation.is_over = True
            reset(token)
        self._end(operation, result, None)
        return result

    def _begin(self, operation: Operation) -> Token[Operation | None]:
        operation.node = CURRENT.get()
        attempt(f"Session.{operation.name}", self._note_begin, operation)
        return _OPERATION.set(operation)

    def _note_begin(self, operation: Operation) -> None:
        operation.session_id = session_id_of(operation.store)
        operation.started_ns = self._host.recorder.clock.monotonic_ns()

    def _end(
        self, operation: Operation, result: Any, error: BaseException | None
    ) -> None:
        operation.is_over = True
        try:
            if operation.name and not is_idle(operation, result, error):
                self._record(operation, result, error)
        except Exception as problem:
            report(f"Session.{operation.name}", problem)
        # Tasks that were begun inside of it may still hold the operation.
        operation.store = operation.given = operation.node = None

    # -- events ---------------------------------------------------------------------

    def _record(
        self, operation: Operation, result: Any, error: BaseException | None
    ) -> None:
        session_id = session_id_of(operation.store) or operation.session_id
        # First, as it notices a fork that Python was not told of: ids come after.
        sessions = self._host.sessions
        recorder = self._host.recorder
        where = place(
            sessions,
            recorder,
            session_id,
            framework=FRAMEWORK,
            hide_content=hides_content(None),
        )
        if not where.run.sampled:
            return
        if session_id and not operation.session_id:
            change = {"old": None, "new": session_id}
            self._note_ids(where.run, where.parent_span_id, conversation_id=change)
        self._tell(operation, where, session_id, result, error)
        if where.is_alone and isinstance(error, Exception):
            recorder.error(where.run, error, where.parent_span_id)

    def _tell(
        self,
        operation: Operation,
        place: Place,
        session_id: str,
        result: Any,
        error: BaseException | None,
    ) -> None:
        recorder = self._host.recorder
        run = place.run
        capture = recorder.capture(run)
        is_read = operation.name == "get_items"
        path = "data_access.metadata" if is_read else "state_update.session"
        facts = facts_of(operation, result)
        store_path = path_of(operation.store)
        if store_path:
            facts["store_path"] = store_path
        if error is not None:
            facts["error_code"] = error_code_of(error)
        facts_capture = recorder.capture_facts()
        shown = members_of(facts_capture.tree(facts, path))
        told: dict[str, Any] = {"operation": operation.name, **shown}
        where = facts_capture.text(
            f"session://{class_name_of(operation.store)}/{session_id}",
            "data_access.datasource" if is_read else f"{path}.store",
        )
        self._add_contents(operation, capture, told, path)
        if isinstance(error, Exception):
            told["error"] = capture.text(error_text(error), f"{path}.error")
        body: dict[str, Any] = (
            content.data_access(where, metadata=told)
            if is_read
            else content.state_update(session={"store": where, **told})
        )
        recorder.emit(
            EventType.DATA_ACCESS if is_read else EventType.STATE_UPDATE,
            run,
            body,
            parent_span_id=place.parent_span_id,
            capture=capture,
            status=_status_of(error),
            duration_ns=recorder.clock.monotonic_ns() - operation.started_ns,
        )

    @staticmethod
    def _add_contents(
        operation: Operation, capture: DeferredCapture, told: dict[str, Any], path: str
    ) -> None:
        """Add the contents of what the application itself wrote: nobody else will."""
        if operation.name != "add_items" or operation.is_runners:
            return
        node = operation.node
        if node is not None and node.kind == "agent" and not _runner_tells():
            # An older runner calls the session as the application does.
            return
        told["contents"] = capture.tree(operation.given, f"{path}.contents")

    # -- ids that the provider keeps ------------------------------------------------

    def track_server_items(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the tracker's note of a response, which may change its ids."""
        run = current_run()
        before = _ids_of(instance)
        result = wrapped(*args, **kwargs)
        if run is not None:
            attempt("server conversation", self._note_tracked, run, instance, before)
        return result

    def _note_tracked(
        self, run: AgentsRun, tracker: Any, before: dict[str, str]
    ) -> None:
        after = _ids_of(tracker)
        changes = {
            name: {"old": before.get(name), "new": after.get(name)}
            for name in _IDS
            if before.get(name) != after.get(name)
        }
        if changes:
            self._note_ids(run, run.agent_span_id, **changes)

    def _note_ids(self, run: Run, parent_span_id: str, **changes: Any) -> None:
        recorder = self._host.recorder
        capture = recorder.capture_facts()
        told = members_of(capture.tree(changes, "state_update"))
        recorder.emit(
            EventType.STATE_UPDATE,
            run,
            {"state_update": told},
            parent_span_id=parent_span_id,
            capture=capture,
        )


_IDS = ("conversation_id", "previous_response_id")


def _ids_of(tracker: Any) -> dict[str, str]:
    found = {name: getattr(tracker, name, None) for name in _IDS}
    return {name: value for name, value in found.items() if type(value) is str}


def _status_of(error: BaseException | None) -> str:
    if error is None:
        return ""
    return _FAILED if isinstance(error, Exception) else _CANCELLED
