"""
Make an event fit its size, losing the least.

Long texts lose their middle first, as most of an event's bytes are in few of
them; the event itself, its identity and its place in the tree are never lost.
"""

from typing import Any, Final

import orjson

from chaukas.sdk.capture.redaction.redactor import middle_out
from chaukas.sdk.typing import Event

__all__ = ("shrink",)

_FLOOR_CHARS: Final = 32
_MARK_CHARS: Final = 24
_SMALL_BYTES: Final = 256
_SORTED: Final = orjson.OPT_SORT_KEYS
_IDENTITY: Final = frozenset(
    "event_id type status severity author timestamp tenant_id project_id session_id"
    " trace_id span_id parent_span_id agent_id agent_name".split()
)
_OWN: Final = frozenset({"chaukas", "framework"})


def shrink(event: Event, limit_bytes: int) -> Event:
    """
    Return an event that is encoded in at most *limit_bytes*.

    The longest texts are cut first, down to the same length. If that is not
    enough, the largest parts are replaced by their size. What identifies the
    event stays, so a limit below about 1 KiB may not be reached.

    Args:
        event: A tree of exact built-in types. It is not changed.
        limit_bytes: The encoded size to reach.

    """
    if _size_of(event) <= limit_bytes:
        return event
    copied = _copy_of(event)
    slots = _slots_of(copied)
    longest = max((len(text) for _, _, text in slots), default=0)
    while longest > _FLOOR_CHARS:
        longest //= 2
        for holder, key, text in slots:
            if len(text) > longest + _MARK_CHARS:
                holder[key] = middle_out(text, longest)
        if _size_of(copied) <= limit_bytes:
            return copied
    _drop_parts(copied, limit_bytes)
    return copied


def _size_of(value: Any) -> int:
    """Return the encoded size in bytes."""
    return len(orjson.dumps(value, option=_SORTED))


def _copy_of(event: Event) -> Event:
    """Copy the containers of a tree, without recursion."""
    top: list[Any] = [event]
    work: list[tuple[Any, Any]] = [(top, 0)]
    for holder, key in work:
        value = holder[key]
        if type(value) is dict:
            holder[key] = value = dict(value)
            work.extend((value, name) for name in value)
        elif type(value) is list:
            holder[key] = value = list(value)
            work.extend((value, at) for at in range(len(value)))
    copied: Event = top[0]
    return copied


def _slots_of(event: Event) -> list[tuple[Any, Any, str]]:
    """Return where the texts stand that may be cut, and the texts."""
    found: list[tuple[Any, Any, str]] = []
    work: list[Any] = [event]
    for holder in work:
        is_top = holder is event
        pairs = holder.items() if type(holder) is dict else enumerate(holder)
        for key, value in pairs:
            if (is_top and key in _IDENTITY) or key == "chaukas":
                continue
            if type(value) is str:
                if len(value) > _FLOOR_CHARS + _MARK_CHARS:
                    found.append((holder, key, value))
            elif type(value) in (dict, list):
                work.append(value)
    return found


def _drop_parts(event: Event, limit_bytes: int) -> None:
    """Replace the largest parts of an event by their size, until it fits."""
    parts = [
        (_size_of(value), name, key)
        for name, member in event.items()
        if name not in _IDENTITY and type(member) is dict
        for key, value in member.items()
        if key not in _OWN
    ]
    parts.sort(reverse=True)
    excess = _size_of(event) - limit_bytes
    for size, name, key in parts:
        if excess <= 0 or size <= _MARK_CHARS:
            break
        event[name][key] = _placeholder(event[name][key], size)
        excess -= size - _size_of(event[name][key])
    if excess > 0:
        _drop_names(event)


def _placeholder(value: Any, size: int) -> Any:
    """Return what says how large a part was, in a shape its field can hold."""
    if type(value) is dict:
        return {"…": f"<{size} bytes>"}
    if type(value) is list:
        return [f"<{size} bytes>"]
    return f"<{size} bytes>"


def _drop_names(event: Event) -> None:
    """Keep of each member only its smallest parts; the last resort."""
    for name, member in event.items():
        if name in _IDENTITY or type(member) not in (dict, list):
            continue
        size = _size_of(member)
        if size <= _SMALL_BYTES:
            continue
        if type(member) is list:
            event[name] = [f"<{size} bytes>"]
        else:
            event[name] = _smallest_of(member)


def _smallest_of(member: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a member that fit into little, its own marks first."""
    kept: dict[str, Any] = {key: member[key] for key in _OWN if key in member}
    left = _SMALL_BYTES
    sizes = sorted((_size_of({key: value}), key) for key, value in member.items())
    for size, key in sizes:
        left -= size
        if left < 0:
            break
        kept[key] = member[key]
    return kept
