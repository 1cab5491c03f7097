"""
Which events a batch may bring: whose they are is decided by who brings them.

Pure, and the same for every store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .content import text_of
from .facts import event_of, facts_of
from .protocol import Batch, Rejection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .facts import Facts

__all__ = ("admitted", "prepared")


def admitted(batch: Batch) -> Sequence[Facts | Rejection]:
    """Return what is kept of each event of a batch, or why it is not taken."""
    if batch.admitted is not None:
        return batch.admitted
    return [_admitted(line, event_of(line), batch) for line in batch.lines]


def prepared(
    lines: Sequence[bytes],
    events: Sequence[dict[str, Any] | None],
    tenant: str | None,
    project: str = "",
) -> Batch:
    """
    Return a batch of which everything is worked out that needs no store.

    Args:
        lines: Events as JSON, one each.
        events: The same as `facts.event_of` returns them, None where it must be asked.
        tenant: See `Batch`.
        project: See `Batch`.
    """
    batch = Batch(lines, tenant, project)
    pairs = zip(lines, events, strict=True)
    found = [
        _admitted(line, event_of(line) if event is None else event, batch)
        for line, event in pairs
    ]
    return replace(batch, admitted=found)


def _admitted(
    line: bytes, event: dict[str, Any] | None, batch: Batch
) -> Facts | Rejection:
    if event is None:
        return Rejection("", "invalid")
    fact = facts_of(event, line.strip())
    if batch.tenant is not None and fact.tenant != batch.tenant:
        if text_of(event.get("tenant_id")):
            return Rejection(fact.event_id, "tenant_mismatch")
        fact = fact._replace(tenant=batch.tenant)
    if batch.project and fact.project != batch.project:
        if text_of(event.get("project_id")):
            return Rejection(fact.event_id, "tenant_mismatch")
        fact = fact._replace(project=batch.project)
    return fact
