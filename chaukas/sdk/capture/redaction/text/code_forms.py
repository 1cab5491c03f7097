"""
List the places of secrets in statements, calls and what databases and shells answer.

They have no name beside the value, or one that means something else elsewhere:
``IDENTIFIED BY '…'``, ``jwt.sign(payload, '…')``, ``.login("user", "…")``.
"""

import re
from typing import Final

from .forms import Form

__all__ = ("CODE_FORMS",)

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
                r"(?=\s{0,4}(?:;|\Z|default |account |profile |quota ))"
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
            r"password\(\s{0,4}\\*[\"'](?P<secret>[^\"'\n\\]+)(?<![:?. ])[\"'\\]"
        ),
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
            r"\\*\"(?P<secret>[^\s\"\\]+)"
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
        for needle in ("create_superuser(", "create_user(", "andpassword(")
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
