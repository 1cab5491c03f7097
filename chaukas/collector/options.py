"""How a collector is started, and which ways of starting it are refused."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaukas.store.protocol import SILENT_AFTER_S

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("Options", "fault_of", "is_every_interface", "is_loopback")


@dataclass(frozen=True, slots=True)
class Options:
    """What `chaukas collector run` was told."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 4180
    grpc_port: int = 4181
    names: tuple[str, ...] = ()
    """
    Further values of the Host header. One without a port is meant with that of the
    collector, and as it stands: so a proxy passes on what came by the usual port.
    """
    certificate: Path | None = None
    private_key: Path | None = None
    client_ca: Path | None = None
    """Clients must show a certificate of it."""
    is_behind_proxy: bool = False
    """Something in front speaks TLS, and nobody else can reach this port."""
    has_page: bool = True
    """Whether the page is served, beside the calls."""
    silent_after_s: float = SILENT_AFTER_S
    """A process of which nothing came for so long counts as died."""
    has_words: bool = True
    """Whether texts can be searched; without, events are taken faster."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_every_interface(host: str) -> bool:
    """Return whether an address stands for all interfaces, that of the machine too."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def fault_of(options: Options, *, has_keys: bool) -> str:
    """
    Return why a collector must not be started so; empty if it may.

    Args:
        options: What it was told.
        has_keys: Whether there is a key, without which it would serve everybody.
    """
    if options.client_ca and not options.certificate:
        return "--client-ca needs --certificate: clients show theirs within TLS."
    if is_loopback(options.host) and not options.is_behind_proxy:
        return ""
    if not has_keys:
        return (
            f"--host {options.host} can be reached by others, and there is no key:"
            " make one with `chaukas collector key create`."
        )
    if not options.certificate and not options.is_behind_proxy:
        return (
            f"--host {options.host} can be reached by others, and without TLS they"
            " read keys and events: give --certificate and --private-key, or"
            " --insecure-behind-proxy if a proxy in front speaks TLS."
        )
    return ""
