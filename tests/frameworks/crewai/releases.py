"""What older releases of CrewAI do otherwise, and what the record of them lacks."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ("BROKEN", "NEEDS", "RELEASE", "numbers_of")


def numbers_of(text: str) -> tuple[int, ...]:
    """Return a version as numbers, to compare."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


RELEASE = version("crewai")
"""The one that is installed."""

_HOOKS = "hooks that refuse a step have no event"
_FEEDBACK = "a person's feedback on a flow is not told"
_LIMITS = "a tool's limit, and a tool that is not there, have no event"
_NAMES = "guardrails have no name"
_LOOP = "CrewAI has no retry of its own"
# There the answers of this script do not lead to a remote agent.
_FORM = ""

NEEDS: dict[str, tuple[str, str]] = {
    "test_a_hook_that_aborts_a_run_is_a_decision_and_an_error": ("1.15.10", _HOOKS),
    "test_a_hook_that_refuses_a_model_ends_the_run": ("1.15.10", _HOOKS),
    "test_a_hook_that_blocks_a_tool_denies_it": ("1.15.10", _HOOKS),
    "test_the_feedback_of_a_person_is_a_review_and_what_it_comes_to": (
        "1.15",
        _FEEDBACK,
    ),
    "test_feedback_on_a_flow_is_a_review_an_input_and_an_outcome": ("1.15", _FEEDBACK),
    "test_a_flow_that_is_paused_goes_on_in_the_same_session_and_trace": (
        "1.15",
        _FEEDBACK,
    ),
    "test_a_tool_that_is_not_there_is_one_error[True]": ("1.15.10", _LIMITS),
    "test_a_tool_that_was_used_too_often_is_denied": ("1.15.10", _LIMITS),
    "test_a_tool_that_returns_a_failure_fails": ("1.15.10", ""),
    "test_a_failure_that_is_to_end_the_run_is_one_error": ("1.15.10", ""),
    "test_tools_of_a_server_have_their_calls_inside": (
        "1.15.10",
        "a tool whose MCP server answers that it failed is recorded as completed",
    ),
    "test_a_guardrail_that_refuses_once_has_the_agent_work_again": ("1.14", _NAMES),
    "test_a_guardrail_that_always_refuses_ends_the_run": ("1.14", _NAMES),
    "test_a_guardrail_in_words_is_an_agent_of_its_own": ("1.14", _NAMES),
    "test_an_agent_alone_works_again_for_its_guardrail": ("1.14", _NAMES),
    "test_an_example_records_this_tree[crewai_crew]": ("1.14", _NAMES),
    "test_the_wait_of_crewai_itself_is_measured": ("1.15.11", _LOOP),
    "test_eighteen_requests_are_eighteen_on_record": ("1.15.11", _LOOP),
    "test_a_tool_that_a_model_of_litellm_asks_for_is_one_tool[True]": (
        "1.14",
        # There it cannot read the tools of a stream that litellm reads.
        "",
    ),
    "test_an_agent_alone_that_asks_a_remote_one_is_one_run[kickoff]": ("1.14", _FORM),
    "test_an_agent_alone_that_asks_a_remote_one_is_one_run[kickoff_async]": (
        "1.14",
        _FORM,
    ),
    "test_a_tool_that_runs_an_agent_of_another_framework_has_it_inside": (
        "1.14",
        # No openai-agents that can be installed with it works there.
        "",
    ),
    # Counted for the newest, which has other steps.
    "test_an_event_of_a_crew_costs_the_host_few_calls": ("1.15.30", ""),
    "test_a_crew_that_is_left_out_costs_the_host_next_to_nothing": ("1.15.30", ""),
    "test_checkpoints_are_changes_and_what_is_restored_is_a_run": ("1.14", ""),
    "test_turns_of_a_conversation_are_runs_of_its_session": ("1.15", ""),
    "test_a_crew_that_is_cancelled_is_no_error": (
        "1.15.11",
        # There `akickoff` asks a model in the loop itself, which this one blocks.
        "",
    ),
    "test_what_is_left_to_instructor_is_one_model_with_all_retries": (
        "1.15.10",
        # There it asks the provider itself, whatever the address.
        "",
    ),
}
"""
Tests that need a later release: the first that has what they test, and what the record
lacks before it. An empty text: the release has no such thing, or the test cannot be
made with it.
"""

_HUMAN = "human_input raises an AttributeError in this release"

BROKEN = {
    ("1.14.7", "test_a_person_who_remarks_and_then_accepts"): _HUMAN,
    ("1.14.7", "test_a_training_is_a_run_around_its_crew"): _HUMAN,
}
"""What a release itself cannot do, with the test that would need it."""
