// Order statistics: how many keys of a tree are below a place in it, in O(log n). Each node of the tree knows the number
// of keys below it. Pure.

import type { KeyBounds } from '../encoding/key-bounds.js';
import type { IndexKey } from '../encoding/key-encoding.js';
import { type InnerNode, rootOf, type Tree } from './sorted-btree.js';

/** An edge of a range: its start is below the lowest key in the range, and its end is above the highest. */
export type Edge = 'start' | 'end';

/** Returns the number of keys in the range. */
export function countIn<V>(tree: Tree<V>, bounds: KeyBounds): number {
  return Math.max(0, rankOf(tree, bounds, 'end') - rankOf(tree, bounds, 'start'));
}

/** Returns the number of keys below an edge of the range. */
export function rankOf<V>(tree: Tree<V>, bounds: KeyBounds, edge: Edge): number {
  let rank = 0;
  let node = rootOf(tree);
  while (node.children !== undefined) {
    const at = placeOf(node.keys, bounds, edge);
    rank += sizeBefore(node, at);
    const child = node.children[at];
    if (child === undefined) return rank;
    node = child;
  }
  return rank + placeOf(node.keys, bounds, edge);
}

/** Returns the highest key below `key`, and the lowest that is `key` or above it; undefined where there is none. */
export function keysBeside<V>(
  tree: Tree<V>,
  key: IndexKey,
): readonly [below: IndexKey | undefined, next: IndexKey | undefined] {
  let below: IndexKey | undefined;
  for (let node = rootOf(tree); ; ) {
    const at = countBelow(node.keys, key, false);
    // The key of a child is its highest.
    if (at > 0) below = node.keys[at - 1];
    const child = node.children?.[at];
    if (child === undefined) return [below, node.keys[at]];
    node = child;
  }
}

/** Returns how many of `keys`, which ascend, are below an edge of the range. */
export function placeOf(keys: readonly IndexKey[], bounds: KeyBounds, edge: Edge): number {
  if (edge === 'start')
    return bounds.low === undefined ? 0 : countBelow(keys, bounds.low, !bounds.lowInclusive);
  return bounds.high === undefined ? keys.length : countBelow(keys, bounds.high, bounds.highInclusive);
}

/** Returns how many of `keys` are below `key`. With `isInclusive`, `key` itself counts, too. */
function countBelow(keys: readonly IndexKey[], key: IndexKey, isInclusive: boolean): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const middleKey = keys[middle]!;
    if (middleKey < key || (isInclusive && middleKey === key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Returns the number of keys below the children before the place `at`. Adds the sizes on the shorter side. */
function sizeBefore<V>(node: InnerNode<V>, at: number): number {
  const { children } = node;
  let sum = 0;
  if (at <= children.length >> 1) {
    for (let child = 0; child < at; child++) sum += children[child]!.size();
    return sum;
  }
  for (let child = at; child < children.length; child++) sum += children[child]!.size();
  return node.size() - sum;
}
