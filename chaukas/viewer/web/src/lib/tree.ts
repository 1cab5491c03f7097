// The tree of a run as rows: what is folded, what is beside what, what goes where.
import type { Span } from "./types";

/** Indexes of the spans that are not inside a folded one, in their order. */
export function visibleRows(spans: readonly Span[], folded: ReadonlySet<number>): number[] {
  const rows: number[] = [];
  let hiddenBelow = Infinity;
  for (const span of spans) {
    if (span.depth > hiddenBelow) continue;
    hiddenBelow = folded.has(span.index) ? span.depth : Infinity;
    rows.push(span.index);
  }
  return rows;
}

/** Whether the span behind it is one level deeper. */
export function hasChildren(spans: readonly Span[], index: number): boolean {
  const span = spans[index];
  const next = spans[index + 1];
  return !!span && !!next && next.depth > span.depth;
}

/** All spans above one, the nearest first. */
export function above(spans: readonly Span[], index: number): number[] {
  const found: number[] = [];
  let at = spans[index]?.parent ?? null;
  while (at !== null && found.length < spans.length) {
    found.push(at);
    at = spans[at]?.parent ?? null;
  }
  return found;
}

/** The next span with the same parent, or the one before; null at the ends. */
export function sibling(spans: readonly Span[], index: number, step: 1 | -1): number | null {
  const here = spans[index];
  if (!here) return null;
  for (let at = index + step; at >= 0 && at < spans.length; at += step) {
    const span = spans[at];
    if (!span || span.depth < here.depth) return null;
    if (span.parent === here.parent) return at;
  }
  return null;
}

/** The next span of the same kind and name, round the end; null if it is alone. */
export function sameName(spans: readonly Span[], index: number, step: 1 | -1): number | null {
  const here = spans[index];
  if (!here) return null;
  return next(spans, index, step, (span) => span.kind === here.kind && span.name === here.name);
}

/** The next span that failed or is an error, round the end. */
export function nextTrouble(spans: readonly Span[], index: number, step: 1 | -1): number | null {
  return next(spans, index, step, (span) => span.status === "failed" || span.kind === "error");
}

function next(
  spans: readonly Span[], index: number, step: 1 | -1, is: (span: Span) => boolean,
): number | null {
  const size = spans.length;
  for (let far = 1; far <= size; far += 1) {
    const at = (index + step * far + size * far) % size;
    const span = spans[at];
    if (at !== index && span && is(span)) return at;
  }
  return null;
}

/** A part of a bar in which something else happened than work. */
export interface Mark {
  kind: "retry" | "wait" | "first-token";
  startUs: number;
  endUs: number;
  text: string;
}

/** Waits before retries, waits for people and times to first tokens, by span. */
export function marksOf(spans: readonly Span[]): Map<number, Mark[]> {
  const marks = new Map<number, Mark[]>();
  const add = (index: number, mark: Mark) => {
    const list = marks.get(index);
    if (list) list.push(mark);
    else marks.set(index, [mark]);
  };
  const waiting = new Map<string, Span>();
  for (const span of spans) {
    if (span.first_token_ms !== null && span.duration_ms !== null) {
      const endUs = span.start_us + span.first_token_ms * 1000;
      add(span.index, { kind: "first-token", startUs: span.start_us, endUs, text: "first token" });
    }
    if (span.parent === null) continue;
    if (span.kind === "retry") {
      const endUs = span.start_us + span.wait_ms * 1000;
      const text = span.attempt ? `retry ${span.attempt}` : "retry";
      add(span.parent, { kind: "retry", startUs: span.start_us, endUs, text });
    }
    if (span.kind === "policy") {
      const key = `${span.parent} ${span.name}`;
      const asked = waiting.get(key);
      if (span.status === "waiting" || /^review\b/.test(span.text)) waiting.set(key, span);
      else if (asked) {
        waiting.delete(key);
        const [startUs, endUs] = [asked.start_us, span.start_us];
        add(span.parent, { kind: "wait", startUs, endUs, text: `waits: ${span.name}` });
      }
    }
  }
  return marks;
}

/** First and last moment of a run; never of no length. */
export function extent(spans: readonly Span[], nowUs: number): [number, number] {
  let first = Infinity;
  let last = -Infinity;
  for (const span of spans) {
    first = Math.min(first, span.start_us);
    last = Math.max(last, span.end_us ?? (span.status === "open" ? nowUs : span.start_us));
  }
  if (first === Infinity) return [0, 1];
  return [first, Math.max(last, first + 1)];
}

/** Where a span ends for the eye: an open one now, one that died with what it did last. */
export function endOf(span: Span, spans: readonly Span[], nowUs: number): number {
  if (span.end_us !== null) return span.end_us;
  if (span.status === "open") return nowUs;
  let last = span.start_us;
  for (let at = span.index + 1; at < spans.length; at += 1) {
    const below = spans[at];
    if (!below || below.depth <= span.depth) break;
    last = Math.max(last, below.end_us ?? below.start_us);
  }
  return last;
}

/** A row of the small map: how busy each of its columns is, and whether something failed. */
export interface MapCell {
  models: number;
  tools: number;
  failed: boolean;
}

/** A run pressed into columns: how many calls were under way in each. */
export function miniMap(
  spans: readonly Span[], from: number, to: number, columns: number, nowUs: number,
): MapCell[] {
  const cells: MapCell[] = Array.from({ length: columns }, () => ({
    models: 0, tools: 0, failed: false,
  }));
  const width = (to - from) / columns;
  for (const span of spans) {
    const isModel = span.kind === "model";
    const isTool = span.kind === "tool" || span.kind === "mcp";
    const isBad = span.kind === "error" || (span.status === "failed" && span.kind !== "agent");
    if (!isModel && !isTool && !isBad) continue;
    const end = span.end_us ?? (span.status === "open" ? nowUs : span.start_us);
    const first = Math.max(0, Math.floor((span.start_us - from) / width));
    const last = Math.min(columns - 1, Math.floor((end - from) / width));
    for (let at = first; at <= last; at += 1) {
      const cell = cells[at];
      if (!cell) continue;
      if (isModel) cell.models += 1;
      if (isTool) cell.tools += 1;
      if (isBad) cell.failed = true;
    }
  }
  return cells;
}

/** A bar of the lanes: which agent, which line within its lane. */
export interface LaneBar {
  index: number;
  lane: number;
  line: number;
}

export interface Lanes {
  names: string[];
  /** How many lines each lane needs for what runs at the same time. */
  lines: number[];
  bars: LaneBar[];
  /** Handoffs and agents inside of others: from the bar of one span to that of another. */
  arrows: { from: number; to: number; kind: "handoff" | "nested" }[];
}

/** Agents below one another, with what each did; what is parallel is on lines of its own. */
export function lanesOf(spans: readonly Span[], nowUs: number): Lanes {
  const lanes: Lanes = { names: [], lines: [], bars: [], arrows: [] };
  const free: number[][] = [];
  // The agent that handed over, until the next agent beside it begins.
  let handed: Span | undefined;
  for (const span of spans) {
    if (span.kind === "handoff" && span.parent !== null) handed = spans[span.parent];
    if (!["agent", "model", "tool", "mcp"].includes(span.kind)) continue;
    const owner = span.kind === "agent" ? span.name : span.agent || "no agent";
    let lane = lanes.names.indexOf(owner);
    if (lane < 0) {
      lane = lanes.names.push(owner) - 1;
      free[lane] = [];
    }
    const ends = free[lane] ?? [];
    const first = span.kind === "agent" ? 0 : 1;
    let line = first;
    while ((ends[line] ?? -1) > span.start_us) line += 1;
    ends[line] = endOf(span, spans, nowUs);
    lanes.bars.push({ index: span.index, lane, line });
    lanes.lines[lane] = Math.max(lanes.lines[lane] ?? 2, line + 1);
    if (span.kind === "agent") {
      const around = span.parent === null ? null : spans[span.parent];
      if (around && around.kind !== "session") {
        lanes.arrows.push({ from: around.index, to: span.index, kind: "nested" });
      } else if (handed && handed.parent === span.parent) {
        lanes.arrows.push({ from: handed.index, to: span.index, kind: "handoff" });
        handed = undefined;
      }
    }
  }
  return lanes;
}
