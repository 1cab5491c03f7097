"""Every known maker's key is hidden wherever it stands; what looks like one stays."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

import pytest

from chaukas.sdk.capture.redaction.redactor import REDACTED, Redactor
from chaukas.sdk.capture.redaction.tokens.formats import MAKERS, Maker
from chaukas.sdk.capture.redaction.tokens.search import MARKERS
from chaukas.sdk.capture.snapshot import Capture, Rules
from tests.support.groups import for_each
from tests.support.makers import SAMPLES, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

by_sample = for_each(SAMPLES, [sample.maker for sample in SAMPLES])
REDACTOR = Redactor()

COLOURS = ("\x1b[32m", "\x1b[1;31m\x1b[K", "\\u001b[32m", "\\x1b[32m", "\\033[0;32m")
COLOURS += ("\\e[32m", "^[[32m", "\\u001B[38;5;10m", "%1B%5B32m", "[01;31m", "&#27;[1m")
BEFORE = (" ", '"', "'", "=", ":", "(", "\v", "\t", "\n", "\\n", "\\t", "\\v", "\\x20")
BEFORE += ("\\u0020", "%20", "%3D", "=3D", "&quot;", "\u00e9", "\u4e16", *COLOURS)
AFTER = ("", " ", '"', "'", ",", ")", ";", "\n", "\\n", "\x1b[0m", "\\u001b[0m", "\v")


def test_every_maker_has_a_sample_and_there_are_many() -> None:
    names = [maker.name for maker in MAKERS]

    assert [sample.maker for sample in SAMPLES] == [*names, "JWT"]
    assert len(set(names)) == len(names) >= 120


@by_sample
def test_a_key_is_hidden_alone_in_prose_in_json_and_in_a_url(sample: Sample) -> None:
    key = sample.key
    for text, expected in (
        (key, REDACTED),
        (f"Please use {key}, thanks.", f"Please use {REDACTED}, thanks."),
        (json.dumps({"note": key, "n": 1}), f'{{"note": "{REDACTED}", "n": 1}}'),
        (f"see https://x.test/a/{key}?b=1", f"see https://x.test/a/{REDACTED}?b=1"),
        (f"https://x.test/?q={key}&b=1", f"https://x.test/?q={REDACTED}&b=1"),
    ):
        capture = Capture(Rules())
        assert capture.text(text, "x") == expected
        assert capture.redacted == ["x"]


@by_sample
def test_a_key_is_hidden_whatever_stands_around_it(sample: Sample) -> None:
    shown = {
        (before, after): text
        for before, after in around(SAMPLES.index(sample))
        if sample.key[-12:]
        in (text := REDACTOR.redact(f"a {before}{sample.key}{after} b"))
    }

    assert shown == {}


def around(number: int) -> Iterator[tuple[str, str]]:
    """Yield each beginning and each end for a sample, and other pairs for the next."""
    for at in range(max(len(BEFORE), len(AFTER))):
        yield BEFORE[at % len(BEFORE)], AFTER[(at + number) % len(AFTER)]


def test_every_pair_stands_around_some_keys() -> None:
    tried = Counter(pair for number in range(len(SAMPLES)) for pair in around(number))

    assert set(tried) == set(product(BEFORE, AFTER))
    assert min(tried.values()) >= len(SAMPLES) // len(AFTER)


@by_sample
def test_a_key_is_hidden_in_a_tree(sample: Sample) -> None:
    tree = Capture(Rules()).tree({"items": [{"n": 1, "note": sample.key}]}, "x")

    assert tree == {"items": [{"n": 1, "note": REDACTED}]}


@by_sample
def test_a_near_miss_stays(sample: Sample) -> None:
    near = sample.near_miss
    for text in (near, f"a {near} b", f'{{"a": "{near}"}}', f"x-{near}", f"x{near}"):
        assert REDACTOR.redact(text) == text


@by_sample
def test_a_longer_word_that_ends_like_the_beginning_stays(sample: Sample) -> None:
    head = sample.key[:12].rstrip("-_.")

    assert REDACTOR.redact(f"a {head} b") == f"a {head} b"


@by_sample
def test_the_list_of_markers_knows_every_key(sample: Sample) -> None:
    assert any(marker in sample.key for marker in MARKERS)


def test_a_key_after_a_digit_or_an_underscore_is_hidden() -> None:
    for beginning in ("sk-", "AKIA", "ghp_", "hf_", "glpat-"):
        key = next(s.key for s in SAMPLES if s.key.startswith(beginning))
        for before in ("7", "x_", "2026-"):
            assert key not in REDACTOR.redact(f"a {before}{key} b")


@pytest.mark.parametrize(
    "text",
    [
        "d41d8cd98f00b204e9800998ecf8427e",
        "cache-key-d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 by me",
        "sha512-" + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv"
        "Y7kxvUdBeoGlODJ6+SfaPg==",
        "550e8400-e29b-41d4-a716-446655440000",
        "order-550e8400-e29b-41d4-a716-446655440000",
        "call_a1B2c3D4e5F6g7H8i9J0k1L2",
        "resp_68f0c1d2e3b4a5968778695a4b3c2d1e0f68f0c1d2e3b4a5",
        "chatcmpl-9x8y7z6w5v4u3t2s1r0q",
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "/usr/lib/python3.11/site-packages/hf_transfer/__init__.py",
        "@types/sk-learn-helpers and npm_lifecycle_event",
        "test_b64decode_of_sha256_roundtrips_for_utf8_texts",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9",
        "https://x.test/a/sk-translations-for-slovakia.json?v=2",
        "class='sk-circle-fade-dot sk-center'",
        "The risk-management-strategies-of-2024 and a task-force",
    ],
)
def test_hashes_ids_names_and_styles_stay(text: str) -> None:
    assert REDACTOR.redact(text) == text


def test_the_secret_beside_an_aws_key_is_hidden() -> None:
    key = next(sample.key for sample in SAMPLES if sample.maker == "AWS")
    secret = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
    commit = "da39a3ee5e6b4b0d3255bfef95601890afd80709"

    for text in (f"{key} {secret}", f"{key},{secret}\n", f"{secret}: {key}"):
        assert "wJalr" not in REDACTOR.redact(text)
    assert commit in REDACTOR.redact(f"{key} at {commit}")


def _pem(head: str, end: str) -> str:
    return f"{head}{'MIIEvQ' + 'aB3dE5fG7hJ9' * 6}{end}"


@pytest.mark.parametrize(
    "text",
    [
        _pem("-----BEGIN PRIVATE KEY-----\n", "\n-----END PRIVATE KEY-----"),
        _pem("-----BEGIN EC PRIVATE KEY-----\\n", "\\n-----END EC PRIVATE KEY-----"),
        _pem("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY"),
        _pem("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n", "\n-----END PGP PRIVATE KEY"),
        _pem("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", "\n---- END SSH2"),
        _pem("-----BEGIN%20RSA%20PRIVATE%20KEY-----%0A", "%0A-----END%20RSA%20PRIV"),
        _pem("-----BEGIN+RSA+PRIVATE+KEY-----%0D%0A", "%0A-----END+RSA+PRIVATE+KEY"),
        _pem("%2D%2D%2D%2D%2DBEGIN%20PRIVATE%20KEY%2D%2D%2D%2D%2D%0A", "%0A"),
        _pem("%252D%252D%252D%252D%252DBEGIN%2520PRIVATE%2520KEY" + "%252D" * 5, ""),
        _pem("-----BEGIN OpenVPN Static key V1-----\n", "\n-----END OpenVPN Static"),
        _pem("PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 2\n", "\nPrivate-MAC: 0a"),
    ],
)
def test_a_private_key_is_hidden_in_every_dress(text: str) -> None:
    shown = Capture(Rules()).text(f"before {text} after", "x")

    assert "aB3dE5" not in shown
    assert shown.startswith("before ")


def test_a_public_key_stays() -> None:
    text = _pem("-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----")

    assert REDACTOR.redact(text) == text


def test_a_token_of_a_jwt_is_hidden_in_a_url() -> None:
    key = next(sample.key for sample in SAMPLES if sample.maker == "JWT")
    body = key.rpartition(".")[2]

    assert body not in REDACTOR.redact("https://x.test/?q=" + key.replace(".", "%2E"))
    assert body not in REDACTOR.redact("q%3D" + key.replace(".", "%2e"))


@pytest.mark.parametrize("colour", COLOURS[:5])
def test_a_credential_after_bearer_is_hidden_in_colour(colour: str) -> None:
    token = "aB3dE5fG7hJ9" + "kL1mN2pQ4rS6"

    assert token not in REDACTOR.redact(f"sent Bearer {colour}{token}")


@pytest.mark.parametrize(
    "unit",
    [
        *("sk-", "eyJ", "xoxb-", "EAA", "glpat-", "t1.", "pylf_v1_", ".atlasv1."),
        *("MIIEowIBAAKCAQEA", "bedrock-api-key-", "secret-token:", "A" * 21, "00D!"),
    ],
)
def test_the_cost_of_many_beginnings_grows_no_faster_than_their_length(
    unit: str,
) -> None:
    # Quadratic work on 64 KiB would be billions of steps: the run would hang.
    for word in (unit, f"{unit}a-"):
        assert type(REDACTOR.redact(word * (65_536 // len(word)))) is str


def test_the_marker_of_a_beginning_ends_at_its_first_separator() -> None:
    beginnings = ("sk-proj-", "hf_", "AKIA", "s-s4t-", ".atlasv1.")

    assert [Maker.marker_of(each) for each in beginnings] == [
        "sk-",
        "hf_",
        "AKIA",
        "s-s4t-",
        ".atlasv1.",
    ]
