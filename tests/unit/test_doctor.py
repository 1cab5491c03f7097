"""`chaukas doctor`: what works and what does not, in words that say what to do."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from chaukas.cli import main
from chaukas.cli.doctor.finding import Level, fail, ok
from chaukas.cli.doctor.settings import check_settings
from chaukas.cli.faults import CHECKS, check_faults
from chaukas.cli.faults.child import PROGRAMS
from chaukas.cli.faults.scenario import Scenario, ScenarioError
from chaukas.sdk import _runtime, integrations
from chaukas.sdk.config import Config, load
from chaukas.sdk.integrations import INTEGRATIONS, Known
from chaukas.sdk.maintenance import Delivered
from chaukas.testing import FakeCollector, Fault, Reply
from loopback.otlp import Answer, SpanReceiver
from tests.support.pem import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide proxies and folders of the machine, and the frameworks, which are slow."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("CHAUKAS_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.setattr(integrations, "INTEGRATIONS", ())


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector(keys=(KEY,)) as made:
        yield made


def doctor(*arguments: str, **environ: object) -> Result:
    given = {f"CHAUKAS_{name.upper()}": str(value) for name, value in environ.items()}
    return CliRunner().invoke(main, ["doctor", *arguments], env=given)


def lines_about(done: Result, topic: str) -> list[str]:
    """Return the lines about a topic: the level and the text."""
    found = []
    for line in done.output.splitlines():
        level, _, rest = line.partition(" ")
        about, _, text = rest.strip().partition(": ")
        if about == topic:
            found.append(f"{level} {text}")
    return found


# --- settings --------------------------------------------------------------------


def test_each_setting_is_told_with_its_origin_and_no_secret(
    collector: FakeCollector,
) -> None:
    done = doctor(
        "--set", "batch_size=7", endpoint=f"{collector.endpoint}", api_key=KEY
    )
    lines = lines_about(done, "settings")
    assert f"ok endpoint = {collector.endpoint}, from CHAUKAS_ENDPOINT." in lines
    assert "ok api_key = set, not shown, from CHAUKAS_API_KEY." in lines
    assert "ok batch_size = 7, from --set batch_size." in lines
    assert KEY not in done.output


def test_passwords_in_the_endpoint_are_not_shown(collector: FakeCollector) -> None:
    endpoint = collector.endpoint.replace("://", "://me:hunter2@")
    assert "hunter2" not in doctor(endpoint=endpoint).output
    assert "hunter2" not in doctor("--json", endpoint=endpoint).output


def test_a_setting_that_cannot_be_read_is_a_warning() -> None:
    done = doctor(batch_size="many")
    assert any(
        line.startswith("warn cannot read CHAUKAS_BATCH_SIZE='many'")
        for line in lines_about(done, "settings")
    )
    assert done.exit_code == 0


def test_that_chaukas_is_off_is_a_warning() -> None:
    assert any(
        line.startswith("warn chaukas is switched off")
        for line in lines_about(doctor(enabled="false"), "settings")
    )


def test_a_key_file_that_is_missing_is_a_failure(collector: FakeCollector) -> None:
    done = doctor(endpoint=collector.endpoint, api_key_file="/no/such/key")
    assert done.exit_code == 1
    assert any(
        "'/no/such/key' cannot be read (No such file or directory). Correct" in line
        for line in lines_about(done, "settings")
    )


@pytest.mark.parametrize(
    ("endpoint", "level"),
    [
        ("http://collector.example", Level.WARN),
        ("grpc://10.0.0.1:4317", Level.WARN),
        ("https://collector.example", Level.OK),
        ("http://localhost:4318", Level.OK),
        ("http://[::1]:4318", Level.OK),
    ],
)
def test_a_key_in_plain_text_is_a_warning(endpoint: str, level: Level) -> None:
    loaded = load({"endpoint": endpoint, "api_key": KEY}, None, {})
    assert max(f.level == Level.WARN for f in check_settings(loaded)) == (
        level is Level.WARN
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("weather=fine", "--set 'weather': no such setting. See"),
        ("tenant_idd=acme", "no such setting. Did you mean tenant_id? See"),
        ("tenant_id", "--set 'tenant_id': the value is missing. Write --set"),
        ("api_key=hunter2", "--set api_key: refused, since other users can see"),
        ("api_key", "--set api_key: refused, since other users can see"),
    ],
)
@pytest.mark.parametrize("command", [["doctor"], ["spool", "list"], ["spool", "flush"]])
def test_a_wrong_use_of_set_says_what_is_wrong(
    command: list[str], given: str, words: str
) -> None:
    done = CliRunner().invoke(main, [*command, "--set", given])
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())
    assert "hunter2" not in done.output


@pytest.mark.parametrize(("given", "words"), [((), "all "), (("-",), "the other ")])
def test_what_was_not_given_is_said_to_be_at_its_default(
    given: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_SPOOL_DIR")
    options = ("--set", "batch_size=7") if given else ()
    text = lines_about(doctor(*options), "settings")[-1]
    assert text.startswith(f"ok {words}")
    assert text.endswith(
        " settings are at their defaults. Settings made in code are not visible here:"
        " pass them with --set."
    )


# --- collectors ------------------------------------------------------------------


def test_a_collector_that_works_is_ok_and_gets_no_event(
    collector: FakeCollector,
) -> None:
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    reached, answered = lines_about(done, "collector (http)")
    assert done.exit_code == 0, done.output
    assert reached.startswith(f"ok {collector.endpoint} (127.0.0.1) is reached: DNS ")
    assert answered.startswith("ok it takes events with the key (POST /events/batch,")
    assert collector.events == []
    assert {request.path for request in collector.requests} == {
        "/v1/capabilities",
        "/events/batch",
        "/v1/whoami",
    }


def test_a_collector_over_grpc_is_asked_too(collector: FakeCollector) -> None:
    done = doctor(endpoint=collector.grpc_endpoint, api_key=KEY)
    assert done.exit_code == 0, done.output
    assert "it takes events with the key" in done.output
    done = doctor(endpoint=collector.grpc_endpoint, api_key="wrong")
    assert done.exit_code == 1
    assert "refused the API key (gRPC UNAUTHENTICATED)" in done.output
    assert collector.events == []


def test_a_key_that_is_refused_is_a_failure(collector: FakeCollector) -> None:
    done = doctor(endpoint=collector.endpoint, api_key="wrong")
    assert done.exit_code == 1
    (line,) = [x for x in lines_about(done, "collector (http)") if x[:4] == "fail"]
    assert "refused the API key (HTTP 401)" in line
    assert line.endswith("Correct CHAUKAS_API_KEY or the file that holds it.")


@pytest.mark.parametrize("kind", [{"is_published": True}, {"is_single": True}])
def test_other_backends_are_ok(kind: dict[str, Any]) -> None:
    with FakeCollector(**kind) as collector:
        done = doctor(endpoint=collector.endpoint)
        assert done.exit_code == 0, done.output
        assert collector.events == []


def test_a_wrong_path_is_a_failure(collector: FakeCollector) -> None:
    done = doctor(endpoint=f"{collector.endpoint}/elsewhere", api_key=KEY)
    assert done.exit_code == 1
    assert "takes no events there (HTTP 404)" in done.output


def test_a_login_page_is_a_failure(collector: FakeCollector) -> None:
    page = {"content-type": "text/html"}
    collector.always = Reply(status=200, headers=page, body=b"<html>Welcome</html>")
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    assert done.exit_code == 1
    assert "as a login page is" in done.output


def test_a_collector_that_dislikes_the_question_is_a_warning(
    collector: FakeCollector,
) -> None:
    collector.always = Reply(status=400)
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    assert done.exit_code == 0
    assert "warn  collector (http): it answers, but not to a batch" in done.output


def test_a_collector_that_says_nothing_is_a_failure(collector: FakeCollector) -> None:
    collector.always = Reply(fault=Fault.SILENCE)
    done = doctor(endpoint=collector.endpoint, api_key=KEY, timeout="0.3")
    assert done.exit_code == 1
    assert "did not answer in time" in done.output


def test_a_port_that_nobody_listens_on_is_a_failure(collector: FakeCollector) -> None:
    collector.stop()
    done = doctor(endpoint=collector.endpoint)
    (line,) = lines_about(done, "collector (http)")
    assert done.exit_code == 1
    assert "refuses connections. Start the collector" in line


def test_a_name_that_does_not_exist_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    done = doctor(endpoint="https://collector.invalid")
    assert done.exit_code == 1
    assert "has a name that cannot be resolved. Correct the host" in done.output


def test_a_certificate_that_is_not_trusted_is_a_failure(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.issue()
    with FakeCollector(
        certificate=pem["certificate"], private_key=pem["private_key"]
    ) as collector:
        done = doctor(endpoint=collector.endpoint)
        assert done.exit_code == 1
        assert "cannot be trusted (its certificate does not verify)" in done.output
        done = doctor(endpoint=collector.endpoint, ca_file=authority.ca_file)
        assert done.exit_code == 0, done.output
        assert ", TLSv1.3 " in done.output
        done = doctor(endpoint=collector.endpoint, ca_file="/no/such/file")
        assert "cannot use CHAUKAS_CA_FILE='/no/such/file'" in done.output


def test_a_certificate_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pem = authority.issue(not_after=datetime.now(timezone.utc) + timedelta(days=3))
    with FakeCollector(
        certificate=pem["certificate"], private_key=pem["private_key"]
    ) as collector:
        done = doctor(endpoint=collector.endpoint, ca_file=authority.ca_file)
    assert done.exit_code == 0
    assert "its certificate ends at 20" in done.output


def test_a_proxy_that_is_none_is_a_failure(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    done = doctor(endpoint=collector.endpoint)
    assert done.exit_code == 1
    assert "Correct HTTP_PROXY" in done.output


def test_a_proxy_on_the_way_is_named(
    collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = collector.endpoint.replace("://", "://me:hunter2@")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    done = doctor(endpoint="http://collector.example")
    place = collector.endpoint.removeprefix("http://")
    assert f"is reached through the proxy {place}." in done.output
    assert "hunter2" not in done.output


# --- disk ------------------------------------------------------------------------


def test_the_doctor_leaves_nothing_behind(
    collector: FakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir(mode=0o700)
    before = sorted(tmp_path.rglob("*"))
    done = doctor(endpoint=collector.endpoint, output_mode="file,http", api_key=KEY)
    assert done.exit_code == 0, done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_can_be_written_is_ok_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "chaukas_events.jsonl").write_bytes(b"{}\n")
    done = doctor()
    assert lines_about(done, "file")[0].startswith("ok ")
    assert "can be written" in lines_about(done, "file")[0]
    assert (tmp_path / "chaukas_events.jsonl").read_bytes() == b"{}\n"


@pytest.mark.parametrize("path", ["", "file/events.jsonl", "/proc/events.jsonl"])
def test_a_file_that_cannot_be_written_is_a_failure(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = doctor(output_file=tmp_path / path)
    assert done.exit_code == 1
    assert lines_about(done, "file")[0].startswith("fail ")


def test_a_spool_folder_that_is_a_file_is_a_failure(
    collector: FakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file")
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    assert done.exit_code == 1
    assert "is no folder. Set CHAUKAS_SPOOL_DIR to one." in done.output


def test_a_spool_folder_that_others_can_write_is_a_warning(
    collector: FakeCollector, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    assert "can be written by others (0777). Close it: chmod 700" in done.output


def test_a_disk_with_less_room_than_the_limit_is_a_warning(
    collector: FakeCollector,
) -> None:
    done = doctor(endpoint=collector.endpoint, api_key=KEY, spool_limit="1000TB")
    assert "less room" in done.output


def test_what_waits_and_what_was_refused_is_a_warning(
    collector: FakeCollector, tmp_path: Path
) -> None:
    collector.stop()
    program = (
        "import os, time, chaukas\n"
        "chaukas.enable_chaukas()\n"
        "while not chaukas.stats().spooled: time.sleep(0.001)\n"
        "os._exit(0)\n"
    )
    settings = {"CHAUKAS_ENDPOINT": collector.endpoint, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **settings}, check=True
    )
    collector.start()
    folder = tmp_path / "spool" / "quarantine"
    folder.mkdir()
    (folder / "s.jsonl").write_text('{"at_s": 1, "event": "{}"}\n')
    done = doctor(endpoint=collector.endpoint, api_key=KEY)
    assert done.exit_code == 0
    assert (
        "warn ended processes left 1 event in 1 spool."
        " The next process delivers them; or now: chaukas spool flush"
    ) in lines_about(done, "spool")
    (refused,) = lines_about(done, "quarantine")
    assert refused.startswith("warn 1 event refused for good")
    # Without a collector `spool flush` could do nothing.
    (advice,) = [x for x in lines_about(doctor(), "spool") if "ended processes" in x]
    assert "chaukas spool flush --set endpoint=…, with the settings of theirs" in advice


# --- frameworks ------------------------------------------------------------------


def test_hook_points_are_found_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.run import AgentRunner

    original = vars(AgentRunner)["run"]
    monkeypatch.undo()
    done = doctor()
    (line,) = lines_about(done, "openai_agents")
    assert line.startswith("ok openai-agents 0.24.0, ")
    assert " found" in line
    assert lines_about(done, "tenacity")[0].startswith("ok ")
    assert vars(AgentRunner)["run"] is original
    assert _runtime.active() is None


def test_a_library_that_runs_no_agents_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [known] = [each for each in INTEGRATIONS if each.name == "tenacity"]
    known = known._replace(module="cli_nowhere")
    monkeypatch.setattr(integrations, "INTEGRATIONS", (known,))
    assert lines_about(doctor(), "tenacity") == [
        "ok not installed here: there are no retries of it to record."
    ]


def test_who_uses_one_framework_does_not_miss_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [known] = [each for each in INTEGRATIONS if each.name == "openai_agents"]
    other = Known("other", "cli_nowhere", "nowhere:Nothing")
    monkeypatch.setattr(integrations, "INTEGRATIONS", (known, other))
    assert lines_about(doctor(), "other") == [
        "ok not installed here: there are no runs of it to record."
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, "warn not installed here"),
        ("raise RuntimeError('no')", "fail cannot be imported (RuntimeError)"),
    ],
)
def test_a_framework_that_is_missing_or_broken_is_told(
    body: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if body is not None:
        (tmp_path / "cli_broken.py").write_text(body)
        monkeypatch.syspath_prepend(str(tmp_path))
    known = Known("broken", "cli_broken", "nowhere:Nothing")
    monkeypatch.setattr(integrations, "INTEGRATIONS", (known,))
    assert lines_about(doctor(), "broken")[0].startswith(expected)


# --- the whole -------------------------------------------------------------------


def test_machines_read_one_object_a_line() -> None:
    done = doctor("--json")
    findings = [json.loads(line) for line in done.output.splitlines()]
    assert {each["level"] for each in findings} == {"ok"}
    assert set(findings[0]) == {"level", "topic", "text", "remedy", "facts"}


def test_the_commands_run_with_a_python_of_ones_choice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chaukas.cli", "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("doctor", "spool", "tree", "verify"))


# --- faults ----------------------------------------------------------------------


def play(name: str, folder: Path) -> Any:
    (found,) = [each for each in CHECKS if each.__name__ == name]
    with Scenario(folder) as scenario:
        return found(scenario)


def test_a_play_measures_and_leaves_nothing_behind(tmp_path: Path) -> None:
    finding = play("_torn_line", tmp_path)
    assert finding.level is Level.OK, finding
    assert finding.text == (
        "a line cut in half: 49 of the 49 others delivered, 1 of 1 reported lost"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_play_sees_when_the_promise_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scenario, "deliver", lambda _stage: Delivered())
    finding = play("_torn_line", tmp_path)
    assert finding.level is Level.FAIL
    assert "0 of the 49 others delivered, 0 of 1 reported" in finding.text


def test_a_program_that_does_not_start_is_told(tmp_path: Path) -> None:
    with Scenario(tmp_path) as one, pytest.raises(ScenarioError, match="ended early"):
        one.first_line(one.start("no_such_program"))
    with Scenario(tmp_path) as one, pytest.raises(ScenarioError, match="ended with 1"):
        one.lines(one.start("no_such_program"))


def test_every_program_that_is_started_exists() -> None:
    source = (ROOT / "chaukas" / "cli" / "faults" / "__init__.py").read_text()
    started = set(re.findall(r"scenario\.start\(\s*\"(\w+)\"", source))
    assert started == set(PROGRAMS)


def test_checks_go_on_after_one_that_could_not_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impossible_thing(_stage: Scenario) -> Any:
        raise ScenarioError("no room")

    def easy(_stage: Scenario) -> Any:
        return ok("faults", "easy")

    monkeypatch.setattr("chaukas.cli.faults.CHECKS", (impossible_thing, easy))
    before = dict(os.environ)
    findings = list(check_faults(Config(spool_dir=tmp_path / "state" / "chaukas")))
    assert [each.level.value for each in findings] == ["ok", "fail", "ok"]
    assert "impossible thing could not be checked (no room)" in findings[1].text
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before
    assert logging.getLogger("chaukas.sdk").level == logging.NOTSET


def test_a_failure_makes_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_config: Config) -> Any:
        yield fail("faults", "lost", "Please report this.")

    monkeypatch.setattr("chaukas.cli.faults.check_faults", broken)
    done = doctor("--faults")
    assert done.exit_code == 1
    assert done.output == (
        "fail  faults: lost. Please report this.\n1 failure, 0 warnings.\n"
    )


class TestOtlp:
    """A receiver of spans: asked with a request that holds none."""

    def test_one_that_takes_spans_is_named(self) -> None:
        with SpanReceiver() as receiver:
            done = doctor(output_mode="otlp", otlp_endpoint=receiver.endpoint)
            assert not receiver.spans
        assert "ok    receiver (otlp): " in done.output
        assert "/v1/traces takes spans (" in done.output

    def test_one_that_refuses_the_headers_says_what_to_correct(self) -> None:
        with SpanReceiver() as receiver:
            receiver.rule = lambda _spans: Answer(401)
            done = doctor(
                output_mode="otlp", otlp_endpoint=receiver.endpoint, otlp_headers="x=1"
            )
        assert done.exit_code == 1
        assert "FAIL" in done.output.upper()
        assert "Correct CHAUKAS_OTLP_HEADERS" in done.output

    def test_one_that_is_not_there_is_a_failure(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        done = doctor(output_mode="otlp", otlp_endpoint=endpoint)
        assert done.exit_code == 1
        assert "refuses connections" in done.output
