// Lists that come page by page, and answers that are replaced when their question is.
import { source } from "./state.svelte";
import type { Page } from "./types";

/** One answer; the former one stays until the next is there. */
export class Answer<Value> {
  value: Value | null = $state.raw(null);
  error: unknown = $state.raw(null);
  isLoading = $state(false);
  #turn = 0;

  async ask(name: string, parameters: Record<string, string>): Promise<void> {
    const turn = ++this.#turn;
    this.isLoading = true;
    try {
      const value = await source.get<Value>(name, parameters);
      if (turn !== this.#turn) return;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = error;
    } finally {
      if (turn === this.#turn) this.isLoading = false;
    }
  }
}

/** Rows of a list, so far; more of them are asked for when they are about to be seen. */
export class Rows<Row> {
  items: Row[] = $state.raw([]);
  matched: number | null = $state(null);
  error: unknown = $state.raw(null);
  isLoading = $state(false);
  isLoaded = $state(false);
  #cursor = "";
  #turn = 0;
  #name = "";
  #parameters: Record<string, string> = {};

  async ask(name: string, parameters: Record<string, string>): Promise<void> {
    this.#name = name;
    this.#parameters = parameters;
    this.#cursor = "";
    await this.#next(true);
  }

  /** Ask for the rows that follow, if there are any and none are under way. */
  more(): void {
    if (this.#cursor && !this.isLoading) void this.#next(false);
  }

  async #next(isNew: boolean): Promise<void> {
    const turn = ++this.#turn;
    this.isLoading = true;
    try {
      const parameters = { ...this.#parameters, cursor: this.#cursor };
      const answer = await source.get<Page<Row>>(this.#name, parameters);
      if (turn !== this.#turn) return;
      this.items = isNew ? answer.items : [...this.items, ...answer.items];
      if (isNew || answer.matched !== null) this.matched = answer.matched;
      this.#cursor = answer.next_cursor;
      this.error = null;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = error;
      if (isNew) this.items = [];
    } finally {
      if (turn === this.#turn) {
        this.isLoading = false;
        this.isLoaded = true;
      }
    }
  }
}
