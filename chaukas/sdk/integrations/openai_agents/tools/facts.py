"""
Read calls and rules of tools: what a TOOL or POLICY event needs, as data.

Objects of the SDK are read by attribute. Rules are the application's own, and not
called.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any

from chaukas.sdk.integrations.shared.read import JsonText, read, read_text
from chaukas.sdk.record.retries import class_name_of

__all__ = ["arguments_of_call", "call_id_of", "rule_of"]

_ID_CHARS = 256


def call_id_of(tool_call: Any) -> str:
    """Return the id of a call that a model made, of whatever family."""
    return read_text(tool_call, "call_id", "id")


def arguments_of_call(tool_call: Any) -> Any:
    """Return what a model asked a tool for, unread; `{}` if that is not known."""
    for name in ("arguments", "input", "action", "actions", "operation"):
        value = read(tool_call, name)
        if value is not None:
            return JsonText(value) if type(value) is str else value
    return {}


def rule_of(tool: Any) -> str:
    """
    Return the name of the rule that says which calls of *tool* need an approval.

    Empty if all calls do, or none: that is a setting, and no rule.
    """
    rule = getattr(tool, "needs_approval", None)
    if rule is None or type(rule) is bool:
        return ""
    if type(rule) is MethodType:
        rule = rule.__func__
    name = rule.__name__ if type(rule) is FunctionType else class_name_of(rule)
    return name[:_ID_CHARS]
