"""Prove that each setting is found wherever it is written, and told when wrong."""

from __future__ import annotations

import os
import re
from dataclasses import FrozenInstanceError, fields
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest

from chaukas.sdk import config as config_module
from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.config import (
    RETRY_SETTINGS,
    RETRY_WITHOUT_EFFECT,
    SETTINGS,
    Config,
    RetryConfig,
    load,
    settings_table,
    summary_of,
)
from chaukas.sdk.config.table import SWITCHES, spool_dir_of
from chaukas.sdk.errors import ChaukasError, ConfigError, Problem
from chaukas.sdk.integrations import INTEGRATIONS

HOME = {"HOME": "/home/a"}
KEY = "ck-" + "x" * 24


def loaded(arguments=None, config=None, **environ):
    """Load with a home folder and nothing else from this machine."""
    return load(arguments or {}, config, {**HOME, **environ})


def config_of(arguments=None, config=None, **environ):
    """Load what must be free of problems."""
    result = loaded(arguments, config, **environ)
    assert result.problems == ()
    return result.config


def line_of(arguments=None, config=None, **environ):
    """Load what must have one problem, and return its line."""
    (problem,) = loaded(arguments, config, **environ).problems
    assert "\n" not in str(problem)
    return str(problem)


# One readable value for each setting: as text, as read, and a second in code.
VALUES = {
    "tenant_id": ("acme", "acme", "other"),
    "project_id": ("web", "web", "other"),
    "enabled": ("no", False, True),
    "output_mode": ("FILE, file", ("file",), ["file"]),
    "endpoint": ("https://c.example/v1/", "https://c.example/v1", "grpc://c:4317"),
    "api_key": (f" {KEY}\n", KEY, "k"),
    "api_key_file": ("/run/secrets/k", Path("/run/secrets/k"), Path("k")),
    "ca_file": ("/etc/ca.pem", Path("/etc/ca.pem"), "ca.pem"),
    "client_cert": ("/etc/me.pem", Path("/etc/me.pem"), "me.pem"),
    "client_key": ("/etc/me.key", Path("/etc/me.key"), "me.key"),
    "collector_compat": ("Published", "published", "auto"),
    "otlp_endpoint": ("https://o.example/otel", "https://o.example/otel", "grpc://o:1"),
    "otlp_headers": (
        "x-key=a%20b, x-team=c",
        (("x-key", "a b"), ("x-team", "c")),
        {"x-key": "d"},
    ),
    "otlp_signals": ("traces, Logs", ("traces", "logs"), ["metrics"]),
    "semconv": ("Head", "head", "1.36"),
    "flavour": ("GenAI", "genai", "openinference"),
    "output_file": ("/var/x.jsonl", Path("/var/x.jsonl"), Path("y")),
    "batch_size": ("64", 64, 65),
    "flush_interval": ("250ms", 0.25, 2),
    "timeout": ("1m", 60.0, 3.5),
    "max_batch_bytes": ("2 MiB", 2 << 20, 4096),
    "branch": ("main", "main", "dev"),
    "tags": (" a, b ,,a", ("a", "b"), ["c"]),
    "capture_content": ("off", False, True),
    "capture_full_input": ("on", True, False),
    "capture_binary": ("yes", True, False),
    "capture_stack_traces": ("0", False, True),
    "redact_keys": ("ssn, iban", ("ssn", "iban"), {"x"}),
    "sample_rate": ("0.25", 0.25, 1),
    "spool_dir": ("/var/spool/x", Path("/var/spool/x"), "z"),
    "spool_limit": ("1GB", 1 << 30, 1 << 21),
    "memory_limit": ("64mb", 64 << 20, 1 << 21),
    "log_level": ("debug", "DEBUG", 30),
    "integrity": ("false", False, True),
    "session_id": ("s1", "s1", "s2"),
    "session_idle_timeout": ("2h", 7200.0, 5),
    "max_open_sessions": ("10", 10, 11),
    "stream_events": ("Deltas", "deltas", "counts"),
    "data_access_tools": ("search,lookup", ("search", "lookup"), ("s",)),
    "link_run_states": ("on", True, False),
    "integrations": ("openai-agents", ("openai_agents",), ["tenacity"]),
    "rotate_bytes": ("10MB", 10 << 20, 2048),
    "rotate_interval": ("1d", 86_400.0, 60),
    "rotate_keep": ("3", 3, 4),
    "rotate_gzip": ("true", True, False),
}
IN_ENVIRONMENT = [row for row in SETTINGS if row.env]


async def _coroutine(_path=None, _value=None):
    raise AssertionError


def _generator(_path, _value):
    yield


async def _async_generator(_path, _value):
    yield


class _AsyncCallable:
    async def __call__(self, path, value):
        raise AssertionError


class _Callable:
    def __call__(self, path, value):
        raise AssertionError

    def method(self, path, value):
        raise AssertionError


class _OddSignature(_Callable):
    @property
    def __signature__(self):
        raise LookupError


def by_name(row):
    """Name a parametrised case after its setting."""
    return row.name


class TestRows:
    """The rows, the configuration and the documents agree."""

    def test_every_field_has_its_row_and_every_row_its_field(self):
        assert [row.target for row in SETTINGS if row.target != "sinks"] == [
            each.name for each in fields(Config) if each.name not in {"sinks", "retry"}
        ]
        assert {row.name for row in RETRY_SETTINGS} == {
            each.name for each in fields(RetryConfig)
        }

    def test_no_name_stands_for_two_settings(self):
        spellings = [name for row in SETTINGS + SWITCHES for name in row.spellings]
        variables = [name for row in SETTINGS + SWITCHES for name in row.env]

        assert len(set(spellings)) == len(spellings)
        assert len(set(variables)) == len(variables)

    def test_the_environment_of_the_contract_is_there(self):
        names = {name for row in SETTINGS + SWITCHES for name in row.env}

        assert names >= {
            f"CHAUKAS_{name}"
            for name in [
                "TENANT_ID",
                "PROJECT_ID",
                "ENDPOINT",
                "API_KEY",
                "OUTPUT_MODE",
                "OUTPUT_FILE",
                "FILE_PATH",
                "EMIT_TO_FILE",
                "BATCH_SIZE",
                "FLUSH_INTERVAL",
                "TIMEOUT",
                "MAX_BATCH_BYTES",
                "BRANCH",
                "TAGS",
                "CAPTURE_CONTENT",
                "REDACT_KEYS",
                "SAMPLE_RATE",
                "SPOOL_DIR",
                "SPOOL_LIMIT",
                "MEMORY_LIMIT",
                "ENABLED",
                "LOG_LEVEL",
            ]
        }

    def test_the_defaults_are_those_of_the_contract(self):
        config = config_of()

        assert config == Config(spool_dir=Path("/home/a/.local/state/chaukas"))
        assert (config.tenant_id, config.project_id) == ("default", "default")
        assert config.sinks == ("file",)
        assert config.output_file == Path("chaukas_events.jsonl")
        assert (config.batch_size, config.max_batch_bytes) == (512, 1 << 20)
        assert (config.flush_interval_s, config.timeout_s) == (1.0, 10.0)
        assert config.spool_limit_bytes == 512 << 20
        assert config.memory_limit_bytes == 32 << 20
        assert config.session_idle_timeout_s == 1800
        assert config.max_open_sessions == 10_000
        assert config.enabled
        assert config.integrity
        assert config.capture_content

    def test_every_default_can_be_written_and_read_again(self):
        for row in IN_ENVIRONMENT:
            default = getattr(Config(), row.target)
            if default not in (None, ()):
                assert row.kind.read(row.kind.show(default)) == default

    def test_the_table_names_every_setting_with_a_sentence(self):
        lines = settings_table().splitlines()[2:]

        assert len(lines) == len(SETTINGS)
        for row, line in zip(SETTINGS, lines, strict=True):
            assert line.startswith(f"| `{row.name}` |")
            assert all(f"`{name}`" in line for name in row.env)
            assert line.endswith(". |")
            assert line.count(" | ") == 3
        assert "`512MB`" in settings_table()

    def test_the_configuration_is_frozen_and_has_no_dict(self):
        config = config_of()

        with pytest.raises(FrozenInstanceError):
            config.tenant_id = "x"
        assert not hasattr(config, "__dict__")

    def test_the_public_names_are_listed(self):
        assert all(hasattr(config_module, name) for name in config_module.__all__)


class TestPrecedence:
    """Arguments beat config, config beats the environment, for each setting alone."""

    @pytest.mark.parametrize("row", IN_ENVIRONMENT, ids=by_name)
    def test_each_setting_is_read_from_the_environment(self, row):
        text, value, _ = VALUES[row.name]

        for variable in row.env:
            config = config_of(**{variable: text})
            assert getattr(config, row.target) == value

    @pytest.mark.parametrize("row", IN_ENVIRONMENT, ids=by_name)
    def test_config_beats_the_environment_and_an_argument_beats_both(self, row):
        text, value, other = VALUES[row.name]
        environ = {row.env[0]: text}
        read_other = row.kind.read(other)

        for spelling in row.spellings:
            config = config_of(None, {spelling: other}, **environ)
            assert getattr(config, row.target) == read_other
            config = config_of({spelling: text}, {row.name: other}, **environ)
            assert getattr(config, row.target) == value

    def test_one_argument_does_not_hide_the_environment(self):
        config = config_of(
            {"tenant_id": "acme"},
            {"batch_size": 7},
            CHAUKAS_TENANT_ID="other",
            CHAUKAS_BATCH_SIZE="9",
            CHAUKAS_BRANCH="main",
            CHAUKAS_ENDPOINT="https://c.example",
            CHAUKAS_API_KEY=KEY,
        )

        assert config.tenant_id == "acme"
        assert config.batch_size == 7
        assert config.branch == "main"
        assert config.sinks == ("http",)
        assert config.api_key == KEY

    @pytest.mark.parametrize("nothing", [None, "", "  "])
    def test_none_and_blank_text_mean_not_given(self, nothing):
        config = config_of(
            {"tenant_id": nothing, "endpoint": nothing},
            {"tenant_id": nothing},
            CHAUKAS_TENANT_ID="acme",
            CHAUKAS_ENDPOINT="",
        )

        assert config.tenant_id == "acme"
        assert config.endpoint is None

    def test_false_and_zero_and_empty_lists_are_given(self):
        config = config_of(
            {"enabled": False, "sample_rate": 0, "tags": [], "integrations": ()},
            CHAUKAS_ENABLED="true",
            CHAUKAS_SAMPLE_RATE="1",
            CHAUKAS_TAGS="a",
            CHAUKAS_INTEGRATIONS="tenacity",
        )

        assert not config.enabled
        assert config.sample_rate == 0.0
        assert config.tags == ()
        assert config.integrations == ()

    def test_the_first_alias_of_the_environment_wins(self):
        config = config_of(CHAUKAS_OUTPUT_FILE="a", CHAUKAS_FILE_PATH="b")

        assert config.output_file == Path("a")

    def test_nothing_is_read_but_what_is_passed(self, monkeypatch):
        monkeypatch.setenv("CHAUKAS_TENANT_ID", "from the process")

        assert config_of().tenant_id == "default"

    def test_mappings_of_other_kinds_are_accepted(self):
        config = config_of(None, MappingProxyType({"tenant_id": "acme"}))

        assert config.tenant_id == "acme"


class TestReading:
    """Values are read in the forms that people write them."""

    @pytest.mark.parametrize(
        ("text", "size_bytes"),
        [
            ("512MB", 512 << 20),
            ("512 mb", 512 << 20),
            ("512MiB", 512 << 20),
            ("512M", 512 << 20),
            ("1.5 GiB", 3 << 29),
            ("2048k", 2 << 20),
            ("1TB", 1 << 40),
            ("3000000", 3_000_000),
            ("3000000B", 3_000_000),
            (3_000_000, 3_000_000),
            (2e6, 2_000_000),
        ],
    )
    def test_sizes(self, text, size_bytes):
        assert config_of({"spool_limit": text}).spool_limit_bytes == size_bytes

    @pytest.mark.parametrize(
        ("text", "duration_s"),
        [
            ("30s", 30),
            ("30", 30),
            (" 5 m ", 300),
            ("250ms", 0.25),
            (".5s", 0.5),
            ("1.5h", 5400),
            ("2 days", 172_800),
            (30, 30),
            (0.2, 0.2),
        ],
    )
    def test_durations(self, text, duration_s):
        assert config_of({"timeout": text}).timeout_s == pytest.approx(duration_s)

    @pytest.mark.parametrize("yes", ["true", "TRUE", "1", "yes", "on", " Y ", True, 1])
    @pytest.mark.parametrize("no", ["false", "0", "No", "OFF", "n", False, 0])
    def test_booleans(self, yes, no):
        config = config_of({"rotate_gzip": yes, "integrity": no})

        assert (config.rotate_gzip, config.integrity) == (True, False)

    @pytest.mark.parametrize(
        ("value", "name"),
        [("debug", "DEBUG"), ("Warn", "WARNING"), (40, "ERROR"), ("50", "CRITICAL")],
    )
    def test_log_levels(self, value, name):
        assert config_of({"log_level": value}).log_level == name

    def test_subclasses_of_str_are_read_as_their_text(self):
        class Text(str):
            __slots__ = ()

            def __str__(self):
                raise AssertionError

        config = config_of({"tenant_id": Text("acme"), "timeout": Text("5s")})

        assert type(config.tenant_id) is str
        assert (config.tenant_id, config.timeout_s) == ("acme", 5.0)

    def test_patterns_are_compiled_or_taken(self):
        compiled = re.compile("b+")
        config = config_of({"redact_patterns": ["a{1,2}", compiled]})

        assert [each.pattern for each in config.redact_patterns] == ["a{1,2}", "b+"]
        assert config.redact_patterns[1] is compiled
        assert config_of({"redact_patterns": "x"}).redact_patterns[0].pattern == "x"

    def test_a_redact_function_is_kept_as_it_is(self):
        def redact(_path, value):
            return value

        assert config_of({"redact": redact}).redact is redact

    def test_a_function_that_returns_the_key_is_kept_as_it_is(self):
        def api_key():
            return KEY

        assert config_of({"api_key": api_key}).api_key is api_key

    def test_a_key_file_in_code_beats_a_key_of_the_environment(self):
        config = config_of({"api_key_file": "/run/k"}, CHAUKAS_API_KEY=KEY)

        assert (config.api_key, config.api_key_file) == (None, Path("/run/k"))

    def test_a_key_in_code_beats_a_key_file_of_the_environment(self):
        config = config_of({"api_key": KEY}, CHAUKAS_API_KEY_FILE="/run/k")

        assert config.api_key == KEY

    def test_a_tilde_is_the_home_folder(self, monkeypatch):
        monkeypatch.setenv("HOME", "/home/b")

        assert config_of({"output_file": "~/x"}).output_file == Path("/home/b/x")

    def test_a_home_that_does_not_exist_is_told(self):
        line = line_of({"spool_dir": "~nobody-of-that-name/x"})

        assert "expected a path whose home folder can be found" in line

    def test_whole_numbers_may_be_written_as_floats(self):
        batch_size = config_of({"batch_size": 512.0}).batch_size

        assert (batch_size, type(batch_size)) == (512, int)

    def test_odd_sizes_are_shown_in_bytes(self):
        (row,) = (row for row in SETTINGS if row.name == "spool_limit")

        assert row.kind.show(1_048_577) == "1048577B"


BAD = [
    ("tenant_id", 42, "42"),
    ("tenant_id", "a\nb", r"'a\nb'"),
    ("tenant_id", "x" * 300, "'" + "x" * 59 + "…"),
    ("tenant_id", "\udcff", r"'\udcff'"),
    ("enabled", "perhaps", "'perhaps'"),
    ("enabled", 2, "2"),
    ("output_mode", "file,carrier pigeon", "'file,carrier pigeon'"),
    ("endpoint", "not a url", "'not a url'"),
    ("endpoint", "ftp://c.example", "'ftp://c.example'"),
    ("endpoint", "http://", "'http://'"),
    ("endpoint", "http://c:99999", "'http://c:99999'"),
    ("endpoint", "http://[::1", "'http://[::1'"),
    ("endpoint", "c.example:4317", "'c.example:4317'"),
    ("endpoint", 7, "7"),
    ("output_file", "a\0b", r"'a\x00b'"),
    ("output_file", 3, "3"),
    ("batch_size", 0, "0"),
    ("batch_size", -5, "-5"),
    ("batch_size", "many", "'many'"),
    ("batch_size", 1.5, "1.5"),
    ("batch_size", True, "True"),
    ("batch_size", 10**5000, "<huge number>"),
    ("batch_size", "9" * 5000, "'" + "9" * 59 + "…"),
    ("timeout", -1, "-1"),
    ("timeout", "soon", "'soon'"),
    ("timeout", "5 parsecs", "'5 parsecs'"),
    ("timeout", float("nan"), "nan"),
    ("timeout", float("inf"), "inf"),
    ("timeout", "9000d", "'9000d'"),
    ("sample_rate", 1.01, "1.01"),
    ("sample_rate", "-0.1", "'-0.1'"),
    ("spool_limit", "12 parsecs", "'12 parsecs'"),
    ("spool_limit", "5KB", "'5KB'"),
    ("memory_limit", 0, "0"),
    ("memory_limit", 10**5000, "<huge number>"),
    ("memory_limit", True, "True"),
    ("tags", 5, "5"),
    ("tags", [1], "[1]"),
    ("tags", ",, ,", "',, ,'"),
    ("tags", "a; b", "'a; b'"),
    ("data_access_tools", [None], "[<NoneType>]"),
    ("output_file", "x" * 300, "'" + "x" * 59 + "…"),
    ("output_file", "logs/", "'logs/'"),
    ("output_file", "..", "'..'"),
    ("output_file", Path(), "<PosixPath>"),
    ("ca_file", "/", "'/'"),
    ("output_file", "a/" * 3000, "'" + "a/" * 29 + "a…"),
    ("endpoint", "grpc://c.example:0", "'grpc://c.example:0'"),
    ("endpoint", "http://c.example:0", "'http://c.example:0'"),
    ("log_level", "LOUD", "'LOUD'"),
    ("stream_events", "all", "'all'"),
    ("integrations", object(), "<object>"),
    ("rotate_keep", 0, "0"),
    ("redact_keys", 5, "5"),
    ("redact", "not callable", "'not callable'"),
    ("redact_patterns", ["(", "a"], "<hidden>"),
    ("redact_patterns", [b"a"], "<hidden>"),
    ("redact_patterns", [re.compile(b"a")], "<hidden>"),
    ("api_key", "two words", "<hidden>"),
]


class TestProblems:
    """What cannot be read is told in one line and never stops the host."""

    @pytest.mark.parametrize(("name", "value", "shown"), BAD, ids=range(len(BAD)))
    def test_a_bad_value_gives_way_to_the_default(self, name, value, shown):
        result = loaded({name: value})

        (problem,) = result.problems
        assert problem.setting == name
        assert str(problem).startswith(
            f"chaukas: cannot read argument {name}={shown}: expected "
        )
        assert str(problem).endswith(".")
        row = next(row for row in SETTINGS if row.name == name)
        if row.fallback is None:
            default = getattr(config_of(), row.target)
            assert getattr(result.config, row.target) == default

    @pytest.mark.parametrize(
        ("name", "value", "used", "remedy"),
        [
            ("tags", ["a", 1, "b"], ("a", "b"), "Using the others."),
            (
                "tags",
                [f"t{n}" for n in range(5000)],
                tuple(f"t{n}" for n in range(64)),
                "Using the others.",
            ),
            ("data_access_tools", ("s", None), ("s",), "Using the others."),
            (
                "redact_keys",
                ["patient_id", "*"],
                ("patient_id",),
                "All content is hidden until it is corrected.",
            ),
            (
                "redact_keys",
                ["patient_id", None],
                ("patient_id",),
                "All content is hidden until it is corrected.",
            ),
            ("redact_keys", "*", (), "All content is hidden until it is corrected."),
            ("redact_keys", "!!!", (), "All content is hidden until it is corrected."),
            ("redact_keys", ",,,", (), "All content is hidden until it is corrected."),
            ("redact_keys", "a; b", (), "All content is hidden until it is corrected."),
            (
                "redact_keys",
                ["a;b", "c|d", "e,f", "g"],
                ("g",),
                "All content is hidden until it is corrected.",
            ),
            ("integrations", ["openai_agent", "tenacity"], ("tenacity",), "Only"),
            ("integrations", "langchain,crew", (), "No integration is on: only"),
        ],
        ids=range(12),
    )
    def test_of_a_list_the_rest_is_used(self, name, value, used, remedy):
        result = loaded({name: value})

        (problem,) = result.problems
        assert getattr(result.config, name) == used
        assert problem.setting == name
        assert remedy in str(problem)
        assert result.config.capture_content is (name != "redact_keys")

    def test_a_pattern_that_is_none_leaves_the_others_in_force(self):
        result = loaded({"redact_patterns": ["(", "a+"]})

        assert [each.pattern for each in result.config.redact_patterns] == ["a+"]
        assert not result.config.capture_content

    def test_a_slip_in_the_name_of_an_integration_is_told_with_what_was_meant(self):
        names = ", ".join(known.name for known in INTEGRATIONS)
        assert line_of({"integrations": "openai_agent"}) == (
            "chaukas: cannot read argument integrations='openai_agent': expected one "
            f"or several of {names}. Did "
            "you mean 'openai_agents'? No integration is on: only events of your own "
            "are recorded."
        )
        assert "CHAUKAS_INTEGRATIONS='langchain,crew'" in line_of(
            CHAUKAS_INTEGRATIONS="langchain,crew"
        )

    @pytest.mark.parametrize("name", ["*", "!!!", "___", "a", "1", "é", "日本", "a;b"])
    def test_a_key_is_readable_if_the_redactor_takes_it(self, name):
        is_taken = ";" not in name and not Redactor((name,)).hides_all

        assert (loaded({"redact_keys": [name]}).problems == ()) is is_taken

    @pytest.mark.parametrize(
        "redact",
        [
            lambda value: value,
            lambda: None,
            lambda *, path, value: value,
            partial(lambda path, value, third: value, third=1, value=2),
            _coroutine,
            _generator,
            _async_generator,
            partial(_coroutine, 1),
            _AsyncCallable(),
            str.upper,
        ],
        ids=range(10),
    )
    def test_a_redact_function_that_cannot_be_called_is_refused(self, redact):
        result = loaded({"redact": redact})

        (problem,) = result.problems
        assert problem.event == f"cannot read argument redact=<{type(redact).__name__}>"
        assert problem.meaning == "expected a plain function redact(path, value)"
        assert problem.remedy == "All content is hidden until it is corrected."
        assert not result.config.capture_content

    @pytest.mark.parametrize(
        "redact",
        [
            lambda path, value: value,
            lambda *args: args,
            lambda path, value, third=1: third,
            partial(lambda third, path, value: value, 1),
            _Callable(),
            _Callable().method,
            _OddSignature(),
            wraps(lambda value: value)(lambda path, value: value),
        ],
        ids=range(8),
    )
    def test_a_redact_function_is_taken_and_never_called(self, redact):
        assert config_of({"redact": redact}).redact is redact

    def test_a_key_function_that_needs_arguments_or_a_loop_is_refused(self):
        for function in (lambda key: key, _coroutine):
            assert "a plain function without arguments" in line_of(
                {"api_key": function}
            )

    def test_a_mapping_that_raises_is_told(self):
        class Broken(dict):
            def __iter__(self):
                raise LookupError

            keys = __iter__

        assert "cannot read config=<" in line_of(None, Broken(tenant_id="a"))
        assert "cannot read argument retry_config=<" in line_of(
            {"retry_config": Broken(max_llm_retries=1)}
        )

    def test_names_that_are_texts_of_an_enum_are_names(self):
        class Name(str, Enum):
            TENANT = "tenant_id"

        assert config_of(None, {Name.TENANT: "acme"}).tenant_id == "acme"

    def test_many_unknown_names_are_told_in_few_lines(self):
        problems = loaded(None, {f"zz{n}": n for n in range(5000)}).problems

        assert len(problems) == 21
        assert "4980 further unknown settings" in str(problems[-1])

    def test_a_type_with_an_odd_name_leaves_the_line_whole(self):
        odd = type("a\nb", (), {})()

        assert line_of({"tags": odd}).startswith(
            "chaukas: cannot read argument tags=<'a\\nb'>: expected names"
        )

    def test_a_set_is_read_in_the_same_order_everywhere(self):
        assert config_of({"redact_keys": set("cab")}).redact_keys == ("a", "b", "c")

    def test_no_line_is_long_whatever_was_written(self):
        long = "x" * 100_000
        for row in SETTINGS + SWITCHES:
            for value in (long, [long] * 100, {long: long}):
                for problem in loaded({row.name: value}).problems:
                    assert len(str(problem)) < 400
        for problem in loaded({long: 1}, {long: 1, "config": 2}).problems:
            assert len(str(problem)) < 400
        endpoint = {"endpoint": f"grpc://{'a' * 2000}:1", "output_mode": "http"}
        assert len(line_of(endpoint)) < 400

    def test_a_secret_in_the_wrong_variable_is_not_shown(self):
        secret = "sk-" + "a1b2" * 10
        for row in SETTINGS + SWITCHES:
            for value in (f"{secret}\n", [secret, None], f"12 {secret}"):
                for problem in loaded({row.name: value}).problems:
                    assert secret not in repr(problem)
                    assert secret[:20] not in repr(problem)

    def test_the_line_is_the_one_that_was_promised(self):
        assert line_of(CHAUKAS_SPOOL_LIMIT="12 parsecs") == (
            "chaukas: cannot read CHAUKAS_SPOOL_LIMIT='12 parsecs': "
            "expected a size such as '512MB'. Using the default 512MB."
        )

    def test_the_line_names_where_the_value_was_written(self):
        assert "argument timeout='x'" in line_of({"timeout": "x"})
        assert "config['timeout']='x'" in line_of(None, {"timeout": "x"})
        assert "read CHAUKAS_TIMEOUT='x'" in line_of(CHAUKAS_TIMEOUT="x")
        assert "read CHAUKAS_FILE_PATH='\\x00'" in line_of(CHAUKAS_FILE_PATH="\0")

    def test_bounds_are_told(self):
        assert "from 1 to 10000" in line_of({"batch_size": 0})
        assert "at least 1MB. Using the default 32MB." in line_of({"memory_limit": 1})
        assert "from 100ms to 366d. Using the default 10s." in line_of({"timeout": 0})

    def test_a_bad_value_does_not_spoil_the_others(self):
        result = loaded({"timeout": "x", "tenant_id": "acme"}, None, CHAUKAS_TAGS="a")

        assert result.config.tenant_id == "acme"
        assert result.config.tags == ("a",)
        assert result.config.timeout_s == 10.0

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("capture_content", "flase"),
            ("redact_keys", 5),
            ("redact_patterns", ["("]),
            ("redact", 5),
        ],
    )
    def test_unreadable_privacy_hides_all_content(self, name, value):
        result = loaded({"capture_content": True, name: value})

        assert not result.config.capture_content
        assert "All content is hidden until it is corrected." in str(result.problems[0])

    def test_an_unreadable_switch_stays_off(self):
        assert not loaded(CHAUKAS_ENABLED="flase").config.enabled
        assert "chaukas stays off" in line_of(CHAUKAS_ENABLED="flase")

    def test_a_strangers_object_is_not_touched(self):
        class Hostile:
            def _touched(self, *_args):
                raise AssertionError

            __repr__ = __str__ = __len__ = __iter__ = __bool__ = __eq__ = _touched
            __hash__ = None

        for row in SETTINGS:
            if row.name != "redact":
                result = loaded({row.name: Hostile()})
                assert len(result.problems) == 1

    def test_an_unknown_key_is_told_with_what_was_meant(self):
        assert line_of(None, {"bach_size": 3}) == (
            "chaukas: unknown setting config['bach_size']: it has no effect. "
            "Did you mean 'batch_size'?"
        )
        assert "argument tenent_id" in line_of({"tenent_id": "x"})

    def test_an_unknown_key_like_nothing_is_told_too(self):
        assert "config['zzz']: it has no effect. Remove it" in line_of(None, {"zzz": 1})
        assert "config['<object>']" in line_of(None, {object(): 1})
        assert "config['5']" in line_of(None, {5: 1})

    def test_a_slip_in_the_environment_is_told(self):
        line = line_of(CHAUKAS_TENAT_ID="x")

        assert "unknown setting CHAUKAS_TENAT_ID" in line
        assert "Did you mean 'CHAUKAS_TENANT_ID'?" in line

    @pytest.mark.parametrize(
        "name",
        [
            "CHAUKAS_SERVICE_HOST",
            "CHAUKAS_PORT",
            "CHAUKAS_PORT_4317_TCP_ADDR",
            "CHAUKAS_DEBUG",
            "CHAUKAS_RAISE_INTERNAL",
            "CHAUKAS_SOMETHING_ELSE",
            "TENANT_ID",
        ],
    )
    def test_other_variables_are_nobodys_business(self, name):
        config_of(**{name: "tcp://10.0.0.1"})

    @pytest.mark.parametrize("value", [5, "x", ["a"]])
    def test_config_must_be_a_mapping(self, value):
        assert "cannot read config=" in line_of(None, value)


class TestSecrets:
    """No line, repr or summary holds a secret."""

    ENDPOINT = f"https://user:{KEY}@c.example:8443/v1?token={KEY}"

    def test_a_configuration_shows_none(self):
        config = config_of(
            {
                "endpoint": self.ENDPOINT,
                "api_key": KEY,
                "redact_patterns": [KEY],
                "redact": lambda _path, value: value,
            }
        )

        assert KEY not in repr(config)
        assert KEY not in str(summary_of(config))
        assert summary_of(config)["endpoint"] == "https://c.example:8443/v1"
        assert summary_of(config)["api_key"] is True
        assert summary_of(config)["redact"] is True
        assert summary_of(config_of())["api_key"] is False
        assert config.endpoint == self.ENDPOINT

    @pytest.mark.parametrize(
        "arguments",
        [
            {"api_key": f"{KEY} {KEY}"},
            {"api_key": [KEY]},
            {"api_key": KEY.encode()},
            {"endpoint": KEY},
            {"endpoint": f"ftp://u:{KEY}@c"},
            {"endpoint": f"c.example:1?key={KEY}"},
            {"endpoint": f"c.example:1#{KEY}"},
            {"redact_patterns": [f"{KEY}("]},
            {"endpoint": f"grpc://u:{KEY}@c:1", "output_mode": "http"},
        ],
    )
    def test_a_problem_shows_none(self, arguments):
        problems = loaded(arguments).problems

        assert problems
        for problem in problems:
            assert KEY not in str(problem)
            assert KEY not in repr(problem)

    def test_the_summary_is_json(self):
        summary = summary_of(config_of({"tags": "a,b", "rotate_bytes": "1MB"}))

        assert orjson.loads(orjson.dumps(summary)) == summary


class TestSinks:
    """Where events go follows from mode, endpoint and file, never nowhere."""

    @pytest.mark.parametrize(
        ("settings", "sinks"),
        [
            ({}, ("file",)),
            ({"ENDPOINT": "http://c"}, ("http",)),
            ({"ENDPOINT": "HTTPS://c"}, ("http",)),
            ({"ENDPOINT": "grpc://c:1"}, ("grpc",)),
            ({"ENDPOINT": "grpcs://c:1"}, ("grpc",)),
            ({"ENDPOINT": "http://c", "OUTPUT_MODE": "file"}, ("file",)),
            ({"ENDPOINT": "http://c", "OUTPUT_MODE": "api"}, ("http",)),
            ({"ENDPOINT": "http://c", "OUTPUT_MODE": "GRPC"}, ("grpc",)),
            ({"ENDPOINT": "http://c", "OUTPUT_MODE": "File, API"}, ("file", "http")),
            ({"ENDPOINT": "http://c", "EMIT_TO_FILE": "true"}, ("file",)),
            ({"ENDPOINT": "http://c", "EMIT_TO_FILE": "false"}, ("http",)),
            (
                {"ENDPOINT": "http://c", "EMIT_TO_FILE": "1", "OUTPUT_MODE": "http"},
                ("http",),
            ),
            ({"ENDPOINT": "http://c", "OUTPUT_FILE": "x"}, ("http",)),
            ({"OUTPUT_FILE": "x"}, ("file",)),
        ],
    )
    def test_of_the_environment(self, settings, sinks):
        environ = {f"CHAUKAS_{name}": value for name, value in settings.items()}

        assert config_of(**environ).sinks == sinks

    def test_a_file_named_in_code_beats_an_endpoint_of_the_environment(self):
        config = config_of({"output_file": "x"}, None, CHAUKAS_ENDPOINT="http://c")

        assert config.sinks == ("file",)

    def test_an_endpoint_in_code_beats_a_file_of_the_environment(self):
        config = config_of({"endpoint": "http://c"}, None, CHAUKAS_OUTPUT_FILE="x")

        assert config.sinks == ("http",)

    def test_emit_to_file_in_code_beats_a_mode_of_the_environment(self):
        config = config_of(
            {"emit_to_file": True},
            None,
            CHAUKAS_OUTPUT_MODE="http",
            CHAUKAS_ENDPOINT="http://c",
        )

        assert config.sinks == ("file",)

    @pytest.mark.parametrize("mode", ["http", "grpc"])
    def test_a_mode_without_endpoint_is_told_and_events_go_to_the_file(self, mode):
        result = loaded(CHAUKAS_OUTPUT_MODE=mode)

        assert result.config.sinks == ("file",)
        assert f"output_mode '{mode}' has no endpoint" in str(result.problems[0])

    def test_http_cannot_use_a_grpc_endpoint(self):
        result = loaded({"endpoint": "grpc://c:1", "output_mode": "http,grpc"})

        assert result.config.sinks == ("grpc",)
        assert "cannot use the endpoint 'grpc://c:1'" in str(result.problems[0])

    def test_an_unreadable_endpoint_is_told_once(self):
        result = loaded({"endpoint": "nonsense: x", "output_mode": "http"})

        assert result.config.sinks == ("file",)
        assert len(result.problems) == 1


class TestIntegrations:
    """Which frameworks are recorded."""

    @pytest.mark.parametrize(
        ("settings", "integrations"),
        [({}, None), ({"integrations": []}, ())],
    )
    def test_an_empty_list_is_none_of_them(self, settings, integrations):
        assert config_of(None, settings).integrations == integrations


class TestRetryConfig:
    """`retry_config` is a table of its own, with the same manners."""

    def test_it_is_read_from_an_argument_or_config(self):
        wanted = {"max_llm_retries": "5"}
        expected = RetryConfig(max_llm_retries=5)

        assert config_of({"retry_config": wanted}).retry == expected
        assert config_of(None, {"retry_config": wanted}).retry == expected
        assert config_of(None, {"retry": expected}).retry is expected

    def test_the_defaults_are_those_of_the_contract(self):
        assert config_of().retry == RetryConfig(max_llm_retries=3)

    def test_keys_of_earlier_versions_are_taken_and_have_no_effect(self):
        keys = dict.fromkeys(RETRY_WITHOUT_EFFECT, 7)

        assert config_of({"retry_config": keys}).retry == RetryConfig()
        assert not {row.name for row in RETRY_SETTINGS} & keys.keys()

    def test_its_problems_name_the_key(self):
        result = loaded(
            None,
            {
                "retry_config": {
                    "max_llm_retries": -1,
                    "max_lm_retries": 1,
                    "llm_base_delay_ms": 2,
                }
            },
        )

        assert result.config.retry == RetryConfig()
        assert [str(problem) for problem in result.problems] == [
            (
                "chaukas: unknown setting config['retry_config']['max_lm_retries']: "
                "it has no effect. Did you mean 'max_llm_retries'?"
            ),
            (
                "chaukas: cannot read config['retry_config']['max_llm_retries']=-1: "
                "expected a whole number from 0 to 1000. Using the default 3."
            ),
        ]

    @pytest.mark.parametrize("value", [5, "x", ["a"], object()])
    def test_it_must_be_a_mapping(self, value):
        assert "expected a mapping" in line_of({"retry_config": value})
        assert loaded({"retry_config": value}).config.retry == RetryConfig()


class TestSpoolDir:
    """Waiting events live where the system keeps state."""

    @pytest.mark.parametrize(
        ("environ", "folder"),
        [
            ({"XDG_STATE_HOME": "/state", "HOME": "/h"}, "/state/chaukas"),
            ({"XDG_STATE_HOME": "state", "HOME": "/h"}, "/h/.local/state/chaukas"),
            ({"HOME": "/h"}, "/h/.local/state/chaukas"),
        ],
    )
    def test_of_the_environment(self, environ, folder):
        assert spool_dir_of(environ) == Path(folder)

    def test_without_any_home_it_is_the_temporary_folder(self, monkeypatch):
        def homeless():
            raise RuntimeError

        monkeypatch.setattr(Path, "home", homeless)

        own = f"chaukas-{os.geteuid()}"
        assert spool_dir_of({}) == Path("/tmp", own)
        assert spool_dir_of({"TMPDIR": "/t"}) == Path("/t", own)


class TestErrors:
    """The error of strict mode holds all that was found."""

    def test_it_tells_every_problem_on_one_line(self):
        problems = loaded({"timeout": "x"}, {"zzz": 1}).problems
        error = ConfigError(*problems)

        assert isinstance(error, ChaukasError)
        assert error.problems == problems
        assert str(error) == (
            "chaukas: unknown setting config['zzz']: it has no effect. Remove it, or "
            "look it up. chaukas: cannot read argument timeout='x': expected a "
            "duration such as '30s'. Correct or remove it. chaukas is not enabled."
        )

    def test_it_names_no_default_since_none_is_used(self):
        for name, value, _ in BAD:
            for problem in loaded({name: value}).problems:
                told = str(ConfigError(problem))
                assert not re.search("Using|Ignoring|hidden until|stays off", told)

    def test_a_problem_is_a_sentence_of_its_parts(self):
        assert str(Problem("s", "event", "meaning", "Remedy.")) == (
            "chaukas: event: meaning. Remedy."
        )
