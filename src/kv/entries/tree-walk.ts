// A walk over a range of a tree, from leaf to leaf, upwards or downwards. It starts at any offset in O(log n), and makes
// no object for each key. Pure.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type Edge, placeOf, rankOf } from './order-statistics.js';
import { type InnerNode, type Leaf, rootOf, type Tree, type TreeNode } from './sorted-btree.js';
import type { IndexWalk } from './view.js';

/** An inner node on the way from the root to a leaf, and the place of the child that the way goes to. */
interface Turn<V> {
  node: InnerNode<V>;
  at: number;
}

/** A gap between two keys, or at an end of the tree: the way to a leaf, and the number of keys before it in the leaf. */
interface Gap<V> {
  readonly way: readonly Turn<V>[];
  readonly leaf: Leaf<V>;
  readonly at: number;
}

/** A walk over a range, without the first `offset` keys in its direction, to at most `limit` keys. */
export class TreeWalk<V> implements IndexWalk<V> {
  readonly #bounds: KeyBounds;
  readonly #step: 1 | -1;
  readonly #way: readonly Turn<V>[];
  #leaf: Leaf<V>;
  /** The place of the key in the leaf. Before an advance() to the first key, the place one step before it. */
  #at: number;
  /** The first place in the direction of the walk that is not in the leaf, or not in the range. */
  #end: number;
  #left: number;

  /** The order is undefined when the tree changes meanwhile. */
  constructor(tree: Tree<V>, bounds: KeyBounds, reverse: boolean, limit: number, offset: number) {
    const edge = reverse ? 'end' : 'start';
    this.#bounds = bounds;
    this.#step = reverse ? -1 : 1;
    this.#left = limit;
    const { way, leaf, at } =
      offset === 0
        ? gapAtEdge(tree, bounds, edge)
        : gapAtRank(tree, rankOf(tree, bounds, edge) + offset * this.#step);
    this.#way = way;
    this.#leaf = leaf;
    this.#at = reverse ? at : at - 1;
    this.#end = this.#endInLeaf();
  }

  get key(): IndexKey {
    return this.#leaf.keys[this.#at]!;
  }

  get value(): V {
    return this.#leaf.values[this.#at]!;
  }

  advance(): boolean {
    if (this.#left <= 0) return false;
    this.#at += this.#step;
    if (!this.#isInLeaf && !this.#toNextLeaf()) {
      this.#left = 0;
      return false;
    }
    this.#left--;
    return true;
  }

  get #isInLeaf(): boolean {
    return this.#step > 0 ? this.#at < this.#end : this.#at > this.#end;
  }

  #endInLeaf(): number {
    const { keys } = this.#leaf;
    return this.#step > 0 ? placeOf(keys, this.#bounds, 'end') : placeOf(keys, this.#bounds, 'start') - 1;
  }

  /** Moves to the first place of the next leaf. Returns false when it is not in the range. */
  #toNextLeaf(): boolean {
    const depth = this.#way.findLastIndex(({ node, at }) => node.children[at + this.#step] !== undefined);
    if (depth === -1) return false;
    const turn = this.#way[depth]!;
    turn.at += this.#step;
    let node = turn.node.children[turn.at]!;
    for (let below = depth + 1; node.children !== undefined; below++) {
      const at = this.#step > 0 ? 0 : node.children.length - 1;
      Object.assign(this.#way[below]!, { node, at });
      node = node.children[at]!;
    }
    this.#leaf = node;
    this.#at = this.#step > 0 ? 0 : node.keys.length - 1;
    this.#end = this.#endInLeaf();
    return this.#isInLeaf;
  }
}

/** Returns the gap at an edge of the range. */
function gapAtEdge<V>(tree: Tree<V>, bounds: KeyBounds, edge: Edge): Gap<V> {
  const way: Turn<V>[] = [];
  let node = rootOf(tree);
  while (node.children !== undefined) {
    const at = Math.min(placeOf(node.keys, bounds, edge), node.children.length - 1);
    way.push({ node, at });
    node = node.children[at]!;
  }
  return { way, leaf: node, at: placeOf(node.keys, bounds, edge) };
}

/** Returns the gap with `rank` keys below it. A negative rank means 0, and a rank above the size means the size. */
function gapAtRank<V>(tree: Tree<V>, rank: number): Gap<V> {
  const way: Turn<V>[] = [];
  let node: TreeNode<V> = rootOf(tree);
  let left = Math.max(0, Math.min(rank, node.size()));
  while (node.children !== undefined) {
    let at = 0;
    for (let size = node.children[0]!.size(); left > size; size = node.children[++at]!.size()) left -= size;
    way.push({ node, at });
    node = node.children[at]!;
  }
  return { way, leaf: node, at: left };
}
