// Where the page is, as the part of the address behind `#`.

export type View =
  | "runs" | "sessions" | "session" | "run" | "compare" | "trouble" | "numbers" | "graph" | "search";

export interface Route {
  view: View;
  /** Of a run or a session. */
  id: string;
  /** Everything else, `q` for the search line included. */
  options: Record<string, string>;
}

const VIEWS: readonly string[] = [
  "runs", "sessions", "session", "run", "compare", "trouble", "numbers", "graph", "search",
];

/** Read an address; anything unknown is the list of runs. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const [view = "", id = ""] = split(path, "/");
  const known = VIEWS.includes(view);
  return {
    view: known ? (view as View) : "runs",
    id: known ? decoded(id) : "",
    options: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** Write an address; options that are empty are left out. */
export function formatRoute(view: View, id = "", options: Record<string, string> = {}): string {
  const query = new URLSearchParams(Object.entries(options).filter(([, value]) => value !== ""));
  const text = query.toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
