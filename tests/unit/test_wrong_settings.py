"""
Every setting against a list of odd values, from `enable_chaukas` to the file.

Whatever is written, the program starts, one line says what is wrong, `strict=True`
raises it, and recording works with what holds instead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import types
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, Runner
from agents.testing import ScriptedModel, assistant_message

import chaukas
from chaukas.sdk import _runtime
from chaukas.sdk import config as config_module
from chaukas.sdk.config import SETTINGS, SWITCHES, Setting
from chaukas.sdk.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = (*SETTINGS, *SWITCHES)
SECRET = "sk-" + "a1b2" * 10


class Hostile:
    """Raises at whatever is asked of it, its class included."""

    def _touched(self, *_args: object) -> Any:
        raise AssertionError

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __eq__ = _touched  # type: ignore[assignment]
    __getattribute__ = __getattr__ = __index__ = __float__ = __fspath__ = _touched
    __hash__ = None  # type: ignore[assignment]


class HostileText(str):
    """A text whose own methods raise."""

    __slots__ = ()

    def _touched(self, *_args: object) -> Any:
        raise AssertionError

    __str__ = __repr__ = __len__ = __iter__ = __eq__ = __hash__ = _touched  # type: ignore[assignment]
    strip = lower = split = __format__ = _touched  # type: ignore[assignment]


class HostileList(list):  # type: ignore[type-arg]
    """A list that cannot be walked through."""

    def _touched(self, *_args: object) -> Any:
        raise AssertionError

    __iter__ = __len__ = __getitem__ = __repr__ = __eq__ = _touched  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def raising(*_args: object) -> Any:
    """Fail when called."""
    raise LookupError


async def coroutine(_path: str, _value: object) -> Any:
    """Never to be started."""
    raise AssertionError


class NoArguments:
    """Made by a call without arguments."""


ODD: dict[str, Any] = {
    "an object": object(),
    "a hostile object": Hostile(),
    "a hostile text": HostileText("a\nb"),
    "a hostile list": HostileList([None]),
    "bytes": b"abc",
    "a list with None": [None],
    "a list of lists": [["a"]],
    "a list with a good and a bad entry": ["patient_id", None],
    "a dictionary": {"a": 1},
    "a generator": (each for each in "ab"),
    "a module": types,
    "an exception": ValueError("x"),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "a negative number": -1,
    "a fraction below zero": -0.5,
    "a huge number": 10**400,
    "a number of 5,000 digits": "9" * 5000,
    "a complex number": 1j,
    "true": True,
    "a text with line breaks": "a\nb\r\x1b[31m",
    "a text of 5,000 characters": "x" * 5000,
    "a text of null bytes": "a\0b",
    "half a surrogate": "\ud800",
    "an integration misspelt": "openai_agent",
    "a star": "*",
    "punctuation": "!!!",
    "commas": ",,,",
    "semicolons": "a; b",
    "a secret": f"{SECRET}\n{SECRET}",
    "a function that raises": raising,
    "a coroutine function": coroutine,
    "a class": NoArguments,
}
TEXT = {"an integration misspelt", "a star", "punctuation", "commas", "semicolons"}
ACCEPTED: dict[str, set[str]] = {
    # By what an argument of the kind is; the names of settings where that is not all.
    "str": TEXT,
    "str | PurePath": TEXT,
    "Names": {"an integration misspelt", "a star", "punctuation"},
    "redact_keys": {"an integration misspelt"},
    "integrations": set(),
    "output_mode": set(),
    "endpoint": set(),
    "otlp_endpoint": set(),
    "otlp_signals": set(),
    "bool": {"true"},
    "int": set(),
    "float": set(),
    "float | str": set(),
    "str | int": set(),
    "log_level": set(),
    "str | Callable[[], str]": (TEXT - {"semicolons"})
    | {"a number of 5,000 digits", "a text of 5,000 characters"}
    | {"a function that raises", "a class"},
    "Patterns": {"an integration misspelt", "punctuation", "commas", "semicolons"}
    | {"a text of 5,000 characters", "a text of null bytes"}
    | {"half a surrogate", "a number of 5,000 digits", "a secret", "a hostile text"},
    "Callable[[str, Any], object]": {"a function that raises"},
    "Literal['counts', 'deltas']": set(),
    "Literal['auto', 'published']": set(),
    "Literal['1.36', '1.41', 'head']": set(),
    "Literal['both', 'genai', 'openinference']": set(),
    "str | Mapping[str, str]": set(),
    "object": set(),
}


def accepted(row: Setting) -> set[str]:
    return ACCEPTED[row.name] if row.name in ACCEPTED else ACCEPTED[row.kind.hint]


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The lines that chaukas logs as warnings."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("chaukas.sdk")
    level = logger.level
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def run() -> None:
    model = ScriptedModel([[assistant_message("my answer")]])
    asyncio.run(Runner.run(Agent(name="A", model=model), "my question"))


def recorded() -> list[dict[str, Any]]:
    """Record an event, end recording, and return what the file holds."""
    runtime = _runtime.active()
    assert runtime is not None
    file = runtime.config.output_file
    chaukas.event("mine")
    assert chaukas.disable_chaukas(60.0)
    found = [json.loads(line) for line in file.read_text().splitlines()]
    file.unlink()
    return found


def names_of(events: list[dict[str, Any]]) -> list[Any]:
    return [event["metadata"].get("name") for event in events]


def enable(
    row: Setting, value: object, *, strict: bool = False, patched: bool = False
) -> bool:
    settings: Any = {row.name: value}
    config = without_patches(row)
    if patched and config:
        # The framework of the run; the others make each of many times twice as long.
        config = {"integrations": ["openai_agents"]}
    return chaukas.enable_chaukas(config=config, strict=strict, **settings)


def without_patches(row: Setting) -> dict[str, Any]:
    """Leave the frameworks alone, which takes most of the time."""
    return {} if row.kind.hint == "Names" else {"integrations": []}


EVERY = 24
"""One value in so many is played with a run; all of them, over all settings."""


def hides_content(row: Setting) -> bool:
    """Tell whether content is hidden while the setting is wrong, which a run shows."""
    return row.fallback is not None and row.fallback.field == "capture_content"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_value_that_cannot_be_used_is_one_line_and_recording_works(
    row: Setting, told: list[str]
) -> None:
    for number, (name, value) in enumerate(ODD.items(), ROWS.index(row)):
        told.clear()
        is_bad = name not in accepted(row)
        is_played = number % EVERY == 0 or hides_content(row)
        started = enable(row, value, patched=is_played)
        assert len(told) == is_bad, (name, told)
        assert started is not (is_bad and row.name == "enabled"), name
        if not started:
            assert told[0].endswith("chaukas stays off.")
            continue
        if is_played:
            run()
        events = recorded()
        kinds = [event["type"] for event in events]
        alone = not is_played or (is_bad and "No integration is on" in told[0])
        assert kinds.count("EVENT_TYPE_AGENT_END") == (not alone)
        assert len({"mine", "[REDACTED]"}.intersection(names_of(events))) == 1
        if is_bad:
            assert_clear(told[0], row)
        if is_bad and hides_content(row):
            assert "my question" not in json.dumps(events), name


def assert_clear(line: str, row: Setting) -> None:
    """Check that a line names setting, value, expectation and what holds."""
    assert line.startswith(f"chaukas: cannot read argument {row.name}=")
    _, _, rest = line.partition("=")
    value, _, rest = rest.partition(": expected ")
    assert 0 < len(value) <= 80
    expected, _, remedy = rest.partition(". ")
    assert expected
    assert remedy.endswith(".")
    assert len(line) < 300
    assert line.isprintable()
    assert "a1b2" not in line


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_value_that_cannot_be_used_raises_when_asked_to(
    row: Setting, told: list[str]
) -> None:
    for name, value in ODD.items():
        if name in accepted(row):
            assert enable(row, value, strict=True), name
            assert chaukas.disable_chaukas(60.0)
            continue
        with pytest.raises(ConfigError) as raised:
            enable(row, value, strict=True)
        [problem] = raised.value.problems
        assert problem.setting == row.name
        assert f"argument {row.name}=" in str(raised.value)
        assert str(raised.value).endswith(" chaukas is not enabled.")
        assert not chaukas.is_enabled()
    assert told == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.env], ids=lambda r: r.name)
def test_a_text_of_the_environment_is_read_the_same_way(
    row: Setting, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {n: v for n, v in ODD.items() if type(v) is str and "\0" not in v}
    for name, text in texts.items():
        if name == "half a surrogate":
            # No byte of an environment reads as one.
            continue
        told.clear()
        monkeypatch.setenv(row.env[0], text)
        is_bad = name not in accepted(row)
        if chaukas.enable_chaukas(config=without_patches(row)):
            assert "mine" in names_of(recorded())
        assert len(told) == is_bad, (name, told)
        if is_bad:
            assert f" {row.env[0]}=" in told[0]
            with pytest.raises(ConfigError, match=row.env[0]):
                chaukas.enable_chaukas(strict=True)


def test_what_the_system_refuses_is_no_wrong_setting(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    line = (
        "chaukas: cannot start, as the system refuses (ENOENT, No such file or"
        " directory): nothing is recorded. Look at the working folder and the limits"
        " of this process."
    )
    assert not chaukas.enable_chaukas(branch="main")
    assert told == [line]
    with pytest.raises(ConfigError, match="refuses \\(ENOENT"):
        chaukas.enable_chaukas(branch="main", strict=True)


@pytest.mark.parametrize(
    "fault",
    [(_runtime, "Runtime"), (_runtime, "start"), (config_module, "load")],
    ids=["Runtime", "start", "load"],
)
def test_an_error_while_starting_is_told_with_the_settings_that_were_given(
    fault: tuple[Any, str], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    monkeypatch.setenv("CHAUKAS_TAGS", "a")

    def broken(*_args: object) -> Any:
        raise KeyError(SECRET)

    monkeypatch.setattr(*fault, broken)
    assert not chaukas.enable_chaukas(branch="main", config={"project_id": "p"})
    assert told[0].startswith(
        "chaukas: cannot start with the settings given (branch, project_id,"
        " CHAUKAS_TAGS; KeyError at unit/test_wrong_settings.py:"
    )
    assert ": nothing is recorded. " in told[0]
    assert SECRET not in told[0]
    monkeypatch.delenv("CHAUKAS_TAGS")
    with pytest.raises(ConfigError, match=r"given \(branch; KeyError") as raised:
        chaukas.enable_chaukas(branch="main", strict=True)
    [problem] = raised.value.problems
    assert problem.setting == "branch"
    assert SECRET not in str(raised.value)
