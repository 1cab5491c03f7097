"""
Loads the settings: arguments, mapping and environment into one frozen `Config`.

Each setting is looked up on its own (argument, then `config={…}`, then environment,
then default), because one argument must never hide the whole environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any

from chaukas.sdk.errors import Problem

from .shown import closest, endpoint_without_secrets, plain_text, shown
from .table import (
    RETRY_SETTINGS,
    RETRY_WITHOUT_EFFECT,
    SETTINGS,
    SWITCHES,
    Config,
    RetryConfig,
    Setting,
    spool_dir_of,
    summary_of,
    temporary_spool_dir_of,
)
from .values import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = (
    "RETRY_SETTINGS",
    "RETRY_WITHOUT_EFFECT",
    "SETTINGS",
    "SWITCHES",
    "Config",
    "Loaded",
    "RetryConfig",
    "Setting",
    "closest",
    "endpoint_without_secrets",
    "load",
    "plain_text",
    "settings_table",
    "shown",
    "summary_of",
    "temporary_spool_dir_of",
)

_PREFIX = "CHAUKAS_"
_OTHER_VARIABLES = ("CHAUKAS_DEBUG", "CHAUKAS_RAISE_INTERNAL")
# A Kubernetes service called "chaukas" puts these into every container beside it.
_KUBERNETES = re.compile(r"CHAUKAS_(SERVICE_|PORT($|_))")
_RETRY_NAMES = ("retry_config", "retry")
_NAME_CHARS = 60
_UNKNOWN_LIMIT = 20
"""How many unknown names of one place are reported, each with a line of its own."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found: a configuration that always works, and what was wrong."""

    config: Config
    problems: tuple[Problem, ...]
    origins: Mapping[str, str]
    """For each setting that was given: where, such as `CHAUKAS_ENDPOINT`."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One place where settings are looked up; the lower rank wins."""

    rank: int
    label: str
    values: Mapping[Any, object]
    names_of: Callable[[Setting], tuple[str, ...]]
    is_environment: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    """What was written for one setting, and where."""

    where: str
    value: Any
    rank: int
    is_rest: bool = False
    """Whether it is only what could be read of a list."""


@dataclass(frozen=True, slots=True)
class _Readings:
    """What could be read, by the setting's name, and what could not."""

    values: dict[str, _Given]
    overruled: dict[str, object]
    problems: tuple[Problem, ...]


def load(
    arguments: Mapping[str, object],
    config: Mapping[str, object] | None,
    environ: Mapping[str, str],
) -> Loaded:
    """
    Read all settings, and always return a configuration that works.

    Args:
        arguments: Keyword arguments of `enable_chaukas`.
        config: Its `config={…}`.
        environ: The environment.

    None and blank text mean not given, wherever they stand.

    A value that cannot be read gives way to the default and becomes a problem. Where
    the default would record or send more than the user wanted, the safe side is
    taken instead: an unreadable `redact_keys` hides all content. Of a list, what can
    be read is used.
    """
    sources, misplaced = _sources(arguments, config, environ)
    read = _read(SETTINGS + SWITCHES, sources, _defaults(Config))
    retry, retry_problems = _retry_of(sources)
    unknown = _unknown(sources)
    values = {
        row.target: read.values[row.name].value
        for row in SETTINGS
        if row.name in read.values
    }
    values.setdefault("spool_dir", spool_dir_of(environ))
    if _is_overruled(read, "api_key", by="api_key_file"):
        values["api_key"] = None
    values["sinks"], sink_problems = _sinks_of(read)
    values["retry"] = retry
    problems = (*misplaced, *unknown, *read.problems, *retry_problems, *sink_problems)
    origins = {name: given.where for name, given in read.values.items()}
    return Loaded(Config(**{**values, **read.overruled}), problems, origins)


def settings_table() -> str:
    """Return the settings as a Markdown table, for the documents."""
    defaults = _defaults(Config)
    lines = ["| setting | environment | default | |", "|---|---|---|---|"]
    for row in SETTINGS:
        env = ", ".join(f"`{name}`" for name in row.env) or "-"
        default = defaults.get(row.target)
        shown_default = "-" if default in (None, ()) else f"`{row.kind.show(default)}`"
        lines.append(f"| `{row.name}` | {env} | {shown_default} | {row.doc} |")
    return "\n".join(lines) + "\n"


def _defaults(of: type[Config | RetryConfig]) -> dict[str, object]:
    return {row.name: row.default for row in fields(of) if row.default is not MISSING}


def _sources(
    arguments: Mapping[str, object],
    config: Mapping[str, object] | None,
    environ: Mapping[str, str],
) -> tuple[tuple[_Source, ...], tuple[Problem, ...]]:
    problems: tuple[Problem, ...] = ()
    given = {} if config is None else _mapping_of(config)
    if given is None:
        event = f"cannot read config={shown(config)}"
        remedy = "Ignoring it."
        problems = (Problem("config", event, "expected a mapping of settings", remedy),)
    return (
        _Source(0, "argument {}", arguments, lambda row: row.spellings),
        _Source(1, "config[{!r}]", given or {}, lambda row: row.spellings),
        _Source(2, "{}", environ, lambda row: row.env, is_environment=True),
    ), problems


def _mapping_of(value: object) -> dict[object, object] | None:
    """Return a copy with plain names; None if it is no mapping, or will not say."""
    if type(value) is dict:
        pairs = value.copy()
    else:
        try:
            if not issubclass(type(value), Mapping):
                return None
            pairs = dict(value)  # type: ignore[call-overload]
        # A mapping of the application's own may raise anything.
        except Exception:
            return None
    return {_name_of(key): item for key, item in pairs.items()}


def _name_of(key: object) -> object:
    text = plain_text(key)
    return key if text is None else text


def _find(row: Setting, sources: Iterable[_Source]) -> _Given | None:
    """Return what the first source that has the setting says."""
    for source in sources:
        for name in source.names_of(row):
            value = source.values.get(name)
            if value is not None and not _is_blank(value):
                return _Given(source.label.format(name), value, source.rank)
    return None


def _is_blank(value: object) -> bool:
    text = plain_text(value)
    return text is not None and not text.strip()


def _read(
    rows: Sequence[Setting],
    sources: Sequence[_Source],
    defaults: Mapping[str, object],
) -> _Readings:
    values: dict[str, _Given] = {}
    overruled: dict[str, object] = {}
    problems: list[Problem] = []
    for row in rows:
        given = _find(row, sources)
        if given is None:
            continue
        value, error = _value_of(row, given.value)
        if error is not None:
            problems.append(_problem(row, given, error, defaults.get(row.target)))
            if row.fallback is not None:
                overruled[row.fallback.field] = row.fallback.value
        if error is None or error.rest is not None:
            is_rest = error is not None
            values[row.name] = _Given(given.where, value, given.rank, is_rest)
    return _Readings(values, overruled, tuple(problems))


def _value_of(row: Setting, written: object) -> tuple[Any, UnreadableError | None]:
    """Return what was read, and what is wrong with what was written."""
    try:
        return row.kind.read(written), None
    except UnreadableError as error:
        return error.rest, error
    # An object of the application's own may raise anything when it is read.
    except Exception:
        return None, UnreadableError("a value of a builtin type")


def _problem(
    row: Setting, given: _Given, error: UnreadableError, default: object
) -> Problem:
    show = row.kind.show_raw or shown
    event = f"cannot read {given.where}={show(given.value)}"
    if error.remedy:
        remedy = error.remedy
    elif row.fallback is not None:
        remedy = row.fallback.remedy
    elif error.rest:
        remedy = "Using the others."
    elif default in (None, ()):
        remedy = "Ignoring it."
    else:
        remedy = f"Using the default {row.kind.show(default)}."
    advice = error.advice
    return Problem(
        row.name,
        event,
        f"expected {error}",
        f"{advice} {remedy}" if advice else remedy,
        advice or "Correct or remove it.",
    )


def _retry_of(
    sources: Iterable[_Source],
) -> tuple[RetryConfig, tuple[Problem, ...]]:
    for source in sources:
        for name in () if source.is_environment else _RETRY_NAMES:
            value = source.values.get(name)
            if value is not None:
                return _read_retry(source.label.format(name), value)
    return RetryConfig(), ()


def _read_retry(
    where: str,
    value: object,
) -> tuple[RetryConfig, tuple[Problem, ...]]:
    if type(value) is RetryConfig:
        return value, ()
    keys = _mapping_of(value)
    if keys is None:
        event = f"cannot read {where}={shown(value)}"
        meaning = "expected a mapping such as {'max_llm_retries': 3}"
        return RetryConfig(), (Problem("retry_config", event, meaning, "Ignoring it."),)
    source = _Source(0, f"{where}[{{!r}}]", keys, lambda row: row.spellings)
    read = _read(RETRY_SETTINGS, (source,), _defaults(RetryConfig))
    known = (*(row.name for row in RETRY_SETTINGS), *RETRY_WITHOUT_EFFECT)
    unknown = _unknown_keys(source, known)
    values = {name: given.value for name, given in read.values.items()}
    return RetryConfig(**values), (*unknown, *read.problems)


def _is_overruled(read: _Readings, name: str, *, by: str) -> bool:
    """Return whether another setting was written nearer to the call."""
    given, other = read.values.get(name), read.values.get(by)
    return given is not None and other is not None and other.rank < given.rank


def _sinks_of(read: _Readings) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Decide where events go, dropping what cannot work; never nowhere."""
    endpoint = read.values.get("endpoint")
    scheme = "" if endpoint is None else endpoint.value.partition("://")[0].lower()
    bad = {problem.setting for problem in read.problems}
    known_bad = "endpoint" in bad
    problems: list[Problem] = []
    sinks: list[str] = []
    modes = _modes_of(read, scheme)
    if "otel_provider" in read.values and "otel" not in modes:
        modes = (*modes, "otel") if "output_mode" in read.values else ("otel",)
    for mode in modes:
        wrong = mode == "http" and scheme.startswith("grpc")
        if mode == "otlp" and "otlp_endpoint" in bad:
            # The standard variables may name another place than was meant.
            continue
        if mode in ("file", "otlp", "otel") or (endpoint is not None and not wrong):
            sinks.append(mode)
        elif endpoint is not None:
            place = shown(endpoint_without_secrets(endpoint.value))
            why = f"cannot use the endpoint {place} of {endpoint.where}"
            problems.append(_unusable(mode, why, "Correct one of them"))
        elif not known_bad:
            wanted = "http(s)://…" if mode == "http" else "grpc(s)://host:port"
            what_to_do = f"Set endpoint, or CHAUKAS_ENDPOINT, to {wanted}"
            problems.append(_unusable(mode, "has no endpoint", what_to_do))
    return tuple(sinks) or ("file",), tuple(problems)


def _unusable(mode: str, why: str, what_to_do: str) -> Problem:
    return Problem(
        "output_mode",
        f"output_mode {mode!r} {why}",
        "no events are sent that way",
        f"{what_to_do}; without another mode they go to the file.",
        f"{what_to_do}.",
    )


def _modes_of(read: _Readings, scheme: str) -> tuple[str, ...]:
    """Return the wanted modes; what was written nearer to the call wins."""
    mode = read.values.get("output_mode")
    to_file = read.values.get("emit_to_file")
    nearer = to_file is not None and (mode is None or to_file.rank < mode.rank)
    if to_file is not None and to_file.value and nearer:
        return ("file",)
    if mode is not None:
        return tuple(mode.value)
    endpoint, file = read.values.get("endpoint"), read.values.get("output_file")
    if endpoint is None or (file is not None and file.rank < endpoint.rank):
        return ("file",)
    return ("grpc",) if scheme.startswith("grpc") else ("http",)


def _unknown(sources: Iterable[_Source]) -> tuple[Problem, ...]:
    rows = SETTINGS + SWITCHES
    problems: list[Problem] = []
    for source in sources:
        known = tuple(name for row in rows for name in source.names_of(row))
        if source.is_environment:
            problems.extend(_unknown_variables(source, known))
        else:
            problems.extend(_unknown_keys(source, known + _RETRY_NAMES))
    return tuple(problems)


def _unknown_keys(source: _Source, known: tuple[str, ...]) -> list[Problem]:
    found = [key for key in source.values if type(key) is not str or key not in known]
    first = islice(found, _UNKNOWN_LIMIT)
    problems = [_unknown_problem(source, key, closest(key, known)) for key in first]
    more = len(found) - len(problems)
    if more > 0:
        event = f"{more} further unknown settings stand beside these"
        problems.append(Problem("config", event, "they have no effect", "Remove them."))
    return problems


def _unknown_variables(source: _Source, known: tuple[str, ...]) -> list[Problem]:
    """Report variables that look like a typing error; others may be anyone's."""
    problems = []
    for name in source.values:
        if not name.startswith(_PREFIX) or name in known + _OTHER_VARIABLES:
            continue
        meant = None if _KUBERNETES.match(name) else closest(name, known, cutoff=0.85)
        if meant is not None:
            problems.append(_unknown_problem(source, name, meant))
    return problems


def _unknown_problem(source: _Source, key: object, meant: str | None) -> Problem:
    is_name = type(key) is str and key.isidentifier() and len(key) <= _NAME_CHARS
    name = str(key) if is_name else shown(key)
    where = source.label.format(name)
    remedy = f"Did you mean {meant!r}?" if meant else "Remove it, or look it up."
    return Problem(name, f"unknown setting {where}", "it has no effect", remedy, remedy)
