"""
Tell what a thing is called, what is said of it and what is done with it.

Names of actions and pages, labels, modes, references and keys of the keyboard stand
under the names of secrets, too, and are none.
"""

import re
from typing import Final

from .names import (
    DEEDS,
    is_about,
    is_owner,
    is_sensitive,
    last_word,
    squeeze,
    words_of,
)

__all__ = (
    "SCHEMES",
    "is_action",
    "is_auth_mode",
    "is_called",
    "is_constant_for",
    "is_empty_cookie",
    "is_flag_or_command",
    "is_label_of",
    "is_prose",
    "is_prose_word",
    "is_substitution",
)

SCHEMES: Final = ("bearer", "basic", "token", "apikey", "digest")
_SAID_CHARS: Final = 160
# What is kept elsewhere or is no text at all: a program, `/usr/bin/passwd`; keys that
# are pressed, `ctrl+c`; a property of CSS, `--brand-500`; an attribute of a resource.
_NO_TEXT: Final = re.compile(
    r"/(?:usr/|opt/|snap/)?(?:local/)?s?bin/[\w.\-/]{1,80}"
    r"|(?:(?:ctrl|control|alt|shift|cmd|command|meta|super|hyper|option|opt|win|mod|fn"
    r"|leader|cmdorctrl|commandorcontrol)[+\-]){1,4}(?:[^\s\w]|\w|f[0-9]{1,2}|enter|tab"
    r"|space|escape|esc|delete|del|backspace|up|down|left|right|home|end|insert|plus)"
    r"|<(?:[cmasd]-){1,3}\w{1,8}>|<leader>\w{1,4}|f(?:[1-9]|1[0-9])"
    r"|[0-9.]{1,6}(?:px|r?em|vh|vw|pt|deg|fr)"
    r"|--[a-z]{2,16}(?:-[a-z]{1,16}){0,4}(?:-[0-9]{1,4})?"
    r"|(?-i:[a-z]{2,24}_[a-z_]{1,40}|data|local|each|module|var)(?:\[[^\[\]\s]{1,40}\])?"
    r"(?-i:\.[a-z_]{1,40}[0-9]{0,2}(?:\[[^\[\]\s]{1,40}\])?){2,6}",
    re.IGNORECASE,
)
# What a lexer has found: `RBRACE`, `IDENT`.
_PIECE_KIND: Final = re.compile(
    r"(?:[LR]_?|LEFT_?|RIGHT_?|OPEN_?|CLOSE_?)(?:PAREN|BRACE|BRACKET|CURLY|SQUARE|ANGLE)"
    r"(?:S|THESIS)?|EO[FLSI]|NEW_?LINE|(?:IN|DE)DENT|IDENT(?:IFIER)?|NUM(?:BER)?"
    r"|STR(?:ING)?(?:_?LITERAL)?|KEYWORD|OP(?:ERATOR)?|PUNCT(?:UATION|UATOR)?|COMMENT"
    r"|WHITE_?SPACE|SEMI_?(?:COLON)?|D?COLON|COMMA|D?DOT|PLUS|MINUS|STAR|D?SLASH|ASSIGN"
    r"|[FT]?ARROW|EQ(?:UALS?)?|NEQ|[LG]TE?|AND|OR|NOT|BANG|PIPE|AMP|PERCENT|CARET|LITERAL"
    r"|INT(?:EGER)?|FLOAT|NAME|SYMBOL|ELLIPSIS|BACK_?TICK|QUOTE|AT|HASH|TILDE|UNKNOWN"
    r"|ILLEGAL|INVALID|ERROR|IF|ELSE|WHILE|FOR|RETURN|LET|FN|FUNC(?:TION)?|CLASS"
)
_COUNT_OF: Final = re.compile(r"[a-z_]{1,20}=[0-9]{1,7}")
# How two sides make sure who they are: `clientAuth: require`.
_MODES: Final = frozenset(
    "want need needed require required requires optional request requested mandatory"
    " verify verified verify_if_given require_and_verify requireandverify"
    " requireandverifyclientcert requireanyclientcert verifyclientcertifgiven"
    " requestclientcert noclientcert no_client_cert peer trust ident md5 plain login"
    " cram-md5 ntlm kerberos gssapi ldap saml oidc sso iam jwt mtls tls cert"
    " certificate"
    " password publickey hostbased anonymous guest local internal external pam radius"
    " spnego negotiate digest oauth oauth2 xoauth2 session cookie header query auto any"
    " passwordless webauthn passkey magic-link token apikey api_key api-key key"
    " service_account serviceaccount workload-identity managed-identity".split()
)
# A cookie that is taken back: `sid=; Path=/`.
_EMPTY: Final = re.compile(
    r"[\w.\-%]{1,64}=(?:\"\"|''|deleted|removed|expired|null)?"
    r"(?:; ?(?:expires=[\w, :+\-]{0,40}"
    r"|(?:max-age|path|domain|samesite|priority|version)=[\w./\-*]{0,64}|secure|httponly|partitioned)){0,10};?",
    re.IGNORECASE,
)
# What an action, an event, a label or a setting is called, in parts.
_PARTED: Final = re.compile(
    r"@{0,2}/?[A-Za-z]{1,24}(?:[\-_][A-Za-z]{1,24}){0,3}"
    r"(?:[./:][A-Za-z]{1,24}(?:[\-_][A-Za-z]{1,24}){0,3}){1,5}"
)
_DESIGN: Final = re.compile(
    r"(?:colou?r|spacing|space|radius|font|shadow|size|border|elevation|motion|z|text"
    r"|breakpoint|bg|surface|opacity|duration)(?:[.\-][a-z0-9]{1,12}){1,4}"
)
_WORD_CHARS: Final = 16
_LAST_PART: Final = re.compile(r"[A-Za-z\-_]+\Z")
_SUBSTITUTION: Final = re.compile(
    r"(?:[$]\(|`|<\()[ _]{0,2}(?!echo|printf)(?:<|[a-z./])",
    re.IGNORECASE,
)
_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{32,128}")
_PROSE_WORD: Final = re.compile(
    r"[*(\"'`]*[^\W\d_]+(?:['\u2019\-/][^\W\d_]+)*[,.;:!?)*\"'`_]*|[0-9]{1,3}[,.]?"
    r"|\(?(?:e\.g|i\.e)\.,?|[a-z]{2,12}[0-9][a-z]{2,12}\.?"
)
# A date, a time, a number with its unit, a term such as MD5.
_PROSE_NUMBER: Final = re.compile(
    r"[*(\"'`]*(?:[A-Z]-[A-Z]|[0-9]{1,4}(?:[.,:/\-][0-9]{1,4}){0,2}(?:-?[a-z]{1,8})?"
    r"|[A-Z]{2,6}-?[0-9]{1,4}|[a-z]{1,20}(?:_[a-z]{1,20}){1,4}(?:\(\))?)[,.;:!?)*\"'`_]*"
)


# A constant for what a form, a store or a message calls it: `PREF_PASSWORD`.
_HELD_UNDER: Final = re.compile(
    r"(?:PREF|EXTRA|KEY|ARG|FIELD|SET|GET|CLAIM|PARAM|PROP|ACTION|EVENT|ATTR|COLUMN|COL"
    r"|INPUT|FORM|LABEL|TAG|MSG|REQUEST|ROUTE|BUNDLE|INTENT|CACHE|JSON|HEADER|QUERY)S?_"
)
# Whether there is one: `has_secret`, `uses_password`.
_ASKS: Final = re.compile(r"(?:has|is|uses|needs|requires|supports|can)(?=_|[A-Z])")
_FLAGS: Final = frozenset("t f y n 0 1 x -".split())
_BY_ITSELF: Final = frozenset("auto automatic manual".split())
_TYPED_LAST: Final = frozenset("password passwd passphrase pass pwd passcode".split())
_COMMANDS: Final = frozenset("command cmd eval".split())
# Commands that fetch a secret from where it is kept.
_FETCHES: Final = re.compile(
    r"(?:(?:go)?pass (?:show )?|op (?:read|item get) |gpg2? |security find-|cat "
    r"|vault (?:kv get|read) |gcloud auth print-|secret-tool lookup |bw get "
    r"|lpass show |kubectl get |aws (?:secretsmanager|ssm|ecr) get-"
    r"|az account get-access-token)"
    r"[\w@:/.\-=~ ]{1,160}"
)


def is_constant_for(name: str) -> bool:
    """Tell a constant for what a secret is called elsewhere: ``PREF_PASSWORD``."""
    return _HELD_UNDER.match(name) is not None


def is_flag_or_command(name: str, value: str) -> bool:
    """Tell whether there is a secret, how it is made or fetched, from the secret."""
    low, last = value.lower(), last_word(name)
    if _ASKS.match(name) is not None and low in _FLAGS:
        return True
    is_mode = "token" in squeeze(name) or last not in _TYPED_LAST
    if low in _BY_ITSELF and is_mode:
        return True
    return last in _COMMANDS and _FETCHES.fullmatch(value) is not None


def is_prose(line: str) -> bool:
    """Tell a sentence about a secret: two plain words or more, no other sign."""
    words = line.split(None, 8)[:8]
    others = [word for word in words if _PROSE_WORD.fullmatch(word) is None]
    if others and (len(words) < 3 or len(others) * 2 > len(words)):
        return False
    return len(words) >= 2 and all(map(_PROSE_NUMBER.fullmatch, others))


def is_prose_word(word: str) -> bool:
    """Tell a plain word of a sentence, with the marks around it."""
    return _PROSE_WORD.fullmatch(word) is not None


def is_auth_mode(value: str) -> bool:
    """Tell how two sides make sure who they are, ``require``, from a secret."""
    return value.lower() in _MODES


def is_empty_cookie(value: str) -> bool:
    """Tell a cookie that is taken back: ``sid=; Path=/``."""
    return _EMPTY.fullmatch(value) is not None


def is_called(name: str, value: str) -> bool:
    """Tell what something is called, and what is no text, from a secret."""
    if len(value) > _SAID_CHARS:
        return False
    if _NO_TEXT.fullmatch(value) is not None:
        return True
    squeezed = squeeze(name)
    if "token" in squeezed and (
        _PIECE_KIND.fullmatch(value) is not None
        or (squeezed == "tokens" and _COUNT_OF.fullmatch(value) is not None)
    ):
        return True
    if name.startswith(("checksum/", "hash/", "sha256/")):
        return _HEX_DIGEST.fullmatch(value) is not None
    is_design = squeezed.endswith("token") and _DESIGN.fullmatch(value) is not None
    return is_design or _is_parted(name, value)


def is_action(value: str) -> bool:
    """Tell what is done with a secret, in parts: ``auth:save-token``."""
    last = _LAST_PART.search(value)
    if last is None or _PARTED.fullmatch(value) is None:
        return False
    return len(words_of(last[0])) > 1 and is_sensitive(last[0])


def is_substitution(text: str, position: int) -> bool:
    """Tell what a shell runs, ``$(cat file)``, from what it prints by itself."""
    return _SUBSTITUTION.match(text, position) is not None


def _is_parted(name: str, value: str) -> bool:
    """Tell the name of an action, a label or a page, ``auth/setToken``."""
    if _PARTED.fullmatch(value) is None:
        return False
    last = _LAST_PART.search(value)
    own, parts = words_of(name.rpartition(".")[2]), words_of(last[0] if last else "")
    if own == parts and len(own) > 1:
        # `SET_TOKEN: 'auth/setToken'`
        return True
    # `password: 'form.password.label'`, `'/account/password'`
    is_deep = value.count(".") > 1 and (own == parts or is_about(value))
    return (is_deep or value[:1] == "/") and any(map(is_sensitive, words_of(value)))


def is_label_of(name: str, value: str) -> bool:
    """Tell what a page says, ``"auth.otp.sent": "Un code a été envoyé"``."""
    if not value[:1].isupper():
        return False
    own = words_of(name)
    if words_of(value)[: len(own)] == own:
        scheme, _, rest = value.partition(" ")
        is_scheme = scheme.lower() in SCHEMES and not rest.startswith("auth")
        return bool(rest) and not is_scheme and is_prose(value)
    owner, sign, last = name.rpartition(".")
    if not sign:
        owner, sign, last = name.rpartition("_")
    if not owner or is_sensitive(last) or is_owner(last):
        return False
    is_deed = last.lower() in DEEDS
    if " " in value:
        return (is_deed or sign == ".") and is_prose(value)
    return is_deed and len(value) <= _WORD_CHARS and value.rstrip(".!?\u2026").isalpha()
