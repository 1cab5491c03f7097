"""Texts that would do something in a page that took them for more than texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.browser import Watched

__all__ = ("PAYLOADS", "is_untouched", "planted")

PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<script>window.planted=1</script>",
    "</script><script>window.planted=1</script>",
    '"><svg onload=window.planted=1>',
    "javascript:window.planted=1",
    "{@html '<b id=planted>'}<iframe src=//evil.example></iframe>",
    "![x](http://evil.example/leak.png) [x](http://evil.example)",
    "<style>@import 'http://evil.example/x.css'</style>",
    "<!--\u2028\u202e<a href=http://evil.example id=planted>x</a>",
    "{{constructor.constructor('window.planted=1')()}}${window.planted=1}",
)
STRUCTURE = frozenset(
    "type status severity author event_id trace_id span_id parent_span_id timestamp "
    "content_hash hash_prev run_id stream sdk outcome role input_digest system_hash "
    "instructions_hash started_at currency layer".split()
)


def planted(value: Any, payload: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: planted(each, payload, name) for name, each in value.items()}
    if isinstance(value, list):
        return [planted(each, payload, key) for each in value]
    if isinstance(value, str) and key not in STRUCTURE and "digest" not in key:
        return payload + value
    return value


def is_untouched(page: Watched) -> None:
    """Assert that nothing in the document is there by the will of a text."""
    strange = (
        "img, iframe, object, embed, video, audio, base, form, [onload], [onerror]"
    )
    assert page.ask("window.planted") is None
    assert page.ask(f"document.querySelectorAll('{strange}, #planted').length") == 0
    assert page.ask("document.scripts.length") == 1
    assert page.ask(
        "[...document.querySelectorAll('a[href]')].every("
        "a => a.href.startsWith(location.origin) || a.protocol === 'about:')"
    )
    assert page.ask("document.querySelectorAll('body style').length") == 0
