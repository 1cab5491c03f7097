"""
Where spans go, and how: the settings of chaukas, then OpenTelemetry's own variables.

Read only once OTLP is wanted: what stands in these variables may be meant for others,
and is no business of chaukas until then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaukas.sdk.config import Config

__all__ = ["Target", "pairs_in", "target_of"]

_BASE: Final = "OTEL_EXPORTER_OTLP_"
_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_"
_PATH: Final = "/v1/traces"
_DEFAULT_HTTP: Final = "http://localhost:4318"
_DEFAULT_GRPC: Final = "http://localhost:4317"
_MS_FROM: Final = 500.0
_SCHEMES: Final = frozenset({"http", "https", "grpc", "grpcs"})
_RESOURCE: Final = "OTEL_RESOURCE_ATTRIBUTES"


@dataclass(frozen=True, slots=True)
class Target:
    """Where spans go."""

    endpoint: str
    """Over HTTP with the path for traces; over gRPC `grpc(s)://host:port`."""
    protocol: str
    """`http` or `grpc`."""
    headers: Mapping[str, str] = field(repr=False)
    is_gzip: bool
    timeout_s: float
    ca_file: Path | None
    client_cert: Path | None
    client_key: Path | None
    service_name: str
    """Empty: the project of each span."""
    resource: Mapping[str, str]
    problems: tuple[str, ...] = ()
    """Lines for people about variables that cannot be read, and are left out."""


def target_of(config: Config, environ: Mapping[str, str]) -> Target:
    """Return where spans go, by the settings and else by the standard variables."""
    problems: list[str] = []
    protocol, endpoint = _address_of(config, environ, problems)
    resource = pairs_in(environ.get(_RESOURCE, ""))
    named = resource.pop("service.name", "")
    headers = dict(config.otlp_headers)
    if not headers:
        headers = pairs_in(_first(environ, "HEADERS"))
    return Target(
        endpoint=endpoint,
        protocol=protocol,
        headers=headers,
        is_gzip=_first(environ, "COMPRESSION").lower() != "none",
        timeout_s=_timeout_of(config, _first(environ, "TIMEOUT"), problems),
        ca_file=config.ca_file or _file_of(environ, "CERTIFICATE"),
        client_cert=config.client_cert or _file_of(environ, "CLIENT_CERTIFICATE"),
        client_key=config.client_key or _file_of(environ, "CLIENT_KEY"),
        service_name=environ.get("OTEL_SERVICE_NAME", "").strip() or named,
        resource=resource,
        problems=tuple(problems),
    )


def pairs_in(text: str) -> dict[str, str]:
    """Return `name=value,name=value` as a mapping; values are percent-decoded."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {
        name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()
    }


def _first(environ: Mapping[str, str], name: str) -> str:
    """Return a standard variable: that for traces, or else that for all signals."""
    return (environ.get(_TRACES + name) or environ.get(_BASE + name) or "").strip()


def _file_of(environ: Mapping[str, str], name: str) -> Path | None:
    path = _first(environ, name)
    return Path(path) if path else None


def _address_of(
    config: Config, environ: Mapping[str, str], problems: list[str]
) -> tuple[str, str]:
    given = config.otlp_endpoint
    is_grpc = _first(environ, "PROTOCOL").lower() == "grpc"
    if given:
        is_grpc = given.startswith("grpc")
        return ("grpc", given) if is_grpc else ("http", _with_path(given))
    for name, is_exact in ((_TRACES, True), (_BASE, False)):
        endpoint = environ.get(name + "ENDPOINT", "").strip()
        if not endpoint:
            continue
        if _is_address(endpoint):
            is_grpc = is_grpc or endpoint.startswith("grpc")
            if is_grpc or is_exact:
                return ("grpc" if is_grpc else "http"), endpoint
            return "http", _with_path(endpoint)
        problems.append(
            f"chaukas: {name}ENDPOINT is no http(s)://host:port: it is left out."
            " Correct it, or set CHAUKAS_OTLP_ENDPOINT."
        )
    return ("grpc", _DEFAULT_GRPC) if is_grpc else ("http", _DEFAULT_HTTP + _PATH)


def _with_path(endpoint: str) -> str:
    """Return the address for traces of one for all signals."""
    base = endpoint.rstrip("/")
    return base if base.endswith(_PATH) else base + _PATH


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _timeout_of(config: Config, text: str, problems: list[str]) -> float:
    """
    Return the longest wait for an answer, in seconds.

    The specification counts milliseconds there, and Python's own exporters seconds:
    what is too long for the one is the other.
    """
    if not text:
        return config.timeout_s
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        problems.append(
            f"chaukas: {_BASE}TIMEOUT is no number: {config.timeout_s:g} s holds."
            " Correct it."
        )
        return config.timeout_s
    return number / 1000 if number >= _MS_FROM else number
