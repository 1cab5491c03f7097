"""Events in the order of their chains, as an answer in pages, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.sdk.integrity import Removed, Sent

from .answers import Between, Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("items_of_chains", "lines_of_chains")


def lines_of_chains(
    items: Iterable[tuple[str, bytes | Removed | Sent]], limit: int, most_bytes: int
) -> Lines:
    """
    Return one page of events in the order of their chains.

    Args:
        items: What follows, each with the cursor behind it.
        limit: Most of them.
        most_bytes: After so many it ends, too.
    """
    lines: list[str] = []
    between: list[Between] = []
    size, behind = 0, ""
    for cursor, item in items:
        if isinstance(item, bytes):
            lines.append(item.decode("utf-8", "replace"))
            size += len(item)
        else:
            between.append(_between(len(lines), item))
        if len(lines) + len(between) >= limit or size >= most_bytes:
            behind = cursor
            break
    return Lines(
        tuple(lines),
        0,
        is_last=not behind,
        next_cursor=behind,
        between=tuple(between),
    )


def _between(at: int, item: Removed | Sent) -> Between:
    if isinstance(item, Removed):
        return Between(
            at, "removed", item.stream, item.first, item.last, item.before, item.hash
        )
    return Between(
        at, "sent", item.stream, item.first, item.last, is_shared=item.is_shared
    )


def items_of_chains(page: Lines) -> Iterator[bytes | Removed | Sent]:
    """Yield what a page holds."""
    waiting = iter(page.between)
    following = next(waiting, None)
    for at in range(len(page.lines) + 1):
        while following is not None and following.at <= at:
            yield _item(following)
            following = next(waiting, None)
        if at < len(page.lines):
            yield page.lines[at].encode("utf-8", "replace")


def _item(one: Between) -> Removed | Sent:
    if one.kind == "sent":
        return Sent(one.stream, one.first, one.last, one.is_shared)
    first, last = one.first or 0, one.last or 0
    return Removed(one.stream, first, max(first, last), one.before, one.hash)
