"""
List the places of secrets in statements, calls and what databases and shells answer.

They have no name beside the value, or one that means something else elsewhere:
``IDENTIFIED BY '…'``, ``jwt.sign(payload, '…')``, ``.login("user", "…")``.
"""

import re
from typing import Final

from .form import Form

__all__ = ("CODE_FORMS",)

_COOKIE_SETTINGS: Final = ("path", "domain", "expires", "max-age", "samesite")
# Not what a server says of a cookie, nor what everybody may know of a visitor.
_COOKIE_NAME: Final = (
    r"(?<![\w.\-%])(?!(?:path|domain|expires|max-age|samesite|priority|version|comment"
    r"|theme|lang|language|locale|mode|consent|currency|tz|timezone|country|charset"
    r"|boundary|cookieconsent\w{0,12}|[\w\-]{0,24}(?:lang|locale|theme|consent|mode)|q)=)"
    r"[\w.\-%]{1,64}"
)

_SAYING: Final = (
    *("is", "was", "ist", "lautet", "est", "es", "\u00e9", "now", "be"),
    *("set to", "reset to", "changed to"),
)
# One word, but for those that say how a password is.
_SAID: Final = (
    r"(?!(?:weak|strong|required|invalid|expired|wrong|incorrect|password|none|null"
    r"|empty|missing|changed|reset|correct|valid|hidden|set|short|long|secret|token|ok"
    r"|true|false|too|not|no|must)\b)[ ]?"
    r"(?P<secret>[^\"\u201c\u201d\u00ab\u00bb\s]{4,64})[ ]?[\"\u201c\u201d\u00bb]"
)

CODE_FORMS: Final[tuple[Form, ...]] = (
    *(
        Form(
            "identified",
            re.compile(
                r"identified(?: with [\w'\"]{1,40})?\s{1,8}(?:by|as)\s{1,8}"
                r"(?:password\s{1,8}|values\s{1,8})?" + value
            ),
            head=re.compile(
                r"(?:\b(?:user|role|alter|create|grant|connect)\b[^;]{0,150}"
                r"|(?:^|[\n;])\s{0,8})\Z"
            ),
        )
        for value in (
            r"\\*[\"'](?P<secret>[^\s\"'\\;]+)",
            # Without quotes, a word of a sentence may stand there too.
            r"(?P<secret>(?=[^\s\d\"'`;]{0,64}[0-9])[^\s\"'`;]+)",
            (
                r"(?P<secret>[^\s\"'`;]+)"
                r"(?=\s{0,4}(?:;|\Z|default |account |profile |quota |using "
                r"|temporary ))"
            ),
        )
    ),
    Form(
        "password",
        re.compile(
            r"password\s{1,8}(?:for [^\n=]{1,80}=\s{0,4})?"
            r"\\*'(?P<secret>(?:[^'\n\\]|'')+)\\*'(?!\s*(?:is|was|must|has|does|cannot|for)\b)"
        ),
    ),
    Form(
        "password(",
        re.compile(
            r"(?:(?<!\w)|set_?|change_?|old_|encrypt_?)"
            r"password\(\s{0,4}\\*[\"'](?!(?:please[ _]|re-?)?(?:enter|type|choose"
            r"|confirm|provide|repeat)[ _])"
            r"(?P<secret>[^\"'\n\\]+)(?<![:?. ])[\"'\\]"
        ),
        # The first argument names a service.
        re.compile(r"keyring\.$"),
    ),
    Form(
        "jdbc:oracle:",
        re.compile(
            r"jdbc:oracle:\w{1,8}:[^\s/@:\"']{1,64}/(?P<secret>[^\s@\"']{1,80})@"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                r"(?<![\w/])[\w.\-]{1,64}:(?P<secret>[^\s\"'/:]{1,128})"
                + re.escape(needle)
            ),
        )
        for needle in ("@tcp(", "@unix(", "@cloudsql(")
    ),
    Form(
        "#define",
        re.compile(
            r"#define[ \t]+\w{0,40}(?:key|token|secret|passw(?:or)?d|pwd|pass)[ \t]+"
            r"\\*\"(?!(?:token|secret|key|password|passphrase|pin|auth)\")"
            r"(?P<secret>[^\s\"\\]+)"
        ),
    ),
    Form("secret", re.compile(r"[(,]\s{0,8}secret\s{1,8}'(?P<secret>[^'\n]+)'")),
    Form(
        "auth",
        re.compile(
            r"(?:basic_?auth|auth ?= ?)\(\s{0,8}\\*[\"'][^\"'\n]{1,128}[\"']\s{0,8},"
            r"\s{0,8}\\*[\"'](?P<secret>[^\"'\n\\]+)"
        ),
    ),
    Form(
        "credential",
        re.compile(
            r"credentials?\w{0,20}\(\s{0,8}\\*[\"'][^\"'\n]{1,128}[\"']\s{0,8},"
            r"\s{0,8}\\*[\"'](?P<secret>[^\"'\n\\]+)"
        ),
    ),
    Form(
        ".login(",
        re.compile(
            r"\.login\(\s{0,8}\\*[\"'](?P<secret>(?=[^\s\d]{0,64}[0-9])"
            r"[^\s\"'\\]{8,256})\\*[\"']\s{0,8}\)"
        ),
    ),
    # The row that a database has refused, and the value that a check has.
    Form(
        ")=(",
        re.compile(
            r"\([^()\n]{0,80}(?:pass|token|secret|api_?key|credential)[^()\n]{0,80}\)=\("
            r"(?P<secret>[^\n]{1,400}?)\)(?= |\.|\n|$)"
        ),
    ),
    Form(
        "input_value=",
        re.compile(
            r"input_value=\\*[\"'](?P<secret>[^\"'\n]{1,256})\\*[\"'][^\n]{0,80}\bloc=\("
            r"[^()\n]{0,80}(?:pass|token|secret|api_?key|credential)"
        ),
    ),
    Form(
        "bearer ",
        re.compile(r"bearer \\*[\"']\s{0,4}\+\s{0,4}\\*[\"'](?P<secret>[^\"'\n\\]+)"),
    ),
    Form(
        "=>",
        re.compile(
            r"\[\\*\"?\w{0,40}(?:passw(?:or)?d|secret|token|api_?key)\\*\"?\]"
            r"\s{0,4}=>\s{1,16}(?:string\([0-9]{1,6}\) \\*\")?"
            r"(?=[^\s\d\"]{0,64}[0-9])(?P<secret>[^\s\"(\[$\\]+)"
        ),
    ),
    # An array of PHP that was printed: a line for each entry.
    Form(
        "] => ",
        re.compile(
            r"(?:\A|\n|\\n)[ \t]{0,64}\[[\w.\-]{0,40}(?:pass|passw(?:or)?d|pwd|pw"
            r"|passwort|passphrase|secret|token|(?:api|private|secret|access|auth)_?key|credentials?)"
            r"(?::\w{1,40}){0,2}(?::protected|:private)?\] => "
            r"(?!array\b|[\w\\]{1,80} object|object\b|null\b|true\b|false\b|\()"
            r"(?P<secret>(?:[^\r\n\\]|\\(?!n))+)"
        ),
    ),
    # `"Jwt:Key"` of .NET, and the keys of a machine.
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"\s{0,4}:\s{0,4}\\*\"(?P<secret>[^\"\n\\]{6,512})\\*\""
            ),
            head=re.compile(
                r"\\*\"(?:\w{1,32}:){0,3}(?:jwt\w{0,16}|token\w{0,16}|encryption|signing"
                r"|aes|api|hmac|auth|authentication|sendgrid|stripe|openai|storage"
                r"|azure):(?:\w{0,24})\Z"
            ),
        )
        for needle in ('key"', 'key\\"')
    ),
    Form(
        "validationkey",
        re.compile(r"validationkey ?= ?\\*[\"'](?P<secret>[0-9a-f]{24,512})"),
    ),
    Form(
        "pepper",
        re.compile(
            r"pepper\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']"
            r"(?P<secret>(?=[^\"'\n]{0,64}[0-9])[^\s\"'\\]{12,256})"
        ),
    ),
    Form(
        "auth(",
        re.compile(
            r"\b(?:red|redis|rdb|cache|r|conn|client)[.:]auth\(\s{0,4}"
            r"[\"'](?P<secret>[^\s\"']{4,256})[\"']\s{0,4}\)"
        ),
    ),
    # A user and a password among the names and values of one call.
    *(
        Form(
            needle,
            re.compile(
                r"[\"']-?(?:user|username|userid|login|email)[\"'],\s{0,4}"
                r"[\"'][^\"'\n]{1,128}[\"'],\s{0,4}"
                r"[\"']-?pass(?:word|wd)?[\"'],\s{0,4}[\"'](?P<secret>[^\"'\n]{1,256})[\"']"
            ),
        )
        for needle in ("username'", 'username"', "user'", 'user"', "login'", 'login"')
    ),
    Form(
        "rsakeyvalue",
        re.compile(r"<(?:p|q|dp|dq|inverseq|d)>(?P<secret>[^<]{4,4000})</"),
    ),
    Form(
        "credential",
        re.compile(
            r"credentials?[ :]{1,2}[\"'`(]?[\w.@\-]{1,64}:(?!//)"
            r"(?P<secret>(?=[^\s\"'`):/]{0,64}[0-9])[^\s\"'`):/]{4,})"
        ),
    ),
    Form(
        "and password",
        re.compile(
            r"[`\"'](?P<secret>[^`\"'\s]{1,128})[`\"'] as (?:the )?user"
            r"(?: ?name)? and password"
        ),
    ),
    Form(
        "-[ record",
        re.compile(
            r"\n\w{0,40}(?:passw\w{0,4}|pwd|token|secret|api_?key)\s{0,40}"
            r"\|[ ]?(?P<secret>[^\n|]+)"
        ),
    ),
    Form(
        "define(",
        re.compile(
            r"define\(\w{0,40}(?:pass\w{0,5}|token|secret|api_?key),\s{0,8}\"(?P<secret>[^\"\n]+)"
        ),
    ),
    # What a shell of a language answers.
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle) + r"[^\n]{0,120}?"
                r"(?:passw\w{0,4}|pwd|token|secret|secret_key\w{0,5}|api_?key)"
                r"[\])'\"]{0,3}[ ]?\r?\n"
                r"(?:=> )?[\"'](?P<secret>[^\"'\n\\]+)[\"']"
            ),
        )
        for needle in (">>> ", "\n> ", "irb", "(pdb)", "in [")
    ),
    # `encryption: key: "x1…"`, in YAML, TOML, INI and JSON.
    Form(
        "key",
        re.compile(
            r"key\\*[\"']?[ \t]{0,4}[:=][ \t]{0,4}(?:\\*[\"'])?"
            r"(?P<secret>(?=[^\s\"']{0,64}[0-9])[a-z0-9+/_\-=.]{16,})(?=\\*[\"',}\s]|$)"
        ),
        head=re.compile(
            r"(?<![\w\-])(?:api|app|auth|encryption|crypto|cipher|signing|jwt|session|license"
            r"|aes|hmac|webhook|account|access|secret|private|master|maps)"
            r"(?:\]|\\*[\"']?[ \t]{0,4}[:=])(?:[ \t]{0,4}\{)?\s{0,16}"
            r"(?:[\w\-\"'\\]{1,40}[ \t]{0,4}[:=][^\n,{}\[\]]{0,60}[,\n]\s{0,16}){0,3}"
            r"\\*[\"']?\Z"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"\s{0,8}(?:\\*[\"'][^\"'\n]{1,128}[\"']\s{0,8},\s{0,8}){1,2}"
                r"\\*[\"'](?P<secret>[^\"'\n\\]+)\\*[\"']\s{0,8}\)"
            ),
        )
        for needle in (
            *("create_superuser(", "create_user(", "andpassword("),
            "keyring.set_password(",
        )
    ),
    Form("crypt(", re.compile(r"\bcrypt\(\s{0,4}'(?P<secret>[^'\n]+)',")),
    # Calls that sign, encrypt and log in.
    Form(
        "jwt.",
        re.compile(
            r"jwt\.(?:sign|verify|encode|decode)\([^\n]{1,200}?[)}\w\]]\s{0,4},\s{0,4}b?"
            r"[\"'](?!(?:hs|rs|es|ps)[0-9]{3}|eddsa|none)(?P<secret>[^\"'\n]+)[\"']\s{0,4}[,)]"
        ),
    ),
    Form(
        "hmac",
        re.compile(
            r"(?:hmac\.new\(\s{0,4}|createhmac\([^,\n()]{1,40},\s{0,4}"
            r"|hash_hmac\([^,\n]{1,40},[^,\n]{1,80},\s{0,4})b?[\"'](?P<secret>[^\"'\n]+)"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                r"(?:fernet\(|aes\.new\(|secretkeyspec\(|createcipheriv\([^,\n]{1,40},\s{0,4})"
                r"\s{0,4}b?[\"'](?P<secret>[^\"'\n]{8,})[\"']"
            ),
        )
        for needle in ("fernet(", "aes.new(", "secretkeyspec(", "cipheriv(")
    ),
    *(
        Form(
            needle,
            re.compile(
                rf"{re.escape(needle)}\s{{0,8}}\\*[\"'][^\"'\n\\]{{1,128}}\\*[\"']\s{{0,8}},\s{{0,8}}"
                r"\\*[\"'](?P<secret>[^\"'\s\\]+)\\*[\"']"
            ),
        )
        for needle in (
            *(".login(", ".authenticate(", ".set_access_token(", "set_credentials("),
            *(
                ".auth(",
                ".basic(",
                "oracle.connect(",
                "oracledb.connect(",
                "setauth(",
                "setcredentials(",
                "sign_in(",
                "signin(",
            ),
        )
    ),
    Form(
        "return",
        re.compile(r"return [\"'](?P<secret>(?=[^\"'\n]{0,80}[0-9])[^\"'\n]+)"),
        head=re.compile(
            r"(?:password|token|secret|api_?key)\w{0,10}\([^()\n]{0,40}\)[^\n]{0,30}?[:{]"
            r"\s{0,40}\Z"
        ),
    ),
    Form(
        "pragma",
        re.compile(r"pragma (?:hex)?(?:re)?key ?= ?\\*[\"']?(?P<secret>[^\"'\s;\\]+)"),
    ),
    Form(
        "security_credentials",
        re.compile(r"security_credentials, ?\\*\"(?P<secret>[^\"\n\\]+)"),
    ),
    Form(
        "plainauth(",
        re.compile(
            r"plainauth\((?:\s{0,8}[^,\n]{0,80},){2}\s{0,8}\"(?P<secret>[^\"\n\\]+)"
        ),
    ),
    Form(
        "basic_auth ",
        re.compile(
            r"basic_auth [\"'][^\"'\n]{1,128}[\"'],\s{0,4}[\"'](?P<secret>[^\"'\n]+)"
        ),
    ),
    Form(
        "password(",
        re.compile(
            r"password\(\s{0,4}\\*[\"'][^\"'\n]{1,128}[\"'],\s{0,4}\\*[\"']"
            r"(?P<secret>[^\"'\n\\]+)"
        ),
        head=re.compile(r"(?:set|change|reset|update|alter)_?(?:user_?)?\Z"),
    ),
    # What stands in for a variable that is not set.
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"[^\s,;]{0,40}(?:passw(?:or)?d|pwd|secret|token|api_?key)"
                r"\w{0,12}[\"')\]]{0,3} {0,2}(?:\|\||\?\?|\?:|or) {0,2}"
                r"[\"'](?=[^\"'\n]{0,64}[^\"'\na-z])(?P<secret>[^\"'\n]{4,128})[\"']"
            ),
        )
        for needle in ("process.env", "meta.env", "env[", "environ", "getenv(")
    ),
    # What is said in quotes: `the password is "sunflower"`.
    *(
        Form(
            needle,
            re.compile(re.escape(needle) + _SAID),
            head=re.compile(
                r"(?<![\w.])(?:pass(?:wor[dt]|phrase|code)|mot de passe"
                r"|contrase\u00f1a|senha|wachtwoord|kennwort)(?: [^\W\d_]{2,12}){0,5}"
                + verb
                + r"\Z"
            ),
        )
        for needle, verb in (
            *((f' {verb} "', "") for verb in ("is", "was", "ist", "est", "es")),
            (' to "', " (?:(?:re)?set|changed)"),
            *(
                (quote, f" (?:{'|'.join(_SAYING)}):? ")
                for quote in "\u201c\u201e\u00ab"
            ),
        )
    ),
    *(
        Form(
            needle,
            re.compile(re.escape(needle) + r"(?P<secret>[^\"'\n]+)"),
            head=re.compile(
                r"(?:fills?|filled|enters?) in \\*[\"'][^\"'\n]{0,40}"
                r"(?:passw|secret|token|api.key)[^\"'\n]{0,40}\Z"
            ),
        )
        for needle in ('" with "', "' with '", "\" with '")
    ),
    Form(
        "cookieparser(",
        re.compile(r"cookieparser\(\s{0,8}\[?\s{0,8}[\"'](?P<secret>[^\"'\n]+)"),
    ),
    # What ABAP and COBOL declare.
    Form(
        " value ",
        re.compile(r" value [\"'](?P<secret>[^\"'\n]+)"),
        head=re.compile(
            r"(?:passw(?:or)?d|pwd|passphrase|secret|token|api[\-_]?key)[\w\-]{0,20}"
            r"\s{1,16}(?:type|pic|like)\s{1,4}[^\n\"']{1,60}\Z"
        ),
    ),
    # Variables of Lisp.
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"\w{0,12}\+?\s{1,8}(?:\^\S{1,20} )?[*+]?[\w\-]{0,40}"
                r"(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|secret|private)-key)"
                r"[*+]?\s{1,16}\"(?P<secret>[^\"\n\\]+)\""
            ),
        )
        for needle in ("(setf", "(setq", "(def")
    ),
    # What a template takes if there is none: `{{ password | default("x1…") }}`.
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"[ (]\s{0,4}\\*[\"'](?P<secret>[^\"'\n\\]+)\\*[\"']"
            ),
            head=re.compile(
                r"\{\{[^{}\n]{0,120}(?<!existing)(?<!existing_)(?:passw(?:or)?d"
                r"|passphrase|pwd|secret|token|(?:api|secret|private)_?key)"
                r"[\"')\]]{0,3}\s{0,4}\Z"
            ),
        )
        for needle in ("| default", "|default")
    ),
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle) + r"(?!none|null|true|false|required)"
                r"(?P<secret>[^\s\"\\]{4,64})\\*\""
            ),
            head=re.compile(
                r"\b(?:try|tries|tried|trying|using|used|with) (?:the |a )?\Z"
            ),
        )
        for needle in ('password "', 'passphrase "', 'passwd "', 'password \\"')
    ),
    Form(
        "userpwd",
        re.compile(r"userpwd, ?[\"'][^\"':\n]{0,64}:(?P<secret>[^\"'\n]+)"),
    ),
    Form(
        "/pass",
        re.compile(
            r"user(?:name)?/pass(?:word)?(?: is|:| =) ?[^\s/]{1,64}/(?P<secret>\S+)"
        ),
    ),
    # The third argument of what opens a database, the second after a user.
    *(
        Form(
            needle,
            re.compile(
                r"(?:getconnection|new pdo|dbi->connect|mysqli|mysqli_connect|"
                r"mysql_connect"
                r"|oci_connect|clientsecretcredential|usernamepasswordcredential)\("
                r"\s{0,8}[^,\n()]{1,200},\s{0,8}[^,\n()]{1,128},\s{0,8}"
                r"\\*[\"'](?P<secret>[^\"'\n\\]+)"
            ),
        )
        for needle in ("connect", "pdo(", "mysqli(", "credential(")
    ),
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle) + r"\s{0,8}\\*[\"']"
                r"(?P<secret>(?=[^\"'\n\d]{0,64}[0-9])[^\"'\n\\]+)"
            ),
            head=re.compile(
                r"(?:client|twilio|login|connect\w{0,12}|auth\w{0,12}|\bnew|session)\(\s{0,8}"
                r"[\w.]{0,40}\Z"
            ),
        )
        for needle in ("sid,", "user,", "username,", "email,", "login,", "_id,")
    ),
    Form(
        "sp_addlogin",
        re.compile(
            r"sp_addlogin n?'[^'\n]{1,128}'\s{0,4},\s{0,4}n?'(?P<secret>[^'\n]+)"
        ),
    ),
    Form(
        ".tochararray()",
        re.compile(r"\"(?P<secret>[^\"\n\\]{1,128})\\*\"\.tochararray\(\)"),
    ),
    # Cookies: of a page, and with what a server says of them behind it.
    Form(
        "document.cookie",
        re.compile(
            rf"{_COOKIE_NAME}=(?P<secret>[^\s;\"'`,=]{{6,}}={{0,2}})(?=;|\\*[\"'`]|\s|\Z)"
        ),
        head=re.compile(
            r"document\.cookie[)\"'`\];]{0,4}\s{0,8}(?:=>|[=:<>]|<-)?\s{0,8}\\*[\"'`]?"
            r"(?:[^\s;\"'`=]{1,64}=[^;\"'`\n]{0,120}; ?){0,8}\Z"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                rf"{_COOKIE_NAME}=(?!(?:deleted|removed|expired);)"
                r"(?P<secret>[^\s;\"'`,{}$<=]{6,}={0,2})"
                rf";[ ]?{attribute}"
            ),
        )
        for needle, attribute in (
            *(("; " + name + "=", name + "=") for name in _COOKIE_SETTINGS),
            *((name, name + r"\b") for name in ("httponly", "secure", "partitioned")),
        )
    ),
    # What a program answers that was asked for a name.
    Form(
        ') "',
        re.compile(
            r"[0-9]\) \\*\"[\w.:\-]{0,40}(?:pass\w{0,8}|pwd|token|secret|a"
            r"pi_?key)\\*\"\s{1,16}"
            r"[0-9]{1,4}\) \\*\"(?P<secret>[^\"\n\\]+)"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                r"(?:passw\w{0,4}|pwd|token|secret|secret_key\w{0,5}|api_?key)"
                r"[\])'\"]{0,3}[ ]?\r?\n"
                r"(?:out\[[0-9]{1,5}\]: |[$][0-9]{1,4} = (?:0x[0-9a-f]+ )?)"
                r"\\*[\"'](?P<secret>[^\"'\n\\]+)"
            ),
        )
        for needle in ("out[", "$")
    ),
)
"""Where secrets stand in code and statements."""
