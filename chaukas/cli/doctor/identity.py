"""The check of a collector of ours: its version, whose the key is, and its clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chaukas.cli.output import age
from chaukas.query import UnreadableError
from chaukas.query.answers import Identity
from chaukas.query.remote.client import client_with

from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Config

    from .finding import Finding

__all__ = ("check_identity", "findings_of")

_SKEW_S: Final = 5.0
_EVERY: Final = "*"


def check_identity(topic: str, config: Config) -> Iterator[Finding]:
    """Yield what a collector says of the key; nothing for other backends."""
    address = (config.endpoint or "").rstrip("/").removesuffix("/v1")
    client = client_with(address, config, config.timeout_s)
    begun_s = time.time()
    try:
        found = client.ask("/v1/whoami", {}, Identity)
    except UnreadableError:
        # That it takes events was said before; others than ours are not asked more.
        return
    finally:
        client.close()
    middle_s = (begun_s + time.time()) / 2
    yield from findings_of(topic, found, config, found.now_us / 1e6 - middle_s)


def findings_of(
    topic: str, found: Identity, config: Config, skew_s: float
) -> Iterator[Finding]:
    """
    Yield what an identity means for what is recorded here.

    Args:
        topic: Of the findings.
        found: Whom the collector takes the key for.
        config: The settings in force.
        skew_s: How far its clock is ahead, in seconds.
    """
    facts = {
        "version": found.version,
        "key_id": found.key,
        "tenant": found.tenant,
        "project": found.project,
        "scopes": list(found.scopes),
        "skew_s": round(skew_s, 3),
    }
    whose = "every tenant" if found.tenant == _EVERY else f"tenant {found.tenant!r}"
    key = "no key is needed there" if found.key == "local" else f"the key {found.key}"
    scopes = " and ".join(found.scopes)
    text = f"chaukas {found.version}: {key}, for {whose}, may {scopes}"
    yield ok(topic, text, **facts)
    if "ingest" not in found.scopes:
        yield fail(
            topic,
            f"the key may {scopes}, and not send: its scope is not ingest",
            "Take one with the scope: chaukas collector key create --scope ingest.",
        )
    for name, theirs, ours in (
        ("tenant", found.tenant if found.tenant != _EVERY else "", config.tenant_id),
        ("project", found.project, config.project_id),
    ):
        if theirs and theirs != ours:
            yield fail(
                topic,
                f"the key is of the {name} {theirs!r}, and events name {ours!r}: each"
                " of them would be refused",
                f"Set CHAUKAS_{name.upper()}_ID={theirs}, or take another key.",
            )
    if abs(skew_s) >= _SKEW_S:
        way = "ahead of" if skew_s > 0 else "behind"
        yield warn(
            topic,
            f"its clock is {age(abs(skew_s))} {way} this machine's",
            "Set both by NTP: filters such as since:1h go by them.",
            skew_s=round(skew_s, 3),
        )
