"""Extensions: what stands around the SDK's core."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from agents import Runner

from .scripted import bot, calls, say
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Extensions"

_CODEX = r"""#!/bin/sh
while read -r _; do :; done
printf '%s\n' '{"type":"thread.started","thread_id":"thread-1"}'
printf '%s\n' '{"type":"turn.started"}'
run='"id":"i0","type":"command_execution","command":"pytest","aggregated_output"'
printf '%s\n' '{"type":"item.started","item":{'"$run"':"","status":"in_progress"}}'
printf '%s' '{"type":"item.completed","item":{'"$run"':"ok","exit_code":0,'
printf '%s\n' '"status":"completed"}}'
printf '%s' '{"type":"item.completed","item":'
printf '%s\n' '{"id":"i1","type":"agent_message","text":"all fixed"}}'
printf '%s' '{"type":"turn.completed","usage":'
printf '%s\n' '{"input_tokens":3,"cached_input_tokens":0,"output_tokens":2}}'
"""


@section(TABLE, "Visualization", note="nothing of its own: a picture is no run")
async def visualization() -> None:
    from agents.extensions.visualization import draw_graph

    expert = bot(name="Expert", tools=[add])
    if "Expert" not in draw_graph(bot(handoffs=[expert])).source:
        raise AssertionError("the picture lacks an agent")


@section(
    TABLE,
    "Experimental features",
    shows="SYSTEM.metadata.data.command",
    note="the Codex tool and the commands that it ran; a script replaces the program",
)
async def experimental() -> None:
    from agents.extensions.experimental.codex import codex_tool

    with TemporaryDirectory() as folder:
        program = Path(folder) / "codex"
        program.write_text(_CODEX, encoding="utf-8")
        program.chmod(0o755)
        codex = codex_tool(
            codex_options={"codex_path_override": str(program), "api_key": "none"},
            working_directory=folder,
            skip_git_repo_check=True,
        )
        task = {"inputs": [{"type": "text", "text": "Fix it"}]}
        agent = bot(calls((codex.name, task)), say("Fixed"), tools=[codex])
        await Runner.run(agent, "Fix it")
