"""
Find the secrets that people and programs type into a page or answer a question with.

``page.fill('#password', 'x1…')``, ``"question": "Password?", "answer": "x1…"``.
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

from .nearby import looks_secret

__all__ = ("typed_spans",)

_MATCHES_LIMIT: Final = 200
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
    if "\n" in low and any(sign in low for sign in ("$ ", "# ", "> ", "% ", "]: ")):
        yield from _printed(low)
    if "\n" in low:
        yield from _fetched(low)
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


_COMMAND: Final = re.compile(
    r"(?:\A|\n)(?:[^\s$#%>]{1,60}[ ]?)?[$#%>] (?P<command>[^\n]{4,400})\r?\n"
    r"(?P<secret>(?=[^\s]{0,64}[0-9])[^\s\"'`:,/<>{}()\[\]]{8,256})"
    r"[ \t]*(?=\r?\n\S{0,40}[$#%>] |\s*\Z)"
)
# What an interpreter prints of an attribute.
_EVALUATED: Final = re.compile(
    r"\n(?:>>> |in \[[0-9]{1,5}\]: |irb\([^\n]{0,40}> |> "
    r"|[\w.:\-\[\]]{1,60}> (?:get|getdel|hget \S{1,80}) )"
    r"(?P<command>[a-z_$@][\w.:$@]{0,120}(?:\(\))?)[ ]?;?\r?\n"
    r"(?:=> |out\[[0-9]{1,5}\]: )?"
    r"(?:\([\"'][^\"'\n]{1,128}[\"'], )?b?(?P<quote>[\"'])"
    r"(?P<secret>[^\n]{4,256}?)(?P=quote)\)?[ \t]*(?=\r?\n|\Z)"
)
_PROMPTS: Final = (">>> ", "in [", "irb(", "> get", "> hget ", "\n> ")
_PATHS: Final = re.compile(r"[.{}/=:\[\]]")
_DIGEST: Final = re.compile(r"[0-9a-f]{7,64}|[0-9.\-:]+")


_COUNTS: Final = re.compile(
    r"[:._](?:count|total|used|attempts?|failures?|issued|hits|misses|sum|seq|requests|errors|resets)\Z"
)


def _evaluated(low: str) -> Iterator[tuple[int, int]]:
    """Yield what an interpreter prints of an attribute that names a secret."""
    for match in islice(_EVALUATED.finditer(f"\n{low}"), _MATCHES_LIMIT):
        secret = match["secret"]
        is_filled = secret in BENIGN_WORDS or PLACEHOLDER.fullmatch(secret) is not None
        # How many there were: `GET token:count`.
        is_counted = secret.isdigit() and _COUNTS.search(match["command"]) is not None
        is_filled = is_filled or is_counted
        if not is_filled and _names_secret(match["command"]):
            start, end = match.span("secret")
            yield start - 1, end - 1


# Commands that fetch one secret, and the word that they print.
_FETCHED: Final = re.compile(
    r"(?:\A|\n)(?:[^\s$#%>]{1,60}[ ]?)?(?:[$#%>+] )?"
    r"(?:op (?:read|item get [^\n]{0,160}--fields (?:label=)?passw)"
    r"|bw get (?:password|totp)"
    r"|(?:go)?pass show (?:-o )?[\w./@\-]{2,80}(?=[ \t]*\r?\n)|secret-tool lookup"
    r"|security find-[a-z]{4,8}-password [^\n]{0,160}-w"
    r"|vault (?:kv get|read) [^\n]{0,80}-field"
    r"|terraform output -raw \w{0,40}(?:passw|secret|token|key|cred)"
    r"|kubectl [^\n]{0,80}get secrets?[ /][^\n]{0,160}"
    r"(?:base64 -|\.data\b[^\n]{0,40}passw)"
    r"|heroku config:get \w{0,40}(?:passw|secret|token|key)"
    r"|gcloud secrets versions access|doppler secrets get [^\n]{0,80}--plain"
    r"|chamber read -q|aws secretsmanager get-secret-value [^\n]{0,200}secretstring"
    r"|az keyvault secret show [^\n]{0,200}--query value"
    r"|lpass show [^\n]{0,20}(?:-p|--password)"
    r"|keepassxc-cli show [^\n]{0,80}-a passw\w+"
    r"|cat [\w./]{0,20}/run/secrets/|printenv \w{0,40}(?:passw|secret|token|api_?key))"
    r"[^\n]{0,300}\r?\n(?P<secret>[^\s{}\[\]<>:\"'][^\s{}<>:\"']{3,255})"
    r"[ \t]*(?=\r?\n|\Z)"
)
_FETCHERS: Final = (
    *("op ", "bw get", "pass ", "secret-tool", "-password", "-field", "output -raw"),
    *("kubectl", "config:get", "gcloud sec", "doppler", "chamber", "secretsmanager"),
    *("keyvault", "lpass", "keepassxc", "/run/secrets/", "printenv"),
)


def _fetched(low: str) -> Iterator[tuple[int, int]]:
    """Yield the word that a command prints which fetches one secret."""
    if not any(map(low.__contains__, _FETCHERS)):
        return
    for match in islice(_FETCHED.finditer(low), _MATCHES_LIMIT):
        if not _is_word(match["secret"]):
            yield match.span("secret")


def _printed(low: str) -> Iterator[tuple[int, int]]:
    """Yield the one word that a command prints which names a secret."""
    if any(map(low.__contains__, _PROMPTS)):
        yield from _evaluated(low)
    for match in islice(_COMMAND.finditer(low), _MATCHES_LIMIT):
        word = match["secret"]
        is_digest = _DIGEST.fullmatch(word) is not None and "git" in match["command"]
        if (
            not is_digest
            and _names_secret(_PATHS.sub(" ", match["command"]))
            and looks_secret(word, is_announced=True)
        ):
            yield match.span("secret")


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
