"""
Tell values that are no secret though they stand under the name of one.

Placeholders, types, calls, counts and schemas: agents read and write about
secrets all day, and a record in which that is hidden explains nothing.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from .names import is_about, is_sensitive, last_word, squeeze, words_of

__all__ = (
    "BENIGN_WORDS",
    "PLACEHOLDER",
    "SCHEMES",
    "is_benign_item",
    "is_benign_text",
    "is_name_like",
    "is_own_name",
    "is_piece_of_text",
    "is_prose",
    "is_said_of",
    "is_schema_text",
    "is_setting",
    "is_word_list",
)

PLACEHOLDER: Final = re.compile(
    r"\$__\w{1,20}\{[^{}]{0,100}\}|%?env\([\w:]{1,64}\)%?|\$\{\{?[^{}]{0,100}\}?\}|\$(?:[a-z_]+|(?-i:[A-Z_][A-Z0-9_]*))"
    r"|\$\((?!echo|printf)[^()\n]{1,120}\)|[\w\-]{0,12}\*{4,}[\w\-]{0,4}|%[A-Z_]+%"
    r"|\{\{(?:[^{}]|[$]\{\w{1,64}\}){0,160}\}\}|\{\}|\{[A-Za-z_][\w.]{0,64}(?:![rsa])?\}|%[sdvqr](?:\\{1,2}[nrt])*|%\(\w{1,64}\)s"
    # One word with digits in it is a value, not what to fill in.
    r"|<(?!(?!(?-i:[a-z_\-]{1,64}|[A-Z_\-]{1,64}|[A-Z][a-z_\-]{1,64})[0-9]{0,2}>)"
    r"(?=[^<>\s]{0,64}[0-9])[^<>\s]{6,64}>)[^<>]{0,64}>"
    r"|[*.\-_\u2022]+|(?:[a-z]{1,8}[\-_])?x{4,}(?:[\-_]"
    r"x{2,}){0,8}|\[?redacted[\w\- ]{0,20}\]?|replace[_-]?(?:me|this)\w*"
    r"|-change[_-]?(?:me|it|this)"
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
    " vergeten kr\u00e4vs wymagane".split()
)
"""Words that say what a value should be, or that there is none."""

# What is put together of variables: `f"{user}:{password}"`.
_TEMPLATE: Final = re.compile(
    r"(?:[$#%]?\{[\w.\[\]'\"()!:]{1,64}\}|[:@/ .,_\-&=?]){1,16}"
)
_SHORTENED: Final = re.compile(r"[\w\-]{0,8}(?:\.{3}|\u2026)[\w\-]{0,4}")
_LINKS: Final = frozenset("localkey linkkey joinkey devicekey".split())
# Not the name under which a secret is kept.
_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|(?=\D*\d)[\w\-]{24,}"
)
_SYMBOL: Final = re.compile(r"[A-Z]{2,6}")
_SIGNS_LIMIT: Final = 4
_OWN_WORDS: Final = 2
_FETCH_MODES: Final = frozenset({"include", "omit", "same-origin"})
_NO_VALUES: Final = frozenset(
    "none null nil undefined true false str string n/a default required hidden masked"
    " redacted".split()
)
SCHEMES: Final = ("bearer", "basic", "token", "apikey", "digest")
_SMALL_NUMBER: Final = re.compile(r"-?[0-9]{1,4}(?:\.[0-9]{1,3})?%?")
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
_NUMBERS: Final = re.compile(r"[0-9][0-9 .,_/]*")
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:[ ,;][^\W\d_]+)*[.!?]?")
_PATH: Final = re.compile(r"(?:~|\.{0,2})/[\w.\-/ ~@]*|[A-Za-z]:[\\/]\S*|\.{1,2}")
_NAME_LIKE: Final = re.compile(
    r"[a-z]{1,20}(?:[_\-. ][a-z]{1,20})*|[A-Z][a-z]{0,20}(?:-[A-Z][A-Za-z]{1,20})*"
    r"|[A-Za-z]{1,30}|[A-Z]{2,}(?:_[A-Z0-9]+)*|[a-z]+(?:[A-Z][a-z]+)+"
)
_WORDY: Final = re.compile(r"[^\W\d_]{1,32}(?:[:._/\- ]{1,2}[^\W\d_]{1,32}){0,5}[?:]?")
_PROSE_WORD: Final = re.compile(
    r"[*(\"'`]*[^\W\d_]+(?:['\u2019\-/][^\W\d_]+)*[,.;:!?)*\"'`_]*|[0-9]{1,3}[,.]?"
)
# A date, a time, a number with its unit, a term such as MD5.
_PROSE_NUMBER: Final = re.compile(
    r"[*(\"'`]*(?:[A-Z]-[A-Z]|[0-9]{1,4}(?:[.,:/\-][0-9]{1,4}){0,2}(?:-?[a-z]{1,8})?"
    r"|[A-Z]{2,6}-?[0-9]{1,4})[,.;:!?)*\"'`_]*"
)
_SAID_CHARS: Final = 160
# A label is written like one: a capital first, no sign, few words.
_LABEL: Final = re.compile(
    r"(?:[^\W\d_a-z]|API|Api)(?:[^\W\d_A-Z]{1,24}|(?<=[A-Z])PI)?"
    r"(?:[ '\u2019\-]{1,2}(?:[^\W\d_A-Z]{1,24}|[A-Z][^\W\d_A-Z]{1,24}|API)){0,3}"
    r"[ ]?[:*.?\u2026]?"
)
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
    r"(?:\w{1,30}::)*[A-Za-z_]\w{0,30}<[\w:<>, ?&*'\[\]]{1,80}"
    r"|[\^~<>=]{1,2} ?v?[0-9]+(?:\.[0-9x*]+){1,3}|[0-9]{1,3}(?:\.[0-9]{1,4}){2}"
    r"|[\w.\-]+:v?[0-9]+(?:\.[0-9]+){1,3}|\*(?:const|mut)(?: \w+)?|[dl\-][rwxst\-]{9}"
    r"|v?[0-9][\w.\-]{0,40}@sha256:[0-9a-f]{8,64}"
    r"|X(?:-[A-Z][a-z]+){1,4}(?:-V?[0-9])?"
    # Where a secret is kept, or said more about, not what it is.
    r"|https?://[\w.\-]{1,80}(?::[0-9]{1,5})?(?:/[a-z_.~\-]{0,30}[0-9]{0,5}){0,8}(?:#[a-z\-]{0,40})?"
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
_SCHEMA_REFS: Final = ("$ref", "anyOf", "oneOf", "allOf", "writeOnly", "minLength")
# A default or an example may be a secret: what has one is no mere description.
_SCHEMA_KEYS: Final = frozenset(
    "type title description format pattern minLength maxLength minimum maximum"
    " writeOnly readOnly deprecated nullable required properties items"
    " additionalProperties minItems maxItems minProperties strict name in"
    " uniqueItems tokenUrl authorizationUrl scopes scheme bearerFormat"
    " flows openIdConnectUrl".split()
).union(_SCHEMA_REFS)
_SCHEMA_KEY: Final = re.compile(r"([$\w]{1,24})\\*[\"']?\s{0,4}:(?!/)")
_SCHEMA_TYPE: Final = re.compile(
    r"(?:\\*[\"']|\b)(?:type\\*[\"']?\s{0,4}:\s{0,4}(?:\[\s{0,4})?\\*[\"']?"
    r"(?:string|integer|number|boolean|object|array|null"
    r"|apiKey|http|oauth2|none)\b"
    r"|(?:\$ref|anyOf|oneOf|allOf|writeOnly|minLength)\\*[\"']\s{0,4}:)"
)
_SCHEMA_CHARS: Final = 2048
_SCHEMA_TYPES: Final = frozenset(
    "string integer number boolean object array null apiKey http oauth2"
    " openIdConnect none basic bearer".split()
)
_ITEMS: Final = 64
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


def is_prose(line: str) -> bool:
    """Tell a sentence about a secret: two plain words or more, no other sign."""
    words = line.split(None, 8)[:8]
    others = [word for word in words if _PROSE_WORD.fullmatch(word) is None]
    if others and (len(words) < 3 or len(others) * 2 > len(words)):
        return False
    return len(words) >= 2 and all(map(_PROSE_NUMBER.fullmatch, others))


def is_schema_text(text: str, start: int, end: int) -> bool:
    """Tell the description of a field, in braces, from its value."""
    if end - start > _SCHEMA_CHARS or _SCHEMA_TYPE.search(text, start, end) is None:
        return False
    # Only the outermost keys count; those of the properties are fields again.
    inner = text.find("properties", start, end)
    keys = _SCHEMA_KEY.findall(text, start, end if inner < 0 else inner)
    return all(key in _SCHEMA_KEYS for key in keys)


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
    scheme, _, rest = value.partition(" ")
    if rest and scheme.lower() in SCHEMES:
        value = rest.strip()
    if any(form.fullmatch(value) for form in (PLACEHOLDER, _TEMPLATE, _SHORTENED)):
        return True
    last, squeezed = last_word(name), squeeze(name)
    # The name of a variable: `API_KEY_ENV = "ACME_API_KEY"`.
    is_form = _VARIABLE.fullmatch(value) is not None and (
        is_sensitive(value) or name.startswith(value) or value.startswith(name)
    )
    # What links records, too, has such a name.
    is_form = is_form or (squeezed in _LINKS and is_name_like(value))
    is_form = is_form or (squeezed == "secretid" and _ID.fullmatch(value) is None)
    # A symbol that is traded.
    is_form = is_form or (squeezed == "token" and _SYMBOL.fullmatch(value) is not None)
    # A key of the keyboard.
    is_form = is_form or (squeezed == "accesskey" and len(value) == 1)
    is_form = is_form or (
        len(value) < _SIGNS_LIMIT and not any(map(str.isalnum, value))
    )
    is_form = (
        is_form
        or (last == "pin" and _PIN.fullmatch(value) is None)
        or (squeezed == "signingkey" and _KEY_ID.fullmatch(value) is not None)
    )
    # A label: `"password": "Password"`.
    is_label = squeeze(value) == squeezed
    is_long = len(words_of(name)) > _OWN_WORDS
    is_label = is_label and (value[:1].isupper() or "pass" not in squeezed or is_long)
    is_mode = last == "auth" and value.lower() in BENIGN_WORDS
    # Of a request in a browser.
    is_mode = is_mode or (last == "credential" and value.lower() in _FETCH_MODES)
    is_file = squeezed in _FILE_NAMES or last in _PATH_ENDS
    is_path = is_file and _PATH.fullmatch(value) is not None
    is_path = is_path or _KEY_FILE.fullmatch(value) is not None
    # `secrets: 3`, `pass: 12`.
    is_several = squeezed == "pass" or name[-1:] in "sS"
    is_count = is_several and _SMALL_NUMBER.fullmatch(value) is not None
    is_count = is_count or (
        "tokens" in squeezed and _COUNTED.fullmatch(value) is not None
    )
    if is_form or is_label or is_mode or is_path or is_count or is_said_of(value):
        return True
    return (last == "cookie" or squeezed == "tokens") and _is_count_or_words(value)


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
    if _LABEL.fullmatch(value) is not None:
        is_glued = value.isalpha() and value.lower().startswith(_GLUED_LABELS)
        return is_glued or is_sensitive(value.strip(" .:*?\u2026"))
    if _MESSAGE.match(value) is None:
        return False
    words = value.split()
    return len(words) > 2 and all(_PROSE_WORD.fullmatch(word) for word in words)


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
        is_short = not depth and len(item) <= _ITEMS
        return is_read or (
            is_short and all(is_benign_item(name, part, 1) for part in item)
        )
    return kind is dict and (_is_schema(item) or _is_descriptive(name, item))


def _is_piece(item: Any) -> bool:
    """Tell the description of a token of a language."""
    return type(item) is dict and is_piece_of_text("token", list(item)[:_ITEMS])


def _is_schema(item: dict[Any, Any]) -> bool:
    """Tell a JSON schema from a structure that holds secrets."""
    try:
        pairs = list(islice(item.items(), _ITEMS))
    except RuntimeError:
        return False
    # Keys of other types are not looked at: comparing could run their code.
    if any(type(key) is not str or key not in _SCHEMA_KEYS for key, _ in pairs):
        return False
    found = dict(pairs)
    kind = found.get("type")
    if type(kind) is list and kind:
        kind = kind[0]
    if type(kind) is str:
        return kind in _SCHEMA_TYPES
    return not found or any(key in found for key in _SCHEMA_REFS)


def is_setting(value: str) -> bool:
    """Tell a word, a number and a duration from a secret."""
    return is_name_like(value) or any(
        form.fullmatch(value) for form in (_DURATION, _ALGORITHM)
    )


def _is_descriptive(name: str, item: dict[Any, Any]) -> bool:
    """Tell counts, modes and colours from a structure that holds secrets."""
    try:
        pairs = list(islice(item.items(), _ITEMS))
    except RuntimeError:
        return False
    return bool(pairs) and all(
        type(key) is str and _is_descriptive_leaf(name, key, value)
        for key, value in pairs
    )


def _is_descriptive_leaf(name: str, key: str, value: Any) -> bool:
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is int or kind is float:
        return "tokens" in squeeze(name) or is_about(key) or -_SMALL < value < _SMALL
    if kind is not str:
        return False
    is_mode = last_word(key) in _MODES and value.isalnum() and len(value) <= _MODE_CHARS
    is_said = is_setting(value) or (value[-1:] in (".", "?", "!") and is_prose(value))
    is_mode = is_mode or (is_about(key) and is_said)
    return is_mode or _COLOUR.fullmatch(value) is not None


def is_piece_of_text(name: str, keys: Iterable[Any]) -> bool:
    """Tell a token of a language, from what stands beside it, from one of a server."""
    return squeeze(name) in ("token", "tokenstr") and any(
        type(key) is str and _OF_PIECE.fullmatch(key) is not None for key in keys
    )


def is_own_name(name: str, value: str) -> bool:
    """Tell a variable that is handed on under its own name."""
    # Nearly all values end otherwise, and this is asked for each of them.
    if name[-1:].lower() not in value[-3:].lower():
        return False
    return squeeze(value) == squeeze(name) or (
        words_of(value.rpartition(".")[2]) == words_of(name.rpartition(".")[2])
    )
