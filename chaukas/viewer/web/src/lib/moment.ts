// How a run stood after one of its events: what had been said, and what was held.
import { dig, textAt } from "./json";
import { answerOf, type Message } from "./messages";
import type { EventRow, Json } from "./types";

export interface Said {
  event_id: string;
  agent: string;
  message: Message;
}

export interface Held {
  /** What holds it: a store, a session, an agent's state. */
  name: string;
  operation: string;
  value: Json | undefined;
}

export interface Moment {
  said: Said[];
  state: Held[];
  /** Spans that had begun and not ended. */
  underWay: EventRow[];
}

/** The moment after the event at `index`; events are in the order of time, whole. */
export function momentAt(rows: readonly EventRow[], index: number): Moment {
  const said: Said[] = [];
  const state = new Map<string, Held>();
  const underWay = new Map<string, EventRow>();
  for (const row of rows.slice(0, index + 1)) {
    if (row.type.endsWith("_START")) underWay.set(row.span_id, row);
    if (row.type.endsWith("_END")) underWay.delete(row.span_id);
    const event = row.event ?? {};
    for (const message of messagesIn(row, event)) {
      said.push({ event_id: row.event_id, agent: row.agent, message });
    }
    if (row.kind === "state") {
      const update = dig(event, "state_update") ?? dig(event, "metadata");
      const name = row.name || "state";
      state.set(name, { name, operation: textAt(update, "operation"), value: update });
    }
  }
  return { said, state: [...state.values()], underWay: [...underWay.values()] };
}

function messagesIn(row: EventRow, event: Json): Message[] {
  const plain = (role: Message["role"], text: string, name = "", data?: Json): Message[] => [
    { role, name, text, data, isMissing: false },
  ];
  if (row.type === "INPUT_RECEIVED") return plain("user", textAt(event, "message", "text"));
  if (row.type === "OUTPUT_EMITTED") return plain("assistant", textAt(event, "message", "text"));
  // The last answer of a model comes again as the output.
  if (row.type === "MODEL_INVOCATION_END") {
    return answerOf(event).filter((each) => each.role !== "assistant" || each.name !== "");
  }
  if (row.type === "TOOL_CALL_END") {
    const error = textAt(event, "tool_response", "error_message");
    return plain("tool", error, row.name, error ? undefined : dig(event, "tool_response", "output"));
  }
  if (row.type === "ERROR") return plain("other", textAt(event, "error", "error_message"), row.name);
  if (row.type === "AGENT_HANDOFF") return plain("other", row.text || row.name, "handoff");
  return [];
}
