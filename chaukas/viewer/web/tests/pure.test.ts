import { describe, expect, it } from "vitest";
import { place, ticks, zoomed } from "../src/lib/axis";
import { innermostFrame, rates } from "../src/lib/facts";
import { completed, completions, quoted, term, textAndFields, toggled, without, wordAt } from "../src/lib/filter";
import { ago, bytes, cost, count, duration, percent, short } from "../src/lib/format";
import { graphOfRun, thickness } from "../src/lib/graph";
import { hiddenPaths, jsonRows, unpacked } from "../src/lib/json";
import { placed } from "../src/lib/layout";
import { answerOf, messagesOf } from "../src/lib/messages";
import { momentAt } from "../src/lib/moment";
import { formatRoute, parseRoute } from "../src/lib/route";
import { csv, median, typicalRun } from "../src/lib/stats";
import { rowsIn, scrolledTo } from "../src/lib/virtual";
import type { EventRow, FieldHelp, RunRow, Span } from "../src/lib/types";

const FIELDS: FieldHelp[] = [
  { name: "agent", operators: [":"], unit: "", help: "an agent", values: ["front desk", "billing"] },
  { name: "cost", operators: [">", "<"], unit: "USD", help: "what it cost", values: [] },
];

describe("numbers for people", () => {
  it("writes durations with three digits at most", () => {
    expect([0.4, 6.24, 24.4, 999.6, 1250, 61_000, 7_800_000].map(duration)).toEqual(
      ["0.4 ms", "6.2 ms", "24 ms", "1.00 s", "1.25 s", "1 m 01 s", "2 h 10 m"]);
  });
  it("writes small costs with two digits that count", () => {
    expect([0, 0.0000123, 0.0031, 0.5, 12.345, 1234].map(cost)).toEqual(
      ["$0", "$0.000012", "$0.0031", "$0.50", "$12.35", "$1,234"]);
  });
  it("writes counts, sizes, shares and ages", () => {
    expect([812, 12_420, 3_100_000].map(count)).toEqual(["812", "12.4k", "3.1M"]);
    expect([12, 1500, 26_214_400].map(bytes)).toEqual(["12 B", "1.5 kB", "26.2 MB"]);
    expect([percent(1, 30), percent(1, 2), percent(1, 0)]).toEqual(["3.3 %", "50 %", ""]);
    expect([ago(0, 30e6), ago(0, 300e6), ago(0, 7200e6)]).toEqual(["just now", "5 min ago", "2 h ago"]);
    expect(short("01a2013d-de76-7002-8cbd-6464584425b6")).toBe("…584425b6");
  });
});

describe("the address", () => {
  it("reads what it writes, whatever is in it", () => {
    const options = { q: 'tool:"a & b" 100% #x', event: "é/?" };
    expect(parseRoute(formatRoute("session", "acme/c 1?#", options))).toEqual({ view: "session", id: "acme/c 1?#", options });
  });
  it("is the list of runs for anything unknown", () => {
    expect(parseRoute("#/constructor/1").view).toBe("runs");
    expect(parseRoute("#/run/%E0%A4%A").id).toBe("%E0%A4%A");
  });
});

describe("the search line", () => {
  it("finds the word at the cursor, quotes included", () => {
    expect(wordAt('agent:"front de', 15)).toEqual([0, 15]);
    expect(wordAt("a bc d", 3)).toEqual([2, 4]);
  });
  it("completes fields, then values, quoted where they must be", () => {
    expect(completions("ag", 2, FIELDS).map((each) => each.text)).toEqual(["agent:"]);
    expect(completions("-agent:fr", 9, FIELDS).map((each) => each.text)).toEqual(['-agent:"front desk" ']);
    expect(completions("co", 2, FIELDS).map((each) => each.text)).toEqual(["cost>"]);
    expect(completed("x ag y", 4, "agent:")).toEqual(["x agent: y", 8]);
  });
  it("makes terms of any value, and takes them out again", () => {
    expect(term("agent", 'a "b" \\')).toBe('agent:"a \\"b\\" \\\\"');
    expect(quoted("")).toBe('""');
    expect(toggled(toggled("a", "status:failed"), "status:failed")).toBe("a");
    expect(without('x since:1h until:"2026" y', "since", "until")).toBe("x y");
  });
  it("takes words and fields apart", () => {
    expect(textAndFields('"no radar" agent:"front desk" cost>0.1 Lisbon -tool:x')).toEqual({
      text: '"no radar" Lisbon', filter: 'agent:"front desk" cost>0.1 -tool:x',
    });
  });
});

describe("JSON", () => {
  it("folds what is deep, and unfolds it on demand", () => {
    const value = { a: { b: { c: 1 } }, d: [] };
    expect(jsonRows(value, new Set(), 2).map((row) => [row.key, row.isFolded])).toEqual([[null, false], ["a", false], ["b", true], ["d", false]]);
    const path = jsonRows(value, new Set(), 2)[2]?.path ?? "";
    expect(jsonRows(value, new Set([path]), 2).map((row) => row.key)).toEqual([null, "a", "b", "c", "d"]);
  });
  it("marks what was hidden before it was written, by its path", () => {
    expect(hiddenPaths({ tool: { args: ["x", "[REDACTED]"], password: "[REDACTED]" }, ok: "fine" })).toEqual(["tool.args[1]", "tool.password"]);
  });
  it("unpacks a text that is JSON, and leaves any other", () => {
    expect(unpacked('{"a":1}')).toEqual({ a: 1 });
    expect(unpacked("{not json")).toBe("{not json");
  });
});

describe("messages", () => {
  it("reads items of several APIs", () => {
    const shown = messagesOf([
      { role: "user", content: "hi" },
      { type: "function_call", name: "weather", arguments: '{"city":"Lisbon"}', call_id: "c" },
      { type: "function_call_output", call_id: "c", output: "sunny" },
      { role: "assistant", content: null, tool_calls: [{ function: { name: "f", arguments: "{}" } }] },
      { role: "model", parts: [{ text: "ok" }, { function_call: { name: "g", args: { x: 1 } } }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "done" }] },
      null,
    ]);
    expect(shown.map((each) => [each.role, each.name, each.text])).toEqual([
      ["user", "", "hi"], ["assistant", "weather", ""], ["tool", "", "sunny"], ["assistant", "f", ""],
      ["assistant", "", "ok"], ["assistant", "g", ""], ["assistant", "", "done"],
      ["other", "", "Not in this record: an earlier file may hold it."],
    ]);
    expect(shown[1]?.data).toEqual({ city: "Lisbon" });
  });
  it("reads an answer with text and calls", () => {
    const event = { llm_invocation: { response: { text: "t", tool_calls: [{ name: "f", arguments: {} }] } } };
    expect(answerOf(event).map((each) => [each.role, each.name, each.text])).toEqual([["assistant", "", "t"], ["assistant", "f", ""]]);
  });
});

const ROW: EventRow = {
  number: 1, event_id: "", at_us: 0, type: "", kind: "", status: "", tenant_id: "", project_id: "", session_id: "",
  trace_id: "", span_id: "", parent_span_id: "", agent: "", name: "", text: "", duration_ms: null,
  input_tokens: null, output_tokens: null, cost_usd: null, event: null,
};

describe("a moment of a run", () => {
  const rows: EventRow[] = [
    { ...ROW, event_id: "1", type: "AGENT_START", kind: "agent", span_id: "a", name: "desk", event: {} },
    { ...ROW, event_id: "2", type: "INPUT_RECEIVED", kind: "input", event: { message: { text: "hi" } } },
    { ...ROW, event_id: "3", type: "STATE_UPDATE", kind: "state", name: "cart", event: { state_update: { items: 1 } } },
    { ...ROW, event_id: "4", type: "STATE_UPDATE", kind: "state", name: "cart", event: { state_update: { items: 2 } } },
    { ...ROW, event_id: "5", type: "OUTPUT_EMITTED", kind: "output", event: { message: { text: "bye" } } },
    { ...ROW, event_id: "6", type: "AGENT_END", kind: "agent", span_id: "a", event: {} },
  ];
  it("holds what was said and stored until then, and no more", () => {
    const then = momentAt(rows, 2);
    expect(then.said.map((each) => each.message.text)).toEqual(["hi"]);
    expect(then.state.map((each) => each.value)).toEqual([{ items: 1 }]);
    expect(then.underWay.map((row) => row.name)).toEqual(["desk"]);
    const last = momentAt(rows, 5);
    expect(last.said.map((each) => each.message.text)).toEqual(["hi", "bye"]);
    expect(last.state.map((each) => each.value)).toEqual([{ items: 2 }]);
    expect(last.underWay).toEqual([]);
  });
});

describe("facts", () => {
  it("finds the innermost frame of a stack", () => {
    const stack = '  File "/a/b.py", line 3, in f\n    g()\n  File "/a/c.py", line 9, in g\n    raise LookupError(x)\nLookupError: no';
    expect(innermostFrame(stack)).toEqual({ place: "/a/c.py:9 in g", code: "raise LookupError(x)" });
    expect(innermostFrame("nothing")).toBeNull();
  });
  it("finds the rate that made a cost", () => {
    const told = rates({ cost: { input_rate_per_token: 2.5e-7, output_cost: 1.2e-5, output_tokens: 6 } });
    expect(told?.input).toBeCloseTo(0.25);
    expect(told?.output).toBeCloseTo(2);
    expect(rates({ cost: { input_cost: 1 } })).toBeNull();
  });
});

describe("graphs", () => {
  const span = (index: number, parent: number | null, kind: string, name: string, ms: number): Span => ({
    index, parent, depth: parent === null ? 0 : 1, span_id: "", kind, name, agent: "", text: "", status: "completed",
    start_us: 0, end_us: 0, duration_ms: ms, first_token_ms: null, retries: 0, wait_ms: 0, attempt: null,
    input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: 0.5, total_input_tokens: 0,
    total_output_tokens: 0, total_cost_usd: 1, errors: 0, is_critical: false, event_ids: [],
  });
  const run = [span(0, null, "agent", "desk", 10), span(1, 0, "tool", "t", 3), span(2, 0, "tool", "t", 4), span(3, 0, "handoff", "desk → bill", 0), span(4, null, "agent", "bill", 5)];
  it("sums calls of one name, and draws handoffs", () => {
    const graph = graphOfRun(run);
    expect(graph.edges.map((edge) => [edge.from, edge.to, edge.kind, edge.calls, edge.ms])).toEqual([
      ["agent:desk", "tool:t", "call", 2, 7], ["agent:desk", "agent:bill", "handoff", 1, 5],
    ]);
  });
  it("lays every node out, none on another", () => {
    const layout = placed(graphOfRun(run), false);
    expect(layout.nodes.length).toBe(3);
    expect(new Set(layout.nodes.map((node) => `${node.x} ${node.y}`)).size).toBe(3);
    expect(thickness(0, 0)).toBe(1);
    expect(thickness(9, 9)).toBe(7);
  });
});

describe("sums and tables", () => {
  it("takes the median, and the run that is nearest to it", () => {
    expect([median([]), median([3, 1, 2]), median([1, 2, 3, 10])]).toEqual([null, 2, 2.5]);
    const run = (trace_id: string, duration_ms: number) => ({ trace_id, duration_ms, status: "completed" }) as RunRow;
    expect(typicalRun([run("a", 1), run("b", 50), run("c", 9), run("me", 9)], "me")?.trace_id).toBe("c");
  });
  it("writes no cell that a spreadsheet would run", () => {
    expect(csv([["=1+1", "a,b", 2, null], ["@x", 'q"', -3, "ok"]])).toBe("'=1+1,\"a,b\",2,\r\n'@x,\"q\"\"\",-3,ok\r\n");
  });
});

describe("long lists", () => {
  it("draws the rows in sight and some around", () => {
    expect(rowsIn(3000, 300, 30, 1000, 2)).toEqual({ first: 98, last: 112 });
    expect(rowsIn(0, 300, 30, 3)).toEqual({ first: 0, last: 3 });
  });
  it("scrolls only to what is out of sight", () => {
    expect(scrolledTo(5, 0, 300, 30)).toBe(0);
    expect(scrolledTo(50, 0, 300, 30)).toBe(1290);
    expect(scrolledTo(5, 1000, 300, 30)).toBe(90);
  });
});

describe("time axes", () => {
  it("ticks at round moments, and is cut off at its ends", () => {
    expect(ticks(0, 250, 5)).toEqual([0, 50, 100, 150, 200, 250]);
    expect(place(150, 0, 100)).toBe(100);
    expect(zoomed([0, 1000], [0, 1000], 0.5, 500)).toEqual([250, 750]);
    expect(zoomed([0, 500], [0, 1000], 4, 0)).toEqual([0, 1000]);
  });
});
