// What the detail of an event shows, by its type: pure functions of the recorded event.
import { dig, textAt } from "./json";
import type { Json, RecordedEvent } from "./types";

export interface Fact {
  name: string;
  value: string;
}

/** The content of an event: the member that its type has. */
export function contentOf(event: RecordedEvent): Json | undefined {
  for (const key of [
    "llm_invocation", "tool_call", "tool_response", "mcp_call", "error", "retry", "policy",
    "data_access", "state_update", "agent_handoff", "message", "session_start", "session_end",
  ]) {
    if (event[key] !== undefined) return event[key];
  }
  return undefined;
}

/** The innermost frame of a stack trace and the code in it; null for none. */
export function innermostFrame(stack: string): { place: string; code: string } | null {
  const lines = stack.split("\n");
  let found: { place: string; code: string } | null = null;
  lines.forEach((line, at) => {
    const match = /^\s*File "(.+)", line (\d+), in (.+)$/.exec(line);
    if (!match) return;
    const code = (lines[at + 1] ?? "").trim();
    found = { place: `${match[1]}:${match[2]} in ${match[3]}`, code: code.startsWith("File ") ? "" : code };
  });
  return found;
}

/** The rate per million tokens that made a cost; null where it is not in the record. */
export function rates(event: RecordedEvent): { input: number; output: number } | null {
  const rate = (kind: "input" | "output"): number | null => {
    const told = dig(event, "cost", `${kind}_rate_per_token`);
    if (typeof told === "number") return told * 1e6;
    const cost = dig(event, "cost", `${kind}_cost`);
    const tokens = dig(event, "cost", `${kind}_tokens`);
    return typeof cost === "number" && typeof tokens === "number" && tokens > 0 ? (cost / tokens) * 1e6 : null;
  };
  const [input, output] = [rate("input"), rate("output")];
  return input === null || output === null ? null : { input, output };
}

const RETRY_FACTS: [string, string[]][] = [
  ["attempt", ["attempt"]], ["of", ["max_attempts"]], ["strategy", ["strategy"]],
  ["waited (ms)", ["backoff_ms"]], ["layer", ["metadata", "layer"]],
  ["status", ["metadata", "status"]], ["request", ["metadata", "request_id"]],
  ["retryable", ["retryable"]],
];
const POLICY_FACTS: [string, string[]][] = [
  ["outcome", ["outcome"]], ["policy", ["policy_id"]], ["rules", ["rule_ids"]],
  ["kind", ["metadata", "kind"]], ["tool", ["metadata", "tool_name"]], ["call", ["metadata", "tool_call_id"]],
];
const MODEL_FACTS: [string, string[]][] = [
  ["provider", ["provider"]], ["answered by", ["metadata", "response_model"]], ["API", ["metadata", "api"]],
  ["finish", ["finish_reason"]], ["turn", ["metadata", "turn"]], ["chunks", ["chunk_count"]],
  ["tokens a second", ["metadata", "tokens_per_second"]],
];
const MCP_FACTS: [string, string[]][] = [
  ["server", ["server_name"]], ["address", ["server_url"]], ["operation", ["operation"]],
  ["protocol", ["protocol_version"]], ["cached", ["cached"]], ["error", ["is_error"]],
];
const HANDOFF_FACTS: [string, string[]][] = [
  ["from", ["from_agent_name"]], ["to", ["to_agent_name"]], ["reason", ["reason"]], ["type", ["handoff_type"]],
];
const TOOL_FACTS: [string, string[]][] = [
  ["type", ["metadata", "tool_type"]], ["asked for by", ["metadata", "requested_by"]],
  ["call", ["tool_id"]], ["call", ["tool_call_id"]], ["HTTP status", ["http_status"]],
];
const DATA_FACTS: [string, string[]][] = [
  ["source", ["datasource"]], ["documents", ["document_ids"]], ["operation", ["metadata", "operation"]],
  ["count", ["metadata", "count"]],
];
const FACTS: Record<string, [string, string[]][]> = {
  retry: RETRY_FACTS, policy: POLICY_FACTS, model: MODEL_FACTS, mcp: MCP_FACTS,
  handoff: HANDOFF_FACTS, tool: TOOL_FACTS, data: DATA_FACTS,
};

/** Short facts about an event of a kind, those that are there. */
export function factsOf(kind: string, event: RecordedEvent): Fact[] {
  const content = contentOf(event);
  return (FACTS[kind] ?? [])
    .map(([name, path]) => ({ name, value: shown(dig(content, ...path)) }))
    .filter((fact) => fact.value !== "");
}

function shown(value: Json | undefined): string {
  if (value === undefined || value === null || value === "") return "";
  if (Array.isArray(value)) return value.map((each) => textAt({ each }, "each")).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
