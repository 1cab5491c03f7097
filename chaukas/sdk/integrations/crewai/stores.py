"""Record what agents look up and keep: knowledge, memory, the cache of their tools."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.model_facts import hash_of
from chaukas.sdk.integrations.shared.nested.stores import record_access, record_change
from chaukas.sdk.integrations.shared.nested.tools import asked_tool_in_force
from chaukas.sdk.integrations.shared.observe import (
    Noted,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.read import list_of, text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.system.introspect import class_name_of

from .facts import argument, document_ids_of, held, scores_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.nested.runs import Here

    from .runs import CrewRuns

__all__ = ["Stores"]

_ACCESS, _STATE = ("DATA_ACCESS",), ("STATE_UPDATE",)
_KNOWLEDGE = "crewai.knowledge.knowledge:Knowledge"
_MEMORY = "crewai.memory.unified_memory:Memory"
_SETTINGS = ("limit", "score_threshold")


class Stores(Part):
    """
    Wrappers around stores, and what the bus tells of memory.

    Args:
        host: Where to record.
        runs: Says where an operation stands.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        later = observe_async
        return (
            Patch(f"{_KNOWLEDGE}.query", observe(self._query), _ACCESS),
            Patch(f"{_KNOWLEDGE}.aquery", later(self._query), _ACCESS),
            Patch(f"{_KNOWLEDGE}.add_sources", observe(self._add), _STATE),
            Patch(f"{_KNOWLEDGE}.aadd_sources", later(self._add), _STATE),
            Patch(
                "crewai.agents.cache.cache_handler:CacheHandler.read",
                observe(self._read),
                _ACCESS,
            ),
            *(
                Patch(
                    f"{_MEMORY}.{name}",
                    observe(partial(self._change, name)),
                    _STATE,
                    post_import=True,
                    optional=True,
                )
                for name in ("forget", "update", "reset")
            ),
        )

    def _query(self, knowledge: Any, args: Any, kwargs: Any) -> Noted:
        query = argument(args, kwargs, 0, "query")
        facts = {
            "limit": argument(args, kwargs, 1, "results_limit"),
            "score_threshold": argument(args, kwargs, 2, "score_threshold"),
        }
        name = text_of(held(held(knowledge, "storage"), "collection_name"))
        return Noted(
            lambda found: self.note_access(name or "knowledge", facts, query, found)
        )

    def _add(self, knowledge: Any, _args: Any, _kwargs: Any) -> Noted | None:
        sources = list_of(held(knowledge, "sources"))
        facts = {
            "operation": "add_sources",
            "store": "knowledge",
            "collection": held(held(knowledge, "storage"), "collection_name"),
            "sources": [class_name_of(each) for each in sources],
        }
        return Noted(lambda _none: self.note_change(facts)) if sources else None

    def _read(self, _cache: Any, args: Any, kwargs: Any) -> Noted | None:
        if asked_tool_in_force() is None:
            return None
        given = text_of(argument(args, kwargs, 1, "input"))
        tool = text_of(argument(args, kwargs, 0, "tool"))
        facts = {"tool": tool, "arguments_hash": hash_of(given)}

        def ended(found: Any) -> None:
            if found is not None:
                self.note_access("tool_cache", facts)

        return Noted(ended)

    def _change(self, name: str, _memory: Any, args: Any, kwargs: Any) -> Noted:
        scope = kwargs.get("scope", args[0] if args else None)
        facts = {"operation": name, "store": "memory", "scope": text_of(scope)}
        return Noted(lambda _none: self.note_change(facts))

    # -- what the bus tells -------------------------------------------------------

    def memory_asked(self, event: dict[str, Any]) -> None:
        """Record what an event says of a question to a memory."""
        facts = {name: event.get(name) for name in _SETTINGS}
        self.note_access("memory", facts, event.get("query"), event.get("results"))

    def memory_saved(self, event: dict[str, Any]) -> None:
        """Record what an event says of something that a memory keeps from now on."""
        facts = {"operation": "save", "store": "memory"}
        kept = {"value": event.get("value"), "details": event.get("metadata")}
        self.note_change(facts, kept)

    # -- events -------------------------------------------------------------------

    def note_access(
        self, source: str, facts: dict[str, Any], query: Any = None, found: Any = None
    ) -> None:
        """Record what was asked of a store, and what it found."""
        count = len(found) if type(found) is list else 0
        record_access(
            self._recorder,
            self._runs.shared.here(),
            source,
            {**facts, "count": count, "scores": scores_of(found)},
            query=query,
            document_ids=document_ids_of(found),
        )

    def note_change(
        self,
        facts: dict[str, Any],
        contents: dict[str, Any] | None = None,
        *,
        place: Here | None = None,
    ) -> None:
        """Record a change of a store, here or at *place*; *contents* uncaptured."""
        place = self._runs.shared.here() if place is None else place
        record_change(self._recorder, place, "store", facts, contents)
