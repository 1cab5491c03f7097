"""
A telephone voice bot: μ-law audio both ways, tools, languages, an interruption.

    python examples/voice_bot.py

A realtime session is one trace for as long as the call lasts. Turns of the model are
MODEL pairs with their tokens and what they cost; what was said and heard is INPUT and
OUTPUT, as text. The audio itself is counted, in AGENT_END, and never written. A second
call is cut off by the server: its agent failed, and the bot connects again.

The caller is a fake telephone line that speaks the media stream of a telephone
provider, and the model a WebSocket server of this machine: a tone is no question that
the real one could answer.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

import chaukas
from loopback.realtime import Called, HungUp, RealtimeServer, Said
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILE = "voice_bot.jsonl"
CALL_SID = "CA-2041"
CUT_CALL_SID = "CA-2042"
FRAME_SAMPLES = 160  # 20 ms at 8 kHz
HEARD = (
    "What is the weather in Pune?",
    "And what can you do for me?",
    "Can we speak Hindi?",
    "मेरा बिल कितना है?",
    "ಧನ್ಯವಾದ",
)
ANSWERS = (
    Called("get_weather", {"location": "Pune"}),
    Said("It is 25 degrees and sunny in Pune.", audio_ms=1500),
    Said("I can do a great many things, the first of which", 4000, is_cut=True),
    Called("transfer_to_hindi_desk"),
    Said("नमस्ते, मैं आपकी क्या मदद करूँ?", audio_ms=1200),
    Called("query_database", {"user_id": "u-17", "query": "bill"}),
    Said("आपका बिल 480 रुपये है।", audio_ms=1400),
    Said("ಕರೆ ಮಾಡಿದ್ದಕ್ಕೆ ಧನ್ಯವಾದಗಳು.", audio_ms=900),
)
AUDIO = {
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "gpt-4o-mini-transcribe"},
}


@function_tool
def get_weather(location: str) -> str:
    """Get the weather at a place."""
    return f"{location}: 25 degrees, sunny"


@function_tool
@chaukas.retrieval_tool
def query_database(user_id: str, query: str) -> list[dict[str, str]]:
    """Look up what is known of a customer."""
    return [{"document_id": f"{query}-{user_id}", "amount": "480 rupees"}]


def desk(language: str, **options: Any) -> RealtimeAgent[Any]:
    """Make the agent that speaks a language."""
    return RealtimeAgent(
        name=f"{language} desk",
        instructions=f"You answer the telephone. Speak {language}, in short sentences.",
        **options,
    )


@dataclass(frozen=True)
class Media:
    """A frame of 20 ms that the line brings; the last of an utterance is marked."""

    payload: bytes
    is_last: bool = False


@dataclass(frozen=True)
class Key:
    """A key that the caller presses."""

    digit: str


class Line:
    """
    A telephone line with a caller who waits for each answer before going on.

    Args:
        plan: Seconds that the caller speaks, or the key that is pressed, in order.
    """

    def __init__(self, plan: tuple[float | str, ...]) -> None:
        self._plan = deque(plan)
        self._may_speak = asyncio.Event()
        self._may_speak.set()
        self.played_ms = 0
        self.cleared = 0

    async def stream(self) -> AsyncIterator[Media | Key]:
        """Yield what the caller does, until the caller hangs up."""
        while self._plan:
            await self._may_speak.wait()
            step = self._plan.popleft()
            if isinstance(step, str):
                yield Key(step)
                continue
            self._may_speak.clear()
            count = int(step * 50)
            for number in range(count):
                yield Media(TONE, is_last=number == count - 1)
        await self._may_speak.wait()

    def play(self, payload: bytes) -> None:
        """Let the caller hear a piece of an answer."""
        self.played_ms += len(payload) * 20 // FRAME_SAMPLES

    def clear(self) -> None:
        """Throw away what has not been played yet: the caller interrupts."""
        self.cleared += 1

    def end_answer(self) -> None:
        """Give the caller the word."""
        self._may_speak.set()


def mu_law(sample: int) -> int:
    """Return the μ-law byte of a 16-bit sample (ITU-T G.711)."""
    sign = 0x80 if sample < 0 else 0
    level = min(abs(sample), 32635) + 132
    exponent = level.bit_length() - 8
    mantissa = (level >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


TONE = bytes(
    mu_law(int(8000 * math.sin(math.tau * 400 * n / 8000)))
    for n in range(FRAME_SAMPLES)
)


async def listen(line: Line, session: RealtimeSession, other: Any) -> None:
    """Bring the caller's audio to the model, and put through who is asked for."""
    async for event in line.stream():
        if isinstance(event, Key):
            await session.update_agent(other)
        else:
            await session.send_audio(event.payload, commit=event.is_last)


async def speak(line: Line, session: RealtimeSession) -> None:
    """Bring the model's audio to the caller."""
    has_spoken = False
    async for event in session:
        if event.type == "audio":
            has_spoken = True
            line.play(event.audio.data)
        elif event.type == "audio_interrupted":
            line.clear()
        elif event.type == "agent_end" and has_spoken:
            has_spoken = False
            line.end_answer()


async def answer_call(url_and_key: dict[str, Any]) -> Line:
    """Answer one call, from the first ring to hanging up."""
    hindi = desk("Hindi", tools=[query_database])
    kannada = desk("Kannada")
    english = desk("English", tools=[get_weather], handoffs=[hindi])
    line = Line((0.6, 0.5, 0.4, 0.6, "3", 0.3))
    settings = {"model_name": "gpt-realtime", **AUDIO}
    config: Any = {**url_and_key, "initial_model_settings": settings}
    with chaukas.session(CALL_SID, metadata={"channel": "telephone"}):
        async with await RealtimeRunner(english).run(model_config=config) as session:
            speaking = asyncio.create_task(speak(line, session))
            await listen(line, session, kannada)
        await speaking
    return line


async def answer_cut_call(url_and_key: dict[str, Any]) -> int:
    """Answer a call whose connection is lost, and return how often it connected."""
    config: Any = {**url_and_key, "initial_model_settings": AUDIO}
    with chaukas.session(CUT_CALL_SID, metadata={"channel": "telephone"}):
        for number in (1, 2):
            runner = RealtimeRunner(desk("English"))
            async with await runner.run(model_config=config) as session:
                await session.send_audio(TONE, commit=True)
                async for event in session:
                    if event.type == "agent_end":
                        return number
    return 0


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with RealtimeServer(ANSWERS, HEARD) as server:
        line = asyncio.run(answer_call(server.model_config))
    answers = (HungUp(1001, "restarting"), Said("Sorry, I am back."))
    with RealtimeServer(answers, ("Hello?", "Hello?")) as server:
        count = asyncio.run(answer_cut_call(server.model_config))
    chaukas.disable_chaukas()
    print(
        f"The caller heard {line.played_ms / 1000:.1f} s of answers and interrupted "
        f"{line.cleared} of them. The other call needed {count} connections."
    )
    show_tree(FILE)


if __name__ == "__main__":
    main()
