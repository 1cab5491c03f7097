"""
List the places of secrets in command lines, protocols and files of programs.

``mysql -p…``, ``gh secret set … --body …``, a line of ``.pgpass``, a key of PuTTY.
"""

import re
from typing import Final

from .form import APART, GAP, WORD, Form

__all__ = ("COMMANDS", "COMMAND_FORMS")

# Not a port, nor where a port leads.
_WORD_NO_PORT: Final = (
    r"(?:\\*[\"'])?(?![0-9]{1,5}(?:[:/\s\"']|$))"
    r"(?P<secret>[^\s\"'|;&,\\\-/.$<][^\s\"'|;&,\\]*)"
)
_USER: Final = (
    rf"{GAP}-{{1,2}}(?:u|user|proxy-user|a|auth){APART}?(?:\\*[\"'])?"
    r"(?![0-9]+:[0-9]+(?:[\s\"']|$))[^\s:\"'/@=]{1,128}:(?!//)(?P<secret>[^\s\"'|;]+)"
)

COMMANDS: Final = tuple(
    (name, re.compile(option))
    for names, option in (
        (
            "mysql mysqldump mysqladmin mysqlimport mariadb mariadb-dump",
            rf"{GAP}-p(?!ort|rot|lug){WORD}",
        ),
        ("sshpass 7z 7za 7zz 7zr rar unrar", rf"{GAP}-p{APART}?{WORD}"),
        ("login", rf"{GAP}(?:-p|--password){APART}{WORD}"),
        (
            (
                "twine mongo mongosh mongodump mongorestore cqlsh beeline sqlcmd bcp"
                " osql ipmitool zip unzip mosquitto_pub mosquitto_sub mcrcon rcon-cli"
                " security wpscan hydra nxc crackmapexec kinit isql dbaccess"
            ),
            rf"{GAP}-p{APART}{WORD}",
        ),
        ("redis-cli valkey-cli", rf"{GAP}-a{APART}{WORD}"),
        (
            "ldapsearch ldapadd ldapmodify ldapwhoami ldapdelete ldappasswd",
            rf"{GAP}-w{APART}?{WORD}",
        ),
        (
            "snmpget snmpwalk snmpset snmpbulkget snmpbulkwalk",
            rf"{GAP}-[ax]{APART}{WORD}",
        ),
        ("openssl nuget", rf"{GAP}-k{APART}{WORD}"),
        ("curl wget http https xh", _USER),
        # Cookies that are given, not the file of a jar.
        (
            "curl",
            rf"{GAP}-b{APART}?(?:\\*[\"'])?(?P<secret>[\w\-.%]{{1,64}}=[^\s\"'][^\"'\n]*)",
        ),
        ("smbclient rpcclient", rf"{GAP}-u{APART}?[^\s%]{{1,64}}%{WORD}"),
        ("ssh-keygen", rf"{GAP}-n{APART}{WORD}"),
        ("freerdp xfreerdp wfreerdp", rf"/p:{WORD}"),
        ("signtool", rf"{GAP}/p{APART}{WORD}"),
        (
            "sqlplus sqlldr expdp impdp",
            rf"{GAP}[\w$.]{{1,64}}/(?P<secret>[^\s@\"'/]+)(?=@|\s|$)",
        ),
        (
            "htpasswd",
            rf"(?:{GAP}-[a-mo-z]{{1,6}}){{1,4}}{GAP}[^\s\-]\S*{GAP}\S+{GAP}{WORD}",
        ),
        (
            "htpasswd",
            (
                rf"(?:{GAP}-\w{{1,6}}){{0,3}}{GAP}-\w{{0,4}}n\w{{0,4}}"
                rf"(?:{GAP}-\w{{1,6}}){{0,3}}{GAP}[^\s\-]\S*{GAP}{WORD}"
            ),
        ),
    )
    for name in names.split()
)
"""Commands, and the options that take a secret."""

COMMAND_FORMS: Final[tuple[Form, ...]] = (
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
    # `-passin pass:x1…` of openssl.
    Form(
        "pass:",
        re.compile(r"-pass(?:in|out|wd)?[ =]\\*[\"']?pass:(?P<secret>[^\s\"'\\]+)"),
    ),
    Form(
        "vault login",
        re.compile(r"vault login (?!-)\\*[\"']?(?P<secret>[^\s\"'|;]+)"),
    ),
    Form("unseal ", re.compile(r"operator unseal (?!-)(?P<secret>[^\s\"'|;]{16,})")),
    # A user, and what the password is set to.
    Form(
        "passw",
        re.compile(
            r"\b(?:user:password|set-(?:initial-)?password|change-?passw(?:or)?d"
            r"|reset-(?:admin-)?password) (?:--\S{1,40} )?(?:[\w.@\-]{1,64} )?[\"']?"
            r"(?P<secret>(?=[^\s\"']{0,32}[0-9])[^\s\"'\-][^\s\"']{5,})[\"']?[ \t]*"
            r"(?=[;&|\n]|\Z)"
        ),
    ),
    # What the users of a new machine get.
    Form(
        "chpasswd",
        re.compile(
            r"chpasswd:[^\n]*\n(?:[^\n]*\n){0,3}?[ \t]+list:[^\n]*\n"
            r"(?P<secret>(?:[ \t]+(?:- )?[\w.\-]{1,64}:[^\n]+(?:\n|\Z))+)"
        ),
    ),
    Form(
        "net user",
        re.compile(r"net user [\w.\-]{1,64} (?![/*])\\*[\"']?(?P<secret>[^\s\"'|;]+)"),
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
        "private-lines",
        re.compile(
            r"private-lines:\s{0,4}[0-9]{1,4}(?P<secret>.*?)(?:private-(?:mac|hash):\s{0,4}(?P<mac>[0-9a-f]{16,})|$)",
            re.DOTALL,
        ),
    ),
    Form(
        "secret",
        re.compile(
            r"(?:enable|username \S{1,64}(?: privilege [0-9]{1,2})?|line)"
            r" (?:secret|password)[ \t]+(?:[0-9]{1,2} )?"
            # Alone in its line; features are said to be enabled, too.
            r"(?P<secret>(?![a-z\-]{0,32}(?:ing|tion|ment|age|sync|store|manager|login"
            r"|auth|reset|scan|policy|policies|hashing|support)s?\b)\S+)"
            r"(?=[ \t]*(?:[\r\n\\\"']|\Z))"
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
            r"net use [^\n]{1,160}?/user:\S{1,64} (?![/*])\\*[\"']?"
            r"(?P<secret>[^\s\"'|;]+)"
        ),
    ),
    Form(
        "rabbitmqctl",
        re.compile(r"(?:add_user|change_password) \S{1,64} (?P<secret>[^\s|;&]+)"),
    ),
    Form(
        "securestring",
        re.compile(
            r"convertto-securestring "
            r"(?:-(?:string|asplaintext|force|(?:secure)?key \S+) ){0,4}"
            r"(?:\\*[\"'](?P<quoted>[^\"'\n$\\]+)|(?P<secret>[^\s\"'$(\-][^\s\"')]*))"
        ),
    ),
    Form("nmcli", re.compile(r"nmcli [^\n]{1,160}? password (?P<secret>[^\s|;&]+)")),
    Form(
        "auth ",
        re.compile(
            r"(?:^|[\n>])[ ]?auth (?:\S{1,64} )?(?P<secret>\S{1,256})[ ]{0,4}\r?\n"
            r"[ ]{0,4}[+\"]?ok\b"
        ),
    ),
    # A user and a password, of any command.
    *(
        Form(
            needle,
            re.compile(
                rf"-(?<=[\s\"'\-]-){option}"
                rf"{APART}[^\s\"'|;&\\]{{1,64}}"
                rf"(?:\\*[\"'])?(?:{GAP}[^\s|;&]{{1,64}}){{0,4}}?"
                rf"{GAP}-(?:p|pw){APART}{_WORD_NO_PORT}"
            ),
            # These ask for it; and a port, a path.
            re.compile(r"\b(?:mysql|mariadb|ssh|scp|mkdir|cp|docker run|psql)"),
        )
        for needle, option in (("-u", "u(?:ser(?:name)?)?"), ("-l", "l(?:ogin)?"))
    ),
    Form(
        "%",
        re.compile(
            rf"-u(?<=[\s\"']-u){APART}(?:[\w.\-]{{1,40}}[/\\])?[\w.\-]{{1,40}}"
            r"%(?!\d)(?P<secret>[^\s\"'|;&]+)"
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
            r"bundle config (?:set )?(?:--\w+ )?\S{1,80} [^\s:]{1,64}:(?!/"
            r"/)(?P<secret>[^\s|;&]+)"
        ),
    ),
    Form(
        "config set --secret",
        re.compile(r"config set --secret \S{1,80} [\"']?(?P<secret>[^\s\"'|;&]+)"),
    ),
    Form(
        "user-secrets",
        re.compile(
            r"user-secrets set [\"']?[^\s\"']{1,80}[\"']? [\"']?(?P<secret"
            r">[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "wpa_passphrase",
        re.compile(
            r"wpa_passphrase (?:\"[^\"\n]{1,64}\"|\S{1,64}) [\"']?(?P<secr"
            r"et>[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "alias set ",
        re.compile(
            r"\bmc(?:li)? alias set \S{1,64} [\"']?https?://\S{1,160} \S{1,64} "
            r"[\"']?(?P<secret>[^\s\"'|;&\-][^\s\"'|;&]*)"
        ),
    ),
    Form(
        "samba-tool user",
        re.compile(
            r"samba-tool user (?:create|add) [\w.@\-]{1,64} [\"']?"
            r"(?P<secret>[^\s\"'|;&\-][^\s\"'|;&]*)"
        ),
    ),
    Form(
        "rclone obscure",
        re.compile(r"rclone obscure [\"']?(?P<secret>[^\s\"'|;&\-][^\s\"'|;&]*)"),
    ),
    # A trunk of a telephone exchange.
    Form(
        "register =",
        re.compile(
            r"\bregister =>? ?(?:\w{2,5}://)?[^\s:@]{1,64}:(?P<secret>[^\s@:/]{1,128})"
            r"(?::[^\s@]{1,64})?@"
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
        "> user ",
        re.compile(r"ftp> user [\"']?[^\s\"']{1,64}[\"']? [\"']?(?P<secret>[^\s\"']+)"),
    ),
    Form(
        "ftp -",
        re.compile(
            r"ftp -\w{0,3}n[^\n]*\n(?:[^\n]*\n){0,3}?\s{0,8}(?:quote )?use"
            r"r \S{1,64} (?P<secret>\S+)"
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
        "aryke",
        re.compile(
            r"(?:prim|second)arykey\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?"
            r"(?P<secret>(?=[a-z+/]{0,60}[0-9])[a-z0-9+/]{18,}={0,2})"
        ),
    ),
    # The secrets of an IPsec service.
    *(
        Form(
            needle,
            re.compile(r"\b(?:psk|eap|xauth|ntlm) \"(?P<secret>[^\"\n]+)\""),
        )
        for needle in ('psk "', 'eap "', 'xauth "', 'ntlm "')
    ),
    # What a command reads that asks for a secret.
    Form(
        "<<",
        re.compile(
            r"(?:passwd|passphrase|password|secret|token|login|-stdin|api_?key)"
            r"[^\n<]{0,80}<<-?[ ]?[\"']?\w{1,20}[\"']?\n"
            r"(?P<secret>[^\n$]{3,256})(?=\n|\Z)"
        ),
    ),
    # Files of a user and a password, line by line.
    Form(
        "pass",
        re.compile(
            r"(?:^|\n)[ \t]*(?:user|login|username|account)[ \t]+\S{1,128}[ \t]*\r?\n"
            r"(?:[^\n]*\n){0,2}?[ \t]*pass(?:word)?[ \t]+(?P<secret>\S+)"
            r"[ \t]*(?=\r?\n|\Z)"
        ),
    ),
    Form(
        "pass",
        re.compile(
            r"user(?<!\wuser)(?:name)? [\"']?[\w.@\-]{1,64}[\"']? pass(?:word)? "
            r"[\"'](?P<secret>[^\"'\n]+)[\"']"
        ),
    ),
    Form("acs-server key", re.compile(r"acs-server key (?:[0-9] )?(?P<secret>\S+)")),
    # Servers of mail and files, line by line.
    Form(
        " login ",
        re.compile(
            r"(?:^|[\n>])[ ]?(?:b[\"'])?(?:[a-z]: )?[a-z]{0,4}[0-9]{1,6} login "
            r"(?:\\*\"[^\"\n]{1,128}\\*\"|\S{1,128}) "
            r"(?:\\*\"(?P<quoted>[^\"\\\n]+)|(?P<secret>[^\s\"\\]+))"
        ),
    ),
    # `334 Password:` of SMTP in base64, and what is answered.
    Form(
        "gfzc3dvcmq6",
        re.compile(
            r"(?:\b334|\+) [uc]gfzc3dvcmq6(?:[\s'\"]|\\[rn]){0,8}\n"
            r"(?:[^\n]{0,80}[uc]gfzc3dvcmq6[^\w\n]{0,8}\n)?"
            r"(?:\[?[0-9][0-9:.,\-tz ]{5,36}[\] ]{1,2})?[^\w\n]{0,12}"
            r"(?:[a-z]{1,6} ?[:>]{1,3} ?)?(?:b?[\"'])?(?P<secret>[a-z0-9+/]{4,512}=*)"
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
    *(
        Form(
            needle,
            re.compile(
                r"\b(?:user(?:name)?|login|account|benutzer(?:name)?|nutzer|konto|utente"
                r"|utilisateur|usuario|gebruiker|\u043b\u043e\u0433\u0438\u043d)"
                r"[:=]?[ ]{1,2}[\w.@+\-]{1,64}[ ]{0,2}"
                rf"(?:[/,;|]|and|with|und|et|y|e|en)?[ ]{{0,2}}{name}[:=]?[ ]{{1,2}}"
                r"(?P<secret>(?=[^\s\d]{0,64}[0-9])[^\s\"',;|]+)"
            ),
        )
        for needle, name in (
            ("pass", "pass(?:wor[dt])?"),
            ("mot de passe", "mot de passe"),
            ("contrase", "contrase(?:\u00f1|n)a"),
            ("wachtwoord", "wachtwoord"),
            ("kennwort", "kennwort"),
            ("senha", "senha"),
            (
                "\u043f\u0430\u0440\u043e\u043b\u044c",
                "\u043f\u0430\u0440\u043e\u043b\u044c",
            ),
        )
    ),
    Form("wifi:", re.compile(r"wifi:[^\n]{0,200}?\bp:(?P<secret>(?:[^;\\\n]|\\.)+)")),
    Form(
        "reg add",
        re.compile(
            r"reg add [^\n]{1,200}?/v \"?\w{0,40}(?:pass|pwd|secret|token|"
            r"key)\w{0,20}\"?"
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
            r"[^\n]{0,120}?<<<[ ]?[$]?\\*[\"']?(?P<secret>[^\s\"'$\\][^\s\"'\\]*)"
        ),
    ),
    Form("radtest", re.compile(r"radtest (?:-\S+ )*\S{1,64} (?P<secret>\S+)")),
    Form(
        "acl setuser",
        re.compile(r"acl setuser \S{1,64}[^\n]{0,120}? [>#](?P<secret>\S+)"),
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
        for needle in (" -value", "--value", "--body", "--secret-string", "--plaintext")
    ),
    Form(
        "put ",
        re.compile(
            r"put \S{0,80}(?:passw|secret|token|key|pwd)\S{0,40} [\"']?"
            r"(?P<secret>[^\s=@\"'\-][^\s=\"']*)"
        ),
        head=re.compile(r"\b(?:kv|etcdctl|consul) (?:\S{1,40} ){0,3}\Z"),
    ),
    # Routers, firewalls and switches: what two of them share.
    *(
        Form(
            needle,
            re.compile(
                r"(?:^|[\n>])[ \t]*(?:(?:set|ikev[12]|authentication|crypto|peer|local"
                rf"|remote|vpn|tunnel)\b[^\n]{{0,160}}?)?\b{needle}"
                r"(?: ascii-text| hexadecimal| local| remote)?(?: [0-9])?[ \t]+[\"']?"
                r"(?P<secret>[^\s\"']+)[\"']?[ \t]*(?=\r?\n|\Z)"
            ),
        )
        for needle in (
            *("pre-shared-key", "pre-shared-secret", "plaintext-password"),
            *("encrypted-password", "auth-password", "priv-password"),
        )
    ),
    *(
        Form(
            needle,
            re.compile(
                rf"(?:^|\n)[ \t]*(?:[a-z]{{2,10}} ){{0,2}}{needle}{between}"
                r"(?: (?:md5|sha1|sha|hmac-\S{1,12}))?(?: [0-9])?[ \t]+"
                r"(?P<secret>\S+)[ \t]*(?=\r?\n|\Z|address |hostname )"
            ),
        )
        for needle, between in (
            *(
                (name, r"(?: [^\n]{1,120}?)? key")
                for name in ("radius-server", "tacacs-server")
            ),
            *((name, "") for name in ("isakmp key", "key-string")),
            *(
                (name, "(?: [0-9]{1,5})")
                for name in ("authentication-key", "message-digest-key")
            ),
        )
    ),
    *(
        Form(
            needle,
            re.compile(
                rf"(?:^|\n){needle} \S{{1,64}}[ \t]*\r?\n(?:[ \t]+[^\n]*\n){{0,6}}?"
                r"[ \t]+key (?:[0-9] )?(?P<secret>\S+)"
            ),
        )
        for needle in ("radius server", "tacacs server")
    ),
    Form(
        "neighbor ",
        re.compile(
            r"(?:^|\n)[ \t]*neighbor (?=[^\s]{0,64}[0-9:])\S{1,64} password (?:[0-9] )?"
            r"(?P<secret>\S+)[ \t]*(?=\r?\n|\Z)"
        ),
    ),
    Form(
        " auth ",
        re.compile(
            r" v3 auth (?:md5|sha\S{0,4}) (?P<secret>\S+)"
            r"(?: priv (?:aes|des|3des)\S{0,4}(?: [0-9]{2,3})? (?P<priv>\S+))?"
        ),
    ),
    Form(
        "createuser",
        re.compile(
            r"createuser (?:-e \S{1,40} )?\S{1,64} (?:md5|sha\S{0,4}) "
            r"(?:\"(?P<quoted>[^\"\n]+)\"|(?P<secret>[^\s\"]+))"
            r"(?: (?:aes|des)\S{0,4} (?:\"(?P<inner>[^\"\n]+)\"|(?P<priv>[^\s\"]+)))?"
        ),
    ),
    Form(
        "community",
        re.compile(r"(?:^|\n)[ \t]*r[ow]community6? (?P<secret>[^\s\"']+)"),
    ),
    Form(
        "option key",
        re.compile(r"option key [\"']?(?P<secret>[^\s\"']+)"),
        head=re.compile(r"(?:encryption|ssid|wifi-iface)[^\0]{0,120}\Z"),
    ),
    # Settings of servers, one word in a line.
    *(
        Form(
            needle,
            re.compile(
                rf"(?:^|[\n;{{])[ \t]*{needle}[ \t]+[\"']?(?P<secret>[^\s\"';$]+)"
            ),
        )
        for needle in (
            *("secure_link_secret", "auth_pass", "insecure-password"),
            *("wpa-passphrase", "pap-password", "chap-password"),
        )
    ),
    # Options of Windows.
    Form(
        "/pass",
        re.compile(r"[ \t]/pass(?:wd|word|phrase)?[:=][\"']?(?P<secret>[^\s\"'%*]+)"),
    ),
    Form("/pwd:", re.compile(r"[ \t]/pwd:[\"']?(?P<secret>[^\s\"'%*]+)")),
    # Both of a new and an old password in one command.
    Form(
        "ldappasswd",
        re.compile(
            r"ldappasswd\b[^\n]{0,300}?[ \t]-s[ \t]{1,4}[\"']?(?![a-z]{1,8}=)"
            r"(?P<secret>(?<=[\"'])[^\"'\n]+|[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "ldappasswd",
        re.compile(
            r"ldappasswd\b[^\n]{0,300}?[ \t]-a[ \t]{1,4}[\"']?(?P<secret>[^\s\"'|;&]+)"
        ),
    ),
    Form(
        "addprinc",
        re.compile(r"(?:addprinc|cpw)\b[^\n]{0,80}? -pw (?P<secret>[^\s\"'|;&]+)"),
    ),
    Form(
        "keytool",
        re.compile(
            r"keytool\\*[\"']?[^\n]{0,300}?[\s\"']-new(?:\\*[\"'],)? ?\\*[\"']?"
            r"(?P<secret>[^\s\"',]+)"
        ),
    ),
    Form(
        "net rpc password",
        re.compile(r"net rpc password \S{1,64} (?P<secret>[^\s\-][^\s|;&]*)"),
    ),
    Form(
        "dsadd user",
        re.compile(r"dsadd user [^\n]{1,200}? -pwd (?P<secret>[^\s\"'|;&]+)"),
    ),
    Form(
        "smbpasswd",
        re.compile(
            r"printf [\"'](?P<secret>[^\"'\\\n]+)\\n[^\n]{0,80}\| ?(?:sudo )?smbpasswd"
        ),
    ),
    Form("community", re.compile(r"snmp-server community (?P<secret>\S+)")),
)
"""Where secrets stand in commands and files of programs."""
