"""
Translate the words of other languages that stand in the names of secrets.

Only the names: what a word of a language means here is the English word that
`_redact_names` decides by.
"""

# The words are what they are: letters that look like Latin ones belong there.
import re
from typing import Final

__all__ = (
    "FOREIGN_AROUND",
    "FOREIGN_FORMS",
    "count_foreign",
    "has_foreign_word",
    "in_english",
)

# By themselves, or between separators: other words may hold the same letters.
_WORDS: Final = {
    "password": (
        "senha heslo haslo hasło parola salasana lozinka adgangskode passord"
        " contrasenya contrasinal pasahitza paswoord kodeord losenord lykilord"
        " lykilorð parool salasona salasõna slaptazodis zaporka geslo mdp nenosiri"
        " fjalekalim fjalekalimi fjalëkalim fjalëkalimi kata_laluan лозинка парола"
        " sifre şifre şifreniz sifreniz şifresi sifresi parolan\u0131z parolaniz"
        " parolas\u0131 salasanasi jelszava hasła hasłem hesla jelszo jelszó"
        " mật_khẩu mat_khau kata_sandi palavra_passe"
        " contraseña contrasena contrasenya clave_de_acceso parolă slaptažodis"
    ),
    "token": "jeton",
    "pin": (
        "pincode pinkode pinkod pinkodu pinkoodi geheimzahl пин_код"
        " pin码 핀번호 핀_번호"
    ),
    "secret": (
        "geheimnis segreto segredo secreto secreta segreta secrète geheimer"
        " geheimen hemlig tajny gizli секретный"
    ),
    "private": "privée privada privata prywatny приватный закрытый",
    "access": "accès acceso acesso accesso dostępu erişim",
    "key": (
        "clave chiave chave clé llave klucz nyckel nøgle nøkkel avain kulcs klíč"
        " anahtar\u0131 anahtari khóa"
    ),
    "tan": "mtan smstan pushtan chiptan phototan itan",
}
# Also as a part of a longer word.
_PARTS: Final = {
    "password": (
        "wachtwoord lösenord losenord пароль κωδικός κωδικος 密码 密碼 口令 パスワード"
        " 暗証番号 비밀번호 암호 סיסמה סיסמא رمز_عبور كلمة_المرور كلمة_السر گذرواژه"
        " รหัสผ่าน पासवर्ड পাসওয়ার্ড συνθηματικό συνθηματικο"
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
    "api_key": (
        "接口密钥 接口密鑰 应用密钥 应用密鑰 應用密鑰 访问密钥 訪問密鑰 私钥 私鑰"
        " api密钥 api密鑰 api_密钥 api_密鑰 アクセスキー シークレットキー 秘密鍵"
        " 액세스_키 비밀_키 api키 api_키"
    ),
    "sms_code": (
        "code_sms código_sms codigo_sms codice_sms kod_sms смс-код код_из_смс"
        " engangskode engångskod 短信验证码 短信驗證碼"
    ),
    "security_code": (
        "code_de_sécurité code_de_securite código_de_seguridad"
        " codigo_de_seguridad código_de_segurança codigo_de_seguranca"
        " codice_di_sicurezza sicherheitscode prüfnummer beveiligingscode"
        " код_безопасности kod_bezpieczeństwa güvenlik_kodu säkerhetskod"
        " 安全码 セキュリティコード 보안_코드"
    ),
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
                meanings[re.sub("[ _-]", "", word)] = english
                form = _form(word)
                forms.append(form if is_part else rf"(?<![^\W\d_]){form}(?![^\W\d_])")
    forms.sort(key=len, reverse=True)
    return re.compile("|".join(forms)), meanings


_PATTERN, _MEANINGS = _table()


def _any_root() -> re.Pattern[str]:
    """Return what any plain word begins with, by its first letter, for speed."""
    rests: dict[str, set[str]] = {}
    for row in (*_WORDS.values(), *_PARTS.values()):
        for word in filter(str.isascii, row.split()):
            root = word.partition("_")[0]
            rests.setdefault(root[0], set()).add(root[1:])
    known = (f"{letter}(?:{'|'.join(sorted(row))})" for letter, row in rests.items())
    return re.compile("|".join(known))


_HAS_ROOT: Final = _any_root().search

# What a text is searched for. The key needs its owner before it.
_ASCII: Final = (
    "senha heslo parola salasana adgangskode wachtwoord clave kennwort haslo lozinka"
    " contrasinal pasahitza paswoord kodeord losenord lykilord parool salasona sifre"
    " slaptazodis zaporka geslo nenosiri fjalekalim jelszo geheimzahl pincode pinkod"
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
    " סיסמ رمز كلمة گذرو รหัส पासव পাসও συνθημ лозинк пин"
    " salasõn lykilorð fjalëk hasł şifr jelszó mật contraseñ clé slaptaž lösen"
    " schlüss parolă código codigo vérif verif bestätigungs codic"
    "e подтвержд восстановл 验证码 驗證碼 認証コ 인증 恢复代 復旧コ 복구"
    " accès secrète privée секретн приватн закрыт nøgle nøkkel klíč anahtar\u0131 khóa"
    " 私钥 私鑰 핀 アクセス シークレ 秘密鍵 액세스 смс код engångs sécurité prüfnummer"
    " безопасн bezpieczeń güvenlik säkerhets 安全码 セキュリ 보안 短信 segurança"
).split()
# Whose a key is, or what it is for, in words that stand behind it.
_OF_KEY: Final = (
    "(?:api|acc[eè]s(?:so)?|aces+o|acceso|secr[eè]t[ae]|segreta|priv(?:ée|ata|ada)"
    "|доступ|dost[eę]pu|prywatny|tajny|bí mật|truy cập)"
)
_API_KEYS: Final = "nyckel nøgle nøkkel avain kulcs klíč klucz 키 密钥 密鑰".split()
FOREIGN_FORMS: Final = (
    ("kata", "kata[ _-]?(?:sandi|laluan)"),
    ("khau", "mat[ _-]?khau"),
    ("d'ordine", "parola d'ordine"),
    ("mdp", "(?<![a-z])mdp(?![a-z])"),
    ("palavra", "palavra[ _-]passe"),
    *(
        (word, rf"{word}(?: d[aeiou]l?(?:la)?)? ?(?:d['\u2019])?{_OF_KEY}(?![a-z])")
        for word in ("clé", "chiave", "chave", "ключ", "llave", "klucz", "khóa")
    ),
    ("verific", "cod(?:e|igo|ice) d[ei] verific(?:ation|acion|a)"),
    ("recuper", "cod(?:e|igo|ice) d[ei] recuper(?:ation|acion|o)"),
    ("wiederher", "wiederherstellungscode"),
    # With what it is for: `Jeton d'accès`.
    (
        "jeton",
        "jeton(?: (?:d['\u2019][a-zéèî]{3,16}|de [a-zéèî]{4,16}|secret))?(?![a-z])",
    ),
    *((word, rf"api[ \-]?{word}") for word in _API_KEYS),
    ("anahtar", "(?:eri[\u015fs]im|gizli|api) anahtar[\u0131i]"),
    ("schl", "geheime[rn] schl(?:ü|ue)ssel"),
    ("ключ", "(?:секретный|приватный|закрытый) ключ"),
    (
        "tan",
        r"(?<![a-z])(?:m|sms|push|chip|photo|i)?-?tan(?:-?(?:code|nummer))?(?![a-z.(])",
    ),
    ("puk", r"(?<![a-z])puk[12]?(?:-?code)?(?![a-z])"),
    ("sms", r"(?:(?:code|codigo|codice|kod) sms|sms[ \-](?:code|kod))(?![a-z])"),
    ("engangskode", "engangskode"),
    ("card verif", "card verification (?:code|value|number)"),
    ("securit", "code de securite"),
    ("segur", "codigo de seguran?[cd]a?(?:ad)?"),
    ("sicure", "codice di sicurezza"),
    ("sicherheitsc", "sicherheitscode"),
    ("beveiliging", "beveiligingscode"),
    *((word, rf"(?<![a-z])(?<!palabra ){word}") for word in _ASCII),
    *((word, re.escape(word)) for word in _OTHERS),
)
"""Where a name may stand: a text that is near it, and the form of the word."""


FOREIGN_AROUND: Final = {
    "c": r"ontrasi|htwoord(?<=wachtwoord)",
    "j": "eton|alekalim",
    "k": (
        "od(?:eord|e(?<=adgangskode)|(?<=engangskod))|lucz|hau|ennwort"
        "|ilord(?<=lykilord)"
    ),
    "m": "dp",
    "n": "ord(?<=losenord)|osiri(?<=nenosiri)|ha(?<=senha)|ahtar(?<=anahtar)",
    "p": (
        r"a(?:rola|rool|swoord)|inkod|i(?<=api)[ \-]?(?:nyckel|avain|kulcs)"
        r"|uk(?<![a-z]puk)(?![abd-z])"
    ),
    "s": "alas|ifre|lo(?:(?<=h[ae]slo)|(?<=geslo))",
    "z": (
        "aporka|inka(?<=lozinka)|o(?<=jelszo)|odis(?<=slaptazodis)"
        "|a(?<=pasahitza)|ahl(?<=geheimzahl)"
    ),
}
"""By a letter that each of the words holds, what stands around that letter."""


_HAS_KATA_OR_KOD: Final = re.compile("k(?:ata|od)").search
_HAS_TAN: Final = re.compile(
    r"tan(?![a-z.(])(?:(?<![a-bd-gj-lnoq-rt-z]tan)|(?<=phototan))"
).search


def has_foreign_word(low: str) -> bool:
    """
    Tell whether a text may hold a word that `FOREIGN_AROUND` does not find.

    Never misses one.

    Args:
        low: The text, or many joined, in lower case.

    """
    return (
        ("tan" in low and _HAS_TAN(low) is not None)
        or ("k" in low and _HAS_KATA_OR_KOD(low) is not None and _has_pair(low))
        or (not low.isascii() and any(map(low.__contains__, _BEGINNINGS)))
    )


def _has_pair(low: str) -> bool:
    """Look for two words that belong together."""
    return ("kata" in low and ("sandi" in low or "laluan" in low)) or (
        "sms" in low and "kod" in low
    )


def count_foreign(low: str) -> int:
    """Return at how many places of a text one of the words may stand."""
    return sum(map(low.count, _BEGINNINGS))


def in_english(name: str) -> str | None:
    """Return a name with the words of other languages in English; none without any."""
    low = _CAPITAL.sub(" ", name).lower()
    if low.strip(" _-:") == "clave":
        return "password"
    if low.isascii() and _HAS_ROOT(low) is None:
        # The pattern is tried at each letter; nearly all names are English.
        return None
    found = _PATTERN.sub(_meaning, low)
    return None if found == low else found


def _meaning(match: re.Match[str]) -> str:
    word = re.sub(r"[ _-]", "", match[0])
    return f" {_MEANINGS[word].replace('_', ' ')} "
