"""
Tell values that are no secret though they stand under the name of one.

Placeholders, types, calls, counts and schemas: agents read and write about
secrets all day, and a record in which that is hidden explains nothing.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from .names import DEEDS, is_about, is_sensitive, last_word, squeeze, words_of
from .phrases import (
    SCHEMES,
    is_auth_mode,
    is_called,
    is_constant_for,
    is_empty_cookie,
    is_flag_or_command,
    is_label_of,
    is_prose,
    is_prose_word,
)
from .schemas import is_schema

__all__ = (
    "BENIGN_WORDS",
    "PLACEHOLDER",
    "SCHEMES",
    "is_benign_item",
    "is_benign_text",
    "is_described",
    "is_name_like",
    "is_own_name",
    "is_piece_of_text",
    "is_prose",
    "is_said_of",
    "is_setting",
    "is_word_list",
)

PLACEHOLDER: Final = re.compile(
    r"\$__\w{1,20}\{[^{}]{0,100}\}|%?env\([\w:]{1,64}\)%?|\$\{\{?[^{}]{0,100}\}?\}|\$(?:[a-z_]+|(?-i:[A-Z_][A-Z0-9_]*))"
    r"|\$(?:pass(?:word|wd|phrase)?|pwd?|pin|token|key)[0-9]{1,2}"
    r"|\$\((?!echo|printf)[^()\n]{1,120}\)|[\w\-]{0,12}\*{4,}[\w\-]{0,4}|%[A-Z_]+%"
    # What is worked out: `{quote_plus(password)}`.
    r"|[#$]?\{[a-z_][\w.]{0,60}"
    r"(?:\([\w., ='\"]{0,60}\)|\[['\"]?\w{1,40}['\"]?\]){1,2}\}"
    r"|\{\{(?:[^{}]|[$]\{\w{1,64}\}){0,160}\}\}|\{\}|\{[A-Za-z_][\w.]{0,64}(?:![rsa])?\}|%\(\w{1,64}\)s"
    # What a text is formatted with: `%w`, `%-20s`, `%1$s`.
    r"|%(?:[0-9]{1,2}[$])?[\-+#]{0,2}[0-9]{0,3}(?:\.[0-9]{1,3})?(?:hh?|ll?|z)?[a-z@]"
    r"(?:\\{1,2}[nrt]|\.{3}|\u2026)*"
    # `redis://[username]:[password]@host`
    r"|\[(?:some|my|the|your|an?) [a-z ]{1,24}\]"
    r"|\[(?:your[ _\-])?(?:user(?:name)?|pass(?:word|wd)?|pwd|secret|token"
    r"|(?:api[ _\-])?key)\]{1,2}"
    # A member of a variable, in Perl and PHP.
    r"|\$[a-z_]\w{0,40}(?:::\w{1,40}){0,4}(?:->)?(?:[{\[][\"'$]?\w{1,40}[\"']?[}\]]){1,3}"
    # One word with digits in it is a value, not what to fill in.
    r"|<(?!(?!(?-i:[a-z_\-]{1,64}|[A-Z_\-]{1,64}|[A-Z][a-z_\-]{1,64})[0-9]{0,2}>)"
    r"(?=[^<>\s]{0,64}[0-9])[^<>\s]{6,64}>)[^<>]{0,64}>"
    # What a log has put there: `[FILTERED]`, `***MASKED***`.
    r"|\[(?:(?-i:[A-Z][A-Z_ ]{3,24})|filtered|masked|hidden|removed|scrubbed)\]"
    r"|\*{1,8}(?:filtered|masked|hidden|redacted|removed|secret)\*{1,8}"
    r"|[*.\-_\u2022\u00b7\u2219\u25cf]+|(?:[a-z]{1,8}[\-_])?x{3,}(?:[\-_]"
    r"x{2,}){0,8}|\[?redacted[\w\- ]{0,20}\]?|replace[_-]?(?:me|this)\w*"
    r"|-change[_-]?(?:me|it|this)"
    r"|(?:insert|enter|paste|put|add)[_\-][\w\-]{1,40}[_\-]here"
    r"|(?:[a-z]{1,12}[_\-]){0,3}placeholder|your[_\- ]"
    r"[\w\- ]{1,40}|:[a-z_]+|\?|\$[0-9@*#]|#[0-9a-f]{6}",
    re.IGNORECASE | re.ASCII,
)
"""Stands for a value that somebody has yet to fill in, or has hidden already."""

BENIGN_WORDS: Final = frozenset(
    "none null nil undefined true false str string bytes int integer number bool"
    " boolean any object optional required text varchar char secretstr enabled"
    " disabled yes no missing invalid expired unset empty on off password token"
    " nan default basic digest oauth2 oauth n/a na tbd todo weak strong wrong incorrect"
    " rejected accepted changed reset updated ok failed failure hidden masked removed"
    " unknown unchanged short correct mismatch confirmed denied granted revoked rotated"
    " bearer jwt apikey refreshed absent present found loaded here see below"
    " above inherit external managed never always once created deleted"
    " erforderlich vergessen falsch ung\u00fcltig ge\u00e4ndert requis obligatoire"
    " invalide oubli\u00e9 requerido requerida obligatorio obligatoria incorrecta"
    " incorrecto olvidada obligat\u00f3rio obrigat\u00f3rio obbligatorio verplicht"
    " vergeten kr\u00e4vs wymagane wymagany wymagana on_create read write".split()
)
"""Words that say what a value should be, or that there is none."""

# What is put together of variables: `f"{user}:{password}"`.
_TEMPLATE: Final = re.compile(
    r"(?:[$#%]?\{[\w.\[\]'\"()!:]{1,64}\}|\{?%[a-z]\}?|<[a-z][a-z_\-]{0,24}>|\\{1,2}[nrt]"
    r"|[:@/ .,_\-&=?]){1,16}"
)
_SHORTENED: Final = re.compile(r"[\w\-]{0,8}(?:\.{3}|\u2026)[\w\-]{0,4}")
_FILLED: Final = (PLACEHOLDER, _TEMPLATE, _SHORTENED)
_LINKS: Final = ("localkey", "linkkey", "joinkey", "devicekey", "passwordsecretkey")
# Not the name under which a secret is kept.
_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=\D*\d)[\w\-]{24,}"
)
_SYMBOL: Final = re.compile(r"[A-Z]{2,6}|0x[0-9a-fA-F]{40}")
# What a store keeps under a key: `PASSWORD_KEY`, not the key of an interface.
_KEPT: Final = frozenset(
    "password passwd token cookie credential credentials storage".split()
)
_KEPT_UNDER: Final = re.compile(r"[A-Za-z]{1,20}(?:[_\-.:/][A-Za-z]{1,20}){0,4}")
_SECTION_NAME: Final = re.compile(r"[\w.]{1,24}[\-_]auth[0-9]{0,3}")
_WORDS: Final = re.compile(
    r"[A-Z][A-Za-z]{1,15}(?: [A-Z][a-z]{1,15}){1,3}"
    r"|(?:node|npx|npm run|yarn|pnpm|python3?|ts-node|tsx|bash|sh) [\w./:@ \-]{1,80}"
)
_SIGNS_LIMIT: Final = 4
_OWN_WORDS: Final = 2
_FETCH_MODES: Final = frozenset({"include", "omit", "same-origin"})
_NO_VALUES: Final = frozenset(
    "none null nil undefined true false str string n/a default required hidden masked"
    " redacted value".split()
)
_SMALL_NUMBER: Final = re.compile(r"-?[0-9]{1,4}(?:\.[0-9]{1,3}|/[0-9]{1,4})?%?")
_COUNTED: Final = re.compile(r"[0-9][0-9,._]{0,11} ?(?:ms|s|k|K|M|%|/(?:s|min|day))?")
_KEY_ID: Final = re.compile(r"(?:0x)?[0-9A-F]{8}(?:[0-9A-F]{8})?(?:[0-9A-F]{24})?!?")
_SMALL: Final = 10_000
_MODE_CHARS: Final = 16
_MODES: Final = frozenset(
    "method provider mode kind scheme strategy status algorithm alg format level"
    " driver engine backend policy type".split()
)
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{3,8}")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]{1,20}(?:_[A-Z0-9]{1,20}){1,5}")
_DURATION: Final = re.compile(
    r"[0-9]{1,6}[a-zA-Z]{0,4}|P(?:[0-9]+[DWMY])?(?:T[0-9HMS]+)?"
)
_ALGORITHM: Final = re.compile(
    r"[A-Za-z]{1,8}[\-_]?[0-9]{1,4}[A-Za-z]{0,4}(?:[\-_][A-Za-z0-9]{1,8}){0,3}"
)
_PIN: Final = re.compile(r"[0-9]{4,8}")
_BANK_NUMBERS: Final = {
    "tan": re.compile(r"[0-9]{6,8}|[0-9]{3} [0-9]{3}"),
    "puk": re.compile(r"[0-9]{8}|[0-9]{4} [0-9]{4}"),
}
_GIVEN: Final = re.compile(
    r"(?:password|pwd|accountkey|sharedaccesskey|secret)[ ]?=([^;\"']{1,160})",
    re.IGNORECASE,
)
_PINS: Final = (
    "pincod",
    "pinkod",
    "geheimzahl",
    "\u043f\u0438\u043d\u043a\u043e\u0434",
)
_POSTAL_CODE: Final = re.compile(r"[1-9][0-9]{5}")
_NUMBERS: Final = re.compile(r"[0-9][0-9 .,_/]*")
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:[ ,;][^\W\d_]+)*[.!?]?")
_PATH: Final = re.compile(r"(?:~|\.{0,2})/[\w.\-/ ~@]*|[A-Za-z]:[\\/]\S*|\.{1,2}")
_NAME_LIKE: Final = re.compile(
    r"[a-z]{1,20}(?:[_\-. ][a-z]{1,20})*|[A-Z][a-z]{0,20}(?:-[A-Z][A-Za-z]{1,20})*"
    r"|[A-Za-z]{1,30}|[A-Z]{2,}(?:_[A-Z0-9]+)*|[a-z]+(?:[A-Z][a-z]+)+"
)
_WORDY: Final = re.compile(r"[^\W\d_]{1,32}(?:[:._/\- ]{1,2}[^\W\d_]{1,32}){0,5}[?:]?")
_SAID_CHARS: Final = 160
# A label is written like one: a capital first, no sign, few words.
_LABEL: Final = re.compile(
    r"(?:[^\W\d_a-z]|API|Api)(?:[^\W\d_A-Z]{1,24}|(?<=[A-Z])PI)?"
    r"(?:(?:[ '\u2019]{1,2}|(?<=API)-)"
    r"(?:[^\W\d_A-Z]{1,24}|[A-Z][^\W\d_A-Z]{1,24}|API)){0,4}"
    r"[ ]?[:*.?\u2026]?"
)
_ACCENTED: Final = re.compile(r"[\u00c0-\u024f]")
_LETTERS_PER_ACCENT: Final = 3
_GLUED_LABELS: Final = ("passwort", "kennwort", "wachtwoord", "l\u00f6senord")
_IDEOGRAMS: Final = re.compile(
    r"[\u3000-\u303f\u3040-\u9fff\uac00-\ud7af\uff00-\uff0f\uff1a-\uff20 ]{1,160}"
)
_MESSAGE: Final = re.compile(
    r"(?:must|is|are|should|cannot|can't|has to|this (?:field|value|password|token)"
    r"|please|ensure|field|required|invalid|missing|at least|too|does not|may not"
    r"|needs|value|input|string|none|not|unexpected|expected|the "
    r"(?:two )?passwords?|the (?:api )?(?:token|secret|key|code|passphrase)"
    r"|passwords?|your|enter|choose)\b",
    re.IGNORECASE,
)
_TYPE_NAME: Final = re.compile(
    r"(?:n?(?:var)?char2?|varbinary|binary|u?int|bigint|integer|float|double|decimal"
    r"|numeric|n?text|string|str|blob|bytea|bytes|uuid|json|jsonb|bool|boolean"
    r"|[iu](?:8|16|32|64|128|size)|f(?:32|64)|long|short|char|byte|rune|void|datetime|date"
    r"|timestamp|character varying|enum|secretstr|object|array)"
    r"(?:[0-9]{1,4}|\([0-9, ]{1,9}\))?(?:\[\]|\?|!)?",
    re.IGNORECASE,
)
# The beginning of what a regular expression looks for, such as `(\S+)`.
_MATCHER: Final = re.compile(
    r"[/^)]{0,2}\(?(?:\?:)?(?:\.|\\{1,2}[swdSWD]|\[(?:[^\]\s]|\\s){1,40}\])(?:[*+?]|\{[0-9])"
)
# A type with its parameters, the version of a package, `^1.2.2`, a file's rights.
_GENERIC: Final = re.compile(
    r"(?:\w{1,30}::)*[A-Za-z_]\w{0,30}<(?!>)"
    r"(?:[\w:<>, ?&*'\[\]]{0,79}[>,&*'\[]|[A-Za-z:]{1,40})"
    r"|[\^~<>=]{1,2} ?v?[0-9]+(?:\.[0-9x*]+){1,3}|[0-9]{1,3}(?:\.[0-9]{1,4}){2}"
    r"|[\w.\-]+:v?[0-9]+(?:\.[0-9]+){1,3}|\*(?:const|mut)(?: \w+)?|[dl\-][rwxst\-]{9}"
    r"|v?[0-9][\w.\-]{0,40}@sha256:[0-9a-f]{8,64}"
    r"|X(?:-[A-Z][A-Za-z]+){1,4}(?:-V?[0-9])?"
    # A time, a range, a number of the registry, what went wrong.
    r"|[0-9]{1,6}(?:\.(?:second|minute|hour|day|week|month|year)s?|\.\.\.?[0-9]{1,6})"
    r"|[0-9]{1,2}\.[0-9]{1,2}[\-+]|utf-?(?:8|16(?:le|be)?|32)"
    r"|[a-z_][\w.]{0,40}\.[A-Z]\w{0,40}\[[\w\[\], .|]{1,80}\]"
    r"|dword:0{4}[0-9a-fA-F]{4}|0x[0-9a-fA-F]{1,8}[uUlL]{0,3}"
    # A repetition in a grammar, as `1*tchar`.
    r"|[0-9]{0,2}\*[0-9]{0,2}\(?[A-Za-z\-]{1,20}\)?"
    r"|(?:scram-)?(?:sha-?(?:1|224|256|384|512)|md5)(?:-plus)?|argon2(?:id|[id])"
    r"|(?:invalid|expired|missing|unsupported|unauthorized|insufficient|unknown)"
    r"(?:_[a-z]{2,16}){1,3}|access_denied"
    # A table of a mail server: its kind, and where it is.
    r"|(?:proxy:)?(?:hash|btree|lmdb|texthash|cdb|dbm|regexp|pcre|ldap|mysql|pgsql|sqlite"
    r"|unix|inet|cidr|socketmap|memcache):/(?!/)[\w./\-]+"
    # Where a secret is kept, or said more about, not what it is.
    r"|https?://[\w.\-]{1,80}(?::[0-9]{1,5})?(?:/[a-z_.~\-]{0,30}[0-9]{0,5}){0,8}(?:#[a-z\-]{0,40})?"
    r"|[a-z_\-]{1,30}(?:/[\w.\-]{1,30}){1,6}[:#][a-z_\-]{0,20}"
    r"(?:password|passwd|pwd|token|secret|key|value|data|cert|username)"
    r"|@Microsoft\.KeyVault\([^()]{1,200}\)|(?:arn:[\w\-]+:|(?:op|vault|ssm|awssm|secretsmanager|keyvault|file):/)[^\s@]+"
)
# What a form asks of a field: `required|min:8|confirmed`.
_RULES: Final = re.compile(
    r"(?:required|nullable|sometimes|bail|string|confirmed|present|filled)"
    r"(?:\|[a-z_]{2,24}(?::[\w,.\-/]{1,40})?){1,12}"
)
_GLOB: Final = re.compile(
    r"[a-z_.\-]{0,30}(?:/[a-z_.\-]{1,30}){0,6}/|\*{1,2}(?:/\*)?\.[a-z]{1,5}"
)
_ITEMS: Final = 64
_DEPTH: Final = 3
# What is known of a secret that is kept elsewhere: words, dates, identifiers.
_ABOUT: Final = frozenset(
    "table provider driver owner group team tag kind role environment env stage expire"
    " created updated modified accessed used rotated store algorithm issuer".split()
)
_OF_RECORD: Final = re.compile(
    r"[./_]{0,2}[A-Za-z]{1,32}(?:[ ./:_\-]{1,3}(?:[A-Za-z]{1,32}|v?[0-9]{1,2})){0,8}"
    r"|(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{5,15}(?:Z|[+\-][0-9:]{4,6})?)?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:[\w:/+=,.@\-]{1,160}"
    r"|https?://[\w.:/\-]{1,120}|/[a-z_./\-]{0,60}"
)
_ENTRY: Final = re.compile(
    r"(?:\\*[\"']|:)?(?P<key>[A-Za-z_][\w.\-]{0,40})\\*[\"']?\s{0,8}(?:=>|:|=)\s{0,8}"
    r"(?:(?P<opened>[\[{])|\\*[\"'](?P<text>[^\"'\\\r\n]{0,160})\\*[\"']"
    r"|(?P<plain>[\w.\-]{1,40})(?=[\s,}\]]|\Z))"
)
_KEPT_KEYS: Final = frozenset(("name", "valueFrom"))
_KEPT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z_.\-]{0,60}[0-9]{0,2}")
_KEPT_AT: Final = re.compile(r"arn:[\w:/.\-]{1,200}|/[\w./\-]{1,120}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
_BRACKETS: Final = " \t\r\n,[]{}\\"
# What is known of a token of a language.
_OF_PIECE: Final = re.compile(
    r"(?:top_?)?log_?probs?|log_?probability|lemma|pos|(?:start|end)_?offset|position"
    r"|bytes|token_?id|token_?str|is_stop|ner|dep|score|sequence",
    re.IGNORECASE,
)
_FILE_NAMES: Final = frozenset(
    "pwd oldpwd netrc pgpass htpasswd kubeconfig dockerconfigjson dockercfg".split()
)
_KEY_FILE: Final = re.compile(
    r"[\w./\\\-~:]{0,200}\.(?:pem|key|crt|cer|json|p12|pfx|jks|ya?ml|txt|env|pub)"
)
_PATH_ENDS: Final = frozenset("json config pem content cookie file credential".split())


def is_name_like(text: str) -> bool:
    """Tell an identifier, a header's name or a plain word from a value."""
    return len(text) <= 40 and _NAME_LIKE.fullmatch(text) is not None


def is_word_list(text: str) -> bool:
    """Tell names that are put together, as `ssm:GetParameter`, from a value."""
    return len(text) <= 80 and (
        is_name_like(text) or _WORDY.fullmatch(text) is not None
    )


def is_benign_text(name: str, value: str) -> bool:
    """
    Tell whether a text shows no secret, though its name is sensitive.

    Args:
        name: The name as found.
        value: The text, without quotes.

    """
    value = value.strip()
    if not value or value.lower() in _NO_VALUES or value.lower() in SCHEMES:
        return True
    if is_label_of(name, value):
        return True
    scheme, _, rest = value.partition(" ")
    if rest and scheme.lower() in SCHEMES:
        value = rest.strip()
    is_filled = any(form.fullmatch(value) for form in _FILLED)
    # What was to be sent was not there: `Bearer undefined`.
    if is_filled or value.lower() in _NO_VALUES:
        return True
    last, squeezed = last_word(name), squeeze(name)
    # A label: `"password": "Password"`.
    is_label = squeeze(value) in (squeezed, squeeze(name.rpartition(".")[2]))
    is_long = len(words_of(name)) > _OWN_WORDS
    is_held = is_long or is_constant_for(name)
    is_label = is_label and (value[:1].isupper() or "pass" not in squeezed or is_held)
    # `outbound_auth=trunk-auth`: the name of a section.
    is_mode = last == "auth" and (
        value.lower() in BENIGN_WORDS
        or is_auth_mode(value)
        or _SECTION_NAME.fullmatch(value) is not None
    )
    # Of a request in a browser.
    is_mode = is_mode or (last == "credential" and value.lower() in _FETCH_MODES)
    if (
        is_label
        or is_mode
        or is_flag_or_command(name, value)
        or _is_given_later(name, value)
        or _is_of_form(name, value)
        or is_said_of(value)
        or _is_place_or_count(name, value)
        or is_called(name, value)
    ):
        return True
    if last == "cookie" and is_empty_cookie(value):
        return True
    return (last == "cookie" or squeezed == "tokens") and _is_count_or_words(value)


def _is_given_later(name: str, value: str) -> bool:
    """Tell a connection string of which the password is filled in later."""
    if "conn" not in squeeze(name):
        return False
    given = [part.strip().lstrip("#") for part in _GIVEN.findall(value)]
    return bool(given) and all(map(PLACEHOLDER.fullmatch, given))


def _is_of_form(name: str, value: str) -> bool:
    """Tell what has not the form of a secret of this name."""
    last, squeezed = last_word(name), squeeze(name)
    # The name of a variable: `API_KEY_ENV = "ACME_API_KEY"`.
    is_form = _VARIABLE.fullmatch(value) is not None and (
        is_sensitive(value) or name.startswith(value) or value.startswith(name)
    )
    is_form = is_form or _is_key_name(name, value)
    # What links records, or is an entry of a Secret of Kubernetes, has such a name.
    is_form = is_form or (squeezed in _LINKS and is_name_like(value))
    is_form = is_form or (squeezed == "secretid" and _ID.fullmatch(value) is None)
    # A symbol that is traded, or the address of its contract.
    is_form = is_form or (squeezed == "token" and _SYMBOL.fullmatch(value) is not None)
    # A key of the keyboard.
    is_form = is_form or (squeezed == "accesskey" and len(value) == 1)
    is_form = is_form or (
        len(value) < _SIGNS_LIMIT and not any(map(str.isalnum, value))
    )
    is_pin = last == "pin" or squeezed.startswith(_PINS)
    is_form = is_form or _is_other_number(last, value)
    return (
        is_form
        or (is_pin and _PIN.fullmatch(value) is None)
        # In India, of a letter.
        or (squeezed == "pincode" and _POSTAL_CODE.fullmatch(value) is not None)
        or (
            squeezed in ("signingkey", "usersigningkey")
            and _KEY_ID.fullmatch(value) is not None
        )
    )


def _is_other_number(last: str, value: str) -> bool:
    """Tell the tangent and a colour from the numbers that banks send."""
    form = _BANK_NUMBERS.get(last)
    return form is not None and form.fullmatch(value) is None


def _is_place_or_count(name: str, value: str) -> bool:
    """Tell a place, a count and a command under such a name from a secret."""
    last, squeezed = last_word(name), squeeze(name)
    is_file = squeezed in _FILE_NAMES or last in _PATH_ENDS
    is_path = is_file and _PATH.fullmatch(value) is not None
    is_path = is_path or _KEY_FILE.fullmatch(value) is not None
    # `secrets: 3`, `pass: 12`.
    is_several = squeezed == "pass" or name[-1:] in "sS"
    is_count = is_several and _SMALL_NUMBER.fullmatch(value) is not None
    is_count = is_count or (
        "tokens" in squeezed and _COUNTED.fullmatch(value) is not None
    )
    # A command, a coin: of more than one word.
    is_token = squeezed in ("token", "tokens", "secrets")
    return is_path or is_count or (is_token and _WORDS.fullmatch(value) is not None)


def _is_key_name(name: str, value: str) -> bool:
    """Tell where a secret is kept, as `TOKEN_KEY = "access_token"`, from the secret."""
    words = words_of(name)
    if "key" not in (words[:1] + words[-1:]) or _KEPT_UNDER.fullmatch(value) is None:
        return False
    if words[0] == "key":
        # `KEY_TOKEN = "token"`; a key may have a password, too.
        return words[1:] == words_of(value)
    return len(words) > 1 and words[-2] in _KEPT and is_sensitive(value)


def is_said_of(value: str) -> bool:
    """Tell what a form, a schema or a translation says of a field from its value."""
    if len(value) > _SAID_CHARS:
        return False
    if _MATCHER.match(value) is not None or any(
        form.fullmatch(value) for form in (_TYPE_NAME, _GLOB, _GENERIC, _RULES)
    ):
        return True
    if _IDEOGRAMS.fullmatch(value) is not None:
        # Words: such letters are not typed as a password.
        return True
    if _LABEL.fullmatch(value) is not None and not _is_odd(value):
        is_glued = value.isalpha() and value.lower().startswith(_GLUED_LABELS)
        if is_glued or is_sensitive(value.strip(" .:*?\u2026")):
            return True
    words = value.split()
    if _MESSAGE.match(value) is None:
        # `The provided password is incorrect.`
        is_sentence = len(words) > 3 and value[:1].isupper() and value[-1:] == "."
        if not is_sentence or not any(is_sensitive(word.strip(".,")) for word in words):
            return False
    return len(words) > 2 and all(is_prose_word(word) for word in words)


def _is_odd(value: str) -> bool:
    """Tell a word with more accents than those of a language have."""
    accents = len(_ACCENTED.findall(value))
    return accents * _LETTERS_PER_ACCENT > sum(map(str.isalpha, value))


def _is_count_or_words(value: str) -> bool:
    """Tell ``12 pieces`` and ``flour`` from the tokens and cookies of a server."""
    if _SMALL_NUMBER.fullmatch(value) or _NUMBERS.fullmatch(value):
        return len(value) <= 12
    head, _, rest = value.partition(" ")
    if rest and _SMALL_NUMBER.fullmatch(head):
        value = rest
    if len(value) > 200 or _LETTERS.fullmatch(value) is None:
        return False
    return all(len(word) <= 15 for word in re.split(r"[ ,;]", value))


def _is_count(name: str, item: float) -> bool:
    """Tell how many there are from a secret that is made of digits."""
    exact = squeeze(name)
    is_small = -_SMALL < item < _SMALL
    if last_word(name) in _BANK_NUMBERS:
        return _is_other_number(last_word(name), str(item))
    if last_word(name) == "pin":
        return _PIN.fullmatch(str(item)) is None
    is_count = "tokens" in exact or exact == "secretid" or last_word(name) == "cookie"
    is_count = is_count or (is_small and name[-1:] in "sS")
    return is_count or (is_small and exact in ("pass", "passes", "token"))


def is_benign_item(name: str, item: Any, depth: int = 0) -> bool:
    """
    Tell whether a value in a tree shows no secret, though its name is sensitive.

    Args:
        name: The key under which it stands.
        item: Any object; only exact built-in types are looked at.
        depth: Lists around the value, up to one.

    """
    kind = type(item)
    if item is None or kind is bool:
        return True
    if kind is str:
        # The errors of a form: a list of sentences under the name of the field.
        is_error = depth and item[-1:] == "." and item.count(" ") > 2 and is_prose(item)
        return len(item) <= 256 and (bool(is_error) or is_benign_text(name, item))
    if kind is int or kind is float:
        return _is_count(name, item)
    if kind is list or kind is tuple:
        is_read = squeeze(name) == "tokens" and bool(item)
        is_read = is_read and all(map(_is_piece, item[:_ITEMS]))
        is_read = is_read or (bool(item) and all(map(_is_kept, item[:_ITEMS])))
        is_short = not depth and len(item) <= _ITEMS
        return is_read or (
            is_short and all(is_benign_item(name, part, 1) for part in item)
        )
    return kind is dict and (is_schema(item) or _is_descriptive(name, item))


def _is_piece(item: Any) -> bool:
    """Tell the description of a token of a language."""
    return type(item) is dict and is_piece_of_text("token", list(item)[:_ITEMS])


def _is_kept(item: Any) -> bool:
    """Tell where a secret is kept, `{"name": …, "valueFrom": "arn:…"}`."""
    if type(item) is not dict or len(item) != len(_KEPT_KEYS):
        return False
    if any(type(key) is not str or key not in _KEPT_KEYS for key in item):
        return False
    name, place = item["name"], item["valueFrom"]
    return (
        type(name) is type(place) is str
        and len(name) <= _SAID_CHARS
        and _KEPT_NAME.fullmatch(name) is not None
        and _KEPT_AT.fullmatch(place) is not None
    )


def is_setting(value: str) -> bool:
    """Tell a word, a number and a duration from a secret."""
    return is_name_like(value) or any(
        form.fullmatch(value) for form in (_DURATION, _ALGORITHM)
    )


def _is_descriptive(name: str, item: dict[Any, Any], depth: int = 0) -> bool:
    """Tell counts, modes and colours from a structure that holds secrets."""
    try:
        pairs = list(islice(item.items(), _ITEMS))
    except RuntimeError:
        return False
    return bool(pairs) and all(
        type(key) is str and _is_descriptive_leaf(name, key, value, depth)
        for key, value in pairs
    )


def _is_descriptive_leaf(name: str, key: str, value: Any, depth: int = 0) -> bool:
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is int or kind is float:
        return "tokens" in squeeze(name) or is_about(key) or -_SMALL < value < _SMALL
    if kind is dict and depth < _DEPTH:
        return _is_descriptive(name, value, depth + 1)
    if kind is not str:
        return False
    is_mode = last_word(key) in _MODES and value.isalnum() and len(value) <= _MODE_CHARS
    is_said = is_setting(value) or (value[-1:] in (".", "?", "!") and is_prose(value))
    is_said = is_said or _OF_RECORD.fullmatch(value) is not None
    is_mode = is_mode or (_says_about(key) and is_said)
    return is_mode or _COLOUR.fullmatch(value) is not None


def _says_about(key: str) -> bool:
    """Tell the key of what is known of a secret: its name, its dates, its place."""
    return is_about(key) or last_word(key) in _ABOUT or key in DEEDS


def is_described(name: str, inner: str) -> bool:
    """
    Tell a structure of which every value says something about a secret.

    Args:
        name: The sensitive name of the structure.
        inner: What stands between its brackets, in JSON, Python, Ruby or PHP.

    """
    position = 0
    found = False
    for entry in islice(_ENTRY.finditer(inner), 2 * _ITEMS):
        if inner[position : entry.start()].strip(_BRACKETS):
            return False
        position = entry.end()
        found = True
        if entry["opened"]:
            continue
        value = entry["text"]
        plain = entry["plain"]
        number = _NUMBER.fullmatch(plain) if plain else None
        leaf = float(plain) if number is not None else value if plain is None else plain
        if plain and plain.lower() in ("true", "false", "null", "nil", "none"):
            continue
        if not _is_descriptive_leaf(name, entry["key"], leaf):
            return False
    return found and not inner[position:].strip(_BRACKETS)


def is_piece_of_text(name: str, keys: Iterable[Any]) -> bool:
    """Tell a token of a language, from what stands beside it, from one of a server."""
    return squeeze(name) in ("token", "tokenstr") and any(
        type(key) is str and _OF_PIECE.fullmatch(key) is not None for key in keys
    )


def is_own_name(name: str, value: str) -> bool:
    """Tell a variable that is handed on under its own name, or under a part of it."""
    if value in ("hash", "key", "header", "value", "digest", "salt"):
        # `%User{password_hash: hash}`
        return last_word(name) == value
    # Nearly all values end otherwise, and this is asked for each of them.
    if name[-1:].lower() not in value[-3:].lower():
        return False
    return squeeze(value) == squeeze(name) or (
        words_of(value.rpartition(".")[2]) == words_of(name.rpartition(".")[2])
    )
