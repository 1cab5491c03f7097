"""
Decide by its name whether a field holds a secret.

One decision for dict keys, HTTP headers, URL parameters, command line options
and assignments inside texts, so that no spelling of a name is hidden in one
place and shown in another.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final
from unicodedata import normalize

from .languages import in_english

__all__ = (
    "DEEDS",
    "HEADER_NAMES",
    "NAME_CHARS",
    "QUERY_NAMES",
    "is_about",
    "is_owner",
    "is_sensitive",
    "last_word",
    "squeeze",
    "words_of",
)

NAME_CHARS: Final = 64
"""Longest name that is remembered; what is longer is payload more often."""

HEADER_NAMES: Final = frozenset(
    {
        "authorization",
        "proxyauthorization",
        "cookie",
        "setcookie",
        "xapikey",
        "apikey",
        "xauthtoken",
        "xauth",
        "xauthkey",
        "xcsrftoken",
        "xamzsecuritytoken",
        "ocpapimsubscriptionkey",
    }
)
"""Squeezed header names that are hidden in ``[name, value]`` pairs as well."""

QUERY_NAMES: Final = frozenset(
    "key sig signature hmac code sid auth pw sessionid".split()
)
"""Squeezed names that hold a secret in the query part of a URL, not elsewhere."""

# Words that make a name sensitive wherever they stand in it.
_CORE: Final = frozenset(
    "password passwd passphrase passcode passkey passwort pword kennwort contrasena"
    " senha secret credential cred authorization authz cookie csrf xsrf jwt bearer"
    " pwd pswd psw otp totp hotp netrc pgpass htpasswd kubeconfig dockerconfigjson"
    " dockercfg mnemonic phpsessid jsessionid sessionid sessid connectionstring"
    " cvv cvc cvv2 cvc2 connstr privkey requirepass masterauth pg"
    "password psk bindpw rootpw".split()
)

# Two words beside each other that make a name sensitive.
_PAIRS: Final = frozenset(
    tuple(pair.split("+"))
    for pair in (
        "connection+string conn+str conn+string connect+sid client+assertion"
        " code+verifier saml+response saml+assertion seed+phrase recovery+phrase"
        " secret+phrase account+json amz+signature goog+signature hub+signature"
        " pass+phrase pass+word pass+code pass+key docker+config 2+fa"
        " wallet+seed de+passe auth+header auth+value auth+data auth+string auth+blob"
        " authentication+string auth+salt secure+salt nonce+salt in+s"
        "alt nonce+key in+key"
        " signing+salt hash+salt password+salt cookie+salt encryption+salt"
        " secret+salt jwt+salt"
        " auth+code auth+digest auth+hash auth+config private+pem shared+access".split()
    )
)

_KEY_OWNERS: Final = frozenset(
    "api access secret private priv account signing sign encryption encrypt"
    " decryption crypto cipher symmetric master shared storage subscription"
    " functions function ssh client rsa aes des dsa ec ecdsa ed25519 fernet deploy"
    " deployment app application consumer tls ssl hmac gpg pgp auth service session"
    " admin root bot webhook vault unseal wallet jwt jwe license licence developer"
    " merchant integration openai anthropic claude gemini google azure aws gcp"
    " stripe twilio sendgrid mailgun github gitlab slack cohere mistral groq"
    " pinecone huggingface hf datadog sentry algolia firebase supabase cloudflare"
    " deepseek openrouter replicate elastic serp serpapi tavily exa langsmith"
    " langfuse wandb xai perplexity together fireworks rapidapi maps wg wireguard"
    " wlan wifi network preshared server psk wep wpa anon write ingest ingestion"
    " nwk local device mesh pairing join link ltk irk zwave zigbee lorawan x".split()
)

_PASS_OWNERS: Final = frozenset(
    "db database user smtp mysql ftp sftp mail email redis postgres pg admin root"
    " http https proxy ssh login basic wifi wlan sudo keystore truststore store key"
    " become ansible vault rdp vnc ldap bind mqtt amqp rabbit rabbitmq elastic kafka"
    " jdbc imap pop3 wp jenkins nexus registry docker git github gitlab router guest"
    " api client server my cert pfx p12 zip account app mongo mongodb oracle sa"
    " auth service enc gpg new old current default mailer sender relay broker"
    " vpn sso dba su superuser owner mssql sqlserver neo4j cassandra couch couchdb"
    " influx influxdb clickhouse minio s3 grafana prometheus exporter kibana zabbix"
    " sonar artifactory npm pypi maven gradle svn jira confluence nextcloud keycloak"
    " odoo drupal joomla magento webdav dav xmpp irc radius pppoe isp camera backup"
    " restic borg archive zip pdf signing".split()
)

_PAT_OWNERS: Final = frozenset(
    "github gitlab azure ado devops git gh gl jira bitbucket databricks airtable"
    " my user access".split()
)

_CODE_OWNERS: Final = frozenset(
    "mfa 2fa fa otp totp recovery backup auth authorization verification sms"
    " security access login pairing invite pin tan puk card".split()
)

# What a name says *about* a secret is not the secret: `password_length`.
_HARMLESS_LAST: Final = frozenset(
    "algorithm algo iteration round backend driver plugin"
    " version ms count limit length len type name policy url uri endpoint"
    " id expiry"
    " expire expiration ttl usage budget size required enable strength"
    " label description rule scope status path file filename dir"
    " directory folder domain server arn ref reference age attempt error present"
    " valid invalid sec second m min minute hour day date time at on by"
    " consent forgot forgotten attribute period santa sauce garden agent reset"
    " rotation rotate manager"
    " management engine provider source format pattern regex validator validation"
    " checker field form prompt message notice banner jar recipe cutter"
    " menu ingredient handler helper generator requirement complexity history"
    " ttl lifetime duration timeout set exist missing less"
    " setting preference mode method kind class index idx position offset"
    " window rate price cost per ratio distribution logprob prob probability"
    " weight embedding symbol address balance supply holder amount decimal network"
    " standard sale stream streaming latency speed throughput hint help title"
    " placeholder column table tip doc docs documentation screen page"
    " button link event category level flow scheme realm callback host port user"
    " username header_name failure failed success successful total sum"
    " limiter counter estimate estimator encoding ization izer"
    " incorrect uuid guid prefix suffix samesite hasher short long weak wrong"
    " fd descriptor mount namespace region bucket score feedback "
    "suggestion warning encryption fingerprint hashing metadata i"
    "nfo detail summary issuer audience subject claim left change"
    " spent mismatch stdin alg box bar board view dialog modal store dough crumble"
    " monster baker check outcome verdict reason variable within until"
    " since pref preference mgmt mgr identifier filter scanning scanner"
    " detection sharing question"
    " color colour checksum resend tooltip caption heading subtitle"
    " renewal lookup storage sync authentication".split()
)

_NAMED_PAIRS: Final = frozenset(
    {("existing", "secret"), ("image", "pull"), ("from", "secret")}
)
_HARMLESS_ENDS: Final = (
    *(("expire", "in"), ("same", "site"), ("http", "only"), ("to", "stage")),
    *(("validation", "parameter"), ("cookie", "secure")),
)
# A number, a length, a name, a kind, a time, a state.
_ABOUT_LAST: Final = tuple(
    "数量 长度 個数 類型 类型 名称 有效期 过期时间 状态 次数 数 長さ 期限 種類"
    " 개수 길이 유형".split()
)
# What was done to a secret is no secret: `token_expired`. But these make one of it.
_MADE: Final = frozenset(
    "encrypted unencrypted decrypted hashed salted encoded decoded signed shared seed"
    " stored saved computed generated"
    " hardcoded typed entered embed feed cred red".split()
)

# Tokens of language models and parsers, and those that turn a page. The last
# name a place in a list; hiding them would hide why an agent read on.
_HARMLESS_TOKENS: Final = frozenset(
    "page nextpage next continuation cursor sync eos bos pad unk sep cls mask"
    " stop special first last start end begin per cancel cancellation unexpected"
    " output input prompt completion max min total image audio text new previous"
    " prev reasoning thinking cached cache used remaining available context num"
    " number n of count generated estimated avg average mean median budget video"
    " prediction accepted rejected creation read details billed overlap chunk"
    " byte word sub subword visual vision no many top logit sampled draft"
    " message system tool tools function request response extra added"
    " starting write citation pagination lock resume nft erc20 governance utility"
    " csharp design color colour spacing radius font shadow typography theme"
    " elevation breakpoint border motion"
    " lexer parser syntax".split()
)

_OWNERS: Final = {"pass": _PASS_OWNERS, "pat": _PAT_OWNERS, "code": _CODE_OWNERS}

_OTHER_PINS: Final = frozenset("gpio led map data clock input output reset i o".split())

_AUTH_BEFORE: Final = frozenset(
    "require requires need needs use uses no without enable disable skip is has"
    " with supports".split()
)

_UNLESS: Final = {
    "auth": _AUTH_BEFORE,
    "pin": _OTHER_PINS,
    "tan": _OTHER_PINS,
    "puk": _OTHER_PINS,
}

# A number, a stage or a form at the end of a name does not change what it is.
_TRIMMED: Final = frozenset(
    "v prod production dev development staging stage test live sandbox value list"
    " raw plain plaintext b64 base64 pem content data env var old new"
    " current previous backup primary secondary".split()
)

_OF: Final = frozenset("de da do di d del della dell".split())
# The longest first. No pattern: that would try each at every letter of a long word.
_GLUED_LAST: Final = (
    *("passphrase", "credential", "password", "passwort", "kennwort", "passwd"),
    *("secret", "cookie", "token", "pass", "pwd", "key"),
)
_GLUED_FIRST: Final = re.compile(
    r"(password|passwd|secret|token|credential|cookie)"
    r"(hash|value|text|key|string|data|id|name|type|count|length|policy|field|url)"
)
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_A-Za-z0-9]+")
_OF_OBJECT: Final = re.compile(r"token\.[a-z]+_?")
DEEDS: Final = frozenset(
    "show hide copy copied toggle submit cancel retry save edit delete remove create"
    " generate regenerate send sent ask revoke rotate manage read write list view add"
    " change enter verify done continue back next login logout open close use import"
    " export approve deny grant".split()
)
"""Last words of the key of a label or of a permission: ``auth.otp.show``."""
_NOISE: Final = re.compile(r"[\W_]+")
_MARKS: Final = re.compile(r"[\u0300-\u036f]")


def squeeze(name: str) -> str:
    """Return *name* in lower case without separators: ``X-Api_Key``: xapikey."""
    # Most names are one word: there is nothing to take out.
    return name.lower() if name.isalnum() else _NOISE.sub("", name).lower()


def words_of(name: str) -> list[str]:
    """Return the lower-case words of a name, split at separators and capitals."""
    return [word.lower() for word in _WORDS.findall(name)]


def last_word(name: str) -> str:
    """Return the last word of a name in the singular; empty without any."""
    words = words_of(name)
    return _singular(words[-1]) if words else ""


def is_sensitive(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """
    Tell whether a value of this name must be hidden.

    A name is sensitive when it holds the word for a secret, unless its last
    word says that the value is only about the secret. When unsure, it is.

    Args:
        name: As found; its case and separators do not matter.
        extra: Further sensitive names, squeezed.

    """
    # Only names are remembered: longer texts are payload, perhaps a secret.
    if len(name) > NAME_CHARS:
        return _decide(name, extra)
    return _decide_once(name, extra)


def _decide(name: str, extra: frozenset[str]) -> bool:
    """Decide without remembering."""
    plain = name
    if not name.isascii():
        plain = _MARKS.sub("", normalize("NFKD", name)).lower()
    if extra and squeeze(name) in extra:
        return True
    english = in_english(name)
    if english is not None:
        # Some languages put the owner behind the key: `clave api`.
        words = [word for word in words_of(english) if word not in _OF]
        turned = " ".join(reversed(words))
        is_secret = is_sensitive(english) or is_sensitive(turned)
        return is_secret and not name.endswith(_ABOUT_LAST)
    words = words_of(plain)
    if not words or _is_of_object(plain, words):
        return False
    # `tokens` is a list of secrets; `max_tokens` a number, and no text either.
    parts = [part for word in words for part in _parts(_singular(word))]
    if _ends_harmless(parts) or (len(parts) > 1 and parts[0] in ("no", "without")):
        return False
    while len(parts) > 1 and (parts[-1].isdigit() or parts[-1] in _TRIMMED):
        parts.pop()
    if any(part in _CORE for part in parts):
        return not _ends_harmless(parts)
    return any(
        _is_secret_at(parts, at) for at in range(len(parts))
    ) and not _ends_harmless(parts)


_decide_once = lru_cache(maxsize=2048)(_decide)


def _is_of_object(name: str, words: list[str]) -> bool:
    """Tell what a parser knows of a piece of text, as ``token.map``."""
    owner, _, last = name.rpartition(".")
    if owner.endswith("_type"):
        # A member of a type: `token_type.keyword`.
        return not is_sensitive(last)
    if _OF_OBJECT.fullmatch(name) is None or len(words) != 2:
        return False
    return words[1] not in _TRIMMED and not is_sensitive(words[1])


def _singular(word: str) -> str:
    """Return a word without the s of the plural; other words are left alone."""
    if word in ("ids", "policies"):
        return "id" if word == "ids" else "policy"
    is_plural = len(word) > 3 and word.endswith("s")
    return word[:-1] if is_plural and not word.endswith(("ss", "us", "is")) else word


def _parts(word: str) -> tuple[str, ...]:
    """Split words that are written as one: ``authtoken``, ``dbpassword``."""
    if word in _CORE or word.startswith("lib"):
        return (word,)
    if word.endswith(_GLUED_LAST) and word not in _GLUED_LAST:
        last = next(filter(word.endswith, _GLUED_LAST))
        return word.removesuffix(last), last
    glued = _GLUED_FIRST.fullmatch(word)
    return (word,) if glued is None else (glued[1], glued[2])


def _ends_harmless(parts: list[str]) -> bool:
    """Tell whether the last word says that the value is about a secret."""
    if len(parts) < 2:
        return False
    if _NAMED_PAIRS.intersection(pairwise(parts)):
        # What names a Secret of Kubernetes: `auth.existingSecret`.
        return True
    if parts[-2:] == ["secret", "id"] and parts[-3:-2] != ["user"]:
        # Of Vault and others it is a secret: its value decides.
        return False
    return _is_harmless(parts[-1]) or tuple(parts[-2:]) in _HARMLESS_ENDS


def _is_harmless(word: str) -> bool:
    """Tell a word that says something about what the words before it name."""
    return word in _HARMLESS_LAST or (word.endswith("ed") and word not in _MADE)


def is_about(name: str) -> bool:
    """Tell a name that says something about a value, as ``access_ttl``."""
    words = [_singular(word) for word in words_of(name)]
    is_end = tuple(words[-2:]) in _HARMLESS_ENDS
    return bool(words) and (is_end or _is_harmless(words[-1]))


def is_owner(word: str) -> bool:
    """Tell whose a secret is, or of which stage, from what is said of it."""
    word = word.lower()
    return word in _TRIMMED or word in _PASS_OWNERS or word in _KEY_OWNERS


def _is_secret_at(parts: list[str], at: int) -> bool:
    """Tell whether the word at a place, with the one before, means a secret."""
    part = parts[at]
    before = parts[at - 1] if at else ""
    is_last = at == len(parts) - 1
    # `one-time code`
    is_once = part == "code" and parts[max(0, at - 2) : at] == ["one", "time"]
    if is_once or (before, part) in _PAIRS or (part == "pw" and is_last):
        return True
    if part == "token":
        is_public = parts[max(0, at - 2) : at] == ["public", "key"]
        return not is_public and before not in _HARMLESS_TOKENS
    if part == "key":
        return before in _KEY_OWNERS
    if not is_last:
        return False
    if part in _UNLESS:
        return before not in _UNLESS[part]
    # `-srcstorepass`, `--truststore-pass`
    is_store = part == "pass" and before.endswith(("store", "key"))
    return (part == "pass" and at == 0) or is_store or before in _OWNERS.get(part, ())
