"""
Sessions of the SDK: each access is one event, whatever wraps what.

It says no content that another event of the run says already. A record of a
conversation's memory must agree with the memory: a write too many is as false as one
too few.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from agents import Runner, SQLiteSession, function_tool
from agents.extensions.memory import (
    AdvancedSQLiteSession,
    AsyncSQLiteSession,
    EncryptedSession,
    SQLAlchemySession,
)
from agents.extensions.memory.redis_session import RedisSession
from agents.memory.session import SessionABC
from agents.run_internal.session_persistence import rewind_session_items
from cryptography.fernet import InvalidToken

import chaukas.sdk
from chaukas.sdk.record.recorder import Recorder
from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    outcome_of,
    record,
    run_in,
    say,
)
from tests.support.redis_server import redis_url
from tests.support.scenarios import add, assistant
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

KEY = "an-encryption-key-for-tests-only"
HELLO = {"role": "user", "content": "Hello"}
WORLD = {"role": "assistant", "content": "World"}


class Shelf(SessionABC):
    """An application's own session, derived from the SDK's."""

    def __init__(self, session_id: str = "chat-1") -> None:
        self.session_id = session_id
        self.session_settings = None
        self.kept: list[Any] = []

    async def get_items(self, limit: int | None = None) -> list[Any]:
        return self.kept[-limit:] if limit else list(self.kept)

    async def add_items(self, items: list[Any]) -> None:
        self.kept.extend(items)

    async def pop_item(self) -> Any:
        return self.kept.pop() if self.kept else None

    async def clear_session(self) -> None:
        self.kept.clear()


class Drawer:
    """An application's own session, which only looks like one, and does not wait."""

    session_settings = None

    def __init__(self) -> None:
        self.session_id = "chat-1"
        self.kept: list[Any] = []

    def get_items(self, limit: int | None = None) -> list[Any]:
        return self.kept[-limit:] if limit else list(self.kept)

    def add_items(self, items: list[Any]) -> None:
        self.kept.extend(items)

    def pop_item(self) -> Any:
        return self.kept.pop()

    def clear_session(self) -> None:
        self.kept.clear()


class Hasty(Shelf, SessionABC):
    """Derived from the SDK's class, with methods that do not wait."""

    def get_items(self, limit: int | None = None) -> Any:
        return list(self.kept)

    def add_items(self, items: list[Any]) -> Any:
        return super().add_items(items)


class Watched(Shelf):
    """Looks after itself: it reads and trims what it was given."""

    async def add_items(self, items: list[Any]) -> None:
        await super().add_items(items)
        while len(await self.get_items()) > 2:
            await self.pop_item()


@pytest.fixture
def redis() -> Iterator[str]:
    with redis_url() as url:
        yield url


@asynccontextmanager
async def _opened(kind: str, request: Any) -> AsyncIterator[Any]:
    """Open a session of this kind, `chat-1`, and close what needs it."""
    match kind:
        case "SQLiteSession":
            session: Any = SQLiteSession("chat-1")
            yield session
            session.close()
        case "AsyncSQLiteSession":
            session = AsyncSQLiteSession("chat-1")
            yield session
            await session.close()
        case "AdvancedSQLiteSession":
            session = AdvancedSQLiteSession(session_id="chat-1", create_tables=True)
            yield session
            session.close()
        case "SQLAlchemySession":
            url = "sqlite+aiosqlite:///:memory:"
            session = SQLAlchemySession.from_url("chat-1", url=url, create_tables=True)
            yield session
            await session.engine.dispose()
        case "RedisSession":
            url = request.getfixturevalue("redis")
            session = RedisSession.from_url("chat-1", url=url)
            yield session
            await session.close()
        case "EncryptedSession":
            inner = SQLiteSession("chat-1")
            yield EncryptedSession("chat-1", inner, KEY)
            inner.close()
        case _:
            yield {"Shelf": Shelf, "Hasty": Hasty}[kind]()


KINDS = [
    "SQLiteSession",
    "AsyncSQLiteSession",
    "AdvancedSQLiteSession",
    "SQLAlchemySession",
    "RedisSession",
    "EncryptedSession",
    "Shelf",
]


async def _two_runs(session: Any, mode: Mode = Mode.RUN) -> None:
    add_1_2 = calls(("add", {"a": 1, "b": 2}))
    agent = assistant(say("Hi"), add_1_2, say("3"), tools=[add])
    await run_in(mode, agent, "Hello", session=session)
    await run_in(mode, agent, "1 + 2?", session=session)


async def _by_hand(session: Any) -> Any:
    seen = []
    await session.add_items([HELLO, WORLD])
    seen.append(await session.get_items(limit=1))
    seen.append(await session.pop_item())
    await session.clear_session()
    seen.append(await session.pop_item())
    await session.add_items([])
    return seen


class TestEveryKind:
    @pytest.mark.parametrize("kind", [*KINDS, "Hasty"])
    @in_loop
    def test_a_run_reads_once_and_writes_its_input_and_each_turn(
        self, kind, mode, request
    ):
        async def scenario():
            async with _opened(kind, request) as session:
                await _two_runs(session, mode)

        result = record(scenario)

        assert result.error is None
        place = f"session://{kind}/chat-1"
        expected = tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                DATA_ACCESS @
                STATE_UPDATE add_items @
                MODEL
                STATE_UPDATE add_items @
                OUTPUT
              AGENT Assistant
                INPUT
                DATA_ACCESS @
                STATE_UPDATE add_items @
                MODEL
                TOOL add
                STATE_UPDATE add_items @
                MODEL
                STATE_UPDATE add_items @
                OUTPUT
            """
        )
        assert tree_of(result.events) == expected.replace("@", place)
        told = named(result.events, "DATA_ACCESS")
        assert {event["session_id"] for event in told} == {"chat-1"}

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_an_application_does_itself_is_told_once_each(self, kind, request):
        async def scenario():
            async with _opened(kind, request) as session:
                return await _by_hand(session)

        result = record(scenario)
        bare, _ = outcome_of(scenario)

        assert result.error is None
        assert _roles(result.value) == _roles(bare)
        place = f"session://{kind}/chat-1"
        expected = tree(
            """
            SESSION
              STATE_UPDATE add_items @
              DATA_ACCESS @
              STATE_UPDATE pop_item @
              STATE_UPDATE clear_session @
            """
        )
        assert tree_of(result.events) == expected.replace("@", place)


def _session_of(event: Any) -> Any:
    return event.get("state_update", {}).get("session", {})


def _told(events: Any, operation: str) -> Any:
    """Return what the events say of each such change of a session."""
    found = [_session_of(event) for event in events]
    return [session for session in found if session.get("operation") == operation]


def _roles(seen: Any) -> Any:
    return [
        [each["role"] for each in item] if type(item) is list else item and item["role"]
        for item in seen
    ]


class TestContent:
    def test_a_read_says_how_many_of_what(self):
        async def scenario():
            session = Shelf()
            await _two_runs(session)
            return session.kept

        events = record(scenario).events

        reads = [event["data_access"] for event in named(events, "DATA_ACCESS")]
        assert reads == [
            {
                "datasource": "session://Shelf/chat-1",
                "metadata": {"operation": "get_items", "count": 0},
            },
            {
                "datasource": "session://Shelf/chat-1",
                "metadata": {
                    "operation": "get_items",
                    "count": 2,
                    "types": {"user": 1, "assistant": 1},
                },
            },
        ]

    def test_a_runs_write_says_what_the_items_are_and_not_what_they_say(self):
        events = record(lambda: _two_runs(Shelf())).events

        writes = _told(events, "add_items")
        assert [write["items"] for write in writes[2:4]] == [
            [{"type": "message", "role": "user"}],
            [
                {"type": "function_call", "id": "call_1"},
                {"type": "function_call_output", "id": "call_1"},
            ],
        ]
        assert [write["count"] for write in writes] == [1, 1, 1, 2, 1]
        assert not any("contents" in write for write in writes)

    def test_what_an_application_writes_is_told_in_full(self):
        async def scenario():
            await Shelf().add_items([HELLO, {**WORLD, "api_key": "sk-" + "a" * 40}])

        events = record(scenario).events

        event = only(events, "STATE_UPDATE")
        assert event["state_update"]["session"]["contents"] == [
            HELLO,
            {**WORLD, "api_key": "[REDACTED]"},
        ]
        assert event["redaction"]["fields"] == [
            "state_update.session.contents[1].api_key"
        ]

    def test_hidden_content_hides_the_words_and_keeps_the_facts(self):
        async def scenario():
            await Shelf().add_items([HELLO])

        events = record(scenario, capture_content=False).events

        session = _session_of(only(events, "STATE_UPDATE"))
        assert "Hello" not in str(session)
        assert session["store"] == "session://Shelf/chat-1"
        assert session["items"] == [{"type": "message", "role": "user"}]

    def test_an_encrypted_session_tells_types_and_not_envelopes(self):
        async def scenario():
            await _two_runs(EncryptedSession("chat-1", Shelf(), KEY))

        events = record(scenario).events

        read = named(events, "DATA_ACCESS")[1]["data_access"]
        assert read["metadata"]["types"] == {"user": 1, "assistant": 1}

    def test_a_limit_is_told(self):
        async def scenario():
            await Shelf().get_items(limit=3)

        access = only(record(scenario).events, "DATA_ACCESS")["data_access"]
        assert access["metadata"]["limit"] == 3

    def test_of_many_items_the_first_are_named_and_the_rest_counted(self):
        async def scenario():
            await Shelf().add_items([HELLO] * 40)

        session = _session_of(only(record(scenario).events, "STATE_UPDATE"))
        assert session["count"] == 40
        assert len(session["items"]) == 32
        assert session["items_omitted"] == 8

    def test_branches_are_named(self):
        async def scenario():
            session = AdvancedSQLiteSession(session_id="chat-1", create_tables=True)
            await session.add_items([HELLO, WORLD, HELLO])
            await session.create_branch_from_turn(2, "other")
            await session.switch_to_branch("main")
            await session.delete_branch("other")
            session.close()

        events = record(scenario).events

        told = [_session_of(event) for event in named(events, "STATE_UPDATE")]
        assert [(each["operation"], each.get("branch")) for each in told] == [
            ("add_items", None),
            ("create_branch", "other"),
            ("switch_branch", "main"),
            ("delete_branch", "other"),
        ]


class TestInsideOfAnother:
    def test_a_session_that_tidies_itself_is_told_by_what_was_asked(self):
        async def scenario():
            session = Watched()
            await session.add_items([HELLO, WORLD, HELLO, WORLD])
            return session.kept

        result = record(scenario)

        assert result.value == [HELLO, WORLD]
        assert tree_of(result.events) == tree(
            """
            SESSION
              STATE_UPDATE add_items session://Watched/chat-1
            """
        )

    def test_a_run_inside_of_a_read_has_reads_of_its_own(self):
        class Summed(Shelf):
            async def get_items(self, limit: int | None = None) -> list[Any]:
                inner = Shelf("notes")
                summary = await Runner.run(
                    assistant(say("Short"), name="Summer"), "Sum up", session=inner
                )
                return [{"role": "user", "content": summary.final_output}]

        result = record(
            lambda: run_in(Mode.RUN, assistant(say("Hi")), session=Summed())
        )

        assert result.error is None
        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                AGENT Summer
                  DATA_ACCESS session://Shelf/notes
                  STATE_UPDATE add_items session://Shelf/notes
                  MODEL
                  STATE_UPDATE add_items session://Shelf/notes
                DATA_ACCESS session://Summed/chat-1
                STATE_UPDATE add_items session://Summed/chat-1
                MODEL
                STATE_UPDATE add_items session://Summed/chat-1
                OUTPUT
            """
        )

    def test_a_task_that_outlives_its_operation_is_recorded_again(self):
        class Spawning(Shelf):
            later: Any = None

            async def add_items(self, items: list[Any]) -> None:
                begun = asyncio.Event()

                async def wait() -> None:
                    await begun.wait()
                    await Shelf("log").add_items(items)

                self.later = asyncio.create_task(wait())
                self.begin = begun.set

        async def scenario():
            session = Spawning()
            await session.add_items([HELLO])
            session.begin()
            await session.later

        told = _told(record(scenario).events, "add_items")

        assert [each["store"] for each in told] == [
            "session://Spawning/chat-1",
            "session://Shelf/log",
        ]

    def test_a_tool_that_writes_stands_above_its_write(self):
        session = Shelf("notebook")

        @function_tool
        async def note(text: str) -> str:
            """Write down."""
            await session.add_items([{"role": "user", "content": text}])
            return "ok"

        agent = assistant(calls(("note", {"text": "milk"})), say("Done"), tools=[note])
        result = record(lambda: run_in(Mode.RUN, agent))

        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                MODEL
                TOOL note
                  STATE_UPDATE add_items session://Shelf/notebook
                MODEL
                OUTPUT
            """
        )
        (write,) = _told(result.events, "add_items")
        assert write["contents"] == [{"role": "user", "content": "milk"}]


class TestOwnClasses:
    @in_loop
    def test_one_that_only_looks_like_a_session_is_seen_in_runs(self, mode):
        session = Drawer()

        async def scenario():
            await run_in(mode, assistant(say("Hi")), session=session)

        result = record(scenario)

        assert result.error is None
        assert len(session.kept) == 2
        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                DATA_ACCESS session://Drawer/chat-1
                STATE_UPDATE add_items session://Drawer/chat-1
                MODEL
                STATE_UPDATE add_items session://Drawer/chat-1
                OUTPUT
            """
        )

    def test_methods_that_do_not_wait_answer_as_before(self):
        def scenario():
            return Hasty().get_items()

        assert record(scenario).value == []

    def test_an_id_that_cannot_be_read_is_left_out(self):
        class Shy(Shelf):
            @property
            def session_id(self) -> str:
                raise RuntimeError("not yet")

            @session_id.setter
            def session_id(self, value: str) -> None: ...

        result = record(lambda: run_in(Mode.RUN, assistant(say("Hi")), session=Shy()))

        assert result.error is None
        access = only(result.events, "DATA_ACCESS")["data_access"]
        assert access["datasource"] == "session://Shy/"

    def test_a_wrapper_that_a_method_asks_for_is_still_handed_over(self):
        class Contextual(Shelf):
            seen: Any = None

            async def get_items(self, limit: Any = None, *, wrapper: Any = None) -> Any:
                self.seen = wrapper
                return []

            async def add_items(self, items: Any, *, wrapper: Any = None) -> None: ...
            async def pop_item(self, *, wrapper: Any = None) -> Any: ...
            async def clear_session(self, *, wrapper: Any = None) -> None: ...

        session = Contextual()
        agent = assistant(say("Hi"))
        record(lambda: Runner.run(agent, "Hi", session=session, context={"user": 7}))

        assert session.seen.context == {"user": 7}


class Broken(Shelf):
    """A store in which these methods do not work any more."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self._broken = broken

    async def get_items(self, limit: int | None = None) -> list[Any]:
        if "get_items" in self._broken:
            raise ConnectionError("the disk is gone")
        return await super().get_items(limit)

    async def add_items(self, items: list[Any]) -> None:
        if "add_items" in self._broken:
            raise ConnectionError("the disk is gone")
        await super().add_items(items)


class TestFailures:
    @in_loop
    @pytest.mark.parametrize(
        ("broken", "line"),
        [
            ("get_items", "DATA_ACCESS session://Broken/chat-1 FAILED"),
            ("add_items", "STATE_UPDATE add_items session://Broken/chat-1 FAILED"),
        ],
    )
    def test_a_store_that_raises_gives_one_error_under_the_agent(
        self, mode, broken, line
    ):
        def scenario():
            agent = assistant(say("Hi"))
            return run_in(mode, agent, session=Broken(broken))

        result = record(scenario)
        _, bare = outcome_of(scenario)

        assert type(result.error) is type(bare) is ConnectionError
        assert str(result.error) == str(bare)
        drawn = tree_of(result.events).split("\n")
        drawn = [text for text in drawn if "chat-1" not in text or "FAILED" in text]
        expected = tree(
            f"""
            SESSION
              AGENT Assistant FAILED
                INPUT
                {line}
                ERROR ConnectionError
            """
        )
        assert "\n".join(drawn) == expected

    def test_a_failed_write_keeps_what_it_was_and_why_it_failed(self):
        async def scenario():
            await Broken("add_items").add_items([HELLO])

        result = record(scenario)

        assert isinstance(result.error, ConnectionError)
        session = _session_of(only(result.events, "STATE_UPDATE"))
        assert session["error"] == "the disk is gone"
        assert session["error_code"] == "ConnectionError"
        assert session["contents"] == [HELLO]
        assert tree_of(result.events) == tree(
            """
            SESSION
              STATE_UPDATE add_items session://Broken/chat-1 FAILED
              ERROR ConnectionError
            """
        )

    def test_a_tool_whose_store_fails_has_the_error(self):
        @function_tool
        async def remember() -> str:
            """Write down."""
            await Broken("add_items").add_items([HELLO])
            return "ok"

        agent = assistant(calls(("remember", {})), say("Sorry"), tools=[remember])
        result = record(lambda: run_in(Mode.RUN, agent))

        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                MODEL
                TOOL remember FAILED
                  STATE_UPDATE add_items session://Broken/chat-1 FAILED
                  ERROR ConnectionError recoverable
                MODEL
                OUTPUT
            """
        )

    def test_a_cancelled_write_is_cancelled_and_no_error(self):
        class Slow(Shelf):
            async def add_items(self, items: list[Any]) -> None:
                self.reached.set()
                await asyncio.Event().wait()

        async def scenario():
            session = Slow()
            session.reached = asyncio.Event()
            run = asyncio.create_task(
                run_in(Mode.RUN, assistant(say("Hi")), session=session)
            )
            await session.reached.wait()
            run.cancel()
            await run

        result = record(scenario)

        assert isinstance(result.error, asyncio.CancelledError)
        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant CANCELLED
                INPUT
                DATA_ACCESS session://Slow/chat-1
                STATE_UPDATE add_items session://Slow/chat-1 CANCELLED
            """
        )

    def test_an_item_under_another_key_is_not_lost_by_a_pop(self):
        async def scenario():
            store = SQLiteSession("chat-1")
            await EncryptedSession("chat-1", store, KEY).add_items([HELLO])
            other = EncryptedSession("chat-1", store, KEY[::-1])
            with pytest.raises(InvalidToken):
                await other.pop_item()
            left = len(await store.get_items())
            store.close()
            return left

        assert record(scenario).value == outcome_of(scenario)[0] == 1


@pytest.mark.parametrize("part", ["capture", "capture_facts", "emit"])
def test_what_fails_inside_chaukas_is_not_the_applications(part, monkeypatch):
    def broken(*_: Any, **__: Any) -> Any:
        raise ArithmeticError("of chaukas")

    async def scenario():
        session = Shelf()
        await _two_runs(session)
        return len(session.kept), _roles(await _by_hand(session))

    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    bare, _ = outcome_of(scenario)
    with capture_events(), monkeypatch.context() as patch:
        patch.setattr(Recorder, part, broken)
        value, error = outcome_of(scenario)

    assert error is None
    assert value == bare


class TestSessionInForce:
    def test_a_block_takes_in_what_is_done_by_hand(self):
        async def scenario():
            with chaukas.sdk.session("visit-7", tenant_id="acme"):
                await Shelf().add_items([HELLO])
                await run_in(Mode.RUN, assistant(say("Hi")), session=Shelf())

        events = record(scenario).events

        assert {(e["session_id"], e["tenant_id"]) for e in events[1:-1]} == {
            ("visit-7", "acme")
        }
        end = only(events, "SESSION_END")["session_end"]
        assert end["metadata"]["runs"] == 1

    def test_what_is_not_sampled_is_not_told(self):
        async def scenario():
            await _by_hand(Shelf())
            await run_in(Mode.RUN, assistant(say("Hi")), session=Shelf())

        events = record(scenario, sample_rate=0).events

        assert {event["type"] for event in events} == {"EVENT_TYPE_SYSTEM"}

    def test_what_the_runner_takes_back_is_told_as_it_happens(self):
        async def scenario():
            session = Drawer()
            session.add_items([WORLD, HELLO])
            await rewind_session_items(session, [HELLO])
            return session.kept

        result = record(scenario)

        assert result.value == [WORLD]
        assert tree_of(result.events) == tree(
            """
            SESSION
              DATA_ACCESS session://Drawer/chat-1
              STATE_UPDATE pop_item session://Drawer/chat-1
              DATA_ACCESS session://Drawer/chat-1
            """
        )


# --- which database ------------------------------------------------------------------


class Locked(SQLiteSession):
    """A store that may not be asked for anything by name."""

    def __getattribute__(self, name: str) -> Any:
        if name == "db_path" and sys._getframe(1).f_code.co_filename.endswith(
            ("stores/operations.py", "stores/wrap.py")
        ):
            raise AssertionError("asked")
        return super().__getattribute__(name)


def _paths(store: Any) -> list[Any]:
    async def use() -> None:
        await store.add_items([HELLO])
        await store.get_items()
        if isinstance(store, AsyncSQLiteSession):
            # Its thread would outlive the test.
            await store.close()
        elif isinstance(store, SQLiteSession):
            store.close()

    events = record(use).events
    [written] = named(events, "STATE_UPDATE")
    [read] = named(events, "DATA_ACCESS")
    return [
        written["state_update"]["session"].get("store_path"),
        read["data_access"]["metadata"].get("store_path"),
    ]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _: SQLiteSession("chat-1"), ":memory:"),
        (lambda folder: SQLiteSession("chat-1", folder / "a.db"), "a.db"),
        (lambda folder: SQLiteSession("chat-1", str(folder / "b.db")), "b.db"),
        (lambda folder: AsyncSQLiteSession("chat-1", folder / "c.db"), "c.db"),
        (lambda folder: Locked("chat-1", folder / "d.db"), "d.db"),
        (
            lambda folder: EncryptedSession(
                "chat-1", SQLiteSession("chat-1", folder / "e.db"), KEY
            ),
            "e.db",
        ),
        (lambda _: Shelf(), None),
    ],
    ids=["memory", "path", "text", "async", "locked", "encrypted", "own"],
)
def test_a_sqlite_store_says_which_database_it_is(
    make: Any, expected: str | None, tmp_path: Path
) -> None:
    is_file = expected is not None and expected != ":memory:"
    path = str(tmp_path / str(expected)) if is_file else expected
    assert _paths(make(tmp_path)) == [path, path]


def test_a_secret_in_the_path_of_a_store_is_hidden(tmp_path: Path) -> None:
    key = "sk-proj-" + "aB3" * 16
    paths = _paths(SQLiteSession("chat-1", tmp_path / f"{key}.db"))
    assert not any(key in path for path in paths)
