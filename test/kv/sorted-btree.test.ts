// The inside of `sorted-btree` against sorted arrays. Order statistics and walks read its nodes, which another version
// of it may change.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BTree,
  bulkLoad,
  rootOf,
  type Tree,
  type TreeNode,
  union,
} from '../../src/kv/entries/sorted-btree.js';
import { readText } from '../docs/markdown.js';

/** The smallest nodes that there are, so that few keys make a deep tree. */
const NODE_ENTRIES_MAX = 4;

type Pair = readonly [key: string, value: number];

interface Tried {
  tree: Tree<number>;
  pairs: Pair[];
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const sorted = (pairs: Iterable<Pair>): Pair[] => [...new Map(pairs)].sort(([a], [b]) => compare(a, b));

/** Returns the pairs below a node, and checks all that sorted-btree.ts says about nodes. */
function pairsBelow(node: TreeNode<number>, isRoot = true): { pairs: Pair[]; height: number } {
  if (node.children === undefined) {
    expect(node.keys.length > 0 || isRoot).toBe(true);
    expect(node.size()).toBe(node.keys.length);
    if (node.keys.length > 0) expect(node.values.length).toBe(node.keys.length);
    return { pairs: node.keys.map((key, at) => [key, node.values[at]!]), height: 0 };
  }
  const below = node.children.map((child) => pairsBelow(child, false));
  expect(node.keys).toEqual(below.map(({ pairs }) => pairs.at(-1)![0]));
  const pairs = below.flatMap((child) => child.pairs);
  expect(node.size()).toBe(pairs.length);
  const heights = new Set(below.map(({ height }) => height));
  expect(heights.size).toBe(1);
  return { pairs, height: 1 + [...heights][0]! };
}

const key = fc.integer({ min: 0, max: 400 }).map((number) => String(number).padStart(3, '0'));
const pairs = fc.array(fc.tuple(key, fc.nat()), { maxLength: 80 });

type Step =
  | { readonly type: 'set'; readonly pairs: readonly Pair[] }
  | { readonly type: 'delete'; readonly keys: readonly string[] }
  | { readonly type: 'deleteRange'; readonly keys: [string, string]; readonly isInclusive: boolean }
  | { readonly type: 'clone' }
  | { readonly type: 'bulkLoad'; readonly pairs: readonly Pair[]; readonly loadFactor: number }
  | { readonly type: 'union'; readonly other: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('set' as const), pairs }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('delete' as const), keys: fc.array(key, { maxLength: 60 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('deleteRange' as const),
      keys: fc
        .tuple(key, key)
        .map(([one, other]): [string, string] => [one < other ? one : other, one < other ? other : one]),
      isInclusive: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('clone' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('bulkLoad' as const),
      pairs,
      loadFactor: fc.constantFrom(0.5, 0.8, 0.9, 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('union' as const), other: fc.nat() }) },
);

/** Applies a step to one of `all`, and returns the tree that it changes or makes. */
function applyStep(all: Tried[], tried: Tried, action: Step): Tried {
  const { tree } = tried;
  if (action.type === 'set') {
    for (const [name, value] of action.pairs) tree.set(name, value);
    tried.pairs = sorted([...tried.pairs, ...action.pairs]);
  } else if (action.type === 'delete') {
    for (const name of action.keys) tree.delete(name);
    tried.pairs = tried.pairs.filter(([name]) => !action.keys.includes(name));
  } else if (action.type === 'deleteRange') {
    const [low, high] = action.keys;
    tree.deleteRange(low, high, action.isInclusive);
    tried.pairs = tried.pairs.filter(
      ([name]) => name < low || (action.isInclusive ? name > high : name >= high),
    );
  } else {
    const made = madeBy(all, tried, action);
    all.push(made);
    return made;
  }
  return tried;
}

function madeBy(
  all: readonly Tried[],
  tried: Tried,
  action: Extract<Step, { type: 'clone' | 'bulkLoad' | 'union' }>,
): Tried {
  if (action.type === 'clone') return { tree: tried.tree.clone(), pairs: tried.pairs };
  if (action.type === 'union') {
    const other = all[action.other % all.length]!;
    const tree = union(tried.tree, other.tree, (_, _one, value) => value);
    return { tree, pairs: sorted([...tried.pairs, ...other.pairs]) };
  }
  const loaded = sorted(action.pairs);
  const [keys, values] = [loaded.map(([name]) => name), loaded.map(([, value]) => value)];
  return { tree: bulkLoad(keys, values, NODE_ENTRIES_MAX, compare, action.loadFactor), pairs: loaded };
}

describe('a tree of sorted-btree', () => {
  test('has nodes that know their highest keys and their numbers of keys, after any changes of it and its clones', () => {
    let heightMax = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), step), { maxLength: 40, size: 'max' }), (actions) => {
        const all: Tried[] = [{ tree: new BTree<number>(undefined, compare, NODE_ENTRIES_MAX), pairs: [] }];
        for (const [which, action] of actions) {
          const changed = applyStep(all, all[which % all.length]!, action);
          const found = pairsBelow(rootOf(changed.tree));
          expect(found.pairs).toEqual(changed.pairs);
          heightMax = Math.max(heightMax, found.height);
        }
        for (const { tree, pairs } of all) expect(pairsBelow(rootOf(tree)).pairs).toEqual(pairs);
      }),
    );
    expect(heightMax).toBeGreaterThanOrEqual(3);
  });

  test('is of the version that is pinned', () => {
    const { version } = JSON.parse(readText('node_modules/sorted-btree/package.json'));
    const { dependencies } = JSON.parse(readText('package.json'));
    const { packages } = JSON.parse(readText('package-lock.json'));
    expect(dependencies['sorted-btree']).toBe(version);
    expect(packages[''].dependencies['sorted-btree']).toBe(version);
  });
});
