"""
The check of the settings: which are in force, and where each was set.

Secrets appear only as a mark that they are set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chaukas.cli.settings import origin_of
from chaukas.cli.tree.line import shown
from chaukas.collector.options import is_loopback
from chaukas.sdk.config import SETTINGS, SWITCHES, summary_of
from chaukas.sdk.delivery.factory import places_of

from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Config, Loaded

    from .finding import Finding

__all__ = ("check_settings",)

_VALUE_CHARS = 200
_SECRETS = ("api_key", "otlp_headers")
_PLAIN = ("http", "grpc")


def check_settings(loaded: Loaded) -> Iterator[Finding]:
    """Yield a line for each setting that was given, and one for what is wrong."""
    summary = summary_of(loaded.config)
    given = [row for row in (*SETTINGS, *SWITCHES) if row.name in loaded.origins]
    for row in given:
        origin = origin_of(loaded.origins[row.name])
        value = summary.get(row.target, "taken into account")
        text = "set, not shown" if row.name in _SECRETS else _text_of(value)
        yield ok(
            "settings",
            f"{row.name} = {text}, from {origin}",
            setting=row.name,
            value=value,
            origin=origin,
        )
    others = {row.name: summary[row.target] for row in SETTINGS if row not in given}
    yield ok(
        "settings",
        f"{'the other' if given else 'all'} {len(others)} settings are at their"
        " defaults. Settings made in code are not visible here: pass them with --set",
        defaults=others,
    )
    for problem in loaded.problems:
        yield warn(
            "settings",
            f"{problem.event}: {problem.meaning}",
            problem.remedy,
            setting=problem.setting,
        )
    yield from _check_sense(loaded)


def _check_sense(loaded: Loaded) -> Iterator[Finding]:
    config = loaded.config
    if not config.enabled:
        yield warn(
            "settings",
            "chaukas is switched off: nothing is recorded",
            "Set CHAUKAS_ENABLED=true, or unset it.",
        )
    ways = " and ".join(_way_of(name, config) for name in config.sinks)
    yield ok("sinks", f"events go to {ways}", sinks=list(config.sinks))
    if _key_is_readable_on_the_way(config):
        yield warn(
            "settings",
            "the API key is sent in plain text: the endpoint has no TLS",
            "Use https:// or grpcs://.",
        )
    path = config.api_key_file
    if path is not None and config.api_key is None:
        try:
            path.read_bytes()
        except OSError as error:
            yield fail(
                "settings",
                f"the API key file {str(path)!r} cannot be read ({error.strerror})",
                f"Correct {origin_of(loaded.origins['api_key_file'])}, or the file.",
            )


def _way_of(name: str, config: Config) -> str:
    if name == "file":
        return f"the file {str(config.output_file.absolute())!r}"
    if name in ("otlp", "otel"):
        return f"{places_of(replace(config, sinks=(name,)))}, as spans"
    place = summary_of(config)["endpoint"]
    return f"{place} over {'gRPC' if name == 'grpc' else 'HTTP'}"


def _key_is_readable_on_the_way(config: Config) -> bool:
    if config.endpoint is None or config.sinks == ("file",):
        return False
    parts = urlsplit(config.endpoint)
    has_key = config.api_key is not None or config.api_key_file is not None
    return has_key and parts.scheme in _PLAIN and not is_loopback(parts.hostname or "")


def _text_of(value: object) -> str:
    return shown(value if type(value) is str else repr(value), _VALUE_CHARS)
