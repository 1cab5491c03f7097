// What the server answers: the rows of chaukas/query/answers.py and chaukas/store/answers.py,
// name by name. Moments end in _us (microseconds since 1970), durations in _ms.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Page<Row> {
  items: Row[];
  next_cursor: string;
  matched: number | null;
}

export interface Label {
  event_id: string;
  at_us: number;
  name: string;
  value: string | number | boolean | null;
  comment: string;
  trace_id: string;
  span_id: string;
  session_id: string;
}

interface Sums {
  tenant_id: string;
  project_id: string;
  session_id: string;
  user_id: string;
  framework: string;
  name: string;
  agents: string[];
  first_us: number;
  last_us: number;
  status: string;
  events: number;
  model_calls: number;
  tool_calls: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  cost_usd: number;
  unpriced_calls: number;
  errors: number;
  retries: number;
  denials: number;
}

export interface SessionRow extends Sums {
  runs: number;
  failed_runs: number;
}

export interface RunRow extends Sums {
  trace_id: string;
  duration_ms: number;
  input: string;
  output: string;
  error: string;
  open_spans: number;
  labels: Label[];
}

export interface EventRow {
  number: number;
  event_id: string;
  at_us: number;
  type: string;
  kind: string;
  status: string;
  tenant_id: string;
  project_id: string;
  session_id: string;
  trace_id: string;
  span_id: string;
  parent_span_id: string;
  agent: string;
  name: string;
  text: string;
  duration_ms: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  event: RecordedEvent | null;
}

/** An event as it stands in the record. */
export type RecordedEvent = { [key: string]: Json };

export interface Span {
  index: number;
  parent: number | null;
  depth: number;
  span_id: string;
  kind: string;
  name: string;
  agent: string;
  text: string;
  status: string;
  start_us: number;
  end_us: number | null;
  duration_ms: number | null;
  first_token_ms: number | null;
  retries: number;
  wait_ms: number;
  attempt: number | null;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost_usd: number | null;
  total_input_tokens: number;
  total_output_tokens: number;
  total_cost_usd: number;
  errors: number;
  is_critical: boolean;
  event_ids: string[];
}

export interface Tree {
  run: RunRow;
  spans: Span[];
  is_cut: boolean;
  span_count: number;
}

export interface EventDetail {
  row: EventRow;
  event: RecordedEvent;
  partner_event_id: string;
  previous_event_id: string;
  next_event_id: string;
  integrity: "ok" | "altered" | "absent";
  chain: "ok" | "broken" | "unknown";
}

export interface PromptAnswer {
  event_id: string;
  span_id: string;
  system: string;
  items: Json[];
  new_from: number;
  is_whole: boolean;
  request: { [key: string]: Json };
  curl: string;
  python: string;
}

export interface Turn {
  run: RunRow;
  inputs: string[];
  outputs: string[];
  strip: [string, string, string][];
  context_tokens: number;
}

export interface SessionDetail {
  session: SessionRow;
  turns: Turn[];
  outside: EventRow[];
  next_cursor: string;
}

export interface TextDiff {
  field: string;
  lines: string[];
}

export interface DiffRow {
  change: "same" | "added" | "missing" | "changed";
  depth: number;
  left: Span | null;
  right: Span | null;
  slower_ms: number | null;
  texts: TextDiff[];
}

export interface Diff {
  left: RunRow;
  right: RunRow;
  rows: DiffRow[];
  same: number;
  added: number;
  missing: number;
  changed: number;
  is_cut: boolean;
}

export interface Status {
  source: string;
  state: "reading" | "ready" | "failed";
  done_bytes: number;
  total_bytes: number;
  events: number;
  skipped_lines: number;
  repeated: number;
  conflicts: number;
  problem: string;
  version: string;
}

export interface FieldHelp {
  name: string;
  operators: string[];
  unit: string;
  help: string;
  values: string[];
}

export interface NumberRow {
  key: string[];
  count: number;
  failed: number;
  cancelled: number;
  retries: number;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost_usd: number;
  unpriced_calls: number;
  duration_p50_ms: number | null;
  duration_p95_ms: number | null;
  duration_sum_ms: number;
}

export interface Numbers {
  by: string[];
  of: string;
  rows: NumberRow[];
  total: NumberRow;
  width_s: number | null;
  is_cut: boolean;
}

export interface Cause {
  kind: string;
  cause: string;
  name: string;
  count: number;
  runs: number;
  first_us: number;
  last_us: number;
  example_event_id: string;
  trace_ids: string[];
}

export interface StreamRow {
  stream: string;
  first_us: number;
  last_us: number;
  events: number;
  missing: number;
  dropped: number;
  state: "ended" | "open" | "died";
}

export interface SearchHit {
  row: EventRow;
  snippet: string;
  matches: [number, number][];
}

/** One run with all that its page shows: what an exported file holds. */
export interface Exported {
  status: Status;
  tree: Tree;
  events: EventDetail[];
  prompts: PromptAnswer[];
}
