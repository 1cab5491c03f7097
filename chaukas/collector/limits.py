"""How much one client may ask of a collector: it holds before memory is used."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Limits",)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one collector."""

    header_bytes: int = 16 << 10
    body_bytes: int = 8 << 20
    """Of a request as it comes over the wire."""
    expanded_bytes: int = 32 << 20
    """Of a request once it is decompressed."""
    ratio: int = 100
    """How many times its size a body may grow, beyond the first MiB."""
    batch_events: int = 1000
    batch_spans: int = 10_000
    """Of one OTLP request: a processor in front may gather as many."""
    values: int = 2_000_000
    """Of one request: fields of its messages, or items of its JSON."""
    event_bytes: int = 1 << 20
    """Of one event; so no text in it is longer either."""
    depth: int = 64
    """Objects and lists inside each other."""
    id_chars: int = 256
    header_s: float = 5.0
    """Until the header of a request is there."""
    body_s: float = 30.0
    """Until its body is there; until a client reads on; until it must be heard of."""
    body_bytes_per_s: int = 1024
    """Least speed of a body, after the first five seconds."""
    keep_alive_s: float = 60.0
    connections: int = 256
    follows: int = 32
    """Streams of new events of one reader."""
    calling: int = 2048
    """Connections of gRPC, but half of the files that the process may open at most. No
    idle one makes room for another there, so that they are many: each takes 15 KB."""
    streams: int = 100
    """Calls at a time on one gRPC connection."""
    calls: int = 256
    """Of gRPC at a time, over all connections."""
    reads: int = 6
    """Bodies, but small ones of HTTP, that are on their way at a time."""
    round_s: float = 10.0
    """In which all senders that wait get a slot, however slow some are."""
    read_bytes: int = 4 << 20
    """Of bodies that are held: from here on no other is read."""
    held_bytes: int = 96 << 20
    """Of bodies that are held: above it what comes is refused."""
    decoded_bytes: int = 12 << 20
    """Of decoded events, with all that is held of them: from here on no other body is
    decoded."""
    waiting_bytes: int = 48 << 20
    """Of all events that wait for the writer, also of clients that have left."""
