"""Tests of what is hidden, and of what is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chaukas.sdk.capture.limits import Limits
from chaukas.sdk.capture.redaction.names import is_sensitive
from chaukas.sdk.capture.redaction.redactor import (
    OVERLAP_CHARS,
    REDACTED,
    Redactor,
    lowered,
    middle_out,
    visible,
)
from chaukas.sdk.capture.redaction.tokens.patterns import PATTERNS
from chaukas.sdk.capture.snapshot import Capture, Rules
from tests.support.groups import for_each
from tests.support.secrets import (
    INNOCENT_TEXTS,
    INNOCENT_TREES,
    PLANTED,
    TOKENS,
    Planted,
)

NAMES = [planted.name for planted in PLANTED]


def captured(value: Any, **rules: Any) -> tuple[str, list[str]]:
    """Return the captured tree as text, and the paths that were hidden."""
    capture = Capture(Rules(**rules))
    return json.dumps(capture.tree(value, "x"), ensure_ascii=False), capture.redacted


@for_each(PLANTED, NAMES)
def test_a_planted_secret_vanishes_from_a_tree(planted: Planted) -> None:
    shown, paths = captured(planted.value)

    assert planted.secret not in shown
    assert REDACTED in shown
    assert paths


@for_each(PLANTED, NAMES)
def test_a_planted_secret_vanishes_from_a_text(planted: Planted) -> None:
    capture = Capture(Rules())

    shown = capture.text(planted.value, "message.text")

    assert planted.secret not in shown
    assert capture.redacted == ["message.text"]


HEAD_CHARS, TAIL_CHARS = 768, 256
CUT = Rules(limits=Limits(string_chars=HEAD_CHARS + TAIL_CHARS))
FILL = "word " * (OVERLAP_CHARS // 4)


def as_text(planted: Planted) -> tuple[str, int, int]:
    """Return the text that holds a secret, and where the secret begins and ends."""
    value = planted.value
    text = value if type(value) is str else json.dumps(str(value))
    start = text.index(planted.secret)
    return text, start, start + len(planted.secret)


def cut_after(text: str, chars: int) -> str:
    """Return a text with so much of *text* before the cut behind the beginning."""
    return f"{FILL[: HEAD_CHARS - 1 - chars]}\n{text}\n"


def cut_before(text: str, chars: int) -> str:
    """Return a text with so much of *text* behind the cut before the end."""
    return f"\n{text}\n{FILL[: TAIL_CHARS - 1 - chars]}"


@for_each(PLANTED, NAMES)
def test_a_planted_secret_vanishes_wherever_a_text_is_cut(planted: Planted) -> None:
    text, start, end = as_text(planted)
    chars = end - start
    for shown in (chars // 2, chars):
        head = Capture(CUT).text(cut_after(text, start + shown) + FILL[:600], "x")
        assert planted.secret[:shown] not in head

        behind = len(text) - end + shown
        tail = Capture(CUT).text(FILL[:1200] + cut_before(text, behind), "x")
        assert planted.secret[-shown:] not in tail


@for_each(PLANTED, NAMES)
def test_a_planted_secret_vanishes_at_both_cuts_of_a_text_longer_than_is_searched(
    planted: Planted,
) -> None:
    text, start, end = as_text(planted)
    middle = (start + end) // 2
    apart = FILL[: OVERLAP_CHARS + 400]
    long = cut_after(text, middle) + apart + cut_before(text, len(text) - middle)

    shown = Capture(CUT).text(long, "x")

    assert planted.secret[: middle - start] not in shown
    assert planted.secret[middle - start :] not in shown


@pytest.mark.parametrize("text", INNOCENT_TEXTS)
def test_an_innocent_text_stays_as_it_is(text: str) -> None:
    capture = Capture(Rules())

    assert capture.text(text, "x") == text
    assert capture.redacted == []


@pytest.mark.parametrize("tree", INNOCENT_TREES, ids=str)
def test_an_innocent_tree_stays_as_it_is(tree: Any) -> None:
    capture = Capture(Rules())

    assert capture.tree(tree, "x") == tree
    assert capture.redacted == []


def test_the_corpus_is_large() -> None:
    assert len(PLANTED) >= 120
    assert len(INNOCENT_TEXTS) >= 60
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"password": "a b", "n": 1}', '{"password": "[REDACTED]", "n": 1}'),
        (
            r"{\"password\": \"a\\\"b\", \"n\": 1}",
            r"{\"password\": \"[REDACTED]\", \"n\": 1}",
        ),
        ("a password=b c", "a password=[REDACTED] c"),
        ("?api_key=b&c=d", "?api_key=[REDACTED]&c=d"),
        ("https://u:p@h/x", "https://u:[REDACTED]@h/x"),
        ("Authorization: Bearer b\nNext: c", "Authorization: [REDACTED]\nNext: c"),
        ("{'token': 'b', 'c': 1}", "{'token': '[REDACTED]', 'c': 1}"),
        ("--token b --c d", "--token [REDACTED] --c d"),
        ("A_SECRET=b\nC=d", "A_SECRET=[REDACTED]\nC=d"),
        ("f(password=b, c=d)", "f(password=[REDACTED], c=d)"),
        ("<pwd>b</pwd><c>d</c>", "<pwd>[REDACTED]</pwd><c>d</c>"),
    ],
)
def test_only_the_secret_is_replaced(text: str, expected: str) -> None:
    assert Redactor().redact(text) == expected


@for_each(PLANTED, NAMES)
def test_redacting_again_changes_nothing(planted: Planted) -> None:
    once, _ = captured(planted.value)
    text = str(planted.value)
    redactor = Redactor()

    assert json.dumps(Capture(Rules()).tree(json.loads(once), "x")) == json.dumps(
        json.loads(once)
    )
    assert redactor.redact(redactor.redact(text)) == redactor.redact(text)


@for_each(PLANTED, NAMES)
def test_the_quick_test_misses_nothing(planted: Planted) -> None:
    redactor = Redactor()
    for text in (str(planted.value), json.dumps(str(planted.value))):
        if redactor.spans(text):
            assert redactor.is_suspect(text)
            assert redactor.is_suspect("before\n" + text + "\nafter")


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_each_form_of_key_is_found_without_a_name(token: str) -> None:
    assert Redactor().redact(f"a {token} b") == f"a {REDACTED} b"


def test_each_pattern_is_exercised_by_the_corpus() -> None:
    texts = [json.dumps(str(planted.value)) for planted in PLANTED]
    texts += [str(planted.value) for planted in PLANTED]
    for pattern in PATTERNS:
        assert any(
            pattern.regex.search(lowered(text) if pattern.lowered else text)
            for text in texts
        ), pattern.regex.pattern


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "user.password",
        "passwords",
        "password2",
        "dbPassword",
        "Secret",
        "client-secret",
        "secrets",
        "token",
        "TOKEN",
        "access token",
        "accessTokens",
        "botToken",
        "developer_token",
        "csrf_token",
        "api_key",
        "APIKey",
        "x-api-key",
        "Api Key",
        "openaiApiKey",
        "authorization",
        "Proxy-Authorization",
        "cookie",
        "Set-Cookie",
        "cookies",
        "credential",
        "aws_credentials",
        "privateKey",
        "connectionString",
        "ConnectionStrings",
        "pwd",
        "passphrase",
        "auth",
        "otp",
        "smtp_pass",
        "smtppass",
        "pass",
        "jwt",
        "AccountKey",
        "SharedAccessKey",
        "X-Amz-Signature",
        "token_secret",
        "secret_value",
        "password_hash",
    ],
)
def test_a_name_of_a_secret_is_sensitive(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "_",
        "name",
        "key",
        "keys",
        "max_tokens",
        "maxTokens",
        "total_tokens",
        "token_count",
        "tokenCount",
        "tokenizer",
        "next_page_token",
        "nextPageToken",
        "page_token",
        "nextpagetoken",
        "eos_token",
        "stop_token",
        "time_to_first_token",
        "primary_key",
        "public_key",
        "session_id",
        "author",
        "secretary",
        "bypass",
        "first_pass",
        "compass",
        "password_policy",
        "api_key_id",
        "token_type",
        "authorization_url",
        "auth_required",
        "signature",
        "dsn",
        "hotspot",
        "monkey",
        "keyboard",
        "robotp",
        "id",
        "type",
        "role",
    ],
)
def test_a_harmless_name_is_not_sensitive(name: str) -> None:
    assert not is_sensitive(name)


def test_the_path_says_where_a_value_was_hidden() -> None:
    value = {"a": [{"password": 1}, {"note": "token=abcdef1"}], "x.y": {"secret": 2}}
    capture = Capture(Rules())

    capture.tree(value, "tool_call.arguments")

    assert set(capture.redacted) == {
        'tool_call.arguments["x.y"].secret',
        "tool_call.arguments.a[0].password",
        "tool_call.arguments.a[1].note",
    }


def test_the_paths_are_bounded() -> None:
    capture = Capture(Rules())

    capture.tree([{"password": 1}] * 1000, "x")

    assert len(capture.redacted) == 256


def test_the_whole_subtree_under_a_sensitive_name_is_hidden() -> None:
    capture = Capture(Rules())

    assert capture.tree({"credentials": {"a": {"b": [1]}}, "c": 1}, "x") == {
        "credentials": REDACTED,
        "c": 1,
    }


def test_a_users_key_is_hidden_in_any_spelling() -> None:
    rules = Rules(keys=["patientName", "ssn"])
    value = {"patient_name": "A", "PATIENT-NAME": "B", "SSN": "C", "n": 1}

    assert Capture(rules).tree(value, "x") == {
        "patient_name": REDACTED,
        "PATIENT-NAME": REDACTED,
        "SSN": REDACTED,
        "n": 1,
    }


@pytest.mark.parametrize(
    "text", ["patient_name=Anna n", 'x {"patientName": "Anna"}', "Patient Name: Anna"]
)
def test_a_users_key_is_hidden_inside_texts(text: str) -> None:
    assert "Anna" not in Capture(Rules(keys=["patientName"])).text(text, "x")


def test_a_users_pattern_is_hidden_anywhere() -> None:
    rules = Rules(patterns=[r"MRN-\d+", re.compile("^whole$")])

    shown = Capture(rules).tree({"a": "see MRN-42.", "MRN-7": "whole"}, "x")

    assert shown == {"a": f"see {REDACTED}.", REDACTED: REDACTED}


def test_a_pattern_that_matches_nothing_at_all_hides_nothing() -> None:
    assert Capture(Rules(patterns=["x*"])).text("abc", "x") == "abc"


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ({"keys": [7]}, TypeError, "the key 7"),
        ({"patterns": ["("]}, ValueError, "the pattern '('"),
        ({"patterns": [3]}, TypeError, "the pattern 3"),
        ({"patterns": [re.compile(b"x")]}, TypeError, "re.compile(b'x')"),
    ],
)
def test_a_bad_rule_is_refused_with_its_value(
    arguments: dict[str, Any], error: type[Exception], part: str
) -> None:
    with pytest.raises(error) as caught:
        Rules(**arguments)

    assert str(caught.value).startswith("chaukas: ")
    assert part in str(caught.value)


def test_the_users_function_has_the_last_word_on_each_leaf() -> None:
    seen: list[tuple[str, object]] = []

    def redact(path: str, value: object) -> object:
        seen.append((path, value))
        return "shown" if path.endswith("name") else value

    capture = Capture(Rules(redact=redact))
    shown = capture.tree({"name": "Anna", "n": [1, None], "password": "p"}, "x")

    assert shown == {"name": "shown", "n": [1, None], "password": REDACTED}
    assert ("x.n[0]", 1) in seen
    assert ("x.n[1]", None) in seen
    assert "x.password" not in dict(seen)
    assert sorted(capture.redacted) == ["x.name", "x.password"]


def test_a_users_function_that_raises_hides_the_value() -> None:
    def redact(path: str, value: object) -> object:
        raise ValueError(path)

    capture = Capture(Rules(redact=redact))

    assert capture.tree({"a": "b", "n": 1}, "x") == {"a": REDACTED, "n": REDACTED}
    assert capture.redacted == ["x.a", "x.n"]


@pytest.mark.parametrize("answer", [object(), {"a": 1}, [1], b"x", float("nan"), 2**60])
def test_a_users_answer_that_is_no_plain_leaf_hides_the_value(answer: object) -> None:
    capture = Capture(Rules(redact=lambda _path, _value: answer))

    assert capture.tree({"a": "b"}, "x") == {"a": REDACTED}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_users_function_passes(stop: type[BaseException]) -> None:
    def redact(_path: str, _value: object) -> object:
        raise stop

    with pytest.raises(stop):
        Capture(Rules(redact=redact)).tree({"a": "b"}, "x")


def test_a_failure_inside_redaction_hides_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_self: Redactor, _text: str, _work: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(Redactor, "_spans", broken)
    capture = Capture(Rules())
    shown = capture.tree({"fresh": "password=x", "long": "a b" * 100_000}, "x")

    assert "password" not in json.dumps(shown)
    assert "a b" not in json.dumps(shown)


ADVERSARIAL = (
    "token",
    "token ",
    "token: ",
    "token='",
    "eyJ",
    "eyJ-",
    "sk-",
    "desk-",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "://a:",
    "://a:b@",
    "://u",
    'password:"',
    'password:\\"',
    "cookie:x",
    '"cookie:x',
    "token=env.",
    "token=x.",
    "basic ",
    "bearer ",
    "-u a:",
    "xox",
    "SG.a",
    "token:{",
    "token:[",
    "token:{{",
    "&token=&a",
    "\\",
    '"\\',
    "key",
    "key\\\\\\",
    "token" + " " * 30,
    "<token>",
    "--token ",
    "password: str = ",
    'password="""',
    "data:a/b;base64,",
    "data:",
    "password=&a",
    "token=\\",
    "\u0130token=",
    "a@",
    ":\\/\\/a:",
    "api key",
    'token = ("a", ',
    "{{ token | default('a",
    ">>> token\n'a",
    "insert into t (password) values (f(",
    'password is "',
    "password: a b\n",
    "password a b c",
    "(setq token ",
    'password("a", ',
)


@pytest.mark.parametrize("unit", ADVERSARIAL)
@pytest.mark.parametrize("end", ["", "@", '"'])
def test_the_cost_of_a_hostile_text_grows_no_faster_than_its_length(
    unit: str, end: str
) -> None:
    # Quadratic work on 64 KiB would be billions of steps: the run would hang.
    text = (unit * (65_536 // len(unit) + 1))[:65_536] + end
    redactor = Redactor()

    once = redactor.redact(text)

    assert type(once) is str


def test_secrets_glued_together_are_all_hidden() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPL0"

    assert Redactor().redact(f"x {key}{key} y") == f"x {REDACTED} y"
    assert Redactor().redact(key * 20) == REDACTED


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: str = hunter2x", "hunter2x"),
        ('config(token="a" "b", secret = "q9")', "q9"),
        ("Cookie:\tq=1", "q=1"),
        ('{"name": "API_KEY",\n  "value": "q9z"}', "q9z"),
        ("'Authorization: q9z' and more", "q9z"),
        ("\\npass=q9z", "q9z"),
    ],
)
def test_an_odd_form_is_found_too(text: str, secret: str) -> None:
    shown = Redactor().redact(text)

    assert secret not in shown
    assert REDACTED in shown


def test_lower_case_keeps_each_letter_at_its_place() -> None:
    assert lowered("\u0130A\u0130") == "iai"
    assert lowered("\u212aEY") == "key"


def test_lone_surrogates_are_written_out() -> None:
    assert visible("a\ud800b") == "a\\ud800b"
    assert visible("\u00e9\U0001f600") == "\u00e9\U0001f600"


def test_a_long_text_shows_its_beginning_and_its_end() -> None:
    assert middle_out("abcdefghij", 4) == "abc…<+6 chars>j"
    assert middle_out("abcd", 4) == "abcd"
