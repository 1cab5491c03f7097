"""
What each release is expected to give: whole trees, and how old releases differ.

Data, and how to look it up. A difference says from which release on it is gone, and in
words what a user of an earlier one misses; docs/COMPATIBILITY.md repeats the words.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import NamedTuple

__all__ = (
    "DIFFERENCES",
    "FACTS",
    "SINCE",
    "TREES",
    "Difference",
    "is_there",
    "missed",
    "order_of",
    "release_of",
    "tree_expected",
)

SINCE: dict[str, str] = {
    "blocking_guardrail": "0.6",
    "approved": "0.8",
    "handled_max_turns": "0.8",
    "rejected": "0.8",
    "shell": "0.8",
    "slow_tool": "0.9",
    "runner_retries": "0.12",
}
"""First release that can do what a story needs; all others any release can."""

_ANSWER = """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        OUTPUT
"""
_TOOL = """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        TOOL add
        MODEL
        OUTPUT
"""
_BUSY = """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
          RETRY http 1/2
        OUTPUT
"""
_SESSION = """
    SESSION
      AGENT Assistant{count}
        INPUT
        DATA_ACCESS session://{place}
        STATE_UPDATE add_items session://{place}
        MODEL
        STATE_UPDATE add_items session://{place}
        OUTPUT
"""
_LOOK_UP = """
    SESSION
      AGENT Assistant FAILED
        INPUT
        MODEL
        TOOL look_up FAILED
          POLICY no_names deny
          ERROR ToolOutputGuardrailTripwireTriggered
"""

TREES: dict[str, str] = {
    "answer": _ANSWER,
    "without_tracing": _TOOL,
    "parallel_tools": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL plus
            TOOL times
            MODEL
            OUTPUT
    """,
    "failing_tool": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL fail FAILED
              ERROR ValueError recoverable
            MODEL
            OUTPUT
    """,
    "raising_tool": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL explode FAILED
              ERROR ValueError
    """,
    "slow_tool": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL wait_for_ever FAILED
              ERROR ToolTimeoutError recoverable
            MODEL
            OUTPUT
    """,
    "cancelled_in_tool": """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL
            TOOL wait_for_ever CANCELLED
    """,
    "cancelled_in_model": """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL CANCELLED
    """,
    "abandoned_stream": _TOOL,
    "handoff": """
        SESSION
          AGENT Clerk
            INPUT
            MODEL
            HANDOFF Clerk -> Expert
          AGENT Expert
            MODEL
            OUTPUT
    """,
    "agent_as_tool": """
        SESSION
          AGENT Outer
            INPUT
            MODEL
            TOOL calculate
              AGENT Inner
                MODEL
                TOOL add
                MODEL
            MODEL
            OUTPUT
    """,
    "local_shell": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL local_shell
            MODEL
            OUTPUT
    """,
    "broken_local_shell": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL local_shell FAILED
              ERROR OSError
    """,
    "shell": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            POLICY tool_approval allow
            TOOL shell
            POLICY tool_approval deny
            MODEL
            OUTPUT
    """,
    "hooked": _TOOL,
    "input_guardrail": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            POLICY polite allow
            OUTPUT
    """,
    "blocking_guardrail": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            POLICY no_secrets deny
            ERROR InputGuardrailTripwireTriggered
    """,
    "output_guardrail": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            POLICY polite deny
            ERROR OutputGuardrailTripwireTriggered
    """,
    "tool_input_guardrail": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            POLICY small_numbers deny
            MODEL
            OUTPUT
    """,
    "tool_output_guardrail": _LOOK_UP,
    "max_turns": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL add
            MODEL
            TOOL add
            ERROR MaxTurnsExceeded
    """,
    "handled_max_turns": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL add
            MODEL
            TOOL add
            ERROR MaxTurnsExceeded recoverable
            OUTPUT
    """,
    "broken_model": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              ERROR RuntimeError
    """,
    "responses_failed run": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              ERROR ModelBehaviorError
    """,
    "responses_failed streamed": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              ERROR server_error
    """,
    "runner_retries": """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              RETRY runner 1/2
              RETRY runner 2/2
            OUTPUT
    """,
    "sqlite_session": _SESSION.format(count=" x2", place="SQLiteSession/chat-1"),
    "own_session": _SESSION.format(count="", place="_Own/chat-2"),
    "mcp_stdio": """
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT
            MCP tools/list
            MODEL
            TOOL add
              MCP tools/call
            MCP tools/list
            MODEL
            OUTPUT
          MCP shutdown
    """,
    "responses_tool": _TOOL,
    "responses_429": _BUSY,
    "responses_401": """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              ERROR AuthenticationError
    """,
    "chat_tool": _TOOL,
    "chat_429": _BUSY,
    "approved": """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval allow
          AGENT Assistant
            TOOL pay
            MODEL
            OUTPUT
    """,
    "rejected": """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval deny
          AGENT Assistant
            MODEL
            OUTPUT
    """,
}
"""By story, or by story and mode where the modes differ; for the newest release."""

_SERVED = (
    "MODEL openai_compatible gpt-5 20+6 cached 8 reasoning 2",
    'TOOL add call_1 {"a": 1, "b": 2} -> 3',
)
FACTS: dict[str, tuple[str, ...]] = {
    "parallel_tools": (
        'TOOL plus call_1 {"a": 2, "b": 3} -> 5',
        'TOOL times call_2 {"a": 2, "b": 3} -> 6',
    ),
    "local_shell": (
        # A line of the record is as long as it is.
        'TOOL local_shell call_1 {"command": ["date"], "env": {}, "type": "exec"} -> "Thursday"',  # noqa: E501
    ),
    "responses_tool": _SERVED,
    "chat_tool": _SERVED,
}
"""Facts that must be in the events themselves, whatever the release."""


class Difference(NamedTuple):
    """What a story gives in releases before another one."""

    stories: tuple[str, ...]
    """As the keys of `TREES`."""
    tree: str
    """Instead of the one in `TREES`."""
    words: str
    """What a user misses; empty where other words or the application tell it."""
    before: str
    """The first release that is like the newest."""
    since: str = "0"
    """The first release that is like this; there may be others before it."""


_BY_HOOKS = {"since": "0.8", "before": "0.9"}
DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        ("failing_tool",),
        tree="""
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL fail
            MODEL
            OUTPUT
        """,
        words="a tool's failure shows in its output alone",
        **_BY_HOOKS,
    ),
    Difference(
        ("raising_tool",),
        tree="""
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL explode CANCELLED
            ERROR UserError
        """,
        words="a tool that ends its run with an error is recorded as cancelled",
        **_BY_HOOKS,
    ),
    Difference(
        ("tool_output_guardrail",),
        tree="""
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL look_up CANCELLED
            POLICY no_names deny
            ERROR ToolOutputGuardrailTripwireTriggered
        """,
        words="",
        **_BY_HOOKS,
    ),
    Difference(
        ("agent_as_tool",),
        tree="""
        SESSION
          AGENT Outer
            INPUT
            MODEL
            TOOL calculate
            AGENT Inner
              MODEL
              TOOL add
              MODEL
            MODEL
            OUTPUT
        """,
        words="what a tool does is recorded beside it, not inside it",
        **_BY_HOOKS,
    ),
    Difference(
        ("mcp_stdio",),
        tree="""
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT
            MCP tools/list
            MODEL
            TOOL add
            MCP tools/call
            MCP tools/list
            MODEL
            OUTPUT
          MCP shutdown
        """,
        words="",
        **_BY_HOOKS,
    ),
    Difference(
        ("tool_output_guardrail",),
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL look_up
            POLICY no_names deny
            ERROR ToolOutputGuardrailTripwireTriggered
        """,
        "output guardrails of tools are recorded beside the tool, not inside it",
        before="0.10.4",
    ),
    Difference(
        ("own_session",),
        _ANSWER,
        "session classes that do not inherit from the SDK's are not recorded",
        before="0.20",
    ),
    Difference(
        ("responses_failed run",),
        _ANSWER,
        "a failed response that was not streamed is recorded as answered, as it is "
        "for the application",
        before="0.22",
    ),
    Difference(
        ("responses_failed streamed",),
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL FAILED
              ERROR server_error
            OUTPUT
        """,
        # The record says what happened: the run goes on with an empty answer.
        "",
        since="0.10.4",
        before="0.19",
    ),
)
"""All of them, checked against every release that is played."""


def release_of(version: str, parts: int = 3) -> str:
    """Return the first *parts* numbers of *version*, such as `3.11`."""
    return ".".join(version.split(".")[:parts])


def order_of(version: str) -> tuple[int, ...]:
    """Return *version* as numbers that can be compared."""
    return tuple(int(part) for part in release_of(version).split("."))


def is_there(story: str, version: str) -> bool:
    """Tell whether release *version* can play *story*."""
    return order_of(SINCE.get(story, "0")) <= order_of(version)


def _applies(difference: Difference, version: str) -> bool:
    order = order_of(version)
    return order_of(difference.since) <= order < order_of(difference.before)


def tree_expected(story: str, mode: str, version: str) -> str:
    """Return the tree that *story* gives in this mode, in release *version*."""
    keys = (story, f"{story} {mode}")
    for difference in DIFFERENCES:
        if _applies(difference, version) and set(keys) & set(difference.stories):
            return cleandoc(difference.tree)
    return cleandoc(next(TREES[key] for key in keys if key in TREES))


def missed(version: str) -> list[str]:
    """Return in words what the record of release *version* lacks."""
    found = [each.words for each in DIFFERENCES if _applies(each, version)]
    return [words for words in found if words]
