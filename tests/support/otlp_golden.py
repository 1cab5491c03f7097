"""
The conversation of the documents as OTLP, in each version: what is compared, and kept.

    PYTHONPATH=examples python -m tests.support.otlp_golden

writes the files anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaukas.sdk.sinks.otlp.encode import Resource, encoded_spans
from chaukas.sdk.sinks.otlp.mapping.join import Joiner
from chaukas.sdk.sinks.otlp.mapping.names import schema_url_of
from chaukas.sdk.sinks.otlp.mapping.spans import Mapping, span_of
from loopback.otlp import ReceivedSpan, spans_in
from tests.support.recordings import story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.sinks.otlp.mapping.names import Flavour, Version
    from chaukas.sdk.typing import Event

__all__ = (
    "FOLDER",
    "VARIANTS",
    "body_of",
    "events",
    "golden",
    "received",
    "text_of",
)

FOLDER = Path(__file__).parents[1] / "unit" / "otlp_golden"
VARIANTS: tuple[tuple[Version, Flavour], ...] = (
    ("1.36", "both"),
    ("1.41", "both"),
    ("head", "both"),
    ("1.41", "genai"),
    ("1.41", "openinference"),
)


@cache
def events() -> tuple[Event, ...]:
    """Return the events of the conversation, and a run that its process did not end."""
    told = story()
    # Another process, which died in the middle of a tool call.
    cut = json.loads(json.dumps(told).replace("0000-7000-8000-", "0001-7000-8000-"))
    end = next(n for n, e in enumerate(cut) if e["type"] == "EVENT_TYPE_TOOL_CALL_END")
    return (*told, *cut[1:end])


def received(version: Version, flavour: Flavour) -> list[ReceivedSpan]:
    """Return the spans as they come over the wire, through the official messages."""
    return spans_in(body_of(version, flavour, events()))


def body_of(version: Version, flavour: Flavour, told: Sequence[Event]) -> bytes:
    """Return the spans of events as the bytes of a request."""
    joined = []
    for stream in sorted({e["metadata"]["chaukas"]["stream"] for e in told}):
        joiner = Joiner()
        own = [e for e in told if e["metadata"]["chaukas"]["stream"] == stream]
        joined += [*joiner.join(own), *joiner.end_all()]
    mapping = Mapping.of(version, flavour)
    spans = [span_of(each, mapping) for each in joined if each.kind != "LOG"]
    resource = Resource(
        "", {}, schema_url_of(version), is_openinference=mapping.is_openinference
    )
    return encoded_spans(spans, resource)


def text_of(spans: list[ReceivedSpan]) -> str:
    """Return spans as the text of a file."""
    rows = [_row(asdict(span)) for span in spans]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _row(span: dict[str, Any]) -> dict[str, Any]:
    # The version of chaukas is no matter of the mapping.
    span["resource"].pop("telemetry.sdk.version")
    return span


def golden(version: Version, flavour: Flavour) -> Path:
    """Return the file that a variant is compared with."""
    return FOLDER / f"{version}-{flavour}.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for variant in VARIANTS:
        text = text_of(received(*variant))
        golden(*variant).write_text(text, encoding="utf-8")
