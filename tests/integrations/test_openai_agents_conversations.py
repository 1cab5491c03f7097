"""
Conversations that the provider keeps: sessions over HTTP, compaction, response ids.

The server is real, so that what the SDK asks for on its own account is there too.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, Runner, SQLiteSession
from agents.extensions.memory import EncryptedSession
from agents.memory import OpenAIConversationsSession, OpenAIResponsesCompactionSession
from agents.models.openai_responses import OpenAIResponsesModel

from loopback import Call, ModelServer, Text, ToolCalls
from tests.support.agent_runs import Mode, in_loop, outcome_of, record, run_in
from tests.support.scenarios import add
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "an-encryption-key-for-tests-only"
HELLO = {"role": "user", "content": "Hello"}
WORLD = {"role": "assistant", "content": "World"}


@asynccontextmanager
async def _served(*replies: Any) -> AsyncIterator[tuple[Any, Any, Any]]:
    """Give a server of these replies, a client of it and an agent that asks it."""
    with ModelServer(replies) as server:
        async with server.client(max_retries=0) as client:
            model = OpenAIResponsesModel("gpt-5", client)
            yield server, client, Agent(name="Assistant", model=model, tools=[add])


def _session_of(event: Any) -> Any:
    return event.get("state_update", {}).get("session", {})


def _compactions(events: Any) -> Any:
    found = [_session_of(event) for event in events]
    return [each for each in found if each.get("operation") == "run_compaction"]


class TestConversationsSession:
    @in_loop
    def test_the_first_run_begins_a_conversation_and_the_next_is_in_it(self, mode):
        async def scenario():
            async with _served(Text("One"), Text("Two")) as (server, client, agent):
                session = OpenAIConversationsSession(openai_client=client)
                await run_in(mode, agent, "1", session=session)
                await run_in(mode, agent, "2", session=session)
                return server.conversations.items

        result = record(scenario)
        bare, _ = outcome_of(scenario)

        assert result.error is None
        assert result.value == bare
        assert len(result.value["conv_1"]) == 4
        access = "session://OpenAIConversationsSession/conv_1"
        expected = tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                STATE_UPDATE conversation_id
                DATA_ACCESS @
                STATE_UPDATE add_items @
                MODEL
                STATE_UPDATE add_items @
                OUTPUT
            SESSION
              AGENT Assistant
                INPUT
                DATA_ACCESS @
                STATE_UPDATE add_items @
                MODEL
                STATE_UPDATE add_items @
                OUTPUT
            """
        )
        assert tree_of(result.events) == expected.replace("@", access)
        changed = named(result.events, "STATE_UPDATE")[0]["state_update"]
        assert changed == {"conversation_id": {"old": None, "new": "conv_1"}}
        assert named(result.events, "SESSION_START")[1]["session_id"] == "conv_1"

    def test_by_hand_each_call_is_one_event(self):
        async def scenario():
            async with _served() as (_, client, _agent):
                session = OpenAIConversationsSession(openai_client=client)
                await session.add_items([HELLO, WORLD])
                last = await session.pop_item()
                left = await session.get_items()
                await session.clear_session()
                return last["role"], len(left)

        result = record(scenario)

        assert result.value == ("assistant", 1)
        access = "session://OpenAIConversationsSession/conv_1"
        expected = tree(
            """
            SESSION
              STATE_UPDATE conversation_id
              STATE_UPDATE add_items @
              STATE_UPDATE pop_item @
              DATA_ACCESS @
              STATE_UPDATE clear_session @
            """
        )
        assert tree_of(result.events) == expected.replace("@", access)

    def test_one_that_is_gone_fails_the_run_with_one_error(self):
        async def scenario():
            async with _served(Text("One")) as (_, client, agent):
                session = OpenAIConversationsSession(
                    conversation_id="conv_gone", openai_client=client
                )
                await Runner.run(agent, "1", session=session)

        result = record(scenario)

        assert type(result.error).__name__ == "NotFoundError"
        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant FAILED
                INPUT
                DATA_ACCESS session://OpenAIConversationsSession/conv_gone FAILED
                ERROR NotFoundError
            """
        )


async def _compacting(
    mode: Mode, wrap: Any = lambda session: session, **options: Any
) -> Any:
    """Run twice on a session that is compacted once it holds three items."""
    options.setdefault(
        "should_trigger_compaction", lambda about: len(about["session_items"]) > 2
    )
    async with _served(Text("One"), Text("Two")) as (_, client, agent):
        store = SQLiteSession("chat-1")
        inner = OpenAIResponsesCompactionSession(
            "chat-1", store, client=client, **options
        )
        session = wrap(inner)
        await run_in(mode, agent, "1", session=session)
        await run_in(mode, agent, "2", session=session)
        kept = await store.get_items()
        store.close()
        return len(kept)


class TestCompaction:
    @in_loop
    def test_it_is_one_change_whatever_it_did_to_the_store_below(self, mode):
        result = record(lambda: _compacting(mode))

        assert result.error is None
        place = "session://OpenAIResponsesCompactionSession/chat-1"
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
                STATE_UPDATE add_items @
                STATE_UPDATE run_compaction @
                OUTPUT
              DATA_ACCESS session://SQLiteSession/chat-1
            """
        )
        assert tree_of(result.events) == expected.replace("@", place)

    def test_it_tells_its_cost_and_its_size_and_no_content(self):
        events = record(lambda: _compacting(Mode.RUN, compaction_mode="input")).events

        (compaction,) = _compactions(events)
        assert compaction == {
            "operation": "run_compaction",
            "store": "session://OpenAIResponsesCompactionSession/chat-1",
            "store_path": ":memory:",
            "model": "gpt-4.1",
            "mode": "input",
            "input_count": 4,
            "output_count": 3,
            "response_id": "resp_2",
            "usage": {
                "requests": 1,
                "input_tokens": 40,
                "output_tokens": 8,
                "total_tokens": 48,
            },
        }

    def test_one_that_was_not_needed_leaves_no_trace(self):
        options = {"should_trigger_compaction": lambda about: False}

        events = record(lambda: _compacting(Mode.RUN, **options)).events

        assert not _compactions(events)
        assert len(named(events, "DATA_ACCESS")) == 3

    def test_below_an_encrypted_session_it_is_told_once(self):
        def wrap(session: Any) -> Any:
            return EncryptedSession("chat-1", session, KEY)

        result = record(lambda: _compacting(Mode.RUN, wrap))
        bare, _ = outcome_of(lambda: _compacting(Mode.RUN, wrap))

        assert result.value == bare == 1
        assert len(_compactions(result.events)) == 1
        writes = [
            _session_of(event)["store"]
            for event in named(result.events, "STATE_UPDATE")
            if _session_of(event).get("operation") == "add_items"
        ]
        assert writes == ["session://EncryptedSession/chat-1"] * 4

    def test_one_that_is_asked_for_by_hand_is_told(self):
        async def scenario():
            async with _served() as (_, client, _agent):
                store = SQLiteSession("chat-1")
                session = OpenAIResponsesCompactionSession(
                    "chat-1", store, client=client, compaction_mode="input"
                )
                await session.add_items([HELLO, WORLD])
                await session.run_compaction({"force": True})
                store.close()

        result = record(scenario)

        assert result.error is None
        place = "session://OpenAIResponsesCompactionSession/chat-1"
        expected = tree(
            """
            SESSION
              STATE_UPDATE add_items @
              STATE_UPDATE run_compaction @
            """
        )
        assert tree_of(result.events) == expected.replace("@", place)
        assert _compactions(result.events)[0]["forced"] is True

    def test_one_that_fails_fails_the_run_with_one_error(self):
        def decide(about: Any) -> bool:
            raise LookupError("no policy")

        options = {"should_trigger_compaction": decide}
        result = record(lambda: _compacting(Mode.RUN, **options))

        assert isinstance(result.error, LookupError)
        place = "session://OpenAIResponsesCompactionSession/chat-1"
        expected = tree(
            """
            SESSION
              AGENT Assistant FAILED
                INPUT
                DATA_ACCESS @
                STATE_UPDATE add_items @
                MODEL
                STATE_UPDATE add_items @
                STATE_UPDATE run_compaction @ FAILED
                ERROR LookupError
            """
        )
        assert tree_of(result.events) == expected.replace("@", place)

    def test_a_turn_with_tools_only_decides_and_reads_unseen(self):
        async def scenario():
            replies = ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")
            async with _served(*replies) as (_, client, agent):
                store = SQLiteSession("chat-1")
                session = OpenAIResponsesCompactionSession(
                    "chat-1", store, client=client
                )
                await Runner.run(agent, "1 + 2?", session=session)
                store.close()

        accesses = named(record(scenario).events, "DATA_ACCESS")

        assert [access["data_access"]["datasource"] for access in accesses] == [
            "session://OpenAIResponsesCompactionSession/chat-1"
        ]


class TestServerManaged:
    @in_loop
    @pytest.mark.parametrize(
        ("option", "first"),
        [
            ({"auto_previous_response_id": True}, None),
            ({"previous_response_id": "resp_0"}, "resp_0"),
        ],
        ids=["auto", "given"],
    )
    def test_each_response_becomes_the_previous_one(self, mode, option, first):
        async def scenario():
            replies = ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")
            async with _served(*replies) as (server, _client, agent):
                await run_in(mode, agent, "1 + 2?", **option)
                return [r.body.get("previous_response_id") for r in server.requests]

        result = record(scenario)

        assert tree_of(result.events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                MODEL
                STATE_UPDATE previous_response_id
                TOOL add
                MODEL
                STATE_UPDATE previous_response_id
                OUTPUT
            """
        )
        changes = [e["state_update"] for e in named(result.events, "STATE_UPDATE")]
        assert changes == [
            {"previous_response_id": {"old": first, "new": "resp_1"}},
            {"previous_response_id": {"old": "resp_1", "new": "resp_2"}},
        ]
        asked = [
            event["llm_invocation"]["request"].get("previous_response_id")
            for event in named(result.events, "MODEL_INVOCATION_START")
        ]
        assert asked == result.value == [first, "resp_1"]
        answered = named(result.events, "MODEL_INVOCATION_END")
        assert [event["response_id"] for event in answered] == ["resp_1", "resp_2"]

    @in_loop
    def test_one_answer_changes_the_id_once(self, mode):
        async def scenario():
            async with _served(Text("Hi")) as (_, _client, agent):
                await run_in(mode, agent, "Hi", auto_previous_response_id=True)

        assert tree_of(record(scenario).events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                MODEL
                STATE_UPDATE previous_response_id
                OUTPUT
            """
        )

    @in_loop
    def test_a_conversations_id_is_the_sessions_and_does_not_change(self, mode):
        async def scenario():
            replies = ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3")
            async with _served(*replies) as (_, _client, agent):
                await run_in(mode, agent, "1 + 2?", conversation_id="conv_7")

        events = record(scenario).events

        assert tree_of(events) == tree(
            """
            SESSION
              AGENT Assistant
                INPUT
                MODEL
                TOOL add
                MODEL
                OUTPUT
            """
        )
        assert only(events, "SESSION_START")["session_id"] == "conv_7"
        assert [
            event["llm_invocation"]["request"]["conversation_id"]
            for event in named(events, "MODEL_INVOCATION_START")
        ] == ["conv_7", "conv_7"]

    def test_ids_stay_readable_when_content_is_hidden(self):
        async def scenario():
            async with _served(Text("Hi")) as (_, _client, agent):
                await Runner.run(agent, "Hi", auto_previous_response_id=True)

        events = record(scenario, capture_content=False).events

        change = only(events, "STATE_UPDATE")["state_update"]
        assert change == {"previous_response_id": {"old": None, "new": "resp_1"}}
