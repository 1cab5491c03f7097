"""
Bound and redact the names, ids and codes of an event, whoever put them there.

The last step before an event is encoded. What an integration says of a stranger's
objects beside their content (how an agent, a tool or an error is called) goes through
here by default, so that none can forget it; only fields whose values a snapshot
made are passed over.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any

from chaukas.sdk.system.bounded import ID_CHARS, bounded

from .snapshot import Capture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .held import Taker
    from .snapshot import Rules

__all__ = ["Facts", "fill", "note_hidden"]

_NAME_CHARS = 1024
_KNOWN_CHARS = 128
_KNOWN = 4096
_DIGEST_CHARS = 8

_CAPTURED = {
    "agent_handoff": frozenset({"handoff_data"}),
    "error": frozenset({"error_message", "stack_trace"}),
    "llm_invocation": frozenset({"request", "response"}),
    "mcp_call": frozenset({"error_message", "request", "response"}),
    "message": frozenset({"text"}),
    "metadata": frozenset({"data", "instructions", "output", "trace_metadata"}),
    "policy": frozenset({"rationale"}),
    "retry": frozenset({"error_message"}),
    "tool_call": frozenset({"arguments"}),
    "tool_response": frozenset({"error_message", "output"}),
}
"""Fields whose values every integration takes with a snapshot."""
_NOTHING: frozenset[str] = frozenset()
_NESTED = (dict, list, tuple)


class Facts:
    """
    What every event passes before it is encoded.

    Texts that were found harmless are remembered, since names recur.

    Args:
        rules: Bounds and redaction, with content shown, and without the
            application's own function: what joins events must survive it, and this
            may run under a lock.
    """

    __slots__ = ("_rules", "known")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.known: set[str] = set()
        """Texts that were found harmless; whoever looks in here first saves a call."""

    def text(
        self, value: str, path: str, hidden: list[str], limit_chars: int = _NAME_CHARS
    ) -> str:
        """
        Return *value* bounded, and without secrets.

        Args:
            value: A name, an id or a code.
            path: Where it stands in the event.
            hidden: Takes the path, if anything was hidden.
            limit_chars: Characters to keep at most.
        """
        if value in self.known:
            return value
        capture = Capture(self._rules)
        shown = capture.text(bounded(value, limit_chars), path)
        if capture.is_noted:
            hidden += capture.redacted
        elif shown == value and len(value) <= _KNOWN_CHARS:
            if len(self.known) >= _KNOWN:
                self.known.clear()
            self.known.add(value)
        return shown

    def identity(self, value: str, path: str, hidden: list[str]) -> str:
        """Return the id *value* as `text` does; two that are hidden stay apart."""
        before = len(hidden)
        shown = self.text(value, path, hidden, ID_CHARS)
        if len(hidden) == before:
            return shown
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{shown}~{digest[:_DIGEST_CHARS]}"

    def fields(
        self, member: dict[str, Any], path: str, hidden: list[str]
    ) -> dict[str, Any]:
        """Return the fields of one member: names are bounded, captured ones kept."""
        captured = _CAPTURED.get(path, _NOTHING)
        known = self.known
        checked = dict(member)
        for name, value in member.items():
            kind = type(value)
            if kind is str:
                if value not in known and name not in captured:
                    checked[name] = self.text(value, f"{path}.{name}", hidden)
            elif (
                kind in _NESTED
                and name not in captured
                and not (kind is dict and _is_known(value, known))
            ):
                checked[name] = self.value(value, f"{path}.{name}", hidden)
        return checked

    def value(self, value: Any, path: str, hidden: list[str]) -> Any:
        """Return a value of any depth; it may hold captured texts of any length."""
        kind = type(value)
        if kind is str:
            if value in self.known:
                return value
            limit = self._rules.limits.string_chars
            return self.text(value, path, hidden, limit)
        if kind is dict:
            return {
                name: self.value(item, f"{path}.{name}", hidden)
                for name, item in value.items()
            }
        if kind is list or kind is tuple:
            return [
                self.value(item, f"{path}[{number}]", hidden)
                for number, item in enumerate(value)
            ]
        return value


_PLAIN = (int, float, bool)


def _is_known(member: dict[str, Any], known: set[str]) -> bool:
    for value in member.values():
        kind = type(value)
        if kind not in _PLAIN and (kind is not str or value not in known):
            return False
    return True


def fill(
    event: dict[str, Any],
    content: dict[str, Any],
    metadata: dict[str, Any] | None,
    facts: Facts | None,
    hidden: list[str],
) -> None:
    """
    Put *content* and *metadata* into *event*.

    Args:
        event: The event, with its frame.
        content: Top-level members.
        metadata: Further members of `metadata`.
        facts: Checks what is no content; None if everything was captured.
        hidden: Takes the paths of what is hidden now.
    """
    if facts is None:
        event.update(content)
        event["metadata"].update(metadata or ())
        return
    for name, member in content.items():
        kind = type(member)
        if kind is dict:
            event[name] = facts.fields(member, name, hidden)
        elif kind is str or kind in _NESTED:
            event[name] = facts.value(member, name, hidden)
        else:
            event[name] = member
    if metadata:
        event["metadata"].update(facts.fields(metadata, "metadata", hidden))


def note_hidden(
    event: dict[str, Any], captures: Sequence[Taker], hidden: list[str]
) -> None:
    """
    Note in *event* what was hidden or altered.

    Args:
        event: The event, filled.
        captures: What took its content.
        hidden: Paths of what was hidden beside its content.
    """
    taken = [capture.made for capture in captures if capture.is_noted]
    if taken:
        hidden = [*chain.from_iterable(each.redacted for each in taken), *hidden]
        altered = [*chain.from_iterable(each.altered for each in taken)]
        if altered:
            event["metadata"]["numbers_as_text"] = altered
    if hidden:
        event["redaction"] = {"fields": hidden, "method": "mask"}
