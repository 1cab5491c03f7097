"""Counting audio: the formats that realtime models use, and arrays of numpy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chaukas.sdk.integrations.shared.audio import (
    AudioCount,
    SampleCount,
    bytes_per_ms_of,
)


@pytest.mark.parametrize(
    ("audio_format", "expected"),
    [
        ("pcm16", 48),
        ("g711_ulaw", 8),
        ("g711_alaw", 8),
        ("audio/pcmu", 8),
        ({"type": "audio/pcm", "rate": 16_000}, 32),
        ({"type": "audio/pcm"}, 48),
        (SimpleNamespace(type="audio/pcm", rate=24_000), 48),
        (SimpleNamespace(type="audio/pcma"), 8),
        ("opus", 0),
        ({"type": ["pcm"]}, 0),
        (None, 0),
        (7, 0),
    ],
)
def test_a_known_format_has_its_rate_and_another_has_none(
    audio_format: Any, expected: int
) -> None:
    assert bytes_per_ms_of(audio_format) == expected


def test_chunks_add_up_and_what_is_no_bytes_is_a_chunk_alone() -> None:
    count = AudioCount(8)
    for audio in (b"\xff" * 160, bytearray(160), "text", None):
        count.add(audio)
    assert count.facts() == {"chunks": 4, "bytes": 320, "ms": 40}


def test_without_a_rate_there_are_no_milliseconds() -> None:
    count = AudioCount()
    count.add(b"1234")
    assert count.facts() == {"chunks": 1, "bytes": 4}
    assert AudioCount(8).facts() == {}


def test_arrays_count_by_their_samples() -> None:
    count = SampleCount(8000, 2)
    count.add(np.zeros(1600, dtype=np.float32))
    count.add(None)
    assert count.facts() == {"chunks": 1, "bytes": 6400, "ms": 100}
