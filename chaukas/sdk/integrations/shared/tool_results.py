"""
Read what a tool returned or raised: an HTTP answer, the documents that it retrieved.

Of the application's own exceptions and responses only what they hold is read, and none
of their code runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from chaukas.sdk.record.recorder import error_chain
from chaukas.sdk.record.retries import class_name_of, fields_of, status_of
from chaukas.sdk.system.introspect import attributes_of

from .mcp.facts import without_query

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HttpAnswer", "Retrieved", "http_answer_of", "retrieved_in"]

_HTTP_PACKAGES = frozenset({"httpx", "httpx2", "yarl"})
"""Packages whose URL classes are trusted to write themselves as text."""
_STATUS_LIMIT = 600
_ID_CHARS = 256
_RESULT_LIMIT = 128
_RESULT_KEYS = (
    "results",
    "documents",
    "docs",
    "chunks",
    "matches",
    "hits",
    "items",
    "data",
)
_DOCUMENT_KEYS = ("document_id", "doc_id", "file_id", "id")
_CHUNK_KEYS = ("chunk_id",)
_SCORE_KEYS = ("score", "relevance_score", "similarity", "distance", "_score")
_INNER_KEYS = ("document", "doc", "metadata")
_PAIR_ITEMS = 2


class HttpAnswer(NamedTuple):
    """What a server answered to a tool that failed of it."""

    status: int = 0
    url: str = ""
    """Without credentials and query."""


def http_answer_of(error: BaseException) -> HttpAnswer:
    """Return the HTTP status behind *error*, and where it came from; zeros if none."""
    for link in error_chain(error):
        fields = fields_of(link)
        response = attributes_of(fields.get("response"))
        status = _status(status_of(link)) or _status(response.get("status_code"))
        if not status and class_name_of(link) == "HTTPError":
            # As urllib names it; elsewhere a code may be anything.
            status = _status(fields.get("code"))
        if status:
            return HttpAnswer(status, _url_in(fields, response))
    return HttpAnswer()


def _status(value: object) -> int:
    return value if type(value) is int and 100 <= value < _STATUS_LIMIT else 0


def _url_in(fields: dict[str, Any], response: dict[str, Any]) -> str:
    asked = (
        fields.get("request"),
        fields.get("_request"),
        response.get("_request"),
        fields.get("request_info"),
    )
    candidates = [response.get("url"), fields.get("url"), fields.get("filename")]
    candidates += [_member(each, "url") for each in asked]
    for found in candidates:
        text = _url_text(found)
        if text:
            return without_query(text)
    return ""


def _member(value: object, name: str) -> object:
    if issubclass(type(value), tuple):
        # A named tuple of aiohttp: its first member is the URL.
        members = cast("tuple[object, ...]", value)
        return tuple.__getitem__(members, 0) if tuple.__len__(members) else None
    return attributes_of(value).get(name)


def _url_text(value: object) -> str:
    if type(value) is str:
        return value if "://" in value else ""
    module = type(value).__module__
    is_known = type(module) is str and module.partition(".")[0] in _HTTP_PACKAGES
    return str(value) if is_known else ""


class Retrieved(NamedTuple):
    """Which documents the result of a retrieval names, best first as it came."""

    document_ids: list[str]
    chunk_ids: list[str]
    scores: list[float]
    result_count: int
    """Results in all; 0 if the result is no list of them."""


def retrieved_in(tree: Any) -> Retrieved:
    """
    Return what a result names of documents.

    Args:
        tree: The result as plain JSON: a list of results, an object that holds one
            under a usual name, or such a pair as (document, score).
    """
    items = _results_in(tree)
    documents: list[str] = []
    chunks: list[str] = []
    scores: list[float] = []
    for item in items[:_RESULT_LIMIT]:
        parts = list(_parts_of(item))
        documents += _first_id(parts, _DOCUMENT_KEYS)
        chunks += _first_id(parts, _CHUNK_KEYS)
        scores += _first_score(item, parts)
    return Retrieved(documents, chunks, scores, len(items))


def _results_in(tree: Any) -> list[Any]:
    if type(tree) is dict:
        tree = next(
            (tree[key] for key in _RESULT_KEYS if type(tree.get(key)) is list), None
        )
    if type(tree) is not list:
        return []
    return [item for item in tree if type(item) in (dict, list)]


def _parts_of(item: Any) -> Iterator[dict[str, Any]]:
    """Yield the result itself, then what it wraps."""
    if type(item) is list:
        item = next((part for part in item if type(part) is dict), None)
    if type(item) is not dict:
        return
    yield item
    for key in _INNER_KEYS:
        if type(item.get(key)) is dict:
            yield item[key]


def _first_id(parts: list[dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    for part in parts:
        for key in keys:
            value = part.get(key)
            if type(value) is int:
                return [str(value)]
            if type(value) is str and value:
                return [value[:_ID_CHARS]]
    return []


def _first_score(item: Any, parts: list[dict[str, Any]]) -> list[float]:
    if type(item) is list:
        numbers = [part for part in item if type(part) in (int, float)]
        return numbers[:1] if len(item) == _PAIR_ITEMS else []
    for part in parts:
        for key in _SCORE_KEYS:
            value = part.get(key)
            if type(value) is int or type(value) is float:
                return [value]
    return []
