"""
The check of a collector: each step of the connection, and its answer.

Nothing is stored there: the last step is a batch without events.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaukas.cli.output import ms, time_of
from chaukas.sdk.config import endpoint_without_secrets
from chaukas.sdk.maintenance import remotes_of
from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.sdk.sinks.collector.probe import Reach, proxy_of, reach
from chaukas.sdk.sinks.collector.responses import (
    TROUBLES,
    Action,
    misconfigured,
    tls_unusable,
    unreachable,
    untrusted,
)
from chaukas.sdk.sinks.collector.tls import Trust
from chaukas.sdk.sinks.otlp.answers import missing_package
from chaukas.sdk.sinks.otlp.encode import MissingPackageError, load
from chaukas.sdk.sinks.otlp.receiver import ReceiverSink

from .finding import Level, fail, ok, warn
from .identity import check_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Config

    from .finding import Finding

__all__ = ("check_collector",)

_DAY_S = 86_400.0
_SOON_S = 14 * _DAY_S
_REMEDIES = {
    "refused": "Start the collector, or correct the port in CHAUKAS_ENDPOINT.",
    "timeout": "Look for a firewall in between, or correct CHAUKAS_ENDPOINT.",
    "dns": "Correct the host in CHAUKAS_ENDPOINT, or the resolver of this machine.",
    "network": "Look at the network of this machine.",
}


def check_collector(config: Config) -> Iterator[Finding]:
    """Yield what is found on the way to each collector."""
    for remote in remotes_of(config):
        if isinstance(remote, (GrpcSink, HttpSink)):
            yield from _check(remote, config)
        elif isinstance(remote, ReceiverSink):
            yield _check_otlp(remote)


def _check_otlp(remote: ReceiverSink) -> Finding:
    """Send a request without spans: it shows as much, and nothing is stored."""
    topic = "receiver (otlp)"
    begun_s = time.monotonic()
    try:
        load()
        answer = remote.post("traces", b"", ())
    except MissingPackageError:
        answer = missing_package(remote.place)
    taken_ms = (time.monotonic() - begun_s) * 1000
    remote.close()
    facts = {"answer_ms": taken_ms, "cause": answer.cause}
    if answer.action is Action.ACKED:
        text = f"{remote.place} takes spans ({ms(taken_ms)})"
        return ok(topic, text, **facts)
    return _refused(topic, answer.error, **facts)


def _check(remote: GrpcSink | HttpSink, config: Config) -> Iterator[Finding]:
    endpoint = config.endpoint or ""
    topic = f"collector ({remote.name})"
    place = endpoint_without_secrets(endpoint)
    try:
        proxy = proxy_of(endpoint) if remote.name == "http" else ""
    except ValueError:
        yield _refused(topic, misconfigured("proxy address", "", place, "").error)
        return
    if proxy:
        yield ok(topic, f"{place} is reached through the proxy {proxy}", proxy=proxy)
    else:
        trust = Trust.of(config.ca_file, config.client_cert, config.client_key)
        found = reach(endpoint, trust, config.timeout_s)
        yield from _steps(topic, place, found)
        if found.trouble:
            return
    has_key = config.api_key is not None or config.api_key_file is not None
    how = "with the key" if has_key else "without a key"
    answer = _answer(remote, topic, place, how)
    yield answer
    is_known = answer.level is Level.OK or "403" in str(answer.facts.get("cause"))
    if is_known and isinstance(remote, HttpSink):
        yield from check_identity(topic, config)


def _steps(topic: str, place: str, found: Reach) -> Iterator[Finding]:
    facts = {
        name: getattr(found, name)
        for name in ("host", "port", "addresses", "dns_ms", "connect_ms", "tls_ms")
    }
    if found.connect_ms is not None:
        times = [
            f"{name} {ms(taken)}"
            for name, taken in (
                ("DNS", found.dns_ms),
                ("connect", found.connect_ms),
                (found.tls_version or "TLS", found.tls_ms),
            )
            if taken is not None
        ]
        where = ", ".join(found.addresses)
        text = f"{place} ({where}) is reached: {', '.join(times)}"
        yield ok(topic, text, **facts)
    if found.trouble == "tls":
        yield _refused(topic, untrusted(place, found.words).error)
    elif found.trouble == "files":
        yield _refused(topic, tls_unusable(place, found.words).error)
    elif found.trouble:
        kind = found.trouble
        says = f"the collector at {place} {TROUBLES[kind].removesuffix(' now')}"
        yield fail(topic, says, _REMEDIES[kind], **facts, trouble=kind)
    if found.expires_at_s is not None and found.expires_at_s - time.time() < _SOON_S:
        end = time_of(found.expires_at_s)
        yield warn(
            topic,
            f"its certificate ends at {end}",
            "Have it renewed.",
            expires=end,
        )


def _answer(remote: GrpcSink | HttpSink, topic: str, place: str, how: str) -> Finding:
    begun_s = time.monotonic()
    probe = remote.probe()
    taken_ms = (time.monotonic() - begun_s) * 1000
    remote.close()
    answer = probe.answer
    facts = {"request": probe.request, "answer_ms": taken_ms, "cause": answer.cause}
    if answer.action is Action.ACKED:
        text = f"it takes events {how} ({probe.request}: {ms(taken_ms)})"
        return ok(topic, text, **facts)
    if answer.action is Action.BISECT:
        return warn(
            topic,
            f"it answers, but not to a batch without events ({answer.cause})",
            "Nothing is wrong if events arrive.",
            **facts,
        )
    if answer.action is Action.RETRY:
        error = answer.error or unreachable(answer.cause, place, "failed").error
        return _refused(topic, error, **facts)
    return _refused(topic, answer.error, **facts)


def _refused(topic: str, error: str, **facts: object) -> Finding:
    """Make a finding of a line that the sink would log."""
    what, _, remedy = error.removeprefix("chaukas: ").partition(". ")
    return fail(topic, what.rstrip("."), remedy, **facts)
