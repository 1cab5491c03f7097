"""Record what is read from and written to sessions, memory and artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.read import is_set, list_of, text_of
from chaukas.sdk.patching import Patch, in_place_of, is_most_derived
from chaukas.sdk.record import content
from chaukas.sdk.record.context import CURRENT, SUPPRESSED
from chaukas.sdk.record.placement import node_in_force, place
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import attributes_of, class_name_of

from .facts import field, session_id_of, text_in
from .state import FRAMEWORK, Invocation, invocation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.placement import Place

    from .runs import RunnerCalls

__all__ = ["Stores", "has_news", "scopes_of"]

_SESSIONS = "google.adk.sessions.base_session_service:BaseSessionService"
_MEMORY = "google.adk.memory.base_memory_service:BaseMemoryService"
_ARTIFACTS = "google.adk.artifacts.base_artifact_service:BaseArtifactService"
_READ, _WRITE = ("DATA_ACCESS",), ("STATE_UPDATE",)
_REWIND = "rewind_before_invocation_id"
_REST = ("agent_state", "end_of_agent")
_TOLD = ("state_delta", "compaction", _REWIND, *_REST)
"""What an event does beside saying something."""
_PLAIN = (bool, dict, str)
_SCOPES = ("user", "app", "temp")
_ADDED = {
    "add_session_to_memory": "1.0",
    "add_events_to_memory": "1.26",
    "add_memory": "1.26",
    "delete_memory": "2.0",
}


def scopes_of(delta: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the keys of a change of state by their scope, without its prefix."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in delta.items():
        if type(key) is str:
            prefix, mark, rest = key.partition(":")
            is_scoped = bool(mark) and prefix in _SCOPES
            scope, name = (prefix, rest) if is_scoped else ("session", key)
            found.setdefault(scope, {})[name] = value
    return found


def has_news(args: Any, kwargs: dict[str, Any]) -> bool:
    """Tell whether an event that is appended does more than say something."""
    node = CURRENT.get()
    if node is not None and not node.run.sampled:
        return False
    event = kwargs.get("event", args[1] if len(args) > 1 else None)
    # Asked for each event, of which few do.
    actions = attributes_of(field(event, "actions"))
    for name in _TOLD:
        value = actions.get(name)
        # As `is_set`, which would be a call for each.
        if value is not None and (type(value) not in _PLAIN or value):
            return field(event, "partial") is not True
    return False


class Stores(Part):
    """
    The hooks of services.

    Args:
        host: Where to record.
        calls: Records reads of a session before its run is placed.
    """

    def __init__(self, host: Host, calls: RunnerCalls) -> None:
        super().__init__(host)
        self._calls = calls

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            self._patch(_SESSIONS, "get_session", _READ, after=self._session_read),
            self._patch(
                _SESSIONS, "append_event", _WRITE, has_news, before=self._appended
            ),
            self._patch(_SESSIONS, "create_session", _WRITE, after=self._created),
            self._patch(_SESSIONS, "delete_session", _WRITE, after=self._deleted),
            self._patch(_MEMORY, "search_memory", _READ, after=self._memory_read),
            *(
                self._patch(_MEMORY, name, _WRITE, after=self._memory_written)
                for name in _ADDED
            ),
            self._patch(_ARTIFACTS, "load_artifact", _READ, after=self._artifact_read),
            self._patch(
                _ARTIFACTS, "save_artifact", _WRITE, after=self._artifact_saved
            ),
            self._patch(
                _ARTIFACTS, "delete_artifact", _WRITE, after=self._artifact_deleted
            ),
        )

    def _patch(
        self,
        base: str,
        name: str,
        emits: tuple[str, ...],
        is_wanted: Callable[[Any, dict[str, Any]], bool] | None = None,
        *,
        before: Callable[..., Any] | None = None,
        after: Callable[..., Any] | None = None,
    ) -> Patch:
        """Return the patch of a coroutine of a service, in whatever class it is."""

        def wrapper(
            wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
        ) -> Any:
            is_idle = is_wanted is not None and not is_wanted(args, kwargs)
            if is_idle or not is_most_derived(wrapped, instance, name):
                return wrapped(*args, **kwargs)
            return in_place_of(observed, wrapped, instance, args, kwargs)

        async def observed(
            wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
        ) -> Any:
            if before is not None:
                attempt(name, before, instance, args, kwargs)
            result = await wrapped(*args, **kwargs)
            if after is not None:
                attempt(name, after, instance, args, kwargs, result)
            return result

        is_old = _ADDED.get(name, "1.0") == "1.0"
        return Patch(
            f"{base}.{name}",
            wrapper,
            emits,
            subclasses=True,
            optional=not is_old,
            post_import=True,
        )

    # -- sessions -------------------------------------------------------------------

    def _session_read(self, service: Any, args: Any, kwargs: Any, session: Any) -> None:
        del args, kwargs
        node = CURRENT.get()
        count = len(list_of(field(session, "events")))
        if node is None or not count or SUPPRESSED.get():
            return
        run, name = node.run, text_of(field(session, "id"))
        kind = class_name_of(service)
        if isinstance(run, Invocation) and not run.is_placed:
            run.reads.append((kind, count))
        elif (here := node_in_force()) is not None:
            self._calls.note_read(here.run, kind, name, count)

    def _appended(self, service: Any, args: Any, kwargs: dict[str, Any]) -> None:
        given = (*args, None, None)
        session, event = kwargs.get("session", given[0]), kwargs.get("event", given[1])
        if SUPPRESSED.get():
            return
        node = node_in_force()
        if node is None:
            # The application's own, or a session that is taken back.
            run: Run = self._place_of(session).run
        else:
            run = node.run
        if not run.sampled:
            return
        top = invocation_of(run)
        if isinstance(run, Invocation) and top is not None:
            # The runner appends for the agent that has spoken.
            branch = text_of(field(event, "branch"))
            run = top.turn_of(text_of(field(event, "author")), branch) or run
        changes = self._changes(run, attributes_of(field(event, "actions")))
        if changes:
            changes["session"] = _stored("append_event", service, session)
            self._write(run, run.agent_span_id, changes)

    def _place_of(self, session: Any) -> Place:
        """Return where something stands that is done to a session of ADK."""
        held = attributes_of(session)
        names = (text_of(held.get(name)) for name in ("app_name", "user_id", "id"))
        found = place(
            self._host.sessions,
            self._recorder,
            session_id_of(*names),
            framework=FRAMEWORK,
        )
        found.run.agent_span_id = found.parent_span_id
        return found

    def _changes(self, run: Run, actions: dict[str, Any]) -> dict[str, Any]:
        delta = actions.get("state_delta")
        changes: dict[str, Any] = {}
        capture = self._recorder.capture(run)
        if type(delta) is dict and delta:
            changes["state"] = _by_scope(capture, delta)
        compaction = attributes_of(actions.get("compaction"))
        if compaction:
            summary = text_in(compaction.get("compacted_content"))
            changes["compaction"] = {
                "start": compaction.get("start_timestamp"),
                "end": compaction.get("end_timestamp"),
                "summary": capture.text(summary, "state_update.compaction.summary"),
            }
        before = text_of(actions.get(_REWIND))
        if before:
            changes["rewind"] = {"before_invocation_id": before}
            files = actions.get("artifact_delta")
            if type(files) is dict and files:
                changes["rewind"]["artifacts"] = capture.tree(
                    files, "state_update.rewind.artifacts"
                )
        for name in _REST:
            if is_set(actions.get(name)):
                changes[name] = capture.tree(actions[name], f"state_update.{name}")
        return changes

    def _write(self, run: Run, parent_span_id: str, changes: dict[str, Any]) -> None:
        self._recorder.emit(
            EventType.STATE_UPDATE,
            run,
            content.state_update(**changes),
            parent_span_id=parent_span_id,
            agent=run.agent,
        )

    def _created(self, service: Any, args: Any, kwargs: Any, session: Any) -> None:
        """Record the state with which an application makes a session."""
        del args
        state = kwargs.get("state")
        # That of an agent that is a tool is a copy of what is on record.
        if type(state) is not dict or not state or node_in_force() is not None:
            return
        found = self._place_of(session)
        changes = {
            "state": _by_scope(self._recorder.capture(found.run), state),
            "session": _stored("create_session", service, session),
        }
        self._write(found.run, found.parent_span_id, changes)

    def _deleted(self, service: Any, args: Any, kwargs: Any, _: Any) -> None:
        """End a session in the record that is deleted in its store."""
        del service, args
        names = (
            text_of(kwargs.get(key)) for key in ("app_name", "user_id", "session_id")
        )
        self._host.sessions.end(session_id_of(*names))

    # -- memory ---------------------------------------------------------------------

    def _memory_read(self, service: Any, args: Any, kwargs: Any, found: Any) -> None:
        del args
        query = text_of(kwargs.get("query"))
        count = len(list_of(field(found, "memories")))
        self._read(f"memory://{class_name_of(service)}", {"count": count}, query)

    def _memory_written(self, service: Any, args: Any, kwargs: Any, _: Any) -> None:
        node = node_in_force()
        if node is not None:
            session = kwargs.get("session", args[0] if args else None)
            facts = {
                "store": class_name_of(service),
                "id": text_of(field(session, "id")),
            }
            changes = {"memory": without_defaults(facts)}
            self._write(node.run, node.parent_span_id, changes)

    # -- artifacts ------------------------------------------------------------------

    def _artifact_read(self, service: Any, args: Any, kwargs: Any, part: Any) -> None:
        del args
        if part is None:
            return
        name = text_of(kwargs.get("filename"))
        self._read(
            f"artifact://{class_name_of(service)}/{name}", _artifact(kwargs, part)
        )

    def _artifact_saved(
        self, service: Any, args: Any, kwargs: Any, version: Any
    ) -> None:
        del args
        facts = _artifact(kwargs, kwargs.get("artifact"))
        if type(version) is int:
            facts["version"] = version
        self._artifact(service, "save", facts)

    def _artifact_deleted(self, service: Any, args: Any, kwargs: Any, _: Any) -> None:
        del args
        self._artifact(service, "delete", _artifact(kwargs, None))

    def _artifact(self, service: Any, operation: str, facts: dict[str, Any]) -> None:
        node = node_in_force()
        if node is not None:
            facts |= {"operation": operation, "store": class_name_of(service)}
            self._write(node.run, node.parent_span_id, {"artifact": facts})

    def _read(self, source: str, facts: dict[str, Any], query: str = "") -> None:
        """Record a read, of something inside of a run only."""
        node = node_in_force()
        if node is None:
            return
        capture = self._recorder.capture(node.run)
        if query:
            facts["query"] = capture.text(query, "data_access.metadata.query")
        self._recorder.emit(
            EventType.DATA_ACCESS,
            node.run,
            content.data_access(source, metadata=facts),
            parent_span_id=node.parent_span_id,
            capture=capture,
        )


def _by_scope(capture: DeferredCapture, state: dict[str, Any]) -> dict[str, Any]:
    """Return changed keys of the state by their scope, captured."""
    return {
        scope: capture.tree(values, f"state_update.state.{scope}")
        for scope, values in scopes_of(state).items()
    }


def _stored(operation: str, service: Any, session: Any) -> dict[str, str]:
    """Return what was done to which session, and by what."""
    return {
        "operation": operation,
        "store": class_name_of(service),
        "id": text_of(field(session, "id")),
    }


def _artifact(kwargs: dict[str, Any], part: Any) -> dict[str, Any]:
    """Return what is told of an artifact: its name, version, type and size."""
    facts: dict[str, Any] = {"file_name": text_of(kwargs.get("filename"))}
    if type(kwargs.get("version")) is int:
        facts["version"] = kwargs["version"]
    data = field(part, "inline_data", "data")
    facts |= {
        "mime_type": text_of(field(part, "inline_data", "mime_type")),
        "size_bytes": len(data) if type(data) is bytes else 0,
    }
    return {name: fact for name, fact in facts.items() if fact or name == "version"}
