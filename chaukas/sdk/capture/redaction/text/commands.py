"""
Find the secrets in commands, statements and files of well-known programs.

These have no name beside the value, or one that means something else elsewhere:
``mysql -p…``, ``IDENTIFIED BY '…'``, a line of ``.pgpass``, a key of PuTTY.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import PLACEHOLDER
from chaukas.sdk.capture.redaction.forms.client_calls import has_client_call
from chaukas.sdk.capture.redaction.forms.code_forms import CODE_FORMS
from chaukas.sdk.capture.redaction.forms.command_forms import COMMAND_FORMS, COMMANDS
from chaukas.sdk.capture.redaction.forms.form import Form
from chaukas.sdk.capture.redaction.names import is_sensitive
from chaukas.sdk.capture.redaction.phrases import is_substitution

from .nearby import looks_secret

__all__ = ("FORMS", "Form", "command_spans", "has_command_marker")

_MATCHES_LIMIT: Final = 300
_WINDOW_CHARS: Final = 400
_WINDOWS_LIMIT: Final = 48
_FORMS_PER_STEP: Final = 4
_HEAD_CHARS: Final = 160

_DIGEST: Final = re.compile(r"[0-9a-f]{32,64}")
# What stands in quotes is one word of a command, whatever signs are in it: also
# `'it'\''s me'` and `"it""s me"`. What has an option in it is a command itself.
_QUOTED_WORD: Final = re.compile(
    r"(?:^|(?<=[\s=:,(\[{%/@<>])|(?<=[\s\"']-[a-z])|(?<=[\s\"']-[a-z]{2}))"
    r"(?P<quote>\\*[\"'])"
    # No two of these can take the same signs, so no text is tried twice.
    r"(?P<inner>(?:(?P=quote)(?:\\{1,8}'{2}|\"'\"'|(?P=quote)(?=\w))"
    r"|(?!(?P=quote)| -{1,2}[a-z])(?:\\+(?!\\)(?:[\"']|(?![\"']))|[^\n\\])){1,96})"
    r"(?P=quote)(?!\w)"
)
_PARTING: Final = re.compile(r"[\s|;&,\\\"'<>]")
_VALUE_REST: Final = re.compile(r"[^\s\"'|;&]*")
_LINE_END: Final = re.compile(r"[\n|;]")

FORMS: Final[tuple[Form, ...]] = (*COMMAND_FORMS, *CODE_FORMS)
"""Where secrets stand that have no name, or one that is none elsewhere."""

_REACH: Final = re.compile(r"\{[01],([0-9]{2,3})\}\?")
_REACH_PER_STEP: Final = 32


def _steps_of(form: Form) -> int:
    """Return what a place costs at which a form begins: by how far it looks on."""
    return 1 + sum(map(int, _REACH.findall(form.regex.pattern))) // _REACH_PER_STEP


# The needle by itself, as nearly all texts hold none and each is looked for.
_FORMS: Final = tuple((form.needle, form, _steps_of(form)) for form in FORMS)

_SQL_INSERT: Final = re.compile(
    r"(?:insert|replace|upsert)\s{1,8}(?:ignore\s{1,8})?into\s{1,8}[\w.`\"\[\]\\]{1,128}\s{0,8}\((?P<columns>[^()]{1,2000})\)\s{0,32}(?:values|output|select)?"
)
_SQL_VALUE: Final = re.compile(
    r"\s{0,8}(?:n?'((?:[^'\\]|''|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,()'\"]*))\s{0,8}(,|\))"
)
_ROW_GAP_CHARS: Final = 64
# `crypt('x1…', gen_salt('bf'))`, and its first literal that is no variable.
_SQL_CALL: Final = re.compile(
    r"\s{0,8}([\w.]{1,64}\((?:[^()]|\((?:[^()]|\([^()]{0,80}\)){0,80}\)){0,400}\))"
    r"\s{0,8}(,|\))"
)
_SQL_LITERAL: Final = re.compile(r"(?P<before>:|gen_salt\()?'[^'\n]{0,400}'")
_SQL_WORDS: Final = ("", "?", "null", "default")
_SECRET_KIND: Final = re.compile(r"kind\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?secret\b")
_SECRET_DATA: Final = re.compile(
    r"(?<![\w.])(?:stringdata|data)\\*[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
)
_SECRET_LINE: Final = re.compile(
    r"([ \t]+)([\w.\-\"']{1,128}):[ \t]*([^\r\n]*)(?:\r?\n|$)|[ \t]*(?:\r?\n)"
)
_KEY_PART: Final = re.compile(
    r"[\"'](?:d|p|q|dp|dq|qi|k|oth)\\*[\"']\s{0,4}:\s{0,4}\\*[\"'](?P<secret>[\w\-+/=]{8,})"
)


def has_command_marker(low: str) -> bool:
    """
    Tell whether a text may hold a form without a stem of a sensitive name.

    What has such a stem, such as `machine … password`, is suspect already.

    Args:
        low: The text, or many joined, in lower case.

    """
    return (
        ("-" in low and _has_dash_marker(low))
        or ("u" in low and _HAS_U(low) is not None)
        or ("|" in low and "echo " in low)
        or (":" in low and _has_colon_marker(low))
        or ("/" in low and _has_slash_marker(low))
        or ("=" in low and "register =" in low)
        or ("q" in low and "rabbitmqctl" in low)
        or ("v" in low and "vault" in low and _has_vault_marker(low))
        or ("k" in low and "kty" in low)
        or "identified" in low
        or "alias set " in low
        or " login " in low
        or "gfzc3dvcmq6" in low
        or ("<" in low and ("<<<" in low or "rsakeyvalue" in low))
        or ("'" in low and "sp_addlogin" in low)
        or ("0" in low and "radtest" in low)
        or (">" in low and ("acl setuser" in low or "ftp> user " in low))
        or ("(" in low and _has_bracket_marker(low))
        or has_client_call(low)
        or (";" in low and "; " in low and _HAS_COOKIE(low) is not None)
    )


# A word with a digit behind an option that often takes a password.
_HAS_VALUE: Final = re.compile(
    r"-p(?<=[\s\"']-p)(?:[ =]|\\*[\"'],\s{0,4})\\*[\"']?"
    r"(?=[^\s\"']{0,32}[0-9])(?P<secret>[^\s\"'\\\-/.$|;&<>][^\s\"'\\|;&<>]{7,})"
).search
_HAS_COOKIE: Final = re.compile(
    r"; ?(?:(?:path|domain|expires|max-age|samesite)=|httponly|secure\b|partitioned)"
).search
_HAS_OPTION: Final = re.compile(r"-[pawkubnx](?<=[\s\"']-.)").search


_HAS_USER: Final = re.compile(r"-[lu](?<=[\s\"']-.)|--?(?:user|login)").search
# Written from the bracket on, which is rarer than the names of calls.
_HAS_CALL: Final = re.compile(
    r"\((?<=login.|nnect.|ction.|ysqli.|. pdo.|ernet.|s\.new.|heri"
    r"v.|array.|yspec.|basic.|_user.|ruser.)"
).search


# All with this letter at once, around it.
_HAS_U: Final = re.compile(
    r"u(?:se(?<=net use)|nity (?<=community )|re(?<=rclone obscure)"
    r"|restring(?<=securestring))"
).search
_HAS_COLON: Final = re.compile(r":(?:543|6432:|6543:|\*:| eap|(?<=wifi:))").search


def _has_dash_marker(low: str) -> bool:
    """Look for commands with options or a user, or a dash in their name."""
    return (
        (_HAS_OPTION(low) is not None and _has_command(low))
        or ("-p" in low and _HAS_VALUE(low) is not None)
        or "samba-tool" in low
        or "lftp" in low
        or "http-basic." in low
        or ("config" in low and "bundle config" in low)
        or _HAS_USER(low) is not None
    )


def _has_command(low: str) -> bool:
    """Look for a command with options."""
    return any(name in low for name, _ in COMMANDS)


def _has_bracket_marker(low: str) -> bool:
    """Look for calls, and for addresses of databases as Go writes them."""
    is_address = "@" in low and (
        "@tcp(" in low or "@unix(" in low or "@cloudsql(" in low
    )
    return is_address or _HAS_CALL(low) is not None


def _has_colon_marker(low: str) -> bool:
    """Look for files of passwords and keys."""
    return (
        _HAS_COLON(low) is not None
        or ("-" in low and "private-lines" in low)
        or ("w" in low and "iwconfig" in low)
        or ("j" in low and "jdbc" in low)
    )


def _has_slash_marker(low: str) -> bool:
    """Look for commands with their secret behind a slash."""
    return (
        "/p:" in low
        or "mpdp" in low
        or "signtool" in low
        or ("q" in low and ("sqlplus" in low or "sqlldr" in low))
    )


def _has_vault_marker(low: str) -> bool:
    """Look for what opens a vault."""
    return "vault login" in low or " unseal " in low


def command_spans(low: str, work: Work | None = None) -> Iterator[tuple[int, int]]:
    """
    Yield where the secrets of commands and statements stand; they may overlap.

    Args:
        low: The text, in lower case.
        work: What is left to do; once it is done, the whole text is one span.

    """
    work = work or Work()
    whole = _QUOTED_WORD.sub(_as_word, low) if "'" in low or '"' in low else low
    yield from _form_spans(low, work)
    yield from _option_spans(low, work)
    if "-" in low:
        yield from _other_spans(low, whole)
    if whole != low:
        yield from _form_spans(whole, work)
        yield from _option_spans(whole, work)
    if " into" in low or "[parameters:" in low:
        yield from _sql_spans(low)
    if "secret" in low and "data" in low and _SECRET_KIND.search(low) is not None:
        yield from _secret_spans(low)
    if "kty" in low:
        for match in islice(_KEY_PART.finditer(low), _MATCHES_LIMIT):
            yield match.span("secret")


def _as_word(quoted: re.Match[str]) -> str:
    """Return a text in quotes without what parts the words of a command."""
    inner, quote = quoted["inner"], quoted["quote"]
    # The command behind a path of Windows begins a word.
    inner = _PARTING.sub("_", inner.replace("\\", "/"))
    return f"{quote}{inner}{quote}"


def _form_spans(low: str, work: Work) -> Iterator[tuple[int, int]]:
    """Yield what is known by the words around it; the whole text if it is too much."""
    for needle, form, steps in _FORMS:
        if needle not in low:
            continue
        work.left -= 1 + low.count(needle) * steps // _FORMS_PER_STEP
        if work.left < 0:
            yield 0, len(low)
            return
        for match in islice(form.regex.finditer(low), _MATCHES_LIMIT):
            if not _is_meant(form, low, match.start()):
                continue
            for name in form.regex.groupindex:
                start, end = match.span(name)
                if start < end and not _is_filled(low, start, end):
                    yield start, end


def _is_filled(low: str, start: int, end: int) -> bool:
    """Tell what is filled in later, and what a shell runs, from a secret."""
    is_filled = PLACEHOLDER.fullmatch(low, start, end) is not None
    return is_filled or is_substitution(low, start)


def _is_meant(form: Form, low: str, at: int) -> bool:
    """Look at what stands before the place that a form has found."""
    floor = max(0, at - _HEAD_CHARS)
    if form.head is not None and form.head.search(low, floor, at) is None:
        return False
    if form.unless is None:
        return True
    line_at = max(floor, low.rfind("\n", floor, at) + 1)
    return form.unless.search(low, line_at, at) is None


def _option_spans(low: str, work: Work) -> Iterator[tuple[int, int]]:
    """Yield the values of options; of too many commands, all that follows."""
    if _HAS_OPTION(low) is None and "/p:" not in low and "/" not in low:
        return
    left = _WINDOWS_LIMIT
    for name, option in COMMANDS:
        at = low.find(name)
        while at >= 0:
            work.left -= 1
            if work.left < 0:
                yield 0, len(low)
                return
            end = at + len(name)
            if _is_command(low, at, end):
                left -= 1
                if left < 0:
                    yield at, len(low)
                    return
                yield from _window_spans(low, end, option)
            at = low.find(name, end)


def _other_spans(low: str, whole: str) -> Iterator[tuple[int, int]]:
    """
    Yield what looks like a secret behind ``-p`` of a command that is not known.

    Args:
        low: The text, in lower case.
        whole: The same, with what stands in quotes as one word.

    """
    found = _HAS_VALUE(low)
    for _ in range(_MATCHES_LIMIT):
        if found is None:
            return
        start, end = found.span("secret")
        if looks_secret(low[start:end]) and _DIGEST.fullmatch(low, start, end) is None:
            rest = _VALUE_REST.match(whole, end)
            yield start, end if rest is None else rest.end()
        found = _HAS_VALUE(low, end)
    if found is not None:
        yield found.start(), len(low)


def _is_command(low: str, at: int, end: int) -> bool:
    """Tell a command with options from the same word in a text."""
    if at and (low[at - 1].isalnum() or low[at - 1] in "-_."):
        return False
    if low[end : end + 1] not in (" ", "\t", "'", '"', "\\", ".") or end == len(low):
        return False
    stop = min(len(low), end + _WINDOW_CHARS)
    return _HAS_OPTION(low, end, stop) is not None or low.find("/", end, stop) >= 0


def _window_spans(
    low: str, start: int, option: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    """Yield the values of an option in the line of one command."""
    stop = start + _WINDOW_CHARS
    # A line goes on behind a backslash.
    for match in _LINE_END.finditer(low, start, stop):
        if low[match.start() - 1] not in "\\,'\"":
            stop = match.start()
            break
    for match in option.finditer(low, start, stop):
        begin, end = match.span("secret")
        if end == stop:
            # The window ends within the value.
            rest = _VALUE_REST.match(low, end)
            end = end if rest is None else rest.end()
        if not _is_filled(low, begin, end) and low[begin] != "-":
            yield begin, end


def _sql_spans(low: str) -> Iterator[tuple[int, int]]:
    """Yield the values of sensitive columns in statements and their parameters."""
    columns: list[str] = []
    for insert in islice(_SQL_INSERT.finditer(low), _MATCHES_LIMIT):
        columns = [
            column.strip(" \t\r\n\"'`[]\\") for column in insert["columns"].split(",")
        ]
        hidden = [at for at, column in enumerate(columns) if is_sensitive(column)]
        if hidden:
            yield from _rows(low, insert.end(), hidden)
    hidden = [at for at, column in enumerate(columns) if is_sensitive(column)]
    at = low.find("[parameters:")
    if at < 0:
        return
    start = at + len("[parameters:")
    end = low.find(")]", start)
    end = end + 1 if end >= 0 else len(low)
    is_named = low.startswith(("({", "[{", "{"), start + 1)
    if not is_named and (hidden or _names_column(low, at)):
        yield start, end


def _names_column(low: str, end: int) -> bool:
    """Tell whether a statement compares or sets a sensitive column."""
    head = low[max(0, end - 4000) : end]
    for match in islice(
        re.finditer(r"([\w.]{1,64})\s{0,4}=\s{0,4}(?:%|\?|:|\$)", head), 64
    ):
        if is_sensitive(match[1]):
            return True
    return False


def _rows(low: str, position: int, hidden: list[int]) -> Iterator[tuple[int, int]]:
    """Yield some values of the rows of an INSERT."""
    opening = low.find("(", position, position + 40)
    for _ in range(_MATCHES_LIMIT):
        if opening < 0:
            return
        position = opening + 1
        for at in range(256):
            value = _SQL_VALUE.match(low, position)
            value = value or _SQL_CALL.match(low, position)
            if value is None:
                yield position, len(low)
                return
            if at in hidden:
                yield from _cell_spans(low, value)
            position = value.end()
            if low[position - 1] == ")":
                break
        between = low[position : position + _ROW_GAP_CHARS].lstrip()
        opening = -1
        if between.startswith(","):
            opening = low.find("(", position, position + _ROW_GAP_CHARS)


def _cell_spans(low: str, value: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield one value of a row; of a call, what follows from its first literal on."""
    if value.re is _SQL_VALUE:
        group = next(n for n in (1, 2, 3) if value[n] is not None)
        start, end = value.span(group)
        shown = low[start:end].strip()
        is_bound = group == 3 and shown.startswith(("%", ":", "$", "@"))
        if not is_bound and shown not in _SQL_WORDS:
            yield start, end
        return
    start, end = value.span(1)
    for literal in _SQL_LITERAL.finditer(low, start, end):
        if literal["before"] is None:
            yield literal.start(), end
            return


def _secret_spans(low: str) -> Iterator[tuple[int, int]]:
    """Yield the values in the data of a Secret of Kubernetes."""
    for data in islice(_SECRET_DATA.finditer(low), 16):
        position = data.end()
        if low.startswith("{", position):
            end = low.find("}", position)
            yield position, end + 1 if end >= 0 else len(low)
            continue
        if low[position : position + 1] not in ("\n", "\r"):
            continue
        position = low.find("\n", position) + 1
        indent = data.start() - (low.rfind("\n", 0, data.start()) + 1)
        for _ in range(_MATCHES_LIMIT):
            line = _SECRET_LINE.match(low, position)
            if line is None or (line[1] is not None and len(line[1]) <= indent):
                break
            if line[3]:
                value = line[3].rstrip()
                if value[:1] in ("|", ">"):
                    yield from _block(low, line.end(), len(line[1]))
                else:
                    yield line.start(3), line.start(3) + len(value)
            position = line.end()
            if position >= len(low):
                break


def _block(low: str, position: int, indent: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of a block that is indented deeper."""
    for _ in range(_MATCHES_LIMIT):
        end = low.find("\n", position)
        end = end if end >= 0 else len(low)
        line = low[position:end]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            return
        if line.strip():
            yield position, end
        position = end + 1
        if position >= len(low):
            return
