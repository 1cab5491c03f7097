"""
Where secrets stand: formats by which a value is known by the name beside it.

For each format one place or more, and benign texts that look alike. All secrets
are one made-up value, so that a single look tells whether any of it is shown.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any
from urllib.parse import quote

from tests.support.secrets import Planted

__all__ = ("BENIGN_TEXTS", "BENIGN_TREES", "PLACEMENTS")

_S = "Qz7-" + "xW9kLm2"
_KEY = "MIIEvQIBADANBg" + "kqhkiG9w0BAQ"
_JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.s5abcdefghijk"


def _nested(value: Any, levels: int) -> str:
    """Return JSON in which each level is a text in the next."""
    text = json.dumps(value)
    for _ in range(levels):
        text = json.dumps({"a": text})
    return text


def _by_depth() -> list[Planted]:
    """Put the usual formats into texts of JSON, a text in a text in a text."""
    forms: dict[str, tuple[Any, int]] = {
        "json": ({"password": _S}, 9),
        "yaml": (f"db:\n  password: |\n    {_S}\n  x: 1", 6),
        "named": ([{"Name": "DB_PASSWORD", "Type": "SecureString", "Value": _S}], 4),
        "pydantic": (
            (
                "1 validation error for S\npassword\n  "
                f"Too short [type=x, input_value='{_S}', input_type=str]\n"
            ),
            4,
        ),
        "csv": (f"user,password\nbob,{_S}\n", 4),
        "argv": (["curl", "-u", "me:" + _S], 4),
        "html": (escape(json.dumps({"password": _S})), 4),
        "command": ({"cmd": f"mysql -u root -p{_S} db"}, 4),
        "xml": (f'<add key="ApiKey" value="{_S}"/>', 4),
        "header": (f"GET /\r\nAuthorization: Token {_S}\r\nCookie: a={_S}\r\n", 4),
    }
    return [
        Planted(f"{name}-{level}-deep", _nested(value, level), _S)
        for name, (value, levels) in forms.items()
        for level in range(levels)
    ]


_FORMATS = [
    Planted("u1", f'{{"\\u0070assword": "{_S}"}}', _S),
    Planted("u2", f'{{"api\\u005fkey": "{_S}"}}', _S),
    Planted("u3", json.dumps({"x": f'{{"\\u0070assword": "{_S}"}}'}), _S),
    Planted("html", f"{{&quot;password&quot;: &quot;{_S}&quot;}}", _S),
    Planted("html2", f"&lt;password&gt;{_S}&lt;/password&gt;", _S),
    Planted("html3", f"{{&#34;token&#34;:&#34;{_S}&#34;}}", _S),
    Planted("html4", f"{{&amp;quot;token&amp;quot;:&amp;quot;{_S}&amp;quot;}}", _S),
    Planted("pct", quote(json.dumps({"password": _S})), _S),
    Planted("pct2", quote(quote(json.dumps({"password": _S}))), _S),
    Planted("pct3", "data=%70assword%3D" + _S, _S),
    Planted(
        "pctpem",
        quote("-----BEGIN PRIVATE KEY-----\n" + _KEY + "\n-----END PRIVATE KEY-----"),
        _KEY,
    ),
    Planted("pctjwt", _JWT.replace(".", "%2E"), "s5abcdefghijk"),
    Planted("goog", "https://x.test/a?X-Goog-Signature=" + _S + "&b=1", _S),
    Planted("ssm", {"Name": "DB_PASSWORD", "Value": _S}, _S),
    Planted("keyval", {"key": "token", "val": _S}, _S),
    Planted("fieldcontent", {"field": "password", "content": _S}, _S),
    Planted("rawheaders", ["Host", "h", "Authorization", "Token " + _S], _S),
    Planted(
        "rawheaders_t", json.dumps(["Host", "h", "Authorization", "Token " + _S]), _S
    ),
    Planted("pemsplit", {"head": "-----BEGIN PRIVATE KEY-----", "body": _KEY}, _KEY),
    Planted(
        "pemlines",
        ["-----BEGIN RSA PRIVATE KEY-----", _KEY, "-----END RSA PRIVATE KEY-----"],
        _KEY,
    ),
    Planted(
        "pemsplit_t",
        json.dumps({"head": "-----BEGIN PRIVATE KEY-----", "body": _KEY}),
        _KEY,
    ),
    Planted("yamlml", f"password: |\n  first\n\n  {_S}\nn: 1", _S),
    Planted("yamlnext", f"db:\n  password:\n    {_S}\n  n: 1", _S),
    Planted("yamlnextq", f'password:\n  "{_S}"\n', _S),
    Planted("yamltag", f"password: !secret {_S}", _S),
    Planted("yamltag2", f"password: !!str {_S}", _S),
    Planted("yamlanchor", f"password: &pw {_S}", _S),
    Planted("yamlq", f'"password": "{_S}"', _S),
    Planted("yamlflow", f"{{user: bob, password: {_S}, n: 1}}", _S),
    Planted("yamllist", f"tokens:\n  - abc\n  - {_S}\n", _S),
    Planted("yamllist0", f"tokens:\n- {_S}\n", _S),
    Planted("yamlmap", f"credentials:\n  github: {_S}\n  x: y\n", _S),
    Planted("yamlbinary", f"password: !!binary |\n  {_S}\n", _S),
    Planted(
        "k8senv",
        f"env:\n- name: DB_PASSWORD\n  value: {_S}\n- name: X\n  value: y\n",
        _S,
    ),
    Planted("k8senvq", f'    - name: DB_PASSWORD\n      value: "{_S}"\n', _S),
    Planted("k8senvrev", f'    - value: "{_S}"\n      name: DB_PASSWORD\n', _S),
    Planted(
        "k8ssecret",
        (
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n"
            f"data:\n  foo: {_S}\n  bar: eHg=\n"
        ),
        _S,
    ),
    Planted("k8ssecret2", f"apiVersion: v1\ndata:\n  foo: {_S}\nkind: Secret\n", _S),
    Planted("k8ssecretj", json.dumps({"kind": "Secret", "data": {"foo": _S}}), _S),
    Planted("k8ssecretd", {"kind": "Secret", "data": {"foo": _S}}, _S),
    Planted(
        "k8sstr",
        (f"kind: Secret\nstringData:\n  config.yaml: |\n    apiUrl: x\n    z: {_S}\n"),
        _S,
    ),
    Planted(
        "k8ssecretji",
        json.dumps(
            {"apiVersion": "v1", "kind": "Secret", "data": {"foo": _S}}, indent=2
        ),
        _S,
    ),
    Planted("csv", f"name,password\nbob,{_S}\namy,{_S}x\n", _S),
    Planted("csvq", f'"name","password","n"\n"bob","{_S}","1"\n', _S),
    Planted("tsv", f"name\tpassword\nbob\t{_S}\n", _S),
    Planted("semi", f"name;api_key;x\nbob;{_S};1\n", _S),
    Planted("md", f"| user | password |\n|---|---|\n| bob | {_S} |\n", _S),
    Planted(
        "psql", f" user | password \n------+----------\n bob  | {_S}\n(1 row)\n", _S
    ),
    Planted(
        "mysqlt",
        (
            "+------+----------+\n| user | password |\n"
            f"+------+----------+\n| bob  | {_S} |\n+------+----------+\n"
        ),
        _S,
    ),
    Planted("ws", f"USER      PASSWORD       AGE\nbob       {_S}    3d\n", _S),
    Planted("csvtext", f"Here is the file:\nname,password\nbob,{_S}\n", _S),
    Planted("csvcrlf", f"id,name,secret\r\n1,bob,{_S}\r\n", _S),
    Planted("toml", f"[db]\npassword = '{_S}'", _S),
    Planted("tomllist", f'tokens = ["{_S}"]', _S),
    Planted("tomlml", f'password = """\n{_S}"""', _S),
    Planted("ini", f"[db]\npassword: {_S}", _S),
    Planted("ini2", f"password   =   {_S}", _S),
    Planted("env", f"DB_PASSWORD={_S}", _S),
    Planted("envsp", f"DB_PASSWORD=my pass {_S}", _S),
    Planted("envq", f"DB_PASSWORD='a b {_S}'", _S),
    Planted("envcomment", f"DB_PASSWORD={_S} # comment", _S),
    Planted("xmladd", f'<add key="ApiKey" value="{_S}"/>', _S),
    Planted("xmladdrev", f'<add value="{_S}" key="ApiKey"/>', _S),
    Planted("cdata", f"<password><![CDATA[{_S}]]></password>", _S),
    Planted("input", f'<input type="password" name="p" value="{_S}">', _S),
    Planted("inputrev", f'<input value="{_S}" type="password">', _S),
    Planted("xmlattr", f'<user name="b" password="{_S}"/>', _S),
    Planted("xmlattr1", f"<user name='b' password='{_S}'/>", _S),
    Planted("xmlns", f'<wsse:Password Type="x#PasswordText">{_S}</wsse:Password>', _S),
    Planted("xmlel", f"<password>\n  {_S}\n</password>", _S),
    Planted("prop", f'<property name="password" value="{_S}"/>', _S),
    Planted("propc", f'<property name="password">{_S}</property>', _S),
    Planted("entry", f'<entry key="api.token">{_S}</entry>', _S),
    Planted("plist", f"<key>password</key>\n<string>{_S}</string>", _S),
    Planted("hadoop", f"<name>fs.s3a.secret.key</name>\n<value>{_S}</value>", _S),
    Planted(
        "maven",
        f"<server><id>x</id><username>u</username><password>{_S}</password></server>",
        _S,
    ),
    Planted("mysql", f"mysql -u root -p{_S} db", _S),
    Planted("mysqlh", f"mysql -h db -uroot -p'{_S}' -e 'x'", _S),
    Planted("mysqldump", f"mysqldump --host=x -p{_S}", _S),
    Planted("sshpass", f"sshpass -p {_S} ssh x", _S),
    Planted("sshpass2", f"sshpass -p'{_S}' ssh x", _S),
    Planted("docker", f"docker login -u me -p {_S} reg", _S),
    Planted("docker2", f"docker login reg.io --username me --password={_S}", _S),
    Planted("redis", f"redis-cli -h x -a {_S} ping", _S),
    Planted("curl", f"curl -ume:{_S} http://x", _S),
    Planted("curl2", f"curl -s -u 'me:{_S}' http://x", _S),
    Planted("curl3", f"curl --user me:{_S} x", _S),
    Planted(
        "curlrepr",
        (
            f"CalledProcessError: Command '['curl', '-u', 'me:{_S}', 'http://x']' "
            "returned"
        ),
        _S,
    ),
    Planted("mysqlrepr", repr(["mysql", "-uroot", "-p" + _S]), _S),
    Planted("redisrepr", repr(["redis-cli", "-a", _S]), _S),
    Planted("dockerrepr", json.dumps(["docker", "login", "-u", "me", "-p", _S]), _S),
    Planted("sshpasslist", ["sshpass", "-p", _S, "ssh", "h"], _S),
    Planted("curllist", ["curl", "-u", "me:" + _S], _S),
    Planted("mysqllist", ["mysql", "-p" + _S], _S),
    Planted("dockerlist", ["docker", "login", "-p", _S], _S),
    Planted("opt", f"tool --password {_S} x", _S),
    Planted("optq", f"tool --password '{_S}' x", _S),
    Planted("opteq", f"tool --db-password={_S}", _S),
    Planted("optsingle", f"keytool -storepass {_S} -alias x", _S),
    Planted("dopt", f"java -Djavax.net.ssl.keyStorePassword={_S} -jar", _S),
    Planted("epg", f"docker run -e PGPASSWORD={_S} img", _S),
    Planted("epg2", ["docker", "run", "-e", "PGPASSWORD=" + _S], _S),
    Planted("envprefix", f"PGPASSWORD={_S} psql -h x", _S),
    Planted("passin", f"openssl rsa -passin pass:{_S} -in x", _S),
    Planted("httpie", f"http -a me:{_S} x.test", _S),
    Planted("htpasswd", f"htpasswd -b .htpasswd bob {_S}", _S),
    Planted("sqlcmd", f"sqlcmd -_S x -U sa -P {_S}", _S),
    Planted("ldap", f"ldapsearch -x -D cn=a -w {_S} -b dc", _S),
    Planted("mosq", f"mosquitto_pub -u u -P {_S} -t x", _S),
    Planted("unzip", f"unzip -P {_S} a.zip", _S),
    Planted("7z", f"7z x a.7z -p{_S}", _S),
    Planted("chpasswd", f"echo 'bob:{_S}' | sudo chpasswd", _S),
    Planted("echo", f"echo {_S} | docker login --password-stdin", _S),
    Planted("smb", f"smbclient //h/s -U bob%{_S}", _S),
    Planted("sqlplus", f"sqlplus scott/{_S}@db", _S),
    Planted("wget", f"wget --http-password={_S} x", _S),
    Planted("net", f"net user bob {_S} /add", _S),
    Planted("vault", f"vault login {_S}", _S),
    Planted("setx", f"setx API_KEY {_S}", _S),
    Planted("ENV", f"FROM x\nENV DB_PASSWORD {_S}\n", _S),
    Planted("ARG", f"ARG TOKEN={_S}", _S),
    Planted("ps", f'$env:API_KEY = "{_S}"', _S),
    Planted("awsconf", f"aws configure set aws_secret_access_key {_S}", _S),
    Planted("fish", f"set -x API_KEY {_S}", _S),
    Planted("nginx", f'proxy_set_header Authorization "Token {_S}";', _S),
    Planted("requirepass", f"requirepass {_S}\n", _S),
    Planted("heroku", f"heroku config:set SECRET_KEY={_S}", _S),
    Planted("multiline", f"curl https://x \\\n  -u me:{_S}", _S),
    Planted("identified", f"CREATE USER x IDENTIFIED BY '{_S}'", _S),
    Planted("identified2", f'ALTER USER x IDENTIFIED BY "{_S}"', _S),
    Planted(
        "identified3",
        f"CREATE USER 'a'@'%' IDENTIFIED WITH mysql_native_password BY '{_S}';",
        _S,
    ),
    Planted("pgpw", f"CREATE USER x WITH PASSWORD '{_S}'", _S),
    Planted("pgpw2", f"ALTER ROLE x ENCRYPTED PASSWORD '{_S}' VALID", _S),
    Planted("setpw", f"SET PASSWORD FOR x = PASSWORD('{_S}')", _S),
    Planted("setpw2", f"SET PASSWORD FOR 'x'@'h' = '{_S}'", _S),
    Planted("login", f"CREATE LOGIN x WITH PASSWORD = '{_S}'", _S),
    Planted("update", f"UPDATE u SET password = '{_S}' WHERE id=1", _S),
    Planted("where", f"SELECT * FROM u WHERE password='{_S}'", _S),
    Planted("insert", f"INSERT INTO users (name, password) VALUES ('bob', '{_S}')", _S),
    Planted(
        "insert2",
        (f"INSERT INTO users (id, password, n) VALUES (1, '{_S}', 3), (2, '{_S}', 4);"),
        _S,
    ),
    Planted(
        "sqla",
        (
            "[SQL: INSERT INTO users (name, password) VALUES (?, ?)]\n"
            f"[parameters: ('bob', '{_S}')]"
        ),
        _S,
    ),
    Planted(
        "sqla2",
        (
            "[SQL: INSERT INTO users (name, password) VALUES (%(name)s, %(password)s)]"
            "\n"
            f"[parameters: {{'name': 'bob', 'password': '{_S}'}}]"
        ),
        _S,
    ),
    Planted(
        "sqla3",
        (f"[SQL: UPDATE users SET password=? WHERE id=?]\n[parameters: ('{_S}', 3)]"),
        _S,
    ),
    Planted(
        "sqla4",
        (
            "[SQL: SELECT x FROM users WHERE users.password = ?]\n"
            f"[parameters: ('{_S}',)]\n(Background on this error at: x)"
        ),
        _S,
    ),
    Planted("netrc", f"machine api.x.com login me password {_S}", _S),
    Planted("netrc2", f"machine api.x.com\n  login me\n  password {_S}\n", _S),
    Planted("netrcd", f"default login me password {_S}", _S),
    Planted("pgpass", f"localhost:5432:mydb:bob:{_S}", _S),
    Planted("pgpass2", f"*:*:*:bob:{_S}\n", _S),
    Planted("jdbc", f"jdbc:oracle:thin:scott/{_S}@//h:1521/x", _S),
    Planted("jdbc2", f"jdbc:mysql://h/db?user=u&password={_S}", _S),
    Planted("jdbc3", f"jdbc:sqlserver://h;user=u;password={_S};x=1", _S),
    Planted("odbc", f"Driver={{X}};Server=s;UID=u;PWD={_S};", _S),
    Planted("odbcb", f"DSN=x;PWD={{{_S}}};", _S),
    Planted("amqp", f"amqp://u:{_S}@h:5672/v", _S),
    Planted("dsn", f"host=h user=u password={_S} dbname=d", _S),
    Planted("dsnq", f"host=h password='a b {_S}' dbname=d", _S),
    Planted("godsn", f"root:{_S}@tcp(h:3306)/db", _S),
    Planted("redisurl", f"redis://:{_S}@h/0", _S),
    Planted(
        "azureconn", f"Endpoint=sb://x;SharedAccessKeyName=r;SharedAccessKey={_S}=", _S
    ),
    Planted(
        "pyd",
        (
            "1 validation error for Settings\npassword\n"
            "  String should have at least 12 characters [type=string_too_short,"
            f" input_value='{_S}', input_type=str]\n    For further information "
            "visit x"
        ),
        _S,
    ),
    Planted(
        "pyd2",
        (
            f"1 validation error for S\ndb.password\n  Bad [type=x, input_value='{_S}'"
            ", input_type=str]"
        ),
        _S,
    ),
    Planted(
        "loc", {"type": "x", "loc": ["body", "password"], "msg": "m", "input": _S}, _S
    ),
    Planted(
        "loct",
        json.dumps(
            {
                "detail": [
                    {"type": "x", "loc": ["body", "password"], "msg": "m", "input": _S}
                ]
            }
        ),
        _S,
    ),
    Planted(
        "locrepr",
        repr({"type": "x", "loc": ("password",), "msg": "m", "input": _S}),
        _S,
    ),
    Planted("dataclass", f"Config(user='u', password='{_S}')", _S),
    Planted("kw", f"connect(host='h', password='{_S}')", _S),
    Planted("kwtrace", f"    conn = connect(user='u', passwd=\"{_S}\")\nError", _S),
    Planted("pytest", f"password = '{_S}', user = 'x'", _S),
    Planted("SecretStr", f"api_key=SecretStr('{_S}')", _S),
    Planted("ns", f"Namespace(token='{_S}')", _S),
    Planted("getenvdef", f'password = os.getenv("DB_PASSWORD", "{_S}")', _S),
    Planted("setter", f'config.setPassword("{_S}")', _S),
    Planted("setter2", f'.password("{_S}")', _S),
    Planted("dictrepr", repr({"a": 1, "api_key": _S}), _S),
    Planted("bytes", repr({"password": _S.encode()}), _S),
    Planted("odict", f"OrderedDict([('user', 'u'), ('password', '{_S}')])", _S),
    Planted("define", f"define('DB_PASSWORD', '{_S}');", _S),
    Planted("php", f"'password' => '{_S}',", _S),
    Planted("ruby", f"password: '{_S}',", _S),
    Planted("hashrocket", f':secret_key_base => "{_S}"', _S),
    Planted("ts", f'const apiKey: string = "{_S}";', _S),
    Planted("java", f'private static final String PASSWORD = "{_S}";', _S),
    Planted("go", f'Password: "{_S}",', _S),
    Planted(
        "tf", f'variable "db_password" {{\n  type = string\n  default = "{_S}"\n}}', _S
    ),
    Planted("tf2", f'password = "{_S}"', _S),
    Planted("clj", f':password "{_S}"', _S),
    Planted("tsopt", f"apiKey?: string = '{_S}'", _S),
    Planted("wg", f"[Interface]\nPrivateKey = {_S}=\nAddress = 10", _S),
    Planted("wgpsk", f"PresharedKey = {_S}=", _S),
    Planted(
        "putty",
        (
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"
            "Comment: x\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\n"
            f"AAAAIB{_S.replace('-', '')}\nPrivate-MAC: abcdef0123456789abcdef"
        ),
        "AAAAIB" + _S.replace("-", ""),
    ),
    Planted("jwk", {"kty": "RSA", "n": "abc", "e": "AQAB", "d": _S}, _S),
    Planted(
        "jwkt", json.dumps({"kty": "EC", "crv": "P-256", "x": "abcdefgh", "d": _S}), _S
    ),
    Planted("jwkoct", json.dumps({"kty": "oct", "k": _S}), _S),
    Planted(
        "multipart",
        (
            '--b\r\nContent-Disposition: form-data; name="password"\r\n'
            f"\r\n{_S}\r\n--b--"
        ),
        _S,
    ),
    Planted("har", {"name": "Authorization", "value": "Token " + _S}, _S),
    Planted(
        "postman", json.dumps({"key": "apiKey", "value": _S, "type": "string"}), _S
    ),
    Planted("ldif", f"dn: x\nuserPassword:: {_S}\n", _S),
    Planted("pairs", [["user", "u"], ["password", _S]], _S),
    Planted("pair", ["password", _S], _S),
    Planted("tuplepair", [("api_key", _S)], _S),
    Planted("dfsplit", {"columns": ["user", "password"], "data": [["bob", _S]]}, _S),
    Planted("headrow", [["user", "password"], ["bob", _S]], _S),
    Planted("form", "user=u&password=" + _S + "&x=1", _S),
    Planted("formplus", "password=" + _S + "+x&y=1", _S),
    Planted("prose", f"My password: {_S}", _S),
    Planted("prose2", f"The password is: {_S}", _S),
    Planted("markdown", f"**Password:** {_S}", _S),
    Planted("markdown2", f"- **API key**: `{_S}`", _S),
    Planted("bt", f"`password`: `{_S}`", _S),
    Planted("header2", f"x-api-key: {_S}", _S),
    Planted("headerq", f"-H 'Authorization: Token {_S}'", _S),
    Planted("wwwauth", f"> authorization: ApiKey {_S}\r\n", _S),
    Planted("cookie", f"set-cookie: PHPSESSID={_S}; path=/", _S),
    Planted("sessid", f"PHPSESSID={_S}", _S),
    Planted("connectsid", {"connect.sid": _S}, _S),
    Planted("connectsidt", f"connect.sid={_S}", _S),
    Planted("csrf", f'<input type="hidden" name="csrf_token" value="{_S}">', _S),
    Planted("meta", f'<meta name="csrf-token" content="{_S}">', _S),
    Planted("otp", "otp: 123456", "123456"),
    Planted("otp2", {"otp": 123456}, "123456"),
    Planted("mnem", "mnemonic: witch collapse practice feed shame open", "collapse"),
    Planted("seed", {"seed_phrase": "witch collapse practice"}, "collapse"),
    Planted("reccodes", {"recovery_codes": [_S, "b"]}, _S),
    Planted("mfa", f"mfa_code={_S}", _S),
    Planted("code", f"https://x.test/cb?code={_S}&state=1", _S),
    Planted("cfgset", f"git config http.extraheader 'Authorization: Basic {_S}'", _S),
    Planted("npmrc", f"//packages.test/:_authToken={_S}", _S),
    Planted("pypirc", f"[pypi]\nusername = __token__\npassword = {_S}", _S),
    Planted(
        "awscred", f"[default]\naws_access_key_id = x\naws_secret_access_key = {_S}", _S
    ),
    Planted("dockercfg", json.dumps({"auths": {"x": {"auth": _S}}}), _S),
    Planted("gitcred", f"protocol=https\nhost=x\nusername=u\npassword={_S}", _S),
    Planted(
        "kubeconfig",
        (f"users:\n- name: x\n  user:\n    client-key-data: {_S}\n    token: {_S}\n"),
        _S,
    ),
    Planted("tfvars", f'db_password="{_S}"', _S),
    Planted("jsonc", f'{{password: "{_S}"}}', _S),
    Planted("jsonsp", f'{{"password" : "{_S}"}}', _S),
    Planted("jsonnl", f'{{"password":\n  "{_S}"}}', _S),
    Planted("jsonarr", f'{{"passwords": ["a1","{_S}"]}}', _S),
    Planted("jsonnum", '{"pin_password": 482910}', "482910"),
    Planted("uri", f"otpauth://totp/x?secret={_S}&issuer=y", _S),
    Planted(
        "graphql", f'mutation {{ login(user: "u", password: "{_S}") {{ id }} }}', _S
    ),
    Planted("exception", ValueError(f"invalid password: '{_S}'"), _S),
]

PLACEMENTS: list[Planted] = [*_by_depth(), *_FORMATS]
"""Texts and objects from which the secret must vanish."""

BENIGN_TEXTS: tuple[str, ...] = (
    "reset your password: click the link",
    "pass: 12 fail: 0",
    "PASS: 12, FAIL: 3",
    "token = get_token()",
    "pwd: /home/user",
    "PWD=/home/user/x",
    "cookies: 12 pieces",
    "cookies: flour",
    "cookies: flour, sugar and butter",
    "cookie_consent: true",
    "secret_santa: Bob",
    "secret_santa = Anna",
    "max_tokens: 100",
    "prompt_tokens: 5",
    "token_count=7",
    "next_page_token: abc123def",
    "nextPageToken=CAUQAA",
    (
        "Missing credentials. Please pass an `api_key`, `workload_identity`,"
        " `admin_api_key`, or set the `OPENAI_API_KEY` environment variable."
    ),
    (
        "Did not find openai_api_key, please add an environment variable "
        "`OPENAI_API_KEY` which contains it, or pass `openai_api_key` "
        "as a named parameter."
    ),
    (
        "The api_key client option must be set either by passing api_key "
        "to the client or by setting the OPENAI_API_KEY environment variable"
    ),
    "Invalid 'api_key', 'organization' given",
    "fields: 'password', 'email' and 'username' are required",
    "KeyError: 'password'",
    "TypeError: login() missing 1 required positional argument: 'password'",
    "AttributeError: 'Config' object has no attribute 'api_key'",
    "ValueError: password must be at least 8 characters",
    "password: must be at least 8 characters",
    "Password: The password of the user",
    (
        "    password (str): the user's password\n    token: The token "
        "to use for the call"
    ),
    "Args:\n    api_key: Your API key.\n    timeout: Seconds.",
    ":param password: the password of the user",
    (
        '{"type": "object", "properties": {"password": {"type": '
        '"string", "description": "The password"}, "token": {"type": '
        '["string","null"]}}, "required": ["password", "token"]}'
    ),
    (
        '{\n  "properties": {\n    "password": {\n'
        '      "title": "Password",\n      "type": "string",\n'
        '      "minLength": 8\n    }\n  }\n}'
    ),
    "| name | pass | fail |\n|---|---|---|\n| suite a | 12 | 0 |\n",
    "suite,pass,fail\na,12,0\nb,3,1\n",
    (
        "| Parameter | Type | Description |\n|---|---|---|\n"
        "| api_key | string | Your key |\n| password | string | The password "
        "|"
    ),
    "The `Authorization` header, the `Cookie` header and so on.",
    "Set the Authorization header: see the documentation",
    "Authorization: required",
    "const token = await getToken();",
    'token := r.Header.Get("Authorization")',
    "password = input('Password: ')",
    'password = getpass.getpass("Enter password: ")',
    'api_key = os.environ["OPENAI_API_KEY"]',
    "api_key=os.getenv('OPENAI_API_KEY', '')",
    "self.password = password",
    "this.token = token;",
    "if token is None: raise ValueError('token missing')",
    "token: Optional[str] = None",
    "password: str = Field(..., min_length=8)",
    "tokens: list[str] = []",
    "tokens = text.split()",
    "for token in tokens: print(token)",
    "x = tokens[0]",
    "key: value",
    "sort_by_key: true",
    "SELECT password FROM users",
    "SELECT id, password_hash FROM users WHERE id = 3",
    "ALTER TABLE users ADD COLUMN password VARCHAR(255) NOT NULL",
    "CREATE TABLE users (id INT, password VARCHAR(64), token TEXT)",
    "INSERT INTO users (name, password) VALUES (?, ?)",
    "INSERT INTO orders (id, name) VALUES (1, 'bob')",
    "ENV TOKEN=$TOKEN",
    "export API_KEY=$(cat key.txt)",
    "export API_KEY=${API_KEY}",
    "api_key: ${{ secrets.API_KEY }}",
    "password: '{{ db_password }}'",
    "password: {{ .Values.password }}",
    "token: <your token here>",
    "api_key=YOUR_API_KEY",
    "apiKey: process.env.API_KEY",
    "docker login -u me registry.io",
    "mysql -u root -p",
    "curl -u me https://x.test",
    "curl https://x.test/a -H 'Accept: json'",
    "ssh -p 22 host",
    "mkdir -p /a/b",
    "cp -a x y",
    "docker run -p 8080:80 -u 1000:1000 img",
    "redis-cli -h host ping",
    "nmap -p 80 host",
    "docker login failed, see -h",
    "git log -p file",
    "Das Passwort: bitte hier klicken und dann weiter",
    "Le mot de passe : cliquez ici",
    "Su contraseña: haga clic aquí",
    "パスワード: リセット",
    ("The key point: agents record. The secret of success: hard work and luck"),
    "One key insight: users love it",
    "Key: value pairs",
    "The bearer token: what is it?",
    "Token: a unit of text",
    "token: a string",
    "tokens: 128",
    "tokens used: 128",
    "Tokens: 1,234",
    "total tokens: 55",
    "tokens/s: 33",
    "Author: Jane Doe",
    "authors: A, B",
    "Authority: city",
    "auth: true",
    "auth: enabled",
    "auth_method: password",
    "authentication: OAuth2",
    "signature: John Smith",
    "sig: 3 digits",
    "design: flat",
    "conn: closed",
    "connection string: see docs",
    "code: 404",
    "status code: 500",
    "error code: E1234",
    "code=200",
    "postcode: 12345",
    "zip code: 90210",
    "session id: abc",
    "recoveries: 12",
    "passcode length: 4",
    "passengers: 4",
    "passport: required",
    "bypass: yes",
    "compass: north",
    "passed: 12",
    "tests passed: 3 failed: 1",
    "passage: see below",
    "cookies are enabled",
    "Cookie policy: we use cookies",
    "cookie: chocolate chip",
    "Set-Cookie is a header",
    "550e8400-e29b-41d4-a716-446655440000",
    "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "order 4711-AB-99812",
    "C:\\Users\\bob\\tokens\\new.txt",
    "https://x.test/docs/api_key#token",
    "https://x.test/reset-password/?lang=en",
    "https://x.test/?q=token&page=2",
    "see /etc/passwd and ~/.netrc",
    "passwd: files systemd",
    "machine learning: login and password screens",
    "localhost:5432 refused",
    "http://localhost:5432/db:test",
    "at 12:30:45: started",
    "2024-01-01T12:00:00Z token refresh ok",
    "INFO auth: user logged in",
    "DEBUG token: cache miss",
    "WARNING password: weak",
    "password: invalid",
    "password: ********",
    "password=None",
    "token=''",
    '"token": null',
    '"token": ""',
    "{'password': None}",
    "api_key=SecretStr('**********')",
    "Password123 is a weak example",
    "use a passphrase: it is longer and safer than a word",
    "enter OTP: six digits",
    "OTP: expired",
    "PIN: required",
    "private key: never share it",
    "public key: shown to all",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ bob@host",
    "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----",
    '{"key": "next_token", "value": 3}',
    '{"name": "reset_password", "arguments": "{}"}',
    '{"name": "token_usage", "value": 12}',
    '{"role": "tool", "name": "get_token", "content": "ok"}',
    '<input type="password" name="password" placeholder="Password">',
    '<input type="text" value="abc">',
    '<label for="password">Password</label>',
    "<label>Password:</label> <b>required</b>",
    '<button name="reset_password">Reset</button>',
    (
        "def authenticate(token: str, *, secret: bytes) -> bool:\n"
        "    return hmac.compare_digest(token, secret)"
    ),
    "class Token(NamedTuple):\n    kind: str\n    value: str",
    "type Token = { kind: string; value: string }",
    "tokens = tokenizer.encode('hello world')",
    "const { password, token } = req.body;",
    "password: Joi.string().min(8).required(),",
    "password: z.string().min(8)",
    "password: faker.internet.password()",
    "bcrypt.hash(password, 10)",
    "assert token == expected_token",
    "if (password !== confirmPassword) { return }",
    "secrets:\n  inherit: true\njobs:\n  a: b",
    ("on:\n  workflow_call:\n    secrets:\n      token:\n        required: true"),
    "secretKeyRef:\n  name: db\n  key: password",
    (
        "env:\n- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n"
        "      name: db\n      key: password\n- name: FOO\n"
        "  value: bar"
    ),
    "kind: ConfigMap\ndata:\n  a: b",
    "kind: SecretStore\ndata: x",
    "permissions:\n  id-token: write\n  contents: read",
    "Steps:\n1. Enter your password:\n   Type it twice.\n2. Done",
    "Password reset\n  Click the button below",
    "username and password\nare required",
    "user,email\nbob,b@x\n",
    "name, password, email are the columns",
    "Required fields: name, password, email\nOptional: age",
    "- password\n- email\n- token\n",
    "password\nemail\ntoken\n",
    "Secrets Manager: rotate every 30 days",
    "The secret: nobody knows",
    "Auth0, Okta: providers",
    "basic auth: see RFC 7617",
    "Basic auth: username and password",
    "oauth: authorization code flow",
    "Authorization code: used once",
    "authorization: none",
    "jwt: JSON Web Token",
    "csrf: cross-site request forgery",
    "CSRF token: what it is and why you need it",
    "otpauth URLs are described",
    "Your session: expired",
    "keyboard shortcut: Ctrl+K",
    "hotkey = F5",
    "apikey: string",
    "api_key (string, required): Your API key",
    "--api-key KEY   The key to use",
    "--password PASSWORD  password for login",
    "--token TOKEN",
    "usage: tool [--token TOKEN] [--password]",
    "  -p, --password string   Password",
    "error: the following arguments are required: --password",
    "token 'foo' is not valid",
    "Unexpected token '<', \"<html>\" is not valid JSON",
    "unexpected token: 'else'",
    'token "abc" not recognized by the parser',
)
"""Texts about secrets that hold none, and must stay as they are."""

BENIGN_TREES: tuple[Any, ...] = (
    {"password": ["This field is required."]},
    {"pwd": "/home/user"},
    {"pass": 12, "fail": 0},
    {"cookie_consent": True},
    {"secret_santa": "Bob"},
    {"cookies": 12},
    {"cookies": ["flour", "sugar"]},
    {"password": None},
    {"tokens": ["The", " cat"]},
    {"tokens": 12},
    {
        "properties": {
            "password": {"type": "string", "description": "The password"},
            "token": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "title": "Token",
            },
        }
    },
    {"name": "reset_password", "input": {"a": "b"}},
    {"name": "token_count", "value": 3},
    {"role": "tool", "name": "get_secret", "content": "done"},
    {"allow_headers": ["Authorization", "Content-Type"]},
    ["password", "email"],
    {"fields": ["password", "token", "email"]},
    {"columns": ["id", "name"], "rows": [[1, "a"]]},
    [["suite", "pass", "fail"], ["a", 12, 0]],
    {"field": "password", "message": "is required"},
    {"api_key": ""},
    {"api_key": "${API_KEY}"},
    {"kind": "ConfigMap", "data": {"a": "b"}},
    {"auth": True},
    {"token": {}},
    ["mysql", "-u", "root"],
    ["mkdir", "-p", "/a"],
    {"key": "password", "label": "Password"},
    {"loc": ["body", "name"], "input": "x"},
    {"max_tokens": 5, "total_tokens": 6, "tokens": [1, 2]},
    {"code": "E12", "error": "x"},
    {"key": "password", "value": "Password"},
)
"""Trees about secrets that hold none, and must stay as they are."""
