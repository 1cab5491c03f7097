import { describe, expect, it } from "vitest";
import { above, endOf, extent, hasChildren, lanesOf, marksOf, miniMap, nextTrouble, sameName, sibling, visibleRows } from "../src/lib/tree";
import type { Span } from "../src/lib/types";

const EMPTY: Span = {
  index: 0, parent: null, depth: 0, span_id: "", kind: "agent", name: "", agent: "", text: "",
  status: "completed", start_us: 0, end_us: 0, duration_ms: 0, first_token_ms: null, retries: 0,
  wait_ms: 0, attempt: null, input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: null,
  total_input_tokens: 0, total_output_tokens: 0, total_cost_usd: 0, errors: 0, is_critical: false,
  event_ids: ["a", "b"],
};

/** Spans of lines `depth kind name start end`. */
function spans(...lines: string[]): Span[] {
  const all: Span[] = [];
  lines.forEach((line, index) => {
    const [depth = "0", kind = "", name = "", start = "0", end = "0"] = line.split(" ");
    const parent = [...all].reverse().find((span) => span.depth < Number(depth)) ?? null;
    all.push({
      ...EMPTY, index, depth: Number(depth), kind, name, parent: parent?.index ?? null, span_id: String(index),
      start_us: Number(start), end_us: end === "-" ? null : Number(end),
      agent: parent?.kind === "agent" ? parent.name : (parent?.agent ?? ""),
    });
  });
  return all;
}

const RUN = spans(
  "0 agent desk 0 100", "1 model m 10 40", "2 retry http 12 12", "1 tool a 50 70", "2 agent inner 52 68",
  "1 tool b 55 90", "1 handoff desk→bill 95 95", "0 agent bill 100 200", "1 model m 110 190",
);

describe("a tree as rows", () => {
  it("hides what is below a folded row, and nothing else", () => {
    expect(visibleRows(RUN, new Set([1, 3]))).toEqual([0, 1, 3, 5, 6, 7, 8]);
    expect(visibleRows(RUN, new Set([0]))).toEqual([0, 7, 8]);
  });
  it("knows what is around, beside and of the same name", () => {
    expect(above(RUN, 4)).toEqual([3, 0]);
    expect(hasChildren(RUN, 3)).toBe(true);
    expect(hasChildren(RUN, 8)).toBe(false);
    expect(sibling(RUN, 1, 1)).toBe(3);
    expect(sibling(RUN, 6, 1)).toBeNull();
    expect(sibling(RUN, 7, -1)).toBe(0);
    expect(sameName(RUN, 1, 1)).toBe(8);
    expect(sameName(RUN, 8, 1)).toBe(1);
  });
  it("finds what failed, round the end", () => {
    const bad = RUN.map((span) => (span.index === 3 ? { ...span, status: "failed" } : span));
    expect(nextTrouble(bad, 5, 1)).toBe(3);
    expect(nextTrouble(RUN, 0, 1)).toBeNull();
  });
});

describe("a time axis", () => {
  it("reaches to now for what is open, and no further for what died", () => {
    const [open] = spans("0 agent a 5 -");
    expect(extent([{ ...open!, status: "open" }], 50)).toEqual([5, 50]);
    expect(extent([{ ...open!, status: "died" }], 50)).toEqual([5, 6]);
    const died = spans("0 agent a 5 -", "1 tool t 7 9").map((span) => ({ ...span, status: "died" }));
    expect(endOf(died[0]!, died, 50)).toBe(9);
  });
  it("marks the wait of a retry, the wait for a person, and the first token", () => {
    const run = spans("0 agent a 0 100", "1 model m 0 50", "2 retry http 10 10", "1 policy ok 60 60", "1 policy ok 90 90");
    run[1]!.first_token_ms = 0.02;
    run[1]!.duration_ms = 0.05;
    run[2]!.wait_ms = 0.01;
    run[3]!.status = "waiting";
    const marks = marksOf(run);
    expect(marks.get(1)?.map((mark) => [mark.kind, mark.startUs, mark.endUs])).toEqual([["first-token", 0, 20], ["retry", 10, 20]]);
    expect(marks.get(0)?.map((mark) => [mark.kind, mark.startUs, mark.endUs])).toEqual([["wait", 60, 90]]);
  });
  it("counts what is under way in each column of the map", () => {
    const cells = miniMap(RUN, 0, 200, 4, 0);
    expect(cells.map((cell) => [cell.models, cell.tools])).toEqual([[1, 0], [0, 2], [1, 0], [1, 0]]);
  });
  it("puts what is parallel on lines of its own, with arrows for handoffs and nested agents", () => {
    const lanes = lanesOf(RUN, 0);
    expect(lanes.names).toEqual(["desk", "inner", "bill"]);
    const lineOf = (index: number) => lanes.bars.find((bar) => bar.index === index)?.line;
    expect([lineOf(3), lineOf(5)]).toEqual([1, 2]);
    expect(lanes.arrows).toEqual([
      { from: 3, to: 4, kind: "nested" },
      { from: 0, to: 7, kind: "handoff" },
    ]);
  });
});
