"""
Translate the words of other languages that stand in the names of secrets.

Only the names: what a word of a language means here is the English word that
`_redact_names` decides by.
"""

# The words are what they are: letters that look like Latin ones belong there.
import re
from typing import Final

__all__ = ("FOREIGN_FORMS", "count_foreign", "has_foreign_word", "in_english")

# By themselves, or between separators: other words may hold the same letters.
_WORDS: Final = {
    "password": (
        "senha heslo haslo hasło parola salasana lozinka adgangskode passord"
        " sifre şifre şifreniz sifreniz şifresi sifresi parolan\u0131z parolaniz"
        " parolas\u0131 salasanasi jelszava hasła hasłem hesla jelszo jelszó"
        " mật_khẩu mat_khau kata_sandi palavra_passe"
        " contraseña contrasena contrasenya clave_de_acceso parolă slaptažodis"
    ),
    "token": "jeton",
    "secret": "geheimnis segreto segredo secreto",
    "key": "clave chiave chave clé llave",
}
# Also as a part of a longer word.
_PARTS: Final = {
    "password": (
        "wachtwoord lösenord losenord пароль κωδικός κωδικος 密码 密碼 口令 パスワード"
        " 暗証番号 비밀번호 암호 סיסמה رمز_عبور كلمة_المرور รหัสผ่าน पासवर्ड"
    ),
    "token": "токен 令牌 トークン 토큰",
    "key": "schlüssel schluessel sleutel ключ 密钥 密鑰 キー",
    "verification_code": (
        "código_de_verificación codigo_de_verificacion code_de_vérification"
        " code_de_verification bestätigungscode codice_di_verifica код_подтверждения"
        " código_de_verificação 验证码 驗證碼 認証コード 인증번호 인증_번호"
    ),
    "recovery_code": (
        "code_de_récupération code_de_recuperation código_de_recuperación"
        " codigo_de_recuperacion código_de_recuperação codice_di_recupero"
        " wiederherstellungscode код_восстановления 恢复代码 復旧コード 복구_코드"
    ),
    "access": "zugangs zugriffs доступа",
}
_APART: Final = "[ _-]?"
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _form(word: str) -> str:
    return word.replace("_", _APART)


def _table() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return one pattern for all words, and what each means."""
    meanings: dict[str, str] = {}
    forms: list[str] = []
    for words, is_part in ((_WORDS, False), (_PARTS, True)):
        for english, row in words.items():
            for word in row.split():
                meanings[word.replace("_", "")] = english
                form = _form(word)
                forms.append(form if is_part else rf"(?<![^\W\d_]){form}(?![^\W\d_])")
    forms.sort(key=len, reverse=True)
    return re.compile("|".join(forms)), meanings


_PATTERN, _MEANINGS = _table()
_ROOTS: Final = tuple(
    {
        word.partition("_")[0]
        for row in (*_WORDS.values(), *_PARTS.values())
        for word in row.split()
        if word.isascii()
    }
)

# What a text is searched for. The key needs its owner before it.
_ASCII: Final = (
    "senha heslo parola salasana adgangskode wachtwoord clave kennwort"
).split()
_OTHERS: Final = tuple(
    word.replace("_", " ")
    for row in (*_WORDS.values(), *_PARTS.values())
    for word in row.split()
    if not word.isascii()
)
# One for each of them that is not written in plain Latin letters.
_BEGINNINGS: Final = (
    "парол токен ключ κωδικ 密 口令 令牌 パスワ トーク キー 暗証 비밀 암호 토큰 키"
    " סיסמה رمز كلمة รหัส पासव hasł şifr jelszó mật contraseñ clé slaptaž lösen"
    " schlüss parolă código codigo vérif verif bestätigungs codic"
    "e подтвержд восстановл 验证码 驗證碼 認証コ 인증 恢复代 復旧コ 복구"
).split()
FOREIGN_FORMS: Final = (
    ("kata sandi", "kata sandi"),
    ("palavra", "palavra[ _-]passe"),
    *(
        (word, rf"{word}(?: d[aeiou]l?(?:la)?)? ?(?:d['\u2019])?api(?![a-z])")
        for word in ("clé", "chiave", "chave", "ключ", "llave")
    ),
    ("verific", "cod(?:e|igo|ice) d[ei] verific(?:ation|acion|a)"),
    ("recuper", "cod(?:e|igo|ice) d[ei] recuper(?:ation|acion|o)"),
    ("wiederher", "wiederherstellungscode"),
    *((word, rf"(?<![a-z])(?<!palabra ){word}") for word in _ASCII),
    *((word, re.escape(word)) for word in _OTHERS),
)
"""Where a name may stand: a text that is near it, and the form of the word."""


def has_foreign_word(low: str) -> bool:
    """
    Tell whether a text may hold one of the longer words; never misses one.

    `_redact_pairs` looks for the shorter ones, with others that share a letter.

    Args:
        low: The text, or many joined, in lower case.

    """
    return (
        "salasana" in low
        or "wachtwoord" in low
        or "adgangskode" in low
        or "kennwort" in low
        or "kata sandi" in low
        or (not low.isascii() and any(map(low.__contains__, _BEGINNINGS)))
    )


def count_foreign(low: str) -> int:
    """Return at how many places of a text one of the words may stand."""
    return sum(map(low.count, _BEGINNINGS))


def in_english(name: str) -> str | None:
    """Return a name with the words of other languages in English; none without any."""
    low = _CAPITAL.sub(" ", name).lower()
    if low.strip(" _-:") == "clave":
        return "password"
    if low.isascii() and not any(map(low.__contains__, _ROOTS)):
        # The pattern is tried at each letter; nearly all names are English.
        return None
    found = _PATTERN.sub(_meaning, low)
    return None if found == low else found


def _meaning(match: re.Match[str]) -> str:
    word = re.sub(r"[ _-]", "", match[0])
    return f" {_MEANINGS[word].replace('_', ' ')} "
