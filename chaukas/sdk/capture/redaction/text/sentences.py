"""
Find the secrets that people and programs name in a sentence or type into a page.

``token 'x1…' is expired``, ``Password (keep it): x1…``, ``unseal key 1: x1…``, and
``page.fill('#password', 'x1…')``. A sentence has no sign that says where a value
begins, so only what has letters and digits and is no name of a thing is hidden.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    PLACEHOLDER,
    is_name_like,
    is_said_of,
)
from chaukas.sdk.capture.redaction.names import is_sensitive

__all__ = ("said_spans", "typed_spans")

_MATCHES_LIMIT: Final = 200
# Names of things that have digits too, such as a-b1.
_THING: Final = re.compile(
    r"[a-z]+[0-9]{0,5}(?:[_\-.](?:[a-z]+[0-9]{0,2}|[0-9]+[a-z]{0,2}))+", re.IGNORECASE
)
_ALSO_WORDS: Final = ("secret", "token")
_WORD_CHARS: Final = 10
_SYMBOLS: Final = frozenset("!#$%&*+@^~?")
# Dates, addresses and the names of methods.
_EXACT: Final = (
    r"(?!(?:19|20)[0-9]{2}-[0-9]{2})(?!0x[0-9a-f]{40}\b)"
    r"(?![\w.+\-]{1,64}@[\w\-]{1,64}\.)"
    r"(?!(?:argon2|pbkdf2|hmac-?sha|sha-?[0-9]|md5|base64|oauth2|utf-?8|[a-z]{2}256"
    r"|v[0-9])[\w\-]{0,12}(?!\w))"
)
_VALUE: Final = (
    r"(?=[^\s\d]{0,64}[0-9])(?=[^\sa-z]{0,64}[a-z])[^\s\"'`,;:()<>/=\[\]{}|]"
)
_QUOTED: Final = (
    r"\\*[\"'`\u201c\u2018\u300c](?P<quoted>(?=[^\s\d]{0,64}[0-9])"
    r"[^\s\"'`\\\u201d\u300d]{4,256})"
)
_VERB: Final = (
    r"(?:'s|\u2019s)?(?: (?:for|of) [^\s:]{1,64})?"
    r"(?: is| was| has been| will be| ist| lautet| est| es| \u00e9)?"
    r"(?: now| currently)?"
    r"(?: set| changed| reset| updated| rotated)?(?: from [\"']?[^\s\"']{1,80}[\"']?)?"
    r"(?: to| as)?:?"
)


def _between(name: str) -> re.Pattern[str]:
    """Return the form of a value that stands near a name in a sentence."""

    def value(group: str, least: int) -> str:
        """Return the form of a value of at least so many letters."""
        return rf"{_EXACT}(?P<{group}>{_VALUE}{{{least},256}})"

    return re.compile(
        re.escape(name)
        + r"(?:"
        + r" "
        + value("beside", 8)
        + r"|(?= |'|\u2019)"
        + _VERB
        + r"(?:(?<=to)|(?<=is)|(?<=was)|(?<=set)|(?<='s)|(?<=est)|(?<= es)|(?<=ist)"
        r"|(?<=now)|(?<=:)) "
        + value("verbed", 6)
        + r"|"
        + _VERB
        + r"[ ]?\u306f?[ ]?"
        + _QUOTED
        + r"|[ ]?\([^()\n]{1,60}\)[ ]?[:=]?[ ]{1,4}[\"'`]?"
        + value("remarked", 6)
        + r"|(?: [0-9]{1,2}| (?:for|of) [^\s:]{1,64})[ ]?[:=][ ]?"
        + value("numbered", 6)
        + r"|[ ]{1,2}(?:-|\u2013|\u2014|\u2192|->|=>)[ ]{1,2}[\"'`]?"
        + value("pointed", 6)
        + r"|(?P<sign>:)?(?:\*\*)?[ \t]{0,4}\r?\n(?:[ \t]{0,8}\r?\n)?[ \t]{0,8}[`\"']?"
        + r"(?(sign)"
        + value("listed", 6)
        + "|"
        + value("below", 6)
        + r")"
        + r"(?=[`\"']?[ \t]{0,8}(?:\r?\n|$))"
        + r")"
    )


_FORMS: Final = tuple(
    (name, _between(name))
    for name in (
        *("password", "passwd", "passphrase", "passcode", "passwort", "kennwort"),
        *("api key", "api_key", "apikey", "api-key", "access key", "secret key"),
        *("unseal key", "private key", "secret", "token", "pin code", "passe"),
        *(
            "contrase\u00f1a",
            "senha",
            "wachtwoord",
            "\u043f\u0430\u0440\u043e\u043b\u044c",
        ),
        *("\u30d1\u30b9\u30ef\u30fc\u30c9", "\u5bc6\u7801", "\u5bc6\u78bc"),
    )
)
_REFUSED: Final = re.compile(
    r"argument -[\w\-/, ]{0,60}?(?:key|token|secret|pass\w{0,8}|pwd|auth|credentials?)"
    r"[\w\-]{0,20}: invalid [^\n'\"]{0,40}[\"'](?P<secret>[^\n\"']{1,256})"
)
_INTO: Final = re.compile(
    r"(?:typed|entered|enter|type|fill(?:ed)?|put|paste[d]?) (?:in )?[\"'`]"
    r"(?P<secret>[^\s\"'`]{4,200})"
    r"[\"'`] (?:in|into|as|for)\b[^\n.]{0,40}?"
    r"(?:pass(?:word|wd|code|phrase)|secret|token|api key)"
)
_ACTION: Final = re.compile(
    r"(?:\bfill|\btype|send_?keys|set_?value|set_?text|press_?sequentially"
    r"|\binput_text)\(\s{0,8}(?:selector ?= ?)?(\\*[\"'`])"
)
_SECOND: Final = re.compile(
    r"\\*[\"'`]\s{0,8},\s{0,8}(?:\w{1,12} ?= ?)?\\*([\"'`])"
    r"(?P<secret>[^\n]{1,200}?)\\*\1"
)
_FIRST: Final = re.compile(r"(?P<secret>[^\n\"'`\\]{1,200})\\*[\"'`]\s{0,4}[,)]")
_ACTION_REACH_CHARS: Final = 120
_ACTION_NEEDLES: Final = (
    *("fill(", "type(", "keys(", "_value(", "setvalue(", "_text(", "settext("),
    "sequentially(",
)
_ASKED: Final = re.compile(
    r"[\"'](?:answer|response|reply|a|text|value|keys|fill|input)\\*[\"']\s{0,8}:\s{0,8}"
    r"\\*[\"'](?P<secret>[^\s\"'\\]{4,256})\\*[\"']"
)
_QUESTION: Final = re.compile(
    r"[\"'](?:question|q|prompt|selector|locator|target|element|css|xpath|label)\\*[\"']"
    r"\s{0,8}:\s{0,8}\\*\"(?P<name>(?:[^\"\\{}\n]|\\+[\"']){1,120})\\*\""
)
_RECORD_CHARS: Final = 300


def said_spans(text: str, low: str) -> Iterator[tuple[int, int]]:
    """
    Yield where secrets stand that a sentence names; they may overlap.

    Args:
        text: The text.
        low: The same in lower case, of the same length.

    """
    for name, form in _FORMS:
        if name not in low:
            continue
        for match in islice(form.finditer(low), _MATCHES_LIMIT):
            span = match.span(match.lastgroup or 0)
            if PLACEHOLDER.fullmatch(low, *span) is not None:
                continue
            if match["beside"] or match["below"]:
                # Nothing says that a value begins here.
                is_short = name in _ALSO_WORDS and span[1] - span[0] < _WORD_CHARS
                if _is_thing(text[slice(*span)], is_short=is_short):
                    continue
            yield span
    if "argument -" in low:
        for match in islice(_REFUSED.finditer(low), _MATCHES_LIMIT):
            yield match.span("secret")


def _is_thing(value: str, *, is_short: bool) -> bool:
    """Tell the name of a thing, or a word, from a value that nothing announces."""
    if not _SYMBOLS.isdisjoint(value):
        return False
    # Names begin with their capital, if they have any.
    is_mixed = value[0].islower() and value.lower() != value
    return is_short or (not is_mixed and _THING.fullmatch(value) is not None)


def typed_spans(low: str) -> Iterator[tuple[int, int]]:
    """
    Yield what is typed into the field of a page that names a secret.

    Args:
        low: The text, in lower case.

    """
    if "(" in low and any(needle in low for needle in _ACTION_NEEDLES):
        for action in islice(_ACTION.finditer(low), _MATCHES_LIMIT):
            yield from _argument(low, action)
    if '"' in low and (
        "question" in low
        or "selector" in low
        or "prompt" in low
        or "locator" in low
        or "element" in low
        or "target" in low
        or "xpath" in low
        or '"q"' in low
        or '"css"' in low
    ):
        yield from _answers(low)
    if " in" in low or " as " in low or " for " in low:
        for match in islice(_INTO.finditer(low), _MATCHES_LIMIT):
            yield match.span("secret")


def _argument(low: str, action: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield what one call types: its second argument, or its only one."""
    start = action.end()
    line_end = low.find(action[1], start, start + _ACTION_REACH_CHARS)
    while line_end >= 0 and low[line_end + len(action[1]) :][:1] not in (
        ",",
        ")",
        " ",
        "",
    ):
        line_end = low.find(action[1], line_end + 1, start + _ACTION_REACH_CHARS)
    second = None if line_end < 0 else _SECOND.match(low, line_end)
    if second is not None:
        name, span = low[start:line_end], second.span("secret")
    else:
        first = _FIRST.match(low, start)
        if first is None:
            return
        line_at = low.rfind("\n", 0, start) + 1
        name = low[max(line_at, action.start() - _ACTION_REACH_CHARS) : action.start()]
        # What came before on this line is another call.
        name = name.rpartition(";")[2]
        span = first.span("secret")
    if _names_secret(name) and not _is_word(low[slice(*span)]):
        yield span


def _answers(low: str) -> Iterator[tuple[int, int]]:
    """Yield the value of a field beside a question, or a place in a page."""
    for question in islice(_QUESTION.finditer(low), _MATCHES_LIMIT):
        if not _names_secret(question["name"]):
            continue
        start, end = question.span()
        floor = max(low.rfind("{", 0, start), start - _RECORD_CHARS)
        stop = low.find("}", end, end + _RECORD_CHARS)
        stop = stop if stop >= 0 else end + _RECORD_CHARS
        for at, until in ((end, stop), (max(0, floor), start)):
            for answer in _ASKED.finditer(low, at, until):
                span = answer.span("secret")
                if not _is_word(low[slice(*span)]):
                    yield span


_NAMED: Final = re.compile(r"[\w\-.]{2,64}")


def _names_secret(text: str) -> bool:
    """Tell whether any word of a question or of a place in a page is sensitive."""
    return any(
        is_sensitive(match[0]) for match in islice(_NAMED.finditer(text), 40)
    ) or ("api key" in text)


def _is_word(value: str) -> bool:
    """Tell a plain answer from a secret."""
    return (
        value.strip(".!?") in BENIGN_WORDS
        or is_said_of(value)
        or (PLACEHOLDER.fullmatch(value) is not None)
        or (" " in value and is_name_like(value))
    )
