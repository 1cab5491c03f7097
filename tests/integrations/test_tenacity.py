"""tenacity loops of an application: retries where agents are concerned."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from agents import Agent, RunConfig, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from tenacity import (
    AsyncRetrying,
    Retrying,
    retry,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    stop_never,
    wait_exponential,
    wait_fixed,
    wait_none,
    wait_random_exponential,
)

import chaukas.sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.tenacity import attempts_limit_of, strategy_of
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.testing import FakeClock, capture_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chaukas.sdk.typing import Event


def failing(*steps: Any) -> Agent[Any]:
    script = [*steps, [assistant_message("ok")]]
    return Agent(name="A", model=ScriptedModel(script))


def calling(tool: Any) -> Agent[Any]:
    steps = [[function_call(tool.name, {}, call_id="c")], [assistant_message("ok")]]
    return Agent(name="A", model=ScriptedModel(steps), tools=[tool])


def retries(events: list[Event]) -> list[Event]:
    return [e for e in events if e["type"] == "EVENT_TYPE_RETRY"]


def span_of(events: list[Event], kind: str) -> str:
    [event] = [e for e in events if e["type"] == f"EVENT_TYPE_{kind}"]
    return str(event["span_id"])


async def streamed(agent: Agent[Any]) -> Any:
    result = Runner.run_streamed(agent, "hi")
    async for _ in result.stream_events():
        pass
    return result


async def plain(agent: Agent[Any]) -> Any:
    return await Runner.run(agent, "hi")


@pytest.mark.parametrize("way", [plain, streamed])
def test_a_loop_around_runs_is_recorded_under_their_session(
    way: Callable[[Agent[Any]], Awaitable[Any]],
) -> None:
    agent = failing(ConnectionResetError("gone"), ValueError("odd"))

    @retry(stop=stop_after_attempt(4), wait=wait_fixed(0.001))
    async def ask() -> Any:
        return await way(agent)

    with capture_events() as events:
        assert asyncio.run(ask()).final_output == "ok"
    found = events()
    told = retries(found)
    session = span_of(found, "SESSION_START")
    assert [e["parent_span_id"] for e in told] == [session, session]
    assert [e["retry"]["attempt"] for e in told] == [1, 2]
    assert [e["retry"]["error_message"] for e in told] == ["gone", "odd"]
    first = told[0]["retry"]
    assert first["max_attempts"] == 4
    assert first["strategy"] == "fixed"
    assert first["backoff_ms"] >= 1
    assert first["retryable"] is True
    assert first["metadata"]["layer"] == "tenacity"
    assert first["metadata"]["error_code"] == "ConnectionResetError"
    assert first["metadata"]["function"].endswith("ask")
    assert "planned" not in first["metadata"]
    # Each stands between the run that failed and the one that follows.
    order = [e["type"] for e in found if "AGENT" in e["type"] or "RETRY" in e["type"]]
    assert order == [
        *["EVENT_TYPE_AGENT_START", "EVENT_TYPE_AGENT_END", "EVENT_TYPE_RETRY"] * 2,
        "EVENT_TYPE_AGENT_START",
        "EVENT_TYPE_AGENT_END",
    ]


def test_the_wait_is_what_really_passed() -> None:
    clock = FakeClock()
    agent = failing(ConnectionResetError("gone"))
    loop = AsyncRetrying(wait=wait_fixed(30), sleep=sleep_by(clock, 45))
    with capture_events(clock=clock) as events:
        asyncio.run(loop(plain, agent))
    [told] = retries(events())
    assert 45_000 <= told["retry"]["backoff_ms"] < 45_100


def sleep_by(clock: FakeClock, seconds: float) -> Callable[[float], Awaitable[None]]:
    async def sleep(_planned_s: float) -> None:
        clock.skip(seconds)

    return sleep


def test_a_loop_that_is_cancelled_in_its_sleep_retried_nothing() -> None:
    agent = failing(ConnectionResetError("gone"))

    async def main() -> None:
        asleep = asyncio.Event()

        async def sleep(_planned_s: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(AsyncRetrying(sleep=sleep)(plain, agent))
        await asleep.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture_events() as events:
        asyncio.run(main())
    assert retries(events()) == []


def test_the_last_failure_is_no_retry() -> None:
    agent = failing(*[ConnectionResetError("gone")] * 3)
    loop = AsyncRetrying(stop=stop_after_attempt(2), reraise=True)
    with capture_events() as events, pytest.raises(ConnectionResetError):
        asyncio.run(loop(plain, agent))
    assert len(retries(events())) == 1


def test_a_loop_inside_a_loop_is_told_by_both_and_not_by_the_detector() -> None:
    agent = failing(*[ConnectionResetError("gone")] * 3)
    inner = AsyncRetrying(stop=stop_after_attempt(2))

    async def main() -> None:
        for _ in range(2):
            try:
                await inner(plain, agent)
            except tenacity.RetryError:
                continue

    with capture_events() as events:
        asyncio.run(main())
    layers = [e["retry"]["metadata"]["layer"] for e in retries(events())]
    assert layers == ["tenacity", "application", "tenacity"]
    attempts = [e["retry"]["attempt"] for e in retries(events())]
    assert attempts == [1, 1, 1]


def test_an_error_that_the_application_wraps_is_known() -> None:
    class AppError(Exception):
        pass

    agent = failing(ConnectionResetError("gone"))

    async def ask() -> None:
        try:
            await Runner.run(agent, "hi")
        except ConnectionResetError as error:
            message = "wrapped"
            raise AppError(message) from error

    with capture_events() as events:
        asyncio.run(AsyncRetrying()(ask))
    [told] = retries(events())
    assert told["retry"]["error_message"] == "wrapped"
    assert told["retry"]["metadata"]["layer"] == "tenacity"


def test_tenants_keep_their_retries() -> None:
    async def one(tenant: str) -> None:
        agent = failing(ConnectionResetError("gone"))
        async with chaukas.session("s", tenant_id=tenant):
            await AsyncRetrying(wait=wait_fixed(0.001))(plain, agent)

    async def main() -> None:
        await asyncio.gather(*[one(f"t{number}") for number in range(5)])

    with capture_events() as events:
        asyncio.run(main())
    found = events()
    sessions = {
        e["span_id"]: e["tenant_id"]
        for e in found
        if e["type"] == "EVENT_TYPE_SESSION_START"
    }
    told = retries(found)
    assert sorted(e["tenant_id"] for e in told) == [f"t{n}" for n in range(5)]
    assert all(sessions[e["parent_span_id"]] == e["tenant_id"] for e in told)


def test_a_loop_inside_a_tool_is_recorded_under_the_tool() -> None:
    failures = iter([TimeoutError("slow"), ValueError("odd")])

    @function_tool
    async def fetch() -> str:
        """Fetch something."""

        @retry(stop=stop_after_attempt(5) | stop_after_delay(60), wait=wait_none())
        async def attempt() -> str:
            for failure in failures:
                raise failure
            return "got it"

        return await attempt()

    with capture_events() as events:
        asyncio.run(Runner.run(calling(fetch), "hi"))
    found = events()
    told = retries(found)
    tool = span_of(found, "TOOL_CALL_START")
    assert [e["parent_span_id"] for e in told] == [tool, tool]
    assert [e["retry"]["max_attempts"] for e in told] == [5, 5]
    assert told[0]["retry"]["strategy"] == "immediate"
    assert told[0]["agent_name"] == "A"
    [end] = [e for e in found if e["type"] == "EVENT_TYPE_TOOL_CALL_END"]
    assert end["status"] == "EVENT_STATUS_COMPLETED"


def loop_called(attempt: Callable[[], str]) -> str:
    return str(Retrying()(attempt))


def loop_decorated(attempt: Callable[[], str]) -> str:
    return retry(attempt)()


def loop_iterated(attempt: Callable[[], str]) -> str:
    for trial in Retrying():
        with trial:
            result = attempt()
    return result


@pytest.mark.parametrize("loop", [loop_called, loop_decorated, loop_iterated])
def test_every_form_of_a_blocking_loop_is_recognised(
    loop: Callable[[Callable[[], str]], str],
) -> None:
    failures = iter([TimeoutError("slow"), None])

    def attempt() -> str:
        failure = next(failures)
        if failure:
            raise failure
        return "got it"

    @function_tool
    def fetch() -> str:
        """Fetch something, in a thread."""
        return loop(attempt)

    with capture_events() as events:
        asyncio.run(Runner.run(calling(fetch), "hi"))
    found = events()
    [told] = retries(found)
    assert told["parent_span_id"] == span_of(found, "TOOL_CALL_START")
    assert told["retry"]["attempt"] == 1


def test_a_loop_with_async_for_is_recognised() -> None:
    agent = failing(ConnectionResetError("gone"))

    async def main() -> Any:
        async for trial in AsyncRetrying():
            with trial:
                return await plain(agent)
        return None

    with capture_events() as events:
        assert asyncio.run(main()).final_output == "ok"
    assert len(retries(events())) == 1


def test_a_loop_around_a_blocking_run_is_recognised() -> None:
    from tests.support.agent_runs import Mode, play

    agent = failing(ConnectionResetError("gone"))
    with capture_events() as events:
        Retrying()(lambda: play(Mode.SYNC, agent))
    [told] = retries(events())
    assert told["parent_span_id"] == span_of(events(), "SESSION_START")


def test_a_loop_inside_a_model_is_recorded_under_the_model_call() -> None:
    class Stubborn(ScriptedModel):
        async def get_response(self, *args: Any, **kwargs: Any) -> Any:
            answer = super().get_response
            return await AsyncRetrying()(answer, *args, **kwargs)

    model = Stubborn([TimeoutError("slow"), [assistant_message("ok")]])
    with capture_events() as events:
        asyncio.run(Runner.run(Agent(name="A", model=model), "hi"))
    found = events()
    [told] = retries(found)
    assert told["parent_span_id"] == span_of(found, "MODEL_INVOCATION_START")


def test_a_loop_around_a_model_call_that_may_go_on_is_recorded_under_it() -> None:
    """As `with_retry` of a model does: the call is over when the loop goes to sleep."""
    failure = ConnectionResetError("gone")
    failures = iter([RuntimeError("made of it"), None])

    @function_tool
    def ask() -> str:
        """Ask a model of another framework."""
        node = node_in_force()
        runtime = _runtime.active()
        assert node is not None
        assert runtime is not None
        pairs = runtime.recorder.pairs
        model = pairs.start(
            EventType.MODEL_INVOCATION_START,
            node.run,
            {"llm_invocation": {"model": "other"}},
            parent_span_id=node.parent_span_id,
        )

        def attempt() -> str:
            error = next(failures)
            model.hold(failure)
            if error is not None:
                raise error from failure
            model.hold(None)
            return "answer"

        try:
            return str(Retrying()(attempt))
        finally:
            pairs.end(model)

    with capture_events() as events:
        asyncio.run(Runner.run(calling(ask), "hi"))
    found = events()
    [told] = retries(found)
    [other] = [
        e
        for e in found
        if e["type"] == "EVENT_TYPE_MODEL_INVOCATION_START"
        and e["llm_invocation"].get("model") == "other"
    ]
    assert told["parent_span_id"] == other["span_id"]
    assert told["retry"]["error_message"] == "made of it"


class _ServerError(Exception):
    """As google.genai has it: a number, and the name of it beside."""

    def __init__(self, code: int, status: str) -> None:
        super().__init__(f"{code} {status}")
        self.code = code
        self.status = status


class _Client:
    """As the client of google.genai: a method of it is what a loop repeats."""

    def __init__(self) -> None:
        self.failures = iter([_ServerError(429, "RESOURCE_EXHAUSTED")])

    def request(self, *_: Any) -> str:
        for failure in self.failures:
            raise failure
        return "answer"


@pytest.mark.parametrize(
    ("module", "facts"),
    [
        ("google.genai._api_client", {"layer": "http", "status": 429}),
        ("aiohttp", {"layer": "http", "status": 429}),
        ("litellm.main", {"layer": "http", "status": 429}),
        ("httpx._client", {"layer": "http", "status": 429}),
        ("google.genaiology", {"layer": "tenacity"}),
        (7, {"layer": "tenacity"}),
    ],
)
@pytest.mark.parametrize("is_partial", [False, True], ids=["method", "partial"])
def test_a_loop_of_an_http_client_is_of_the_layer_http(
    module: Any,
    facts: dict[str, Any],
    is_partial: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_Client.request, "__module__", module)

    @function_tool
    def fetch() -> str:
        """Fetch something."""
        request = _Client().request
        return str(Retrying()(functools.partial(request, 1) if is_partial else request))

    with capture_events() as events:
        asyncio.run(Runner.run(calling(fetch), "hi"))
    [told] = retries(events())
    assert told["retry"]["metadata"] == {
        **facts,
        "function": "_Client.request",
        "error_code": "_ServerError:RESOURCE_EXHAUSTED",
    }


def test_a_result_that_is_not_good_enough_is_a_reason_too() -> None:
    results = iter([None, "good"])

    @function_tool
    def fetch() -> str:
        """Fetch something."""
        loop = Retrying(retry=retry_if_result(lambda result: result is None))
        return str(loop(lambda: next(results)))

    with capture_events() as events:
        asyncio.run(Runner.run(calling(fetch), "hi"))
    [told] = retries(events())
    assert "error_message" not in told["retry"]
    assert told["retry"]["metadata"]["layer"] == "tenacity"


def test_loops_that_have_nothing_to_do_with_agents_are_not_recorded() -> None:
    failures = iter([TimeoutError("slow")] * 3)

    def attempt() -> None:
        for failure in failures:
            raise failure

    with capture_events() as events:
        asyncio.run(Runner.run(failing(), "hi"))
        Retrying()(attempt)
    assert retries(events()) == []


def test_runs_that_are_not_sampled_have_no_retries() -> None:
    agent = failing(ConnectionResetError("gone"))
    with capture_events(sample_rate=0) as events:
        asyncio.run(AsyncRetrying()(plain, agent))
    assert retries(events()) == []


def test_content_that_is_hidden_stays_hidden() -> None:
    agent = failing(ConnectionResetError("sk-" + "a" * 24))
    with capture_events() as events:
        asyncio.run(AsyncRetrying()(plain, agent))
    with capture_events(capture_content=False) as hidden:
        asyncio.run(AsyncRetrying()(plain, failing(ConnectionResetError("gone"))))
    [told] = retries(events())
    assert told["retry"]["error_message"] == "[REDACTED]"
    assert told["redaction"]["fields"] == ["retry.error_message"]
    [told] = retries(hidden())
    assert told["retry"]["error_message"] == "<4 chars>"


def test_the_program_sees_tenacity_as_without_chaukas() -> None:
    def play() -> list[Any]:
        seen: list[Any] = []
        agent = failing(ConnectionResetError("gone"), ConnectionResetError("gone"))

        def note(state: Any) -> None:
            seen.append((state.attempt_number, repr(state.outcome.exception())))

        loop = AsyncRetrying(
            stop=stop_after_attempt(2), before_sleep=note, wait=wait_none()
        )
        try:
            asyncio.run(loop(plain, agent))
        except tenacity.RetryError as error:
            seen.append(repr(error.last_attempt.exception()))
        seen.append(
            {
                k: v
                for k, v in loop.statistics.items()
                if "time" not in k and "delay" not in k
            }
        )
        return seen

    control = play()
    with capture_events():
        assert play() == control


def test_what_a_loop_leaves_behind_is_nothing() -> None:
    import gc
    import weakref

    gone: list[weakref.ref[Any]] = []

    class Marked(ConnectionResetError):
        pass

    async def sleep(_planned_s: float) -> None:
        gc.collect()
        assert [ref() for ref in gone] == [None]

    async def fail_once() -> None:
        if not gone:
            error = Marked("gone")
            gone.append(weakref.ref(error))
            raise error

    with capture_events():
        asyncio.run(AsyncRetrying(sleep=sleep)(fail_once))


def test_a_failure_of_chaukas_costs_the_loop_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    agent = failing(ConnectionResetError("gone"))
    with capture_events() as events:
        from chaukas.sdk import _runtime

        runtime = _runtime.active()
        assert runtime is not None
        monkeypatch.setattr(runtime.recorder.retries, "explain", None)
        result = asyncio.run(AsyncRetrying()(plain, agent))
    assert result.final_output == "ok"
    assert {e["retry"]["metadata"]["layer"] for e in retries(events())} == {
        "application"
    }


@pytest.mark.parametrize(
    ("stop", "limit"),
    [
        (stop_after_attempt(3), 3),
        (stop_after_delay(3), 0),
        (stop_never, 0),
        (stop_after_attempt(3) | stop_after_delay(3), 3),
        (stop_after_attempt(9) | stop_after_attempt(4), 4),
        (stop_after_attempt(9) & stop_after_attempt(4), 0),
        (lambda state: True, 0),
        (object(), 0),
    ],
)
def test_the_limit_is_told_where_it_is_known(stop: Any, limit: int) -> None:
    assert attempts_limit_of(stop) == limit


@pytest.mark.parametrize(
    ("wait", "name"),
    [
        (wait_none(), "immediate"),
        (wait_fixed(1), "fixed"),
        (wait_exponential(), "exponential"),
        (wait_random_exponential(), "exponential"),
        (wait_fixed(1) + wait_fixed(1), ""),
        (lambda state: 1, ""),
        (None, ""),
    ],
)
def test_the_strategy_is_told_where_it_has_a_name(wait: Any, name: str) -> None:
    assert strategy_of(wait) == name


def test_another_session_object_named_in_the_run_config_holds_the_retry() -> None:
    agent = failing(ConnectionResetError("gone"))

    async def ask() -> None:
        await Runner.run(agent, "hi", run_config=RunConfig(group_id="g"))

    with capture_events() as events:
        asyncio.run(AsyncRetrying()(ask))
    assert [e["session_id"] for e in retries(events())] == ["g"]
