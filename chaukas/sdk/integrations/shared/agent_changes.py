"""
Know when an agent's configuration differs from that of its last run.

By the object, where an application keeps its agents; by the name within a tenant and
project, where it builds them for each request or loads them from a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.system.bounded import BoundedMap, WeakMap

if TYPE_CHECKING:
    from chaukas.sdk.record.context import AgentRef, Session

__all__ = ["AgentChanges", "changes_between"]

_REMEMBERED = 1024
_SHAPES = 8
_SHAPE = frozenset(
    {"model", "instructions_hash", "tools", "handoffs", "output_type", "mcp_servers"}
)
"""Facts of an agent whose change is worth recording."""

Shape = dict[str, Any]


def changes_between(before: Shape, after: Shape) -> Shape:
    """Return `old` and `new` of each fact that differs."""
    names = sorted(before.keys() | after.keys())
    return {
        name: {"old": before.get(name), "new": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    }


class AgentChanges:
    """
    The configurations of the agents that ran last, at most 1,024.

    Two agents of one name may serve side by side. So a new object is compared with
    the last 8 configurations of its name, and reported if it equals none of them.
    """

    def __init__(self) -> None:
        self._objects: WeakMap[Shape] = WeakMap(_REMEMBERED)
        self._names: BoundedMap[tuple[str, str, str], tuple[Shape, ...]] = BoundedMap(
            _REMEMBERED
        )

    def note(
        self, session: Session, agent: AgentRef, known_as: Any, facts: Shape
    ) -> Shape:
        """
        Remember how *agent* is configured, and return what changed.

        Args:
            session: Names tenant and project.
            agent: Its id is that of one agent within these.
            known_as: The framework's own object, held weakly; None if there is none.
            facts: What AGENT_START says of it.

        Returns:
            `old` and `new` of each fact that differs; empty if none does, or if
            the agent was not seen before.
        """
        shape = {name: value for name, value in facts.items() if name in _SHAPE}
        key = (session.tenant_id, session.project_id, agent.agent_id)
        shapes = self._names.get(key) or ()
        before = self._objects.get(known_as)
        if before is None and shapes and shape not in shapes:
            before = shapes[-1]
        self._objects.put(known_as, shape)
        others = tuple(other for other in shapes if other != shape)
        self._names.put(key, (*others[1 - _SHAPES :], shape))
        return {} if before is None else changes_between(before, shape)
