"""
One run as one HTML file, which shows it offline: the page with the answers inside.

Its own rules let it run nothing but the script that is named by its hash, and load
nothing at all; the answers stand in an element that no browser runs.
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from chaukas.query import NotFoundError, to_json

from .files import page_text

if TYPE_CHECKING:
    from starlette.requests import Request

    from chaukas.query import Questions, Status
    from chaukas.store.answers import EventRow

    from .record import Record, RecordFor

__all__ = ("export_route", "exported_run")

_EVENTS: Final = 20_000
_AT_ONCE: Final = 1000


def export_route(record_for: RecordFor) -> Route:
    """Return the route that gives a run as a file to be saved."""

    def answer(record: Record, trace_id: str) -> Response:
        try:
            with closing(record.query()) as query:
                text = exported_run(query, record.status(), trace_id)
        # Without a page a run is no page either.
        except (NotFoundError, FileNotFoundError):
            return Response("Nothing is here.\n", 404, media_type="text/plain")
        return Response(
            text.encode(),
            200,
            {
                "content-disposition": 'attachment; filename="run.html"',
                "cache-control": "no-store",
            },
            media_type="text/html; charset=utf-8",
        )

    async def endpoint(request: Request) -> Response:
        trace_id = request.query_params.get("trace_id", "")
        record = record_for(request.state.reader)
        return await run_in_threadpool(answer, record, trace_id)

    return Route("/export", endpoint)


def exported_run(query: Questions, status: Status, trace_id: str) -> str:
    """
    Return a run as the text of an HTML file.

    Args:
        query: Of the record.
        status: What the file says about where it is from.
        trace_id: The run.

    Raises:
        NotFoundError: There is no such run.
        FileNotFoundError: The page is not built.
    """
    data = to_json(_answers(query, status, trace_id)).decode()
    script, style = page_text("assets/page.js"), page_text("assets/style.css")
    policy = (
        f"default-src 'none'; script-src '{_source(_in_script(script))}';"
        f" style-src '{_source(style)}'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>chaukas run</title>\n<style>{style}</style></head>\n"
        '<body><div id="app"></div>\n'
        f'<script type="application/json" id="record">{_in_element(data)}</script>\n'
        f'<script type="module">{_in_script(script)}</script>\n</body></html>\n'
    )


def _answers(query: Questions, status: Status, trace_id: str) -> dict[str, Any]:
    tree = query.tree(trace_id=trace_id, limit=_EVENTS)
    rows: list[EventRow] = []
    cursor = ""
    # Pages of large events are short.
    for _ in range(_EVENTS // _AT_ONCE):
        page = query.events(
            filter=f"trace:{trace_id}", cursor=cursor, limit=_AT_ONCE, whole=True
        )
        rows += page.items
        cursor = page.next_cursor
        if not cursor:
            break
    starts = [row.event_id for row in rows if row.type == "MODEL_INVOCATION_START"]
    return {
        "status": status,
        "tree": tree,
        "rows": rows,
        "prompts": query.prompts(starts),
    }


def _in_element(data: str) -> str:
    """Return JSON that ends no element and begins no comment."""
    return (
        data.replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _in_script(script: str) -> str:
    """Return a script that does not end its element, as a text in it might."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
