// The door to `sorted-btree`: finds its classes and functions in every module system, and opens its nodes. The package
// is CommonJS with `__esModule`. Node and webpack give its `module.exports` as the default import, and the class is
// `default` of that. Rollup, Vite, Vitest, esbuild and Bun may give the class itself. The types in this file are the
// same under every `moduleResolution`.
//
// The nodes are not part of the interface of `sorted-btree`. So package.json pins its version, and
// test/kv/sorted-btree.test.ts checks what this file says about them.

import * as btreeModule from 'sorted-btree';
import { bulkLoad } from 'sorted-btree/extended/bulkLoad.js';
import * as unionModule from 'sorted-btree/extended/union.js';
import type { IndexKey } from '../encoding/key-encoding.js';

/**
 * A copy-on-write B+ tree of index keys. The type is that of a result of bulkLoad(), because the type of `default`
 * depends on the options of the compiler.
 */
export type Tree<V> = ReturnType<typeof bulkLoad<IndexKey, V>>;

/**
 * A leaf: keys in ascending order, with their values. Only the root of an empty tree has no keys, and its values have no
 * meaning.
 */
export interface Leaf<V> {
  readonly keys: readonly IndexKey[];
  readonly values: readonly V[];
  readonly children?: undefined;
  /** Returns the number of keys. O(1). */
  size(): number;
}

/** An inner node. All ways from it to a leaf have the same length. */
export interface InnerNode<V> {
  /** The highest key below each child. */
  readonly keys: readonly IndexKey[];
  readonly children: readonly TreeNode<V>[];
  /** Returns the number of keys in all leaves below. O(1). */
  size(): number;
}

export type TreeNode<V> = Leaf<V> | InnerNode<V>;

type Compare = (a: IndexKey, b: IndexKey) => number;

type TreeClass = new <V>(entries: undefined, compare: Compare, nodeEntriesMax: number) => Tree<V>;

/** A function that joins two trees. It takes whole nodes of both where their ranges do not overlap. */
type Union = <V>(a: Tree<V>, b: Tree<V>, combine: (key: IndexKey, a: V, b: V) => V) => Tree<V>;

export const BTree = functionIn(btreeModule) as TreeClass;
export const union = functionIn(unionModule) as Union;
export { bulkLoad };

/** Returns the root of a tree. The caller must not change it. */
export function rootOf<V>(tree: Tree<V>): TreeNode<V> {
  return (tree as unknown as { readonly _root: TreeNode<V> })._root;
}

/** Returns the default export of a module, however many times a module system has wrapped it. */
function functionIn(module: unknown): unknown {
  let inner = module;
  while (typeof inner === 'object' && inner !== null && 'default' in inner) inner = inner.default;
  return inner;
}
