"""
Find what looks like a secret near a sensitive name, whatever stands between them.

The other searches know how a value follows its name. This one knows only that a
name is near, so it asks more of the value: letters and digits mixed as in no word,
name, path, number or address. A verb, a colon or an arrow before it says more.
"""

import re
from collections.abc import Iterator
from heapq import merge
from typing import Final

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import BENIGN_WORDS, PLACEHOLDER, is_said_of
from chaukas.sdk.capture.redaction.languages import in_english
from chaukas.sdk.capture.redaction.names import is_sensitive, last_word, squeeze

from .named_values import SOURCES, STEM_FORMS, name_start
from .records import VALUE_KEYS

__all__ = ("looks_secret", "near_spans")

_STEP_KNOWN: Final = 1
_STEP_NEW: Final = 3
_STEP_NEAR: Final = 10
_STEP_WORD: Final = 1
_REACH_CHARS: Final = 60
_VALUE_CHARS: Final = 512
_LEAST_CHARS: Final = 6
_LONG_CHARS: Final = 16
_POSTAL_CHARS: Final = 6
_NEXT_LINE_WORDS: Final = 4
_STEMS: Final = tuple((needle, re.compile(form)) for needle, form in STEM_FORMS)
_ASCII_STEMS: Final = tuple(stem for stem in _STEMS if stem[0].isascii())
_TAIL: Final = re.compile(r"[a-z0-9_\-.]{0,40}")
_WORD: Final = re.compile(
    r"[^\s\"'`<>()\[\]{},;|\\\u201c\u201d\u2018\u2019\u00ab\u00bb\u300c\u300d"
    r"\u3001\u3002\uff0c]+"
)
_OTHER: Final = re.compile(r"[A-Za-z_][\w.\-]*(?:=|:(?!/))(?=[^=:])")
# What a fingerprint begins with: `SHA256:pW3v…`.
_DIGESTS: Final = ("sha1:", "sha256:", "sha384:", "sha512:", "md5:")
_SIGNS: Final = re.compile(
    r"[=:>\-*~#\u2192\u2013\u2014\u306f\u662f\u4e3a\u70ba\ub294\uc740/.]+"
)
_MARKUP: Final = re.compile(
    r"(?:<[^<>]{0,80}>|[\s\"'`:>?!)\]*{(\[])*\r?\n[\s\"'`>$*<\-]*"
)
# `password of the database: x1…`, `senha do banco: x1…`, at the end of a line.
_LABELLED: Final = re.compile(
    r" (?:of|for|to|on|at|der|des|f\u00fcr|zum|zur|von|vom|do|da|de|del|dos|para"
    r"|pour|du|di|per|till|voor|van|\u043e\u0442|\u0434\u043b\u044f|\u043a|do|dla)"
    r"(?: (?:the|our|your|den|das|die|dem|la|el|le|les|il|o|a))?"
    r"(?: [^\W\d_]{2,20}){1,2}"
    r"[ ]?[:=\uff1a][ \t]{1,4}[\"'`*]{0,2}"
    r"((?=[^\s\"'`]{0,32}[0-9])(?=[^\s\"'`]{0,32}[^\W\d_])"
    r"[^\s\"'`/\\,;(<{\[][^\s\"'`\\,;()<>]{5,64}?)"
    r"[\"'`*]{0,2}[.!]?[ \t]*(?:\r?\n|\Z)",
    re.IGNORECASE,
)
_CALLED: Final = re.compile(r"(?:[ \t]{2,40})?\(")
_LITERAL: Final = re.compile(r"[\"'`]")
_GIVEN: Final = re.compile(r"[ \t]+[:+]?=[ \t]")
_NAME: Final = re.compile(r"(?!\w*ed$)[a-z_@][\w.\-]+")
# After these and a colon stands something else.
_LABELS: Final = frozenset(
    "user username login account host email mail by id error status file see at line"
    " version code type name note reason message msg from path url scope sub iss aud"
    " role group team ip date time expires until since port ref via branch commit"
    " policy rule method algorithm format example hint state resu"
    "lt step version".split()
)
_SAYING: Final = frozenset(
    "=:>\u2192\u300c\u300e\u00ab\u2014\u306f\u662f\u4e3a\u70ba\ub294\uc740"
)
_DASHES: Final = ("-", "\u2013", "/")
_CLOSING: Final = " \t\r\n)]\"'"
_MARKS: Final = " \t\n\r\"'`([{"
_APART: Final = frozenset(",;|{}\n\"'=")
_ASSIGNS: Final = ("=", ":", "=>", ":=", "\u2014")
_IS: Final = frozenset(
    "is was be ist war lautet lautete est \u00e9tait es era estaba fue foi var by\u0142"
    " by\u0142o by\u0142a oli \u0431\u044b\u043b \u0431\u044b\u043b\u0430"
    " \u00e9 \u00e8 jest \u00e4r este adalah = ->"
    " \u03b5\u03af\u03bd\u03b1\u03b9".split()
)
# What announces a value, alone or one after the other.
_VERBS: Final = frozenset(
    "is was to as be = : -> => := are being set used now ist lautet est es \u00e9"
    " \u00e8 jetzt \u306f changed reset updated rotated value s currently should"
    " will has been new code your my the our my mi su sua tu votre ton ihr dein"
    " with \ub294 \uc740 \uc774 \uac00 \u304c \u4e3a \u662f \u70ba"
    " c\u1ee7a b\u1ea1n l\u00e0 twoje temporary ab heute sofort today starting"
    " desde hoy ahora agora partir maintenant adesso nu"
    " it its jest \u00e4r er je este adalah \u03b5\u03af\u03bd\u03b1\u03b9"
    " \u05d4\u05d9\u05d0 \u05d4\u05d5\u05d0 \u0647\u064a \u0647\u0648".split()
)
_KNOWN: Final = re.compile(
    r"[a-z][\w+.\-]*:/{1,2}\S*|[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+|[a-z]{2,16}@[a-z]{2,16}(?:-[a-z]{2,16}){0,3}-[0-9]{1,3}|@?[\w.\-/]+@[v^~]?[0-9]\S*"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:19|20)[0-9]{2}[\-/.][0-9]{2}\S*"
    r"|[+\-~^v$]?[0-9][0-9.,:/\-_%+x]*[a-z%$\u20ac]{0,5}|[~^v]?[0-9]+(?:\.[0-9]+)+\S*"
    r"|0x[0-9a-f]+|[0-9a-f]{6,12}|#[0-9a-f]{3,8}|[\w\-]*#[0-9]+|@\w+|(?:~|\.{0,2})/\S*"
    r"|[\w\-/.@~+:*]+\.[a-z]{2,5}[0-9]?(?:[:#?]\S*)?|[$%&]\w+%?|[a-z]{0,3}\$[0-9.,]+\w{0,3}"
    r"|(?:sha[0-9]{1,3}|md5|h1|base64|data|urn|arn|op|secrets?|blake\w+)[:\-/]\S*"
    # The number of a store in Vault.
    r"|(?:kv|pki|ssh|aws|gcp|azure|totp|transit|database|cubbyhole|identity|system|nomad"
    r"|consul|rabbitmq|kubernetes|ldap|generic|auth_[a-z]{2,16})_[0-9a-f]{8}"
    r"|[\w\-]+(?::[\w\-*/.]*){2,}|\S*::\S*|\S*[?&]\w+=\S*|www\.\S*|[\w.]+\*\*[\w.]+|[a-z0-9.\-]+:[0-9]+\S*",
    re.IGNORECASE | re.ASCII,
)
"""Addresses, dates, numbers, versions, files, packages, colours, variables."""
_TERMS: Final = re.compile(
    r"v[0-9]{1,2}(?:alpha|beta|rc|p)[0-9]{1,2}|argon2(?:id|[id])?|pbkdf2|[hrep]s(?:256|384|512)|fido2|http2|tls1|base(?:16|32|36|58|62|64)|utf(?:8|16|32)|log4j|oauth2?|x509|k8s|i18n|l10n|a11y|ed25519"
    r"|sha(?:1|256|384|512)|md[45]|ipv[46]|es20\d\d|neo4j|win32|pkcs[0-9]{1,2}"
    r"|(?:mp[34]|x86|h26[45]|web3|p12|s3|ec2|[23]fa|u2f|e2e|mb4|auth0|d3|b64|r2d2|c3po)(?![a-z])"
    r"|latin-?1|cp125[0-9]|iso-?8859-[0-9]{1,2}"
    r"|1password|b64(?:enc|dec|encode|decode)|(?:sha(?:1|256|512)|md5|adler32)sum",
    re.IGNORECASE,
)
"""Words of the field that have digits in them."""
_PARTS: Final = re.compile(r"[A-Za-z0-9\u00c0-\uffff]+")
_PLAIN: Final = re.compile(
    r"[^\W\d]*[0-9]*|[A-Z]+[0-9]+[a-z]{1,4}|[0-9]+[^\W\d]{0,5}|(?:[0-9]{1,4}[a-z]{1,3}){1,3}"
    r"|[A-Za-z]+[0-9]{1,3}[A-Z](?:[a-z]{2,}[A-Za-z]*|[A-Z]+)[0-9]{0,3}"
)
"""A word, a name, a number with its unit, a name with a version in it."""
_MIXED: Final = re.compile(r"[a-z]+[0-9]*[\-_.+=][A-Z][a-z]")
"""Words of which only the later ones have a capital, as `purple-Monkey-42`."""
_CHOSEN: Final = re.compile(
    r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=[^0-9]*[0-9])"
    r"[A-Za-z0-9]+(?:[\-+#][A-Za-z0-9]+)+[!?#*]?"
)
"""How people choose: `Purple-Monkey-88`, `Berg+See77`."""
_MIXED_PART: Final = re.compile(
    r"(?![vV]?[0-9]+(?:st|nd|rd|th|ms|min|bit|[a-z])?$|(?:[A-Z]|v)[0-9]+$)"
    r"(?:[A-Za-z]+[0-9]|[0-9]+[A-Za-z])[A-Za-z0-9]*"
)
_FIRST_IDEOGRAPH: Final = "\u2e80"
_SIGNED: Final = re.compile(
    r"[^\W\d_]{3,24}_?[0-9]{2,8}[!#$^*@~&?][^\W_]{0,12}[!#$^*@~&?]?"
    r"|[A-Z][^\W\d_]{2,24}[_#!@$][0-9]{2,8}[^\W\d_]{0,8}[!?]?"
)
# What people remember, as `seven-quiet-lanterns` or `Lan-Hua.818`: only of a password.
_REMEMBERED: Final = re.compile(
    r"[a-z]{4,12}(?:-[a-z]{4,12}){2,6}"
    r"|[A-Z][a-z]{1,16}(?:[\-+#._][A-Za-z]{1,16}){0,4}[\-+#._][0-9]{2,8}"
)
_TITLED: Final = re.compile(
    r"(?:[A-Z][A-Za-z]{0,16}-)+V?(?:[0-9]{1,3}|(?:19|20)[0-9]{2})[A-Z]?"
)
_CLASS: Final = re.compile(r"(?:[A-Za-z0-9_]-[A-Za-z0-9]|[_\-])+")
_VERSIONED: Final = re.compile(r"(?:[A-Z][a-z]+){2,}V?[0-9]{1,2}")
_HUMPS: Final = re.compile(r"[A-Z]+[a-z]*|[a-z]+")
_CODE: Final = re.compile(
    r"(?:[0-9]{3}[ \u00a0\-][0-9]{3}|[0-9]{4,8})(?![\w\-/]|[.:,][0-9])"
)
# On the back of a card: `CVV 417`.
_CARD_CODE: Final = re.compile(r"[0-9]{3,4}(?![\w\-/%]|[.:,][0-9]| ?%)")
_CARD_NAMES: Final = ("cvv", "cvc", "securitycode", "cardverif")
_LINE_REST: Final = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_RUNS: Final = re.compile(r"[0-9]+|[^0-9]+")
_SIGN_INSIDE: Final = re.compile(r"[A-Za-z0-9][!#$%^*@~&?]+[A-Za-z0-9]|[0-9][!$^~]$")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-]{20,}={0,2}")
_DIGEST: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
# Of a public key.
_KEY_ID: Final = re.compile(r"(?:0x)?[0-9A-F]{8}(?:[0-9A-F]{8}){0,4}!?")
_OF_DIGEST: Final = re.compile(
    r"sha-?[0-9]|md5|digest|checksum|hash|etag|commit|integrity|blob|trace|revision"
    r"|\bgit\b|fingerprint|base64,|\.(?:txt|enc|ya?ml|bin|md|lst|gz|zip|json|py)\b"
)


def looks_secret(
    word: str, *, is_announced: bool = False, is_said: bool = False
) -> bool:
    """
    Tell by its form whether a word may be a secret, if a sensitive name is near.

    Args:
        word: One word, without the signs around it.
        is_announced: Whether a verb, a colon or an arrow says that it is a value.
        is_said: Whether that is certain: the verb or the sign leads to it.

    """
    if is_said and (_is_chosen(word) or _is_signed(word)):
        return True
    if _TERMS.fullmatch(word) is not None or _is_plain(word):
        return False
    has_digit = any(map(str.isdigit, word))
    if has_digit and _SIGN_INSIDE.search(word) is not None:
        return True
    if any(map(_is_random, _PARTS.findall(_TERMS.sub("a", word)))):
        return True
    if _MIXED.match(word) is not None:
        return has_digit and (is_announced or len(word) >= 2 * _LEAST_CHARS)
    # `hunter2`: said to be the value, a word with a number suffices.
    is_name = _VERSIONED.fullmatch(word) is not None or word.isupper()
    return is_announced and has_digit and word.isalnum() and not is_name


def _is_chosen(word: str) -> bool:
    """Tell words, numbers and signs put together from a name and its version."""
    if len(word) < _LEAST_CHARS or len(word) > _VALUE_CHARS // 4:
        return False
    if _CLASS.fullmatch(word) is not None:
        return False
    word = _TERMS.sub("a", word)
    if _CHOSEN.fullmatch(word) is not None:
        is_long = len(word) > 2 * _LEAST_CHARS or "#" in word or "+" in word
        is_long = is_long and not word.startswith("X-")
        return is_long or _TITLED.fullmatch(word) is None
    parts = _PARTS.findall(word.replace("_", "-"))
    is_known = _KNOWN.fullmatch(word) is not None or word.isupper() or "/" in word
    return not is_known and any(map(_MIXED_PART.fullmatch, parts)) and len(parts) > 1


def _is_signed(word: str) -> bool:
    """Tell a word and a number held together by a sign: `Lake_2291`, `Quartz!8812`."""
    is_word = _SIGNED.fullmatch(word) is not None and len(word) <= _VALUE_CHARS // 4
    return is_word and not (word.isupper() or word > _FIRST_IDEOGRAPH)


def _is_secret(name: str, word: str, *, is_announced: bool, is_said: bool) -> bool:
    """Tell a secret by its form, or a password by what people choose."""
    return looks_secret(word, is_announced=is_announced, is_said=is_said) or (
        is_said and _is_remembered(name, word)
    )


def _is_remembered(name: str, word: str) -> bool:
    """Tell words and a number that people remember, if they are a password's."""
    if _REMEMBERED.fullmatch(word) is None or is_said_of(word):
        return False
    if PLACEHOLDER.fullmatch(word) is not None or is_sensitive(word):
        # What to write there, or where it is kept: `database-password-store`.
        return False
    return "pass" in (in_english(name) or name).lower()


def _is_plain(word: str) -> bool:
    """Tell quickly what is too short, a word, a path or of a known form."""
    if len(word) < _LEAST_CHARS or (len(word) < _LONG_CHARS and word.isalpha()):
        return True
    if ("/" in word or len(word) > _VALUE_CHARS // 2) and not _BASE64.fullmatch(word):
        return True
    return (
        not any(map(str.isalpha, word))
        or not word.isascii()
        or word.lower() in BENIGN_WORDS
        or any(form.fullmatch(word) for form in (_KNOWN, PLACEHOLDER))
        or is_said_of(word)
    )


def _is_random(part: str) -> bool:
    """Tell letters and digits that no name is made of."""
    if len(part) < _LEAST_CHARS:
        return False
    if part.isalpha():
        return len(part) >= _LONG_CHARS and len(_HUMPS.findall(part)) * 3 > len(part)
    if _PLAIN.fullmatch(part) is not None:
        return False
    if part.isupper():
        # The numbers of orders and parcels are written so.
        digits = sum(map(str.isdigit, part))
        return len(part) >= _LONG_CHARS and digits * 2 < len(part)
    # `log4j2`, `md5sum`: more must change in a short one.
    return len(part) >= 8 or len(_RUNS.findall(part)) >= 5


def near_spans(text: str, low: str, work: Work) -> Iterator[tuple[int, int]]:
    """
    Yield where words that look like secrets stand near a sensitive name.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.
        work: What is left to do, shared with other searches.

    """
    end = 0
    harmless: set[str] = set()
    stems = _ASCII_STEMS if low.isascii() else _STEMS
    for match in merge(
        *(form.finditer(low) for needle, form in stems if needle in low),
        key=re.Match.start,
    ):
        work.left -= _STEP_KNOWN
        if work.left < 0:
            yield match.start(), len(text)
            return
        if match.start() < end:
            continue
        tail = _TAIL.match(low, match.end())
        end = match.end() if tail is None else tail.end()
        start = name_start(low, match.start())
        name = text[start:end].rstrip("-_.")
        end = start + len(name)
        if name in harmless:
            continue
        work.left -= _STEP_NEW
        if not _is_name(low, start, name):
            harmless.add(name)
            continue
        work.left -= _STEP_NEAR
        labelled = _LABELLED.match(text, end)
        if labelled is not None and _KNOWN.fullmatch(labelled[1]) is None:
            yield labelled.span(1)
        if not _is_call(low, name, end):
            yield from _values_near(text, low, name, end, work)


def _is_name(low: str, start: int, name: str) -> bool:
    """Tell the name of one secret from many, from a file and from a part of a path."""
    if low.startswith("::", start + len(name)):
        return False
    if low.startswith("/", start + len(name)) and "." in name:
        # A host, and what stands in its path.
        return False
    if start and low[start - 1] == ":" and "arn:" in low[max(0, start - 80) : start]:
        return False
    if name.lower().endswith(
        ("tokens", "words", "secrets", "cookies", "keys", *SOURCES)
    ):
        return False
    # What a command prints of a file stands below its path.
    is_path = start and low[start - 1] in "/@#" and low[start - 2 : start] != "//"
    is_path = is_path and not low.startswith("\n", start + len(name))
    return not is_path and is_sensitive(name)


def _is_call(low: str, name: str, end: int) -> bool:
    """Tell a call without a literal, `PK11_InitToken(PK11SlotInfo *slot)`."""
    is_word = name.islower() and name.isalpha()
    is_call = not is_word and _CALLED.match(low, end) is not None
    return is_call and _LITERAL.search(low, end, end + _REACH_CHARS) is None


def _values_near(
    text: str, low: str, name: str, end: int, work: Work
) -> Iterator[tuple[int, int]]:
    """Yield the words after a name that look like its value."""
    position, stop = end, min(end + _REACH_CHARS, _line_end(text, end))
    is_announced = is_named = is_foreign = is_said = False
    is_led = was_led = True
    for match in _WORD.finditer(text, end, end + _REACH_CHARS + _VALUE_CHARS):
        start, word = match.start(), match[0]
        gap = text[position:start]
        is_end = gap[:1].isspace() and text[end:position].endswith((".", "!", "?"))
        is_end = is_end and len(text[end:position].strip()) > 1
        if start > stop or is_end or text.startswith("(", match.end()):
            return
        if position == end and _is_column(text, end - len(name), gap, match):
            is_announced = is_said = True
        is_said = is_said or gap.strip(_MARKS)[-1:] in _SAYING
        position = match.end()
        work.left -= _STEP_WORD
        signs = _SIGNS.match(word)
        at = 0 if signs is None else signs.end()
        is_announced = is_announced or bool(gap.strip()) or at > 0
        is_said = is_said or (at > 0 and not _SAYING.isdisjoint(word[:at]))
        if at == len(word):
            # A sign by itself: what stands before it may name what follows.
            is_foreign = word in _ASSIGNS and is_named and ")" not in gap
            # `password (do not share): x1…`, `credentials: ana / x1…`
            is_led = is_led or (word in _ASSIGNS and not is_foreign)
            is_led = is_led or (word == "/" and was_led)
            is_said = is_said or (is_led and word in _DASHES)
            continue
        other = _OTHER.match(word, at)
        if other is not None:
            is_foreign = _is_foreign(other[0].lower(), low, end, start)
            at = other.end()
        # What is given a value in the next line is a name.
        is_foreign = is_foreign or _GIVEN.match(text, position) is not None
        value = word[at:].rstrip(".,:")
        is_value, is_given = is_led and is_announced, is_led and is_said
        code = is_led and _code_at(text, start + at, name, is_announced=is_announced)
        if not is_foreign and code and _is_code(low, name, end, code[0]):
            yield code.span()
        elif (
            not is_foreign
            and _is_secret(name, value, is_announced=is_value, is_said=is_given)
            and not _is_known(low, name, end, start + at, value)
        ):
            yield start + at, _word_end(text, start + at + len(value))
        lead = word.rstrip(":=").lower()
        is_named = _is_foreign(word.lower(), low, end, start)
        is_foreign = is_named and len(lead) < len(word)
        was_led = is_led
        is_led = (
            (is_led and lead in _VERBS)
            # `the password for the VPN is x1…`
            or (_means_is(lead, name) and _APART.isdisjoint(text[end:start]))
            or (word.endswith(":") and not is_named and lead not in _LABELS)
        )
        is_said = is_led
        is_announced = True


def _is_filter(low: str, name_end: int, start: int) -> bool:
    """Tell a filter of a template, `{{ password | b64enc }}`, from a value."""
    opening = low.rfind("{{", max(0, name_end - _VALUE_CHARS), name_end)
    is_inside = opening >= 0 and "}}" not in low[opening:start]
    return is_inside and low[start - 1] not in "\"'`"


def _means_is(word: str, name: str) -> bool:
    """Tell the word for *is*; in Polish it is *to*."""
    is_baltic = word == "on" and name.lower() in ("parool", "salasana", "salasona")
    return word in _IS or is_baltic or (word == "to" and not name.isascii())


def _is_column(text: str, name_at: int, gap: str, match: re.Match[str]) -> bool:
    """Tell a line of a name and a value, as ``password   x1…``, from a sentence."""
    if gap.strip(_CLOSING) or not gap or match[0][-1] in ".,:":
        return False
    head = text[text.rfind("\n", 0, name_at) + 1 : name_at]
    # What a command prints stands alone in the next line.
    if "\n" not in gap and head.strip(" \t#$>-"):
        return False
    return _LINE_REST.match(text, match.end()) is not None


def _is_code(low: str, name: str, end: int, code: str) -> bool:
    """Tell what is made of digits only, from the name of it."""
    if len(code) == _POSTAL_CHARS and name.lower().startswith("pincod"):
        # Where a letter goes to.
        return False
    last = last_word((in_english(name) or name).rstrip("12"))
    if last in ("code", "otp", "pin", "passcode", "tan", "puk") or _is_of_card(name):
        return True
    before = low[max(0, end - len(name) - 9) : end - len(name)]
    return before.startswith(("one-time", "one time"))


def _code_at(
    text: str, start: int, name: str, *, is_announced: bool
) -> re.Match[str] | None:
    """Find digits that may be a code; those of a card need no sign before them."""
    if _is_of_card(name):
        return _CARD_CODE.match(text, start)
    return _CODE.match(text, start) if is_announced else None


def _is_of_card(name: str) -> bool:
    """Tell the number on the back of a card, of three or four digits."""
    return squeeze(in_english(name) or name).startswith(_CARD_NAMES)


def _word_end(text: str, end: int) -> int:
    """Return where a word ends of which the search has seen a part."""
    rest = _WORD.match(text, end)
    return end if rest is None else rest.end()


def _line_end(text: str, end: int) -> int:
    """Return where the line ends that may hold a value: the next, if this has none."""
    markup = _MARKUP.match(text, end, end + _REACH_CHARS)
    line_at = end if markup is None else markup.end()
    line_end = text.find("\n", line_at, line_at + _VALUE_CHARS)
    line_end = line_end if line_end >= 0 else line_at + _VALUE_CHARS
    if markup is None and text[line_end - 1 : line_end] == ":" and line_end > end + 1:
        # `Here is the secret you asked for:`
        return _line_end(text, line_end)
    words = text[line_at:line_end].split(None, _NEXT_LINE_WORDS)
    return line_end if markup is None or len(words) <= _NEXT_LINE_WORDS else end


def _is_foreign(word: str, low: str, name_end: int, start: int) -> bool:
    """Tell the name of another value from a word that leads to this one."""
    if word in _DIGESTS:
        return True
    name = word.rstrip(":=")
    if _NAME.fullmatch(name) is None or name in _VERBS or squeeze(name) in VALUE_KEYS:
        return False
    between = low[name_end:start].lstrip("\"'` ")
    # `Password for Kim: x1…`, and who answers a question: `Kim: x1…`.
    is_apart = word.endswith("=") or not _APART.isdisjoint(between)
    return is_apart and not between.startswith("?")


def _is_known(low: str, name: str, name_end: int, start: int, value: str) -> bool:
    """Tell a digest, a filter, and what has the name at its end, from a secret."""
    is_known = value.endswith("." + name) or _is_filter(low, name_end, start)
    is_known = is_known or (
        squeeze(name).endswith("signingkey") and _KEY_ID.fullmatch(value) is not None
    )
    return is_known or _is_digest(low, name_end, start, value)


def _is_digest(low: str, name_end: int, start: int, value: str) -> bool:
    """Tell the digest of a file or a commit from a secret in hexadecimal digits."""
    if _DIGEST.fullmatch(value) is None and "base64," not in low[start - 8 : start]:
        return False
    line_at = max(0, name_end - _REACH_CHARS)
    return _OF_DIGEST.search(low, line_at, start + len(value) + 24) is not None
