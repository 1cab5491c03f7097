"""The page's server: who is let in, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.query import open_source, to_json
from chaukas.sdk import prompts
from chaukas.store.sqlite import SqliteReader
from chaukas.viewer import export
from chaukas.viewer.access import OneTimeAccess
from chaukas.viewer.app import viewer_app
from chaukas.viewer.guard import HEADERS, Guard
from chaukas.viewer.serve import PortTakenError, serve
from tests.support.example_runs import run_example
from tests.support.page_server import Served, served
from tests.support.records import lines, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API = (
    "status summary sessions session runs tree event events search numbers trouble "
    "diff prompt fields labels follow export"
).split()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with one run: a handoff, a nested agent, tools."""
    return run_example("handoffs", tmp_path_factory.mktemp("record")).file


@pytest.fixture(scope="module")
def page(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a server that was entered."""
    with served([record], tmp_path_factory.mktemp("cache")) as server:
        server.enter()
        while json.loads(server.ask("/api/status").body)["state"] == "reading":
            pass
        yield server


@pytest.fixture
def fresh(record: Path, tmp_path: Path) -> Iterator[Served]:
    """Yield a server of the test's own, not entered."""
    with served([record], tmp_path) as server:
        yield server


def _trace(page: Served) -> str:
    runs = json.loads(page.ask("/api/runs").body)["items"]
    return str(runs[0]["trace_id"])


# --- who is let in ---------------------------------------------------------------


def test_the_address_opens_the_page_once(fresh: Served) -> None:
    first = fresh.enter()
    again = fresh.ask(f"/open/{fresh.token}", is_known=False)
    assert (first.status, first.headers["location"]) == (303, "/")
    assert again.status == 401
    assert fresh.ask("/api/status").status == 200


def test_the_cookie_is_for_this_page_and_no_script(fresh: Served) -> None:
    given = fresh.enter().headers["set-cookie"]
    parts = {part.strip().lower() for part in given.split(";")[1:]}
    assert parts == {"httponly", "path=/", "samesite=strict"}
    assert given.startswith(f"chaukas_{fresh.port}=")


def test_one_who_is_in_may_open_the_address_again(fresh: Served) -> None:
    fresh.enter()
    again = fresh.ask(f"/open/{fresh.token}")
    assert (again.status, again.headers["location"]) == (303, "/")


def test_a_wrong_token_lets_nobody_in_and_uses_nothing_up(fresh: Served) -> None:
    assert fresh.ask("/open/guess").status == 401
    assert fresh.ask("/open/%C3%A9").status == 401
    assert fresh.enter().status == 303


@pytest.mark.parametrize("path", ["/", "/assets/page.js", *(f"/api/{n}" for n in API)])
def test_nothing_is_told_without_the_cookie(page: Served, path: str) -> None:
    for cookie in ("", "chaukas_1=x", f"chaukas_{page.port}=", f"{page.cookie}x"):
        answer = page.ask(path, {"Cookie": cookie}, is_known=False)
        assert answer.status == 401
        assert answer.text == "Open the address that chaukas view printed.\n"


def test_the_server_listens_on_the_loopback_interface_alone(page: Served) -> None:
    table = Path("/proc/net/tcp").read_text(encoding="ascii")
    rows = [line.split() for line in table.splitlines()[1:]]
    local = [row[1] for row in rows if row[3] == "0A"]
    assert [each for each in local if each.endswith(f":{page.port:04X}")] == [
        f"0100007F:{page.port:04X}"
    ]


# --- who is asked, and by which page ----------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "localhost.:{port}",
        "user@127.0.0.1:{port}",
        "",
    ],
)
def test_a_request_to_another_name_is_refused(page: Served, host: str) -> None:
    answer = page.ask("/api/status", {"Host": host.format(port=page.port)})
    assert answer.status == 421


def test_localhost_is_this_page_too(page: Served) -> None:
    assert page.ask("/api/status", {"Host": f"LocalHost:{page.port}"}).status == 200


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n",
        "GET /api/status HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1:{port}\r\n",
        "GET /api/status HTTP/1.1\r\n",
        "GET http://evil.example/api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n",
        "GET http://127.0.0.1:{port}/api/status HTTP/1.1\r\nHost: evil.example\r\n",
        "GET /api/status HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX: a\r\n b\x00\r\n",
    ],
)
def test_a_request_with_two_hosts_or_none_is_refused(page: Served, head: str) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as wire:
        text = head.format(port=page.port)
        wire.sendall(
            f"{text}Cookie: {page.cookie}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answer.split(b" ")[1] in {b"400", b"421"}
    assert b"events" not in answer


OWN, OTHER = "http://127.0.0.1:{port}", "http://evil.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": OWN}, 200),
        ({"Origin": OTHER}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": OTHER}, 403),
    ],
)
def test_other_pages_read_nothing(
    page: Served, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(port=page.port) for name, value in headers.items()}
    assert page.ask("/api/status", given).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/label"])
def test_nothing_can_be_changed(page: Served, method: str, path: str) -> None:
    own = OWN.format(port=page.port)
    headers = {"Origin": own, "Content-Type": "application/json"}
    assert page.ask(path, headers, method=method, body=b"{}").status in {404, 405}
    plain = {"Origin": own, "Content-Type": "text/plain"}
    assert page.ask(path, plain, method=method, body=b"{}").status == 415
    unsaid = {"Content-Type": "application/json"}
    assert page.ask(path, unsaid, method=method, body=b"{}").status == 403


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/nothing", {}),
        ("/api/nothing", {}),
        ("/api/status", {}),
        ("/api/status", {"Host": "evil.example"}),
        ("/api/status", {"Origin": OTHER}),
        ("/api/status", {"Cookie": "x=y"}),
        ("/api/tree?trace_id=none", {}),
        ("/api/runs?filter=nothing:x", {}),
        ("/open/used", {}),
    ],
)
def test_every_answer_forbids_what_is_not_from_here(
    page: Served, path: str, headers: dict[str, str]
) -> None:
    found = page.ask(path, headers).headers
    assert {name: found.get(name) for name in HEADERS} == HEADERS
    assert not [name for name in found if name.startswith("access-control-")]
    policy = found["content-security-policy"]
    assert "unsafe" not in policy
    assert "server" not in found


# --- what it says -----------------------------------------------------------------


def test_the_answers_are_those_of_the_queries(
    page: Served, record: Path, tmp_path: Path
) -> None:
    source = open_source(record, tmp_path)
    source.read()
    query, trace = source.query(), _trace(page)
    event = query.events().items[0].event_id
    for path, wanted in {
        "runs?limit=5": query.runs(limit=5),
        "sessions": query.sessions(),
        f"tree?trace_id={trace}": query.tree(trace),
        f"event?id={event}": query.event(event),
        "events?limit=3&whole=1": query.events(limit=3, whole=True),
        "search?text=invoice": query.search("invoice"),
        "numbers?by=agent,model": query.numbers(("agent", "model")),
        f"diff?left={trace}&right={trace}": query.diff(trace, trace),
        "fields": {"items": query.fields()},
        "trouble": {"items": query.trouble()},
    }.items():
        assert json.loads(page.ask(f"/api/{path}").body) == json.loads(to_json(wanted))
    query.close()
    source.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/runs?limit=many", 400),
        ("/api/runs?sort=beauty", 400),
        ("/api/runs?cursor=made-up", 400),
        ("/api/tree?trace_id=none", 404),
        ("/api/event?id=none", 404),
        ("/api/export?trace_id=none", 404),
        ("/api/runs?filter=" + 5000 * "x", 400),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(
    page: Served, path: str, status: int
) -> None:
    answer = page.ask(path)
    assert answer.status == status
    assert len(answer.text) < 400
    assert "Traceback" not in answer.text


def test_a_wrong_filter_says_where_and_what_is_possible(page: Served) -> None:
    answer = page.ask("/api/runs?filter=agent:x%20colour:red")
    told = json.loads(answer.body)
    assert answer.status == 400
    assert (told["position"], told["length"]) == (8, 6)
    assert "model" in told["expected"]


class Broken:
    """A record whose queries fail, with something in the error that nobody may see."""

    def query(self) -> Any:
        raise RuntimeError("secret of the machine")

    def status(self) -> Any:
        raise RuntimeError("secret of the machine")


@pytest.mark.parametrize("name", API)
def test_an_error_inside_is_told_by_a_number_alone(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = viewer_app(lambda _: Broken(), lambda _: "me")  # type: ignore[arg-type,return-value]
    app = Guard(page, {"here:1"})
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/{name}",
        "raw_path": f"/api/{name}".encode(),
        "query_string": b"trace_id=1&id=1&session_id=1&left=1&right=1&text=1",
        "headers": [(b"host", b"here:1")],
        "scheme": "http",
        "http_version": "1.1",
    }
    if name == "follow":
        # A stream that nobody reads any more ends before it asks.
        asyncio.run(app(scope, receive, send))
        return
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent).decode()
    assert sent[0]["status"] == 500
    assert re.fullmatch(
        r"This did not work\. The log has the reason: request [0-9a-f]{32}\.\n", body
    )
    assert "secret of the machine" in caplog.text


def test_the_token_is_in_no_log(fresh: Served) -> None:
    fresh.enter()
    fresh.ask("/api/runs")
    fresh.ask(f"/open/{fresh.token}", is_known=False)
    assert fresh.end() == 0
    rest = "".join(fresh.printed[1:])
    assert (rest, fresh.token in fresh.printed[0]) == ("", True)


# --- live, export, end ------------------------------------------------------------


def _message(stream: Any, kind: str) -> Any:
    name = ""
    for line in stream:
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: ") and name == kind:
            return json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_new_events_arrive_as_they_are_written(record: Path, tmp_path: Path) -> None:
    lines = record.read_bytes().splitlines(keepends=True)
    growing = tmp_path / "growing.jsonl"
    growing.write_bytes(b"".join(lines[:-3]))
    with served([growing], tmp_path) as server:
        server.enter()
        # What is there already is not new.
        while (status := json.loads(server.ask("/api/status").body)) and (
            status["events"] < len(lines) - 3 or status["state"] != "ready"
        ):
            pass
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wire:
            wire.sendall(
                f"GET /api/follow HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                f"Cookie: {server.cookie}\r\n\r\n".encode()
            )
            with wire.makefile("rb") as stream:
                assert _message(stream, "status")["state"] == "ready"
                with growing.open("ab") as file:
                    file.write(b"".join(lines[-3:]))
                row = _message(stream, "event")
            assert row["event_id"] == json.loads(lines[-3])["event_id"]
            # A stream that nobody ends keeps no server from ending.
            assert server.end() == 0


def test_an_exported_run_names_its_script_and_loads_nothing(
    monkeypatch: pytest.MonkeyPatch, record: Path, tmp_path: Path
) -> None:
    files = {
        "assets/page.js": 'x = "</script><!--"; y = `<script>`',
        "assets/style.css": "b{}",
    }
    monkeypatch.setattr(export, "page_text", files.__getitem__)
    text = record.read_text(encoding="utf-8")
    evil = "</script><script>alert(1)</script><!--\u2028"
    changed = text.replace("Did I pay invoice 17 twice?", json.dumps(evil)[1:-1])
    file = tmp_path / "evil.jsonl"
    file.write_text(changed, encoding="utf-8")
    source = open_source(file, tmp_path)
    source.read()
    query = source.query()
    trace = query.runs().items[0].trace_id
    html = export.exported_run(query, source.status(), trace)
    query.close()
    source.close()
    assert html.count("</script") == 2
    assert html.count("<script") == 3  # The third is in the page's own text.
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=", html)
    data = re.search(r'id="record">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert evil in json.dumps(json.loads(data[1]), ensure_ascii=False).replace(
        "\\u2028", "\u2028"
    )


def test_an_export_puts_each_prompt_together_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(export, "page_text", lambda _name: "")
    work: Counter[str] = Counter()
    for owner, name in ((prompts, "items_of"), (SqliteReader, "session_events")):
        monkeypatch.setattr(owner, name, _counted(getattr(owner, name), name, work))
    file = tmp_path / "many.jsonl"
    steps = [one for n in range(40) for one in run("t", n * 2.0, session="s")]
    made = [{**one, "event_id": f"e{n}"} for n, one in enumerate(steps)]
    for one in made:
        if one["type"].startswith("EVENT_TYPE_MODEL"):
            one["span_id"] = one["timestamp"][:17]
    file.write_bytes(b"".join(lines(made)))
    with closing(open_source(file, tmp_path)) as source:
        source.read()
        with closing(source.query()) as query:
            html = export.exported_run(query, source.status(), "t")
    assert html.count('"new_from"') == 40
    assert work == {"items_of": 40, "session_events": 1}


def _counted(
    function: Callable[..., Any], name: str, work: Counter[str]
) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        work[name] += 1
        return function(*args)

    return call


def test_ctrl_c_ends_the_server_without_a_complaint(fresh: Served) -> None:
    assert fresh.ask("/").status == 401
    assert fresh.end() == 0
    assert "".join(fresh.printed[1:]) == ""


def test_a_port_in_use_is_refused(record: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        source = open_source(record, tmp_path)
        with pytest.raises(PortTakenError, match=f"port {port} is in use"):
            serve(source, port=port, opens_browser=False, say=print)
        source.close()


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {OneTimeAccess(1).token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43
