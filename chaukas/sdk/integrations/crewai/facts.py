"""
Read crews, agents, tasks, flows and models of CrewAI, as plain data.

Pure. What an object holds is read and none of its code runs, since nearly every class
of CrewAI is one that applications derive from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import ref

from chaukas.sdk.integrations.shared.model_facts import (
    Answer,
    Request,
    Schema,
    hash_of,
    json_hash_of,
)
from chaukas.sdk.integrations.shared.openai_api.providers import provider_at
from chaukas.sdk.integrations.shared.read import (
    is_blank,
    is_set,
    list_of,
    parsed,
    read,
    text_of,
)
from chaukas.sdk.integrations.shared.usage import Usage, read_usage
from chaukas.sdk.record.content import without_defaults
from chaukas.sdk.record.context import AgentRef
from chaukas.sdk.system.bounded import id_text
from chaukas.sdk.system.introspect import (
    attributes_of,
    bare_name_of,
    class_name_of,
    is_class,
    looked_up,
    name_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.capture.deferred import DeferredCapture

__all__ = [
    "agent_facts",
    "agent_ref",
    "argument",
    "call_of",
    "changed_in",
    "crew_facts",
    "crew_ref",
    "document_ids_of",
    "flow_facts",
    "flow_ref",
    "held",
    "input_of",
    "is_internal",
    "is_restored",
    "normal_role",
    "output_of",
    "private",
    "request_of",
    "response_of",
    "role_of",
    "schema_of",
    "scores_of",
    "task_facts",
    "usage_of",
    "user_texts",
]

_NAMES = 64
_SETTINGS = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "n",
    "reasoning_effort",
)
_INTERNAL: dict[int, ref[type]] = {}
"""Classes of CrewAI's own flows by their identity, which another may have later."""
_OPENAI = "openai"
_CUSTOM = "custom"


# -- any object -----------------------------------------------------------------------


def held(item: Any, name: str) -> Any:
    """Return the field *name* that an object holds; None if it has none."""
    return attributes_of(item).get(name)


def private(item: Any, name: str) -> Any:
    """Return a private attribute of a pydantic object; None if it has none."""
    fields = _slot(item, "__pydantic_private__")
    return held(item, name) if fields is None else fields.get(name)


def _slot(item: Any, name: str) -> dict[str, Any] | None:
    """Return one of the dicts that pydantic keeps beside an object's own."""
    try:
        fields = object.__getattribute__(item, name)
    except AttributeError:
        return None
    return fields if type(fields) is dict else None


def argument(args: Sequence[Any], kwargs: Mapping[str, Any], at: int, name: str) -> Any:
    """Return an argument by its place or its name; None if it was left out."""
    return args[at] if len(args) > at else kwargs.get(name)


def is_restored(args: Sequence[Any], kwargs: Mapping[str, Any], at: int) -> bool:
    """Tell whether a kickoff leads to that of another object, out of a checkpoint."""
    config = argument(args, kwargs, at, "from_checkpoint")
    return config is not None and held(config, "restore_from") is not None


def _is_of_crewai(item: Any) -> bool:
    return name_of(type(item)).startswith("crewai.")


def _names_of(items: Any, *fields: str) -> list[str]:
    """Return the first of these fields that each of *items* has."""
    found = []
    for item in list_of(items)[:_NAMES]:
        get, name = attributes_of(item).get, ""
        for field in fields:
            name = name or text_of(get(field))
        found.append(name or class_name_of(item))
    return found


def _is_on(value: Any) -> bool:
    """Tell whether something is set, without asking it."""
    return value is not None and value is not False


def _type_name(model: Any) -> str:
    return bare_name_of(model) if is_class(model) else ""


# -- agents ---------------------------------------------------------------------------


def role_of(agent: Any) -> str:
    """Return the role of an agent, with what the inputs of its crew filled in."""
    return text_of(held(agent, "role")).strip() or class_name_of(agent)


def normal_role(name: object) -> str:
    """Return a role as coworkers are looked up by it."""
    return " ".join(text_of(name).split()).replace('"', "").casefold()


def agent_ref(agent: Any) -> AgentRef:
    """Return how events name an agent: its id is the role that was written for it."""
    role = role_of(agent)
    return AgentRef(text_of(private(agent, "_original_role")).strip() or role, role)


def agent_facts(agent: Any) -> dict[str, Any]:
    """Return what is known of an agent; the instructions uncaptured."""
    get = attributes_of(agent).get
    parts = [text_of(get(name)) for name in ("role", "goal", "backstory")]
    instructions = "\n".join(filter(None, parts))
    facts = {
        "model": text_of(held(get("llm"), "model")),
        "instructions": instructions,
        "instructions_hash": hash_of(instructions),
        "tools": _names_of(get("tools"), "name"),
        "agent_uuid": id_text(get("id")),
        "allow_delegation": get("allow_delegation") is True,
        "max_iter": get("max_iter"),
        "max_rpm": get("max_rpm"),
        "max_retry_limit": get("max_retry_limit"),
        "has_memory": _is_on(get("memory")),
        "has_knowledge": get("knowledge") is not None,
    }
    return {name: value for name, value in facts.items() if not is_blank(value)}


def task_facts(task: Any, capture: DeferredCapture) -> dict[str, Any]:
    """Return what is known of a task; its texts captured."""
    get = attributes_of(task).get
    guardrails = list_of(get("guardrails"))
    output = get("output_pydantic")
    output = get("output_json") if output is None else output
    path = "metadata.task"
    facts: dict[str, Any] = {
        "id": id_text(get("id")),
        "name": text_of(get("name")),
        "async": get("async_execution") is True,
        "human_input": get("human_input") is True,
        "guardrails": len(guardrails) or int(get("guardrail") is not None),
        "output_type": _type_name(output),
        "tools": _names_of(get("tools"), "name"),
    }
    for name in ("description", "expected_output"):
        facts[name] = capture.text(text_of(get(name)), f"{path}.{name}")
    return facts


# -- crews and flows ------------------------------------------------------------------


def crew_ref(crew: Any) -> AgentRef:
    """Return how events name a crew."""
    name = text_of(held(crew, "name")) or class_name_of(crew)
    return AgentRef(name, name)


def crew_facts(crew: Any, kind: str) -> dict[str, Any]:
    """Return what is known of a crew."""
    get = attributes_of(crew).get
    process = read(get("process"), "value")
    facts = {
        "agent_type": kind,
        "crew_id": id_text(get("id")),
        "crew_key": text_of(crew.key) if _is_of_crewai(crew) else "",
        "process": text_of(process),
        "agents": _names_of(get("agents"), "role"),
        # By their names alone: what they are to do is content.
        "tasks": _names_of(get("tasks"), "name"),
        "planning": get("planning") is True,
        "memory": _is_on(get("memory")),
        "cache": get("cache") is True,
        "max_rpm": get("max_rpm"),
    }
    return {name: value for name, value in facts.items() if not is_blank(value)}


def is_internal(flow: Any) -> bool:
    """Tell whether CrewAI itself is what runs as a flow: an agent, or a memory."""
    cls = type(flow)
    # Asked at each step of each agent: without a call of ours but for the first.
    known = _INTERNAL.get(id(cls))
    if known is not None and known() is cls:
        return True
    marked = looked_up(cls, "is_crewai_internal") is True or _is_of_crewai(flow)
    if marked and len(_INTERNAL) < _NAMES:
        _INTERNAL[id(cls)] = ref(cls)
    return marked


def flow_ref(flow: Any) -> AgentRef:
    """Return how events name a flow."""
    name = text_of(held(flow, "name")) or class_name_of(flow)
    return AgentRef(name, name)


def flow_facts(flow: Any) -> dict[str, Any]:
    """Return what is known of a flow."""
    state = private(flow, "_state")
    flow_id = state.get("id") if type(state) is dict else held(state, "id")
    methods = private(flow, "_methods")
    return without_defaults(
        {
            "agent_type": "flow",
            "flow_id": id_text(flow_id),
            "methods": [str(name) for name in methods][:_NAMES]
            if type(methods) is dict
            else [],
        }
    )


def changed_in(state: Any, known: dict[str, str]) -> dict[str, Any]:
    """
    Return the members of a flow's *state* that are others than those that are known.

    Args:
        state: A dict or a pydantic object.
        known: Hashes of the members by their names; brought up to date.
    """
    fields = state if type(state) is dict else attributes_of(state)
    changed = {}
    for name, value in list(fields.items()):
        if type(name) is not str:
            continue
        # Empty for what is no JSON: it may have changed in itself.
        digest = json_hash_of(value)
        if not digest or known.get(name) != digest:
            known[name] = digest
            changed[name] = value
    return changed


# -- what comes in and goes out -------------------------------------------------------


def input_of(crew: Any, inputs: Any) -> tuple[Any, str]:
    """Return what a crew is given, and what that is: its inputs, or its first task."""
    if inputs is not None and not (type(inputs) is dict and not inputs):
        return inputs, "inputs"
    first = next(iter(list_of(held(crew, "tasks"))), None)
    return text_of(held(first, "description")), "task"


def user_texts(messages: Any) -> list[Any]:
    """Return what the user says in the messages that an agent is given."""
    if type(messages) is str:
        return [messages]
    return [
        each.get("content")
        for each in list_of(messages)
        if type(each) is dict and text_of(each.get("role")) == "user"
    ]


def output_of(result: Any) -> Any:
    """Return the answer in an output of a crew, a task or an agent."""
    fields = attributes_of(result)
    if not _is_of_crewai(result) or "raw" not in fields:
        return result
    structured = fields.get("pydantic")
    structured = fields.get("json_dict") if structured is None else structured
    return fields["raw"] if structured is None else structured


# -- models ---------------------------------------------------------------------------


def request_of(llm: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Request:
    """Return what a model is asked by the arguments of its `call`."""
    messages = argument(args, kwargs, 0, "messages")
    system = None
    if type(messages) is list and messages:
        first = messages[0]
        if type(first) is dict and text_of(first.get("role")) == "system":
            system, messages = first.get("content"), messages[1:]
    get = attributes_of(llm).get
    settings = {name: get(name) for name in _SETTINGS}
    settings["stop"] = get("stop") if is_set(get("stop")) else None
    model = text_of(get("model"))
    return Request(
        provider=_provider_of(llm, model),
        model=model.rpartition("/")[2] if _is_of_crewai(llm) else model,
        messages=messages,
        system=system,
        settings={name: value for name, value in settings.items() if value is not None},
        tools=_tools_in(argument(args, kwargs, 1, "tools")),
        output_schema=schema_of(argument(args, kwargs, 6, "response_model")),
        stream=get("stream") is True,
        is_turn=argument(args, kwargs, 5, "from_agent") is not None,
    )


def schema_of(model: Any) -> Schema | None:
    """Return the form that an answer must have: a class."""
    return Schema(_type_name(model)) if is_class(model) else None


def _provider_of(llm: Any, model: str) -> str:
    """Return who serves a model; a class of the application's own says nothing."""
    if not _is_of_crewai(llm):
        prefix, slash, _ = model.partition("/")
        return prefix if slash else _CUSTOM
    prefix, slash, _ = model.partition("/")
    provider = text_of(held(llm, "provider")) or _provider_in(name_of(type(llm)))
    provider = provider or (prefix if slash else _OPENAI)
    address = text_of(held(llm, "base_url")) or text_of(held(llm, "api_base"))
    if provider != _OPENAI or not address:
        return provider
    return provider_at(urlsplit(address).hostname or "")


def _provider_in(class_name: str) -> str:
    """Return who is served by a class of CrewAI's, of a release that says it there."""
    _, found, rest = class_name.partition(".llms.providers.")
    return rest.partition(".")[0] if found else ""


def _tools_in(tools: Any) -> list[str]:
    names = []
    for each in list_of(tools)[:_NAMES]:
        if type(each) is dict:
            function = each.get("function")
            fields = _fields_of(function if is_set(function) else each)
            names.append(text_of(fields.get("name")))
    return [name for name in names if name]


def response_of(result: Any, usage: Usage, **facts: Any) -> Answer:
    """Return what a model answered: a text, calls of tools, or an object."""
    calls = [call_of(each) for each in list_of(result)]
    if calls and all(name for _, name, _ in calls):
        asked = [
            {"id": call_id, "name": name, "arguments": arguments}
            for call_id, name, arguments in calls
        ]
        return Answer(tool_calls=asked, usage=usage, **facts)
    return Answer(text=result, usage=usage, **facts)


def call_of(call: Any) -> tuple[str, str, Any]:
    """Return id, name and arguments of a tool that a model asks for."""
    outer = _fields_of(call)
    inner = _first_in(outer, "function", "function_call")
    fields = outer if inner is None else _fields_of(inner)
    given = _first_in(fields, "arguments", "input", "args")
    call_id = text_of(outer.get("id")) or text_of(outer.get("toolUseId"))
    return call_id, text_of(fields.get("name")), parsed(given)


def _first_in(fields: dict[str, Any], *names: str) -> Any:
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value
    return None


def usage_of(data: Any) -> Usage:
    """Return the tokens in what CrewAI counts, which has own names for some."""
    if data is None:
        return Usage()
    data = _fields_of(data)
    usage = read_usage(data)

    def count(name: str, found: int) -> int:
        value = data.get(name)
        return found or (value if type(value) is int else 0)

    return usage._replace(
        cached_tokens=count("cached_prompt_tokens", usage.cached_tokens),
        reasoning_tokens=count("reasoning_tokens", usage.reasoning_tokens),
        cache_write_tokens=count("cache_creation_tokens", usage.cache_write_tokens),
    )


# -- memory and knowledge -------------------------------------------------------------


def document_ids_of(results: Any) -> list[str]:
    """Return the ids of what a search found."""
    found = [_fields_of(each) for each in list_of(results)[:_NAMES]]
    # A memory's match has the record that it found inside.
    ids = (id_text(_fields_of(each.get("record", each)).get("id")) for each in found)
    return [each for each in ids if each]


def scores_of(results: Any) -> list[float]:
    """Return how well what a search found fits."""
    found = (_fields_of(each).get("score") for each in list_of(results)[:_NAMES])
    return [score for score in found if type(score) is float or type(score) is int]


def _fields_of(item: Any) -> dict[str, Any]:
    if type(item) is dict:
        return item
    # Classes of litellm declare few of the fields that they have.
    own, more = attributes_of(item), _slot(item, "__pydantic_extra__")
    return {**own, **more} if more else own
