"""
Play every story in this environment, without chaukas and with it, and say what came.

    python -m tests.versions.scenarios OUTPUT [STORY …]

It runs inside an environment that `run.py` made, where only the release under test is
known; judging is left to `run.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import json
import logging
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agents
import agents.mcp

import chaukas.sdk
from chaukas.sdk.testing import capture_events
from tests.support.trees import spans_of, tree_of

from .expected import is_there
from .stories import MODES, STORIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.trees import Span

__all__ = ("main",)

# They take 10 to 20 seconds; whoever started them waits for longer than this.
_STACKS_AFTER_S = 480
_ADDRESS = re.compile(r"0x[0-9a-f]+|127\.0\.0\.1:\d+")


class _Heard(logging.Handler):
    """Keeps what chaukas logs, which should be nothing."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main() -> None:
    """Play, and write a JSON object into the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("stories", nargs="*")
    given = parser.parse_args()
    faulthandler.dump_traceback_later(_STACKS_AFTER_S)
    # Loaded, so that no hook point waits for an import.
    assert agents.mcp
    # The SDK's own would send each trace to its maker.
    agents.set_trace_processors([])
    state = _state()
    version = state["versions"]["openai-agents"]
    results = [
        _played(name, mode)
        for name in given.stories or STORIES
        if is_there(name, version)
        for mode in (*MODES, *(("sync",) if name == "answer" else ()))
    ]
    report = {"python": platform.python_version(), **state, "results": results}
    given.output.write_text(json.dumps(report, indent=1), encoding="utf-8")


def _state() -> dict[str, Any]:
    """Return what SYSTEM says of this release: versions and hook points."""
    with capture_events() as events:
        pass
    first = events()[0]
    assert first["type"] == "EVENT_TYPE_SYSTEM"
    state: dict[str, Any] = first["metadata"]["data"]["integrations"]["openai_agents"]
    return state


def _played(name: str, mode: str) -> dict[str, Any]:
    story = STORIES[name]
    bare = _seen(story, mode)
    heard = _Heard()
    logger = logging.getLogger("chaukas.sdk")
    logger.addHandler(heard)
    try:
        with capture_events() as events:
            seen = _seen(story, mode)
            dropped = dict(chaukas.sdk.stats().dropped)
    finally:
        logger.removeHandler(heard)
    return {
        "story": name,
        "mode": mode,
        "bare": bare,
        "seen": seen,
        "logged": heard.lines,
        "dropped": dropped,
        **_drawn(events()),
    }


def _drawn(events: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        facts = [_FACTS[span.kind](span) for span in spans_of(events) if _tells(span)]
        return {"tree": tree_of(events), "facts": facts, "broken": ""}
    except AssertionError as error:
        return {"tree": "", "facts": [], "broken": str(error)}


def _tells(span: Span) -> bool:
    return span.kind in _FACTS and span.end["status"] == "EVENT_STATUS_COMPLETED"


def _tool_facts(span: Span) -> str:
    call, response = span.start["tool_call"], span.end["tool_response"]
    arguments = json.dumps(call.get("arguments", {}))
    output = json.dumps(response["output"]["output"])
    return f"TOOL {call['tool_name']} {call.get('tool_id')} {arguments} -> {output}"


def _model_facts(span: Span) -> str:
    told = span.end["llm_invocation"]
    tokens = f"{told.get('prompt_tokens')}+{told.get('completion_tokens')}"
    cached, reasoned = told.get("cached_tokens"), told.get("reasoning_tokens")
    return (
        f"MODEL {told.get('provider')} {told['model']} {tokens} "
        f"cached {cached} reasoning {reasoned}"
    )


_FACTS: dict[str, Callable[[Span], str]] = {"TOOL": _tool_facts, "MODEL": _model_facts}


def _seen(story: Callable[[str], Any], mode: str) -> Any:
    """Return what the application sees, as data that can be compared."""
    try:
        result = story(mode)
    except (Exception, asyncio.CancelledError) as error:
        cause = type(error.__cause__).__name__
        return ["raised", type(error).__name__, _ADDRESS.sub("", str(error)), cause]
    if isinstance(result, list):
        return result
    usage = result.context_wrapper.usage
    facts = {
        "final_output": result.final_output,
        "last_agent": result.last_agent.name,
        "items": [type(item).__name__ for item in result.new_items],
        "input": result.to_input_list(),
        "responses": len(result.raw_responses),
        "usage": [usage.requests, usage.input_tokens, usage.output_tokens],
    }
    return json.loads(json.dumps(facts, default=_plain))


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(exclude_unset=True) if dump else repr(value)


if __name__ == "__main__":
    os.environ["CHAUKAS_RAISE_INTERNAL"] = "1"
    main()
