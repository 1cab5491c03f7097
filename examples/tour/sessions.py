"""Sessions: where the SDK keeps a conversation between runs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agents import Runner, SQLiteSession
from agents.memory.session import SessionABC

from .running import cashier
from .scripted import bot, say
from .stops import section
from .stores import redis_url

__all__ = ()

TABLE = "Session Management"
WRITE = "STATE_UPDATE.state_update.session"


class Shelf(SessionABC):
    """A session of an application's own."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.session_settings = None
        self.kept: list[Any] = []

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """Return the last items."""
        return self.kept[-limit:] if limit else list(self.kept)

    async def add_items(self, items: list[Any]) -> None:
        """Keep items."""
        self.kept += items

    async def pop_item(self) -> Any:
        """Give the last item back."""
        return self.kept.pop() if self.kept else None

    async def clear_session(self) -> None:
        """Forget all."""
        self.kept.clear()


async def talk(session: Any) -> None:
    """Ask one question in a session."""
    await Runner.run(bot(say("Hello")), "Hi", session=session)


@section(TABLE, "Session protocol", shows="DATA_ACCESS.data_access")
async def protocol() -> None:
    session = SQLiteSession("chat-1")
    await session.add_items([{"role": "user", "content": "Hi"}])
    await session.get_items()
    await session.pop_item()
    await session.clear_session()
    session.close()


@section(TABLE, "SQLite sessions", shows=WRITE)
async def sqlite() -> None:
    with TemporaryDirectory() as folder:
        session = SQLiteSession("chat-1", Path(folder) / "sessions.db")
        await talk(session)
        session.close()


@section(
    TABLE,
    "Redis sessions",
    shows=WRITE,
    note="with a substitute for the server where redis-server is not installed",
)
async def redis() -> None:
    from agents.extensions.memory.redis_session import RedisSession

    with redis_url() as url:
        session = RedisSession.from_url("chat-1", url=url)
        await talk(session)
        await session.close()


@section(TABLE, "In-memory sessions", shows=WRITE)
async def in_memory() -> None:
    session = SQLiteSession("chat-1", ":memory:")
    await talk(session)
    session.close()


@section(TABLE, "Custom session implementations", shows=WRITE)
async def custom() -> None:
    await talk(Shelf("chat-1"))


@section(TABLE, "Session persistence with RunState", shows="STATE_UPDATE.state_update")
async def with_run_state() -> None:
    agent, session = cashier(), SQLiteSession("chat-1")
    state = (await Runner.run(agent, "Pay", session=session)).to_state()
    state.approve(state.get_interruptions()[0])
    await Runner.run(agent, state, session=session)
    session.close()
