"""
Count audio, and never keep it: chunks, bytes, and milliseconds where they are known.

Audio is the largest thing that passes through a voice agent and the most personal;
its amount is all that a record of actions needs.
"""

from __future__ import annotations

from typing import Any, cast

__all__ = [
    "PCM16_24KHZ_BYTES_PER_MS",
    "AudioCount",
    "SampleCount",
    "bytes_per_ms_of",
]

PCM16_24KHZ_BYTES_PER_MS = 48
"""The format that OpenAI's audio models use unless told otherwise."""
_G711_BYTES_PER_MS = 8
_PCM16_BYTES_PER_SAMPLE = 2
_PCM = frozenset({"pcm", "pcm16", "audio/pcm"})
_G711 = frozenset(
    {"g711_ulaw", "g711_alaw", "audio/pcmu", "audio/pcma", "pcmu", "pcma"}
)


def bytes_per_ms_of(audio_format: Any) -> int:
    """
    Return the bytes that a millisecond of audio takes, or 0 if that is not known.

    Args:
        audio_format: A name such as `pcm16` or `g711_ulaw`, a dict with `type` and
            `rate` (in Hz), or an object of openai with these attributes.
    """
    rate_hz: Any = None
    if type(audio_format) is dict:
        name, rate_hz = audio_format.get("type"), audio_format.get("rate")
    elif type(audio_format) is str:
        name = audio_format
    else:
        name = getattr(audio_format, "type", None)
        rate_hz = getattr(audio_format, "rate", None)
    if type(name) is not str:
        return 0
    if name in _G711:
        return _G711_BYTES_PER_MS
    if name not in _PCM:
        return 0
    if type(rate_hz) is int and rate_hz > 0:
        return rate_hz * _PCM16_BYTES_PER_SAMPLE // 1000
    return PCM16_24KHZ_BYTES_PER_MS


class AudioCount:
    """
    How much audio went one way.

    Args:
        bytes_per_ms: As `bytes_per_ms_of` returns it.
    """

    __slots__ = ("byte_count", "bytes_per_ms", "chunk_count")

    def __init__(self, bytes_per_ms: int = 0) -> None:
        self.bytes_per_ms = bytes_per_ms
        self.byte_count = 0
        self.chunk_count = 0

    def add(self, audio: object) -> None:
        """Count one chunk; what is no plain bytes counts as a chunk alone."""
        self.chunk_count += 1
        for kind in (bytes, bytearray):
            if issubclass(type(audio), kind):
                # Of a class derived from it, the length may be code of a stranger.
                self.byte_count += kind.__len__(cast("Any", audio))

    @property
    def duration_ms(self) -> int:
        """Milliseconds that it lasts, 0 if the format is not known."""
        return self.byte_count // self.bytes_per_ms if self.bytes_per_ms else 0

    def facts(self) -> dict[str, int]:
        """Return `chunks`, `bytes` and `ms`, each only if there is one."""
        found = {
            "chunks": self.chunk_count,
            "bytes": self.byte_count,
            "ms": self.duration_ms,
        }
        return {name: value for name, value in found.items() if value}


class SampleCount:
    """
    How much audio came as arrays of numpy.

    Args:
        rate_hz: Samples of each channel in a second.
        channel_count: Channels that are interleaved.
    """

    __slots__ = ("_channel_count", "_rate_hz", "byte_count", "chunk_count", "size")

    def __init__(self, rate_hz: int = 24_000, channel_count: int = 1) -> None:
        self._rate_hz = rate_hz
        self._channel_count = channel_count
        self.chunk_count = 0
        self.byte_count = 0
        self.size = 0
        """Samples of all channels."""

    def add(self, samples: Any) -> None:
        """Count one array; None, which ends a stream, and others are no audio."""
        if type(samples).__module__ == "numpy":
            self.chunk_count += 1
            self.byte_count += samples.nbytes
            self.size += samples.size

    def facts(self) -> dict[str, int]:
        """Return `chunks`, `bytes` and `ms`, each only if there is one."""
        rate = self._rate_hz * self._channel_count
        found = {
            "chunks": self.chunk_count,
            "bytes": self.byte_count,
            "ms": self.size * 1000 // rate if rate > 0 else 0,
        }
        return {name: value for name, value in found.items() if value}
