"""
What chaukas remembers of a realtime session while it goes on.

Kept beside the session and not in a context variable: model events arrive in tasks of
the transport, whose context is a matter of chance.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.openai_agents.facts import tool_names
from chaukas.sdk.integrations.shared.audio import (
    AudioCount,
    bytes_per_ms_of,
)
from chaukas.sdk.integrations.shared.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.openai_agents.state import (
        AgentsRun,
        Invocation,
        ToolCall,
    )

__all__ = [
    "AgentTenure",
    "Item",
    "LiveSession",
    "Playback",
    "Settings",
    "ToolDispatch",
    "Turn",
]

_RECORDED_ITEMS = 256
_SETTINGS = (
    "modalities",
    "output_modalities",
    "voice",
    "speed",
    "max_output_tokens",
    "tool_choice",
    "parallel_tool_calls",
    "turn_detection",
    "reasoning",
)
_OF_INPUT = {
    "input_transcription": ("transcription", "input_audio_transcription"),
    "input_noise_reduction": ("noise_reduction", "input_audio_noise_reduction"),
}
"""Settings of what is heard: their names in the nested and in the flat form."""


class Settings(NamedTuple):
    """What the model was told of itself, as far as events need it."""

    model: str = ""
    system: Any = None
    prompt: Any = None
    tools: tuple[str, ...] = ()
    handoffs: tuple[str, ...] = ()
    further: tuple[tuple[str, Any], ...] = ()
    input_bytes_per_ms: int = 0
    output_bytes_per_ms: int = 0

    @classmethod
    def of(cls, settings: Any, default_bytes_per_ms: int) -> Settings:
        """
        Read `RealtimeSessionModelSettings`.

        Args:
            settings: A dict of the SDK, or anything else, which tells nothing.
            default_bytes_per_ms: Of audio whose format is not set.
        """
        given: dict[str, Any] = settings if type(settings) is dict else {}
        audio = given.get("audio")
        sides = audio if type(audio) is dict else {}
        heard, spoken = _side(sides, "input"), _side(sides, "output")
        further = {name: given.get(name) for name in _SETTINGS}
        further["voice"] = further["voice"] or spoken.get("voice")
        further["turn_detection"] = further["turn_detection"] or heard.get(
            "turn_detection"
        )
        for known, (nested, flat) in _OF_INPUT.items():
            further[known] = heard.get(nested, given.get(flat))
        input_format = heard.get("format", given.get("input_audio_format"))
        output_format = spoken.get("format", given.get("output_audio_format"))
        further["input_audio_format"] = _format_name(input_format)
        further["output_audio_format"] = _format_name(output_format)
        handoffs = given.get("handoffs")
        name = given.get("model_name")
        return cls(
            name if type(name) is str else "",
            given.get("instructions"),
            given.get("prompt"),
            tuple(tool_names(given.get("tools"))),
            tuple(
                getattr(each, "tool_name", "")
                for each in (handoffs if type(handoffs) is list else ())
            ),
            tuple((key, value) for key, value in further.items() if value is not None),
            _rate(input_format, default_bytes_per_ms),
            _rate(output_format, default_bytes_per_ms),
        )


def _side(sides: dict[str, Any], name: str) -> dict[str, Any]:
    side = sides.get(name)
    return side if type(side) is dict else {}


def _rate(audio_format: Any, default_bytes_per_ms: int) -> int:
    if audio_format is None:
        return default_bytes_per_ms
    return bytes_per_ms_of(audio_format)


def _format_name(audio_format: Any) -> str | None:
    if type(audio_format) is str or audio_format is None:
        return audio_format
    kind = type(audio_format)
    name = (
        audio_format.get("type")
        if kind is dict
        else getattr(audio_format, "type", None)
    )
    return name if type(name) is str else None


class AgentTenure:
    """
    The time for which one agent is in force: an AGENT pair, and a run of its own.

    What the agent began (a turn, a tool) may end after the next agent took over, and
    is still its own.
    """

    __slots__ = (
        "agent",
        "handed_to",
        "heard",
        "interruption_count",
        "run",
        "spoken",
    )

    def __init__(self, agent: Any, run: AgentsRun, settings: Settings) -> None:
        self.agent = agent
        self.run = run
        self.heard = AudioCount(settings.input_bytes_per_ms)
        self.spoken = AudioCount(settings.output_bytes_per_ms)
        self.interruption_count = 0
        self.handed_to: str | None = None
        """Id of the agent that took over; its own pair waits for what it began."""


class Turn:
    """One response of the model: a MODEL pair."""

    __slots__ = (
        "calls",
        "invocation",
        "item_ids",
        "latency_ms",
        "response_id",
        "spoken",
        "tenure",
    )

    def __init__(
        self,
        tenure: AgentTenure,
        invocation: Invocation,
        response_id: Any,
        bytes_per_ms: int,
    ) -> None:
        self.tenure = tenure
        self.invocation = invocation
        self.response_id = response_id if type(response_id) is str else ""
        self.item_ids: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.spoken = AudioCount(bytes_per_ms)
        self.latency_ms = 0.0
        """From the end of the user's speech to the first sound of the answer."""


class Item:
    """A message of the assistant that is being made."""

    __slots__ = ("is_audio", "is_interrupted", "parts", "tenure", "text")

    def __init__(self, tenure: AgentTenure) -> None:
        self.tenure = tenure
        self.parts: list[str] = []
        """Pieces as they came."""
        self.text = ""
        """The whole, once the model told it."""
        self.is_audio = False
        self.is_interrupted = False

    @property
    def known_text(self) -> str:
        """The best that is known of what was said."""
        return self.text or "".join(self.parts)


class Playback:
    """
    The audio that the listener hears, or heard last.

    Args:
        item_id: Message that it belongs to.
        spoken: Where its frames are counted: its turn, mostly.
        started_ns: When its first frame came.
    """

    __slots__ = ("_earlier_bytes", "item_id", "spoken", "started_ns")

    def __init__(self, item_id: Any, spoken: AudioCount, started_ns: int) -> None:
        self.item_id = item_id
        self.spoken = spoken
        self.started_ns = started_ns
        self._earlier_bytes = spoken.byte_count

    @property
    def received_ms(self) -> int:
        """Milliseconds of it that came, 0 if the format is not known."""
        rate = self.spoken.bytes_per_ms
        byte_count = self.spoken.byte_count - self._earlier_bytes
        return byte_count // rate if rate else 0


class ToolDispatch:
    """A call of the model that the session looks after, tool or handoff."""

    __slots__ = ("call", "event", "tenure")

    def __init__(self, tenure: AgentTenure, event: Any) -> None:
        self.tenure = tenure
        self.event = event
        self.call: ToolCall | None = None
        """Open once the tool really runs."""


class LiveSession:
    """One realtime session, from its entering to its closing."""

    __slots__ = (
        "connected_ns",
        "connection_count",
        "default_bytes_per_ms",
        "failure",
        "heard_until_ns",
        "is_cancelled",
        "is_connecting",
        "is_ended",
        "items",
        "model",
        "playing",
        "provider",
        "recorded_items",
        "ref",
        "responses",
        "settings",
        "tenure",
        "tenures",
        "turns",
        "usage",
        "workflow",
    )

    def __init__(self, ref: Callable[[], Any], tenure: AgentTenure) -> None:
        self.ref = ref
        """Weak: a session that nobody closed must be able to go."""
        self.tenure = tenure
        self.tenures = [tenure]
        """Those whose pair is open, oldest first."""
        self.settings = Settings()
        self.model = ""
        self.provider = ""
        self.default_bytes_per_ms = 0
        self.turns: dict[str, Turn] = {}
        self.items: dict[str, Item] = {}
        """Messages under way, by their id."""
        self.recorded_items: deque[str] = deque(maxlen=_RECORDED_ITEMS)
        self.playing: Playback | None = None
        self.responses: dict[str, dict[str, Any]] = {}
        """What the server said of responses that just ended, for their turn's end."""
        self.usage = Usage()
        """Of the response whose turn ends next."""
        self.failure = ""
        """Code of the error that ended it."""
        self.workflow: dict[str, Any] = {}
        """Name and metadata of its trace, as the application set them."""
        self.connected_ns = 0
        """Since when it is connected; 0 if it is not."""
        self.connection_count = 0
        self.is_connecting = False
        self.heard_until_ns = 0
        """When the user stopped speaking, until an answer is heard."""
        self.is_cancelled = False
        self.is_ended = False

    @property
    def turn(self) -> Turn | None:
        """The turn that began last and is open."""
        return next(reversed(self.turns.values())) if self.turns else None

    def tenure_of(self, agent: Any) -> AgentTenure:
        """Return the open tenure of *agent*, the newest first, or that in force."""
        for tenure in reversed(self.tenures):
            if tenure.agent is agent:
                return tenure
        return self.tenure
