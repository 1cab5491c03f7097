// Where answers come from: the server, or the file itself if the run was exported.
import type { EventDetail, EventRow, Json, PromptAnswer, Status, Tree } from "./types";

/** What the server said instead of an answer. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly position: number | null = null,
    readonly expected: string[] = [],
  ) {
    super(message);
  }
}

export interface Source {
  /** The file holds one run and no more can be asked. */
  readonly isExported: boolean;
  get<Answer>(name: string, parameters: Record<string, string>): Promise<Answer>;
}

export const server: Source = {
  isExported: false,
  async get<Answer>(name: string, parameters: Record<string, string>): Promise<Answer> {
    const given = Object.entries(parameters).filter(([, value]) => value !== "");
    const query = new URLSearchParams(given).toString();
    const answer = await fetch(`api/${name}${query ? `?${query}` : ""}`, {
      headers: { accept: "application/json" },
    }).catch(() => {
      throw new Refusal("chaukas view does not answer. Was it stopped?", 0);
    });
    if (answer.ok) return (await answer.json()) as Answer;
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    const told = isJson ? ((await answer.json()) as Record<string, unknown>) : {};
    throw new Refusal(
      typeof told.error === "string" ? told.error : (await said(answer)) || `error ${answer.status}`,
      answer.status,
      typeof told.position === "number" ? told.position : null,
      Array.isArray(told.expected) ? told.expected.map(String) : [],
    );
  },
};

async function said(answer: Response): Promise<string> {
  return answer.bodyUsed ? "" : (await answer.text()).trim();
}

export interface Exported {
  status: Status;
  tree: Tree;
  rows: EventRow[];
  prompts: PromptAnswer[];
}

/** A source that answers out of an exported file. */
export function exported(data: Exported): Source {
  const detail = (id: string): EventDetail => {
    const at = data.rows.findIndex((row) => row.event_id === id);
    const row = data.rows[at];
    if (!row) throw new Refusal("The file does not hold this event.", 404);
    const partner = data.rows.find((other) => other.span_id === row.span_id && other !== row);
    return {
      row,
      event: row.event ?? {},
      partner_event_id: partner?.event_id ?? "",
      previous_event_id: data.rows[at - 1]?.event_id ?? "",
      next_event_id: data.rows[at + 1]?.event_id ?? "",
      integrity: "absent",
      chain: "unknown",
    };
  };
  const prompt = (id: string): PromptAnswer => {
    const span = data.rows.find((row) => row.event_id === id)?.span_id;
    const found = data.prompts.find((each) => each.span_id === span);
    if (!found) throw new Refusal("The file does not hold this prompt.", 404);
    return found;
  };
  const answers: Record<string, (given: Record<string, string>) => unknown> = {
    status: () => data.status,
    tree: () => data.tree,
    event: (given) => detail(given.id ?? ""),
    events: () => ({ items: data.rows, next_cursor: "", matched: data.rows.length }),
    prompt: (given) => prompt(given.id ?? ""),
    fields: () => ({ items: [] }),
  };
  return {
    isExported: true,
    async get<Answer>(name: string, parameters: Record<string, string>): Promise<Answer> {
      const answer = answers[name];
      if (!answer) throw new Refusal("This file holds one run only.", 404);
      return answer(parameters) as Answer;
    },
  };
}

/** The source of this page. */
export function sourceOf(element: HTMLElement | null): Source {
  if (!element) return server;
  return exported(JSON.parse(element.textContent ?? "") as Json as unknown as Exported);
}
