"""
Nests the events of files: pairs below their parents.

Pure, and linear in the number of events: files come from anywhere, and may hold a
chain of spans as long as they are, or a circle.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .processes import Event, is_own, processes_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .processes import Process

    SessionKey = tuple[str, str, str]

__all__ = ("Node", "is_waiting", "nested")


# Compared by identity: they hold each other.
@dataclass(slots=True, eq=False)
class Node:
    """A pair of events, an event on its own, a session or a process."""

    base: str
    """The type without prefix, and without _START and _END; or PROCESS."""
    paired: bool
    start: Event | None = None
    """The earlier event of a pair, or the single event."""
    end: Event | None = None
    children: list[Node] = field(default_factory=list)
    is_cut: bool = False
    """It has no end, and its process is gone."""
    is_continued: bool = False
    """A session whose beginning is in none of the files."""
    run: Node | None = None
    """Of an agent right below a session: the first agent of its run."""

    @property
    def event(self) -> Event:
        """The earlier event that is there."""
        return self.start or self.end or {}

    @property
    def order(self) -> str:
        """Time of that event."""
        return text_of(self.event, "timestamp")

    @property
    def span(self) -> str:
        """Its span; below a single event are spans that came over OTLP."""
        return text_of(self.event, "span_id")

    @property
    def run_id(self) -> str:
        """Id of the outermost span of its run; empty in older files."""
        return text_of(self.event, "metadata", "run_id")

    @property
    def session(self) -> SessionKey:
        """Tenant, project and id of its session; the id may be empty."""
        event = self.event
        tenant, project = text_of(event, "tenant_id"), text_of(event, "project_id")
        return tenant, project, text_of(event, "session_id")


def nested(
    events: Iterable[Mapping[str, Any]], *, are_gone: bool = False
) -> list[Node]:
    """
    Return what stands at the top: processes and sessions, with all else below.

    A process holds what chaukas says of itself. An event whose parent is not there
    stands below the outermost agent of its run, or else below the opening of its
    session in whose time it falls. All are in the order of their times; an agent
    that took over stands right after the one that handed over.

    Args:
        events: In any order.
        are_gone: Whether the processes of all of them are known to be gone.
    """
    nodes = _paired(events)
    processes = processes_of(
        event for node in nodes for event in (node.start, node.end) if event
    )
    for process in processes.values():
        process.is_gone |= are_gone
    for node in nodes:
        process = processes[text_of(node.event, "metadata", "chaukas", "stream")]
        node.is_cut = node.paired and node.end is None and process.is_gone
    own = [node for node in nodes if is_own(node.event)]
    others = [node for node in nodes if not is_own(node.event)]
    loose = _hang(others)
    tops = [*_process_tops(own, processes), *_session_tops(others, loose)]
    for node in [*others, *tops]:
        node.children.sort(key=lambda child: child.order)
    for top in tops:
        _keep_runs_together(top)
    return sorted(tops, key=lambda top: top.order)


def _paired(events: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Return a node for each pair and each single event, in order of the file."""
    nodes: list[Node] = []
    pairs: dict[tuple[str, str], Node] = {}
    for event in events:
        name = text_of(event, "type").removeprefix("EVENT_TYPE_")
        is_end = name.endswith("_END")
        base = name.removesuffix("_START").removesuffix("_END")
        key = (base, text_of(event, "span_id"))
        node = pairs.get(key) if base != name and key[1] else None
        # A span that is begun twice is two spans with one name.
        if node is None or (node.end if is_end else node.start) is not None:
            node = Node(base, paired=base != name)
            nodes.append(node)
            if node.paired:
                pairs[key] = node
        if is_end:
            node.end = dict(event)
        else:
            node.start = dict(event)
    return nodes


def _hang(nodes: list[Node]) -> list[Node]:
    """Put every node below its parent; return those that have none here."""
    # Of two with one id the pair counts, and then the first.
    points = [node for node in nodes if not node.paired]
    pairs = [node for node in nodes if node.paired]
    spans = {node.span: node for node in (*points[::-1], *pairs[::-1]) if node.span}
    parents = {id(node): _parent_of(node, spans) for node in nodes}
    for node in _in_circles(nodes, parents):
        parents[id(node)] = None
    loose = []
    for node in nodes:
        parent = parents[id(node)]
        if parent is not None:
            parent.children.append(node)
        elif node.base != "SESSION":
            loose.append(node)
    return loose


def _parent_of(node: Node, spans: Mapping[str, Node]) -> Node | None:
    if node.base == "SESSION":
        return None
    parent = spans.get(text_of(node.event, "parent_span_id"))
    if parent is None and node.base != "AGENT" and node.run_id != node.span:
        return spans.get(node.run_id)
    return parent


def _in_circles(
    nodes: list[Node], parents: Mapping[int, Node | None]
) -> Iterable[Node]:
    """Yield the nodes that are above themselves, as in a damaged file."""
    seen: dict[int, int] = {}
    for number, node in enumerate(nodes):
        path: list[Node] = []
        now: Node | None = node
        while now is not None and id(now) not in seen:
            seen[id(now)] = number
            path.append(now)
            now = parents[id(now)]
        if now is not None and seen[id(now)] == number:
            yield from path[path.index(now) :]


def _process_tops(own: list[Node], processes: Mapping[str, Process]) -> list[Node]:
    tops: dict[str, Node] = {}
    for node in own:
        stream = text_of(node.event, "metadata", "chaukas", "stream")
        if stream not in tops:
            process = processes[stream]
            tops[stream] = Node(
                "PROCESS",
                paired=True,
                start=process.first,
                end=process.end,
                is_cut=process.end is None and process.is_gone,
            )
        tops[stream].children.append(node)
    return list(tops.values())


def _session_tops(nodes: list[Node], loose: list[Node]) -> list[Node]:
    """Return the sessions, with the loose events in the right opening of each."""
    openings: defaultdict[SessionKey, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.base == "SESSION":
            openings[node.session].append(node)
    tops = [node for group in openings.values() for node in group]
    finders = {key: _Openings(group) for key, group in openings.items()}
    implied: dict[SessionKey, Node] = {}
    for node in loose:
        if not node.session[2]:
            tops.append(node)
        elif node.session in finders:
            finders[node.session].for_(node).children.append(node)
        else:
            top = implied.setdefault(node.session, _implied(node))
            top.children.append(node)
            top.is_continued |= _is_continued(node)
    return [*tops, *implied.values()]


def _implied(first: Node) -> Node:
    """Return a top for a session whose own events are not in the files."""
    names = ("timestamp", "tenant_id", "project_id", "session_id")
    start = {name: first.event[name] for name in names if name in first.event}
    return Node("SESSION", paired=False, start=start)


def _is_continued(node: Node) -> bool:
    """Return whether something came before it that is not here."""
    is_end_alone = node.paired and node.start is None
    return is_end_alone or bool(text_of(node.event, "parent_span_id"))


class _Openings:
    """The openings of one session, to be asked which of them a time falls into."""

    def __init__(self, openings: list[Node]) -> None:
        self._all = sorted(openings, key=lambda node: node.order)
        self._by_stream: defaultdict[str, list[Node]] = defaultdict(list)
        for node in self._all:
            self._by_stream[_stream_of(node)].append(node)

    def for_(self, node: Node) -> Node:
        """
        Return the opening that an event belongs to, its own process's if it can be.

        What is recorded between two openings precedes the run that opens the next.
        """
        openings = self._by_stream.get(_stream_of(node), self._all)
        at = bisect_right(openings, node.order, key=lambda one: one.order)
        if at and (
            openings[at - 1].end is None or _end(openings[at - 1]) >= node.order
        ):
            return openings[at - 1]
        return openings[min(at, len(openings) - 1)]


def _keep_runs_together(top: Node) -> None:
    """Set the run of each agent below a session, and sort the agents by it."""
    by_run: dict[str, Node] = {}
    handed: defaultdict[tuple[str, str], deque[Node]] = defaultdict(deque)
    for agent in top.children:
        if agent.base != "AGENT":
            continue
        trace = text_of(agent.event, "trace_id")
        waiting = handed[trace, text_of(agent.event, "agent_id")]
        agent.run = agent
        if agent.run_id:
            agent.run = by_run.setdefault(agent.run_id, agent)
        elif waiting:
            agent.run = waiting.popleft()
        if is_waiting(agent.end):
            # What goes on later stands where it goes on.
            by_run.pop(agent.run_id, None)
        for child in agent.children:
            if child.base == "AGENT_HANDOFF":
                to = text_of(child.event, "agent_handoff", "to_agent_id")
                handed[trace, to].append(agent.run)
    ranks = {id(child): number for number, child in enumerate(top.children)}
    top.children.sort(key=lambda child: ranks[id(child.run or child)])


def is_waiting(end: Event | None) -> bool:
    """Return whether an agent ended because it waits for an approval."""
    metadata = (end or {}).get("metadata")
    facts = metadata if type(metadata) is dict else {}
    return facts.get("waiting") is True or facts.get("interrupted") is True


def _stream_of(node: Node) -> str:
    return text_of(node.event, "metadata", "chaukas", "stream")


def _end(node: Node) -> str:
    return text_of(node.end or {}, "timestamp")
