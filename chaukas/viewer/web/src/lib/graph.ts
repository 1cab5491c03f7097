// Who called what how often, as nodes and edges.
import type { NumberRow, Span } from "./types";

export interface GraphNode {
  id: string;
  kind: string;
  name: string;
  calls: number;
  failed: number;
  ms: number;
  usd: number;
}

export interface GraphEdge {
  from: string;
  to: string;
  kind: "call" | "handoff";
  calls: number;
  ms: number;
  usd: number;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

const CALLED = new Set(["model", "tool", "mcp", "data", "state"]);

/** Makes graphs piece by piece: nodes and edges of one name are one. */
class GraphOf {
  readonly nodes = new Map<string, GraphNode>();
  readonly edges = new Map<string, GraphEdge>();

  node(kind: string, name: string): GraphNode {
    const id = `${kind}:${name}`;
    const found = this.nodes.get(id) ?? { id, kind, name, calls: 0, failed: 0, ms: 0, usd: 0 };
    this.nodes.set(id, found);
    return found;
  }

  edge(from: string, to: string, kind: GraphEdge["kind"] = "call"): GraphEdge {
    const id = `${from}\n${to}\n${kind}`;
    const found = this.edges.get(id) ?? { from, to, kind, calls: 0, ms: 0, usd: 0 };
    this.edges.set(id, found);
    return found;
  }

  graph(): Graph {
    return { nodes: [...this.nodes.values()], edges: [...this.edges.values()] };
  }
}

/** The graph of one run. */
export function graphOfRun(spans: readonly Span[]): Graph {
  const graph = new GraphOf();
  const ids: string[] = [];
  // The agent that handed over, until the next one begins.
  let handed = "";
  for (const span of spans) {
    const around = span.parent === null ? "" : (ids[span.parent] ?? "");
    ids[span.index] = around;
    if (span.kind === "handoff") handed = around;
    if (span.kind !== "agent" && !CALLED.has(span.kind)) continue;
    const name = span.kind === "mcp" ? (span.name.split(" ")[0] ?? span.name) : span.name;
    const node = graph.node(span.kind, name || span.kind);
    ids[span.index] = node.id;
    const own = span.kind === "agent" ? span.total_cost_usd : (span.cost_usd ?? 0);
    node.calls += 1;
    node.ms += span.duration_ms ?? 0;
    node.usd += own;
    if (span.status === "failed") node.failed += 1;
    if (around && around !== node.id) sum(graph.edge(around, node.id), span, own);
    if (span.kind === "agent") {
      if (!around && handed) sum(graph.edge(handed, node.id, "handoff"), span, own);
      if (!around) handed = "";
    }
  }
  return graph.graph();
}

function sum(edge: GraphEdge, span: Span, usd: number): void {
  edge.calls += 1;
  edge.ms += span.duration_ms ?? 0;
  edge.usd += usd;
}

/** The graph over many runs, of sums by agent and what it called. */
export function graphOfNumbers(
  called: readonly { kind: string; rows: readonly NumberRow[] }[], handoffs: readonly NumberRow[],
): Graph {
  const graph = new GraphOf();
  for (const { kind, rows } of called) {
    for (const row of rows) {
      const [agent = "", name = ""] = row.key;
      const from = graph.node("agent", agent || "no agent");
      const to = graph.node(kind, name || kind);
      const edge = graph.edge(from.id, to.id);
      for (const sums of [to, edge]) {
        sums.calls += row.count;
        sums.ms += row.duration_sum_ms;
        sums.usd += row.cost_usd;
      }
      to.failed += row.failed;
      from.ms += row.duration_sum_ms;
      from.usd += row.cost_usd;
      from.calls += row.count;
    }
  }
  for (const row of handoffs) {
    const [agent = "", to = ""] = row.key;
    if (!agent || !to) continue;
    const edge = graph.edge(graph.node("agent", agent).id, graph.node("agent", to).id, "handoff");
    edge.calls += row.count;
    edge.ms += row.duration_sum_ms;
  }
  return graph.graph();
}

/** How thick an edge is drawn, 1 to 7, by its share of the largest. */
export function thickness(value: number, largest: number): number {
  return largest > 0 ? 1 + 6 * Math.sqrt(value / largest) : 1;
}
