"""Keys, scopes, cookies and files of a collector: S7, S13, S14, S15, S21, S25."""

from __future__ import annotations

import http.client
import importlib
import itertools
import os
import stat
from contextlib import closing
from urllib.parse import urlsplit

import orjson
import pytest
from click.testing import CliRunner

from chaukas.cli.collector import collector as collector_command
from chaukas.cli.collector import keys as keys_command
from chaukas.cli.collector import options as options_command
from chaukas.collector.access.callers import Access
from chaukas.collector.access.keys import KeyFile, KeyFileError
from chaukas.collector.access.rates import Rates
from chaukas.collector.folder import DataFolder, DataFolderError
from chaukas.collector.refusal import Refusal
from chaukas.collector.upkeep.administration import record
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.quota import quotas
from tests.support.collector_process import (
    BATCH,
    JSON,
    LINES,
    CollectorProcess,
    command,
    events,
    lines_of,
)
from tests.support.waiting import until


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A collector with a key of a tenant that may send and read."""
    with CollectorProcess(tmp_path_factory.mktemp("access") / "data") as running:
        running.a = running.key("a")
        until(lambda: running.ask("GET", "/v1/capabilities")[0] == 401)
        yield running


def known(collector, key):
    """Wait until the collector has found a key that was just made."""
    path = "/v1/capabilities"
    until(lambda: collector.ask("GET", path, headers=bearer(key))[0] not in (401, 429))
    return key


# --- S7 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [30_000, pytest.param(1_000_000, marks=pytest.mark.slow)]
)
def test_s7_wrong_keys_fill_no_table_however_many(tmp_path, number):
    keys = KeyFile(tmp_path / "keys.json")
    keys.create("a", "", ["ingest"])
    access = Access(keys, is_open=False)
    refused = 0
    for each in range(number):
        try:
            access.caller(f"Bearer ck_{each:012}", f"10.{each}")
        except Refusal as refusal:
            refused += refusal.status == 401
    assert refused == number
    assert len(access._guesses) == 10_000
    assert len(access._used) == 0


def test_s7_a_bucket_that_is_asked_in_vain_takes_no_place():
    rates = Rates(kept=10)
    for _ in range(3):
        rates.take("a", 10, 1, 0.0)
    assert len(rates) == 1


# --- S13 -------------------------------------------------------------------------

ORIGINS = (None, "{own}", "null", "http://evil.example", "https://{place}")
SITES = (None, "same-origin", "none", "same-site", "cross-site")
METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS")


@pytest.mark.parametrize("path", [BATCH, "/v1/query", "/api/runs", "/nothing"])
def test_s13_what_is_no_reading_is_refused_to_every_foreign_page(shared, path):
    found, wanted = {}, {}
    for method, origin, site in itertools.product(METHODS, ORIGINS, SITES):
        given = {"origin": origin, "sec-fetch-site": site}
        headers = {
            name: value.replace("{own}", shared.http).replace("{place}", shared.place)
            for name, value in given.items()
            if value is not None
        }
        status, answered, _ = shared.ask(method, path, b"", {**JSON, **headers})
        is_foreign = origin not in {None, "{own}"} or site in {
            "same-site",
            "cross-site",
        }
        found[method, origin, site] = status == 403
        wanted[method, origin, site] = is_foreign
        assert not [name for name in answered if name.startswith("access-control")]
    assert found == wanted


def test_s13_a_foreign_page_with_a_key_is_no_page_but_a_client(keyed):
    foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    headers = {**LINES, **bearer(keyed.a), **foreign}
    assert keyed.ask("POST", BATCH, lines_of(events(1, "a")), headers)[0] == 202
    assert keyed.ask("GET", "/api/status", headers=headers)[0] == 200


def test_s13_what_an_address_says_before_its_host_makes_no_page_a_client(shared):
    """As of `http://x:y@127.0.0.1:4318`, which any page may send a form to."""
    headers = {**LINES, "authorization": "Basic eDp5", "sec-fetch-site": "cross-site"}
    assert shared.ask("POST", BATCH, lines_of(events(1, "a")), headers)[0] == 403


@pytest.mark.parametrize(
    "path", "/api/status / /v1/capabilities /v1/whoami /metrics /healthz".split()
)
@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
    ],
)
def test_s13_pages_of_other_sites_read_nothing(shared, path, headers, is_refused):
    status = shared.ask("GET", path, headers=headers)[0]
    assert (status == 403) is is_refused


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded"]
)
def test_s13_a_question_that_a_form_could_send_is_not_answered(shared, kind):
    headers = {"content-type": kind} if kind else {}
    assert shared.ask("POST", "/v1/query", b"{}", headers)[0] == 415


def test_s13_reading_changes_nothing(shared):
    before = shared.get("/api/status")[1]["events"]
    body = lines_of(events(1, "s13"))
    for path in (BATCH, "/v1/events", "/v1/query", "/api/status"):
        for method in ("GET", "HEAD"):
            shared.ask(method, path, body, LINES)
    assert shared.get("/api/status")[1]["events"] == before


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/v2/events", "/open/x/y"]
)
@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_s13_a_post_to_nothing_finds_nothing(shared, keyed, path, kind):
    for collector, key in ((shared, ""), (keyed, ""), (keyed, keyed.a)):
        headers = {"content-type": kind, **(bearer(key) if key else {})}
        assert collector.ask("POST", path, b"x", headers)[0] == 404


# --- S15 -------------------------------------------------------------------------

MAY = {
    "ingest": (202, 403, 403),
    "read": (403, 200, 403),
    "admin": (403, 403, 200),
    "ingest,read": (202, 200, 403),
    "ingest,admin": (202, 403, 200),
    "read,admin": (403, 200, 200),
    "ingest,read,admin": (202, 200, 200),
}


@pytest.mark.parametrize("scope", MAY)
def test_s15_each_call_needs_its_scope(keyed, scope):
    headers = bearer(known(keyed, keyed.key("scopes", scope)))
    found = (
        keyed.ask("POST", BATCH, lines_of(events(1, scope)), {**LINES, **headers})[0],
        keyed.ask("GET", "/api/status", headers=headers)[0],
        keyed.ask("GET", "/metrics", headers=headers)[0],
    )
    assert found == MAY[scope]


def test_s15_counts_of_all_tenants_are_for_the_owner_without_keys(shared):
    assert shared.ask("GET", "/metrics")[0] == 200


def follow(collector, key):
    """Return a connection on which new events come."""
    client = http.client.HTTPConnection(collector.place, timeout=60)
    client.request("GET", "/api/follow", headers=bearer(key))
    answer = client.getresponse()
    assert answer.status == 200
    while not answer.readline().startswith(b"event: status"):
        pass
    return client, answer


def test_s15_a_stream_of_events_ends_when_its_key_is_revoked(keyed):
    key = known(keyed, keyed.key("a", "read"))
    client, answer = follow(keyed, key)

    done = command("key", "revoke", key.split("_")[1], "--data", str(keyed.data))

    assert done.returncode == 0
    # It ends: a stream that goes on would be read until the client's timeout.
    answer.read()
    client.close()
    keyed.post(lines_of(events(1, "a", 900)), key=keyed.a)


def test_s15_a_key_that_expired_or_was_revoked_is_no_longer_good(tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    _, made = keys.create("a", "", ["read"], expires_s=1000.0)
    assert keys.get(made.id, 999.0) == made
    assert keys.get(made.id, 1000.0) is None
    assert keys.get("other", 999.0) is None
    keys.revoke(made.id)
    assert keys.get(made.id, 999.0) is None


def test_s15_damaged_keys_let_nobody_in_at_any_time(tmp_path):
    path = tmp_path / "keys.json"
    keys = KeyFile(path)
    access = Access(keys, is_open=True)
    assert access.caller(None, "peer").name == "local"
    path.write_text("[{")
    keys._looked_s = float("-inf")
    for _ in range(3):
        # Not once, and then as before: until the file is mended.
        with pytest.raises(Refusal) as caught:
            access.caller(None, "peer")
        assert caught.value.status == 503
    with pytest.raises(KeyFileError):
        keys.all()


# --- S14 -------------------------------------------------------------------------


def test_s14_the_token_is_no_longer_than_once_in_any_answer(tmp_path):
    with CollectorProcess(tmp_path / "data", has_page=True) as collector:
        path = urlsplit(collector.addresses["page"]).path
        token = path.rpartition("/")[2]
        for wanted in (303, 401):
            status, headers, body = collector.ask("GET", path)
            assert status == wanted
            assert token not in str(headers) + body.decode()
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers.get("location", "/") == "/"


# --- S21 -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["secret", "keys.lock", "events.sqlite-wal", "x"])
def test_s21_no_file_of_the_folder_may_be_a_link(tmp_path, name):
    DataFolder(tmp_path / "data").prepare()
    (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataFolderError, match="is a link"):
        DataFolder(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "Run this as that user, or give another --data."),
        ("events.sqlite", "Give it to the owner of the folder."),
    ],
)
def test_s21_what_belongs_to_another_user_is_refused(tmp_path, name, advice):
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    os.chown(folder.path / name, 12345, 12345)
    with pytest.raises(DataFolderError) as refused:
        DataFolder(tmp_path / "data")
    assert str(refused.value) == (
        f"{folder.path / name} belongs to another user, who could change what is kept "
        f"there. {advice}"
    )


def test_s21_a_secret_that_was_cut_short_is_made_anew(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    (folder.path / "secret").write_bytes(b"")
    made = folder.secret()
    assert len(made) == 32
    assert DataFolder(tmp_path / "data").secret() == made
    assert stat.S_IMODE((folder.path / "secret").stat().st_mode) == 0o600


def test_s21_the_files_are_the_owners_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        with CollectorProcess(tmp_path / "a" / "data") as collector:
            collector.key("a")
            done = command(
                "backup", str(tmp_path / "copy"), "--data", str(collector.data)
            )
            assert done.returncode == 0
            modes = {stat.S_IMODE(p.stat().st_mode) for p in collector.data.iterdir()}
    finally:
        os.umask(old)
    assert modes == {0o600}
    assert stat.S_IMODE(collector.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


# --- S25 -------------------------------------------------------------------------


@pytest.fixture
def no_record(monkeypatch):
    """A disk that takes no record of what administrators do."""

    def full(*_arguments, **_facts):
        raise OSError(28, "No space left on device")

    for module in (keys_command, options_command):
        monkeypatch.setattr(module, "record", full)
    # Its name in the package is the command.
    recover = importlib.import_module("chaukas.cli.collector.recover")
    monkeypatch.setattr(recover, "append", full)


def told(*arguments):
    return CliRunner().invoke(collector_command, arguments)


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ((), ["ingest"]),
        (("--scope", "read"), ["read"]),
        (("--scope", "ingest", "--scope", "read"), ["ingest", "read"]),
        (("--scope", "read, ingest", "--scope", "read"), ["read", "ingest"]),
    ],
)
def test_s15_a_key_has_all_scopes_that_were_given(tmp_path, given, scopes):
    data = ("--data", str(tmp_path / "data"))
    made = told("key", "create", "--tenant", "a", "--json", *given, *data)
    assert orjson.loads(made.output)["scopes"] == scopes
    (key,) = KeyFile(tmp_path / "data" / "keys.json").all()
    assert list(key.scopes) == scopes


@pytest.mark.usefixtures("no_record")
def test_s25_what_cannot_be_put_on_record_is_not_done(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    with closing(SqliteStore(folder.events)) as store:
        assert store.ingest(lines_of(events(5, "a")).splitlines()).accepted == 5
    session = str(events(5, "a")[0]["session_id"])
    data = ("--data", str(folder.path))
    for action in (
        ("retain", "--days", "0"),
        ("erase", "--tenant", "a", "--session", session, "--yes"),
        ("quota", "--tenant", "a", "--events", "1"),
        ("recover", str(tmp_path / "new")),
    ):
        done = told(*action, *data)
        assert done.exit_code == 2, action
        assert "nothing was done" in done.output, action
    with closing(SqliteStore(folder.events)) as store:
        with closing(store.reader(None)) as reader:
            assert reader.event_count() == 5
        with store.transaction() as sql:
            assert quotas(sql) == []

    made = told("key", "create", "--tenant", "a", *data)
    (key,) = KeyFile(folder.keys).all()
    assert made.exit_code == 2
    assert "ck_" not in made.output
    assert key.revoked_s is not None


def test_s25_however_long_an_action_is_the_next_one_follows_it(tmp_path):
    path = tmp_path / "administration.jsonl"
    record(path, "erased", user="x" * 200_000)
    record(path, "erased", user="y")
    first, second = map(orjson.loads, path.read_bytes().splitlines())
    assert second["hash_prev"] == first["content_hash"]
    assert second["metadata"]["chaukas"]["seq"] == 2
