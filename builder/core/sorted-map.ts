// A map whose versions share what they have in common: a change gives a new map and costs a few nodes, and who holds the
// old one keeps it as it was. Many versions of one large thing lie side by side in a build: the variables of stages that
// build on one another, the trees of steps that stand on one another. Names come out in the order of their units, which
// for byte paths is that of their bytes.

/** A balanced tree (AVL: the heights beneath a node differ by at most one). */
interface Node<V> {
  readonly name: string;
  readonly value: V;
  readonly left: Node<V> | undefined;
  readonly right: Node<V> | undefined;
  readonly height: number;
  readonly size: number;
}

type Tree<V> = Node<V> | undefined;

/** A value for a name; undefined takes the name away. */
export type Change<V> = readonly [name: string, value: V | undefined];

export class SortedMap<V> {
  readonly #root: Tree<V>;

  private constructor(root: Tree<V>) {
    this.#root = root;
  }

  static empty<V>(): SortedMap<V> {
    return new SortedMap<V>(undefined);
  }

  get size(): number {
    return this.#root?.size ?? 0;
  }

  get(name: string): V | undefined {
    let node = this.#root;
    while (node !== undefined && node.name !== name) node = name < node.name ? node.left : node.right;
    return node?.value;
  }

  with(name: string, value: V): SortedMap<V> {
    return new SortedMap(put(this.#root, name, value));
  }

  /** With many changes, each of a different name: as much work as they are, or as a new map of all that is then there. */
  withAll(changes: readonly Change<V>[]): SortedMap<V> {
    if (changes.length === 0) return this;
    const sorted = changes.toSorted(([a], [b]) => (a < b ? -1 : 1));
    if (changes.length * Math.log2(this.size + 2) > this.size) return new SortedMap(build(this.#merged(sorted)));
    let root = this.#root;
    for (const [name, value] of sorted) root = value === undefined ? drop(root, name) : put(root, name, value);
    return new SortedMap(root);
  }

  forEach(visit: (value: V, name: string) => void): void {
    each(this.#root, visit);
  }

  names(): string[] {
    const names: string[] = [];
    this.forEach((_, name) => names.push(name));
    return names;
  }

  /** What is there with the changes made, in order. */
  #merged(changes: readonly Change<V>[]): (readonly [string, V])[] {
    const all: (readonly [string, V])[] = [];
    let at = 0;
    const takeChanges = (before: string | undefined): void => {
      for (let change = changes[at]; change !== undefined; change = changes[++at]) {
        const [name, value] = change;
        if (before !== undefined && name >= before) return;
        if (value !== undefined) all.push([name, value]);
      }
    };
    this.forEach((value, name) => {
      takeChanges(name);
      if (changes[at]?.[0] !== name) all.push([name, value]);
    });
    takeChanges(undefined);
    return all;
  }
}

function each<V>(node: Tree<V>, visit: (value: V, name: string) => void): void {
  if (node === undefined) return;
  each(node.left, visit);
  visit(node.value, node.name);
  each(node.right, visit);
}

function heightOf(tree: Tree<unknown>): number {
  return tree?.height ?? 0;
}

function join<V>(name: string, value: V, left: Tree<V>, right: Tree<V>): Node<V> {
  const height = 1 + Math.max(heightOf(left), heightOf(right));
  return { name, value, left, right, height, size: 1 + (left?.size ?? 0) + (right?.size ?? 0) };
}

/** As `join`, for trees of which one may be two higher than the other. */
function balance<V>(name: string, value: V, left: Tree<V>, right: Tree<V>): Node<V> {
  const lean = heightOf(left) - heightOf(right);
  if (lean > 1 && left !== undefined) {
    const { left: outer, right: inner } = left;
    if (inner === undefined || heightOf(outer) >= inner.height)
      return join(left.name, left.value, outer, join(name, value, inner, right));
    const low = join(left.name, left.value, outer, inner.left);
    return join(inner.name, inner.value, low, join(name, value, inner.right, right));
  }
  if (lean < -1 && right !== undefined) {
    const { left: inner, right: outer } = right;
    if (inner === undefined || heightOf(outer) >= inner.height)
      return join(right.name, right.value, join(name, value, left, inner), outer);
    const high = join(right.name, right.value, inner.right, outer);
    return join(inner.name, inner.value, join(name, value, left, inner.left), high);
  }
  return join(name, value, left, right);
}

function put<V>(node: Tree<V>, name: string, value: V): Node<V> {
  if (node === undefined) return join(name, value, undefined, undefined);
  if (name === node.name) return join(name, value, node.left, node.right);
  if (name < node.name) return balance(node.name, node.value, put(node.left, name, value), node.right);
  return balance(node.name, node.value, node.left, put(node.right, name, value));
}

function drop<V>(node: Tree<V>, name: string): Tree<V> {
  if (node === undefined) return undefined;
  if (name < node.name) return balance(node.name, node.value, drop(node.left, name), node.right);
  if (name > node.name) return balance(node.name, node.value, node.left, drop(node.right, name));
  if (node.right === undefined) return node.left;
  const next = firstOf(node.right);
  return balance(next.name, next.value, node.left, drop(node.right, next.name));
}

function firstOf<V>(node: Node<V>): Node<V> {
  let first = node;
  while (first.left !== undefined) first = first.left;
  return first;
}

/** A tree of names that are sorted already. */
function build<V>(entries: readonly (readonly [string, V])[], from = 0, to = entries.length): Tree<V> {
  const middle = (from + to) >> 1;
  const entry = entries[middle];
  if (from >= to || entry === undefined) return undefined;
  return join(entry[0], entry[1], build(entries, from, middle), build(entries, middle + 1, to));
}
