// Sums that the page makes itself, of rows it has.
import type { RunRow } from "./types";

/** The middle value; null for none. */
export function median(values: readonly number[]): number | null {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 ? high : ((sorted[middle - 1] ?? 0) + high) / 2;
}

export interface Measure {
  name: string;
  unit: "ms" | "usd" | "count";
  of: (run: RunRow) => number;
}

export const MEASURES: readonly Measure[] = [
  { name: "duration", unit: "ms", of: (run) => run.duration_ms },
  { name: "cost", unit: "usd", of: (run) => run.cost_usd },
  { name: "tokens in", unit: "count", of: (run) => run.input_tokens },
  { name: "tokens out", unit: "count", of: (run) => run.output_tokens },
  { name: "model calls", unit: "count", of: (run) => run.model_calls },
  { name: "tool calls", unit: "count", of: (run) => run.tool_calls },
  { name: "errors", unit: "count", of: (run) => run.errors },
  { name: "retries", unit: "count", of: (run) => run.retries },
];

/** The run whose duration is the median of those given, other than `except`. */
export function typicalRun(runs: readonly RunRow[], except: string): RunRow | null {
  const others = runs.filter((run) => run.trace_id !== except && run.status !== "open");
  const sorted = [...others].sort((a, b) => a.duration_ms - b.duration_ms);
  return sorted[(sorted.length - 1) >> 1] ?? null;
}

/** Cells of a table as CSV; a cell that a spreadsheet would run is made a text. */
export function csv(rows: readonly (readonly (string | number | null)[])[]): string {
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
