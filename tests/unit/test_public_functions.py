"""The public functions: what a user calls, and what it does to the process."""

from __future__ import annotations

import ast
import asyncio
import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from enum import Enum
from math import isnan
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, Runner, function_tool
from agents.run import AgentRunner
from agents.testing import ScriptedModel, assistant_message, function_call

import chaukas
import chaukas.sdk
from chaukas.sdk import _runtime
from chaukas.sdk.config import table
from chaukas.sdk.config.shown import shown
from chaukas.sdk.config.values import INTEGRATION_NAMES
from chaukas.sdk.errors import ConfigError
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations import INTEGRATIONS
from chaukas.sdk.integrations.openai_agents import OpenAIAgentsEnhancedWrapper
from chaukas.sdk.record import pairs
from chaukas.sdk.record.context import Run, Session
from chaukas.sdk.system.ids import is_sampled
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events
from chaukas.sdk.typing import Settings
from tests.support.programs import play
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def agent(*texts: str) -> Agent[Any]:
    steps = [[assistant_message(text)] for text in texts or ("ok",)]
    return Agent(name="A", model=ScriptedModel(steps))


def run() -> None:
    asyncio.run(Runner.run(agent(), "hi"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("EVENT_TYPE_") for event in events]


def own(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that the test itself recorded."""
    names = {"chaukas.enabled", "chaukas.disabled"}
    return [e for e in events if e["metadata"].get("name") not in names]


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in the working folder of the test."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    )


# -- enable and disable -------------------------------------------------------------


def test_without_settings_events_go_to_a_file_in_the_working_folder(
    tmp_path: Path,
) -> None:
    assert chaukas.enable_chaukas()
    run()
    assert chaukas.disable_chaukas(60.0)
    found = lines(tmp_path / "chaukas_events.jsonl")
    assert {"SYSTEM", "SESSION_START", "AGENT_START", "MODEL_INVOCATION_END"} <= set(
        kinds(found)
    )


def test_the_file_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    chaukas.enable_chaukas(output_file="mine.jsonl")
    monkeypatch.chdir(elsewhere)
    run()
    chaukas.disable_chaukas(60.0)
    assert lines(tmp_path / "mine.jsonl")
    assert not list(elsewhere.iterdir())


def test_enabling_twice_alike_changes_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert chaukas.enable_chaukas(tags=["a"])
    first = _runtime.active()
    assert not chaukas.enable_chaukas(tags=["a"])
    assert _runtime.active() is first
    assert "already enabled" not in caplog.text


def test_enabling_twice_unlike_is_one_line_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert chaukas.enable_chaukas(tenant_id="one")
    assert not chaukas.enable_chaukas(tenant_id="two")
    told = [r for r in caplog.records if "already enabled" in r.getMessage()]
    assert len(told) == 1
    assert "disable_chaukas()" in told[0].getMessage()
    runtime = _runtime.active()
    assert runtime is not None
    assert runtime.config.tenant_id == "one"


def test_of_two_threads_that_enable_one_does() -> None:
    barrier = threading.Barrier(8)
    answers: list[bool] = []

    def enable() -> None:
        barrier.wait()
        answers.append(chaukas.enable_chaukas())

    threads = [threading.Thread(target=enable) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 7 + [True]
    run()
    chaukas.disable_chaukas(60.0)
    found = kinds(lines(Path("chaukas_events.jsonl")))
    assert found.count("AGENT_START") == 1


def test_originals_come_back_by_identity() -> None:
    import agents.run_internal.model_retry as retry
    import tenacity

    places: list[tuple[Any, str]] = [
        (AgentRunner, "run"),
        (AgentRunner, "run_streamed"),
        (retry, "get_response_with_retry"),
        (tenacity.RetryCallState, "prepare_for_next_attempt"),
        (tenacity.BaseRetrying, "iter"),
        (tenacity.AsyncRetrying, "iter"),
    ]
    before = [vars(holder)[name] for holder, name in places]
    with capture_events():
        during = [vars(holder)[name] for holder, name in places]
    after = [vars(holder)[name] for holder, name in places]
    assert all(new is not old for new, old in zip(during, before, strict=True))
    assert all(new is old for new, old in zip(after, before, strict=True))


def test_a_thousand_enablings_leave_no_thread_no_file_and_no_patch(
    tmp_path: Path,
) -> None:
    # In a process of its own: libraries of other tests start threads when they like.
    done = play(
        tmp_path,
        """
        from pathlib import Path
        from agents.run import AgentRunner
        from tests.support.waiting import until

        def count(what):
            return len(list(Path(f"/proc/self/{what}").iterdir()))

        original, running = vars(AgentRunner)["run"], count("task")
        enable()
        assert vars(AgentRunner)["run"] is not original
        chaukas.disable_chaukas(60.0)
        files = count("fd")
        for _ in range(1000):
            enable(integrations=["tenacity"])
            assert chaukas.disable_chaukas(60.0)
        until(lambda: count("task") == running)
        print(count("fd") - files, vars(AgentRunner)["run"] is original)
        """,
    )
    assert (done.code, done.out, done.error) == (0, "0 True\n", "")
    assert len(done.events) == 2002


def test_disabling_during_runs_changes_nothing_for_them_and_leaves_pairs() -> None:
    answers: list[str] = []

    @function_tool
    async def pause() -> str:
        """Wait until chaukas is off."""
        gate.set()
        await off.wait()
        return "done"

    async def main() -> None:
        steps = [[function_call("pause", {}, call_id="c")], [assistant_message("ok")]]
        busy = Agent(name="A", model=ScriptedModel(steps), tools=[pause])
        task = asyncio.create_task(Runner.run(busy, "hi"))
        streamed = Runner.run_streamed(agent("a b c"), "hi")
        await gate.wait()
        chaukas.sdk.disable_chaukas(60.0)
        off.set()
        async for _ in streamed.stream_events():
            pass
        answers.extend([(await task).final_output, streamed.final_output])

    gate, off = asyncio.Event(), asyncio.Event()
    with capture_events() as events:
        asyncio.run(main())
    assert answers == ["ok", "a b c"]
    assert_paired(events())


def assert_paired(events: list[dict[str, Any]]) -> None:
    """Check that every START has one END, after it."""
    open_spans: dict[str, str] = {}
    for event in events:
        kind, span = event["type"], event["span_id"]
        if kind.endswith("_START"):
            assert span not in open_spans
            open_spans[span] = kind
        elif kind.endswith("_END"):
            assert open_spans.pop(span) == kind.replace("_END", "_START")
    assert not open_spans


def test_disabling_in_the_middle_of_anything_leaves_pairs() -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    recorded = []
    for _ in range(40):
        with capture_events(integrity=False) as events:
            until(lambda events=events: len(events()) > 5)  # type: ignore[misc]
        recorded.append(events())
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    for each in recorded:
        assert_paired(each)


class _Held(FakeClock):
    """A clock at which a thread is held up, once it is named."""

    def __init__(self, look: str) -> None:
        super().__init__()
        self.thread = 0
        self.is_reached, self.go_on = threading.Event(), threading.Event()
        self._look = look

    def time_ns(self) -> int:
        self._hold("time_ns")
        return super().time_ns()

    def monotonic_ns(self) -> int:
        self._hold("monotonic_ns")
        return super().monotonic_ns()

    def _hold(self, look: str) -> None:
        if (look, threading.get_ident()) == (self._look, self.thread):
            self.is_reached.set()
            assert self.go_on.wait(60)


@pytest.mark.parametrize("look", ["time_ns", "monotonic_ns"])
def test_disabling_lets_another_thread_record_what_it_has_in_hand(
    monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    clock, kind = _Held(look), EventType.MODEL_INVOCATION_START
    own = Run(Session("s", "", ""), "a" * 32)
    with capture_events(clock=clock) as events:
        runtime = _runtime.active()
        assert runtime is not None
        manager = runtime.recorder.pairs
        begun = None if look == "time_ns" else manager.start(kind, own, {})

        def work() -> None:
            # The END of what is begun, or else a START.
            clock.thread = threading.get_ident()
            if begun is None:
                manager.start(kind, own, {})
            else:
                manager.end(begun)

        thread = threading.Thread(target=work)
        thread.start()
        assert clock.is_reached.wait(60)

        def wait(_seconds: float) -> None:
            clock.go_on.set()
            thread.join()

        # Whoever disables waits for that thread, which then goes on.
        monkeypatch.setattr(pairs, "sleep", wait)
        chaukas.sdk.disable_chaukas(60.0)
        clock.go_on.set()
        thread.join()
    assert_paired(events())
    assert sum("MODEL" in event["type"] for event in events()) == 2


def test_switched_off_by_the_environment_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHAUKAS_ENABLED", "false")
    original = vars(AgentRunner)["run"]
    assert not chaukas.enable_chaukas(strict=True)
    assert not chaukas.is_enabled()
    assert vars(AgentRunner)["run"] is original
    run()
    assert chaukas.disable_chaukas()
    assert not list(tmp_path.iterdir())


def test_without_enabling_every_call_is_harmless() -> None:
    chaukas.event("x", {"a": 1})
    chaukas.policy_decision("p", "allow")
    chaukas.state_update({"a": 1})
    chaukas.data_access("db")
    assert chaukas.flush()
    assert chaukas.stats() == chaukas.Stats()
    assert chaukas.current_traceparent() is None
    assert not chaukas.end_session()
    assert chaukas.disable_chaukas()


@pytest.mark.parametrize(
    "settings",
    [
        {"file_path": "a.jsonl"},
        {"output_mode": "file"},
        {"emit_to_file": True},
        {"integrations": []},
        {"retry_config": {"max_llm_retries": 2}},
        {"config": {"tenant_id": "t"}},
    ],
)
def test_every_documented_spelling_is_an_argument(settings: dict[str, Any]) -> None:
    assert chaukas.enable_chaukas(strict=True, **settings)


def test_every_setting_is_an_argument() -> None:
    for row in (*table.SETTINGS, *table.SWITCHES):
        for name in row.spellings:
            assert chaukas.sdk._slip_in({name: None}) == ""


def test_an_argument_that_is_no_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError) as raised:
        # The slip is what is tested.
        chaukas.enable_chaukas(tennant_id="t")  # type: ignore[call-arg]
    assert str(raised.value) == (
        "enable_chaukas() got an unexpected keyword argument 'tennant_id'. Did you mean"
        " 'tenant_id'? The settings are listed in docs/CONFIGURATION.md, and by"
        " help(chaukas.sdk.typing.Settings)."
    )
    assert not chaukas.is_enabled()


def test_type_checkers_know_every_setting_as_the_table_has_it() -> None:
    rows = (*table.SETTINGS, *table.SWITCHES)
    hints = {name: f"{row.kind.hint} | None" for row in rows for name in row.spellings}
    retry = "RetryConfig | Mapping[str, Any] | None"
    told = {
        name: hint.__forward_arg__
        for name, hint in vars(Settings)["__annotations__"].items()
    }
    assert told == {**hints, "retry_config": retry, "retry": retry}
    assert not Settings.__required_keys__


def test_integrations_may_name_what_can_be_installed() -> None:
    assert [each.name for each in INTEGRATIONS] == list(INTEGRATION_NAMES)


def test_bad_settings_are_one_line_each_and_the_program_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CHAUKAS_SAMPLE_RATE", "often")
    assert chaukas.enable_chaukas()
    told = [r.getMessage() for r in caplog.records if r.name == "chaukas.sdk"]
    assert len(told) == 1
    assert "CHAUKAS_SAMPLE_RATE" in told[0]
    assert "often" in told[0]


def test_bad_settings_raise_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAUKAS_SAMPLE_RATE", "often")
    with pytest.raises(ConfigError, match="CHAUKAS_SAMPLE_RATE"):
        chaukas.enable_chaukas(strict=True)
    assert not chaukas.is_enabled()


def test_the_error_of_strict_names_no_default_that_nobody_uses() -> None:
    with pytest.raises(ConfigError) as raised:
        chaukas.enable_chaukas(memory_limit="12 parsecs", strict=True)
    assert str(raised.value) == (
        "chaukas: cannot read argument memory_limit='12 parsecs': expected a size such"
        " as '512MB'. Correct or remove it. chaukas is not enabled."
    )


@pytest.fixture
def info_lines() -> Iterator[list[str]]:
    """The lines that chaukas logs at level INFO."""
    lines: list[str] = []
    handler = logging.Handler()

    def keep(record: logging.LogRecord) -> None:
        if record.levelno == logging.INFO:
            lines.append(record.getMessage())

    handler.emit = keep  # type: ignore[method-assign]  # of this handler alone
    logger = logging.getLogger("chaukas.sdk")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_one_line_says_where_events_go_and_one_what_became_of_them(
    tmp_path: Path, info_lines: list[str]
) -> None:
    chaukas.enable_chaukas(integrations=[])
    chaukas.event("one")
    assert chaukas.disable_chaukas(60.0)
    file = tmp_path / "chaukas_events.jsonl"
    assert "\n".join(info_lines) == (
        f"chaukas: recording to {file}. No integration is on.\n"
        "chaukas: recording ended (disabled): 3 events, 3 stored or delivered,"
        " 0 waiting, 0 lost."
    )


def test_the_line_about_an_endpoint_holds_no_credentials(
    tmp_path: Path, info_lines: list[str]
) -> None:
    chaukas.enable_chaukas(
        endpoint="http://user:hunter2@127.0.0.1:9/v1?token=abc",
        api_key="sk-x",
        output_mode=["file", "http"],
        spool_dir=tmp_path / "spool",
    )
    assert not chaukas.disable_chaukas(0.2)
    assert info_lines[0] == (
        f"chaukas: recording to {tmp_path / 'chaukas_events.jsonl'} and"
        " http://127.0.0.1:9/v1 (http)."
    )
    assert re.search(r"\b2 waiting, 0 lost\.$", info_lines[-1])


def test_at_exit_the_line_is_logged_too(tmp_path: Path) -> None:
    done = python(
        "import logging, chaukas\n"
        "logging.basicConfig(level='INFO', format='%(message)s')\n"
        "chaukas.enable_chaukas(output_file='a.jsonl')\n"
        "chaukas.event('one')\n"
    )
    assert done.stderr == (
        f"chaukas: recording to {tmp_path / 'a.jsonl'}.\n"
        "chaukas: recording ended (exit): 3 events, 3 stored or delivered, 0 waiting,"
        " 0 lost.\n"
    )


def test_a_log_handler_that_raises_keeps_nothing_from_being_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_record: logging.LogRecord) -> None:
        raise LookupError

    handler = logging.Handler()
    monkeypatch.setattr(handler, "handle", broken)
    logger = logging.getLogger("chaukas.sdk")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setenv("CHAUKAS_SAMPLE_RATE", "often")
    level = logger.level
    try:
        assert chaukas.enable_chaukas(log_level="INFO")
        assert not chaukas.enable_chaukas(tenant_id="another")
        chaukas.policy_decision("p", "maybe")
        assert chaukas.disable_chaukas(60.0)
    finally:
        logger.setLevel(level)
    found = lines(Path("chaukas_events.jsonl"))
    assert kinds(found).count("POLICY_DECISION") == 1


def test_a_failure_of_chaukas_itself_does_not_reach_the_program(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")

    def broken(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(_runtime, "Runtime", broken)
    assert not chaukas.enable_chaukas()
    assert "internal error in enable_chaukas" in caplog.text


def test_what_no_collector_takes_waits_in_the_spool(tmp_path: Path) -> None:
    spool_dir = tmp_path / "spool"
    assert chaukas.enable_chaukas(
        endpoint="http://127.0.0.1:9", api_key="sk-x", spool_dir=spool_dir
    )
    chaukas.event("one")
    assert not chaukas.disable_chaukas(0.2)
    (segment,) = spool_dir.glob("*/*.seg")
    assert b'"name":"one"' in segment.read_bytes()
    assert b"sk-x" not in segment.read_bytes()
    assert list(tmp_path.glob("*.jsonl")) == []


def test_rotation_is_a_setting(tmp_path: Path) -> None:
    chaukas.enable_chaukas(rotate_bytes=2048, rotate_keep=50)
    for _ in range(3):
        run()
        chaukas.flush()
    chaukas.disable_chaukas(60.0)
    assert len(list(tmp_path.iterdir())) > 1


def test_the_log_level_is_a_setting() -> None:
    logger = logging.getLogger("chaukas.sdk")
    before = logger.level
    try:
        chaukas.enable_chaukas(log_level="ERROR")
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)


def test_system_tells_versions_hooks_and_settings_without_secrets() -> None:
    secret = "sk-" + "a" * 24
    with capture_events(api_key=secret, redact_patterns=["x+"]) as events:
        pass
    enabled = events()[0]
    data = enabled["metadata"]["data"]
    assert enabled["type"] == "EVENT_TYPE_SYSTEM"
    assert data["versions"]["python"].startswith("3.")
    hooks = data["integrations"]["openai_agents"]["hooks"]
    assert "agents.run:AgentRunner.run" in hooks["active"]
    assert data["integrations"]["openai_agents"]["versions"]["openai-agents"]
    assert data["configuration"]["api_key"] is True
    assert data["configuration"]["session_idle_timeout_s"] == 1800
    assert secret not in json.dumps(events())
    assert not any(type(v) is float for v in data["configuration"].values() if v != 0.5)


# -- integrations -------------------------------------------------------------------


def test_a_package_of_the_users_called_agents_is_left_alone(tmp_path: Path) -> None:
    package = tmp_path / "agents"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("run", "tool", "guardrail", "run_context"):
        (package / f"{name}.py").write_text("raise SystemExit('imported')\n")
    done = python(
        "import agents, chaukas\n"
        "assert chaukas.enable_chaukas()\n"
        "chaukas.disable_chaukas(60.0)\n"
        "import agents.models\n"
        "print(agents.__file__)",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
        CHAUKAS_RAISE_INTERNAL="1",
    )
    assert "No module named 'agents.models'" in done.stderr
    assert "imported" not in done.stderr
    [enabled, *_] = lines(tmp_path / "chaukas_events.jsonl")
    assert "openai_agents" not in enabled["metadata"]["data"]["integrations"]


def test_landmarks_are_looked_up_without_waking_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lazy(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    wrapper = OpenAIAgentsEnhancedWrapper.__new__(OpenAIAgentsEnhancedWrapper)
    assert wrapper.is_target_present()
    for stranger in (Lazy("agents.run"), object()):
        with monkeypatch.context() as changed:
            changed.setitem(sys.modules, "agents.run", stranger)
            assert not wrapper.is_target_present()


def test_a_framework_imported_later_is_recorded_from_then_on() -> None:
    done = python(
        "import chaukas\n"
        "chaukas.enable_chaukas(output_file='late.jsonl')\n"
        "import agents, agents.testing as t, asyncio\n"
        "agents.set_tracing_disabled(True)\n"
        "model = t.ScriptedModel([[t.assistant_message('x')]])\n"
        "a = agents.Agent(name='A', model=model)\n"
        "asyncio.run(agents.Runner.run(a, 'hi'))\n",
        CHAUKAS_RAISE_INTERNAL="1",
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = lines(Path("late.jsonl"))
    names = [e["metadata"].get("name") for e in found]
    assert names[:2] == ["chaukas.enabled", "chaukas.integration"]
    assert kinds(found).count("AGENT_START") == 1
    assert names[-1] == "chaukas.disabled"


def test_an_integration_that_is_not_wanted_is_not_installed() -> None:
    with capture_events(integrations=["tenacity"]) as events:
        run()
    assert set(kinds(events())) == {"SYSTEM"}


def test_an_integration_is_installed_once_by_two_threads() -> None:
    with capture_events(integrations=["tenacity"]):
        runtime = _runtime.active()
        assert runtime is not None
        known = next(k for k in INTEGRATIONS if k.name == "openai_agents")
        barrier = threading.Barrier(4)
        answers: list[bool] = []

        def attach() -> None:
            barrier.wait()
            answers.append(runtime.attach(known))

        threads = [threading.Thread(target=attach) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [False, False, False, True]


# -- an application's own events ------------------------------------------------------


def test_an_event_of_the_users_is_a_system_event_with_a_name() -> None:
    with capture_events() as events:
        chaukas.event("cart.checked_out", {"items": 3, "password": "x"})
        chaukas.event("empty")
    first, second = own(events())
    assert first["type"] == "EVENT_TYPE_SYSTEM"
    assert first["metadata"]["name"] == "cart.checked_out"
    assert first["metadata"]["data"] == {"items": 3, "password": "[REDACTED]"}
    assert first["redaction"]["fields"] == ["metadata.data.password"]
    assert first["metadata"]["chaukas"]["stream"]
    assert second["metadata"]["name"] == "empty"


@pytest.mark.parametrize("content", [True, False])
def test_names_and_ids_stay_readable_without_content(content: bool) -> None:
    with capture_events(capture_content=content) as events:
        chaukas.event("name", {"who": "Ada"})
        chaukas.policy_decision("pid", "deny", rule_ids=["r1"], rationale="because")
        chaukas.data_access(
            "db", document_ids=["d1"], chunk_ids=("c1",), metadata={"q": "text"}
        )
        chaukas.state_update({"theme": "dark"})
    event, policy, access, state = own(events())
    assert event["metadata"]["name"] == "name"
    assert event["metadata"]["data"] == {"who": "Ada" if content else "<3 chars>"}
    assert policy["policy"] == {
        "policy_id": "pid",
        "outcome": "deny",
        "rule_ids": ["r1"],
        "rationale": "because" if content else "<7 chars>",
    }
    assert policy["severity"] == "SEVERITY_WARN"
    assert access["data_access"] == {
        "datasource": "db",
        "document_ids": ["d1"],
        "chunk_ids": ["c1"],
        "metadata": {"q": "text" if content else "<4 chars>"},
    }
    assert state["state_update"] == {"theme": "dark" if content else "<4 chars>"}


class Word(str, Enum):
    """Texts as many programs write them."""

    ORDERS = "orders-db"
    DENY = "deny"


class Text(str):
    """A text of a type of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError


def test_the_name_of_a_source_may_be_any_kind_of_text() -> None:
    before = set(_runtime.data_access_names)
    with capture_events() as events:
        chaukas.data_access(Word.ORDERS)
        chaukas.data_access(Text("archive"), document_ids=["d"])
    first, second = own(events())
    assert first["data_access"] == {"datasource": "orders-db"}
    assert second["data_access"] == {"datasource": "archive", "document_ids": ["d"]}
    assert _runtime.data_access_names == before


@pytest.mark.parametrize(
    ("outcome", "recorded"),
    [
        ("allow", "allow"),
        ("override", "override"),
        (" DENY ", "deny"),
        (Word.DENY, "deny"),
        (Text("review"), "review"),
    ],
)
def test_an_outcome_may_be_any_kind_of_text(outcome: str, recorded: str) -> None:
    with capture_events() as events:
        chaukas.policy_decision("p", outcome, rationale="so")
    [event] = own(events())
    assert event["policy"] == {
        "policy_id": "p",
        "outcome": recorded,
        "rationale": "so",
    }
    is_denied = recorded == "deny"
    assert (event["severity"] == "SEVERITY_WARN") is is_denied


@pytest.mark.parametrize("outcome", ["maybe", True, None, 3, "denied"])
def test_an_outcome_that_is_none_is_recorded_apart_and_logged_once(
    outcome: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaukas.sdk, "_told", set())
    with capture_events() as events:
        for _ in range(3):
            chaukas.policy_decision("p", outcome, rationale="because")
    for event in own(events()):
        assert event["policy"] == {
            "policy_id": "p",
            "rationale": "because",
            "metadata": {"outcome": outcome},
        }
    [line] = [r.getMessage() for r in caplog.records]
    assert line == (
        f"chaukas: policy_decision() got the outcome {shown(outcome)}: it is recorded,"
        " but not as an outcome. Use one of allow, deny, review, override."
    )


def test_wrong_outcomes_do_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaukas.sdk, "_told", set())
    with capture_events():
        for number in range(100):
            chaukas.policy_decision("p", f"outcome {number} {'x' * 5000}")
    assert len(caplog.records) == 16
    assert max(len(r.getMessage()) for r in caplog.records) < 250


def test_ending_a_session_reads_its_id_as_the_session_did() -> None:
    ids: list[Any] = ["a" * 5000, uuid.uuid4(), 42, Word.ORDERS, "plain"]
    for session_id in ids:
        with capture_events(), chaukas.session(session_id):
            run()
            assert chaukas.end_session(session_id), session_id
            assert not chaukas.end_session(session_id)


def test_ending_what_is_no_session_leaves_the_one_in_force_open() -> None:
    with capture_events(), chaukas.session("s"):
        run()
        assert not chaukas.end_session(object())  # type: ignore[arg-type]
        assert not chaukas.end_session("s", tenant_id=True)  # type: ignore[arg-type]
        assert chaukas.end_session()


@pytest.mark.parametrize(
    "timeout_s",
    [-1, -1e400, 1e400, 10**400, float("nan"), True, "1", None, b"1", object()],
    ids=range(10),
)
def test_a_time_to_wait_that_is_none_is_the_default(
    timeout_s: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_events():
        chaukas.event("x")
        assert chaukas.flush(60.0)
        assert type(chaukas.flush(timeout_s)) is bool
    is_nan = type(timeout_s) is float and isnan(timeout_s)
    is_number = type(timeout_s) in (int, float) and not is_nan
    told = [r.getMessage() for r in caplog.records]
    assert len(told) == (not is_number)
    assert all(
        line.startswith("chaukas: flush(timeout_s=")
        and line.endswith(": expected a number of seconds. Waiting 5 s at most.")
        for line in told
    )


@pytest.mark.parametrize("content", [True, False])
def test_names_and_ids_are_bounded_and_redacted(content: bool) -> None:
    secret = "sk-" + "a" * 24
    with capture_events(capture_content=content) as events:
        chaukas.event("x" * 10_000)
        chaukas.data_access("db", document_ids=[secret, "y" * 10_000, "ok"])
    event, access = own(events())
    assert len(event["metadata"]["name"]) < 300
    first, second, third = access["data_access"]["document_ids"]
    assert first == "[REDACTED]"
    assert len(second) < 300
    assert third == "ok"
    assert access["redaction"]["fields"] == ["data_access.document_ids[0]"]


@pytest.mark.parametrize("value", [0.5, 1, True, False, "good"])
@pytest.mark.parametrize("content", [True, False])
def test_a_score_tells_its_value_and_what_it_judges(
    value: float | bool | str, content: bool
) -> None:
    with capture_events(capture_content=content) as events:
        chaukas.score(
            "helpfulness",
            value,
            comment="kind",
            run_id="r1",
            span_id="s1",
            trace_id="ab" * 16,
            metadata={"judge": "gpt"},
        )
        chaukas.score("thumb", value)
    first, second = own(events())
    assert first["type"] == "EVENT_TYPE_SYSTEM"
    assert first["trace_id"] == "ab" * 16
    told = first["metadata"]
    assert (told["name"], told["data"]) == (
        "chaukas.score",
        {"judge": "gpt" if content else "<3 chars>"},
    )
    assert told["score"] == {
        "name": "helpfulness",
        "value": value,
        "comment": "kind" if content else "<4 chars>",
        "run_id": "r1",
        "span_id": "s1",
        "trace_id": "ab" * 16,
    }
    assert second["metadata"]["score"] == {"name": "thumb", "value": value}


def test_a_score_is_sampled_with_the_trace_that_it_judges() -> None:
    ids = [f"{number:032x}" for number in range(1, 64)]
    kept = next(each for each in ids if is_sampled(each, 0.5))
    left = next(each for each in ids if not is_sampled(each, 0.5))
    with capture_events(sample_rate=0.5) as events:
        for _ in range(8):
            chaukas.score("q", 1, trace_id=kept)
            chaukas.score("q", 1, trace_id=left)
    assert {event["trace_id"] for event in own(events())} == {kept}


def test_a_score_of_no_plain_value_costs_the_host_nothing() -> None:
    class Odd:
        def __float__(self) -> float:
            pytest.fail("asked for a number")

    with capture_events() as events:
        chaukas.score("q", Odd())  # type: ignore[arg-type]
        chaukas.score("q", float("nan"))
    assert len(own(events())) == 2


# -- the wrapper, as early documents have it ------------------------------------------


def test_the_wrapper_is_there_while_it_records_and_ends_the_session() -> None:
    assert OpenAIAgentsEnhancedWrapper.installed() is None
    with capture_events() as events:
        run()
        wrapper = OpenAIAgentsEnhancedWrapper.installed()
        assert wrapper is not None
        assert wrapper._end_session() is True
        before_the_end = kinds(events())
        assert wrapper._end_session() is False
    assert before_the_end[-1] == "SESSION_END"
    assert OpenAIAgentsEnhancedWrapper.installed() is None


def test_the_event_builder_of_the_wrapper_records_events() -> None:
    with capture_events() as events:
        wrapper = OpenAIAgentsEnhancedWrapper.installed()
        assert wrapper is not None
        session = Session("s", "t", "p")
        wrapper.event_builder.emit(
            chaukas.EventType.SYSTEM,
            Run(session, "ab" * 16, sampled=True),
            {},
            metadata={"name": "own"},
        )
    (told,) = own(events())
    assert (told["metadata"]["name"], told["session_id"]) == ("own", "s")


# -- lines for people who wonder ------------------------------------------------------


@pytest.fixture
def debug() -> Iterator[logging.Logger]:
    logger = logging.getLogger("chaukas.sdk")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(level)


def test_at_debug_each_event_is_a_line_without_content(
    debug: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_events(session_id="chat-1") as events:
        run()
        chaukas.event("cart.checked_out", {"who": "Ada"})
    told = [line for line in caplog.messages if line.startswith("chaukas: recorded")]
    assert len(told) == len(events())
    spans = [event["span_id"] for event in events()]
    assert [line.split(" span ")[1].split()[0] for line in told] == spans
    start = next(line for line in told if " AGENT_START:" in line)
    assert "session 'chat-1', agent 'A'" in start
    assert "Ada" not in caplog.text


def test_above_debug_there_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "chaukas.sdk"), capture_events():
        run()
    assert "recorded" not in caplog.text


def test_a_handler_that_fails_or_records_does_the_host_no_harm(
    debug: logging.Logger,
) -> None:
    class Odd(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            chaukas.event("logged")
            raise ValueError("no disk")

    handler = Odd()
    debug.addHandler(handler)
    try:
        with capture_events() as events:
            chaukas.event("first")
            # The handler is called on the writer's thread, and records from there.
            chaukas.flush()
            chaukas.flush()
            dropped = chaukas.stats().dropped
    finally:
        debug.removeHandler(handler)
    names = [event["metadata"]["name"] for event in own(events())]
    assert {"first", "logged"} <= set(names)
    assert not dropped


def test_a_decision_takes_facts_of_its_own() -> None:
    with capture_events() as events:
        facts = {"severity": "high", "approver": "finance"}
        chaukas.policy_decision("tool_approval", "review", metadata=facts)
    (decision,) = own(events())
    assert decision["policy"] == {
        "policy_id": "tool_approval",
        "outcome": "review",
        "metadata": facts,
    }


def test_a_single_document_is_a_list_of_one() -> None:
    with capture_events() as events:
        chaukas.data_access("db", document_ids="d1")
        chaukas.data_access("db", document_ids=[1, None])  # type: ignore[list-item]
    first, second = own(events())
    assert first["data_access"]["document_ids"] == ["d1"]
    assert second["data_access"]["document_ids"] == ["1", "null"]


def test_state_that_is_no_mapping_is_still_told() -> None:
    with capture_events() as events:
        chaukas.state_update(["a"])  # type: ignore[arg-type]
    assert own(events())[0]["state_update"] == {"value": ["a"]}


def test_events_stand_under_what_is_in_force() -> None:
    @function_tool
    def shop() -> str:
        """Buy something."""
        chaukas.event("inside")
        return "done"

    steps = [[function_call("shop", {}, call_id="c")], [assistant_message("ok")]]
    buyer = Agent(name="A", model=ScriptedModel(steps), tools=[shop])
    with capture_events() as events, chaukas.session("s"):
        chaukas.event("before")
        asyncio.run(Runner.run(buyer, "hi"))
        chaukas.event("after")
    by_name = {e["metadata"].get("name"): e for e in events()}
    span_of = {e["type"]: e["span_id"] for e in events()}
    before, inside, after = (by_name[n] for n in ("before", "inside", "after"))
    assert before["parent_span_id"] == span_of["EVENT_TYPE_SESSION_START"]
    assert inside["parent_span_id"] == span_of["EVENT_TYPE_TOOL_CALL_START"]
    assert inside["agent_name"] == "A"
    assert after["parent_span_id"] == span_of["EVENT_TYPE_SESSION_START"]
    assert {e["session_id"] for e in (before, inside, after)} == {"s"}


def test_a_run_that_hides_its_content_hides_it_in_the_users_events() -> None:
    from agents import RunConfig

    @function_tool
    def shop() -> str:
        """Buy something."""
        chaukas.event("inside", {"who": "Ada"})
        return "done"

    steps = [[function_call("shop", {}, call_id="c")], [assistant_message("ok")]]
    buyer = Agent(name="A", model=ScriptedModel(steps), tools=[shop])
    with capture_events() as events:
        asyncio.run(
            Runner.run(
                buyer, "hi", run_config=RunConfig(trace_include_sensitive_data=False)
            )
        )
    [told] = [e for e in events() if e["metadata"].get("name") == "inside"]
    assert told["metadata"]["data"] == {"who": "<3 chars>"}
    assert told["metadata"]["chaukas"]["stream"]


@pytest.mark.parametrize("declare", [chaukas.retrieval_tool, chaukas.data_access])
def test_a_tool_declared_as_retrieval_is_recorded_as_data_access(declare: Any) -> None:
    @function_tool
    @declare  # type: ignore[untyped-decorator]  # either of two
    def lookup() -> str:
        """Find something."""
        return "found"

    steps = [[function_call("lookup", {}, call_id="c")], [assistant_message("ok")]]
    seeker = Agent(name="A", model=ScriptedModel(steps), tools=[lookup])
    try:
        with capture_events() as events:
            asyncio.run(Runner.run(seeker, "hi"))
    finally:
        _runtime.data_access_names.discard("lookup")
    [told] = [e for e in events() if e["type"] == "EVENT_TYPE_DATA_ACCESS"]
    assert told["data_access"]["datasource"] == "lookup"


@pytest.mark.parametrize("what", [None, 42, b"db", object()])
def test_what_is_neither_a_name_nor_a_tool_is_logged_and_left_alone(
    what: object, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaukas.sdk, "_told", set())
    before = set(_runtime.data_access_names)
    with capture_events() as events:
        assert chaukas.data_access(what) is what
        assert chaukas.retrieval_tool(what) is what
    assert own(events()) == []
    assert _runtime.data_access_names == before
    [line] = [r.getMessage() for r in caplog.records]
    assert f"got {shown(what)}: it is neither the name of a data source" in line


# -- traces -------------------------------------------------------------------------

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def starts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in events if e["type"] == "EVENT_TYPE_AGENT_START"]


def test_a_run_joins_the_trace_of_a_traceparent() -> None:
    with (
        capture_events() as events,
        chaukas.session("s", traceparent=f"00-{TRACE}-{SPAN}-01"),
    ):
        run()
        chaukas.event("mine")
    [start] = starts(events())
    assert start["trace_id"] == TRACE
    assert start["metadata"]["remote_parent_span_id"] == SPAN
    assert own(events())[-2]["trace_id"] == TRACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        42,
    ],
)
def test_a_text_that_is_no_traceparent_is_ignored(text: Any) -> None:
    with capture_events() as events, chaukas.session("s", traceparent=text):
        run()
    [start] = starts(events())
    assert start["trace_id"] != TRACE
    assert "remote_parent_span_id" not in start["metadata"]


def test_a_run_joins_the_trace_of_an_active_span() -> None:
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with (
        capture_events() as events,
        tracer.start_as_current_span("request") as span,
    ):
        run()
        context = span.get_span_context()
    [start] = starts(events())
    assert start["trace_id"] == f"{context.trace_id:032x}"
    assert start["metadata"]["otel_parent_span_id"] == f"{context.span_id:016x}"
    assert {e["trace_id"] for e in own(events())} == {start["trace_id"]}


def test_the_traceparent_of_the_span_in_force_is_handed_out() -> None:
    told: list[str | None] = []

    @function_tool
    def call_service() -> str:
        """Call something."""
        told.append(chaukas.current_traceparent())
        return "done"

    steps = [
        [function_call("call_service", {}, call_id="c")],
        [assistant_message("ok")],
    ]
    caller = Agent(name="A", model=ScriptedModel(steps), tools=[call_service])
    with capture_events(clock=FakeClock(), ids=SequentialIds()) as events:
        asyncio.run(Runner.run(caller, "hi"))
        assert chaukas.current_traceparent() is None
    [tool] = [e for e in events() if e["type"] == "EVENT_TYPE_TOOL_CALL_START"]
    assert told == [f"00-{tool['trace_id']}-{tool['span_id']}-01"]


def test_sampling_is_per_trace_and_whole() -> None:
    with capture_events(sample_rate=0.5, integrity=False) as events:
        for _ in range(60):
            run()
    runs: dict[str, int] = {}
    for event in events():
        if event["type"] != "EVENT_TYPE_SYSTEM":
            trace = event["trace_id"]
            runs[trace] = runs.get(trace, 0) + (
                not event["type"].startswith("EVENT_TYPE_SESSION")
            )
    assert 0 < len(runs) < 60
    assert len(set(runs.values())) == 1


def test_a_given_trace_is_sampled_alike_in_every_process() -> None:
    recorded = []
    for _ in range(3):
        with capture_events(sample_rate=0.5) as events:
            for number in range(20):
                parent = f"00-{number:032x}-{SPAN}-01".replace("0" * 32, TRACE)
                with chaukas.session(str(number), traceparent=parent):
                    run()
        recorded.append([e["trace_id"] for e in starts(events())])
    assert recorded[0] == recorded[1] == recorded[2]
    assert 0 < len(recorded[0]) < 20


# -- names and imports ----------------------------------------------------------------


def test_both_ways_to_import_give_the_same_names() -> None:
    from chaukas import sdk

    assert sdk.enable_chaukas is chaukas.enable_chaukas
    assert set(sdk.__all__) <= set(dir(chaukas))
    for name in sdk.__all__:
        assert getattr(chaukas, name) is getattr(sdk, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        chaukas.nothing  # noqa: B018  # the access is what is tested
    with pytest.raises(AttributeError):
        chaukas._private  # noqa: B018  # the access is what is tested


@pytest.mark.parametrize("order", ["sdk first", "spec first"])
def test_the_published_spec_lives_beside_us(order: str) -> None:
    parts = ["import chaukas.sdk", "import chaukas.spec"]
    code = "; ".join(parts if order == "sdk first" else parts[::-1])
    done = python(f"{code}; import chaukas; chaukas.is_enabled()")
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_chaukas_loads_nothing_heavy() -> None:
    done = python(
        "import sys, chaukas.sdk\n"
        "heavy = {'agents', 'asyncio', 'genai_prices', 'google.protobuf', 'grpc',"
        " 'httpx', 'openai', 'opentelemetry', 'pydantic', 'sqlite3', 'tenacity'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_enabling_without_targets_loads_none_of_them() -> None:
    done = python(
        "import sys, chaukas\n"
        "chaukas.enable_chaukas()\n"
        "heavy = {'agents', 'grpc', 'openai', 'opentelemetry', 'tenacity'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# -- the test kit ---------------------------------------------------------------------


def test_the_test_kit_repeats_itself() -> None:
    def once() -> list[dict[str, Any]]:
        with capture_events(
            clock=FakeClock(), ids=SequentialIds(), integrations=["tenacity"]
        ) as events:
            chaukas.event("a")
        return events()

    assert once() == once()


def test_the_test_kit_refuses_to_capture_twice() -> None:
    with (
        capture_events(),
        pytest.raises(RuntimeError, match="enabled already"),
        capture_events(),
    ):
        pass


def test_the_test_kit_refuses_settings_that_cannot_be_used() -> None:
    with pytest.raises(ConfigError), capture_events(sample_rate="often"):
        pass
    assert not chaukas.is_enabled()


LOADED = """
import sys
import chaukas

if sys.argv[2] == "broken":
    sys.modules["grpc"] = None
wanted = {"grpc", "chaukas.sdk.wire.proto.ingest_pb2", "google.protobuf.message"}
assert chaukas.enable_chaukas(endpoint=sys.argv[1], spool_dir="spool")
print(sorted(name for name in wanted if sys.modules.get(name)))
chaukas.event("one")
chaukas.disable_chaukas(0)
"""


@pytest.mark.parametrize(
    ("scheme", "state", "count"),
    [("grpc", "", 3), ("http", "", 0), ("grpc", "broken", 0)],
)
def test_what_a_fork_would_wait_for_is_loaded_when_chaukas_is_enabled(
    scheme: str, state: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For gRPC only, and a library that is broken ends nothing."""
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    done = subprocess.run(
        [sys.executable, "-c", LOADED, f"{scheme}://127.0.0.1:9", state],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(ast.literal_eval(done.stdout)) == count


def _wrong_arity(value: object) -> object:
    return value


def _calls_wrongly(*given: object) -> object:
    return _wrong_arity(*given)


def _returns_a_coroutine(path: str, value: object) -> object:
    return _coroutine(path, value)


def _raising(path: str, value: object) -> object:
    raise ValueError(f"{path}: {value}")


async def _coroutine(path: str, value: object) -> object:
    return path, value


@pytest.mark.parametrize(
    ("redact", "what"),
    [
        (_calls_wrongly, "raised TypeError"),
        (_raising, "raised ValueError"),
        (_returns_a_coroutine, "returned a coroutine"),
        (lambda _path, value: [value], "returned a list"),
    ],
)
def test_a_redact_that_does_not_work_hides_and_is_told_once(
    redact: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_events(redact=redact) as events:
        for _ in range(3):
            chaukas.event("moved", {"place": "hunter2", "n": 1})
        chaukas.flush()
        errors = chaukas.stats().errors

    told = [one for one in caplog.messages if "redact" in one]
    line = (
        f"chaukas: the function given as redact {what}: the values that it was asked "
        "about are recorded as [REDACTED]. Give a plain function redact(path, value) "
        "that returns a text, number, bool or None."
    )
    assert told == [line]
    assert errors == {"redact": f"the function {what}"}
    assert "hunter2" not in str(events)
    assert "hunter2" not in caplog.text


def test_an_event_that_cannot_be_captured_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    monkeypatch.setattr("chaukas.sdk.system.internal_errors._reporter._told", {})
    with capture_events():
        before = chaukas.stats()
        with monkeypatch.context() as patch:
            patch.setattr("chaukas.sdk.capture.snapshot.Capture.tree", broken)
            chaukas.event("moved", {"place": "x"})
            chaukas.flush()
        after = chaukas.stats()

    assert after.dropped == {"capture_error": 1}
    # The report of the loss may be one of them.
    assert after.emitted > before.emitted
    assert "making an event" in caplog.text
