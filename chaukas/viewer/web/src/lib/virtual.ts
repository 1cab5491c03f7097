// Which rows of a long list are drawn.

export interface Window {
  first: number;
  last: number;
}

/** Rows from first to last (without it) that a window shows, with some around it. */
export function rowsIn(
  scrollTop: number, height: number, rowHeight: number, count: number, around = 12,
): Window {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - around);
  const last = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + around);
  return { first: Math.min(first, count), last: Math.max(last, 0) };
}

/** The scroll position at which a row is seen; unchanged if it is already. */
export function scrolledTo(
  row: number, scrollTop: number, height: number, rowHeight: number, headPx = 0,
): number {
  const top = row * rowHeight;
  if (top < scrollTop) return Math.max(0, top - 2 * rowHeight);
  const room = height - headPx - rowHeight;
  return top > scrollTop + room ? top - room + 2 * rowHeight : scrollTop;
}
