"""The example of the collector, run as a user would."""

from __future__ import annotations

from tests.support.example_runs import run_program

EXPECTED = """\
all acknowledged: True
acme     completed: 'Hello from acme.'
acme     completed: 'Goodbye from acme.'
globex   completed: 'Hello from globex.'
globex   completed: 'Goodbye from globex.'
initech  completed: 'Hello from initech.'
initech  completed: 'Goodbye from initech.'
acme finds 'goodbye' in 4 events of its own
nothing altered, missing or moved: True
"""


def test_the_example_collector_shows_each_tenant_its_own_runs(tmp_path):
    done = run_program("collector", tmp_path, "-W", "error")

    assert (done.stderr, done.stdout) == ("", EXPECTED)
    assert not list(tmp_path.iterdir())


OTLP = """\
completed: Umbrella? No.
system POST /ask
  agent forecaster
    input user
    tool weather
    model gpt-4o
    output assistant
"""


def test_the_example_of_otlp_shows_what_another_framework_did(tmp_path):
    done = run_program("otlp_to_collector", tmp_path)

    assert (done.stderr, done.stdout) == ("", OTLP)
    assert not list(tmp_path.iterdir())
