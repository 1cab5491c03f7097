"""
Find the values that follow their name and a sign, such as a colon.

JSON, YAML, headers, files of settings and source code are told apart by what
stands around the name, since a text may hold all of them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    PLACEHOLDER,
    SCHEMES,
    is_benign_text,
    is_name_like,
    is_piece_of_text,
    is_prose,
    is_setting,
)
from chaukas.sdk.capture.redaction.names import (
    is_about,
    is_sensitive,
    last_word,
    squeeze,
)
from chaukas.sdk.capture.redaction.phrases import is_action

from .bare_words import (
    LINE_REST,
    MAPPED,
    PROSE_WORD,
    is_among,
    is_counted,
    is_expression,
    is_login,
    is_member,
    is_other,
    is_phrase,
    is_reference,
    is_selector,
    is_signature,
    is_token,
    is_word,
)
from .value_spans import (
    BARE,
    BARE_NAMES,
    CALL,
    KEYS,
    LOOKUP,
    OPEN,
    REDACTED,
    Place,
    bracket_spans,
    call_span,
    is_sentence,
    is_shown,
    kept,
    quote_end,
    quoted_span,
    trimmed,
    tuple_spans,
)

__all__ = ("assigned_spans",)

_LINE_NAMES: Final = frozenset(
    "authorization proxyauthorization cookie setcookie".split()
)
_WORD_LIMIT: Final = 128
_SOURCE: Final = re.compile(
    r"[(\[{]|%(?:0A|28|5B|7B)|(?:%20|\+)\w+(?:%20|\+)", re.IGNORECASE
)
_WHOLE: Final = re.compile(r"(?:[^\s;&]|[;&](?![ ]?[\w.%\[\]\-]{1,64}[ ]?=))+")
_LINE: Final = re.compile(r"(?:[^\r\n\\]|\\(?![rn]))+")
_TYPED: Final = re.compile(r"[ \t]*=[ \t]*")
_MARKS: Final = ".,;:!?)"
_GAP_CHARS: Final = 64
_DIGEST_CHARS: Final = 12
_LOOP: Final = re.compile(r"\bfor [\w, ]{1,40} in [\w.]{0,40}\Z")
_MEMBER_NAME: Final = re.compile(r"[A-Z][A-Za-z]{1,30}\.[A-Z][A-Za-z_]{1,30}")
_DIGEST: Final = re.compile(r"[\"']?[0-9a-f]{32,128}(?![\w\-])")
_CONFIGURED: Final = re.compile(r"[A-Z][A-Za-z]{1,30}(?::[A-Z][A-Za-z]{1,30}){1,5}")
# What is worked out: a comprehension, the type of a function, a command's output, the
# parameter of a setter, a command of PowerShell.
_COMPUTED: Final = re.compile(
    r"\[\(?[\w.]{1,40}(?:\([\w., ]{0,40}\))?(?:, ?\w{1,20})?\)? for [\w, ]{1,40} in "
    r"|\{ ?for [\w, ]{1,40} in |[$]\((?=[A-Za-z])"
    r"|\((?:[\w$]{1,40}\??: ?[\w.<>\[\]| ]{1,60},? ?){0,6}\) ?=>"
    r"|\((?:new_|old_)?(?:password|token|secret|key|value|val|v)\)"
    r"|\(lambda\b|\([\w.]{1,60}(?:\([\w., ]{0,40}\))? ?"
    r"(?:[+*/|&\-]|<<|>>|or|and|if) ?[\w.\"']"
    r"|(?:return|throw|raise|yield|await|try[!?]?|continue|break|function|async|lambda)(?![\w\-.])|[A-Z]\w{1,30}<[{\w('&*\[]"
    r"|\(?(?:Get|New|Read|Import|ConvertTo|ConvertFrom|Invoke|Select|Find)-[A-Z][A-Za-z]+(?=\s|$)"
)
# What a rule of a grammar is made of: more than one term.
_TERM: Final = (
    r"(?:<?[a-z][a-z_\-]{0,24}>?|[A-Z][A-Z_]{1,24}"
    r"|'[^'\s0-9]{1,12}'|\"[^\"\s0-9]{1,12}\")[*+?]?"
)
_PRODUCTIONS: Final = {
    ":=": re.compile(
        rf"{_TERM}(?:[ ]{{1,4}}(?:\|[ ]{{1,4}})?{_TERM}){{1,16}}"
        r"[ \t]*;?[ \t]*(?:\r?\n|\Z)"
    ),
    "=": re.compile(
        rf"{_TERM}(?:[ ]{{1,4}}/[ ]{{1,4}}{_TERM}){{1,16}}[ \t]*(?:\r?\n|\Z)"
    ),
}
# What Redis is asked for: `> GET password:attempts`.
_ASKED: Final = re.compile(r"> (?:get|incr|decr|ttl|exists|type|scard|llen) \Z")
_ASKED_KEY: Final = re.compile(r"[a-z_]{1,32}(?::[a-z_.]{1,32}){0,4}[ \t]*(?:\r?\n|\Z)")
# What Redis lists: `1) "auth:lock:ana"`.
_LISTED: Final = re.compile(r"[0-9]{1,4}\) \"\Z")
_LISTED_KEY: Final = re.compile(r"[a-z_\-]{1,32}(?::[a-z_\-.]{1,32}){1,6}")
_LOGIN: Final = re.compile(
    r"(?![\"']|[A-Z]\w{0,40} ?\||[a-z]{2,8}://)"
    r"[\w.@\-]{1,64} ?[/|:] ?(?!None|null|undefined)\S{1,64}"
)
_ANNOTATED: Final = re.compile(
    r"(?:Annotated|Optional|Union|Callable|Literal|str|string|byte"
    r"s)(?:\[| [|=]|, \w+:|\) )"
    r"|_?[A-Z]\w{0,24}(?:, \*{0,2}\w{1,40}[:=)]|\) ?(?:->|:))"
)
_SYMBOLIC: Final = re.compile(r"[A-Za-z_]\w{0,40}(?![\w\-.:])")
_QUOTED_VARIABLE: Final = re.compile(r"([\"'])[a-z_]{1,40}\1")
_TYPED_LITERAL: Final = re.compile(
    r"[&*]?['A-Za-z_][\w.]{0,30}(?:[\[\]<>, |?!]{1,4}[\w.']{1,30}){0,3}[\]>?!]{0,4}"
    r"[ \t]{0,4}=[ \t]{0,4}(\\*[\"'])"
)
# Variables that are handed on, and a remark: `(user, password)`, `(hidden)`.
_NAMES_ONLY: Final = re.compile(
    r"\((?:[a-z_][\w.]{0,40}, ?[a-z_][\w.]{0,40}|hidden|masked|redacted|optional"
    r"|sensitive(?: value)?|known after apply"
    r"|required|not set|unset|empty|none|set|default|unchanged)\)",
    re.IGNORECASE,
)
_SHORTENED: Final = re.compile(r"[\w\-]{0,8}(?:\.{3}|\u2026)[\w\-]{0,4}(?![\w\-])")
_COOKIES: Final = re.compile(
    r"(?:(?:theme|lang|language|locale|mode|consent|currency|tz|timezone|country|path"
    r"|domain|samesite|expires|max-age)=(?:[\w/.\-*]{0,12}|[$]\{\w+\})|httponly|secure)"
    r"(?:; ?(?:(?:theme|lang|language|locale|mode|consent|currency|tz|timezone|country"
    r"|path|domain|samesite|max-age)=[a-z/.\-*_0-9]{0,12}|httponly|secure)){0,12};?",
    re.IGNORECASE,
)
# What code sets: `csrf({ cookie: true })`.
_FLAG: Final = re.compile(
    r"(?:true|false|null|undefined|nil|none|[0-9]{1,4}|(?:req|request|res|ctx|config|options"
    r"|this|self)(?:\.\w{1,40}){1,4})[\s)}\],;]*",
    re.IGNORECASE,
)
_DECORATED: Final = re.compile(r"(?:[!&][\w!:./\-]{0,60}[ \t]+){0,3}")
_BLOCK: Final = re.compile(
    r"(?:[!&][\w!:./\-]{0,60}[ \t]*)?[|>][+\-0-9]{0,2}[ \t]*(?:#[^\n]*)?\r?\n"
)
_BLOCK_SIGN: Final = re.compile(r"[|>][+\-0-9]{0,2}")
_BLANK: Final = re.compile(r"(?:[!&][\w!:./\-]{0,60})?[ \t]*(?:#[^\n]*)?\r?\n")
_BLOCK_LINE: Final = re.compile(r"([ \t]*)(- [ \t]*)?([^\r\n]*)(?:\r?\n|$)")
_ENTRY: Final = re.compile(r"[\"']?[\w.\-/]{1,64}[\"']?:(?:[ \t]+|$)")
_CODE: Final = re.compile(
    r"(?:[0-9]{1,2}[.)] )?(?=\S*[0-9])[A-Za-z0-9]{3,16}(?:[ \-][A-Za-z0-9]{3,16}){0,6}"
)
# `mail box 7`; but `at least 8`, `step 2`.
_NUMBERED: Final = re.compile(
    r"(?!.*\b(?:at|least|most|min|max|minimum|maximum|than|to|of|in|from|for|with|length"
    r"|level|step|version|page|chapter|line|row|type|is|was|and|or|the|after|before"
    r"|chars|characters|signs|days?|hours?|minutes?|times?)\b)"
    r"(?:[a-z]{2,16} ){1,4}[0-9]{1,4}"
)
# What a variable of a pipeline, and a parameter of a stack, is given.
_GIVEN_KEYS: Final = frozenset(("value", "default", "defaultvalue"))
_BLOCK_LINES: Final = 200
# What a value is changed to, as a plan of Terraform shows it.
# What is called on an object: `Credentials->get_proxy()`.
_MEMBER: Final = re.compile(r"->[A-Za-z_]{2,60}(?=[;(\s)\],])")
_CHANGED: Final = re.compile(r"\\*[\"'][ \t]{0,4}(?:->|=>|\u2192)[ \t]{0,4}(\\*[\"'])")
# Before a value: the length of a text in PHP, a slice of Go.
_GO_SLICE: Final = re.compile(
    r"\s{0,16}string\([0-9]{1,6}\) (?=\")"
    r"|\[\](?:(?=[a-z]{1,16}\()|[a-z]{1,16}\{(?=[\"`]))|new \w{1,20}\[\] ?(?=\{)"
)
# An object of a type, and what is its value: `new Secret { Value = "…" }`.
_OBJECT: Final = re.compile(
    r"(?:new |&)?(?:[a-z]\w{0,30}\.)?[A-Z][\w.]{1,60}(?:<[\w<>, ]{1,60}>)?(?:\(\))?"
    r"(?<=[\w>)])(?:[ ]|\s{1,64})?\{(?=\s|\}|\Z)"
)
_MEMBERS: Final = re.compile(
    r"\b(?:[Vv]al(?:ue)?|[Dd]ata|[Cc]ontent|[Tt]ext|[Rr]aw|[Pp]lain[A-Za-z]{0,6})"
    r"\s{0,4}[:=]\s{0,4}\"(?P<secret>[^\"\n]{1,256})\""
)
_OBJECT_CHARS: Final = 256
_FALLBACK: Final = re.compile(
    r"[A-Za-z_$][\w.$]{0,80}(?:[(\[][^()\[\]\n]{0,80}[)\]])?[!?]?[ \t]{1,4}"
    r"(?:or|\|\||\?\?|\?:)[ \t]{1,4}(\\*[\"'])"
)
_COMMENT: Final = re.compile(r"[ \t]+[#;].*")
_SPACE: Final = re.compile(r"\s{0,64}")
_INDENT: Final = re.compile(r"[ \t]*(?:- [ \t]*)?")
_WHOLE_LINE_NAMES: Final = frozenset(
    "passphrase mnemonic phrase requirepass masterauth".split()
)


def assigned_spans(place: Place) -> Iterator[tuple[int, int]]:
    """Yield the value that follows its name and a sign such as a colon."""
    if not (is_reference(place) or is_signature(place)):
        yield from _assigned(place)


def _assigned(place: Place) -> Iterator[tuple[int, int]]:
    """Yield the value, whichever form it has."""
    text, position = place.text, place.value_at
    is_colon = place.separator in (":", "::")
    if is_colon and place.begins_line:
        block = _BLOCK.match(text, position)
        blank = block or _BLANK.match(text, position)
        if blank is not None:
            is_block = block is not None
            yield from _block_spans(place, blank.end(), is_block=is_block)
            return
        decorated = _DECORATED.match(text, position)
        position = position if decorated is None else decorated.end()
    elif is_colon and text[position : position + 1] in ("", "\n", "\r"):
        if not place.close:
            return
        gap = text[position : position + _GAP_CHARS]
        position += len(gap) - len(gap.lstrip())
    if _is_no_value(place, position):
        return
    slice_ = _GO_SLICE.match(text, position)
    position = position if slice_ is None else slice_.end()
    structured = _structured(place, position)
    if structured is not None:
        yield from structured
        return
    for span in (
        _plain_span(place, position),
        _typed_span(place, position),
        _fallback_span(place, position),
    ):
        if span is not None:
            yield from _changed_spans(place, span)


def _structured(place: Place, position: int) -> Iterable[tuple[int, int]] | None:
    """Find what is hidden of a structure; none at all if there is no structure."""
    made = _OBJECT.match(place.text, position)
    if made is not None:
        # What is put into it stands beside its own names.
        end = made.end() + _OBJECT_CHARS
        members = _MEMBERS.finditer(place.text, made.end(), end)
        return (member.span("secret") for member in members)
    sign = place.text[position : position + 1]
    if sign in ("{", "["):
        return bracket_spans(place, position)
    is_tuple = sign == "(" and place.separator in (":", "=", "=>")
    return tuple_spans(place.text, place.name, position) if is_tuple else None


def _changed_spans(place: Place, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield a value, and what it is changed to."""
    yield span
    changed = _CHANGED.match(place.text, span[1])
    later = changed and quoted_span(place.text, changed, place.name)
    if later:
        yield later


def _is_no_value(place: Place, position: int) -> bool:
    """Tell what is hidden already, a remark, and variables that are handed on."""
    text = place.text
    if place.separator == "->" and _MEMBER.match(text, place.name_end) is not None:
        return True
    if is_selector(place) or is_expression(text, position) or _is_named_part(place):
        return True
    if place.before == "{" and text.startswith("?", position):
        # What a shell says if a variable is missing: `${TOKEN:?no token}`.
        return True
    if _COMPUTED.match(text, position) is not None or _is_production(place):
        return True
    if place.separator == ":" and text[place.value_at - 2 : place.value_at] == " :":
        # A symbol of Ruby: `has_secure_token :auth_token`.
        # A variable of psql: `PASSWORD :'new_password'`.
        symbol = _SYMBOLIC.match(text, position)
        is_variable = _QUOTED_VARIABLE.match(text, position) is not None
        return is_variable or (symbol is not None and is_name_like(symbol[0]))
    return text.startswith(REDACTED, position) or (
        text.startswith("(", position) and _NAMES_ONLY.match(text, position) is not None
    )


def _is_production(place: Place) -> bool:
    """Tell the rule of a grammar, `token := word | number`, from what is given."""
    form = _PRODUCTIONS.get(place.separator)
    return form is not None and form.match(place.text, place.value_at) is not None


def _is_named_part(place: Place) -> bool:
    """Tell a name in parts, `config["Jwt:Issuer"]`, and the digest of a file."""
    if place.before == "/":
        head = place.low[max(0, place.start - _DIGEST_CHARS) : place.start]
        is_digest = head.endswith(("checksum/", "hash/", "sha256/"))
        return is_digest and _DIGEST.match(place.text, place.value_at) is not None
    if place.separator != ":" or place.close:
        return False
    head = place.low[max(0, place.start - _GAP_CHARS) : place.start]
    if place.before not in ("'", '"', "`"):
        # `[for s in var.secrets : s.name]`
        is_asked = _ASKED.search(head) is not None
        is_asked = is_asked and _ASKED_KEY.match(place.text, place.value_at) is not None
        return is_asked or _LOOP.search(head) is not None
    end = place.text.find(place.before, place.value_at, place.value_at + _GAP_CHARS)
    if end < 0 or not place.before:
        return False
    inner = place.text[place.start : end]
    if _LISTED.search(head) and _LISTED_KEY.fullmatch(inner):
        return True
    is_key = place.text[place.start - 2 : place.start - 1] in ("[", "(")
    is_key = is_key and place.text[end + 1 : end + 2] in ("]", ")")
    return (is_key and _CONFIGURED.fullmatch(inner) is not None) or is_action(inner)


def _typed_span(place: Place, position: int) -> tuple[int, int] | None:
    """Find the literal behind a type: ``secret: &'static str = "…"``."""
    if place.separator != ":":
        return None
    typed = _TYPED_LITERAL.match(place.text, position)
    return None if typed is None else quoted_span(place.text, typed, place.name)


def _fallback_span(place: Place, position: int) -> tuple[int, int] | None:
    """Find what stands in for a missing one: ``process.env.TOKEN || "…"``."""
    fallback = _FALLBACK.match(place.text, position)
    return None if fallback is None else quoted_span(place.text, fallback, place.name)


def _plain_span(place: Place, position: int) -> tuple[int, int] | None:
    """Find a value in quotes, in a line, or by itself."""
    text, name = place.text, place.name
    opened = OPEN.match(text, position)
    bare = BARE.match(text, position)
    login = _LOGIN.match(text, position) if place.separator == ":" else None
    if opened is not None:
        span = _string_span(place, opened)
    elif login is not None and last_word(name) == "credential":
        span = login.span()
    elif _is_line(place):
        span = _header_span(place, position)
    elif place.before in ("?", "&", ";"):
        span = None if bare is None else kept(text, name, *trimmed(bare))
        if span and not is_sensitive(name) and _is_sample(name, text[slice(*span)]):
            span = None
    elif (call := CALL.match(text, position)) is not None:
        span = call_span(text, name, call)
    elif place.separator.strip() == "<-":
        # A variable, or what is worked out: no language has values without quotes.
        span = None
    elif place.begins_line:
        span = _rest_span(place, position)
    else:
        span = _bare_span(place, position)
    return span


def _string_span(place: Place, opened: re.Match[str]) -> tuple[int, int] | None:
    """Take a value between quotes, unless it is what a parser has met."""
    text = place.text
    if _closes(place, opened) or _is_substitution(place, opened):
        return None
    span = quoted_span(text, opened, place.name)
    if span and last_word(place.name) == "cookie" and _COOKIES.fullmatch(text, *span):
        return None
    if (
        span
        and place.low.startswith("token", place.start)
        and _is_piece(place, span[1])
    ):
        return None
    # `unexpected token: 'else'`.
    is_said = place.separator in (":", "->", "<-", "=>") and not place.close
    is_said = is_said or (place.name == "token" and place.separator in ("==", "==="))
    if span and is_said and is_token(place.name) and not is_among(place):
        return None if PROSE_WORD.fullmatch(place.text, *span) is not None else span
    return span


def _is_piece(place: Place, end: int) -> bool:
    """Tell a token of a language model, with its probability, from a secret."""
    text, start = place.text, place.start
    before = text[max(0, start - _GAP_CHARS) : start].rpartition("{")[2]
    after = text[end : end + _GAP_CHARS].partition("}")[0]
    return is_piece_of_text(place.name, KEYS.findall(f"{before} {after}"))


def _is_substitution(place: Place, opened: re.Match[str]) -> bool:
    """Tell what a shell runs: ``TOKEN=`cat token.txt```."""
    is_shell = opened[1] == "`" and place.separator == "=" and place.name.isupper()
    is_shell = is_shell and place.value_at == place.name_end + 1
    return is_shell and not place.text.startswith(("echo", "printf"), opened.end())


def _is_sample(name: str, value: str) -> bool:
    """Tell ``?key=value`` of a document, ``?code=404``, and what a page runs."""
    is_source = name == "code" and _SOURCE.search(value) is not None
    return is_source or (len(value) <= 12 and (value.isalpha() or value.isdigit()))


def _closes(place: Place, opened: re.Match[str]) -> bool:
    """Tell the quote that ends ``"Password: "`` from one that begins a value."""
    text, quote = place.text, opened[1]
    if place.close or text[opened.end() : opened.end() + 1] not in "),;]} \r\n":
        return False
    line_at = text.rfind("\n", max(0, place.start - 200), place.start) + 1
    return text.count(quote, max(line_at, place.start - 200), place.start) % 2 == 1


def _rest_span(place: Place, position: int) -> tuple[int, int] | None:
    """Take the value of a line, with its spaces, unless it is a sentence."""
    text, name = place.text, place.name
    rest = LINE_REST.match(text, position)
    line = "" if rest is None else rest[0]
    if place.before in ("'", '"', "`") and not place.close:
        line = line[: quote_end(line, 0, place.before)]
    comment = _COMMENT.search(line) if len(line) < 4096 else None
    if comment is not None:
        line = line[: comment.start()]
    line = line.rstrip("\\ \t\r")
    is_typed = line.partition(",")[0].lower() in BENIGN_WORDS
    is_whole = last_word(name) in _WHOLE_LINE_NAMES
    is_typed = is_typed or line.rstrip(",").isdigit()
    is_whole = is_whole and not (is_typed or is_benign_text(name, line))
    is_whole = is_whole or _is_numbered(place, line) or is_phrase(place, line)
    if is_whole:
        return kept(text, name, position, position + len(line))
    if " " not in line or len(line) > 1024 or "\\n" in line:
        return _bare_span(place, position)
    is_said = place.separator == ":" and is_prose(line) and not is_login(place)
    if is_said or is_shown(name, line):
        return None
    if "=" in line or '"' in line or "'" in line or ": " in line or "," in line:
        return _bare_span(place, position)
    return _bare_span(place, position) and (position, position + len(line))


def _is_numbered(place: Place, line: str) -> bool:
    """Tell some words and a number, as an entry among others, from a sentence."""
    if _NUMBERED.fullmatch(line) is None:
        return False
    # What stands in the line before is an entry, too.
    line_at = place.text.rfind("\n", 0, place.start) + 1
    before_at = place.text.rfind("\n", 0, max(0, line_at - 1)) + 1
    return line_at > 0 and MAPPED.match(place.text, before_at, line_at) is not None


def _block_spans(
    place: Place, position: int, *, is_block: bool
) -> Iterator[tuple[int, int]]:
    """Yield what stands indented below a name, as in YAML."""
    text = place.text
    line_at = text.rfind("\n", 0, place.start) + 1
    own = _INDENT.match(text, line_at)
    indent = 0 if own is None else own.end() - line_at
    for _ in range(_BLOCK_LINES):
        line = _BLOCK_LINE.match(text, position)
        if line is None or position >= len(text):
            return
        position = line.end()
        content = line[3].rstrip()
        depth = len(line[1])
        if not content and not line[2]:
            continue
        is_item = line[2] is not None
        is_code = not is_block and last_word(place.name) == "code"
        is_item = is_item or (is_code and _CODE.fullmatch(content) is not None)
        if depth < indent or (depth == indent and not (is_item and not is_block)):
            return
        start = line.start(3)
        if is_block:
            yield line.start(3) - len(line[2] or ""), start + len(content)
            continue
        yield from _entry_spans(place.name, start, content)
        if last_word(place.name) == "code" and _CODE.fullmatch(content):
            continue
        if not is_item and _ENTRY.match(content) is None:
            return
    yield position, len(text)


def _entry_spans(name: str, start: int, content: str) -> Iterator[tuple[int, int]]:
    """Yield the value of one line below a name: an item, an entry, or the value."""
    entry = _ENTRY.match(content)
    if entry is not None:
        start += entry.end()
        content = content[entry.end() :]
    value = content.strip("\"'")
    if entry is not None and len(value) < 5 and value.isdigit():
        return
    if " " in value and (content[:1] not in ("'", '"') or is_sentence(value)):
        return
    key = "" if entry is None else entry[0].strip(" \t:\"'").lower()
    if entry is None and name == "secrets" and BARE_NAMES.fullmatch(value):
        # The names of what is mounted elsewhere.
        return
    if key in _GIVEN_KEYS and value and not is_shown(name, value):
        yield start, start + len(content)
        return
    if key == "vault" and "/" in value:
        # Where it is kept.
        return
    if entry is not None and is_about(key):
        is_block = _BLOCK_SIGN.fullmatch(content) is not None
        if is_block or is_setting(value):
            return
    if (value and not is_shown(name, value) and not is_name_like(value)) or (
        entry is None and value and not is_shown(name, value) and "_" not in value
    ):
        yield start, start + len(content)


def _is_line(place: Place) -> bool:
    """Tell whether the whole line is the value, as in a header."""
    if place.close or place.before in ("?", "&", ";"):
        return False
    if place.name[:1] not in "aApPcCsS" or place.separator not in (":", "=", "=>"):
        return False
    return squeeze(place.name) in _LINE_NAMES


def _header_span(place: Place, position: int) -> tuple[int, int] | None:
    """Take a header's value: to the end of the line, or of the quoted header."""
    text, before = place.text, place.before
    end = text.find(before, position) if before and before in "\"'`" else -1
    line = _LINE.match(text, position, end if end >= 0 else len(text))
    if line is None:
        return None
    value = text[position : line.end()].rstrip()
    if value.partition("[")[0].lower() in BENIGN_WORDS or _ANNOTATED.match(value):
        return None
    if _COOKIES.fullmatch(value) is not None or _FLAG.fullmatch(value) is not None:
        return None
    if place.separator == "=" and (call := CALL.match(text, position)) is not None:
        return call_span(text, place.name, call)
    head = value.partition(" ")[0].lower()
    if is_prose(value) and "=" not in value and head not in SCHEMES:
        return None
    return kept(text, place.name, position, position + len(value.rstrip("\\")))


def _bare_span(place: Place, position: int) -> tuple[int, int] | None:
    """Take an unquoted value, unless it is a type, a variable or a word."""
    text, name = place.text, place.name
    form = _WHOLE if place.begins_line and place.separator == "=" else BARE
    end = quote_end(text, position, place.before) if _is_quoted(place) else len(text)
    bare = form.match(text, position, end)
    if bare is None or _SHORTENED.match(bare[0]) is not None:
        return None
    start, end = trimmed(bare)
    value = text[start:end]
    if len(value) <= _WORD_LIMIT:
        if value.partition("</")[0].lower().rstrip("?!;") in BENIGN_WORDS:
            typed = _TYPED.match(text, end)
            is_typed = place.separator == ":" and typed is not None
            return _declared_span(place, typed.end()) if typed and is_typed else None
        if place.separator == ":" and is_other(place, value, end):
            return None
        if is_word(place, value, end) or is_counted(text, name, start):
            return None
    filled = PLACEHOLDER.match(text, start) if text[start] in "${<" else None
    if filled is not None and filled.end() >= end:
        return None
    return kept(text, name, start, end)


def _is_quoted(place: Place) -> bool:
    """Tell whether name and value stand in the same quotes: ``"token=x"``."""
    return bool(place.before) and place.before in "\"'`" and not place.close


def _declared_span(place: Place, position: int) -> tuple[int, int] | None:
    """Take the value of a name that is declared with its type."""
    text = place.text
    opened = OPEN.match(text, position)
    if opened is not None:
        return quoted_span(text, opened, place.name)
    call = CALL.match(text, position)
    if call is not None:
        return call_span(text, place.name, call)
    bare = BARE.match(text, position)
    if bare is None or bare[0].rstrip(",.)]}").lower() in BENIGN_WORDS:
        return None
    word = bare[0].rstrip(",.)]};")
    is_known = _MEMBER_NAME.fullmatch(word) is not None or is_member(word)
    if is_known or LOOKUP.match(word) is not None:
        return None
    return kept(text, place.name, position, bare.end())
