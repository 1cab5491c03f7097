// What the whole page shares: where it is, what it reads, and what the reader chose.
import { formatRoute, parseRoute, type Route, type View } from "./route";
import { sourceOf, type Source } from "./source";
import type { EventRow, FieldHelp, Status } from "./types";

export const source: Source = sourceOf(document.getElementById("record"));

/** Something that a view tells those that hear it. */
type Heard = (rows: EventRow[]) => void;

/** Where the page is; a file that was exported is nowhere but at its run. */
export function here(): Route {
  const route = parseRoute(location.hash);
  return source.isExported ? { ...route, view: "run" } : route;
}

class PageState {
  route: Route = $state(here());
  status: Status | null = $state(null);
  fields: FieldHelp[] = $state([]);
  /** Whether the record was read as far as it went; lists ask anew once it was. */
  readonly isReady: boolean = $derived(this.status?.state !== "reading");
  nowUs = $state(Date.now() * 1000);
  theme: "auto" | "light" | "dark" = $state(stored("theme", "auto") as "auto");
  isHelpOpen = $state(false);
  /** One line for people who cannot see what changed. */
  said = $state("");
  readonly heard = new Set<Heard>();

  get line(): string {
    return this.route.options.q ?? "";
  }
}

export const page = new PageState();

function stored(name: string, otherwise: string): string {
  try {
    return localStorage.getItem(`chaukas.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Something the reader chose, kept for the next time where the browser allows it. */
export function recall<Value>(name: string, otherwise: Value): Value {
  try {
    return JSON.parse(stored(name, "null")) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`chaukas.${name}`, JSON.stringify(value));
  } catch {
    // A file that was exported has no store in some browsers.
  }
}

export function link(view: View, id = "", options: Record<string, string> = {}): string {
  return formatRoute(view, id, options);
}

/** Go somewhere; `isStep` leaves no entry in the history. */
export function go(view: View, id = "", options: Record<string, string> = {}, isStep = false): void {
  const hash = link(view, id, options);
  if (isStep) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  page.route = here();
}

/** Change options of where the page is; an empty one is taken out. */
export function set(options: Record<string, string>, isStep = false): void {
  const { view, id } = page.route;
  go(view, id, { ...page.route.options, ...options }, isStep);
}

export function setTheme(theme: "auto" | "light" | "dark"): void {
  page.theme = theme;
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
  try {
    localStorage.setItem("chaukas.theme", theme);
  } catch {
    // As above.
  }
}

/** What takes keys at the moment, the latest first; true means that it was meant. */
type Keys = (key: string, event: KeyboardEvent) => boolean;
const takers: Keys[] = [];

/** Take keys while a view is there; give the result to an effect. */
export function takeKeys(keys: Keys): () => void {
  takers.push(keys);
  return () => {
    takers.splice(takers.indexOf(keys), 1);
  };
}

export function giveKey(event: KeyboardEvent): boolean {
  return takers.toReversed().some((keys) => keys(event.key, event));
}

/** Begin to hear of new events, where there is a server to tell. */
export function follow(): void {
  const stream = new EventSource("api/follow");
  let waiting: EventRow[] = [];
  let timer = 0;
  stream.addEventListener("status", (message) => {
    page.status = JSON.parse(message.data) as Status;
  });
  stream.addEventListener("event", (message) => {
    waiting.push(JSON.parse(message.data) as EventRow);
    if (timer) return;
    timer = window.setTimeout(() => {
      timer = 0;
      const rows = waiting;
      waiting = [];
      for (const heard of page.heard) heard(rows);
    }, 250);
  });
}

/** Put a text on the clipboard, and say so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    page.said = `${what} copied`;
  } catch {
    page.said = `${what} could not be copied`;
  }
}
