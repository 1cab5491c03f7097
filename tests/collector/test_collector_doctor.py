"""`chaukas doctor` towards a collector: whose the key is, what it may, which clock."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chaukas.cli import main
from chaukas.cli.doctor.identity import findings_of
from chaukas.query.answers import Identity
from chaukas.sdk import integrations
from chaukas.sdk._version import VERSION
from chaukas.sdk.config import load
from tests.support.collector_process import known_key
from tests.support.command_line import command_line

HERE = Identity("k1", "acme", "", ("ingest",), "1.0", 0)


@pytest.fixture(autouse=True)
def _own_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAUKAS_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setattr(integrations, "INTEGRATIONS", ())


def said(collector, **environ: str) -> tuple[int, list[tuple[str, str]]]:
    """Return the exit code, and level and text of what is said of the collector."""
    given = {f"CHAUKAS_{name.upper()}": value for name, value in environ.items()}
    given["CHAUKAS_ENDPOINT"] = collector.http
    done = command_line().invoke(main, ["doctor", "--json"], env=given)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert environ.get("api_key", "\n\n") not in done.stdout
    about = [one for one in found if one["topic"] == "collector (http)"]
    return done.exit_code, [(one["level"], one["text"]) for one in about][2:]


def test_the_doctor_says_whose_the_key_is_and_stores_nothing(collector):
    begin, may = f"chaukas {VERSION}:", "ingest and read"
    all_ = f"admin and {may}"
    refused = "and events name 'default': each of them would be refused"
    assert said(collector) == (
        0,
        [
            ("ok", f"{begin} no key is needed there, for every tenant, may {all_}"),
        ],
    )
    key = known_key(collector, "acme", "ingest,read", "--project", "shop")
    number = key.split("_")[1]
    whose = f"{begin} the key {number}, for tenant 'acme', may {may}"
    assert said(collector, api_key=key, tenant_id="acme", project_id="shop") == (
        0,
        [("ok", whose)],
    )
    assert said(collector, api_key=key) == (
        1,
        [
            ("ok", whose),
            ("fail", f"the key is of the tenant 'acme', {refused}"),
            ("fail", f"the key is of the project 'shop', {refused}"),
        ],
    )
    every = known_key(collector, "*", "ingest,read")
    assert said(collector, api_key=every)[0] == 0
    assert collector.get("/api/status", every)[1]["events"] == 0


def test_the_doctor_says_of_a_key_that_may_only_read_which_scope_it_lacks(collector):
    key = known_key(collector, "default", "read")
    code, found = said(collector, api_key=key)
    number = key.split("_")[1]
    assert (code, found[-2:]) == (
        1,
        [
            (
                "ok",
                (
                    f"chaukas {VERSION}: the key {number}, for tenant 'default', may"
                    " read"
                ),
            ),
            ("fail", "the key may read, and not send: its scope is not ingest"),
        ],
    )


@pytest.mark.parametrize(
    ("skew_s", "words"),
    [
        (4.9, None),
        (7.0, "its clock is 7 s ahead of this machine's"),
        (-7200.0, "its clock is 2 h behind this machine's"),
    ],
)
def test_a_clock_that_is_off_is_a_warning(skew_s, words):
    config = replace(load({}, None, {}).config, tenant_id="acme")
    found = list(findings_of("collector", HERE, config, skew_s))
    told = [(one.level.value, one.text) for one in found]
    first = ("ok", "chaukas 1.0: the key k1, for tenant 'acme', may ingest")
    assert told == [first, *([("warn", words)] if words else [])]


def test_who_one_is_is_said_to_a_valid_key_alone(collector):
    key = known_key(collector, "acme", "ingest")
    number = key.split("_")[1]
    status, told = collector.get("/v1/whoami", key)
    now_us = told.pop("now_us")
    assert (status, told) == (
        200,
        {
            "key": number,
            "tenant": "acme",
            "project": "",
            "scopes": ["ingest"],
            "version": VERSION,
        },
    )
    assert type(now_us) is int
    assert collector.get("/v1/whoami", key + "x")[0] == 401
    assert collector.get("/v1/whoami")[0] == 401
