"""Tell the description of a field, a JSON schema, from a value of it."""

import re
from itertools import islice
from typing import Any, Final

__all__ = ("is_schema", "is_schema_text")

_ITEMS: Final = 64
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


def is_schema_text(text: str, start: int, end: int) -> bool:
    """Tell the description of a field, in braces, from its value."""
    if end - start > _SCHEMA_CHARS or _SCHEMA_TYPE.search(text, start, end) is None:
        return False
    # Only the outermost keys count; those of the properties are fields again.
    inner = text.find("properties", start, end)
    keys = _SCHEMA_KEY.findall(text, start, end if inner < 0 else inner)
    return all(key in _SCHEMA_KEYS for key in keys)


def is_schema(item: dict[Any, Any]) -> bool:
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
