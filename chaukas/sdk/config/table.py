"""
The table of settings: name, environment, kind, default and meaning, each once.

Code, documents and error messages read the same rows, so that they cannot disagree.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.sdk.typing import RetryConfig

from .shown import endpoint_without_secrets
from .values import (
    ENDPOINT,
    FILE,
    FLAG,
    HEADERS,
    HIDDEN_PATTERNS,
    INTEGRATIONS,
    KEYS,
    LOG_LEVEL,
    MODES,
    NAMES,
    PATH,
    PROVIDER,
    REDACTOR,
    SECRET,
    SIGNALS,
    TAGS,
    TEXT,
    Kind,
    choice,
    duration,
    number,
    size,
    whole,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

__all__ = (
    "RETRY_SETTINGS",
    "RETRY_WITHOUT_EFFECT",
    "SETTINGS",
    "SWITCHES",
    "Config",
    "Fallback",
    "RetryConfig",
    "Setting",
    "spool_dir_of",
    "summary_of",
    "temporary_spool_dir_of",
)

_MIB = 1 << 20


def spool_dir_of(environ: Mapping[str, str]) -> Path:
    """
    Return the folder for undelivered events, by the XDG rules.

    A relative XDG_STATE_HOME is ignored, as the XDG specification demands. Where no
    home folder can be found, as in some containers, the temporary folder serves.
    """
    state = environ.get("XDG_STATE_HOME", "")
    if state and Path(state).is_absolute():
        return Path(state) / "chaukas"
    home = environ.get("HOME", "")
    try:
        base = Path(home) if Path(home).is_absolute() else Path.home()
    except RuntimeError:
        return temporary_spool_dir_of(environ)
    return base / ".local" / "state" / "chaukas"


def temporary_spool_dir_of(environ: Mapping[str, str]) -> Path:
    """Return a folder among the temporary ones, of its own for each user."""
    # Not by `tempfile`, which writes a file to find out. Whoever makes the folder
    # makes it 0700, and takes none that is not.
    temporary = environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return Path(temporary) / f"chaukas-{os.geteuid()}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Config:
    """
    Every setting, read and checked; `SETTINGS` says what each means.

    Durations end in `_s` (seconds), sizes in `_bytes`. Its repr holds no secret.
    """

    tenant_id: str = "default"
    project_id: str = "default"
    enabled: bool = True
    sinks: tuple[str, ...] = ("file",)
    """One or several of file, http, grpc, otlp, otel; never empty."""
    endpoint: str | None = None
    api_key: str | Callable[[], str] | None = None
    api_key_file: Path | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    collector_compat: str = "auto"
    otlp_endpoint: str | None = None
    otlp_headers: tuple[tuple[str, str], ...] = ()
    otlp_signals: tuple[str, ...] = ("traces",)
    # Never compared: it is an object of the application's.
    otel_provider: object = field(default=None, compare=False)
    semconv: str = "1.41"
    flavour: str = "both"
    output_file: Path = Path("chaukas_events.jsonl")
    batch_size: int = 512
    flush_interval_s: float = 1.0
    timeout_s: float = 10.0
    max_batch_bytes: int = _MIB
    branch: str | None = None
    tags: tuple[str, ...] = ()
    capture_content: bool = True
    capture_full_input: bool = False
    capture_binary: bool = False
    capture_stack_traces: bool = True
    redact_keys: tuple[str, ...] = ()
    redact_patterns: tuple[re.Pattern[str], ...] = ()
    redact: Callable[[str, object], object] | None = None
    sample_rate: float = 1.0
    spool_dir: Path = field(default_factory=lambda: spool_dir_of(os.environ))
    spool_limit_bytes: int = 512 * _MIB
    memory_limit_bytes: int = 32 * _MIB
    log_level: str | None = None
    """Name of a level of `logging`; None leaves the logger alone."""
    integrity: bool = True
    session_id: str | None = None
    session_idle_timeout_s: float = 1800.0
    max_open_sessions: int = 10_000
    stream_events: str = "counts"
    # Frozen, so that one may stand in all of them.
    retry: RetryConfig = RetryConfig()  # noqa: RUF009
    data_access_tools: tuple[str, ...] = ()
    link_run_states: bool = False
    integrations: tuple[str, ...] | None = None
    """None: every one whose framework is found."""
    rotate_bytes: int | None = None
    rotate_interval_s: float | None = None
    rotate_keep: int = 10
    rotate_gzip: bool = False

    def __repr__(self) -> str:
        """Return all settings, without secrets."""
        shown = (f"{name}={value!r}" for name, value in summary_of(self).items())
        return f"Config({', '.join(shown)})"


def summary_of(config: Config) -> dict[str, object]:
    """
    Return a configuration as JSON values without secrets, for SYSTEM events.

    The API key, the patterns and functions appear only as a mark that they are set.
    """
    names = [row.name for row in fields(config)]
    return {name: _summary_of_value(name, getattr(config, name)) for name in names}


_UNSHOWN = frozenset(
    {"api_key", "otel_provider", "otlp_headers", "redact", "redact_patterns"}
)


def _summary_of_value(name: str, value: object) -> object:
    if name in {"endpoint", "otlp_endpoint"} and isinstance(value, str):
        return endpoint_without_secrets(value)
    if name in _UNSHOWN:
        return bool(value) if isinstance(value, (str, tuple)) else value is not None
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, RetryConfig):
        return {row.name: getattr(value, row.name) for row in fields(value)}
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True, slots=True)
class Fallback:
    """What holds while a setting is unreadable, where its default would be unsafe."""

    field: str
    """Field of the configuration that is overruled."""
    value: object
    remedy: str
    """The sentence that says so."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    """What a user writes in code; in capitals after CHAUKAS_ in the environment."""
    kind: Kind
    doc: str
    """One sentence for the table in the documents."""
    field: str = ""
    """Field of the configuration, `name` when empty."""
    aliases: tuple[str, ...] = ()
    """Other names accepted in code."""
    variables: tuple[str, ...] | None = ()
    """Further environment names; None: not settable there."""
    fallback: Fallback | None = None

    @property
    def target(self) -> str:
        """Return the field of the configuration that this setting fills."""
        return self.field or self.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return every name accepted in code, the best first."""
        return tuple(dict.fromkeys((self.name, self.target, *self.aliases)))

    @property
    def env(self) -> tuple[str, ...]:
        """Return the environment variables, the best first."""
        if self.variables is None:
            return ()
        return (f"CHAUKAS_{self.name.upper()}", *self.variables)


_HIDE = Fallback(
    "capture_content",
    value=False,
    remedy="All content is hidden until it is corrected.",
)
_STAY_OFF = Fallback("enabled", value=False, remedy="chaukas stays off.")

SETTINGS: tuple[Setting, ...] = (
    Setting("tenant_id", TEXT, "Tenant written on each event."),
    Setting("project_id", TEXT, "Project written on each event."),
    Setting("enabled", FLAG, "Whether chaukas does anything.", fallback=_STAY_OFF),
    Setting(
        "output_mode",
        MODES,
        "Where events go: one or several of `file`, `http`, `grpc`, `otlp`, `otel` "
        "(the application's own tracer provider); `api` is `http`. "
        "Without it the endpoint decides, and `file` holds without one.",
        field="sinks",
    ),
    Setting(
        "endpoint",
        ENDPOINT,
        "Collector: `http(s)://…` for HTTP, `grpc(s)://host:port` for gRPC; without a "
        "port 4181 for `grpc`, 443 for `grpcs`.",
        fallback=Fallback("endpoint", None, "No events are sent over the network."),
    ),
    Setting(
        "api_key",
        SECRET,
        "Key sent to the collector, or in code a function that returns it; "
        "never shown anywhere.",
    ),
    Setting(
        "api_key_file",
        FILE,
        "File that holds the key; read again when the collector refuses it.",
    ),
    Setting(
        "ca_file", FILE, "PEM file of the authorities to trust instead of the system's."
    ),
    Setting("client_cert", FILE, "PEM file of our own certificate, for mutual TLS."),
    Setting(
        "client_key",
        FILE,
        "PEM file of its private key, if that is not in the same file.",
    ),
    Setting(
        "collector_compat",
        choice("auto", "published"),
        "`published` takes the empty HTTP answers of the published Chaukas backend for "
        "acknowledgements; `auto` asks the endpoint what it is.",
    ),
    Setting(
        "otlp_endpoint",
        ENDPOINT,
        "Receiver of spans for mode `otlp`: `http(s)://…`, to which `/v1/traces` is "
        "added, or `grpc(s)://host:port`. Without it OpenTelemetry's own variables "
        "hold, see [OPENTELEMETRY.md](OPENTELEMETRY.md).",
        fallback=Fallback("otlp_endpoint", None, "No spans are sent."),
    ),
    Setting(
        "otlp_headers",
        HEADERS,
        "Headers sent to it, such as `authorization=Bearer%20…`; a mapping in code. "
        "Never shown anywhere.",
    ),
    Setting(
        "otlp_signals",
        SIGNALS,
        "What is sent there: one or several of `traces`, `logs`, `metrics`. Not every "
        "backend takes all of them.",
    ),
    Setting(
        "otel_provider",
        PROVIDER,
        "Tracer provider of the OpenTelemetry SDK that gets the spans, for mode "
        "`otel`, which it implies; without it the global one.",
        variables=None,
    ),
    Setting(
        "semconv",
        choice("1.36", "1.41", "head"),
        "Version of OpenTelemetry's conventions for generative AI that spans follow.",
    ),
    Setting(
        "flavour",
        choice("both", "genai", "openinference"),
        "Whose attributes spans have: OpenTelemetry's, OpenInference's, or both.",
    ),
    Setting(
        "output_file",
        FILE,
        "JSONL file for mode `file`.",
        aliases=("file_path",),
        variables=("CHAUKAS_FILE_PATH",),
    ),
    Setting("batch_size", whole(1, 10_000), "Most events in one request."),
    Setting(
        "flush_interval",
        duration(0.01),
        "Longest wait before a batch is sent.",
        field="flush_interval_s",
    ),
    Setting(
        "timeout",
        duration(0.1),
        "Longest wait for one answer of the collector.",
        field="timeout_s",
    ),
    Setting("max_batch_bytes", size(1 << 10), "Most bytes in one request, raw."),
    Setting("branch", TEXT, "Branch or deployment written on each event."),
    Setting("tags", TAGS, "Tags written on each event; 64 at most."),
    Setting(
        "capture_content",
        FLAG,
        "Whether texts are recorded, or only their sizes.",
        fallback=_HIDE,
    ),
    Setting(
        "capture_full_input",
        FLAG,
        "Whether each model call records the whole history, not only what is new.",
    ),
    Setting("capture_binary", FLAG, "Whether bytes and data URLs are recorded."),
    Setting("capture_stack_traces", FLAG, "Whether errors carry their stack trace."),
    Setting(
        "redact_keys",
        KEYS,
        "Further key names whose values are hidden.",
        fallback=_HIDE,
    ),
    Setting(
        "redact_patterns",
        HIDDEN_PATTERNS,
        "Further regular expressions whose matches are hidden.",
        variables=None,
        fallback=_HIDE,
    ),
    Setting(
        "redact",
        REDACTOR,
        "Function `redact(path, value)` that returns what may be recorded.",
        variables=None,
        fallback=_HIDE,
    ),
    Setting(
        "sample_rate",
        number(0.0, 1.0),
        "Share of traces recorded, decided at the start of each.",
    ),
    Setting(
        "spool_dir",
        PATH,
        "Folder for events that wait for the collector; without it `chaukas` in the "
        "XDG state folder.",
    ),
    Setting(
        "spool_limit",
        size(_MIB),
        "Most bytes that all waiting events take on disk, over all processes.",
        field="spool_limit_bytes",
    ),
    Setting(
        "memory_limit",
        size(_MIB),
        "Most bytes of waiting events in memory.",
        field="memory_limit_bytes",
    ),
    Setting("log_level", LOG_LEVEL, "Level of the logger `chaukas.sdk`."),
    Setting("integrity", FLAG, "Whether events are hashed and chained."),
    Setting("session_id", TEXT, "Id of the process's default session."),
    Setting(
        "session_idle_timeout",
        duration(1.0),
        "A session without a run for this long is ended.",
        field="session_idle_timeout_s",
    ),
    Setting(
        "max_open_sessions",
        whole(1, 10_000_000),
        "Most sessions open at once; the idlest is ended beyond it.",
    ),
    Setting(
        "stream_events",
        choice("counts", "deltas"),
        "Whether streamed output is counted or also recorded piece by piece.",
    ),
    Setting(
        "data_access_tools",
        NAMES,
        "Tools that retrieve data, recorded as DATA_ACCESS too.",
    ),
    Setting(
        "link_run_states",
        FLAG,
        "Whether a saved RunState carries its trace, so that another process goes "
        "on in it.",
    ),
    Setting(
        "integrations",
        INTEGRATIONS,
        "Frameworks to record, instead of all that are found.",
    ),
    Setting("rotate_bytes", size(1 << 10), "Size at which the JSONL file is rotated."),
    Setting(
        "rotate_interval",
        duration(1.0),
        "Age at which the JSONL file is rotated.",
        field="rotate_interval_s",
    ),
    Setting("rotate_keep", whole(1, 100_000), "Rotated files that are kept."),
    Setting("rotate_gzip", FLAG, "Whether rotated files are compressed."),
)
"""Every setting that has one value; `retry_config` is a table of its own."""

RETRY_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "max_llm_retries",
        whole(0, 1000),
        "Most repetitions of one run that are recognised as retries.",
        variables=None,
    ),
)
"""The keys of `retry_config`."""

RETRY_WITHOUT_EFFECT = ("llm_backoff_strategy", "llm_base_delay_ms")
"""Keys of `retry_config` that programs of earlier versions pass; nothing reads them."""

SWITCHES: tuple[Setting, ...] = (
    Setting("emit_to_file", FLAG, "True means output_mode `file`."),
)
"""Names of earlier versions: read like settings, but they only decide others."""
