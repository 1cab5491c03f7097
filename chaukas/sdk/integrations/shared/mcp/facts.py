"""
Read requests and answers of MCP: what an MCP event needs, as plain data.

Pure. Objects of the `mcp` package (major versions 1 and 2 spell their fields
differently) are read by attribute; of all others only what they hold is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.record.errors import (
    class_name_of,
    error_code_of,
    error_text,
    fields_of,
)
from chaukas.sdk.system.introspect import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "OPERATIONS",
    "Operation",
    "ServerFacts",
    "answer_of",
    "contents_count",
    "error_facts",
    "failure_text_of",
    "first_of",
    "greeting_of",
    "is_error",
    "is_group",
    "listed",
    "reason_of",
    "request_of",
    "without_query",
    "without_userinfo",
]

_MCP_PACKAGES = frozenset({"mcp", "mcp_types"})
_LABELLED_URL = re.compile(
    r"(?P<label>[\w-]+: )?(?P<url>[a-z][a-z0-9+.-]*://\S*)", re.IGNORECASE
)
_INVALID_URL = "<invalid-url>"
_LISTED_ITEMS = 128
# By name: Python has them since 3.11, and a package before that.
_GROUPS = frozenset({"BaseExceptionGroup", "ExceptionGroup"})
_GROUP_DEPTH = 8
_GROUP_MEMBERS = 4


class Operation(NamedTuple):
    """A request of the protocol, and what of its answer is recorded."""

    name: str
    listing: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """Of a listing: where the items are, and which member names one."""
    answer: tuple[str, ...] = ()
    """Members of any other answer to record; all of it without them."""


OPERATIONS: Mapping[str, Operation] = {
    "list_tools": Operation("tools/list", listing=(("tools",), ("name",))),
    "call_tool": Operation(
        "tools/call", answer=("content", "structured_content", "structuredContent")
    ),
    "list_prompts": Operation("prompts/list", listing=(("prompts",), ("name",))),
    "get_prompt": Operation("prompts/get", answer=("description", "messages")),
    "list_resources": Operation("resources/list", listing=(("resources",), ("uri",))),
    "list_resource_templates": Operation(
        "resources/templates/list",
        listing=(
            ("resource_templates", "resourceTemplates"),
            ("uri_template", "uriTemplate"),
        ),
    ),
    "read_resource": Operation("resources/read", answer=("contents",)),
}
"""Requests by the name that their method has in Python, in all clients alike."""


class ServerFacts(NamedTuple):
    """Who a call goes to; uncaptured."""

    name: str = ""
    url: str = ""
    """Without credentials; empty for a server that has none."""
    protocol_version: str = ""
    """As negotiated; empty before that, and where the server does not tell it."""
    transport: str = ""
    command: str = ""
    """Name of the program that a stdio server runs, without its arguments."""


def _is_of_mcp(value: object) -> bool:
    return any(
        text_of(base.__module__).partition(".")[0] in _MCP_PACKAGES
        for base in type(value).__mro__
    )


def first_of(value: Any, names: tuple[str, ...]) -> Any:
    """
    Return the first of these members that is there and not None.

    Only objects of the `mcp` package are asked; of others, what they hold is read.
    """
    if not _is_of_mcp(value):
        held = attributes_of(value)
        return next((held[name] for name in names if held.get(name) is not None), None)
    for name in names:
        found = getattr(value, name, None)
        if found is not None:
            return found
    return None


def _split(text: str) -> tuple[str, Any]:
    """Return the label before a URL and its parts; no parts if *text* is no URL."""
    found = _LABELLED_URL.fullmatch(text)
    if found is None:
        return "", None
    label = found["label"] or ""
    try:
        return label, urlsplit(found["url"])
    except ValueError:
        return label, ()


def without_query(text: str) -> str:
    """
    Return a server's name or URL without credentials, query and fragment.

    A name that the SDK made of a URL (`sse: https://…`) keeps its label; what is no
    URL stays as it is.
    """
    label, parts = _split(text)
    if parts is None:
        return text
    if not parts:
        return label + _INVALID_URL
    host = parts.netloc.rpartition("@")[2]
    clean: str = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return label + clean


def without_userinfo(uri: str) -> str:
    """Return the address of a resource without credentials; its query names it."""
    _, parts = _split(uri)
    if not parts:
        return uri if parts is None else _INVALID_URL
    host = parts.netloc.rpartition("@")[2]
    clean: str = urlunsplit(parts._replace(netloc=host))
    return clean


def request_of(
    parameters: Mapping[str, str], args: Any, kwargs: dict[str, Any]
) -> dict[str, Any]:
    """
    Return what a call asks for, by the protocol's names; uncaptured.

    Args:
        parameters: Parameters of the method by their order in Python, each with the
            protocol's name; empty for what is not recorded.
        args: As the method is given them.
        kwargs: As the method is given them.
    """
    given = {**dict(zip(parameters, args, strict=False)), **kwargs}
    request = {
        name: given[parameter]
        for parameter, name in parameters.items()
        if name and given.get(parameter) is not None
    }
    if "uri" in request:
        uri = _address_of(request["uri"])
        request["uri"] = uri if uri is not None else request["uri"]
    return request


def _address_of(value: object) -> str | None:
    """Return an address without credentials; None for what is none."""
    # Version 1 has pydantic's own class for addresses.
    is_text = type(value) is str or text_of(type(value).__module__).startswith(
        "pydantic"
    )
    return without_userinfo(str(value)) if is_text else None


def listed(method: str, result: Any) -> dict[str, Any] | None:
    """
    Return what a listing answered: names or addresses, how many, and the cursor.

    None for what is no listing. Descriptions and schemas are left out, since the same
    ones come with every turn.
    """
    operation = OPERATIONS.get(method)
    if operation is None or operation.listing is None:
        return None
    where, naming = operation.listing
    items = result if type(result) is list else first_of(result, where)
    if type(items) is not list:
        return {}
    found = (first_of(item, naming) for item in items[:_LISTED_ITEMS])
    names = [_address_of(name) or "" for name in found]
    answer: dict[str, Any] = {where[0]: names, "count": len(items)}
    cursor = text_of(first_of(result, ("next_cursor", "nextCursor")))
    if cursor:
        answer["next_cursor"] = cursor
    return answer


def answer_of(method: str, result: Any) -> Any:
    """Return what an answer that is no listing says; uncaptured."""
    operation = OPERATIONS.get(method)
    members = {
        name: value
        for name in (operation.answer if operation else ())
        if (value := first_of(result, (name,))) is not None
    }
    return members or result


def greeting_of(sources: Iterable[Any]) -> dict[str, Any]:
    """Return what a server said of itself; the first of *sources* that knows counts."""
    told: dict[str, Any] = {}
    for name, spellings in (
        ("server_info", ("server_info", "serverInfo")),
        ("capabilities", ("capabilities", "server_capabilities")),
        ("instructions", ("instructions",)),
    ):
        for source in sources:
            found = first_of(source, spellings)
            if found is not None and name not in told:
                told[name] = found
    return told


def is_error(result: Any) -> bool:
    """Tell whether the answer of a tool says that it failed."""
    return first_of(result, ("is_error", "isError")) is True


def failure_text_of(result: Any) -> str:
    """Return the text of an answer, which says why it failed; uncaptured."""
    content = first_of(result, ("content",))
    if type(content) is not list:
        return ""
    return "\n".join(
        text for item in content if (text := text_of(first_of(item, ("text",))))
    )


def contents_count(result: Any) -> int:
    """Return how many parts an answer to `resources/read` has."""
    contents = first_of(result, ("contents",))
    return len(contents) if type(contents) is list else 0


def is_group(error: BaseException) -> bool:
    """Tell whether *error* is a group of others, as task groups raise."""
    return class_name_of(error) in _GROUPS


def reason_of(error: BaseException) -> str:
    """Return the message of an error; for a group, those of its members behind it."""
    text = error_text(error) or class_name_of(error)
    members = _members_of(error)
    if not members:
        return text
    told = "; ".join(f"{error_code_of(each)}: {error_text(each)}" for each in members)
    return f"{text} ({told})"


def _members_of(error: BaseException, depth: int = 0) -> list[BaseException]:
    """Return the first errors of a group that are no groups themselves."""
    if not is_group(error) or depth > _GROUP_DEPTH:
        return []
    members = getattr(error, "exceptions", None)
    found: list[BaseException] = []
    for member in members if type(members) is tuple else ():
        found += _members_of(member, depth + 1) or [member]
    return found[:_GROUP_MEMBERS]


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return class and JSON-RPC code of an error that a call raised."""
    facts: dict[str, Any] = {"error_code": error_code_of(error)}
    code = first_of(fields_of(error).get("error"), ("code",))
    if type(code) is int:
        facts["rpc_code"] = code
    return facts
