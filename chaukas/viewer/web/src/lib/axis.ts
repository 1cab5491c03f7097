// A time axis: ticks at round durations, and places in percent.

const STEPS_MS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500,
  1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3,
  14400e3, 21600e3, 43200e3, 86400e3, 172800e3, 604800e3, 2592000e3,
];

/** Offsets in ms at which a line is drawn: at most so many, the first at 0. */
export function ticks(fromMs: number, toMs: number, most: number): number[] {
  const step = STEPS_MS.find((each) => (toMs - fromMs) / each <= most) ?? STEPS_MS.at(-1) ?? 1;
  const found: number[] = [];
  for (let at = Math.ceil(fromMs / step); at * step <= toMs; at += 1) found.push(at * step);
  return found;
}

/** Where a moment is between two others, 0 to 100, cut off at both ends. */
export function place(at: number, from: number, to: number): number {
  return Math.min(100, Math.max(0, (100 * (at - from)) / (to - from)));
}

/** A part of a window, moved and never wider than the whole. */
export function zoomed(
  [from, to]: [number, number], whole: [number, number], factor: number, around: number,
): [number, number] {
  const width = Math.min(Math.max((to - from) * factor, 10), whole[1] - whole[0]);
  const share = (around - from) / (to - from);
  const start = Math.min(Math.max(around - width * share, whole[0]), whole[1] - width);
  return [start, start + width];
}
