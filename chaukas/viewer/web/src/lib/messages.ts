// What models are sent and answer, as messages: the shapes of several providers as one.
import { dig, textAt, unpacked } from "./json";
import type { Json } from "./types";

export interface Message {
  role: "system" | "user" | "assistant" | "tool" | "reasoning" | "other";
  /** Of a tool; empty for none. */
  name: string;
  text: string;
  /** Of a call or a result that is no text. */
  data: Json | undefined;
  /** The item is named in the record, and is not in it. */
  isMissing: boolean;
}

const TEXT_KEYS = ["text", "refusal", "transcript", "content", "summary"];

/** The messages of a prompt's items, in order. */
export function messagesOf(items: readonly Json[]): Message[] {
  return items.flatMap(messageOf);
}

function message(role: Message["role"], text: string, name = "", data?: Json): Message {
  return { role, name, text, data, isMissing: false };
}

function messageOf(item: Json): Message[] {
  if (item === null) {
    return [{ ...message("other", "Not in this record: an earlier file may hold it."), isMissing: true }];
  }
  if (typeof item !== "object") return [message("user", String(item))];
  if (Array.isArray(item)) return item.flatMap(messageOf);
  const type = textAt(item, "type");
  const role = textAt(item, "role");
  if (/_output$|^function_response$|^tool_result$/.test(type) || role === "tool") {
    const result = dig(item, "output") ?? dig(item, "content") ?? dig(item, "response");
    return [resultOf(textAt(item, "name"), result)];
  }
  if (type === "reasoning") return [message("reasoning", textOf(item) || "(reasoning, not shown)")];
  if (/_call$|^tool_use$/.test(type)) return [callOf(item)];
  if (!role && type) return [message("other", textOf(item), type, item)];
  const content = dig(item, "content") ?? dig(item, "parts");
  const found: Message[] = [];
  const text = textOf(content ?? item);
  if (text) found.push(message(roleOf(role), text, textAt(item, "name")));
  for (const part of Array.isArray(content) ? content : []) {
    const call = dig(part, "function_call") ?? (textAt(part, "type") === "tool_use" ? part : undefined);
    const answer = dig(part, "function_response");
    if (call !== undefined) found.push(callOf(call));
    if (answer !== undefined) found.push(resultOf(textAt(answer, "name"), dig(answer, "response")));
    if (textAt(part, "type") === "tool_result") found.push(resultOf("", dig(part, "content")));
  }
  const calls = dig(item, "tool_calls");
  if (Array.isArray(calls)) found.push(...calls.map(callOf));
  return found.length ? found : [message(roleOf(role), "", "", item)];
}

function roleOf(role: string): Message["role"] {
  if (role === "system" || role === "developer") return "system";
  if (role === "assistant" || role === "model") return "assistant";
  return role === "user" || role === "" ? "user" : "other";
}

/** A call of a tool, as the model asked for it. */
export function callOf(call: Json): Message {
  const inner = dig(call, "function") ?? call;
  const name = textAt(inner, "name") || textAt(call, "type");
  const given = dig(inner, "arguments") ?? dig(inner, "input") ?? dig(inner, "args") ?? dig(inner, "action");
  return message("assistant", "", name, unpacked(given) ?? {});
}

function resultOf(name: string, result: Json | undefined): Message {
  const value = unpacked(result);
  const plain = typeof value === "string" ? value : Array.isArray(value) ? textOf(value) : "";
  return message("tool", plain, name, plain ? undefined : value);
}

/** All text in a content, whatever it is made of. */
export function textOf(content: Json | undefined): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (typeof content !== "object") return String(content);
  if (Array.isArray(content)) return content.map(textOf).filter(Boolean).join("\n");
  for (const key of TEXT_KEYS) {
    const text = textOf(content[key]);
    if (text) return text;
  }
  const type = textAt(content, "type");
  return /image|audio|file/.test(type) ? `(${type})` : "";
}

/** The answer of a model call, from its END event. */
export function answerOf(event: Json): Message[] {
  const response = dig(event, "llm_invocation", "response");
  if (response === undefined) return [];
  const found: Message[] = [];
  const reasoning = textAt(response, "reasoning_summary") || textAt(response, "reasoning");
  if (reasoning) found.push(message("reasoning", reasoning));
  const text = textAt(response, "text") || textAt(response, "refusal");
  if (text) found.push(message("assistant", text));
  const calls = dig(response, "tool_calls");
  if (Array.isArray(calls)) found.push(...calls.map(callOf));
  return found;
}
