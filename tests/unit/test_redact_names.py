"""Which names make a value secret, and that no payload is kept to decide it."""

from __future__ import annotations

import gc
import re
from typing import Any

import pytest

from chaukas.sdk.capture.redaction import names
from chaukas.sdk.capture.redaction.names import NAME_CHARS, is_sensitive, squeeze
from chaukas.sdk.capture.redaction.redactor import REDACTED, Redactor
from chaukas.sdk.capture.redaction.text.named_values import (
    STEM_FORMS,
    has_pair_marker,
)
from chaukas.sdk.capture.snapshot import Capture, Rules
from chaukas.sdk.integrations.openai_agents import facts

SENSITIVE = """
    token_2 token3 token_list bot_token_v2 token_prod tokenValue tokens creds passkey
    pw psw auth_header x-auth auth_key x-auth-key authz client_key rsa_key aes_key
    fernet_key deploy_key app_key consumer_key privkey tls.key client_key_data hmac_key
    wifi_pass sudo_pass keystore_pass ansible_become_pass pass1 bearer_value github_pat
    client_assertion code_verifier SAMLResponse sessionid connect.sid PHPSESSID csrf
    kubeconfig .dockerconfigjson netrc service_account_json mnemonic recovery_codes
    mfa_code password1 api_key_1 Passwort dbpass MYSQL_PWD AZURE_OPENAI_API_KEY
    openaikey password_new newPassword password_confirmation user_passwords authToken
    XSRF-TOKEN __Host-session_token basic_auth http_auth REDISCLI_AUTH
    DOCKER_AUTH_CONFIG hashed_password private_key_pem sshKey webhook_secret
    SecretAccessKey session_key keyPassword storepass keypass ACCESS_TOKENS
    X-Goog-Signature stripeKey seedPhrase oauth_token_secret clientSecretValue
    contraseña psk_key wpa_key twilioAuthToken deepseek_api_key SENTRY_AUTH_TOKEN
""".split()

HARMLESS = """
    max_tokens maxTokens total_tokens prompt_tokens completion_tokens cached_tokens
    input_tokens_details reasoning_tokens token_count tokenCount tokens_used
    tokens_per_second tokenizer tokenize tokenization next_page_token nextToken
    pageToken eos_token token_type token_ids secret_santa secret_name cookie_consent
    cookie_policy cookies_accepted password_length password_reset_url auth_required
    auth_url auth_type auth_method auth_user author authority key keys primary_key
    public_key cache_key sort_key idempotency_key foreign_key partition_key key_name
    monkey keyboard turkey donkey hockey api_key_id access_key_id session_id compass
    bypass first_pass pass_rate passed passing passenger passport passport_number
    secretary credits credit_card signature design otp_enabled robot credential_type
    token_limit tokenBudget token_usage num_tokens password_strength
    is_password_valid password_changed_at service_account_email secret_version
    hotkeys error_code status_code zip_code country_code path pattern patient
""".split()


@pytest.mark.parametrize("name", SENSITIVE)
def test_a_value_under_a_name_of_a_secret_is_hidden(name: str) -> None:
    value: Any = {"outer": [{name: "Qz7-xW9kLm2"}]}

    assert Capture(Rules()).tree(value, "x") == {"outer": [{name: REDACTED}]}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_name_that_only_sounds_so_hides_nothing(name: str) -> None:
    assert not is_sensitive(name)
    assert Capture(Rules()).tree({name: "v-1"}, "x") == {name: "v-1"}


@pytest.mark.parametrize(
    "value",
    [
        {"pwd": "/home/user"},
        {"pass": 12, "fail": 0},
        {"cookie_consent": True},
        {"password": None},
        {"password": ""},
        {"api_key": "${API_KEY}"},
        {"tokens": ["The", " cat"]},
        {"tokens": 12},
        {"cookies": ["flour", "sugar"]},
        {"cookies": 12},
        {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/keys/sa.json"},
        {"properties": {"password": {"type": "string", "description": "Yours"}}},
        {"properties": {"token": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_a_secret_stays_under_any_name(value: Any) -> None:
    capture = Capture(Rules())

    assert capture.tree(value, "x") == value
    assert capture.redacted == []


@pytest.mark.parametrize(
    "value",
    [
        {"type": "string", "default": "Qz7-xW9kLm2"},
        {"type": "string", "value": "Qz7-xW9kLm2", "sensitive": True},
        {"type": "string", "enum": ["Qz7-xW9kLm2"]},
        {"name": "sid", "value": "Qz7-xW9kLm2"},
    ],
    ids=str,
)
def test_a_schema_with_a_value_in_it_is_hidden(value: Any) -> None:
    assert Capture(Rules()).tree({"password": value}, "x") == {"password": REDACTED}


def test_a_users_own_name_hides_whatever_stands_under_it() -> None:
    rules = Rules(keys=["patient"])

    assert Capture(rules).tree({"patient": True, "Patient": None}, "x") == {
        "patient": REDACTED,
        "Patient": REDACTED,
    }


@pytest.mark.parametrize("key", ["*", "!!!", "--", ""])
def test_a_key_that_is_no_name_hides_everything(key: str) -> None:
    capture = Capture(Rules(keys=["patient_id", key]))

    assert capture.tree({"a": "text"}, "x") == {REDACTED: REDACTED}
    assert Redactor([key]).redact("text") == REDACTED


# Whatever there is may keep it.
@pytest.mark.usefixtures("unfrozen")
def test_no_payload_is_kept_to_decide_on_names() -> None:
    # Made at run time, so that only what the record keeps can be found.
    payload = "".join(["kept payload "] * 3000)
    secret = "".join(["password is ", "Qz7-xW9kLm2", "!" * NAME_CHARS])

    Capture(Rules()).tree([payload, secret], "x")
    Capture(Rules()).tree({"name": secret, "value": payload, "token": "a b"}, "x")
    Capture(Rules()).tree({payload: 1, secret: 2}, "x")

    # What was made here is young; to look at what is old takes a second.
    gc.collect(1)
    holders = gc.get_referrers(payload, secret)
    assert [each for each in holders if type(each) in (dict, list, tuple)] == []


def test_the_quick_test_finds_each_word_that_texts_are_searched_for() -> None:
    # Of access, in some languages, which is nothing by itself.
    words = {needle for needle, form in STEM_FORMS if re.search(form, needle)}
    words -= {"dostępu", "доступа", "erişim"}
    words |= {f"{kind}tan" for kind in ("", "m", "sms", "push", "chip", "photo", "i")}

    assert {"pass", "kodeord", "mdp", "zaporka", "핀번호", "密码"} <= words
    assert {word for word in words if not has_pair_marker(f"{word}:")} == set()


def test_only_names_are_remembered() -> None:
    before = names._decide_once.cache_info().currsize
    long = "password" * 20

    assert is_sensitive(long)
    assert squeeze(long) == long
    assert names._decide_once.cache_info().currsize == before


def test_the_hash_of_instructions_keeps_no_instructions() -> None:
    assert not hasattr(facts.hash_of, "cache_info")
    assert facts.hash_of("You help.") == facts.hash_of("You help.")
    assert facts.hash_of("You help.") != facts.hash_of("You help!")
