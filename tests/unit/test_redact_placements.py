"""The places where secrets stand by a name, and the texts that only look alike."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from chaukas.sdk.capture.limits import Limits
from chaukas.sdk.capture.redaction import redactor
from chaukas.sdk.capture.redaction.redactor import REDACTED, Redactor
from chaukas.sdk.capture.redaction.text import (
    commands,
    named_values,
    nearby,
    sentences,
    tables,
    unescaped,
)
from chaukas.sdk.capture.redaction.tokens import search
from chaukas.sdk.capture.snapshot import Capture, Rules
from tests.support.groups import for_each
from tests.support.placements import BENIGN_TEXTS, BENIGN_TREES, PLACEMENTS
from tests.support.printed import BENIGN_LINES, PRINTED
from tests.support.secrets import Planted

RULES = Rules()
PLACES = [*PLACEMENTS, *PRINTED]
NAMES = [planted.name for planted in PLACES]


@for_each(PLACES, NAMES)
def test_a_secret_at_a_known_place_vanishes(planted: Planted) -> None:
    capture = Capture(RULES)
    shown = json.dumps(capture.tree(planted.value, "x"), ensure_ascii=False)

    assert planted.secret not in shown
    assert REDACTED in shown
    assert capture.redacted


@for_each(PLACES, NAMES)
def test_a_secret_vanishes_from_the_json_text_and_the_repr_of_its_place(
    planted: Planted,
) -> None:
    if type(planted.value) is not str:
        # Tables and keys in parts are known as structures only.
        texts = [planted.value]
    else:
        texts = [json.dumps({"output": planted.value}), repr({"out": planted.value})]
    for text in texts:
        shown = json.dumps(Capture(RULES).tree(text, "x"), ensure_ascii=False)
        assert planted.secret not in shown


@for_each(PLACES, NAMES)
def test_a_secret_vanishes_among_other_texts(planted: Planted) -> None:
    if type(planted.value) is not str:
        return
    text = f"I looked at it.\n\n{planted.value}\n\nThat is all, no more.\n"

    assert planted.secret not in Capture(RULES).text(text, "x")


@for_each([*BENIGN_TEXTS, *BENIGN_LINES])
def test_a_text_about_secrets_stays_as_it_is(text: str) -> None:
    capture = Capture(RULES)

    assert capture.text(text, "x") == text
    assert capture.redacted == []


@for_each(BENIGN_TREES)
def test_a_tree_about_secrets_stays_as_it_is(tree: Any) -> None:
    capture = Capture(RULES)

    assert capture.tree(tree, "x") == tree
    assert capture.redacted == []


@pytest.mark.parametrize("part", range(3))
def test_benign_texts_together_stay_as_they_are(part: int) -> None:
    text = "\n\n".join(BENIGN_TEXTS[part::3])

    assert Redactor().redact(text) == text


_SUPPORT = Path(__file__).parents[1] / "support"
# Places that rules were written for, and those that were written to try them.
_CORPORA = [
    json.loads((_SUPPORT / name).read_text())
    for name in ("placements_by_kind.json", "placements_nearby.json")
]


def _kinds(part: str) -> list[Any]:
    """Return the samples of each kind, with the secrets to put into them."""
    return [
        pytest.param(samples, corpus["secrets"], id=kind)
        for corpus in _CORPORA
        for kind, samples in corpus[part].items()
    ]


def _around(sample: Any) -> tuple[Any, ...]:
    """Return a sample by itself, in a container, and among other texts."""
    if type(sample) is str:
        return sample, {"output": sample}, f"I looked.\n\n{sample}\n\nThat is all."
    return sample, {"arguments": sample}, [sample]


def _planted(sample: Any, secret: str) -> Any:
    """Return a sample with a secret at its place."""
    if type(sample) is str:
        return sample.replace("@S@", secret)
    if type(sample) is dict:
        return {key: _planted(item, secret) for key, item in sample.items()}
    if type(sample) is list:
        return [_planted(item, secret) for item in sample]
    return sample


@pytest.mark.parametrize(("samples", "secrets"), _kinds("placements"))
def test_no_secret_of_a_kind_of_place_is_shown(
    samples: list[Any], secrets: list[str]
) -> None:
    shown = [
        (planted, secret)
        for sample in samples
        for secret in secrets
        for planted in _around(_planted(sample, secret))
        if secret in json.dumps(Capture(RULES).tree(planted, "x"), ensure_ascii=False)
    ]

    assert shown == []


@pytest.mark.parametrize(("samples", "_secrets"), _kinds("benign"))
def test_no_text_of_a_benign_kind_is_harmed(
    samples: list[Any], _secrets: list[str]
) -> None:
    harmed = [
        text
        for sample in samples
        for text in _around(sample)
        if Capture(RULES).tree(text, "x") != text
    ]

    assert harmed == []


@pytest.mark.parametrize(
    "word",
    "hunter2-Xy9! S3cr3t! correcthorse7battery Gk4LpQ82ZtWm6VxB Tr0ub4dor-3 P@ssw0rd1"
    " 5f4dcc3b5aa765d61d8327deb882cf99 purple-Monkey-42 9f86d081884c7d65ab"
    " wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMQ8hQ= JBSWY3DPEHPK3PXP".split(),
)
def test_a_mixture_of_letters_and_digits_looks_like_a_secret(word: str) -> None:
    assert nearby.looks_secret(word)


@pytest.mark.parametrize(
    "word",
    "sunshine authenticateUser max_retries MAX_SIZE_64 TokenServiceV2Impl oauth2client"
    " 2024-05-01T10:11:12Z v2.31.0-rc1 550e8400-e29b-41d4-a716-446655440000 #3B82F6"
    " https://example.com/x/Ab12Cd2 /etc/ssl/key2.pem src/auth/Validator2.kt 231.4ms"
    " Anna.Mueller2@example.com jsonwebtoken@9.0.2 ${API_KEY_2} $PASSWORD2 3b18e51"
    " claude-3-5-sonnet-20241022 TLS_AES_128_GCM_SHA256 0x7f3a22b1 PR#482"
    " 1Z999AA10123456784 arn:aws:s3:::bucket1/a2b CVE-2024-21626 16Mbit".split(),
)
def test_names_numbers_and_addresses_do_not_look_like_secrets(word: str) -> None:
    assert not nearby.looks_secret(word)


_LONG = "".join(random.Random(7).choices("abcdefghijkXYZ0123456789", k=100_000))
_LINES = "\n".join(_LONG[at : at + 64] for at in range(0, len(_LONG), 64))
_PROSE = "word " * 20_000


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": 1, "password": _LONG, "z": 1}),
        json.dumps({"a": _PROSE, "password": _LONG, "z": 1}),
        json.dumps({"x": json.dumps({"a": _PROSE, "password": _LONG, "z": 1})}),
        json.dumps({"a": _PROSE, "password": _LINES.replace("\n", '"')}),
        f"GET / HTTP/1.1\r\nCookie: sid={_LONG}\r\nA: b",
        f"{_PROSE}\n-----BEGIN RSA PRIVATE KEY-----\n{_LINES}\n",
        json.dumps({"key": f"-----BEGIN RSA PRIVATE KEY-----\n{_LINES}\n"}),
        f"A=1\nDB_PASSWORD={_LONG}\nB=2",
        f"https://x.test/?a=1&token={_LONG}&b=2",
        f"Authorization: Bearer {_LONG}",
        "password: |\n  " + _LINES.replace("\n", "\n  "),
        f"<a>{_PROSE}<password>{_LONG}</password></a>",
        repr({"a": _PROSE, "password": _LONG}),
        f"The token that we used was {_LONG} today.",
        f"x eyJhbGciOiJIUzI1NiJ9.eyJ{_LONG}.abc",
    ],
    ids=(
        "json late nested quotes cookie pem pem-json env url header yaml xml repr"
        " near jwt"
    ).split(),
)
def test_a_value_longer_than_the_search_is_hidden_at_both_ends(text: str) -> None:
    shown = Capture(RULES).text(text, "x")

    assert len(shown) < len(text)
    assert not any(_LONG[at : at + 30] in shown for at in range(0, 99_000, 15))


def test_a_long_text_without_secrets_shows_its_beginning_and_its_end() -> None:
    text = json.dumps({"image": _LONG, "note": _PROSE + "the token is here"})

    shown = Capture(RULES).text(text, "x")

    assert REDACTED not in shown
    assert shown[:40_000] == text[:40_000]
    assert shown[-10_000:] == text[-10_000:]


UNITS = (
    "twilio('a', ",
    "f('a')",
    'client("a", "a1b2c3d4e5f6a7b8c9")',
    "$ x --fields name,password\nana,b1c2\n",
    "$ pass show a\nb1\n",
    "new Secret { Value = ",
    "token: auth:save-",
    "lozinka: a\n",
    "token: ",
    "token=a1 ",
    'name="token" ',
    '{"name": "password", ',
    "mysql -p",
    "curl -u ",
    "login x password ",
    "password\n",
    "password\n[type=",
    "user,password\n",
    "\\u0070",
    "%70",
    "&#112;",
    "&amp;",
    '"\\',
    "key\\\\\\",
    "token:{",
    "token:{[",
    "insert into t (",
    "insert into t (password) values (",
    "[parameters: (",
    "echo x |",
    "password:\n  a1\n",
    "password: |\n  a1\n",
    "<token ",
    "<token>a1",
    "token=f('a1',",
    "jdbc:oracle:thin:b/",
    ":5432:a:b:",
    "machine a login b ",
    "kind: Secret data:\n",
    "--token ",
    "cookie: a=1; ",
    "private-lines: 1 ",
    "a:b@tcp(",
    "kty'd': '",
    "| password ",
    "a  token  ",
    "password (",
    "set password ",
    "%70assword=a1 ",
    "sk-abcdefghijklmnopqrstuvwx ",
    "eyJhbGciOi.eyJ.abc ",
    "\u043f\u0430\u0440\u043e\u043b\u044c: a1b2 ",
    "\u5bc6\u7801:a1",
    "&amp;#",
    "token 'a1b2c3' is ",
    "<tr><td>password</td><td>a1</td></tr>",
    "  user  token\n0  a  b1c2\n",
    '"question": "password?", "answer": "a1b2" ',
    "password').fill('a1b2') ",
    '"columns":["a","token"],"rows":[[1,"a1b2"]] ',
    "token " + "<>" * 30,
    "token " + "< " * 30,
    "token " + "a" * 50 + "1a ",
    "token " + "aB" * 25 + "1a ",
    "token " + "?a=" * 80,
    "token " + "a.b-c/d@e:" * 25,
    "token\n\n" + '"' * 50,
    " -p a1b2c3d4x5 ",
    'api: {"key": "a1b2c3d4e5f6a7b8c9"} ',
    "password of the db: a1-b2\n",
    "token=" + "(" * 30 + ")" * 30,
    "token=f(\n",
    "token: a.b = ",
    '"tokens": [{"token": "a", "pos": 1}] ',
)


@pytest.mark.parametrize("is_many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("unit", UNITS)
def test_the_work_on_texts_is_counted_and_bounded(
    unit: str, is_many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += 1
            return function(*args, **kwargs)

        return call

    for module, name in (
        (named_values, "name_start"),
        (named_values, "_values"),
        (named_values, "named_span"),
        (named_values, "table_spans"),
        (commands, "_window_spans"),
        (commands, "_block"),
        (unescaped, "_meaning"),
        (nearby, "_values_near"),
        (nearby, "looks_secret"),
        (sentences, "_names_secret"),
        (tables, "cell_span"),
        (search, "form_of"),
        (redactor, "secret_spans"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    if is_many:
        texts = [(unit * 1000)[:1000] + str(number) for number in range(300)]
        Capture(Rules(limits=Limits(time_s=0.005))).tree(texts, "x")
    else:
        Redactor().redact((unit * 65_536)[:65_536])

    # Some thousands of looks at most in five milliseconds, whatever it is made of.
    assert steps <= 12_000


@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_does_not_cost_more_than_the_bound(unit: str) -> None:
    # Quadratic work on 256 KiB would be billions of steps: the run would hang.
    assert type(Redactor().redact((unit * 262_144)[:262_144])) is str


def test_what_stands_after_the_last_counted_name_is_hidden() -> None:
    text = "password=a1 " * 5000 + "password=Qz7-xW9kLm2"

    shown = Redactor().redact(text)

    assert "Qz7-xW9kLm2" not in shown
    assert shown.startswith("password=[REDACTED] password=[REDACTED]")
    assert shown.endswith(REDACTED)


def test_many_harmless_names_hide_nothing() -> None:
    line = '{"total_tokens": 12, "prompt_tokens": 5, "author": "me", "key": "a"}\n'
    text = line * 900

    assert Redactor().redact(text) == text
