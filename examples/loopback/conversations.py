"""
The provider's own memory: conversations that it keeps, and their compaction.

Unlike answers of a model these follow no script: what was put in comes out again.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .responses import CREATED_AT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .turn import Json

__all__ = ("COMPACT_PATH", "CONVERSATIONS_PATH", "Conversations", "compaction_of")

CONVERSATIONS_PATH = "/v1/conversations"
COMPACT_PATH = "/v1/responses/compact"
_PAGE_ITEMS = 20


class Conversations:
    """All conversations of one server, by id: `conv_1`, `conv_2` and so on."""

    def __init__(self) -> None:
        """Start with none."""
        self._items: dict[str, list[Json]] = {}
        self._count = 0
        self._lock = threading.Lock()

    @property
    def items(self) -> dict[str, list[Json]]:
        """What each conversation holds, oldest first."""
        with self._lock:
            return {name: list(items) for name, items in self._items.items()}

    def answer(
        self, method: str, target: str, body: Mapping[str, Any]
    ) -> tuple[int, Json]:
        """
        Do what a request asks for.

        Args:
            method: Of HTTP.
            target: Path and query.
            body: Decoded JSON, empty without one.

        Returns:
            Status and body of the answer; 404 for what is not there.
        """
        parts = urlsplit(target)
        steps = parts.path.removeprefix(CONVERSATIONS_PATH).strip("/").split("/")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            match method, *steps:
                case "POST", "":
                    self._items[self._named("conv")] = []
                    return 200, _conversation(f"conv_{self._count}")
                case "DELETE", name if name in self._items:
                    del self._items[name]
                    gone = {"object": "conversation.deleted", "deleted": True}
                    return 200, {"id": name, **gone}
                case "POST", name, "items" if name in self._items:
                    added = [self._kept(item) for item in body.get("items") or ()]
                    self._items[name].extend(added)
                    return 200, _page(added, more=False)
                case "GET", name, "items" if name in self._items:
                    return 200, _page_of(self._items[name], query)
                case "DELETE", name, "items", item_id if name in self._items:
                    kept = [i for i in self._items[name] if i["id"] != item_id]
                    self._items[name] = kept
                    return 200, _conversation(name)
                case _:
                    return 404, _missing(parts.path)

    def _named(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    def _kept(self, item: Json) -> Json:
        kept = {"id": self._named("item"), "status": "completed", **item}
        content = kept.get("content")
        if "role" in kept:
            kept["type"] = "message"
            if isinstance(content, str):
                kept["content"] = [{"type": "input_text", "text": content}]
        return kept


def _conversation(name: str) -> Json:
    frame = {"object": "conversation", "created_at": CREATED_AT, "metadata": {}}
    return {"id": name, **frame}


def _page(items: list[Json], *, more: bool) -> Json:
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else "",
        "last_id": items[-1]["id"] if items else "",
        "has_more": more,
    }


def _page_of(items: list[Json], query: Mapping[str, str]) -> Json:
    ordered = items if query.get("order") == "asc" else items[::-1]
    after = query.get("after")
    start = 0
    if after is not None:
        start = 1 + next(i for i, item in enumerate(ordered) if item["id"] == after)
    end = start + int(query.get("limit", _PAGE_ITEMS))
    return _page(ordered[start:end], more=end < len(ordered))


def _missing(path: str) -> Json:
    message = f"loopback: {path} is not there."
    return {"error": {"message": message, "type": "invalid_request_error"}}


def compaction_of(body: Mapping[str, Any]) -> Json:
    """Write the compaction of a request's input: its users' words, and a seal."""
    given = body.get("input")
    items = given if isinstance(given, list) else []
    asked = [
        {"id": f"msg_u{number}", "status": "completed", **item, "type": "message"}
        for number, item in enumerate(items)
        if item.get("role") == "user"
    ]
    for item in asked:
        if isinstance(item["content"], str):
            item["content"] = [{"type": "input_text", "text": item["content"]}]
    seal = {"id": "cmp_1", "type": "compaction", "encrypted_content": "c2VhbGVk"}
    return {
        "id": "resp_compacted",
        "object": "response.compaction",
        "created_at": CREATED_AT,
        "output": [*asked, seal],
        "usage": {
            "input_tokens": 40,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 8,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 48,
        },
    }
