"""
Say what is shown of a value although its content is hidden.

Without content an event still has to be joined with others: the ids, names and
statuses of the items that go to a model and come from it stay.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

__all__ = ("KNOWN_WORDS", "is_identifier", "is_plain_name", "joining_keys")

KNOWN_WORDS: Final = frozenset(
    "user assistant system developer tool function message text input_text"
    " output_text refusal reasoning reasoning_text summary_text image image_url"
    " input_image input_file input_audio output_audio audio file function_call"
    " function_call_output custom_tool_call custom_tool_call_output"
    " file_search file_search_call web_search web_search_call web_search_preview"
    " computer computer_use_preview computer_call computer_call_output"
    " computer_screenshot code_interpreter code_interpreter_call"
    " image_generation image_generation_call local_shell local_shell_call"
    " local_shell_call_output shell shell_call shell_call_output apply_patch"
    " apply_patch_call apply_patch_call_output mcp mcp_call mcp_list_tools"
    " mcp_approval_request mcp_approval_response custom item_reference compaction"
    " json_schema json_object url_citation file_citation object array string"
    " number integer boolean null".split()
)
"""Values of `type` and `role` that say what an item is, and nothing of what it says."""

_ITEM_KEYS: Final = frozenset(
    "id call_id tool_call_id item_id response_id status server_label".split()
)
_CALL_KEYS: Final = _ITEM_KEYS | {"name"}
_NO_KEYS: Final[frozenset[str]] = frozenset()
_IDENTIFIER: Final = re.compile(r"[\w.:@/\-]{1,128}", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[\w.\-$ ]{1,64}|\[REDACTED\]|…", re.ASCII)


def joining_keys(pairs: Sequence[tuple[Any, Any]]) -> frozenset[str]:
    """
    Return the keys of a mapping of which the values say what belongs together.

    Args:
        pairs: What the mapping holds; only exact texts are looked at.

    """
    known = {
        name: value
        for name, value in pairs
        if type(name) is str
        and name in ("type", "role", "name", "arguments")
        and type(value) is str
    }
    kind = known.get("type", "")
    is_call = kind.endswith("_call") or kind in ("function", "custom", "mcp")
    if (is_call and kind in KNOWN_WORDS) or (
        "name" in known and "arguments" in known and len(pairs) <= len(_ITEM_KEYS)
    ):
        return _CALL_KEYS
    is_item = kind in KNOWN_WORDS or known.get("role", "") in KNOWN_WORDS
    return _ITEM_KEYS if is_item else _NO_KEYS


def is_identifier(text: str) -> bool:
    """Tell an id, a name or a status from a text."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_plain_name(name: str) -> bool:
    """Tell the name of a field from data that is used as one, such as an address."""
    return _PLAIN_NAME.fullmatch(name) is not None
