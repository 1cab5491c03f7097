"""Record what agents look up and keep: knowledge, memory, the cache of their tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.model_facts import hash_of
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
)
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.introspect import class_name_of

from .facts import argument, document_ids_of, held, results_of
from .state import here
from .tools import holder_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .runs import CrewRuns

__all__ = ["Stores"]

_ACCESS, _STATE = ("DATA_ACCESS",), ("STATE_UPDATE",)
_KNOWLEDGE = "crewai.knowledge.knowledge:Knowledge"
_MEMORY = "crewai.memory.unified_memory:Memory"


class _Asking(Observation):
    """A question to a store."""

    def __init__(self, stores: Stores, source: str, facts: dict[str, Any]) -> None:
        self._stores, self._source, self._facts = stores, source, facts

    def ended(self, result: Any) -> None:
        self._stores.note_access(self._source, result, self._facts)


class _Changing(Observation):
    """A change of a store."""

    def __init__(self, stores: Stores, facts: dict[str, Any]) -> None:
        self._stores, self._facts = stores, facts

    def ended(self, result: Any) -> None:
        self._stores.note_change(self._facts)


class _Caching(Observation):
    """A look into the cache of tools."""

    def __init__(self, stores: Stores, tool: Any, arguments: Any) -> None:
        self._stores, self._tool, self._arguments = stores, tool, arguments

    def ended(self, result: Any) -> None:
        if result is not None:
            given = self._arguments
            digest = hash_of(given) if type(given) is str else ""
            facts = {"tool": self._tool, "arguments_hash": digest}
            self._stores.note_access("tool_cache", None, facts)


class Stores(Part):
    """
    Wrappers around stores, and what the bus tells of memory.

    Args:
        host: Where to record.
        runs: Opens what an operation outside of any run needs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        since = {"optional": True, "min_version": "1.10"}
        late = {**since, "post_import": True}
        query, add = observe(self._query), observe(self._add)
        return (
            Patch(f"{_KNOWLEDGE}.query", query, _ACCESS),
            Patch(f"{_KNOWLEDGE}.aquery", observe_async(self._query), _ACCESS, **since),
            Patch(f"{_KNOWLEDGE}.add_sources", add, _STATE),
            Patch(
                f"{_KNOWLEDGE}.aadd_sources", observe_async(self._add), _STATE, **since
            ),
            Patch(
                "crewai.agents.cache.cache_handler:CacheHandler.read",
                observe(self._read),
                _ACCESS,
            ),
            *(
                Patch(f"{_MEMORY}.{name}", observe(self._change(name)), _STATE, **late)
                for name in ("forget", "update", "reset")
            ),
        )

    def _query(self, knowledge: Any, args: Any, kwargs: Any) -> _Asking:
        facts = {
            "query": argument(args, kwargs, 0, "query"),
            "limit": argument(args, kwargs, 1, "results_limit"),
            "score_threshold": argument(args, kwargs, 2, "score_threshold"),
        }
        name = held(held(knowledge, "storage"), "collection_name")
        source = name if type(name) is str and name else "knowledge"
        return _Asking(self, source, facts)

    def _add(self, knowledge: Any, _args: Any, _kwargs: Any) -> _Changing | None:
        sources = held(knowledge, "sources")
        if type(sources) is not list or not sources:
            return None
        facts = {
            "operation": "add_sources",
            "store": "knowledge",
            "collection": held(held(knowledge, "storage"), "collection_name"),
            "sources": [class_name_of(each) for each in sources],
        }
        return _Changing(self, facts)

    def _read(self, _cache: Any, args: Any, kwargs: Any) -> _Caching | None:
        if holder_in_force() is None:
            return None
        tool = argument(args, kwargs, 0, "tool")
        return _Caching(self, tool, argument(args, kwargs, 1, "input"))

    def _change(self, name: str) -> Any:
        def begin(_memory: Any, args: Any, kwargs: Any) -> _Changing:
            scope = kwargs.get("scope", args[0] if args else None)
            facts = {"operation": name, "store": "memory"}
            if type(scope) is str:
                facts["scope"] = scope
            return _Changing(self, facts)

        return begin

    # -- what the bus tells -------------------------------------------------------

    def memory_asked(self, event: dict[str, Any]) -> None:
        """Record what an event says of a question to a memory."""
        facts = {
            name: event.get(name) for name in ("query", "limit", "score_threshold")
        }
        self.note_access("memory", event.get("results"), facts)

    def memory_saved(self, event: dict[str, Any]) -> None:
        """Record what an event says of something that a memory keeps from now on."""
        facts = {"operation": "save", "store": "memory"}
        self.note_change(facts, value=event.get("value"), details=event.get("metadata"))

    # -- events -------------------------------------------------------------------

    def note_access(self, source: str, results: Any, facts: dict[str, Any]) -> None:
        """Record what was asked of a store, and what it found."""
        place = here(self._host, self._runs.shared)
        recorder = self._recorder
        capture = recorder.capture(place.run)
        found = results_of(results)
        scores = [
            score
            for each in [*found, *map(_fields, results if found else ())]
            if type(score := each.get("score")) in (int, float)
        ]
        metadata = without_defaults(
            {
                name: value
                for name, value in facts.items()
                if name != "query" and type(value) in (str, int, float)
            }
        )
        metadata |= without_defaults({"count": len(found), "scores": scores})
        if facts.get("query"):
            path = "data_access.metadata.query"
            metadata["query"] = capture.tree(facts["query"], path)
        recorder.emit(
            EventType.DATA_ACCESS,
            place.run,
            content.data_access(
                source, document_ids=document_ids_of(results), metadata=metadata
            ),
            parent_span_id=place.span_id,
            capture=capture,
        )
        place.close()

    def note_change(self, facts: dict[str, Any], **contents: Any) -> None:
        """Record that a store was changed; *contents* uncaptured."""
        place = here(self._host, self._runs.shared)
        recorder = self._recorder
        capture = recorder.capture(place.run)
        change: dict[str, Any] = without_defaults(facts)
        for name, value in contents.items():
            if value:
                change[name] = capture.tree(value, f"state_update.store.{name}")
        recorder.emit(
            EventType.STATE_UPDATE,
            place.run,
            content.state_update(store=change),
            parent_span_id=place.span_id,
            capture=capture,
        )
        place.close()


def _fields(item: Any) -> dict[str, Any]:
    fields = item if type(item) is dict else getattr(item, "__dict__", None)
    return fields if type(fields) is dict else {}
