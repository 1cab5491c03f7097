"""
Tell a variable, a type or a word of prose from a secret that stands without quotes.

Source code and sentences are full of them: ``token = self.token``, ``token: str``,
``password: see below``.
"""

import re
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    is_benign_text,
    is_name_like,
    is_own_name,
    is_prose,
    is_said_of,
)
from chaukas.sdk.capture.redaction.languages import in_english
from chaukas.sdk.capture.redaction.names import (
    HEADER_NAMES,
    QUERY_NAMES,
    is_sensitive,
    squeeze,
)

from .value_spans import LOOKUP, Place

__all__ = (
    "LINE_REST",
    "MAPPED",
    "PROSE_WORD",
    "is_among",
    "is_counted",
    "is_expression",
    "is_login",
    "is_member",
    "is_other",
    "is_phrase",
    "is_reference",
    "is_selector",
    "is_signature",
    "is_token",
    "is_word",
)

LINE_REST: Final = re.compile(r"[^\r\n]*")
PROSE_WORD: Final = re.compile(r"[^\W\d_][^\W\d_A-Z]{0,14}")
_CODE_SIGNS: Final = frozenset("?()[]")
_GAP_CHARS: Final = 64
_SYMBOLS_LIMIT: Final = 4
_GIVEN: Final = re.compile(r"[ \t]+(?:=[ \t]|\|[ \t]*[A-Z\"'])")
_TYPE: Final = re.compile(
    r"(?:[a-z_]{1,30}\.){0,4}_?(?:[A-Z]{1,5}[a-z]{1,20}){2,6}T?|Path|Any|Callable|Literal|Annotated|Union|Sequence"
    r"|(?:Option|Optional|Vec|Box|Arc|Rc|Promise|Array|Set|List|Result)<[\w<>, ]{1,60}>"
    r"|Mapping|Dict|List|Tuple|Type|Final|ClassVar|Self|Buffer|Bytes|Text|Date|Long|Byte"
)
_DEMANDED: Final = re.compile(r"\[?[A-Z][A-Za-z]{1,30}!?\]?!\):?|[A-Za-z]{1,20}\):")
# Of code: what they are given is a variable.
_OBJECTS: Final = ("self.", "this.", "cls.")
_POINTERS: Final = frozenset("&*[?")
_POINTER: Final = re.compile(r"^[&*?]*(?:mut |const )?\[?")
_COMPONENT: Final = re.compile(r"[a-z][a-z\-]{1,24}\([\w.@,:<>\-+/]{0,80}\)?:?\Z")
_FIELD: Final = re.compile(r"[a-z_]{1,20}=")
_SYMBOL: Final = re.compile(r"[A-Z]{2,6}(?:[0-9](?:\.[0-9])?|-[0-9]{1,4})?")
_PRICE: Final = re.compile(r"[0-9]{0,5}(?:\.[0-9]{1,12})?")
_LINE_END: Final = re.compile(r"[ \t]*(?:\r?\n|\Z)")
MAPPED: Final = re.compile(
    r"[+\-]?[ \t]*(?:- )?[\w.\-]{1,40}:(?: [^ \n]{1,80})?[ \t]*\n"
)
_QUOTES: Final = ("'", '"')
_PASSWORDS: Final = ("pass", "pwd", "pw", "kennwort", "mot de passe")
_MISTAKES: Final = ("un", "in", "err", "bad", "miss", "expect", "illegal")
_NEXT_WORD: Final = re.compile(r" [a-z]{2,16}\b")
_LOGIN_CHARS: Final = 120
_LOGIN: Final = re.compile(
    r"\b(?:user|user ?name|userid|login|account|e-?mail|benutzer(?:name)?|utilisateur"
    r"|usuario|utente|gebruiker)[*_\"'`]{0,2}[:=][*_]{0,2}[ ]?[\"'`]?"
    r"(?!string|str\b|text|the\b|your\b|a\b|an\b|required|optional|none|null|undefined)"
    r"[\w.@+\-\\]{2,64}[\"'`]?[ ]?(?:[,;/|]|\r?\n|and|und|et|y|e|en)[ ]{0,8}"
    r"[*_\"'`]{0,2}\Z"
)
_DECLARED_CHARS: Final = 16
_DECLARES: Final = re.compile(r"\b(?:let|var|const|val|my)[ ]$")
_SUM: Final = re.compile(
    r" [+%] [\w\"'(]| (?:or|and|if|\|\||&&|\?\?) (?:\w{1,40}[.(\[]|[\"']|None\b|null\b)"
)
_TAKEN: Final = re.compile(
    r"[ \t]{0,64}(?:(?:let|const|var|val) ?[(\[]?)?(?:\w{1,40}, ?){1,8}"
)
_NEXT_ITEM: Final = re.compile(r"\s{0,16}[,})\]]")
_MEMBER_NAME: Final = re.compile(r"[A-Z][A-Za-z]{1,30}\.[A-Z][A-Za-z_]{1,30}")
_DOES: Final = re.compile(
    r"\b(?:not|n['\u2019]t|to|must|will|should|did|does|may|can|could|tests?|checks?|all"
    r"|that|which|they|we|you|it) $"
)
_PASSWORDS_LAST: Final = ("password", "passwd", "pwd", "passphrase", "passcode", "pass")
_PHRASE_WORDS: Final = 6
_CHOSEN: Final = re.compile(
    r"[^\W\d_A-Z][\w\-]{1,31}(?: [^\W\d_][\w\-]{0,31}| [0-9]{1,6}){1,5}"
)
_ENTRY_LINE: Final = re.compile(r"[+\-]?[ \t]*(?:- )?[\w.\-]{1,40}: \S[^\n]*(?:\n|\Z)")
# What a sentence about a password is made of.
_SAYING: Final = BENIGN_WORDS - {"correct", "strong", "weak", "wrong"} | frozenset(
    "a an the this that it its is are was were be been must should can cannot may will"
    " has have had do does did not no only just also same as like for from to of in on"
    " at by with without via per if when where while until since before after than or"
    " but so your my our their his her you we they i use uses used using ask asks need"
    " needs needed see set sets get gets read reads kept stored sent typed given chosen"
    " required optional new old default first last least most min max minimum maximum"
    " characters chars digits letters words length long short lower upper case file"
    " manager vault login account user admin field value text link page mail".split()
)
_SECTION_CHARS: Final = 600
_SECTION: Final = re.compile(r"\[[\w .:/\-\"]{1,64}\][ \t]*\r?\n")
_DOTTED: Final = re.compile(r"[A-Za-z_]{1,40}(?:[?!]?\.[A-Za-z_]{1,40}){1,8};?")

_REFERENCE: Final = re.compile(
    r"!(?:(?:Ref|GetAtt|ImportValue)[ ][\w.:\-]{1,80}"
    r"|(?:secret|env_var|env|ENV|include|file)[ ][A-Za-z_/.]{1,80}"
    # A path, and perhaps a key in it: `!vault-ref prod/app#secret_key`.
    r"|(?![\w\-./:]*enc)[\w\-./:]{0,40}(?:ref|secret|vault|env|param|ssm|lookup|include"
    r"|file|import|kms|store|sops|kv)[\w\-./:]{0,20}[ ]"
    r"[\"']?/?[A-Za-z_\-]{1,30}[0-9]{0,2}"
    r"(?:[/#:.][A-Za-z_\-]{1,30}[0-9]{0,2}){1,8}[\"']?)[ \t]*(?:#[^\n]*)?(?:\r?\n|$)"
)
# What a selector of CSS looks for: `#token:focus`.
_PSEUDO: Final = re.compile(
    r":?(?:active|after|any-link|autofill|before|checked|default|disabled|empty|enabled"
    r"|first(?:-child|-letter|-line|-of-type)?|focus(?:-visible|-within)?|fullscreen"
    r"|has|hover|in-range|indeterminate|invalid|is|lang|last-child|last-of-type|link"
    r"|marker|not|nth-[a-z\-]{5,16}|only-child|only-of-type|optional|out-of-range|part"
    r"|placeholder(?:-shown)?|read-only|read-write|required|root|selection|slotted"
    r"|target|user-invalid|user-valid|valid|visited|where|-(?:webkit|moz|ms)-[a-z\-]{3,40})"
    r"(?![\w\-=/])"
)
_SELECTS: Final = re.compile(r"[\w\-.:#()\[\]=\"'*>+~ ,\n]{0,200}\{")
# What a text is put together of: `{len(password)}`, `{token[:4]}`, `{:?}`.
_SIGNATURE: Final = re.compile(
    r"(?:forall [a-z .]{1,40}|[A-Z(\[][\w.'()\[\] ,]{0,120}(?:->|=>))"
    r"|[A-Z][\w.]{1,40}(?: [a-z]\b){1,3}[ \t]*(?:\r?\n|\Z)"
)
_EXPRESSION: Final = re.compile(
    r"[#$]?\{(?:[A-Za-z_][\w.]{0,64}(?:\((?:[\w.,=* \-]|\[[\w:\-]{0,12}\]){0,60}\)"
    r"|\[[\w:\-]{0,20}\]|\.\w{1,40}){0,4}(?:![rsa])?(?::[<>^,.][\w.,%<>^]{0,8})?"
    r"|[\"'][*.\u2022x#][\"'] ?\* ?[\w.()]{1,40}|[0-9]?(?::[#?\w.<>^]{0,6})?)\}"
)


def is_other(place: Place, value: str, end: int) -> bool:
    """Tell a name that is given a value itself, and the next part of a path."""
    # `E/Auth: WRONG_PASSWORD: try again`.
    is_label = value.endswith(":") and place.text.startswith(" ", end)
    value = value.rstrip(":")
    if not value.replace(".", "_").isidentifier():
        return False
    # `Task :auth:compileKotlin`.
    is_path = place.before == ":" and place.value_at == place.name_end + 1
    is_path = is_path and is_name_like(value)
    return is_path or is_label or _GIVEN.match(place.text, end) is not None


def is_counted(text: str, name: str, start: int) -> bool:
    """Tell a count or plain words after `cookies` and `tokens`."""
    if squeeze(name) not in ("cookies", "tokens"):
        return False
    line = LINE_REST.match(text, start)
    return line is not None and is_benign_text(name, line[0][:200])


def is_word(place: Place, value: str, end: int) -> bool:
    """
    Tell a variable, a lookup or a word of prose from a secret.

    Only for short values: a long one must be hidden, and so passed over, or
    many names in one long word would cost the square of its length.
    """
    name, text = place.name, place.text
    is_short = len(value) < _SYMBOLS_LIMIT and not name.lower().startswith(
        ("cvv", "cvc")
    )
    if is_short and (squeeze(value) == "" or value.lstrip("-").isdigit()):
        return True
    # Of code, as no value of JSON has no quotes: `"token": TokenType.IDENT`.
    is_code = bool(place.close) and _is_variable(text, value, end)
    if is_code or LOOKUP.match(value) or is_own_name(name, value):
        return True
    if place.separator == ":":
        return _is_said(place, value, end)
    if place.separator in ("==", "===") and not place.close:
        # What code compares with: `token === t ? a : b`, `if token == stored:`.
        is_name = is_name_like(value.removesuffix(":"))
        return is_name or not _CODE_SIGNS.isdisjoint(value)
    # Code that hands on a variable: `settings.API_KEY`, `token == expected_token`.
    is_handed = is_member(value) or _is_declared(place, value)
    if is_handed or _is_computed(place, value, end):
        return True
    is_code = text[end - len(value) - 1] == " " or "_" in value
    # In code, words are not joined by a dash; below `[section]` stands no code.
    is_code = is_code and not (name.isupper() or "-" in value)
    is_code = is_code and not _is_setting(place, end)
    is_variable = is_name_like(value.lstrip("_")) and is_sensitive(value)
    is_variable = is_variable or (name.startswith(_OBJECTS) and value.isidentifier())
    return is_code and is_variable


def _is_variable(text: str, value: str, end: int) -> bool:
    """Tell what code puts under a name in quotes: `{"X-Api-Key": api_key}`."""
    if _MEMBER_NAME.fullmatch(value) is not None:
        return True
    is_name = value.isidentifier() and not any(map(str.isdigit, value))
    return is_name and _NEXT_ITEM.match(text, end) is not None


def _is_computed(place: Place, value: str, end: int) -> bool:
    """Tell what code works out, or takes apart: `user, password = value`."""
    if value.isdigit():
        # `GPG_ERR_NO_AUTH = 1523,`, `SQL_COPT_SS_ACCESS_TOKEN = 1256`
        is_enum = place.name.isupper() and (
            place.text.startswith(",", end) or not place.name.endswith(("WORD", "PIN"))
        )
        return is_enum and place.text[end - len(value) - 1] == " "
    if not value.replace(".", "_").isidentifier():
        return False
    low = place.name.lower()
    is_piece = low.startswith("token.") or (
        low.startswith("token") and _MEMBER_NAME.fullmatch(value) is not None
    )
    # `token = token.next`
    is_piece = is_piece or value.lower().startswith(f"{low}.")
    is_sum = _SUM.match(place.text, end) is not None
    line_at = place.text.rfind("\n", max(0, place.start - _SECTION_CHARS), place.start)
    is_taken = not any(map(str.isdigit, value))
    is_taken = is_taken and bool(_TAKEN.fullmatch(place.text, line_at + 1, place.start))
    return is_piece or is_sum or is_taken


def is_member(value: str) -> bool:
    """Tell what is read from an object: `settings.API_KEY`."""
    last = value.rpartition(".")[2].rstrip(";")
    is_named = is_sensitive(last) or last in QUERY_NAMES
    return is_named and _DOTTED.fullmatch(value) is not None


def _is_declared(place: Place, value: str) -> bool:
    """Tell what a variable is given: `let password = field.text`."""
    head = place.low[max(0, place.start - _DECLARED_CHARS) : place.start]
    is_given = _DECLARES.search(head) is not None
    return is_given and _DOTTED.fullmatch(value.rstrip(",")) is not None


def _is_setting(place: Place, end: int) -> bool:
    """Tell a line below `[section]`, where values have no quotes, from code."""
    text, start = place.text, place.start
    if text[start - 1 : start] not in ("", "\n") or text[end : end + 1].strip():
        return False
    at = text.rfind("\n[", max(0, start - _SECTION_CHARS), start) + 1
    return _SECTION.match(text, at, start) is not None


def _is_said(place: Place, value: str, end: int) -> bool:
    """Tell a word of a sentence after a colon from a secret."""
    name, text = place.name, place.text
    if _is_typed(name, value):
        return True
    is_header = place.begins_line and squeeze(name) in HEADER_NAMES
    if is_header or is_login(place) or _is_entry(place, value, end):
        return False
    if name.lower().endswith(("token", "auth", "bearer")):
        return (
            PROSE_WORD.fullmatch(value) is not None
            or _PRICE.fullmatch(value) is not None
        )
    # What is done with a resource: `random_password.db: Creation complete`.
    is_done = "." in name and value.istitle()
    is_done = is_done and _NEXT_WORD.match(text, end) is not None
    # Several of them are said to be something: `api_keys: beta`.
    is_several = name[-1:] == "s" and value.islower()
    if is_done or (is_several and PROSE_WORD.fullmatch(value)):
        return True
    line = LINE_REST.match(text, end - len(value), end + _GAP_CHARS)
    is_verb = name.lower() == "pass" and not place.begins_line
    is_verb = is_verb and (value.isalpha() or _is_done(place))
    if name == "PASS" or is_verb or (line is not None and is_prose(line[0])):
        return True
    following = text[end : end + 40].split(None, 1)
    is_word = value.isalpha() and not place.begins_line and text[end : end + 1] == " "
    return is_word and bool(following) and following[0].strip(".,;:!?)").isalpha()


def _is_done(place: Place) -> bool:
    """Tell what tests do, `they did not pass: T-112`, from a password."""
    head = place.low[max(0, place.start - _DECLARED_CHARS) : place.start]
    return _DOES.search(head) is not None


def _is_typed(name: str, value: str) -> bool:
    """Tell a type, money that is traded, and a field of a log."""
    low = name.lower()
    return (
        _TYPE.fullmatch(value) is not None
        or _DEMANDED.fullmatch(value) is not None
        # `Token: USDC`
        or (low == "token" and _SYMBOL.fullmatch(value) is not None)
        # The part of a program that has written the line.
        or (low == "auth" and _FIELD.match(value) is not None)
        or (low.startswith("auth") and _COMPONENT.match(value) is not None)
        or (value[:1] in _POINTERS and is_said_of(_POINTER.sub("", value).rstrip("]")))
    )


def is_login(place: Place) -> bool:
    """Tell the second part of a login: `user: ana, password: …`."""
    if not place.name.lower().startswith(_PASSWORDS):
        return False
    floor = max(0, place.start - _LOGIN_CHARS)
    return _LOGIN.search(place.low, floor, place.start) is not None


def _is_entry(place: Place, value: str, end: int) -> bool:
    """Tell one word in a line below another entry, `  token: …`, from a sentence."""
    text, name = place.text, place.name
    is_header = name.isupper() or name[:2] in ("X-", "x-")
    if place.before in _QUOTES and is_header and "-" in name:
        # `"PRIVATE-TOKEN: …"`, a header in quotes.
        return text.startswith(place.before, end)
    if not place.begins_line or _LINE_END.match(text, end) is None:
        return False
    # A word with a capital is a type.
    if value[:1].isupper() or name.lower().startswith(_MISTAKES) or name[-1:] in "sS":
        return False
    line_at = text.rfind("\n", 0, place.start) + 1
    before_at = text.rfind("\n", 0, max(0, line_at - 1)) + 1
    is_mapped = line_at > 0 and MAPPED.match(text, before_at, line_at) is not None
    return is_mapped and (place.start > line_at or name.isupper())


def is_phrase(place: Place, line: str) -> bool:
    """Tell words somebody has chosen, as one entry among others, from a sentence."""
    is_setting = place.separator in (":", "=")
    name = in_english(place.name) or place.name
    if not is_setting or not name.lower().rstrip().endswith(_PASSWORDS_LAST):
        return False
    words = line.split(" ")
    if not 1 < len(words) <= _PHRASE_WORDS or _CHOSEN.fullmatch(line) is None:
        return False
    if any(word.lower() in _SAYING or is_sensitive(word) for word in words):
        return False
    return place.separator == "=" or is_among(place)


def is_among(place: Place) -> bool:
    """Tell whether a line stands below or above another entry of a mapping."""
    text = place.text
    floor = max(0, place.start - _SECTION_CHARS)
    line_at = text.rfind("\n", floor, place.start) + 1
    before_at = text.rfind("\n", floor, max(0, line_at - 1)) + 1
    after_at = text.find("\n", place.value_at, place.value_at + _SECTION_CHARS) + 1
    is_after = line_at > 0 and MAPPED.match(text, before_at, line_at) is not None
    is_before = after_at > 0 and _ENTRY_LINE.match(text, after_at) is not None
    return place.begins_line and (is_after or is_before)


def is_token(name: str) -> bool:
    """Tell `token`, which is also a word of a language; not the plural."""
    return name.lower().endswith("token") or name.lower().startswith("token.")


def is_reference(place: Place) -> bool:
    """Tell where a secret is kept, behind a tag of YAML: ``!secret db/password``."""
    return _REFERENCE.match(place.text, place.value_at) is not None


def is_expression(text: str, position: int) -> bool:
    """Tell what a text is put together of: ``{len(password)}``."""
    return _EXPRESSION.match(text, position) is not None


def is_signature(place: Place) -> bool:
    """Tell what type a function has, in Haskell: ``token :: Parser a -> Parser a``."""
    if place.separator != "::":
        return False
    return _SIGNATURE.match(place.text, place.value_at) is not None


def is_selector(place: Place) -> bool:
    """Tell the part of a page that CSS looks for: ``.password:hover``."""
    if place.separator not in (":", "::") or place.text[place.value_at - 1] != ":":
        return False
    pseudo = _PSEUDO.match(place.text, place.value_at)
    if pseudo is None:
        return False
    is_named = place.before in ("#", ".", "]") or "." in place.name
    return is_named or _SELECTS.match(place.text, pseudo.end()) is not None
