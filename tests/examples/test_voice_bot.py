"""
The voice bot: a whole telephone call on record, in three languages, and no audio.

By its amounts too, as the audio is the one thing that must not be in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.trees import named, only, tree, tree_of
from tests.test_examples import run

if TYPE_CHECKING:
    from pathlib import Path


def test_the_call_records_this_tree_and_no_audio(tmp_path: Path) -> None:
    example = run("voice_bot", tmp_path)
    assert tree_of(example.events) == tree(
        """
        SESSION
          AGENT English desk
            INPUT
            MODEL
            TOOL get_weather
            MODEL
            OUTPUT
            INPUT
            MODEL CANCELLED
            STATE_UPDATE
            OUTPUT
            INPUT
            MODEL
            HANDOFF English desk -> Hindi desk
          AGENT Hindi desk
            MODEL
            OUTPUT
            INPUT
            MODEL
            TOOL query_database
              DATA_ACCESS query_database
            MODEL
            OUTPUT
            HANDOFF Hindi desk -> Kannada desk
          AGENT Kannada desk
            INPUT
            MODEL
            OUTPUT
        SESSION
          AGENT English desk FAILED
            STATE_UPDATE
            INPUT
            MODEL CANCELLED
            ERROR ConnectionClosed:1001
          AGENT English desk
            INPUT
            MODEL
            OUTPUT
        """
    )
    assert f"$ chaukas tree {example.file.name}" in example.stdout
    ends = named(example.events, "AGENT_END")[:3]
    assert [end["metadata"]["audio"] for end in ends] == [
        {
            "in": {"chunks": 75, "bytes": 12_000, "ms": 1500},
            "out": {"chunks": 275, "bytes": 44_000, "ms": 5500},
        },
        {
            "in": {"chunks": 30, "bytes": 4800, "ms": 600},
            "out": {"chunks": 130, "bytes": 20_800, "ms": 2600},
        },
        {
            "in": {"chunks": 15, "bytes": 2400, "ms": 300},
            "out": {"chunks": 45, "bytes": 7200, "ms": 900},
        },
    ]
    access = only(example.events, "DATA_ACCESS")["data_access"]
    assert access["document_ids"] == ["bill-u-17"]
    assert access["metadata"]["arguments"] == {"user_id": "u-17", "query": "bill"}
    settings = named(example.events, "MODEL_INVOCATION_START")[0]["llm_invocation"]
    heard = settings["request"]["settings"]["input_transcription"]
    assert heard == {"model": "gpt-4o-mini-transcribe"}
    closings = [
        event["metadata"]["data"]
        for event in named(example.events, "SYSTEM")
        if event["metadata"]["name"] == "realtime.closed"
    ]
    assert [(each["by"], each["code"]) for each in closings] == [
        ("application", 1000),
        ("server", 1001),
        ("application", 1000),
    ]
    # Less than the audio alone would be.
    sizes = [
        side["bytes"] for end in ends for side in end["metadata"]["audio"].values()
    ]
    assert example.file.stat().st_size < sum(sizes)
