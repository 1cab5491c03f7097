"""
A tour of the OpenAI Agents SDK: each of its features, and the events that it gives.

    python examples/sdk_tour.py

One small section for each feature, in examples/tour, played in a session of its own.
The models answer from scripts, so that nothing leaves the machine, with a key or
without. Braces in a tree mark what has a beginning and an end.
"""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

from agents import set_trace_processors

import chaukas
from recorded import fresh
from tour import STOPS, Stop, load, shape, value_at

FILE = "sdk_tour.jsonl"
NOTHING = "(no events)"
_SHOWN_CHARS = 90


def play(stop: Stop) -> str:
    """Play a section in its session; return what it needs and does not find."""
    with chaukas.session(stop.session_id, name=stop.row):
        try:
            playing = stop.play()
            if asyncio.iscoroutine(playing):
                asyncio.run(playing)
        except ImportError as error:
            return f"not run: {error}"
    return ""


def show(stop: Stop, events: list[dict[str, Any]], missing: str) -> None:
    """Print a row, and the events that it gave."""
    print(f"\n{stop.row}\n    {shape(events) or NOTHING}")
    if stop.shows:
        value = json.dumps(value_at(events, stop.shows), ensure_ascii=False)
        if len(value) > _SHOWN_CHARS:
            value = f"{value[:_SHOWN_CHARS]}…"
        print(f"    {stop.shows}: {value}")
    for line in filter(None, (stop.note, missing)):
        print(f"    {line}")


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE), stream_events="deltas")
    # The SDK's own would upload; sections add some that do not.
    set_trace_processors([])
    # Servers that do not start are part of the tour, the SDK's words on them are not.
    logging.getLogger("openai.agents").setLevel(logging.CRITICAL)
    missing = load()
    table = ""
    with Path(FILE).open(encoding="utf-8") as file:
        for stop in STOPS:
            if stop.table != table:
                table = stop.table
                print(f"\n== {table}")
            unplayed = play(stop)
            chaukas.flush()
            events = [json.loads(line) for line in file]
            own = [each for each in events if each.get("session_id") == stop.session_id]
            show(stop, own, unplayed)
    chaukas.disable_chaukas()
    for line in missing:
        print(f"\nNot run: {line}")
    print(f"\n{len(STOPS)} features. Look closer with: chaukas tree {FILE}")


if __name__ == "__main__":
    main()
