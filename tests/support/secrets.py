"""
Planted secrets and innocent texts.

The secrets are put together when the tests run, so that no scanner takes this
file for a leak.
"""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple

__all__ = ("INNOCENT_TEXTS", "INNOCENT_TREES", "PLANTED", "TOKENS", "Planted")


class Planted(NamedTuple):
    """Something that holds a secret."""

    name: str
    value: Any
    secret: str


_A = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY"
_PASSWORD = "hunter" + "2-Zebra"
_JWT = ".".join(("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJ" + "zdWIiOiIxMjM0In0", "s5" + _A))
_PEM_BODY = "MIIE" + _A * 3
_PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{_PEM_BODY}\n-----END RSA PRIVATE KEY-----"

TOKENS: dict[str, str] = {
    "openai": "sk-" + _A + _A,
    "openai-letters": "sk-" + "a" * 24,
    "openai-project": "sk-proj-" + _A + "_-" + _A,
    "anthropic": "sk-ant-api03-" + _A + "-" + _A,
    "openrouter": "sk-or-v1-" + "0a" * 32,
    "aws": "AKIA" + "IOSFODNN7EXAMPL0",
    "aws-temporary": "ASIA" + "IOSFODNN7EXAMPL0",
    "github": "ghp_" + _A + "abcd",
    "github-oauth": "gho_" + _A + "abcd",
    "github-user": "ghu_" + _A + "abcd",
    "github-server": "ghs_" + _A + "abcd",
    "github-refresh": "ghr_" + _A + "abcd",
    "github-fine": "github_pat_" + _A + "_" + _A,
    "gitlab": "glpat-" + _A[:20],
    "slack-bot": "xoxb-" + "123456789012-" + _A,
    "slack-user": "xoxp-" + "123456789012-" + _A,
    "slack-app": "xapp-1-" + "A01-" + _A,
    "google": "AIza" + "Sy" + _A + "x",
    "google-oauth": "ya29." + "a0" + _A,
    "google-client": "GOCSPX-" + _A,
    "stripe": "sk_live_" + _A,
    "stripe-test": "sk_test_" + _A,
    "stripe-restricted": "rk_live_" + _A,
    "stripe-webhook": "whsec_" + _A,
    "npm": "npm_" + _A + "abcd",
    "huggingface": "hf_" + _A + "ab",
    "sendgrid": "SG." + _A[:22] + "." + _A + "abcdefghijk",
    "jwt": _JWT,
    "pem-base64": "LS0tLS1CRUdJTi" + _A * 2,
}
"""Keys that are known by their form."""


def _planted_tokens() -> list[Planted]:
    """Put each key into texts and structures."""
    made: list[Planted] = []
    for name, token in TOKENS.items():
        made += [
            Planted(f"{name}-alone", token, token),
            Planted(f"{name}-in-prose", f"Please use {token}, thanks.", token),
            Planted(f"{name}-after-newline-escape", f'{{"a": "x\\n{token}"}}', token),
            Planted(f"{name}-in-url", f"https://x.test/a?q=%20{token}&b=1", token),
            Planted(f"{name}-in-tree", {"items": [{"note": f"({token})"}]}, token),
        ]
    return made


_NAMES = (
    "password",
    "Password",
    "db_password",
    "DB_PASSWORD",
    "userPassword",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "client_secret",
    "clientSecret",
    "token",
    "access_token",
    "accessToken",
    "refresh-token",
    "id_token",
    "auth_token",
    "session_token",
    "api_key",
    "apikey",
    "apiKey",
    "X-Api-Key",
    "OPENAI_API_KEY",
    "aws_secret_access_key",
    "private_key",
    "connection_string",
    "credentials",
    "GITHUB_TOKEN",
    "AccountKey",
    "subscription-key",
)


def _planted_names() -> list[Planted]:
    """Put a password under each sensitive name, in all the usual forms."""
    made: list[Planted] = []
    for name in _NAMES:
        nested = json.dumps({"outer": json.dumps({name: _PASSWORD, "n": 1})})
        twice = json.dumps({"outermost": nested})
        for form, value in (
            ("key", {"a": {name: _PASSWORD}}),
            ("subtree", {name: {"deep": [_PASSWORD]}}),
            ("json", json.dumps({name: _PASSWORD, "n": 1})),
            ("json-nested", nested),
            ("json-nested-twice", twice),
            ("repr", repr({"n": 1, name: _PASSWORD})),
            ("colon", f"n: 1\n{name}: {_PASSWORD}\nm: 2"),
            ("equals", f"n=1 {name}={_PASSWORD} m=2"),
            ("query", f"https://x.test/p?n=1&{name}={_PASSWORD}&m=2"),
            ("keyword", f'Client({name}="{_PASSWORD}", n=1)'),
            ("single-quotes", f"{name} = '{_PASSWORD}'"),
            ("xml", f"<a><{name}>{_PASSWORD}</{name}></a>"),
            ("named", {"name": name, "value": _PASSWORD}),
        ):
            made.append(Planted(f"{name}-{form}", value, _PASSWORD))
    return made


_HEADER_VALUE = "Bearer " + _A

_OTHERS = [
    Planted("header-line", f"GET / HTTP/1.1\nAuthorization: {_HEADER_VALUE}\nA: b", _A),
    Planted("header-crlf", f"Authorization: Custom {_A} x\r\nA: b", _A),
    Planted("header-proxy", f"Proxy-Authorization: Digest u={_A}", _A),
    Planted("header-cookie", f"Cookie: a=1; sid={_A}; b=2", _A),
    Planted("header-set-cookie", f"Set-Cookie: sid={_A}; HttpOnly", _A),
    Planted("header-dict", {"headers": {"Authorization": _HEADER_VALUE}}, _A),
    Planted("header-dict-lower", {"authorization": [_HEADER_VALUE]}, _A),
    Planted("header-pair", [["authorization", f"Custom {_A}"], ["a", "b"]], _A),
    Planted("header-pair-cookie", {"h": [("cookie", _A)]}, _A),
    Planted("header-pair-text", f"[('cookie', 'sid {_A}'), ('a', 'b')]", _A),
    Planted("header-repr", f"Headers({{'authorization': 'Token {_A}', 'a': 'b'}})", _A),
    Planted("curl", f"curl -H 'Authorization: Token {_A}' https://x.test", _A),
    Planted("curl-double", f'curl -H "X-Api-Key: {_A}" https://x.test', _A),
    Planted("curl-escaped", f'{{"cmd": "curl -H \\"Cookie: s={_A}\\" x"}}', _A),
    Planted("curl-user", f"curl -u admin:{_PASSWORD} https://x.test", _PASSWORD),
    Planted("bearer", f"sent Bearer {_A} to the server", _A),
    Planted("bearer-short", "sent bearer abc123 to it", "abc123"),
    Planted("okta", f"sent SSWS 00{_A} to the server", _A),
    Planted("hash", "pbkdf2_sha256$" + "600000$" + _A + "$" + _A + "=", _A),
    Planted("scrypt", "scrypt:" + "32768:8:1$" + _A[:16] + "$" + "0a" * 32, "0a" * 32),
    Planted("couchdb", "a = -pbkdf2-" + "0a" * 20 + "," + "1b" * 16 + ",10", "0a" * 20),
    Planted("scram", "SCRAM-SHA-256$" + f"4096:{_A}$" + f"{_A}:{_A}=", _A),
    Planted(
        "basic",
        "Basic " + base64.b64encode(f"u:{_PASSWORD}".encode()).decode(),
        base64.b64encode(f"u:{_PASSWORD}".encode()).decode(),
    ),
    Planted("url", f"https://user:{_PASSWORD}@x.test/p", _PASSWORD),
    Planted("url-postgres", f"postgresql://u:{_PASSWORD}@db:5432/x", _PASSWORD),
    Planted("url-redis", f"redis://:{_PASSWORD}@cache:6379/0", _PASSWORD),
    Planted("url-mongo", f"mongodb+srv://u:{_PASSWORD}@c.test/x?w=1", _PASSWORD),
    Planted("url-at", f"amqp://u:p@{_PASSWORD}@host/x", _PASSWORD),
    Planted("url-slash", f"mysql://u:p/{_PASSWORD}@host/x", _PASSWORD),
    Planted("url-escaped", f'{{"u": "https:\\/\\/u:{_PASSWORD}@x.test"}}', _PASSWORD),
    Planted(
        "url-escaped-twice",
        json.dumps({"a": f'{{"u": "https:\\/\\/u:{_PASSWORD}@x.test"}}'}),
        _PASSWORD,
    ),
    Planted("url-token", f"https://{_A}@x.test/o/r.git", _A),
    Planted("url-signature", f"https://x.test/a?se=1&sig={_A}&sv=2", _A),
    Planted("url-amazon", f"https://x.test/a?X-Amz-Signature={_A}", _A),
    Planted("url-key", f"https://x.test/a?key={_A}", _A),
    Planted("url-encoded", f"q=1%26api_key%3D{_A}", _A),
    Planted("url-token-last", f"see https://x.test/?access_token={_A}.", _A),
    Planted("slack-hook", f"https://hooks.slack.com/services/T0/B0/{_A}", _A),
    Planted("discord-hook", f"https://discord.com/api/webhooks/1/{_A}", _A),
    Planted("azure", f"DefaultEndpoints=https;AccountName=a;AccountKey={_A}==;E=1", _A),
    Planted("odbc", f"Driver=x;Server=s;Uid=u;Pwd={_PASSWORD};", _PASSWORD),
    Planted("option", f"tool --password {_PASSWORD} --verbose", _PASSWORD),
    Planted("option-equals", f"tool --api-key={_A} --verbose", _A),
    Planted("option-list", ["tool", "--token", _A, "-v"], _A),
    Planted(
        "option-list-text", json.dumps(["tool", "--password", _PASSWORD]), _PASSWORD
    ),
    Planted("environment", f"export ANTHROPIC_API_KEY={_A}\n", _A),
    Planted("environment-quoted", f'DB_PASSWORD="{_PASSWORD}"', _PASSWORD),
    Planted("dotenv", f"A=1\nSECRET_KEY='{_A}'\nB=2", _A),
    Planted("os-environ", f'os.environ["API_TOKEN"] = "{_A}"', _A),
    Planted("yaml", f"db:\n  user: u\n  password: {_PASSWORD}\n", _PASSWORD),
    Planted("toml", f'[db]\npassword = "{_PASSWORD}"\n', _PASSWORD),
    Planted("typed", f'password: str = "{_PASSWORD}"', _PASSWORD),
    Planted("triple-quotes", f'password = """{_PASSWORD}"""', _PASSWORD),
    Planted("bytes-literal", f"password=b'{_PASSWORD}'", _PASSWORD),
    Planted("spaced", f"my api key: {_A}", _A),
    Planted("ruby", f":password => '{_PASSWORD}'", _PASSWORD),
    Planted("go", f'password := "{_PASSWORD}"', _PASSWORD),
    Planted("compare", f'if password == "{_PASSWORD}":', _PASSWORD),
    Planted("escaped-quote", f'{{"password": "a\\"{_PASSWORD}", "n": 1}}', _PASSWORD),
    Planted("unclosed", f'{{"password": "{_PASSWORD} and then', _PASSWORD),
    Planted("structure", f"credentials: {{u: 1, p: {_PASSWORD}}} rest", _PASSWORD),
    Planted("symbols", "password=!@#$%^*()", "!@#$%^*("),
    Planted("pem", _PEM, _PEM_BODY),
    Planted("pem-escaped", json.dumps({"cert": _PEM}), _PEM_BODY),
    Planted("pem-cut", _PEM[:80], _PEM_BODY[:20]),
    Planted("pem-in-tree", {"file": {"content": "x\n" + _PEM}}, _PEM_BODY),
    Planted("pem-pkcs8", _PEM.replace("RSA ", ""), _PEM_BODY),
    Planted("pem-openssh", _PEM.replace("RSA", "OPENSSH"), _PEM_BODY),
    Planted(
        "putty", f"PuTTY-User-Key-File-3: x\nPrivate-Lines: 2\n{_PEM_BODY}", _PEM_BODY
    ),
    Planted("aws-beside", f"{TOKENS['aws']} {_A}/+aB3dE5", f"{_A}/+aB3dE5"),
    Planted("aws-before", f"{_A}/+aB3dE5 {TOKENS['aws']}", f"{_A}/+aB3dE5"),
    Planted("exception", ValueError(f"bad password={_PASSWORD}"), _PASSWORD),
    Planted(
        "traceback",
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
        f"    connect(password='{_PASSWORD}')\nValueError: no",
        _PASSWORD,
    ),
    Planted(
        "traceback-url",
        f"httpx.ConnectError: cannot reach https://u:{_PASSWORD}@x.test",
        _PASSWORD,
    ),
    Planted(
        "api-error",
        f"Error code: 401 - {{'error': {{'message': 'Incorrect API key provided: "
        f"{TOKENS['openai']}.'}}}}",
        TOKENS["openai"],
    ),
    Planted("key-is-secret", {TOKENS["github"]: 1}, TOKENS["github"]),
    Planted("key-holds-secret", {f"x password={_PASSWORD}": 1}, _PASSWORD),
    Planted("tuple", (1, {"secret": _PASSWORD}), _PASSWORD),
    Planted("set", {f"token={_A}"}, _A),
    Planted("kelvin-sign", f"to\u212aen={_A}", _A),
    Planted("dotted-capital", f"\u0130 password={_PASSWORD}", _PASSWORD),
]

_CRYPT = "$2b$12$" + "EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
_DIGEST = "W6ph5Mm5Pz8GgiULbPgzG37mj9g="
_OTHERS += [
    Planted("crypt", f"root:{_CRYPT}:19700:0:99999:7:::", _CRYPT),
    Planted("ldap-scheme", f"kept as {{SSHA}}{_DIGEST}", _DIGEST),
]

PLANTED: list[Planted] = [*_planted_tokens(), *_planted_names(), *_OTHERS]
"""Texts and objects from which the secret must vanish."""

INNOCENT_TEXTS: tuple[str, ...] = (
    "",
    "Hello, world.",
    "What is the weather in Paris today?",
    "The total_tokens were 12 and prompt_tokens: 5.",
    '{"max_tokens": 100, "total_tokens": 5, "token_count": 3}',
    '{"prompt_tokens": 10, "completion_tokens": 20}',
    '{"input_tokens_details": {"cached_tokens": 0}}',
    "max_output_tokens=2048",
    "The tokenizer split the text into 5 tokens.",
    "tokenizer: gpt2",
    "time_to_first_token_ms: 12.5",
    "time_to_first_token=12",
    "next_page_token: abc",
    '{"next_token": "eos"}',
    '{"eos_token": "</s>", "pad_token": "<pad>"}',
    "Unexpected token: foo",
    "SyntaxError: Unexpected token < in JSON at position 0",
    "SyntaxError: unexpected token: }",
    "The secretary of state: a biography",
    "secretary=Anna",
    "bypass=true compass=north",
    "Our basic information is here.",
    "basic understanding of physics",
    "The bearer of good news arrived.",
    "Bearer authentication is used here.",
    "primary_key=id, foreign_key=user_id",
    "sort_key: name",
    '{"cache_key": "a", "key": "b", "public_key_id": "c"}',
    "Press any key: enter",
    "keyboard: qwerty",
    "monkey=banana",
    "password: str",
    "password: Optional",
    "def login(user: str, password: str = None) -> bool:",
    "password=password",
    "api_key=self.api_key",
    "api_key=os.environ['KEY_NAME']",
    "api_key=${API_KEY}",
    "token=$TOKEN",
    "token={token}",
    "password: <your-password>",
    "password=****",
    "password_length: 12",
    "password_policy=strict",
    "token_type: bearer",
    "token_type=Bearer",
    "secret_name=db",
    "authorization_url=https://x.test/oauth",
    "author: Jane Austen",
    "authors=2",
    "task-force-sk-1 and risk-management-strategies",
    "https://x.test/path?page=2&sort=asc",
    "https://x.test:8080/a@b",
    "http://localhost:8000/users/me@x.test",
    "mail me at anna@x.test",
    "git@github.com:org/repo.git",
    "ssh://git@x.test/org/repo",
    "docker run -u 1000:1000 image",
    "key figures: 10, 20, 30",
    "4111 1111 1111 1111",
    "The design: a house. signature=unknown",
    "std::token::kind",
    "getJourneyJson.keyJournalEntry",
    "12:30 -> 13:45",
    "a = b == c",
    "x: 1\ny: 2\nz: [1, 2]",
    "def f(x: int) -> str:\n    return str(x)",
    "<a><b>text</b></a>",
    "hf_hub_download and npm_config_registry",
    "see -----BEGIN PUBLIC KEY----- in the file",
    "sess\u00e3o: ol\u00e1 \u4e16\u754c",
    "cookies are tasty",
    "Passengers: 5",
    "This passage: read it.",
    "mypass is fine, and a password is needed",
    '{"is_valid": true, "auth_required": false}',
    "credits: 5",
    "conn=open",
    "signal: 9",
    "--verbose --output file",
    "--max-tokens 5",
    "the token and the key and the secret of success",
)
"""Texts that must stay as they are."""

INNOCENT_TREES: tuple[Any, ...] = (
    {"max_tokens": 5, "total_tokens": 6, "tokens": [1, 2]},
    {"name": "city", "value": "Paris"},
    {"required": ["password", "email"]},
    {"key": "color", "value": "red"},
    ["token", "count"],
    ["--verbose", "yes"],
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {"session_id": "s1", "trace_id": "t1", "author": "me"},
    {"next_page_token": "abc", "page": 2},
    {"response_id": "resp_123", "keys": ["a", "b"]},
)
"""Trees that must stay as they are."""
