// JSON as rows that can be folded, with what was left out or hidden marked as such.
import type { Json } from "./types";

export interface JsonRow {
  /** Keys from the root, joined: names a row while others are folded. */
  path: string;
  depth: number;
  key: string | null;
  kind: "text" | "number" | "word" | "open" | "hidden";
  /** What is shown as the value; of an object or list how much is in it. */
  text: string;
  isFolded: boolean;
}

const HIDDEN = /^(\[REDACTED[^\]]*\]|<redacted[^>]*>|<\d+ (chars|bytes)[^>]*>|\[removed[^\]]*\])/i;

/** Whether a text stands for one that was hidden before it was written. */
export function isHidden(text: string): boolean {
  return HIDDEN.test(text) || text.includes("[REDACTED]");
}

/** Rows of a value; deeper than `open` levels it is folded, unless it was toggled. */
export function jsonRows(value: Json, toggled: ReadonlySet<string>, open = 2): JsonRow[] {
  const rows: JsonRow[] = [];
  add(rows, value, null, "$", 0, toggled, open);
  return rows;
}

function add(
  rows: JsonRow[], value: Json, key: string | null, path: string, depth: number,
  toggled: ReadonlySet<string>, open: number,
): void {
  if (value === null || typeof value !== "object") {
    rows.push({ path, depth, key, ...leaf(value), isFolded: false });
    return;
  }
  const entries: [string, Json][] = Array.isArray(value)
    ? value.map((item, at) => [String(at), item])
    : Object.entries(value);
  const size = entries.length;
  const text = Array.isArray(value) ? `[${size}]` : `{${size}}`;
  const isFolded = size > 0 && depth >= open !== toggled.has(path);
  rows.push({ path, depth, key, kind: "open", text, isFolded });
  if (isFolded) return;
  for (const [name, item] of entries) {
    add(rows, item, name, `${path}\u0000${name}`, depth + 1, toggled, open);
  }
}

function leaf(value: null | boolean | number | string): { kind: JsonRow["kind"]; text: string } {
  if (typeof value === "string") return { kind: isHidden(value) ? "hidden" : "text", text: value };
  if (typeof value === "number") return { kind: "number", text: String(value) };
  return { kind: "word", text: String(value) };
}

/** JSON of a text, if that is what it holds; the text itself otherwise. */
export function unpacked(value: Json | undefined): Json {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value ?? null;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return value;
  }
}

/** The value behind some keys; undefined where there is none. */
export function dig(value: Json | undefined, ...keys: string[]): Json | undefined {
  let at = value;
  for (const key of keys) {
    if (at === null || typeof at !== "object" || Array.isArray(at)) return undefined;
    at = at[key];
  }
  return at;
}

/** The text behind some keys; empty where there is none. */
export function textAt(value: Json | undefined, ...keys: string[]): string {
  const found = dig(value, ...keys);
  if (found === undefined || found === null) return "";
  return typeof found === "string" ? found : JSON.stringify(found);
}

/** The paths at which something was hidden, as people write them. */
export function hiddenPaths(value: Json, path = ""): string[] {
  if (typeof value === "string") return isHidden(value) ? [path || "."] : [];
  if (value === null || typeof value !== "object") return [];
  const entries: [string, Json][] = Array.isArray(value)
    ? value.map((item, at) => [`[${at}]`, item])
    : Object.entries(value).map(([key, item]) => [path ? `.${key}` : key, item]);
  return entries.flatMap(([key, item]) => hiddenPaths(item, path + key));
}
