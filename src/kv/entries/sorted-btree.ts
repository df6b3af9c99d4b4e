// The door to `sorted-btree`: finds its classes and functions in every module system. The package is CommonJS with
// `__esModule`. Node and webpack give its `module.exports` as the default import, and the class is `default` of that.
// Rollup, Vite, Vitest, esbuild and Bun may give the class itself. The types in this file are the same under every
// `moduleResolution`.

import * as btreeModule from 'sorted-btree';
import { bulkLoad } from 'sorted-btree/extended/bulkLoad.js';
import * as unionModule from 'sorted-btree/extended/union.js';
import type { IndexKey } from '../encoding/key-encoding.js';

/**
 * A copy-on-write B+ tree of index keys. The type is that of a result of bulkLoad(), because the type of `default`
 * depends on the options of the compiler.
 */
export type Tree<V> = ReturnType<typeof bulkLoad<IndexKey, V>>;

type Compare = (a: IndexKey, b: IndexKey) => number;

type TreeClass = new <V>(entries: undefined, compare: Compare, nodeEntriesMax: number) => Tree<V>;

/** A function that joins two trees. It takes whole nodes of both where their ranges do not overlap. */
type Union = <V>(a: Tree<V>, b: Tree<V>, combine: (key: IndexKey, a: V, b: V) => V) => Tree<V>;

export const BTree = functionIn(btreeModule) as TreeClass;
export const union = functionIn(unionModule) as Union;
export { bulkLoad };

/** Returns the default export of a module, however many times a module system has wrapped it. */
function functionIn(module: unknown): unknown {
  let inner = module;
  while (typeof inner === 'object' && inner !== null && 'default' in inner) inner = inner.default;
  return inner;
}
