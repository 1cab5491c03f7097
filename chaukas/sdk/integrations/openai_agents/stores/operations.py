"""
Say what one operation on a session of the SDK was, without its contents.

Pure, and apart from the wrappers: what is told of an item is decided here alone.
"""

from __future__ import annotations

from pathlib import PosixPath, WindowsPath
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.usage import usage_of
from chaukas.sdk.record.retries import class_name_of
from chaukas.sdk.system.introspect import attributes_of

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Node

__all__ = [
    "CHANGES",
    "Operation",
    "facts_of",
    "is_idle",
    "note_compaction",
    "path_of",
    "refs_of",
    "session_id_of",
    "types_of",
]

CHANGES = frozenset({"add_items", "pop_item", "clear_session"})
"""Operations that change what a session keeps, if all goes well."""

_NO_ID = "__fake_id__"
_RECORDED_ITEMS = 32
_ID_CHARS = 256
_WRAPPED_STORES = 4
_PATHS = (str, PosixPath, WindowsPath)


class Operation:
    """One call of a session's method, and what is inside of it."""

    __slots__ = (
        "compaction",
        "given",
        "has_changed",
        "is_over",
        "is_runners",
        "name",
        "node",
        "session_id",
        "started_ns",
        "store",
    )

    def __init__(
        self, name: str, store: Any, given: Any = None, *, is_runners: bool = False
    ) -> None:
        self.name = name
        """As the event says it; empty for one that is not told."""
        self.store = store
        self.given = given
        """The one argument that tells something: limit, items, options."""
        self.is_runners = is_runners
        """The runner asked for it, and records the contents elsewhere."""
        self.node: Node | None = None
        self.session_id = ""
        """Before it began; some stores get theirs at their first use."""
        self.started_ns = 0
        self.is_over = False
        self.has_changed = False
        """A store inside of it was changed."""
        self.compaction: dict[str, Any] | None = None
        """What the provider was asked for, and answered."""


def session_id_of(store: Any) -> str:
    """Return the id of a session; an empty text while it has none."""
    try:
        # Public contract of a session; one class raises until its first use.
        session_id = store.session_id
    except Exception:
        return ""
    return session_id[:_ID_CHARS] if type(session_id) is str else ""


def path_of(store: Any) -> Any:
    """
    Return the file that a SQLite store was given, `:memory:` for none; or None.

    Two stores of the same id may be two databases. It is read from what the object
    holds itself, or the store that it wraps: nothing of the application runs.
    """
    for _ in range(_WRAPPED_STORES):
        attributes = attributes_of(store)
        path = attributes.get("db_path")
        if type(path) in _PATHS:
            return path if type(path) is str else str(path)
        store = attributes.get("underlying_session")
    return None


def _kind_of(item: Any) -> tuple[str, str]:
    """Return type and role of an item, each an empty text if it has none."""
    if type(item) is not dict:
        return class_name_of(item), ""
    kind, role = item.get("type"), item.get("role")
    role = role if type(role) is str else ""
    if type(kind) is not str or not kind:
        kind = "message" if role else "item"
    return kind, role


def _id_in(item: Any) -> str:
    """Return the id by which other events know *item*."""
    if type(item) is dict:
        for name in ("call_id", "id"):
            value = item.get(name)
            if type(value) is str and value and value != _NO_ID:
                return value[:_ID_CHARS]
    return ""


def refs_of(items: Any) -> list[dict[str, str]]:
    """
    Return what each of the first 32 *items* is, and nothing of what it says.

    Returns:
        `{"type", "role", "id"}`, each only if there is one; the id is the call id of
        a tool's call or output. No hash of the content: a short text is guessed from
        its hash.
    """
    if type(items) is not list:
        return []
    refs = []
    for item in items[:_RECORDED_ITEMS]:
        kind, role = _kind_of(item)
        ref = {"type": kind, "role": role, "id": _id_in(item)}
        refs.append({name: value for name, value in ref.items() if value})
    return refs


def types_of(items: Any) -> dict[str, int]:
    """Return how many of *items* there are of each role, or type for want of one."""
    counts: dict[str, int] = {}
    for item in items if type(items) is list else ():
        kind, role = _kind_of(item)
        name = role or kind
        counts[name] = counts.get(name, 0) + 1
    return counts


def is_idle(operation: Operation, result: Any, error: BaseException | None) -> bool:
    """Tell whether nothing was changed, and nothing went wrong."""
    if error is not None:
        return False
    match operation.name:
        case "add_items":
            return type(operation.given) is list and not operation.given
        case "pop_item":
            return result is None
        case "run_compaction":
            return operation.compaction is None and not operation.has_changed
        case _:
            return False


def facts_of(operation: Operation, result: Any) -> dict[str, Any]:
    """Return names and counts of an operation, still to be bounded."""
    given = operation.given
    match operation.name:
        case "get_items":
            return _read_facts(given, result)
        case "add_items":
            return _written_facts(given)
        case "pop_item" if result is not None:
            return {"count": 1, "items": refs_of([result])}
        case "run_compaction":
            return _compaction_facts(operation)
        case "create_branch" | "switch_branch" | "delete_branch":
            branch = result if type(result) is str else given
            return {"branch": branch} if type(branch) is str else {}
        case _:
            return {}


def _read_facts(limit: Any, items: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"limit": limit} if type(limit) is int else {}
    if type(items) is list:
        facts["count"] = len(items)
        if items:
            facts["types"] = types_of(items)
    return facts


def _written_facts(items: Any) -> dict[str, Any]:
    if type(items) is not list:
        return {}
    facts: dict[str, Any] = {"count": len(items), "items": refs_of(items)}
    if len(items) > _RECORDED_ITEMS:
        facts["items_omitted"] = len(items) - _RECORDED_ITEMS
    return facts


def _compaction_facts(operation: Operation) -> dict[str, Any]:
    facts = dict(operation.compaction or {})
    options = operation.given
    if type(options) is dict:
        if options.get("force") is True:
            facts["forced"] = True
        if type(options.get("response_id")) is str:
            facts["response_id"] = options["response_id"]
    return facts


def note_compaction(
    operation: Operation, kwargs: dict[str, Any], response: Any
) -> None:
    """
    Note on *operation* what a compaction was asked for and cost.

    Args:
        operation: The compaction.
        kwargs: Arguments of `responses.compact`.
        response: Its answer.
    """
    facts: dict[str, Any] = {}
    if type(kwargs.get("model")) is str:
        facts["model"] = kwargs["model"]
    items = kwargs.get("input")
    if type(items) is list:
        facts["mode"] = "input"
        facts["input_count"] = len(items)
    elif type(kwargs.get("previous_response_id")) is str:
        facts["mode"] = "previous_response_id"
    output = getattr(response, "output", None)
    if type(output) is list:
        facts["output_count"] = len(output)
    usage = usage_of(response)._asdict()
    facts["usage"] = {name: count for name, count in usage.items() if count}
    operation.compaction = facts
