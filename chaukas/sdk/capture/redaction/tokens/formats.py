"""
List the keys of known makers: how each begins and what follows.

Facts only, one row for each form. `_redact_values` searches for them, and the texts
that a quick search has to know are taken from here, see `Maker.marker_of`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ("MAKERS", "SEPARATORS", "Maker", "form_of")

SEPARATORS = "_-."
"""Most beginnings hold one of these; the first after two letters ends the marker."""

_MARKER_CHARS = 3

_ALPHABETS = {
    "N": r"[A-Za-z0-9]",
    "W": r"[A-Za-z0-9_\-]",
    "B": r"[A-Za-z0-9+/=_\-]",
    "S": r"[A-Za-z0-9+/]",
    "H": r"[0-9a-f]",
    "L": r"[a-z0-9]",
    "U": r"[A-Z0-9]",
    "D": r"[0-9]",
}
_ALPHABET = re.compile(r"([NWBSHLUD])(?=\{)")
_UUID = "H{8}-H{4}-H{4}-H{4}-H{12}"


@dataclass(frozen=True, slots=True)
class Maker:
    """One form of key."""

    name: str
    """Who makes it, and which of theirs."""
    prefixes: str
    """How it begins, in exactly this case; several with spaces between."""
    form: str
    """
    What follows, as a regular expression; a capital before a brace is an alphabet.

    N letters and digits, W these and ``_-``, S these and ``+/``, B base64 of both
    kinds, H hexadecimal, L small letters and digits, U capitals and digits, D digits.
    """
    is_alone: bool = False
    """Whether a dash, dot or underscore before it makes it a part of a longer name."""
    before: str = ""
    """What stands before the prefix and is part of the key, as *form*; at most 96."""

    @staticmethod
    def marker_of(prefix: str) -> str:
        """Return the part of a beginning that a quick search looks for."""
        for at, letter in enumerate(prefix):
            if letter in SEPARATORS and at >= _MARKER_CHARS - 1:
                return prefix[: at + 1]
        return prefix


@lru_cache(maxsize=512)
def form_of(form: str) -> re.Pattern[str]:
    """Compile what follows the beginning of a key, when it is first needed."""
    return re.compile(_ALPHABET.sub(lambda found: _ALPHABETS[found[1]], form))


# An exact length is followed by no further letter, or it is something else.
_END = r"(?![A-Za-z0-9])"

MAKERS: tuple[Maker, ...] = (
    # Models and what belongs to them.
    Maker("OpenAI and others", "sk-", "W{16,}"),
    Maker("OpenAI project, service, admin", "sk-proj- sk-svcacct- sk-admin-", "W{16,}"),
    Maker("OpenAI session", "sess-", "N{40,}"),
    Maker("Anthropic", "sk-ant-", "W{16,}"),
    Maker("OpenRouter", "sk-or-", "W{16,}"),
    Maker("Langfuse", "sk-lf-", "W{16,}"),
    Maker("Helicone", "sk-helicone- pk-helicone-", "W{16,}"),
    Maker("Google API", "AIza", "W{30,}"),
    Maker("Google Gemini", "AQ.", "W{30,}"),
    Maker("Google OAuth client", "GOCSPX-", "W{16,}"),
    Maker("Google OAuth token", "ya29.", "W{16,}"),
    Maker("Google OAuth refresh", "1//0", "W{40,}"),
    Maker("Groq", "gsk_", "N{20,}"),
    Maker("xAI", "xai-", "N{20,}"),
    Maker("Perplexity", "pplx-", "N{20,}"),
    Maker("Tavily", "tvly-", "W{20,}"),
    Maker("NVIDIA", "nvapi-", "W{20,}"),
    Maker("LangSmith", "lsv2_pt_ lsv2_sk_ ls__", "W{20,}"),
    Maker("Replicate", "r8_", "N{20,}"),
    Maker("Fireworks", "fw_", "N{20,}"),
    Maker("Together", "tgp_v1_", "W{20,}"),
    Maker("Hugging Face", "hf_ api_org_", "N{20,}"),
    Maker("Weights & Biases", "wandb_v1_", "W{20,}"),
    Maker("Pinecone", "pcsk_", "W{20,}"),
    Maker("E2B", "e2b_ sk_e2b_", "N{20,}"),
    Maker("Firecrawl", "fc-", f"H{{32}}{_END}", is_alone=True),
    Maker("Browserbase", "bb_live_ bb_test_", "W{16,}"),
    Maker("ElevenLabs", "sk_", f"H{{48}}{_END}", is_alone=True),
    Maker("Voyage", "pa-", "W{40,}", is_alone=True),
    Maker("Jina", "jina_", "W{30,}"),
    Maker("Cerebras", "csk-", "N{30,}"),
    Maker("Brave Search", "BSA", f"W{{28}}{_END}", is_alone=True),
    Maker("LlamaCloud", "llx-", "N{30,}"),
    Maker("Mem0", "m0-", "N{30,}", is_alone=True),
    Maker("Apify", "apify_api_", "N{30,}"),
    Maker("Logfire", "pylf_v1_ pylf_v2_", "W{30,}"),
    Maker("PromptLayer", "pl_", f"H{{32}}{_END}", is_alone=True),
    Maker("Runpod", "rpa_", "N{30,}"),
    Maker("Friendli", "flp_", "N{30,}"),
    Maker("Baidu", "bce-v3/ALTAK-", "N{16,}/H{32,}"),
    Maker("Volcengine", "AKLT", "N{40,}"),
    Maker("Cursor", "key_ crsr_", f"H{{64}}{_END}", is_alone=True),
    # Clouds and what runs in them.
    Maker("AWS", "AKIA ASIA ABIA ACCA", "U{16}"),
    Maker("AWS session", "IQoJb3JpZ2lu FwoGZXIvYXdz", "B{50,}"),
    Maker("AWS Bedrock", "ABSK bedrock-api-key-", "B{60,}"),
    Maker(
        "Azure application",
        "Q~",
        "[A-Za-z0-9_~.-]{31,34}",
        before="[A-Za-z0-9_~.]{3}D{1}",
    ),
    # Each with its sign at one place, which base64 by chance does not have.
    Maker("Azure storage", "+ASt +ABa ACDb APIM", "S{6}==", before="S{76}"),
    Maker("Azure search", "AzSe +ACR", f"S{{6}}{_END}", before="S{42}"),
    Maker("Azure messages", "AIoT +ASb +AEh AzCa", "S{6}=", before="S{33}"),
    Maker("Azure functions", "AzFu", "W{6}==", before="W{44}"),
    Maker("Azure AI", "JQQJ99", f"N{{26}}{_END}", before="N{52}"),
    Maker("Azure DevOps", "AZDO", f"N{{4}}{_END}", before="N{76}"),
    Maker("Alibaba", "LTAI", f"N{{12,24}}{_END}"),
    Maker("Tencent", "AKID", f"N{{32}}{_END}"),
    Maker("Yandex", "AQVN y0_", "W{35,}"),
    Maker("Yandex IAM", "t1.", r"B{40,}\.B{40,}", is_alone=True),
    Maker("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", "H{32,}"),
    Maker("Heroku", "HRKU-", "W{30,}"),
    Maker("Fly", "fo1_ fm1_ fm1a_ fm1r_ fm2_", "B{30,}"),
    Maker("Vercel", "vcp_ vci_ vca_ vcr_ vck_", "N{20,}"),
    Maker("Vercel Blob", "vercel_blob_rw_", "W{20,}"),
    Maker("Netlify", "nfp_ nfo_ nfc_ nfu_ nfb_", "N{30,}"),
    Maker("Cloudflare", "cfut_ cfat_ cfk_", "W{30,}"),
    Maker("Cloudflare origin", "v1.0-", "H{24}-H{100,}"),
    Maker("Supabase", "sbp_ sbp_v0_", "H{32,}"),
    Maker("Supabase secret", "sb_secret_", "W{20,}"),
    Maker(
        "PlanetScale", "pscale_tkn_ pscale_pw_ pscale_oauth_", "[A-Za-z0-9_.=\\-]{30,}"
    ),
    Maker("Neon", "napi_", "L{40,}"),
    Maker("Neon password", "npg_", f"N{{12,16}}{_END}"),
    Maker(
        "Databricks",
        "dapi",
        rf"(?=[a-f]{{0,31}}D{{1}})H{{32}}(?:-D{{1,2}})?{_END}",
        is_alone=True,
    ),
    Maker("MongoDB Atlas", "mdb_sa_sk_", "W{20,}"),
    Maker("Vault", "hvs. hvb. hvr.", "W{20,}"),
    Maker("Pulumi", "pul-", f"H{{40}}{_END}"),
    Maker("Terraform", ".atlasv1.", "W{60,}", before="N{14}"),
    Maker(
        "Doppler",
        "dp.",
        r"(?:pt|st|ct|sa|said|scim|audit)\.(?:[a-z0-9_\-]{2,35}\.)?N{40,}",
    ),
    Maker("1Password", "ops_", "eyJB{30,}"),
    Maker("1Password secret key", "A3-", "U{6}-(?:U{11}|U{6}-U{5})-U{5}-U{5}-U{5}"),
    Maker("Render", "rnd_", "N{20,}", is_alone=True),
    Maker("Deno", "ddp_ ddo_ ddw_", "N{30,}"),
    Maker("Aiven", "AVNS_", "W{15,}"),
    Maker("CockroachDB", "CCDB1_", "N{20,}_N{30,}"),
    Maker("Tailscale", "tskey-", "W{16,}"),
    Maker("Scalingo", "tk-us-", "W{40,}"),
    Maker("OpenShift", "sha256~", "W{40,}"),
    Maker("Prefect", "pnu_ pnb_", "N{36,}"),
    Maker("dbt", "dbtc_ dbtu_", "W{30,}"),
    Maker("Elastic", "essu_", "B{40,}"),
    Maker("Xata", "xau_", "N{40,}"),
    # Code and how it is built.
    Maker("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9_]{16,}"),
    Maker("GitHub fine-grained", "github_pat_", "[A-Za-z0-9_]{16,}"),
    Maker(
        "GitLab",
        "glpat- glptt- gldt- glrt- glrtr- glcbt- glft- glimt- glagent- glsoat-"
        " glffct- glwt- gloas-",
        r"W{16,}(?:\.N{2,}){0,3}",
    ),
    Maker("Atlassian", "ATATT3 ATCTT3 ATSTT3 ATBB", "B{20,}"),
    Maker("npm", "npm_", "N{20,}"),
    Maker("PyPI", "pypi-", "AgW{30,}"),
    Maker("RubyGems", "rubygems_", "H{40,}"),
    Maker("crates", "cio", f"(?=[A-Za-z]{{0,31}}D{{1}})N{{32}}{_END}", is_alone=True),
    Maker("Docker", "dckr_pat_ dckr_oat_", "W{20,}"),
    Maker("JFrog", "AKCp", "N{50,}"),
    Maker("Clojars", "CLOJARS_", "L{50,}"),
    Maker("Packagist", "packagist_org_ packagist_ack_ packagist_ort_", "H{40,}"),
    Maker("Buildkite", "bkua_ bkaa_ bkct_", "H{40}"),
    Maker("CircleCI", "CCIPAT_ CCIPRJ_", "W{20,}"),
    Maker("Harness", "pat. sat.", r"W{22}\.N{24}\.N{20}", is_alone=True),
    Maker("SonarQube", "squ_ sqp_ sqa_", "H{40}"),
    Maker("Snyk", "snyk_uat. snyk_sat.", r"[A-Za-z0-9_.\-]{20,}"),
    Maker("Postman", "PMAK-", "H{24}-H{34}"),
    Maker("Postman collection", "PMAT-", "U{26}"),
    Maker("Sourcegraph", "sgp_", "(?:H{16}_|local_)?H{40}"),
    Maker("Octopus", "API-", f"U{{25,27}}{_END}", is_alone=True),
    Maker("ReadMe", "rdme_", "L{60,}"),
    Maker("Infracost", "ico-", f"N{{32}}{_END}", is_alone=True),
    Maker("Contentful", "CFPAT-", "W{40,}"),
    Maker("Typeform", "tfp_", r"[A-Za-z0-9_.=\-]{40,}"),
    # Watching programs.
    Maker("Grafana", "glc_ glsa_", "B{30,}"),
    Maker("Grafana, older", "eyJrIjoi", "B{60,}"),
    Maker("Sentry", "sntrys_ sntryu_ sntryi_", "B{40,}"),
    Maker("New Relic license", "NRAL", _END, before="H{36}"),
    Maker("New Relic", "NRAK- NRJS- NRRA- NRII- NRIQ- NRBR-", "W{19,}"),
    Maker("Honeycomb", "hcaik_ hcbik_ hcxik_ hcamk_ hcxmk_", "N{20,}"),
    Maker(
        "Dynatrace",
        "dt0c01. dt0s01. dt0s02. dt0s03. dt0s04. dt0s06. dt0s08. dt0s09. dt0s16.",
        r"U{24}\.U{40,}",
    ),
    Maker("PostHog", "phx_ phs_", "N{30,}"),
    Maker("LaunchDarkly", "sdk- api-", _UUID + _END, is_alone=True),
    Maker("Statsig", "secret- console-", "N{40,}", is_alone=True),
    Maker("Segment", "sgp_", f"N{{64}}{_END}"),
    # Money.
    Maker(
        "Stripe",
        "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_live_ sk_org_test_ sk_org_",
        "W{10,}",
    ),
    Maker("Stripe webhook", "whsec_", "B{16,}"),
    Maker("Square", "sq0atp- sq0csp-", "W{22,}"),
    Maker("Square token", "EAAA", "W{60}"),
    Maker("Shopify", "shpat_ shpca_ shppa_ shpss_ shptka_ shpua_", "N{20,}"),
    Maker("Plaid", "access-sandbox- access-development- access-production-", _UUID),
    Maker("PayPal", "access_token$", "(?:production|sandbox)[$]L{16}[$]H{32}"),
    Maker("Razorpay", "rzp_live_ rzp_test_", "N{14,}"),
    Maker("Flutterwave", "FLWSECK- FLWSECK_TEST-", "N{12,}(?:-X)?"),
    Maker("Adyen", "AQE", "[a-z]hm[A-Za-z0-9+/]{60,}"),
    Maker("Mollie, GoCardless, Lob", "live_ test_", f"N{{30,48}}{_END}", is_alone=True),
    Maker("EasyPost", "EZAK EZTK", f"N{{54}}{_END}"),
    Maker("Shippo", "shippo_live_ shippo_test_", "H{40}"),
    Maker("Checkout.com", "sk_sbox_", "L{20,}"),
    Maker("Paddle", "pdl_live_ pdl_sdbx_", "W{40,}"),
    Maker("Duffel", "duffel_live_ duffel_test_", "W{40,}"),
    # Mail and messages.
    Maker(
        "Slack",
        "xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs-",
        r"(?:[A-Za-z0-9\-/+]|%[0-9A-Fa-f]{2}){10,}",
    ),
    Maker("Slack token of a token", "xoxe.xoxb- xoxe.xoxp-", r"[A-Za-z0-9\-]{10,}"),
    Maker("Slack app", "xapp- xwfp-", r"[0-9]-[A-Za-z0-9\-]{10,}"),
    Maker("Twilio", "SK AC", f"H{{32}}{_END}", is_alone=True),
    Maker(
        "Telegram bot",
        ":A",
        f"W{{34}}{_END}",
        before=r"(?:bot|[\\%][ux]?H{2,4})?D{6,12}",
    ),
    Maker("Discord bot", ".", "W{6}[.]W{27,}", before="[MNO]W{23,27}"),
    Maker("Mailchimp", "-us", f"D{{1,2}}{_END}", before="H{32}"),
    Maker("SendGrid", "SG.", r"W{10,}\.W{10,}"),
    Maker("Mailgun", "key- pubkey-", f"H{{32}}{_END}", is_alone=True),
    Maker("Mandrill", "md-", f"W{{22}}{_END}", is_alone=True),
    Maker("Brevo", "xkeysib- xsmtpsib-", "W{40,}"),
    Maker("Resend", "re_", "N{8}_N{20,}", is_alone=True),
    Maker("Klaviyo", "pk_", f"H{{34}}{_END}", is_alone=True),
    Maker("Discord, second factor", "mfa.", "W{60,}"),
    Maker("Facebook", "EAA", "N{60,}"),
    Maker("Instagram", "IGQV IGAA", "W{60,}"),
    Maker("Twitter", "A" * 21, "(?=N{0,40}%)[A-Za-z0-9%]{60,}"),
    Maker("LinkedIn", "WPL_AP0. WPL_AP1.", r"N{10,}\.B{4,}"),
    Maker("Pinterest", "pina_", "[A-Z0-9]{40,}"),
    # Work.
    Maker("Notion", "ntn_", "N{20,}"),
    Maker("Notion, older", "secret_", f"N{{43}}{_END}", is_alone=True),
    Maker("Linear", "lin_api_ lin_oauth_ lin_wh_", "N{20,}"),
    Maker("Asana", "0/ 1/ 2/", f"D{{13,}}(?:/D{{6,}})?:H{{32}}{_END}", is_alone=True),
    Maker("Airtable", ".", f"H{{64}}{_END}", before="patN{14}"),
    Maker("Salesforce", "!", "[A-Za-z0-9._]{60,}", before="00DN{12,15}"),
    Maker("MaxMind", "_mmk", _END, before="N{6}_N{29}"),
    Maker("Figma", "figd_ figo_ figu_ figoh_ figor_", "W{30,}", is_alone=True),
    Maker("ClickUp", "pk_", f"D{{5,10}}_U{{32}}{_END}", is_alone=True),
    Maker("Trello", "ATTA", "H{60,}"),
    Maker(
        "HubSpot", "pat-na1- pat-na2- pat-na3- pat-eu1- pat-ap1-", _UUID, is_alone=True
    ),
    Maker("Dropbox", "sl.", r"(?:u\.)?W{60,}", is_alone=True),
    Maker("Mapbox", "sk.", r"eyJW{20,}\.W{10,}", is_alone=True),
    Maker("n8n", "n8n_api_", "W{30,}"),
    Maker("Onfido", "api_live. api_sandbox.", r"W{10,}\.W{20,}"),
    Maker("Adobe", "p8e-", f"N{{32}}{_END}"),
    Maker("Frame.io", "fio-u-", "W{50,}"),
    Maker("Riot Games", "RGAPI-", _UUID),
    Maker("Persona", "persona_sandbox_ persona_production_", "W{30,}"),
    # Others, by how they begin.
    Maker("OpenAI client", "ek_", f"H{{32}}{_END}", is_alone=True),
    Maker("Modal", "as- ak-", f"N{{22}}{_END}", is_alone=True),
    Maker("Anyscale", "esecret_", "N{20,}"),
    Maker("Cartesia", "sk_car_", "W{16,}"),
    Maker("SettleMint", "sm_pat_ sm_aat_ sm_sat_", f"N{{16}}{_END}"),
    Maker("Kaggle", "KGAT_", "H{32}"),
    Maker("Databento", "db-", f"N{{29}}{_END}", is_alone=True),
    Maker("Google OAuth code", "4/0A", "W{50,}", is_alone=True),
    Maker("Firebase messages", ":APA91b", "W{100,}", before="AAAAW{7}"),
    Maker("Login with Amazon", "amzn1.oa2-cs.v1.", "H{64}"),
    Maker("Backblaze", "K00", f"D{{1}}S{{27}}{_END}", is_alone=True),
    Maker("UpCloud", "ucat_", "N{24,}"),
    Maker("Akamai", "akab-", f"W{{16}}-W{{16}}{_END}", is_alone=True),
    Maker("Confluent", "cflt", f"S{{60}}{_END}", is_alone=True),
    Maker("Zuplo", "zpka_", "W{32,}"),
    Maker("Inngest", "signkey-prod- signkey-test- signkey-branch-", "H{32,}"),
    Maker("Trigger", "tr_dev_ tr_prod_ tr_stg_ tr_pat_", "N{20,}"),
    Maker("NetBird", "nbp_", "N{30,}"),
    Maker(
        "LocalStack", "ls-", f"N{{8}}-N{{4}}-N{{4}}-N{{4}}-N{{12}}{_END}", is_alone=True
    ),
    Maker("Defined Networking", "dnkey-", "W{26}-W{52}"),
    Maker("Axiom", "xaat- xapt-", _UUID),
    Maker("Coralogix", "cxtp_ cxth_ cxup_", "N{20,}"),
    Maker("LogicMonitor", "lmb_ lma_", "B{40,}"),
    Maker("Rootly", "rootly_", f"H{{64}}{_END}"),
    Maker("JFrog reference", "cmVmdGtuOjAx", "N{40,}"),
    Maker("NuGet", "oy2", f"L{{43}}{_END}", is_alone=True),
    Maker("GitLab runner", "GR1348941", "W{20,}"),
    Maker("GitHub, older", "v1.", f"H{{40}}{_END}", is_alone=True),
    Maker("Bitbucket Data Center", "BBDC-", "S{40,}"),
    Maker("Sourcegraph, others", "slk_ sgd_", "H{64}"),
    Maker("Socket", "sktsec_", "W{30,}"),
    Maker("Chromatic", "chpt_", f"H{{14,16}}{_END}"),
    Maker("Unkey", "unkey_", "N{20,}"),
    Maker("Val Town", "vtwn_", "N{20,}"),
    Maker("DevCycle", "dvc_server_ dvc_mobile_", "W{20,}"),
    Maker("WakaTime", "waka_ waka_sec_ waka_tok_", "W{30,}"),
    Maker("Adafruit", "aio_", f"N{{28}}{_END}", is_alone=True),
    Maker("Ionic", "ion_", f"N{{42}}{_END}", is_alone=True),
    Maker("Samsara", "samsara_api_", "N{20,}"),
    Maker("Chief Tools", "ctp_ cto_", "N{30,}"),
    Maker("42", "s-s4t2ud- s-s4t2af-", "H{64}"),
    Maker(
        "Authress",
        "sc_ ext_ scauth_ authress_",
        r"L{5,30}\.L{4,6}\.acc[_-][a-z0-9-]{8,32}\.B{30,}",
        is_alone=True,
    ),
    Maker("Canada Notify", "gcntfy-", "W{60,}"),
    Maker("Turnstile", "0x4AAAAAAA", "W{26,}"),
    Maker("Liveblocks", "sk_dev_ sk_prod_", "W{30,}"),
    Maker("Stytch", "secret-live- secret-test-", "B{30,}"),
    Maker("Metabase", "mb_", "S{40,}={0,2}", is_alone=True),
    Maker("PubNub", "sec-c-", "B{40,}"),
    Maker("Pangea", "pts_", f"L{{32}}{_END}", is_alone=True),
    Maker("Intercom", "dG9rO", "N{40,}={0,2}"),
    Maker("eBay", "PRD- SBX-", f"H{{12}}(?:-H{{4,8}}){{3,4}}{_END}", is_alone=True),
    Maker("WooCommerce", "ck_ cs_", f"H{{40}}{_END}", is_alone=True),
    Maker("Shopify partners", "prtapi_", "H{32}"),
    Maker("Midtrans", "Mid-server- SB-Mid-server-", "W{20,}"),
    Maker("Xendit", "xnd_development_ xnd_production_", "N{40,}"),
    Maker("Omise", "skey_", f"(?:test_)?L{{18,20}}{_END}", is_alone=True),
    Maker("Asaas", "$aact_", "B{40,}"),
    Maker("Mercado Pago", "APP_USR-", "W{40,}"),
    Maker("Cashfree", "cfsk_ma_prod_ cfsk_ma_test_", "W{30,}"),
    Maker("Polar", "polar_", "W{32,}"),
    Maker("Alchemy", "alcht_", "N{24,}"),
    Maker("MailerSend", "mlsn.", "H{60,}"),
    Maker("Telnyx", "KEY", f"U{{32}}_N{{22}}{_END}", is_alone=True),
    Maker("Matrix", "syt_", r"B{4,}_N{20}_N{6}"),
    # Others, by how they begin.
    Maker("GoCardless", "sandbox_", f"W{{40}}{_END}", is_alone=True),
    Maker(
        "Yandex dictionary",
        "dict.1.1. trnsl.1.1. pdct.1.1.",
        r"D{8}TD{6}Z\.H{16}\.H{40}",
    ),
    Maker("Runway", "key_", f"H{{128}}{_END}", is_alone=True),
    Maker("Braintrust", "bt-st-", "N{40,}"),
    Maker("Bitcoin extended", "xprv yprv zprv", f"N{{107}}{_END}"),
    Maker("Nostr", "nsec1", f"L{{58}}{_END}"),
    Maker("JumpCloud", "jca_", "N{36,}"),
    Maker("Gitpod", "gitpod_pat_", "W{40,}"),
    Maker("Retool", "retool_", "N{26,}"),
    Maker("Neptune", "eyJhcGlfYWRkcmVzcyI6", "B{40,}"),
    # Keys of their own.
    Maker("age", "AGE-SECRET-KEY-1 AGE-SECRET-KEY-PQ-1", "U{50,}"),
    Maker("minisign", "RWRTY0Iy", "B{60,}"),
    Maker("private key in base64", "LS0tLS1CRUdJTi", "B{8,}"),
    Maker(
        "private key without its head",
        "MIIEowIBAAKCAQEA MIIEpAIBAAKCAQEA MIIEpQIBAAKCAQEA MIIEogIBAAKCAQEA"
        " MIIJKAIBAAKCAgEA MIIJKQIBAAKCAgEA MIIJJwIBAAKCAgEA MIICXAIBAAKBgQ"
        " MIICXQIBAAKBgQ MIICXgIBAAKBgQ MIIEvQIBADANBgkqhkiG MIIEvgIBADANBgkqhkiG"
        " MIIEvAIBADANBgkqhkiG MIIJQgIBADANBgkqhkiG MIIJQwIBADANBgkqhkiG"
        " MIIJRAIBADANBgkqhkiG MIGHAgEAMBMGByqGSM49 MHcCAQEEI MC4CAQAwBQYDK2Vw"
        " b3BlbnNzaC1rZXktdjEA",
        r"(?:[A-Za-z0-9+/=]|\s|\\[nr]|%0[AaDd]|%2[BbFf]|%3[Dd]){16,}",
    ),
)
"""The keys that are known by how they begin."""
