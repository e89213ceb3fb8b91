// A list that grows at its end, and that several go on from without copying it.

/** The end of a list; undefined is the empty one. */
export type SharedList<T> = { readonly item: T; readonly before: SharedList<T> } | undefined;

/** The list with one more item. */
export function append<T>(list: SharedList<T>, item: T): SharedList<T> {
  return { item, before: list };
}

/** The items, first to last. */
export function itemsOf<T>(list: SharedList<T>): T[] {
  const items: T[] = [];
  for (let at = list; at !== undefined; at = at.before) items.push(at.item);
  return items.reverse();
}
