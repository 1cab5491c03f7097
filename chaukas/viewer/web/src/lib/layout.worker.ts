// Lays a graph out beside the page, which a large one would keep from answering.
import type { Graph } from "./graph";
import { placed } from "./layout";

onmessage = (message: MessageEvent<{ graph: Graph; isTall: boolean }>) => {
  postMessage(placed(message.data.graph, message.data.isTall));
};
