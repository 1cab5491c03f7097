// Where the nodes of a graph are drawn: layers from left to right.
import { Graph as Dagre, layout } from "@dagrejs/dagre";
import type { Graph } from "./graph";

export interface Placed {
  width: number;
  height: number;
  nodes: { id: string; x: number; y: number; width: number; height: number }[];
  edges: { from: string; to: string; kind: string; points: { x: number; y: number }[] }[];
}

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 46;

export function placed(graph: Graph, isTall: boolean): Placed {
  const dagre = new Dagre({ multigraph: true });
  dagre.setGraph({
    rankdir: isTall ? "TB" : "LR", nodesep: 18, ranksep: isTall ? 48 : 90, marginx: 12, marginy: 12,
  });
  dagre.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) dagre.setNode(node.id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const edge of graph.edges) dagre.setEdge(edge.from, edge.to, {}, edge.kind);
  layout(dagre);
  const size = dagre.graph();
  return {
    width: Math.ceil(size.width ?? 0),
    height: Math.ceil(size.height ?? 0),
    nodes: dagre.nodes().map((id) => {
      const { x, y } = dagre.node(id) as { x: number; y: number };
      return { id, x, y, width: NODE_WIDTH, height: NODE_HEIGHT };
    }),
    edges: dagre.edges().map((edge) => ({
      from: edge.v, to: edge.w, kind: edge.name ?? "call",
      points: (dagre.edge(edge) as { points: { x: number; y: number }[] }).points,
    })),
  };
}
