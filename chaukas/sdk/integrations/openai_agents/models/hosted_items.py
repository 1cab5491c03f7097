"""
Read what a response says of tools that the provider ran itself.

Pure: no I/O, nothing kept. A call and its answer may be two items of the output; here
they become one fact, so that recording them is a matter of form.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chaukas.sdk.integrations.openai_agents.facts import arguments_of
from chaukas.sdk.integrations.shared.read import read, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "HOSTED_KINDS",
    "Access",
    "Findings",
    "HostedCall",
    "caller_facts",
    "findings_of",
    "read",
]

_TEXT_KINDS = frozenset({"output_text", "text"})
_CITATION = {
    "file_citation": ("type", "file_id", "filename", "index"),
    "url_citation": ("type", "url", "title", "start_index", "end_index"),
    "container_file_citation": ("type", "container_id", "file_id", "filename"),
    "file_path": ("type", "file_id", "index"),
}
_CITED_TOOL = {
    "file_citation": "file_search",
    "url_citation": "web_search",
    "container_file_citation": "code_interpreter",
    "file_path": "code_interpreter",
}
_LISTED = 256


class Access(NamedTuple):
    """What was looked up; texts uncaptured."""

    datasource: str
    document_ids: list[str]
    facts: dict[str, Any]
    """`queries`, `citations` and the like."""


class HostedCall(NamedTuple):
    """One call of a hosted tool, its values uncaptured."""

    family: Literal["tool", "mcp"]
    name: str
    """The tool; for MCP the operation."""
    call_id: str
    item_ids: tuple[str, ...]
    """The item of the call, and that of its answer where it is another."""
    request: dict[str, Any]
    answer: dict[str, Any]
    outcome: Literal["COMPLETED", "FAILED", "CANCELLED"] = "COMPLETED"
    error: Any = None
    """What went wrong, a text or an object of the API."""
    error_code: str = ""
    server: str = ""
    access: Access | None = None
    facts: Mapping[str, Any] = MappingProxyType({})
    """Names and ids for `metadata`."""


class Findings(NamedTuple):
    """Everything that one response says of hosted tools."""

    calls: list[HostedCall]
    loose: list[Access]
    """Citations without a call that they could belong to."""
    requests: list[Any]
    """`mcp_approval_request` items."""


def _listed(item: Any, name: str) -> list[Any]:
    value = read(item, name)
    return value[:_LISTED] if type(value) is list else []


def _members(item: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the named members that are there."""
    found = {name: read(item, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _outcome(item: Any) -> Literal["COMPLETED", "FAILED", "CANCELLED"]:
    status = read_text(item, "status")
    if status == "failed":
        return "FAILED"
    return "CANCELLED" if status == "incomplete" else "COMPLETED"


_Answers = dict[tuple[str, str], Any]


def _web_search(item: Any, _answers: _Answers) -> HostedCall:
    action = read(item, "action")
    queries = [text for text in _listed(action, "queries") if type(text) is str]
    query = read_text(action, "query")
    if query and query not in queries:
        queries.insert(0, query)
    urls = [read_text(source, "url") for source in _listed(action, "sources")]
    opened = read_text(action, "url")
    facts: dict[str, Any] = {"queries": queries} if queries else {}
    if pattern := read_text(action, "pattern"):
        facts["pattern"] = pattern
    return HostedCall(
        "tool",
        "web_search",
        read_text(item, "id"),
        (read_text(item, "id"),),
        _members(action, ("type", "query", "queries", "url", "pattern")),
        {"sources": [url for url in urls if url]} if urls else {},
        _outcome(item),
        access=Access("web_search", _unique([opened, *urls]), facts),
    )


def _file_search(item: Any, _answers: _Answers) -> HostedCall:
    queries = [text for text in _listed(item, "queries") if type(text) is str]
    results = _listed(item, "results")
    facts: dict[str, Any] = {"queries": queries}
    names = _unique([read_text(result, "filename") for result in results])
    if names:
        facts["filenames"] = names
    told = [
        _members(result, ("file_id", "filename", "score", "text", "attributes"))
        for result in results
    ]
    return HostedCall(
        "tool",
        "file_search",
        read_text(item, "id"),
        (read_text(item, "id"),),
        {"queries": queries},
        {"results": told} if told else {},
        _outcome(item),
        access=Access(
            "file_search",
            _unique([read_text(result, "file_id") for result in results]),
            facts,
        ),
    )


def _code_interpreter(item: Any, _answers: _Answers) -> HostedCall:
    outputs = [_code_output(output) for output in _listed(item, "outputs")]
    return HostedCall(
        "tool",
        "code_interpreter",
        read_text(item, "id"),
        (read_text(item, "id"),),
        _members(item, ("code", "container_id")),
        {"outputs": outputs} if outputs else {},
        _outcome(item),
    )


def _code_output(output: Any) -> dict[str, Any]:
    if read_text(output, "type") != "image":
        return _members(output, ("type", "logs"))
    url = read_text(output, "url")
    # A picture is no fact about what was done; where it can be had is one.
    return (
        {"type": "image"}
        if url.startswith("data:")
        else _members(output, ("type", "url"))
    )


def _image_generation(item: Any, _answers: _Answers) -> HostedCall:
    error = read(item, "error")
    picture = read_text(item, "result")
    answer: dict[str, Any] = {}
    if picture:
        answer["size_bytes"] = len(picture) * 3 // 4 - picture[-2:].count("=")
    request = _members(
        item, ("action", "background", "output_format", "quality", "size")
    )
    if prompt := read_text(item, "revised_prompt"):
        request["prompt"] = prompt
    return HostedCall(
        "tool",
        "image_generation",
        read_text(item, "id"),
        (read_text(item, "id"),),
        request,
        answer,
        "FAILED" if error is not None else _outcome(item),
        error=error,
        error_code=read_text(error, "code"),
    )


def _tool_search(item: Any, answers: _Answers) -> HostedCall:
    call_id = read_text(item, "call_id")
    found = answers.get(("tool_search_output", call_id))
    arguments = read(item, "arguments")
    return HostedCall(
        "tool",
        "tool_search",
        call_id or read_text(item, "id"),
        _ids(item, found),
        arguments if type(arguments) is dict else {"input": arguments},
        {"tools": _tool_names(found)} if found is not None else {},
        _outcome(item),
        facts=_members(item, ("execution",)),
    )


def _tool_names(item: Any) -> list[str]:
    return [
        read_text(tool, "name")
        or read_text(tool, "server_label")
        or read_text(tool, "type")
        for tool in _listed(item, "tools")
    ]


def _shell(item: Any, answers: _Answers) -> HostedCall | None:
    call_id = read_text(item, "call_id")
    found = answers.get(("shell_call_output", call_id))
    environment = read(item, "environment")
    if found is None and read_text(environment, "type") != "container_reference":
        # The application runs it, and its executor tells.
        return None
    outputs = [
        {
            **_members(output, ("stdout", "stderr")),
            **_members(read(output, "outcome"), ("exit_code",)),
            "outcome": read_text(read(output, "outcome"), "type"),
        }
        for output in _listed(found, "output")
    ]
    return HostedCall(
        "tool",
        "shell",
        call_id,
        _ids(item, found),
        _members(read(item, "action"), ("commands", "timeout_ms")),
        {"output": outputs} if outputs else {},
        _outcome(item if found is None else found),
        facts={
            **_members(environment, ("container_id",)),
            **caller_facts(item),
        },
    )


def _program(item: Any, answers: _Answers) -> HostedCall:
    call_id = read_text(item, "call_id")
    found = answers.get(("program_output", call_id))
    # Tools of the application are called in between: the answer comes in the output
    # of a later model call, and makes a pair of its own there.
    return HostedCall(
        "tool",
        "programmatic_tool_calling",
        call_id,
        _ids(item, found),
        _members(item, ("code",)),
        _members(found, ("result",)),
        _outcome(found),
        facts={} if found is not None else {"continued": True},
    )


def _program_output(item: Any, answers: _Answers) -> HostedCall | None:
    call_id = read_text(item, "call_id")
    if ("program", call_id) in answers:
        return None
    return HostedCall(
        "tool",
        "programmatic_tool_calling",
        call_id,
        (read_text(item, "id"),),
        {},
        _members(item, ("result",)),
        _outcome(item),
        facts={"continues": True},
    )


def _mcp_list_tools(item: Any, _answers: _Answers) -> HostedCall:
    error = read(item, "error")
    return HostedCall(
        "mcp",
        "tools/list",
        "",
        (read_text(item, "id"),),
        {},
        {"tools": _tool_names(item)},
        "FAILED" if error is not None else "COMPLETED",
        error=error,
        server=read_text(item, "server_label"),
    )


def _mcp_call(item: Any, _answers: _Answers) -> HostedCall:
    error = read(item, "error")
    output = read_text(item, "output")
    failure, code = _mcp_failure(error)
    return HostedCall(
        "mcp",
        "tools/call",
        read_text(item, "id"),
        (read_text(item, "id"),),
        {
            "name": read_text(item, "name"),
            "arguments": arguments_of(read_text(item, "arguments")),
        },
        {"output": output} if output else {},
        "FAILED" if error is not None else _outcome(item),
        error=failure,
        error_code=code,
        server=read_text(item, "server_label"),
        facts={**_members(item, ("approval_request_id",)), **caller_facts(item)},
    )


def _mcp_failure(error: Any) -> tuple[Any, str]:
    kind, code = read_text(error, "type"), read(error, "code")
    if type(code) is int:
        kind = f"{kind}:{code}"
    content = read(error, "content")
    return (error if content is None else content), kind


def caller_facts(item: Any) -> dict[str, Any]:
    """Return who made a tool call, if it was a program and not the model itself."""
    caller = read(item, "caller")
    if read_text(caller, "type") != "program":
        return {}
    return {"caller": "program", "caller_id": read_text(caller, "caller_id")}


def _ids(item: Any, answer: Any) -> tuple[str, ...]:
    own = read_text(item, "id")
    return (own,) if answer is None else (own, read_text(answer, "id"))


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


_READERS: dict[str, Callable[[Any, _Answers], HostedCall | None]] = {
    "web_search_call": _web_search,
    "file_search_call": _file_search,
    "code_interpreter_call": _code_interpreter,
    "image_generation_call": _image_generation,
    "tool_search_call": _tool_search,
    "shell_call": _shell,
    "program": _program,
    "program_output": _program_output,
    "mcp_list_tools": _mcp_list_tools,
    "mcp_call": _mcp_call,
}
_ANSWERS = frozenset(
    {"tool_search_output", "shell_call_output", "program", "program_output"}
)
HOSTED_KINDS = frozenset(_READERS) | _ANSWERS
"""Types of items that may belong to a hosted tool."""


def findings_of(output: Sequence[Any]) -> Findings:
    """
    Return what *output* says of hosted tools, in the order of its items.

    Args:
        output: Items of a response: openai's objects, or dicts of the same shape.
    """
    answers: _Answers = {}
    for item in output:
        kind = read_text(item, "type")
        if kind in _ANSWERS:
            answers[kind, read_text(item, "call_id")] = item
    calls: list[HostedCall] = []
    requests: list[Any] = []
    cited: dict[str, list[dict[str, Any]]] = {}
    for item in output:
        kind = read_text(item, "type")
        reader = _READERS.get(kind)
        if reader is not None:
            call = reader(item, answers)
            if call is not None:
                calls.append(call)
        elif kind == "message":
            _read_citations(item, cited)
        elif kind == "mcp_approval_request":
            requests.append(item)
    loose = _assign(cited, calls)
    return Findings(calls, loose, requests)


def _read_citations(message: Any, cited: dict[str, list[dict[str, Any]]]) -> None:
    for part in _listed(message, "content"):
        if read_text(part, "type") not in _TEXT_KINDS:
            continue
        for annotation in _listed(part, "annotations"):
            kind = read_text(annotation, "type")
            if kind in _CITATION:
                told = _members(annotation, _CITATION[kind])
                cited.setdefault(_CITED_TOOL[kind], []).append(told)


def _assign(
    cited: dict[str, list[dict[str, Any]]], calls: list[HostedCall]
) -> list[Access]:
    """Give citations to the last call that they can come from; return the rest."""
    loose: list[Access] = []
    for tool, citations in cited.items():
        place = _last(calls, tool)
        if place is None:
            if tool != "code_interpreter":
                loose.append(_with_citations(Access(tool, [], {}), citations))
            continue
        call = calls[place]
        if call.access is None:
            # A file that the code made: nothing was looked up.
            calls[place] = call._replace(answer={**call.answer, "files": citations})
        else:
            access = _with_citations(call.access, citations)
            calls[place] = call._replace(access=access)
    return loose


def _last(calls: list[HostedCall], tool: str) -> int | None:
    places = [n for n, call in enumerate(calls) if call.name == tool]
    return places[-1] if places else None


def _with_citations(access: Access, citations: list[dict[str, Any]]) -> Access:
    found = [read_text(one, "file_id") or read_text(one, "url") for one in citations]
    return Access(
        access.datasource,
        _unique([*access.document_ids, *found]),
        {**access.facts, "citations": citations},
    )
