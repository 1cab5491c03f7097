"""
Know when an agent's configuration differs from that of its last run.

By the object, where an application keeps its agents; by the name within a tenant and
project, where it builds them for each request or loads them from a store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.system.bounded import BoundedMap, WeakMap

from .facts import changes_between, shape_of

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Session

__all__ = ["AgentChanges"]

_REMEMBERED = 1024
_SHAPES = 8

Shape = dict[str, Any]


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

    def note(self, session: Session, agent: Any, facts: dict[str, Any]) -> Shape:
        """
        Remember how *agent* is configured, and return what changed.

        Args:
            session: Tells tenant and project.
            agent: An agent; held weakly.
            facts: What AGENT_START says of it.

        Returns:
            `old` and `new` of each fact that differs; empty if none does, or if
            the agent was not seen before.
        """
        shape = shape_of(facts)
        name = facts.get("name") or getattr(agent, "name", None)
        key = (session.tenant_id, session.project_id, name if type(name) is str else "")
        shapes = self._names.get(key) or ()
        before = self._objects.get(agent)
        if before is None and shapes and shape not in shapes:
            before = shapes[-1]
        self._objects.put(agent, shape)
        others = tuple(other for other in shapes if other != shape)
        self._names.put(key, (*others[1 - _SHAPES :], shape))
        return {} if before is None else changes_between(before, shape)
