"""
Write the generated blocks of the documents: examples, and tables that code knows.

What a document says of the code cannot be trusted unless the code says it. A block
is between `<!-- generated: NAME -->` and `<!-- end -->`; all else is prose.

    python docs/generate.py            rewrite the blocks
    python docs/generate.py --check    name the blocks that differ, exit code 1
"""

# The folder holds documents and this script; it is no package to import from.

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

HERE = Path(__file__).resolve().parent
# As pytest's `pythonpath`: the runs live among the tests, their server in examples.
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "examples")]

# Late, because they are found only now.
import coverage_rows  # noqa: E402

from chaukas.cli.tree import render  # noqa: E402
from chaukas.sdk.config import RETRY_SETTINGS, RetryConfig, settings_table  # noqa: E402
from chaukas.sdk.events import TRAITS, EventType  # noqa: E402
from chaukas.sdk.integrations import INTEGRATIONS  # noqa: E402
from chaukas.sdk.sinks.otlp.mapping.join import Joiner  # noqa: E402
from chaukas.sdk.sinks.otlp.mapping.names import NAMES as OTLP_NAMES  # noqa: E402
from chaukas.sdk.sinks.otlp.mapping.spans import Mapping as OtlpMapping  # noqa: E402
from chaukas.sdk.sinks.otlp.mapping.spans import span_of  # noqa: E402
from chaukas.sdk.wire.proto import events_pb2  # noqa: E402
from tests.support.recordings import story  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.patching import Patch
    from chaukas.sdk.sinks.otlp.mapping.span import Span
    from chaukas.sdk.typing import Event

__all__ = ("CONTENTS", "DOCUMENTS", "blocks", "patches", "rewritten")

DOCUMENTS = ("EVENTS.md", "CONFIGURATION.md", "COVERAGE.md", "OPENTELEMETRY.md")
"""The documents with generated blocks."""

CONTENTS = {
    EventType.SESSION_START: "session_start",
    EventType.SESSION_END: "session_end",
    EventType.AGENT_START: "metadata",
    EventType.AGENT_END: "metadata",
    EventType.AGENT_HANDOFF: "agent_handoff",
    EventType.MODEL_INVOCATION_START: "llm_invocation",
    EventType.MODEL_INVOCATION_END: "llm_invocation",
    EventType.TOOL_CALL_START: "tool_call",
    EventType.TOOL_CALL_END: "tool_response",
    EventType.MCP_CALL_START: "mcp_call",
    EventType.MCP_CALL_END: "mcp_call",
    EventType.INPUT_RECEIVED: "message",
    EventType.OUTPUT_EMITTED: "message",
    EventType.ERROR: "error",
    EventType.RETRY: "retry",
    EventType.POLICY_DECISION: "policy",
    EventType.DATA_ACCESS: "data_access",
    EventType.STATE_UPDATE: "state_update",
    EventType.SYSTEM: "metadata",
}
"""The member in which an event of each type holds its content."""

_CALL = "tools/call"
_PAIR_ITEMS = 2
"""A tool's call and its output."""
_CHOSEN: dict[EventType, Callable[[Event], bool]] = {
    EventType.AGENT_START: lambda event: event["agent_id"] == "forecaster",
    EventType.AGENT_END: lambda event: event["agent_id"] == "forecaster",
    EventType.MODEL_INVOCATION_START: lambda event: event["agent_id"] == "forecaster",
    EventType.MODEL_INVOCATION_END: lambda event: event["agent_id"] == "forecaster",
    EventType.MCP_CALL_START: lambda event: event["mcp_call"]["operation"] == _CALL,
    EventType.MCP_CALL_END: lambda event: event["mcp_call"]["operation"] == _CALL,
    EventType.POLICY_DECISION: lambda event: event["policy"]["outcome"] == "deny",
    EventType.DATA_ACCESS: lambda event: bool(
        event["data_access"].get("metadata", {}).get("count")
    ),
    EventType.STATE_UPDATE: lambda event: (
        event["state_update"].get("session", {}).get("count") == _PAIR_ITEMS
    ),
    EventType.SYSTEM: lambda event: event["metadata"]["name"] == "chat.opened",
}
"""Which recorded event shows its type best; of the others the first."""

_ORDER = (
    "type", "status", "severity", "author", "event_id", "timestamp", "tenant_id",
    "project_id", "session_id", "trace_id", "span_id", "parent_span_id", "agent_id",
    "agent_name",
)  # fmt: skip
_LAST = ("performance", "cost", "redaction", "metadata", "content_hash", "hash_prev")
_WIDTH = 96
_BLOCK = re.compile(
    r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL
)


def blocks() -> dict[str, str]:
    """Record the conversation, and return the text of every block by its name."""
    events = story()
    chat = [event for event in events if event.get("session_id") == "chat-42"]
    made = {
        "types": _types(),
        "tree": _fenced("text", "\n".join(render(chat))),
        "moments": _moments(),
        "settings": settings_table(),
        "retry_config": _retry_config(),
        "otlp names": _otlp_names(),
        "otlp spans": _fenced("text", "\n".join(_otlp_spans(chat))),
        **coverage_rows.blocks(coverage_rows.stops_of(coverage_rows.play())),
    }
    for kind in EventType:
        example = next(
            event
            for event in chat
            if event["type"] == kind.value and _CHOSEN.get(kind, bool)(event)
        )
        made[f"example {kind.name}"] = _fenced("json", _pretty(_ordered(example)))
    return made


def _otlp_names() -> str:
    """Return the table of attributes: each fact, and its name in each version."""
    lines = ["| fact | 1.36 | 1.41 | head | OpenInference |", "|---|---|---|---|---|"]
    for row in OTLP_NAMES:
        if row.v1_41.startswith("chaukas."):
            continue
        cells = (row.v1_36, row.v1_41, row.head, row.openinference)
        shown = " | ".join(f"`{cell}`" if cell else "-" for cell in cells)
        lines.append(f"| {row.fact} | {shown} |")
    ours = [f"`{row.v1_41}`" for row in OTLP_NAMES if row.v1_41.startswith("chaukas.")]
    lines += ["", f"Without a convention, in every version: {', '.join(ours)}."]
    return "\n".join(lines) + "\n"


def _otlp_spans(events: list[Event]) -> Iterator[str]:
    """Yield the spans of the conversation, as a backend shows them."""
    joined = [each for each in Joiner().join(events) if each.kind != "LOG"]
    mapping = OtlpMapping.of("1.41", "both")
    spans = sorted((span_of(each, mapping) for each in joined), key=_start_of)
    yield from _otlp_lines(spans, "", 0)


def _start_of(span: Span) -> tuple[int, str]:
    return span.start_ns, span.span_id


def _otlp_lines(spans: list[Span], parent: str, depth: int) -> Iterator[str]:
    for span in spans:
        if span.parent_span_id != parent:
            continue
        kind = span.attributes["openinference.span.kind"]
        tokens = span.attributes.get("gen_ai.usage.input_tokens")
        facts = {f"{tokens} tokens in" if tokens else ""}
        facts |= {event.name for event in span.events}
        facts |= {"ERROR"} if span.status else set()
        told = ", ".join(sorted(fact for fact in facts if fact))
        yield f"{'  ' * depth}{span.name}  [{kind}]{f'  {told}' if told else ''}"
        yield from _otlp_lines(spans, span.span_id, depth + 1)


def rewritten(text: str, made: dict[str, str]) -> str:
    """
    Return a document with its blocks as they should be.

    Raises:
        KeyError: A block that nothing generates.
    """
    return _BLOCK.sub(
        lambda found: f"{found[1]}{made[found['name']]}{found[3]}",
        text,
    )


def patches() -> Sequence[Patch]:
    """Return the patches of all integrations that chaukas knows, installing none."""
    # Nothing is recorded, so the host is not used.
    host = cast("Host", None)
    found: list[Patch] = []
    for known in INTEGRATIONS:
        module, _, name = known.path.partition(":")
        found += getattr(import_module(module), name)(host).patches()
    return found


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def _types() -> str:
    lines = [
        "| type | no. | usual status | severity | author | holds |",
        "|---|---|---|---|---|---|",
    ]
    for kind in EventType:
        traits = TRAITS[kind]
        number = events_pb2.EventType.Value(kind.value)
        status, severity, author = (
            text.split("_", 2 if text.startswith("EVENT_") else 1)[-1]
            for text in (traits.status, traits.severity, traits.author)
        )
        lines.append(
            f"| [{kind.name}](#{kind.name.lower()}) | {number} | {status} | {severity} "
            f"| {author} | `{CONTENTS[kind]}` |"
        )
    return "\n".join(lines) + "\n"


def _moments() -> str:
    lines = ["| SDK moment | events | since |", "|---|---|---|"]
    for patch in patches():
        # Some only prepare what another records.
        events = ", ".join(patch.emits) or "-"
        target = patch.target.replace(":", ".")
        lines.append(f"| `{target}` | {events} | {patch.min_version or '-'} |")
    return "\n".join(lines) + "\n"


def _retry_config() -> str:
    default = RetryConfig()
    lines = ["| key | default | |", "|---|---|---|"]
    lines += (
        f"| `{row.name}` | `{getattr(default, row.target)}` | {row.doc} |"
        for row in RETRY_SETTINGS
    )
    return "\n".join(lines) + "\n"


def _ordered(event: Event) -> Event:
    content = sorted(event.keys() - {*_ORDER, *_LAST})
    return {name: event[name] for name in (*_ORDER, *content, *_LAST) if name in event}


def _pretty(value: Any, indent: str = "", lead: int = 0) -> str:
    """Return JSON that keeps on one line what fits there."""
    flat = json.dumps(value, ensure_ascii=False)
    is_tree = type(value) in (dict, list) and value
    if not is_tree or (indent and len(indent) + lead + len(flat) <= _WIDTH):
        return flat
    inner = indent + "  "
    if type(value) is list:
        parts = [inner + _pretty(item, inner) for item in value]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    parts = [
        f"{inner}{json.dumps(key)}: {_pretty(item, inner, len(key) + 5)}"
        for key, item in value.items()
    ]
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def _different(text: str, wanted: str) -> list[str]:
    now = {found["name"]: found[0] for found in _BLOCK.finditer(text)}
    then = {found["name"]: found[0] for found in _BLOCK.finditer(wanted)}
    return [name for name, block in now.items() if block != then[name]]


def main() -> int:
    """Read the command line, and rewrite or compare."""
    parser = argparse.ArgumentParser(description="Generate blocks of the documents.")
    parser.add_argument("--check", action="store_true", help="only compare")
    only_check: bool = parser.parse_args().check
    made = blocks()
    stale = 0
    for name in DOCUMENTS:
        path = HERE / name
        text = path.read_text(encoding="utf-8")
        wanted = rewritten(text, made)
        for block in _different(text, wanted):
            stale += 1
            sys.stdout.write(f"docs/{name}: {block}\n")
        if not only_check and wanted != text:
            path.write_text(wanted, encoding="utf-8")
    if stale and only_check:
        sys.stdout.write("Stale: run `python docs/generate.py`.\n")
    return 1 if stale and only_check else 0


if __name__ == "__main__":
    sys.exit(main())
