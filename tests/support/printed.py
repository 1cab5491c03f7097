"""
Where secrets stand in what programs print and people write, by a second hand.

Like `placements`, one made-up value in each: files of settings, logs, commands,
answers of services, source code; and benign lines of the same kinds.
"""

from __future__ import annotations

import json

from tests.support.secrets import Planted

__all__ = ("BENIGN_LINES", "PRINTED")

_SECRET = "Vb4nQ8" + "zTk1pL"

PRINTED: list[Planted] = [
    Planted(
        "tool args json",
        json.dumps(
            {"host": "h", "credentials": {"username": "u", "password": _SECRET}}
        ),
        _SECRET,
    ),
    Planted("resp headers", {"headers": {"set-cookie": ["a=" + _SECRET]}}, _SECRET),
    Planted("kwargs", {"kwargs": {"api_key": _SECRET}}, _SECRET),
    Planted("env dict", {"env": {"OPENAI_API_KEY": _SECRET, "PATH": "/bin"}}, _SECRET),
    Planted("printenv", f"HOME=/root\nGH_TOKEN={_SECRET}\nPATH=/bin", _SECRET),
    Planted(
        "docker compose",
        (
            f"services:\n  db:\n    environment:\n      - POSTGRES_PASSWORD={_SECRET}\n"
            f"      MYSQL_ROOT_PASSWORD: {_SECRET}\n"
        ),
        _SECRET,
    ),
    Planted("gh actions", f"      env:\n        NPM_TOKEN: {_SECRET}\n", _SECRET),
    Planted(
        "spring",
        f"spring.datasource.password={_SECRET}\nspring.datasource.username=u",
        _SECRET,
    ),
    Planted(
        "spring yaml",
        f"spring:\n  datasource:\n    username: u\n    password: '{_SECRET}'\n",
        _SECRET,
    ),
    Planted(
        "django",
        (
            f"DATABASES = {{'default': {{'NAME': 'x', 'PASSWORD': '{_SECRET}', "
            f"'HOST': 'h'}}}}\n"
            f"SECRET_KEY = '{_SECRET}'"
        ),
        _SECRET,
    ),
    Planted("flask", f"app.config['SECRET_KEY'] = '{_SECRET}'", _SECRET),
    Planted("wpconfig", f"define( 'AUTH_KEY', '{_SECRET}' );", _SECRET),
    Planted("rails", f"secret_key_base: {_SECRET}", _SECRET),
    Planted("terraform plan", f'  + password = "{_SECRET}"\n', _SECRET),
    Planted(
        "tfstate",
        json.dumps(
            {"resources": [{"instances": [{"attributes": {"password": _SECRET}}]}]}
        ),
        _SECRET,
    ),
    Planted("ansible", f"ansible_become_pass: {_SECRET}", _SECRET),
    Planted(
        "ansible host", f"h1 ansible_host=1.2.3.4 ansible_ssh_pass={_SECRET}", _SECRET
    ),
    Planted("my.cnf", f"[client]\nuser=root\npassword={_SECRET}\n", _SECRET),
    Planted("pgservice", f"[x]\nhost=h\npassword={_SECRET}", _SECRET),
    Planted("boto", f"boto3.client('s3', aws_secret_access_key='{_SECRET}')", _SECRET),
    Planted("openai", f'client = OpenAI(api_key="{_SECRET}")', _SECRET),
    Planted(
        "js",
        f"const client = new Client({{ apiKey: '{_SECRET}', region: 'x' }});",
        _SECRET,
    ),
    Planted("js2", f"headers: {{ 'Authorization': `Token {_SECRET}` }}", _SECRET),
    Planted("fetch", f'fetch(url, {{headers: {{"X-API-Key": "{_SECRET}"}}}})', _SECRET),
    Planted("java props", f'props.put("sasl.password", "{_SECRET}");', _SECRET),
    Planted(
        "java setprop",
        f'System.setProperty("javax.net.ssl.trustStorePassword", "{_SECRET}");',
        _SECRET,
    ),
    Planted(
        "jaas",
        (
            "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "
            f'required username="u" password="{_SECRET}";'
        ),
        _SECRET,
    ),
    Planted(
        "cs",
        (
            f'"ConnectionStrings": {{"Default": "Server=h;Database=d;'
            f'User Id=u;Password={_SECRET};"}}'
        ),
        _SECRET,
    ),
    Planted("go struct", f'Config{{User:"u", Password:"{_SECRET}"}}', _SECRET),
    Planted("go %+v", f"{{User:u Password:{_SECRET} Host:h}}", _SECRET),
    Planted("rust dbg", f'Config {{ user: "u", password: "{_SECRET}" }}', _SECRET),
    Planted("swift", f'let apiKey = "{_SECRET}"', _SECRET),
    Planted("kotlin", f'val password: String = "{_SECRET}"', _SECRET),
    Planted("perl", f'my $password = "{_SECRET}";', _SECRET),
    Planted("php", f'$db_password = "{_SECRET}";', _SECRET),
    Planted("bash", f'TOKEN="{_SECRET}"; curl x', _SECRET),
    Planted("make", f"API_KEY ?= {_SECRET}", _SECRET),
    Planted("cmake", f'set(API_KEY "{_SECRET}")', _SECRET),
    Planted("lua", f"password = [[{_SECRET}]]", _SECRET),
    Planted(
        "log kv", f'level=info msg="login" user=u password={_SECRET} ok=true', _SECRET
    ),
    Planted("log json", f'INFO {{"event":"x","token":"{_SECRET}"}}', _SECRET),
    Planted("log colon", f"2024-01-01 INFO [auth] password: {_SECRET}", _SECRET),
    Planted("log arrow", f"password -> {_SECRET}", _SECRET),
    Planted(
        "err1",
        f"psycopg2.OperationalError: connection to server failed (password={_SECRET})",
        _SECRET,
    ),
    Planted("err2", f"KeyError: {{'token': '{_SECRET}'}}", _SECRET),
    Planted("err3", f"401 Unauthorized: invalid api key: {_SECRET}", _SECRET),
    Planted(
        "err5",
        f"requests.exceptions.HTTPError: 401 Client Error for url: https://x.test/v1?api_key={_SECRET}",
        _SECRET,
    ),
    Planted(
        "err6", f"botocore: SecretAccessKey={_SECRET}, SessionToken={_SECRET}x", _SECRET
    ),
    Planted(
        "sts",
        json.dumps(
            {
                "Credentials": {
                    "AccessKeyId": "x",
                    "SecretAccessKey": _SECRET,
                    "SessionToken": _SECRET,
                }
            }
        ),
        _SECRET,
    ),
    Planted(
        "sts xml",
        f"<Credentials><SecretAccessKey>{_SECRET}</SecretAccessKey></Credentials>",
        _SECRET,
    ),
    Planted("asm", json.dumps({"Name": "x", "SecretString": _SECRET}), _SECRET),
    Planted(
        "asm2",
        json.dumps(
            {"SecretString": json.dumps({"username": "u", "password": _SECRET})}
        ),
        _SECRET,
    ),
    Planted(
        "vault",
        json.dumps(
            {"data": {"data": {"password": _SECRET}}, "auth": {"client_token": _SECRET}}
        ),
        _SECRET,
    ),
    Planted(
        "vault table",
        (
            "Key              Value\n---              -----\n"
            f"token            {_SECRET}\ntoken_accessor   x\n"
        ),
        _SECRET,
    ),
    Planted(
        "vault kv",
        (
            "====== Data ======\nKey         Value\n---         -----\n"
            f"password    {_SECRET}\n"
        ),
        _SECRET,
    ),
    Planted(
        "gcp",
        json.dumps(
            {"type": "service_account", "private_key_id": "x", "private_key": _SECRET}
        ),
        _SECRET,
    ),
    Planted(
        "azure sp",
        json.dumps({"appId": "x", "password": _SECRET, "tenant": "t"}),
        _SECRET,
    ),
    Planted(
        "az table",
        (
            "AppId    Password      Tenant\n-------  ------------  ------\n"
            f"x        {_SECRET}  t\n"
        ),
        _SECRET,
    ),
    Planted("kubectl get", f"token:      {_SECRET}\nca.crt:     1066 bytes", _SECRET),
    Planted(
        "docker inspect",
        json.dumps([{"Config": {"Env": ["PATH=/bin", "DB_PASSWORD=" + _SECRET]}}]),
        _SECRET,
    ),
    Planted("env list", ["PATH=/bin", "DB_PASSWORD=" + _SECRET], _SECRET),
    Planted("ps", f"root 12 0.0 mysqld --password={_SECRET} --x", _SECRET),
    Planted("ps2", f"u 1 python app.py --api-key {_SECRET}", _SECRET),
    Planted("history", f"  501  export AWS_SECRET_ACCESS_KEY={_SECRET}\n", _SECRET),
    Planted(
        "curl data",
        f"curl -X POST https://x -d 'username=u&password={_SECRET}'",
        _SECRET,
    ),
    Planted("curl json", f'curl -d \'{{"password": "{_SECRET}"}}\' https://x', _SECRET),
    Planted("curl -H", f'curl -H "apikey: {_SECRET}" https://x', _SECRET),
    Planted("curl bearer", f"curl --oauth2-bearer {_SECRET} https://x", _SECRET),
    Planted("curl userlong", f"curl --user=me:{_SECRET} https://x", _SECRET),
    Planted("proxy", f"curl -x http://u:{_SECRET}@proxy:80 https://x", _SECRET),
    Planted("wget", f"wget --user=u --password={_SECRET} https://x", _SECRET),
    Planted(
        "git clone", f"git clone https://oauth2:{_SECRET}@gitlab.com/x.git", _SECRET
    ),
    Planted(
        "pip", f"pip install --index-url https://u:{_SECRET}@pypi.x/simple y", _SECRET
    ),
    Planted("psql uri", f'psql "postgresql://u:{_SECRET}@h/d"', _SECRET),
    Planted("mongo", f"mongosh -u u -p {_SECRET} --host h", _SECRET),
    Planted("mysql long", f"mysql --user=root --password='{_SECRET}'", _SECRET),
    Planted("mysql MYSQL_PWD", f"MYSQL_PWD={_SECRET} mysql -u root", _SECRET),
    Planted("openssl", f"openssl enc -aes-256-cbc -pass pass:{_SECRET} -in x", _SECRET),
    Planted("gpg", f"gpg --batch --passphrase {_SECRET} -d x", _SECRET),
    Planted("zip", f"zip -P {_SECRET} a.zip b", _SECRET),
    Planted("restic", f"RESTIC_PASSWORD={_SECRET} restic backup", _SECRET),
    Planted("helm", f"helm install x --set auth.password={_SECRET},image=x", _SECRET),
    Planted("helm2", f"helm upgrade x --set-string db.password={_SECRET}", _SECRET),
    Planted(
        "kubectl create",
        f"kubectl create secret generic db --from-literal=password={_SECRET}",
        _SECRET,
    ),
    Planted(
        "kubectl docker",
        f"kubectl create secret docker-registry r --docker-password={_SECRET}",
        _SECRET,
    ),
    Planted(
        "docker secret argv", ["docker", "run", "--env", "TOKEN=" + _SECRET], _SECRET
    ),
    Planted(
        "az", f"az login --service-principal -u x -p {_SECRET} --tenant t", _SECRET
    ),
    Planted("gcloud", f"gcloud sql users set-password u --password={_SECRET}", _SECRET),
    Planted(
        "aws rds",
        f"aws rds create-db-instance --master-user-password {_SECRET}",
        _SECRET,
    ),
    Planted("heroku", f"heroku config:set API_TOKEN={_SECRET} -a x", _SECRET),
    Planted("flyctl", f"fly secrets set DB_PASSWORD={_SECRET}", _SECRET),
    Planted("redis requirepass", f"config set requirepass {_SECRET}", _SECRET),
    Planted("sql alter", f"ALTER USER postgres PASSWORD '{_SECRET}';", _SECRET),
    Planted(
        "sql grant", f"GRANT ALL ON *.* TO 'u'@'h' IDENTIFIED BY '{_SECRET}';", _SECRET
    ),
    Planted(
        "sql ora",
        f"CREATE USER u IDENTIFIED BY {_SECRET} DEFAULT TABLESPACE x",
        _SECRET,
    ),
    Planted(
        "sql insert upper",
        (
            "INSERT INTO Users (Id, UserName, PasswordHash) VALUES (1, 'u',"
            f" '{_SECRET}')"
        ),
        _SECRET,
    ),
    Planted(
        "sql insert backtick",
        f"INSERT INTO `users` (`name`, `api_token`) VALUES ('u','{_SECRET}')",
        _SECRET,
    ),
    Planted(
        "sqlalchemy many",
        (
            "[SQL: INSERT INTO u (n, token) VALUES (?, ?)]\n"
            f"[parameters: [('a', '{_SECRET}'), ('b', 'y')]]"
        ),
        _SECRET,
    ),
    Planted("snowflake", f"snowflake://u:{_SECRET}@acc/db", _SECRET),
    Planted(
        "jdbc pg", f"jdbc:postgresql://h/d?user=u&password={_SECRET}&ssl=true", _SECRET
    ),
    Planted("odbc2", f"Driver={{ODBC}};Server=h;Uid=u;Pwd={_SECRET}", _SECRET),
    Planted(
        "ado", f"Data Source=h;Initial Catalog=d;User ID=u;Password={_SECRET}", _SECRET
    ),
    Planted("amqps", f"amqps://u:{_SECRET}@h:5671/%2f", _SECRET),
    Planted("smtp", f"smtp://u:{_SECRET}@h:587", _SECRET),
    Planted(
        "csv3", f"email,role,api_token,created\na@x,admin,{_SECRET},2024\n", _SECRET
    ),
    Planted("csv space", f"id, username, password\n1, bob, {_SECRET}\n", _SECRET),
    Planted(
        "md3",
        (
            "| Service | Username | Password |\n|:--|:--|:--|\n"
            f"| db | u | {_SECRET} |\n| x | y | `{_SECRET}` |\n"
        ),
        _SECRET,
    ),
    Planted("html row", f"<tr><td>Password</td><td>{_SECRET}</td></tr>", _SECRET),
    Planted("dl", f"<dt>API key</dt><dd>{_SECRET}</dd>", _SECRET),
    Planted(
        "records",
        [{"user": "u", "password": _SECRET}, {"user": "v", "password": _SECRET}],
        _SECRET,
    ),
    Planted(
        "columns/rows", {"columns": ["id", "token"], "rows": [[1, _SECRET]]}, _SECRET
    ),
    Planted("header tuple", [["Authorization", "Token " + _SECRET]], _SECRET),
    Planted(
        "bytes hdr repr",
        repr([(b"authorization", ("Token " + _SECRET).encode())]),
        _SECRET,
    ),
    Planted("httpx", f"Headers([('host', 'x'), ('x-api-key', '{_SECRET}')])", _SECRET),
    Planted("named lower", {"name": "api_key", "value": _SECRET}, _SECRET),
    Planted("named kv", {"Key": "DB_PASSWORD", "Value": _SECRET}, _SECRET),
    Planted("field value", {"fieldName": "password", "fieldValue": _SECRET}, _SECRET),
    Planted("param", {"parameter": "token", "value": _SECRET}, _SECRET),
    Planted("variable", {"variable": "SECRET", "content": _SECRET}, _SECRET),
    Planted("label val", {"label": "Password", "value": _SECRET}, _SECRET),
    Planted("id val", {"id": "password", "value": _SECRET}, _SECRET),
    Planted(
        "ecs",
        json.dumps({"environment": [{"name": "DB_PASS", "value": _SECRET}]}),
        _SECRET,
    ),
    Planted(
        "1password",
        json.dumps(
            {
                "fields": [
                    {
                        "id": "password",
                        "type": "CONCEALED",
                        "purpose": "PASSWORD",
                        "label": "password",
                        "value": _SECRET,
                    }
                ]
            }
        ),
        _SECRET,
    ),
    Planted(
        "bitwarden",
        json.dumps({"login": {"username": "u", "password": _SECRET, "totp": _SECRET}}),
        _SECRET,
    ),
    Planted(
        "jenkins xml",
        f"<hudson.util.Secret><password>{_SECRET}</password></hudson.util.Secret>",
        _SECRET,
    ),
    Planted("android", f'<string name="google_api_key">{_SECRET}</string>', _SECRET),
    Planted(
        "ios plist",
        f"<dict><key>APIKey</key><string>{_SECRET}</string></dict>",
        _SECRET,
    ),
    Planted(
        "web.config",
        (
            '<connectionStrings><add name="x" connectionString="Server=s;'
            f'Password={_SECRET};"/></connectionStrings>'
        ),
        _SECRET,
    ),
    Planted("tomcat", f'<user username="u" password="{_SECRET}" roles="x"/>', _SECRET),
    Planted("maven", f"<password>{_SECRET}</password>", _SECRET),
    Planted("nuget", f'<add key="ClearTextPassword" value="{_SECRET}" />', _SECRET),
    Planted("soap", f"<wsse:Password>{_SECRET}</wsse:Password>", _SECRET),
    Planted("saml", f"SAMLResponse={_SECRET}&RelayState=x", _SECRET),
    Planted(
        "oauth form",
        f"grant_type=client_credentials&client_id=x&client_secret={_SECRET}",
        _SECRET,
    ),
    Planted(
        "oauth resp",
        json.dumps(
            {
                "access_token": _SECRET,
                "token_type": "bearer",
                "expires_in": 3600,
                "refresh_token": _SECRET,
            }
        ),
        _SECRET,
    ),
    Planted("fragment", f"https://x.test/cb#access_token={_SECRET}&state=1", _SECRET),
    Planted("magic link", f"https://x.test/login?token={_SECRET}", _SECRET),
    Planted("sas", f"https://a.blob.core.windows.net/c?sv=1&sig={_SECRET}", _SECRET),
    Planted("gmaps", f"https://maps.googleapis.com/x?address=a&key={_SECRET}", _SECRET),
    Planted("cookie hdr", f"Cookie: sessionid={_SECRET}; csrftoken={_SECRET}", _SECRET),
    Planted("cookie dict", {"cookies": {"sessionid": _SECRET}}, _SECRET),
    Planted(
        "cookies list",
        {"cookies": [{"name": "sid", "value": _SECRET, "domain": "x"}]},
        _SECRET,
    ),
    Planted("local storage", {"localStorage": {"authToken": _SECRET}}, _SECRET),
    Planted("ldap bind", f"bindpw {_SECRET}\n", _SECRET),
    Planted("wpa", f'network={{\n  ssid="x"\n  psk="{_SECRET}"\n}}', _SECRET),
    Planted("pem key name", {"tls.key": _SECRET}, _SECRET),
    Planted(
        "ssh config yaml", f"ssh_private_key: |\n  {_SECRET}\n  {_SECRET}\n", _SECRET
    ),
    Planted("de", f"Passwort: {_SECRET}", _SECRET),
    Planted("es", f"contraseña: {_SECRET}", _SECRET),
    Planted("fr", f"mot de passe : {_SECRET}", _SECRET),
    Planted("it", f"password={_SECRET}", _SECRET),
    Planted("prompt", f"username: bob\npassword: {_SECRET}", _SECRET),
    Planted(
        "in sentence",
        f"Log in with username admin and password: {_SECRET}, then click on Save.",
        _SECRET,
    ),
    Planted("quotes sentence", f'The password is "{_SECRET}".', _SECRET),
    Planted("api key is", f"Your API key is: {_SECRET}", _SECRET),
    Planted("trailing comma", f"password: {_SECRET}, user: bob", _SECRET),
    Planted("brackets", f"[password={_SECRET}]", _SECRET),
    Planted("angle", f"<password={_SECRET}>", _SECRET),
    Planted("spaces eq", f"password     = {_SECRET}", _SECRET),
    Planted("tab eq", f"password\t=\t{_SECRET}", _SECRET),
    Planted("nl json", f'{{\n  "password"\n  : "{_SECRET}"\n}}', _SECRET),
    Planted("single json", f"{{'password' : '{_SECRET}'}}", _SECRET),
    Planted("json5", f"{{password:'{_SECRET}',}}", _SECRET),
    Planted(
        "escaped slash",
        json.dumps(json.dumps(json.dumps({"url": "x", "token": _SECRET}))),
        _SECRET,
    ),
    Planted(
        "html attr json", f'<div data-props=\'{{"token":"{_SECRET}"}}\'></div>', _SECRET
    ),
    Planted("jsonl", f'{{"a":1}}\n{{"token":"{_SECRET}"}}\n', _SECRET),
    Planted("sse", f'data: {{"api_key": "{_SECRET}"}}\n\n', _SECRET),
    Planted(
        "graphql vars",
        json.dumps(
            {"query": "mutation", "variables": {"input": {"password": _SECRET}}}
        ),
        _SECRET,
    ),
    Planted(
        "loc tree",
        [{"loc": ["body", "user", "password"], "msg": "m", "input": _SECRET}],
        _SECRET,
    ),
    Planted("pydantic repr", f"User(name='u', password='{_SECRET}')", _SECRET),
    Planted("sqlmodel", f"<User(id=1, password_hash='{_SECRET}')>", _SECRET),
    Planted("namedtuple", f"Login(user='u', token='{_SECRET}')", _SECRET),
    Planted("dict()", f"dict(user='u', password='{_SECRET}')", _SECRET),
    Planted("setenv", f"os.environ['API_KEY'] = '{_SECRET}'", _SECRET),
    Planted("putenv", f'os.putenv("API_KEY", "{_SECRET}")', _SECRET),
    Planted("setdefault", f'os.environ.setdefault("API_KEY", "{_SECRET}")', _SECRET),
    Planted("get default", f'config.get("password", "{_SECRET}")', _SECRET),
    Planted("walrus", f"(token := '{_SECRET}')", _SECRET),
    Planted("fstring", f"headers = {{'Authorization': f'Token {_SECRET}'}}", _SECRET),
    Planted("ternary", f"password = x or '{_SECRET}'", _SECRET),
    Planted(
        "argparse", f"parser.add_argument('--token', default='{_SECRET}')", _SECRET
    ),
    Planted("colour before value", f"\x1b[1mPassword:\x1b[0m {_SECRET}", _SECRET),
    Planted(
        "colours around name", f"\x1b[32mtoken\x1b[0m=\x1b[33m{_SECRET}\x1b[0m", _SECRET
    ),
    Planted(
        "colour in json",
        json.dumps({"out": f"\x1b[1mtoken\x1b[0m: {_SECRET}"}),
        _SECRET,
    ),
    Planted(
        "drawn table",
        f"│ user │ token │\n├──────┼───────┤\n│ ann  │ {_SECRET} │",
        _SECRET,
    ),
    Planted(
        "double drawn table",
        f"║ user ║ password ║\n╠══════╬══════════╣\n║ ann ║ {_SECRET} ║",
        _SECRET,
    ),
    Planted(
        "settings table",
        f"| key | value |\n|---|---|\n| api_key | {_SECRET} |",
        _SECRET,
    ),
    Planted(
        "bold settings table",
        f"| a | b |\n|---|---|\n| **client_secret** | `{_SECRET}` |",
        _SECRET,
    ),
    Planted(
        "psql expanded",
        f"-[ RECORD 1 ]---\nuser     | ann\npassword | {_SECRET}",
        _SECRET,
    ),
    Planted("csv settings", f"name,value\nDB_PASSWORD,{_SECRET}\nDB_USER,app", _SECRET),
    Planted(
        "cloudformation parameter",
        f'{{"ParameterKey":"DBPassword","ParameterValue":"{_SECRET}"}}',
        _SECRET,
    ),
    Planted(
        "php dump",
        f'array(1) {{\n  ["password"]=>\n  string(12) "{_SECRET}"\n}}',
        _SECRET,
    ),
    Planted("php print", f"Array\n(\n    [password] => {_SECRET}\n)", _SECRET),
    Planted("sql national", f"CREATE LOGIN a WITH PASSWORD = N'{_SECRET}'", _SECRET),
    Planted(
        "duckdb secret",
        f"CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET '{_SECRET}')",
        _SECRET,
    ),
    Planted("go bytes", f'var secret = []byte("{_SECRET}")', _SECRET),
    Planted("c define", f'#define API_KEY "{_SECRET}"', _SECRET),
    Planted("lisp setq", f'(setq password "{_SECRET}")', _SECRET),
    Planted("r arrow", f'pw <- "{_SECRET}"', _SECRET),
    Planted("requests auth", f"requests.get(u, auth=('ann', '{_SECRET}'))", _SECRET),
    Planted("go basic auth", f'SetBasicAuth("ann", "{_SECRET}")', _SECRET),
    Planted("js env or", f"process.env.API_KEY || '{_SECRET}'", _SECRET),
    Planted("bearer joined", f"'Bearer ' + '{_SECRET}'", _SECRET),
    Planted(
        "base64 in call",
        f'password: str = Field(default="{_SECRET}/Tal+0ste9==")',
        _SECRET,
    ),
    Planted("net use", f"net use z: \\\\h\\s /user:a {_SECRET}", _SECRET),
    Planted("npm config path", f"npm config set //r/:_authToken {_SECRET}", _SECRET),
    Planted("chpasswd here", f"chpasswd <<< 'ann:{_SECRET}'", _SECRET),
    Planted(
        "securestring",
        f"ConvertTo-SecureString '{_SECRET}' -AsPlainText -Force",
        _SECRET,
    ),
    Planted("rabbitmqctl", f"rabbitmqctl add_user ann {_SECRET}", _SECRET),
    Planted("nmcli", f"nmcli dev wifi connect Home password {_SECRET}", _SECRET),
    Planted("said password", f"Your temporary password is {_SECRET}", _SECRET),
    Planted("said with", f"login failed for user ann with password {_SECRET}", _SECRET),
    Planted("said api key", f"Invalid api key '{_SECRET}'", _SECRET),
]
"""Texts and objects from which the secret must vanish."""

BENIGN_LINES: tuple[str, ...] = (
    'fetch(url, {credentials: "include"})',
    "credentials: same-origin",
    "kubectl get secret db-creds-v2 -o yaml",
    "the access token v2-endpoint is deprecated",
    "password sha256-based hashing is used",
    "| Option | Type |\n|---|---|\n| api_key | string |\n| timeout | 30s |",
    "process.env.API_KEY || 'development'",
    '#define API_KEY_HEADER "X-Api-Key"',
    "net use z: \\\\srv\\share",
    "\x1b[32mPASSED\x1b[0m tests/test_password.py::test_reset",
    "│ test │ result │\n├──┼──┤\n│ password │ passed │",
    "    at Token.parse (/app/token.js:10:5)",
    "pub struct Creds { pub password: String, pub token: Option<String> }",
    "password: !Ref DBPassword",
    '"node_modules/js-tokens": {\n  "version": "4.0.0"\n}',
    (
        "1 validation error for Login\npassword\n  Field required "
        "[type=missing, input_value={'user': 'ann'}, input_type=dict]"
    ),
    'token <- "comma"',
    "The test suite: pass=120 fail=3 skip=1",
    "Author: token_bot",
    "secret sauce: garlic",
    "cookie jar: full",
    "cookies: enabled",
    "cookies=3",
    "password strength: strong",
    "forgot password? click here",
    "Password must contain: 8 characters",
    "key=value",
    "keys: a, b, c",
    "primary key: id",
    "foreign key: user_id",
    "press key: enter",
    "api: v2",
    "token limit: 4096",
    "tokens: 4096",
    "context tokens=8000",
    "input tokens: 12, output tokens: 8",
    "cost per token: 0.0001",
    "token price: $0.10",
    "next_token: null",
    "pagination token: none",
    "tokenization: bpe",
    "Tokenizer(name='gpt2')",
    "auth: oauth2",
    "auth provider: google",
    "authorization: required",
    "authentication: basic",
    "auth flow: pkce",
    "OAuth scopes: read, write",
    "session: active",
    "session id: 12",
    "signature: def f(x)",
    "Signature: Jane",
    "code: print(1)",
    "code review: done",
    "exit code: 1",
    "error_code: 42",
    "country code: DE",
    "promo code: SUMMER",
    "class SecretSanta: pass",
    "def test_password_reset(): pass",
    "def get_token(self) -> str: ...",
    "return token",
    "raise AuthError('bad token')",
    "logger.info('token refreshed')",
    "print(f'token={token}')",
    "console.log(`token: ${token}`)",
    "await page.fill('#password', password)",
    "await page.click('text=Password')",
    "document.getElementById('password').value",
    "input[name=password]",
    "input[type='password']",
    "<label>Password</label>",
    "<th>Password</th><th>Email</th>",
    "| Field | Type |\n|---|---|\n| password | string |",
    "password: String!",
    "password: string;",
    "password?: string;",
    "password String @db.VarChar",
    "password = models.CharField(max_length=128)",
    "password = Column(String(128))",
    "password VARCHAR(255)",
    "token UUID PRIMARY KEY",
    "t.string :password_digest",
    "validates :password, length: { minimum: 8 }",
    "password = serializers.CharField(write_only=True)",
    "api_key: str = Field(description='The key')",
    "api_key: str | None = None",
    "token: Token",
    "Depends(get_token)",
    "@app.post('/token')",
    "POST /oauth/token HTTP/1.1",
    "GET /api/keys?limit=10",
    "WWW-Authenticate: Bearer",
    "401 Unauthorized: token expired",
    "403: invalid credentials",
    "Invalid password: try again",
    "Wrong password, please retry",
    "error: password too short",
    "warning: token will expire in 5 minutes",
    "Error: secret not found: db-creds",
    "secret/db-creds created",
    "secrets: 3",
    "3 secrets found",
    "kubectl get secrets -n prod",
    (
        "NAME TYPE DATA AGE\ndb-creds Opaque 2 3d\n"
        "default-token kubernetes.io/service-account-token 3 9d"
    ),
    "NAME       TYPE     DATA   AGE\ndb-pass    Opaque   2      3d\n",
    "docker login succeeded",
    "git config credential.helper store",
    "credential.helper=osxkeychain",
    "gpg: no secret key",
    "ssh: Permission denied (publickey,password).",
    "sshd[12]: Accepted password for bob from 1.2.3.4 port 22",
    "sshd: Failed password for root",
    "pam_unix: authentication failure",
    "Enter passphrase for key '/root/.ssh/id_rsa':",
    "key fingerprint is SHA256:abcdefghijklmnopqrstuvwxyz012345",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "Public key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 bob",
    "commit 1234567890abcdef1234567890abcdef12345678",
    'etag: "abc123def"',
    "x-request-id: 550e8400-e29b-41d4-a716-446655440000",
    "request_id=req_123abc456",
    "user_id=u_12ab34cd",
    "order number: A-1234-B",
    "IBAN: DE89370400440532013000",
    "color: #ff00ff",
    "hash: 9f86d081884c7d659a2feaa0c55ad015",
    "md5=9e107d9d372bb6826bd81d3542a419d6",
    "version: 1.2.3-beta",
    "Schlüssel: unter der Matte",
    "clé: sous le tapis",
    "La clave: estudiar mucho",
    "キー: 値",
    "密码: 请输入",
    "How do I reset my password? First open settings.",
    "Question: what is a JWT? Answer: a JSON Web Token.",
    "Token: the smallest unit. Key: the index.",
    "His pass: perfect. Her pass: better.",
    "Boarding pass: gate 12",
    "Season pass: 120 euro",
    "mountain pass: closed",
    "pass: true",
    "passed: true",
    "PASSED: 10",
    "bypass=1",
    "--pass-through yes",
    "compass: 12",
    "--no-auth",
    "--auth none",
    "--token-file /run/x",
    "--password-stdin",
    "--key-type rsa",
    "max_new_tokens=256",
    "bos_token='<s>'",
    "stop_tokens: ['</s>']",
    "token_ids: [1, 2, 3]",
    "tokens=['a', 'b']",
    "token='<pad>'",
    "logprobs: {token: 'the', logprob: -0.1}",
    '{"token": "the", "logprob": -0.12}',
    '{"tokens": ["The", " cat"], "token_logprobs": [-1, -2]}',
    '{"type":"password","label":"Password"}',
    '{"password":{"type":"string","format":"password"}}',
    '{"in":"header","name":"X-API-Key","type":"apiKey"}',
    (
        '{"securitySchemes":{"ApiKeyAuth":{"type":"apiKey","in":"header","name":"X-API-Key"}}}'
    ),
    ('{"error":"invalid_token","error_description":"The token is expired"}'),
    ('{"code":"invalid_api_key","message":"Incorrect API key provided"}'),
    '{"auth":{"type":"none"}}',
    '{"auth": "basic"}',
    '{"secrets":[]}',
    '{"token":null,"user":"x"}',
    '{"cookies":true}',
    '{"password":"required"}',
    '{"i18n":{"password":"Password","token":"Token"}}',
    "[password]\nmin = 8",
    "[auth]\nenabled = true",
    "auth:\n  enabled: true\n  type: basic\n",
    "password:\n  min_length: 8\n  required: true\n",
    "token:\n  type: string\n  description: The token\n",
    "    secret:\n      secretName: db\n",
    "secretName: db-creds",
    "imagePullSecrets:\n- name: regcred\n",
    "volumes:\n- name: secret-vol\n  secret:\n    secretName: x\n",
    (
        "- name: TOKEN\n  valueFrom:\n    secretKeyRef:\n"
        "      name: x\n      key: token\n"
    ),
    ("- uses: actions/checkout@v4\n  with:\n    token: ${{ secrets.GITHUB_TOKEN }}\n"),
    "x: 1",
    "user: {{ user }}\npassword: {{ password }}",
    "[x](https://x.test/docs/password-reset)",
    "# Passwords\n\nUse a manager.",
    "## API key\n\nYou need one.",
    "* Password: at least 8 characters\n* Token: from the settings page",
    "1. Token: copy it from the page",
    "Step 2: Enter the token: see the picture",
    "See also: authentication, authorization, tokens",
    "e.g. password, token, or API key: all of these are secrets.",
    "ls -la ~/.aws/credentials",
    "cat credentials.json | jq .token",
    "rg 'api_key=' --type py",
    "sed -i 's/password=.*/password=/' x",
    "echo $TOKEN",
    'echo "$PASSWORD" | docker login --password-stdin',
    "export TOKEN=$(gcloud auth print-access-token)",
    'if [ -z "$TOKEN" ]; then',
    "TOKEN=${1:?token missing}",
    'password="$1"',
    "password=$(pass show x)",
    'curl -H "Authorization: Bearer $TOKEN" https://x',
    'mysql -u root -p"$PASS" db',
    "api_key=config.api_key, timeout=5",
    "api_key=settings.OPENAI_API_KEY",
    "token=request.headers.get('X-Token')",
    "password=form.cleaned_data['password']",
    "password: user.password,",
    "token: this.token,",
    "const apiKey = process.env.API_KEY;",
    "let token = localStorage.getItem('token');",
    'token := os.Getenv("TOKEN")',
    'String token = req.getHeader("X-Token");',
    "$token = $_POST['token'];",
    "$password = password_hash($password, PASSWORD_DEFAULT);",
    "var key = map.Keys.First();",
    "for key, value in d.items():",
    "d[key] = value",
    "lambda key: key.name",
    "sorted(x, key=len)",
    "sorted(x, key=lambda t: t[1])",
    "cache.get(key=cache_key)",
    "partition_key='user#1'",
    "Key={'id': 1}",
    "s3.get_object(Bucket='b', Key='path/to/file.txt')",
    "https://x.test/a?sort_key=name&page=2",
    "https://www.youtube.com/watch?v=abc123",
    "https://x.test/?code=404",
    "https://x.test/search?q=password+manager",
)
"""Lines about secrets that hold none, and must stay as they are."""
