// Numbers and moments as people read them.

/** A duration, three digits at most: `0.6 ms`, `24 ms`, `1.25 s`, `3 m 05 s`, `2 h 10 m`. */
export function duration(ms: number | null | undefined): string {
  if (ms == null) return "";
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 1) return ms === 0 ? "0 ms" : `${trimmed(ms, 2)} ms`;
  if (ms < 10) return `${trimmed(ms, 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  return `${Math.round(minutes / 60 / 24)} d`;
}

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, "") || "0";
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** A count: `812`, `12.4k`, `3.1M`. */
export function count(value: number | null | undefined): string {
  if (value == null) return "";
  const size = Math.abs(value);
  if (size < 10_000) return value.toLocaleString("en-US");
  if (size < 999_500) return `${trimmed(value / 1e3, size < 99_950 ? 1 : 0)}k`;
  if (size < 999_500_000) return `${trimmed(value / 1e6, size < 99_950_000 ? 1 : 0)}M`;
  return `${trimmed(value / 1e9, 1)}G`;
}

/** An amount of US dollars, two digits that count: `$0.000028`, `$0.0031`, `$1.24`. */
export function cost(usd: number | null | undefined): string {
  if (usd == null) return "";
  if (usd === 0) return "$0";
  if (usd < 0) return `-${cost(-usd)}`;
  if (usd >= 100) return `$${usd.toLocaleString("en-US", { maximumFractionDigits: 0 })}`;
  if (usd >= 0.1) return `$${usd.toFixed(2)}`;
  const digits = Math.min(9, 1 - Math.floor(Math.log10(usd)));
  return `$${usd.toFixed(digits)}`;
}

/** A size in bytes. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 999.5 && at < units.length - 1) {
    left /= 1000;
    at += 1;
  }
  return `${at === 0 || left >= 100 ? Math.round(left) : trimmed(left, 1)} ${units[at]}`;
}

/** A share: `0 %`, `4.2 %`, `87 %`. */
export function percent(part: number, whole: number): string {
  if (!whole) return "";
  const value = (100 * part) / whole;
  return `${value > 0 && value < 10 ? trimmed(value, 1) : Math.round(value)} %`;
}

/** Hours, minutes and seconds in the reader's zone; with milliseconds on demand. */
export function clock(us: number, exact = false): string {
  const date = new Date(us / 1000);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return exact ? `${text}.${String(Math.floor((us / 1000) % 1000)).padStart(3, "0")}` : text;
}

/** The day in the reader's zone: `2026-01-31`. */
export function day(us: number): string {
  const date = new Date(us / 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** A moment: the time alone if it was today, else the day with it. */
export function moment(us: number, nowUs: number): string {
  return day(us) === day(nowUs) ? clock(us) : `${day(us)} ${clock(us)}`;
}

/** How long ago: `just now`, `4 min ago`, `3 h ago`, `2 d ago`. */
export function ago(us: number, nowUs: number): string {
  const minutes = Math.floor((nowUs - us) / 60e6);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 60 / 24)} d ago`;
}

/** `1 run`, `2 runs`. */
export function counted(number: number, what: string, many = `${what}s`): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? what : many}`;
}

/** The end of an id, which is where ids of one process differ. */
export function short(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

/** What stands for a status, beside its word and its colour. */
export function mark(status: string): string {
  const marks: Record<string, string> = {
    completed: "✓", failed: "✗", cancelled: "⊘", waiting: "◔", open: "…", died: "†", point: "·",
  };
  return marks[status] ?? "·";
}
