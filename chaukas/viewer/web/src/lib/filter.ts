// The search line: which word the cursor stands in, what can stand there, and filters
// that are made of values. The server alone reads the language.
import type { FieldHelp } from "./types";

export interface Completion {
  /** What is put in place of the word. */
  text: string;
  /** What is shown. */
  label: string;
  help: string;
}

/** Start and end of the word that a cursor stands in or behind. */
export function wordAt(line: string, cursor: number): [number, number] {
  let start = 0;
  let inQuotes = false;
  for (let at = 0; at < cursor; at += 1) {
    const char = line[at];
    if (char === '"') inQuotes = !inQuotes;
    else if (char === " " && !inQuotes) start = at + 1;
  }
  let end = cursor;
  while (end < line.length && (inQuotes || line[end] !== " ")) {
    if (line[end] === '"') inQuotes = !inQuotes;
    end += 1;
  }
  return [start, end];
}

/** A value as it must stand in a filter: quoted if it has a blank or a quote in it. */
export function quoted(value: string): string {
  if (value !== "" && !/[\s"()\\]/.test(value)) return value;
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** `field:value`. */
export function term(field: string, value: string): string {
  return `${field}:${quoted(value)}`;
}

/** A line with one more term; without it if it has it already. */
export function toggled(line: string, added: string): string {
  const padded = ` ${line.trim()} `;
  const without = padded.replace(` ${added} `, " ");
  return (without === padded ? `${line.trim()} ${added}` : without).trim();
}

/** What can stand at the cursor: fields at first, values behind the colon. */
export function completions(line: string, cursor: number, fields: FieldHelp[]): Completion[] {
  const [start] = wordAt(line, cursor);
  const word = line.slice(start, cursor).replace(/^-/, "");
  const sign = line[start] === "-" ? "-" : "";
  const match = /^([a-z_]+)(:|>=|<=|>|<)(.*)$/i.exec(word);
  if (match) {
    const [, name = "", operator = "", begun = ""] = match;
    const field = fields.find((each) => each.name === name.toLowerCase());
    const wanted = begun.replace(/^"/, "").toLowerCase();
    return (field?.values ?? [])
      .filter((value) => value.toLowerCase().includes(wanted))
      .sort((a, b) => rank(a, wanted) - rank(b, wanted))
      .slice(0, 12)
      .map((value) => ({
        text: `${sign}${name}${operator}${quoted(value)} `, label: value, help: field?.help ?? "",
      }));
  }
  return fields
    .filter((field) => field.name.startsWith(word.toLowerCase()))
    .map((field) => {
      const operator = field.operators.includes(":") ? ":" : (field.operators[0] ?? ":");
      return {
        text: `${sign}${field.name}${operator}`,
        label: `${field.name}${operator}`,
        help: field.unit ? `${field.help} (${field.unit})` : field.help,
      };
    });
}

function rank(value: string, wanted: string): number {
  return value.toLowerCase().startsWith(wanted) ? 0 : 1;
}

/** The line with the word at the cursor replaced, and where the cursor is then. */
export function completed(line: string, cursor: number, text: string): [string, number] {
  const [start, end] = wordAt(line, cursor);
  const rest = line.slice(end).replace(/^ /, text.endsWith(" ") ? "" : " ");
  return [line.slice(0, start) + text + rest, start + text.length];
}

/** Fields of a line and its plain words apart: the words are the text to look for. */
export function textAndFields(line: string): { text: string; filter: string } {
  const terms = line.match(/-?(?:[a-z_]+(?::|>=|<=|>|<))?(?:"(?:\\.|[^"\\])*"?|[^\s"]+)+/gi) ?? [];
  const isField = (each: string) => /^-?[a-z_]+(:|>=|<=|>|<)/i.test(each);
  return {
    text: terms.filter((each) => !isField(each)).join(" "),
    filter: terms.filter(isField).join(" "),
  };
}

/** A line without the terms of a field. */
export function without(line: string, ...fields: string[]): string {
  const pattern = new RegExp(`(^|\\s)(?:${fields.join("|")}):(?:"[^"]*"|\\S*)`, "gi");
  return line.replace(pattern, "").trim();
}
