"""Tools of the Agents SDK: calls, approvals, guardrails."""

__all__ = ()
