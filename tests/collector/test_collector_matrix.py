"""Every route and every call of a collector against every scope; S3, S4, S15."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import grpc
import orjson
import pytest
from starlette.routing import Mount, Route

from chaukas.collector.limits import Limits
from chaukas.collector.options import Options
from chaukas.collector.rpc import TRACE_SERVICES
from chaukas.collector.server import Collector
from chaukas.sdk.ingest.calls import SERVICES
from chaukas.viewer.api import api_routes
from chaukas.viewer.export import export_route
from tests.support.collector_process import (
    JSON,
    LINES,
    CollectorProcess,
    events,
    known_key,
    lines_of,
)

NEEDS = {
    "/healthz": "nothing",
    "/readyz": "nothing",
    "/sign-in": "nothing",
    "/sign-out": "nothing",
    "/open/{token}": "the token",
    "/v1/capabilities": "a key",
    "/v1/whoami": "a key",
    "/metrics": "admin",
    "/events": "ingest",
    "/events/batch": "ingest",
    "/v1/events": "ingest",
    "/v1/events/batch": "ingest",
    "/v1/traces": "ingest",
    "/v1/metrics": "nothing",
    "/v1/logs": "nothing",
    "/v1/query": "read",
    "/v1/stats": "read",
}
"""What each route needs; all that the page shows needs `read`."""
CALLS = {
    "Healthz": "nothing",
    "GetCapabilities": "ingest or read",
    "IngestEvent": "ingest",
    "IngestEventBatch": "ingest",
    "Export": "ingest",
    "QueryEvents": "read",
    "GetEventStats": "read",
}
SCOPES = ("ingest", "read", "admin", "ingest,read", "ingest,admin", "read,admin")
NOBODY = {"nothing": True, "the token": False}


def routes_in_the_code(tmp_path):
    """Return path and methods of each route but those of the page."""
    with closing(Collector(Options(tmp_path / "data"), Limits())) as collector:
        found = collector.application(1)._app.routes
        names = collector.rpc().answers.keys()
    pages = [one for one in found if isinstance(one, Mount)]
    assert [one.path for one in pages] == [""]
    return [one for one in found if isinstance(one, Route)], names


def page_paths():
    shown = [*api_routes(None, None), export_route(None)]
    return ["/", "/assets/page.js", *(f"/api{one.path}" for one in shown)]


def may(need, scopes):
    """Return whether a key with some scopes may do what needs something."""
    if need in NOBODY:
        return NOBODY[need]
    return need == "a key" or any(
        one in scopes.split(",") for one in need.split(" or ")
    )


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A collector with a key of tenant a for each scope, and events of a and b."""
    with CollectorProcess(tmp_path_factory.mktemp("m") / "data", has_page=True) as made:
        made.keys = {scope: known_key(made, "a", scope) for scope in SCOPES}
        made.b = known_key(made, "b")
        for key, tenant in ((made.keys["ingest"], "a"), (made.b, "b")):
            assert made.post(lines_of(events(38, tenant)), key=key)[0] == 202
        yield made


def test_s15_each_route_of_the_code_says_what_it_needs(tmp_path):
    routes, names = routes_in_the_code(tmp_path)
    assert {one.path for one in routes} == NEEDS.keys()
    assert {"Healthz", *names} == CALLS.keys()


def answered(collector, method, path, headers):
    """Return status and beginning of an answer, which may have no end."""
    client = http.client.HTTPConnection(collector.place, timeout=60)
    with closing(client):
        client.request(method, path, b"{}", headers)
        answer = client.getresponse()
        is_endless = path == "/api/follow" and answer.status == 200
        return answer.status, b"" if is_endless else answer.read()


def test_s15_no_route_is_answered_to_a_scope_that_may_not(keyed, tmp_path):
    routes, _ = routes_in_the_code(tmp_path)
    asked = [(one.path, each) for one in routes for each in sorted(one.methods)]
    asked += [(path, "GET") for path in page_paths()]
    wrong = []
    for path, method in asked:
        need = NEEDS.get(path, "read")
        for scope, key in [*keyed.keys.items(), ("", ""), ("wrong", "ck_wrong")]:
            headers = dict(LINES if need == "ingest" else JSON)
            if key:
                headers["authorization"] = f"Bearer {key}"
            place = path.replace("{token}", "x")
            status, body = answered(keyed, method, place, headers)
            is_known = scope in keyed.keys
            allowed = may(need, scope) if is_known else NOBODY.get(need, False)
            # Another method of a path, or a body that is none, is no secret.
            refused = {401, 403, 405} if is_known else {401, 403, 405, 415, 429}
            is_wrong = not allowed and status not in refused
            is_wrong |= allowed and status in {401, 403}
            if is_wrong or status >= 500 or b"event-b" in body:
                wrong.append((path, method, scope, status))
    assert wrong == []


@pytest.mark.parametrize("service", [*SERVICES, *TRACE_SERVICES])
def test_s15_no_call_is_answered_to_a_scope_that_may_not(keyed, service):
    place = urlsplit(keyed.grpc).netloc
    wrong = []
    with grpc.insecure_channel(place) as channel:
        for name, need in CALLS.items():
            for scope, key in [*keyed.keys.items(), ("", ""), ("wrong", "ck_wrong")]:
                metadata = [("authorization", f"Bearer {key}")] if key else []
                code, answer = "OK", b""
                try:
                    call = channel.unary_unary(f"/{service}/{name}")
                    answer = call(b"", 20, metadata)
                except grpc.RpcError as error:
                    code = error.code().name
                is_here = (name == "Export") is (service in TRACE_SERVICES)
                is_known = scope not in ("", "wrong")
                allowed = may(need, scope) if is_known else NOBODY.get(need, False)
                if not is_here:
                    expected = {"UNIMPLEMENTED"}
                elif allowed:
                    expected = {"OK"}
                elif is_known:
                    expected = {"PERMISSION_DENIED"}
                else:
                    expected = {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}
                if code not in expected or b"event-b" in answer:
                    wrong.append((name, scope, code))
    assert wrong == []


FOREIGN = (
    "summary?filter=tenant:b", "runs?filter=tenant:b", "sessions?filter=tenant:b",
    "events?filter=tenant:b&whole=1", "events?filter=tenant:*&limit=1000",
    "event?id=event-b-3", "prompt?id=event-b-5", "search?text=event-b-3",
    "search?text=b&filter=tenant:b", "numbers?by=tenant", "labels?filter=tenant:b",
    "trouble?filter=tenant:b", "fields?field=tenant", "fields?field=session",
    "events_after?number=0&filter=tenant:b", "lines_after?number=0&filter=tenant:b",
    "lines_after?number=0", "session?session_id=s-1&tenant=b", "find_run?text=b",
)  # fmt: skip


@pytest.mark.parametrize("path", FOREIGN)
def test_s4_nothing_that_can_be_asked_names_another_tenant(keyed, path):
    headers = {"authorization": f"Bearer {keyed.keys['read']}"}
    status, _, body = keyed.ask("GET", f"/api/{path}", headers=headers)
    if status == 404:
        # What another tenant has is said as of what nobody has.
        nobodys = path.replace("event-b", "event-x")
        assert keyed.ask("GET", f"/api/{nobodys}", headers=headers)[::2] == (
            404,
            body.replace(b"event-b", b"event-x"),
        )
        return
    assert b"event-b" not in body
    assert b'"tenant_id":"b"' not in body
    if "fields" in path or "numbers" in path:
        assert b'"b"' not in body


@pytest.mark.parametrize("name", ["tenant_id", "project_id", "session_id", "trace_id"])
def test_s4_a_published_question_for_another_tenant_finds_nothing(keyed, name):
    headers = {**JSON, "authorization": f"Bearer {keyed.keys['read']}"}
    for asked in ({"filter": {name: "b"}}, {"filter": {name: "b"}, "page_size": 1000}):
        _, _, body = keyed.ask("POST", "/v1/query", orjson.dumps(asked), headers)
        assert orjson.loads(body)["events"] == []
    _, _, body = keyed.ask("GET", f"/v1/stats?{name}=b", headers=headers)
    counted = 0 if name in ("tenant_id", "project_id") else 38
    assert orjson.loads(body)["total_events"] == counted
