"""The page for those who have a key: typed in once, a cookie stands for it."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.support.collector_process import (
    BATCH,
    LINES,
    CollectorProcess,
    events,
    lines_of,
)
from tests.support.waiting import until

FORM = {"content-type": "application/x-www-form-urlencoded"}
BROWSER = {"accept": "text/html,*/*"}


@pytest.fixture
def keyed(collector):
    """A collector with an event of each of two tenants, and keys of the first."""
    for tenant in ("a", "b"):
        collector.post(lines_of(events(1, tenant)))
    collector.reader = collector.key("a", "read")
    collector.sender = collector.key("a", "ingest")
    until(lambda: collector.ask("GET", "/api/status")[0] == 401)
    return collector


def sign_in(collector, key):
    """Return status, headers and text of the answer to a key typed in."""
    body = urlencode({"key": key}).encode()
    status, headers, text = collector.ask("POST", "/sign-in", body, FORM)
    return status, headers, text.decode()


def cookie_of(headers):
    return {"cookie": headers["set-cookie"].partition(";")[0]}


def test_a_browser_without_a_key_is_led_to_where_it_is_typed_in(keyed):
    status, headers, _ = keyed.ask("GET", "/", headers=BROWSER)
    form = keyed.ask("GET", headers["location"], headers=BROWSER)

    assert (status, headers["location"]) == (303, "/sign-in")
    assert form[0] == 200
    assert b"<input type=password name=key" in form[2]
    # A program is told what it lacks.
    assert keyed.ask("GET", "/api/status")[0] == 401


def test_a_key_typed_in_shows_the_record_of_its_tenant_and_sends_nothing(keyed):
    status, headers, _ = sign_in(keyed, keyed.reader)
    mine = cookie_of(headers)

    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    assert keyed.reader not in headers["set-cookie"]
    answer = keyed.ask("GET", "/api/events?filter=tenant:*", headers=mine)[2]
    assert b'"event--0"' not in answer
    assert answer.count(b'"tenant_id":"a"') == 1
    assert b'"tenant_id":"b"' not in answer
    sent = keyed.ask("POST", BATCH, lines_of(events(1, "a")), {**LINES, **mine})
    assert sent[0] == 401


def test_a_revoked_key_ends_its_pages(keyed):
    mine = cookie_of(sign_in(keyed, keyed.reader)[1])
    assert keyed.ask("GET", "/api/status", headers=mine)[0] == 200

    keyed.revoke(keyed.reader)

    until(lambda: keyed.ask("GET", "/api/status", headers=mine)[0] == 401)


def test_whoever_signs_out_is_known_no_more(keyed):
    mine = cookie_of(sign_in(keyed, keyed.reader)[1])

    status, headers, _ = keyed.ask("POST", "/sign-out", headers=mine)

    assert (status, headers["location"]) == (303, "/sign-in")
    assert keyed.ask("GET", "/api/status", headers=mine)[0] == 401


def test_a_wrong_key_and_one_that_may_not_read_are_refused_in_words(keyed):
    for key, status, words in (
        ("ck_no", 401, "A valid key is needed"),
        ("", 401, "A valid key is needed"),
        ("<script>", 401, "A valid key is needed"),
        (keyed.sender, 403, "it lacks the scope read"),
    ):
        found, headers, text = sign_in(keyed, key)
        assert found == status
        assert words in text
        assert "set-cookie" not in headers
        assert not key or key not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({**FORM, "origin": "http://evil.example"}, 403),
        ({**FORM, "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_another_site_signs_nobody_in(keyed, headers, status):
    body = urlencode({"key": keyed.reader}).encode()
    assert keyed.ask("POST", "/sign-in", body, headers)[0] == status


def test_a_body_that_is_no_form_is_a_wrong_key_and_no_failure(keyed):
    for body in (b"\xff\xfe", b"key=%zz", b"&" * 3000, b"key=a&key=b"):
        assert keyed.ask("POST", "/sign-in", body, FORM)[0] in {401, 429}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        # A browser names what it sees: the proxy's scheme and not the collector's.
        ("https://events.example", 303),
        ("https://other.example", 403),
    ],
)
def test_a_browser_signs_in_through_a_proxy_that_speaks_tls(tmp_path, origin, status):
    served = ("--insecure-behind-proxy", "--name", "events.example")
    proxied = CollectorProcess(tmp_path / "data", *served)
    key = proxied.key("a", "read")
    with proxied as running:
        by_proxy = {"host": "events.example", "origin": origin, **FORM}
        body = urlencode({"key": key}).encode()
        answered, headers, _ = running.ask("POST", "/sign-in", body, by_proxy)

    assert answered == status
    assert ("Secure" in headers.get("set-cookie", "")) is (status == 303)
