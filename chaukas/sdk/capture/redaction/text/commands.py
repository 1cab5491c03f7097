"""
Find the secrets in commands, statements and files of well-known programs.

These have no name beside the value, or one that means something else elsewhere:
``mysql -p…``, ``IDENTIFIED BY '…'``, a line of ``.pgpass``, a key of PuTTY.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import PLACEHOLDER
from chaukas.sdk.capture.redaction.names import is_sensitive

__all__ = ("FORMS", "Form", "command_spans", "has_command_marker")

_MATCHES_LIMIT: Final = 300
_WINDOW_CHARS: Final = 400
_WINDOWS_LIMIT: Final = 48
_FORMS_PER_STEP: Final = 4

# Words of a command line stand apart by spaces, or as the items of a list.
_GAP = r"(?:[ \t]+(?:\\?\r?\n[ \t]*)?|\\*[\"'],\s{0,4}\\*[\"'])"
_WORD = r"(?:\\*[\"'])?(?P<secret>[^\s\"'|;&,\\]+)"
_APART: Final = rf"(?:{_GAP}|=)"
# Not a port, nor where a port leads.
_WORD_NO_PORT: Final = (
    r"(?:\\*[\"'])?(?![0-9]{1,5}(?:[:/\s\"']|$))"
    r"(?P<secret>[^\s\"'|;&,\\\-/.$<][^\s\"'|;&,\\]*)"
)
_VALUE_REST: Final = re.compile(r"[^\s\"'|;&]*")
_LINE_END: Final = re.compile(r"[\n|;]")


class Form(NamedTuple):
    """One place of a secret, known by the words around it."""

    needle: str
    """Lower-case text that any match contains."""
    regex: re.Pattern[str]
    """Searched in the lower-case text; each named group is a secret."""
    unless: re.Pattern[str] | None = None
    """What must not stand before it in the same line."""


_USER: Final = (
    rf"{_GAP}-{{1,2}}(?:u|user|proxy-user|a|auth){_APART}?(?:\\*[\"'])?"
    r"(?![0-9]+:[0-9]+(?:[\s\"']|$))[^\s:\"'/@=]{1,128}:(?!//)(?P<secret>[^\s\"'|;]+)"
)

COMMANDS: Final = tuple(
    (name, re.compile(option))
    for names, option in (
        (
            "mysql mysqldump mysqladmin mysqlimport mariadb mariadb-dump",
            rf"{_GAP}-p(?!ort|rot|lug){_WORD}",
        ),
        ("sshpass 7z 7za rar", rf"{_GAP}-p{_APART}?{_WORD}"),
        ("login", rf"{_GAP}(?:-p|--password){_APART}{_WORD}"),
        (
            (
                "twine mongo mongosh mongodump mongorestore cqlsh beeline sqlcmd bcp"
                " osql ipmitool zip unzip mosquitto_pub mosquitto_sub"
            ),
            rf"{_GAP}-p{_APART}{_WORD}",
        ),
        ("redis-cli valkey-cli", rf"{_GAP}-a{_APART}{_WORD}"),
        (
            "ldapsearch ldapadd ldapmodify ldapwhoami ldapdelete",
            rf"{_GAP}-w{_APART}?{_WORD}",
        ),
        (
            "snmpget snmpwalk snmpset snmpbulkget snmpbulkwalk",
            rf"{_GAP}-[ax]{_APART}{_WORD}",
        ),
        ("openssl", rf"{_GAP}-k{_APART}{_WORD}"),
        ("curl wget http https xh", _USER),
        ("smbclient rpcclient", rf"{_GAP}-u{_APART}?[^\s%]{{1,64}}%{_WORD}"),
        ("ssh-keygen", rf"{_GAP}-n{_APART}{_WORD}"),
        ("freerdp xfreerdp wfreerdp", rf"/p:{_WORD}"),
        (
            "sqlplus sqlldr expdp impdp",
            rf"{_GAP}[\w$.]{{1,64}}/(?P<secret>[^\s@\"'/]+)(?=@|\s|$)",
        ),
        (
            "htpasswd",
            rf"(?:{_GAP}-[a-mo-z]{{1,6}}){{1,4}}{_GAP}[^\s\-]\S*{_GAP}\S+{_GAP}{_WORD}",
        ),
        (
            "htpasswd",
            rf"(?:{_GAP}-\w{{1,6}}){{0,3}}{_GAP}-\w{{0,4}}n\w{{0,4}}(?:{_GAP}-\w{{1,6}}){{0,3}}"
            rf"{_GAP}[^\s\-]\S*{_GAP}{_WORD}",
        ),
    )
    for name in names.split()
)
"""Commands, and the options that take a secret."""

FORMS: Final[tuple[Form, ...]] = (
    Form(
        "chpasswd",
        re.compile(
            r"echo[ \t]+(?:\\*[\"'])?[\w.\-]{1,64}:(?P<secret>[^\s\"'|\\]+)"
            r"[^\n]{0,40}chpasswd"
        ),
    ),
    Form(
        "echo ",
        re.compile(
            r"echo (?:-n )?(?:\\*[\"'](?=[^$]|.*'))?"
            r"(?P<secret>[^\s\"'|$\\][^\s\"'|\\]*)(?:\\*[\"'])?"
            r"\s{0,4}\|\s{0,4}"
            r"(?:sudo -s|\w[^|\n]{0,120}(?:password-stdin|with-token|--stdin))"
        ),
    ),
    Form("vault login", re.compile(r"vault login (?!-)(?P<secret>[^\s\"'|;]+)")),
    Form(
        "net user",
        re.compile(r"net user [\w.\-]{1,64} (?![/*])(?P<secret>[^\s\"'|;]+)"),
    ),
    *(
        Form(
            "identified",
            re.compile(
                r"identified(?: with [\w'\"]{1,40})?\s{1,8}(?:by|as)\s{1,8}"
                r"(?:password\s{1,8}|values\s{1,8})?" + value
            ),
        )
        for value in (
            r"\\*[\"'](?P<secret>[^\s\"'\\;]+)",
            # Without quotes, a word of a sentence may stand there too.
            r"(?P<secret>(?=[^\s\d\"'`;]{0,64}[0-9])[^\s\"'`;]+)",
            r"(?P<secret>[^\s\"'`;]+)(?=\s{0,4}(?:;|\Z|default |account |profile |quota ))",
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
        "machine",
        re.compile(
            r"machine\s{1,8}[^\s:]{1,128}\s{1,8}(?:(?:login|account)\s{1,8}(?!and\b)\S{1,128}\s{1,8}){0,2}password\s{1,8}(?P<secret>\S+)"
        ),
    ),
    Form(
        "login",
        re.compile(
            r"login\s{1,8}(?!and\b|or\b|with\b|form\b|your\b)[^\s=:]{1,128}\s{1,8}(?:account\s{1,8}\S{1,128}\s{1,8})?password\s{1,8}(?P<secret>\S+)"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                re.escape(needle)
                + r"[0-9]?:?[^\s:]{1,128}:(?![0-9]{1,5}\b)[^\s:/]{1,128}:"
                r"(?P<secret>(?:[^\s:\"']|\\:)+)"
            ),
        )
        for needle in (":543", ":6432:", ":6543:", ":*:")
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
        "private-lines",
        re.compile(
            r"private-lines:\s{0,4}[0-9]{1,4}(?P<secret>.*?)(?:private-(?:mac|hash):\s{0,4}(?P<mac>[0-9a-f]{16,})|$)",
            re.DOTALL,
        ),
    ),
    Form(
        "secret",
        re.compile(
            r"(?:enable|username \S{1,64}|line) (?:secret|password)[ \t]+"
            r"(?:[0-9] )?(?P<secret>\S+)"
        ),
    ),
    Form(
        "chpasswd <<<",
        re.compile(
            r"chpasswd <<< ?\\*[\"']?[\w.\-]{1,64}:"
            r"(?P<secret>[^\s\"'\\]+)"
        ),
    ),
    Form(
        "net use",
        re.compile(
            r"net use [^\n]{1,160}?/user:\S{1,64} (?![/*])"
            r"(?P<secret>[^\s\"'|;]+)"
        ),
    ),
    Form(
        "rabbitmqctl",
        re.compile(r"(?:add_user|change_password) \S{1,64} (?P<secret>[^\s|;&]+)"),
    ),
    Form(
        "securestring",
        re.compile(r"convertto-securestring (?:-string )?[\"'](?P<secret>[^\"'\n$]+)"),
    ),
    Form(
        "#define",
        re.compile(
            r"#define[ \t]+\w{0,40}(?:key|token|secret|passw(?:or)?d|pwd|pass)[ \t]+"
            r"\\*\"(?P<secret>[^\s\"\\]+)"
        ),
    ),
    Form("nmcli", re.compile(r"nmcli [^\n]{1,160}? password (?P<secret>[^\s|;&]+)")),
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
        "auth ",
        re.compile(
            r"(?:^|[\n>])[ ]?auth (?:\S{1,64} )?(?P<secret>\S{1,256})[ ]{0,4}\r?\n"
            r"[ ]{0,4}[+\"]?ok\b"
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
    # A user and a password, of any command.
    *(
        Form(
            needle,
            re.compile(
                rf"[\s\"']-{{1,2}}(?:u|l|user(?:name)?|login){_APART}[^\s\"'|;&\\]{{1,64}}"
                rf"(?:\\*[\"'])?(?:{_GAP}[^\s|;&]{{1,64}}){{0,4}}?"
                rf"{_GAP}-(?:p|pw){_APART}{_WORD_NO_PORT}"
            ),
            # These ask for it; and a port, a path.
            re.compile(r"\b(?:mysql|mariadb|ssh|scp|mkdir|cp|docker run|psql)"),
        )
        for needle in ("-u", "-l")
    ),
    Form(
        "%",
        re.compile(
            rf"[\s\"']-u{_APART}(?:[\w.\-]{{1,40}}[/\\])?[\w.\-]{{1,40}}%(?!\d)(?P<secret>[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "lftp", re.compile(r"lftp [^\n]{0,80}?-u [\w.@\-]{1,64},(?P<secret>[^\s|;&]+)")
    ),
    Form(
        "<(echo",
        re.compile(
            r"(?:passw\w{1,3}|token|secret|key)[\w\-]{0,8}[= ]<\(echo (?:-n )?[\"']?"
            r"(?P<secret>[^\s\"'$)]+)"
        ),
    ),
    Form(
        "http-basic.",
        re.compile(r"http-basic\.\S{1,80} \S{1,64} (?P<secret>[^\s|;&]+)"),
    ),
    Form(
        "bundle config",
        re.compile(
            r"bundle config (?:set )?(?:--\w+ )?\S{1,80} [^\s:]{1,64}:(?!//)(?P<secret>[^\s|;&]+)"
        ),
    ),
    Form(
        "config set --secret",
        re.compile(r"config set --secret \S{1,80} [\"']?(?P<secret>[^\s\"'|;&]+)"),
    ),
    Form(
        "user-secrets",
        re.compile(
            r"user-secrets set [\"']?[^\s\"']{1,80}[\"']? [\"']?(?P<secret>[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "wpa_passphrase",
        re.compile(
            r"wpa_passphrase (?:\"[^\"\n]{1,64}\"|\S{1,64}) [\"']?(?P<secret>[^\s\"'|;&]+)"
        ),
    ),
    Form("key content", re.compile(r"key content\s{1,20}:\s{0,4}(?P<secret>\S+)")),
    Form("iwconfig", re.compile(r"iwconfig \S{1,32} key (?:s:)?(?P<secret>\S+)")),
    Form(
        "net use",
        re.compile(
            r"net use (?:[a-z]: |\* )?\S{1,160} (?![/*\\])(?P<secret>\S+) /user"
        ),
    ),
    Form(
        "rsakeyvalue",
        re.compile(r"<(?:p|q|dp|dq|inverseq|d)>(?P<secret>[^<]{4,4000})</"),
    ),
    Form(
        "ftp -",
        re.compile(
            r"ftp -\w{0,3}n[^\n]*\n(?:[^\n]*\n){0,3}?\s{0,8}(?:quote )?user \S{1,64} (?P<secret>\S+)"
        ),
    ),
    Form(
        "securestring",
        re.compile(
            r"\"(?P<secret>[^\"\n$]{1,128})\"\s{0,4}\|\s{0,4}convertto-securestring"
        ),
    ),
    Form(
        "encrypt_string",
        re.compile(r"encrypt_string (?:--\S+ )*[\"'](?P<secret>[^\"'\n]+)"),
    ),
    Form(
        "credential",
        re.compile(
            r"credentials?[ :]{1,2}[\"'`(]?[\w.@\-]{1,64}:(?!//)"
            r"(?P<secret>(?=[^\s\"'`):/]{0,64}[0-9])[^\s\"'`):/]{4,})"
        ),
    ),
    Form(
        " as ",
        re.compile(
            r"[`\"'](?P<secret>[^`\"'\s]{1,128})[`\"'] as (?:the )?user(?: ?name)? and password"
        ),
    ),
    Form(
        "aryke",
        re.compile(
            r"(?:prim|second)arykey\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?"
            r"(?P<secret>(?=[a-z+/]{0,60}[0-9])[a-z0-9+/]{18,}={0,2})"
        ),
    ),
    Form(
        "-[ record",
        re.compile(
            r"\n\w{0,40}(?:passw\w{0,4}|pwd|token|secret|api_?key)\s{0,40}\|[ ]?(?P<secret>[^\n|]+)"
        ),
    ),
    Form("psk ", re.compile(r"\bpsk \"(?P<secret>[^\"\n]+)\"")),
    Form(
        "define(",
        re.compile(
            r"define\(\w{0,40}(?:pass\w{0,5}|token|secret|api_?key),\s{0,8}\"(?P<secret>[^\"\n]+)"
        ),
    ),
    # Files of a user and a password, line by line.
    Form(
        "pass",
        re.compile(
            r"(?:^|\n)[ \t]*(?:user|login|username|account)[ \t]+\S{1,128}[ \t]*\r?\n"
            r"(?:[^\n]*\n){0,2}?[ \t]*pass(?:word)?[ \t]+(?P<secret>\S+)[ \t]*(?=\r?\n|\Z)"
        ),
    ),
    Form(
        "pass",
        re.compile(
            r"\buser(?:name)? [\"']?[\w.@\-]{1,64}[\"']? pass(?:word)? [\"'](?P<secret>[^\"'\n]+)[\"']"
        ),
    ),
    # What a shell of a language answers.
    *(
        Form(
            needle,
            re.compile(
                r"(?:^|\n)(?:>>>|>|irb[^\n>]{0,40}>|\(pdb\)|in \[[0-9]{1,5}\]:)[^\n]{0,80}?"
                r"(?:passw\w{0,4}|pwd|token|secret|secret_key\w{0,5}|api_?key)[\])'\"]{0,3}[ ]?\r?\n"
                r"(?:=> )?[\"'](?P<secret>[^\"'\n\\]+)[\"']"
            ),
        )
        for needle in (">", "(pdb)", "in [")
    ),
    Form("crypt(", re.compile(r"\bcrypt\(\s{0,4}'(?P<secret>[^'\n]+)',")),
    Form("acs-server key", re.compile(r"acs-server key (?:[0-9] )?(?P<secret>\S+)")),
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
            *(".auth(", "setauth(", "setcredentials(", "sign_in(", "signin("),
        )
    ),
    Form(
        "return",
        re.compile(
            r"(?:password|token|secret|api_?key)\w{0,10}\([^()\n]{0,40}\)[^\n]{0,30}?[:{]"
            r"\s{0,40}return [\"'](?P<secret>(?=[^\"'\n]{0,80}[0-9])[^\"'\n]+)"
        ),
    ),
    # Servers of mail and files, line by line.
    Form(
        " login ",
        re.compile(
            r"(?:^|[\n>])[ ]?(?:[a-z]: )?[a-z]{0,4}[0-9]{1,6} login "
            r"(?:\\*\"[^\"\n]{1,128}\\*\"|\S{1,128}) \\*\"?(?P<secret>[^\s\"\\]+)"
        ),
    ),
    Form(
        "pass ",
        re.compile(
            r"(?:^|\n)[^\n]{0,24}\buser \S{1,128}\r?\n(?:[^\n]{0,160}\n){0,2}?"
            r"[^\n]{0,24}\bpass (?P<secret>\S+)"
        ),
    ),
    # `user ana / pass x1…`
    Form(
        "pass",
        re.compile(
            r"\b(?:user(?:name)?|login|account)[:=]?[ ]{1,2}[\w.@+\-]{1,64}[ ]{0,2}"
            r"(?:[/,;|]|and|with)?[ ]{0,2}pass(?:word)?[:=]?[ ]{1,2}"
            r"(?P<secret>(?=[^\s\d]{0,64}[0-9])[^\s\"',;|]+)"
        ),
    ),
    # The third argument of what opens a database, the second after a user.
    *(
        Form(
            needle,
            re.compile(
                r"(?:getconnection|new pdo|dbi->connect|mysqli|mysqli_connect|mysql_connect"
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
                r"(?:client|login|connect\w{0,12}|auth\w{0,12}|\bnew|session)\(\s{0,8}"
                r"[\w.]{0,40}(?:sid|user(?:_?name)?|email|login|_id|mail)\s{0,4},\s{0,8}"
                r"\\*[\"'](?P<secret>(?=[^\"'\n\d]{0,64}[0-9])[^\"'\n\\]+)"
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
    Form("wifi:", re.compile(r"wifi:[^\n]{0,200}?\bp:(?P<secret>(?:[^;\\\n]|\\.)+)")),
    Form(
        "reg add",
        re.compile(
            r"reg add [^\n]{1,200}?/v \"?\w{0,40}(?:pass|pwd|secret|token|key)\w{0,20}\"?"
            r"[^\n]{0,80}?/d \"?(?P<secret>[^\s\"]+)"
        ),
    ),
    Form("schtasks", re.compile(r"schtasks [^\n]{1,300}?/rp \"?(?P<secret>[^\s\"]+)")),
    Form(
        "send",
        re.compile(
            r"(?:password|passphrase|pin|token):?[^\n]{0,20}[\n;][^\n]{0,10}"
            r"send(?:line)? (?:-- )?\\*\"(?P<secret>[^\"\\\n]+)"
        ),
    ),
    Form(
        "<<<",
        re.compile(
            r"(?:kinit|passw\w{1,2}|cryptsetup|-stdin|login|secret|token|sudo|vault|api_?key)"
            r"[^\n]{0,120}?<<<[ ]?\\*[\"']?(?P<secret>[^\s\"'$\\][^\s\"'\\]*)"
        ),
    ),
    Form("radtest", re.compile(r"radtest (?:-\S+ )*\S{1,64} (?P<secret>\S+)")),
    Form(
        "acl setuser",
        re.compile(r"acl setuser \S{1,64}[^\n]{0,120}? [>#](?P<secret>\S+)"),
    ),
    # What a program answers that was asked for a name.
    Form(
        ') "',
        re.compile(
            r"[0-9]\) \\*\"[\w.:\-]{0,40}(?:pass\w{0,8}|pwd|token|secret|api_?key)\\*\"\s{1,16}"
            r"[0-9]{1,4}\) \\*\"(?P<secret>[^\"\n\\]+)"
        ),
    ),
    *(
        Form(
            needle,
            re.compile(
                r"(?:passw\w{0,4}|pwd|token|secret|secret_key\w{0,5}|api_?key)[\])'\"]{0,3}[ ]?\r?\n"
                r"(?:out\[[0-9]{1,5}\]: |[$][0-9]{1,4} = (?:0x[0-9a-f]+ )?)"
                r"\\*[\"'](?P<secret>[^\"'\n\\]+)"
            ),
        )
        for needle in ("out[", "$")
    ),
    # `gh secret set TOKEN --body x1…`
    *(
        Form(
            needle,
            re.compile(
                r"(?:secret|passw|token|api[\-_]?key|credential|securestring)"
                rf"[^\n|;]{{0,200}}?{needle}[ =]{{1,4}}\\*[\"']?"
                r"(?P<secret>(?<=[\"'])[^\"'\n]+|[^\s\"'|;&]+)"
            ),
        )
        for needle in ("--value", "--body", "--secret-string", "--plaintext")
    ),
    Form("community", re.compile(r"snmp-server community (?P<secret>\S+)")),
)
"""Where secrets stand that have no name, or one that is none elsewhere."""

_SQL_INSERT: Final = re.compile(
    r"insert\s{1,8}(?:ignore\s{1,8})?into\s{1,8}[\w.`\"\[\]\\]{1,128}\s{0,8}\((?P<columns>[^()]{1,2000})\)\s{0,32}(?:values|output|select)?"
)
_SQL_VALUE: Final = re.compile(
    r"\s{0,8}(?:n?'((?:[^'\\]|''|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,()'\"]*))\s{0,8}(,|\))"
)
_SQL_WORDS: Final = ("", "?", "null", "default")
_SECRET_KIND: Final = re.compile(r"kind\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?secret\b")
_SECRET_DATA: Final = re.compile(
    r"(?<![\w.])(?:stringdata|data)\\*[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
)
_SECRET_LINE: Final = re.compile(
    r"([ \t]+)([\w.\-\"']{1,128}):[ \t]*([^\r\n]*)(?:\r?\n|$)|[ \t]*(?:\r?\n)"
)
_KEY_PART: Final = re.compile(
    r"[\"'](?:d|p|q|dp|dq|qi|k|oth)\\*[\"']\s{0,4}:\s{0,4}\\*[\"'](?P<secret>[\w\-+/=]{8,})"
)


def has_command_marker(low: str) -> bool:
    """
    Tell whether a text may hold a form without a stem of a sensitive name.

    What has such a stem, such as `machine … password`, is suspect already.

    Args:
        low: The text, or many joined, in lower case.

    """
    return (
        ("-" in low and _HAS_OPTION(low) is not None and _has_command(low))
        or "identified" in low
        or ("|" in low and "echo " in low)
        or (":" in low and _has_colon_marker(low))
        or ("(" in low and ("@tcp(" in low or "@unix(" in low or "@cloudsql(" in low))
        or ("/" in low and _has_slash_marker(low))
        or "net use" in low
        or "rabbitmqctl" in low
        or "securestring" in low
        or "vault login" in low
        or "community " in low
        or " login " in low
        or "wifi:" in low
        or ("connect" in low and _HAS_CONNECT(low) is not None)
        or "mysqli(" in low
        or ("pdo" in low and "new pdo(" in low)
        or "sp_addlogin" in low
        or ".tochararray()" in low
        or "schtasks" in low
        or "<<<" in low
        or "radtest" in low
        or "lftp" in low
        or ("-" in low and _HAS_USER(low) is not None)
        or "http-basic." in low
        or "bundle config" in low
        or "iwconfig" in low
        or "rsakeyvalue" in low
        or "hmac" in low
        or "jwt." in low
        or "fernet(" in low
        or "aes.new(" in low
        or "cipheriv(" in low
        or ".login(" in low
        or "acl setuser" in low
        or "kty" in low
    )


_HAS_OPTION: Final = re.compile(r"-[pawkubnx](?<=[\s\"']-.)").search


_HAS_CONNECT: Final = re.compile(r"connect\w{0,12}\(").search
_HAS_USER: Final = re.compile(r"-[lu](?<=[\s\"']-.)|--?(?:user|login)").search


def _has_command(low: str) -> bool:
    """Look for a command with options."""
    return any(name in low for name, _ in COMMANDS)


def _has_colon_marker(low: str) -> bool:
    """Look for files of passwords and keys."""
    return (
        ":543" in low
        or ":6432:" in low
        or ":6543:" in low
        or ":*:" in low
        or "private-lines" in low
        or "jdbc" in low
    )


def _has_slash_marker(low: str) -> bool:
    """Look for commands with their secret behind a slash."""
    return "/p:" in low or "sqlplus" in low or "sqlldr" in low or "mpdp" in low


def command_spans(low: str, work: Work | None = None) -> Iterator[tuple[int, int]]:
    """
    Yield where the secrets of commands and statements stand; they may overlap.

    Args:
        low: The text, in lower case.
        work: What is left to do; once it is done, the whole text is one span.

    """
    work = work or Work()
    yield from _form_spans(low, work)
    yield from _option_spans(low, work)
    if "insert" in low or "[parameters:" in low:
        yield from _sql_spans(low)
    if "secret" in low and "data" in low and _SECRET_KIND.search(low) is not None:
        yield from _secret_spans(low)
    if "kty" in low:
        for match in islice(_KEY_PART.finditer(low), _MATCHES_LIMIT):
            yield match.span("secret")


def _form_spans(low: str, work: Work) -> Iterator[tuple[int, int]]:
    """Yield what is known by the words around it; the whole text if it is too much."""
    for form in FORMS:
        if form.needle not in low:
            continue
        work.left -= 1 + low.count(form.needle) // _FORMS_PER_STEP
        if work.left < 0:
            yield 0, len(low)
            return
        for match in islice(form.regex.finditer(low), _MATCHES_LIMIT):
            if form.unless is not None and form.unless.search(
                low, max(0, low.rfind("\n", 0, match.start()) + 1), match.start()
            ):
                continue
            for name in form.regex.groupindex:
                start, end = match.span(name)
                if start < end and PLACEHOLDER.fullmatch(low, start, end) is None:
                    yield start, end


def _option_spans(low: str, work: Work) -> Iterator[tuple[int, int]]:
    """Yield the values of options; of too many commands, all that follows."""
    if _HAS_OPTION(low) is None and "/p:" not in low and "/" not in low:
        return
    left = _WINDOWS_LIMIT
    for name, option in COMMANDS:
        at = low.find(name)
        while at >= 0:
            work.left -= 1
            if work.left < 0:
                yield 0, len(low)
                return
            end = at + len(name)
            if _is_command(low, at, end):
                left -= 1
                if left < 0:
                    yield at, len(low)
                    return
                yield from _window_spans(low, end, option)
            at = low.find(name, end)


def _is_command(low: str, at: int, end: int) -> bool:
    """Tell a command with options from the same word in a text."""
    if at and (low[at - 1].isalnum() or low[at - 1] in "-_."):
        return False
    if low[end : end + 1] not in (" ", "\t", "'", '"', "\\", ".") or end == len(low):
        return False
    stop = min(len(low), end + _WINDOW_CHARS)
    return _HAS_OPTION(low, end, stop) is not None or low.find("/", end, stop) >= 0


def _window_spans(
    low: str, start: int, option: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    """Yield the values of an option in the line of one command."""
    stop = start + _WINDOW_CHARS
    # A line goes on behind a backslash.
    for match in _LINE_END.finditer(low, start, stop):
        if low[match.start() - 1] not in "\\,'\"":
            stop = match.start()
            break
    for match in option.finditer(low, start, stop):
        begin, end = match.span("secret")
        if end == stop:
            # The window ends within the value.
            rest = _VALUE_REST.match(low, end)
            end = end if rest is None else rest.end()
        if PLACEHOLDER.fullmatch(low, begin, end) is None and low[begin] != "-":
            yield begin, end


def _sql_spans(low: str) -> Iterator[tuple[int, int]]:
    """Yield the values of sensitive columns in statements and their parameters."""
    columns: list[str] = []
    for insert in islice(_SQL_INSERT.finditer(low), _MATCHES_LIMIT):
        columns = [
            column.strip(" \t\r\n\"'`[]\\") for column in insert["columns"].split(",")
        ]
        hidden = [at for at, column in enumerate(columns) if is_sensitive(column)]
        if hidden:
            yield from _rows(low, insert.end(), hidden)
    hidden = [at for at, column in enumerate(columns) if is_sensitive(column)]
    at = low.find("[parameters:")
    if at < 0:
        return
    start = at + len("[parameters:")
    end = low.find(")]", start)
    end = end + 1 if end >= 0 else len(low)
    is_named = low.startswith(("({", "[{", "{"), start + 1)
    if not is_named and (hidden or _names_column(low, at)):
        yield start, end


def _names_column(low: str, end: int) -> bool:
    """Tell whether a statement compares or sets a sensitive column."""
    head = low[max(0, end - 4000) : end]
    for match in islice(
        re.finditer(r"([\w.]{1,64})\s{0,4}=\s{0,4}(?:%|\?|:|\$)", head), 64
    ):
        if is_sensitive(match[1]):
            return True
    return False


def _rows(low: str, position: int, hidden: list[int]) -> Iterator[tuple[int, int]]:
    """Yield some values of the rows of an INSERT."""
    opening = low.find("(", position, position + 40)
    for _ in range(_MATCHES_LIMIT):
        if opening < 0:
            return
        position = opening + 1
        for at in range(256):
            value = _SQL_VALUE.match(low, position)
            if value is None:
                yield position, len(low)
                return
            group = next(n for n in (1, 2, 3) if value[n] is not None)
            start, end = value.span(group)
            shown = low[start:end].strip()
            is_bound = group == 3 and shown.startswith(("%", ":", "$", "@"))
            if at in hidden and not is_bound and shown not in _SQL_WORDS:
                yield start, end
            position = value.end()
            if value[4] == ")":
                break
        between = low[position : position + 8].lstrip()
        opening = (
            low.find("(", position, position + 8) if between.startswith(",") else -1
        )


def _secret_spans(low: str) -> Iterator[tuple[int, int]]:
    """Yield the values in the data of a Secret of Kubernetes."""
    for data in islice(_SECRET_DATA.finditer(low), 16):
        position = data.end()
        if low.startswith("{", position):
            end = low.find("}", position)
            yield position, end + 1 if end >= 0 else len(low)
            continue
        if low[position : position + 1] not in ("\n", "\r"):
            continue
        position = low.find("\n", position) + 1
        indent = data.start() - (low.rfind("\n", 0, data.start()) + 1)
        for _ in range(_MATCHES_LIMIT):
            line = _SECRET_LINE.match(low, position)
            if line is None or (line[1] is not None and len(line[1]) <= indent):
                break
            if line[3]:
                value = line[3].rstrip()
                if value[:1] in ("|", ">"):
                    yield from _block(low, line.end(), len(line[1]))
                else:
                    yield line.start(3), line.start(3) + len(value)
            position = line.end()
            if position >= len(low):
                break


def _block(low: str, position: int, indent: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of a block that is indented deeper."""
    for _ in range(_MATCHES_LIMIT):
        end = low.find("\n", position)
        end = end if end >= 0 else len(low)
        line = low[position:end]
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            return
        if line.strip():
            yield position, end
        position = end + 1
        if position >= len(low):
            return
