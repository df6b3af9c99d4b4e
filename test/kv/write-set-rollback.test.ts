// Parts of a write that are taken back: the record is that of a write that never had them, byte for byte, with its
// definitions and the spaces that it creates. And the record of a write that was begun in an earlier epoch says all that its
// values need.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { type Space, SpaceDefinition } from '../../src/kv/entries/space.js';
import { Attempt } from '../../src/kv/transactions/attempt.js';
import { FunctionGuard } from '../../src/kv/write/function-guard.js';
import { PostingMaker } from '../../src/kv/write/index-postings.js';
import { DELETE, PUT } from '../../src/kv/write/operation-kinds.js';
import { readWriteSet } from '../../src/kv/write/record-reader.js';
import { WriteSet } from '../../src/kv/write/write-set.js';
import { RECORD_BYTES_MAX } from '../../src/storage/index.js';
import { recordIn } from './encoded.js';
import { newSchema } from './schema-tools.js';
import { gate, World } from './transaction-tools.js';

const VALUES: readonly unknown[] = [
  { id: 1, name: 'a' },
  { id: 2, name: 'b'.repeat(200) },
  { order: 1, items: [1, 2] },
  { x: 1, y: 2, z: { id: 3, name: 'nested' } },
  'text',
  null,
];

interface Put {
  readonly type: 'put';
  readonly space: number;
  readonly key: string;
  readonly value: number;
  /** The value throws in its middle, as an encoder may. */
  readonly isRefused: boolean;
}

type Step =
  | Put
  | { readonly type: 'delete'; readonly space: number; readonly key: string }
  | { readonly type: 'clear'; readonly space: number }
  | { readonly type: 'begin' | 'keep' | 'undo' };

const keys = fc.constantFrom('a', 'b', 'k'.repeat(200));
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('put' as const),
      space: fc.nat(2),
      key: keys,
      value: fc.nat(VALUES.length - 1),
      isRefused: fc.nat(5).map((number) => number === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), space: fc.nat(2), key: keys }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const), space: fc.nat(2) }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom('begin' as const, 'keep' as const, 'undo' as const) }),
  },
);

/** The steps that are not taken back. */
function keptOf(list: readonly Step[]): Step[] {
  const parts: Step[][] = [[]];
  for (const step of list) {
    if (step.type === 'begin') parts.push([]);
    else if (step.type === 'keep' || step.type === 'undo') {
      if (parts.length === 1) continue;
      const part = parts.pop()!;
      if (step.type === 'keep') parts.at(-1)!.push(...part);
    } else parts.at(-1)!.push(step);
  }
  return parts.flat().filter((step) => !(step.type === 'put' && step.isRefused));
}

/** Returns the operations of a write set, without what the places of other kinds hold. */
function operationsOf({ count, kinds, spaces, keys, valueStarts, valueEnds, bounds }: WriteSet): unknown {
  const operations = Array.from({ length: count }, (_, at) => [
    kinds[at],
    spaces[at]?.id,
    kinds[at] === PUT || kinds[at] === DELETE ? keys[at] : null,
    kinds[at] === PUT ? [valueStarts[at], valueEnds[at]] : null,
  ]);
  return [operations, bounds];
}

describe('a write set', () => {
  test('whose parts were taken back has the record of one that never had them', () => {
    const counts = { definitions: 0, undone: 0, epochs: 0 };
    fc.assert(
      fc.property(
        fc.array(steps, { maxLength: 30, size: 'max' }),
        fc.array(fc.nat(3), { maxLength: 3 }),
        fc.boolean(),
        (list, recorded, isOfOldEpoch) => {
          const schema = newSchema(utf8KeyCodec, 'msgpack');
          const spaces: Space[] = [schema.root];
          for (const id of [1, 2])
            spaces.push(schema.declare(new SpaceDefinition(`space ${id}`, utf8KeyCodec, 'msgpack')));
          const newWrites = () => {
            const writes = new WriteSet(RECORD_BYTES_MAX, schema);
            writes.begin();
            return writes;
          };
          const put = (writes: WriteSet, space: Space, key: string, value: unknown) =>
            writes.put(space, key, schema.msgpack, value, 'value');
          // All shapes are known before, so that the order of first uses does not matter.
          const first = newWrites();
          for (let round = 0; round < 20; round++)
            for (const value of VALUES) put(first, schema.root, 'a', value);
          const earlier = newWrites();
          for (const value of recorded) put(earlier, schema.root, 'a', VALUES[value]);
          earlier.finish();
          earlier.appended(1);

          const [writes, plain] = [newWrites(), newWrites()];
          const marks: ReturnType<WriteSet['mark']>[] = [];
          const run = (into: WriteSet, step: Step): void => {
            if (step.type === 'put') put(into, spaces[step.space]!, step.key, VALUES[step.value]);
            else if (step.type === 'delete') into.delete(spaces[step.space]!, step.key);
            else if (step.type === 'clear') into.clear(spaces[step.space]!, ALL_KEYS);
          };
          for (const step of list) {
            if (step.type === 'begin') marks.push(writes.mark());
            else if (step.type === 'keep') marks.pop();
            else if (step.type === 'undo') {
              const mark = marks.pop();
              if (mark === undefined) continue;
              if (writes.count > mark.count) counts.undone++;
              writes.rollback(mark);
            } else if (step.type === 'put' && step.isRefused) {
              const mark = writes.mark();
              const refused = [VALUES[step.value], 'long '.repeat(99), Symbol('no')];
              assert.throws(() => put(writes, spaces[step.space]!, step.key, refused), TypeError);
              writes.rollback(mark);
            } else run(writes, step);
          }
          // Parts that are still open are kept.
          const kept = keptOf(list);
          for (const step of kept) run(plain, step);

          if (isOfOldEpoch) schema.startEpoch(1);
          if (writes.isOfOldEpoch) counts.epochs++;
          const record = recordIn(writes.finish()).slice();
          const expected = recordIn(plain.finish()).slice();
          assert.deepEqual(Buffer.from(record), Buffer.from(expected));
          for (const name of ['count', 'isSinglePut', 'recordBytes'] as const)
            assert.equal(writes[name], plain[name]);
          assert.deepEqual(operationsOf(writes), operationsOf(plain));
          assert.deepEqual(
            [1, 2].map((id) => writes.created(id)),
            [1, 2].map((id) => plain.created(id)),
          );
          if (Buffer.from(record).includes('\x02id\x04name')) counts.definitions++;

          // Another session, which knows only what was recorded, reads it, and all of the values in it.
          const other = newSchema(utf8KeyCodec, 'msgpack', 2);
          const into = new WriteSet(RECORD_BYTES_MAX, other);
          if (!isOfOldEpoch) {
            const before = recordIn(earlier.finish()).slice();
            readWriteSet(other, before, 0, before.length, into);
          }
          readWriteSet(other, record, 0, record.length, into);
          const values: unknown[] = [];
          for (let at = 0; at < into.count; at++)
            if (into.kinds[at] === PUT)
              values.push(other.msgpack.decode(record, into.valueStarts[at]!, into.valueEnds[at]!));
          assert.deepEqual(
            values,
            kept.flatMap((step) => (step.type === 'put' ? [VALUES[step.value]] : [])),
          );

          // Nothing that was taken back keeps a key or a space in memory.
          writes.release();
          assert.equal(writes.keys.join(''), '');
          assert(writes.spaces.every((space) => space === null));
        },
      ),
      { seed: 20_265, numRuns: 600 },
    );
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(50);
  });
});

describe('a record of a transaction', () => {
  const user = (n: number) => ({ id: n, name: `name ${n}`, isActive: n % 2 === 0 });
  const order = (n: number) => ({ order: n, items: [user(n), user(n + 1)] });

  /** Runs a transaction over a checkpoint that leaves no value in the image, and opens the store again. */
  async function overCheckpoint(
    fill: (put: (key: string, value: unknown) => void, world: World) => void | Promise<void>,
  ): Promise<{ before: unknown; after: unknown }> {
    const world = await World.open({ autoCheckpoint: false });
    const { db } = world;
    const goesOn = gate();
    // The shapes are in the log before the checkpoint, and in no image after it.
    for (let n = 0; n < 20; n++)
      db.batch([
        { type: 'put', key: `user ${n}`, value: user(n) },
        { type: 'put', key: `order ${n}`, value: order(n) },
      ]);
    const jobs = db.namespace('jobs');
    const running = db.transaction(async (tx) => {
      await fill((key, value) => {
        tx.put(key, value);
        tx.in(jobs).put(key, value);
      }, world);
      await goesOn.promise;
    });
    await db.clear();
    expect(await db.checkpoint()).toMatchObject({ entries: 0 });
    goesOn.open();
    await running;
    const contentOf = (store: typeof db) => [[...store.entries()], [...store.namespace('jobs').entries()]];
    const before = contentOf(db);
    const again = await world.reopened();
    expect(again.db.recovery.recordsReplayed).toBe(1);
    const after = contentOf(again.db);
    await again.db.close();
    return { before, after };
  }

  // The put referred to a definition that only the log before the checkpoint had.
  test('repeats the definitions that its values need when an epoch has started since', async () => {
    const { before, after } = await overCheckpoint((put) => {
      put('a', user(1));
      put('b', order(2));
      put('c', 'no shape');
      put('d', user(3));
    });
    expect(after).toEqual(before);
    expect(after).toEqual(
      Array(2).fill([
        ['a', user(1)],
        ['b', order(2)],
        ['c', 'no shape'],
        ['d', user(3)],
      ]),
    );
  });

  test('does so for values behind a part that was undone, with a definition of its own', async () => {
    const fresh = (n: number) => ({ fresh: n, of: 'this transaction' });
    const world = await World.open({ autoCheckpoint: false });
    const { db } = world;
    const goesOn = gate();
    for (let n = 0; n < 20; n++) db.put('user', user(n));
    const running = db.transaction(async (tx) => {
      expect(() =>
        tx.nested((inner) => {
          for (let n = 0; n < 20; n++) inner.put(`fresh ${n}`, fresh(n));
          inner.put('user', user(2));
          throw new Error('no');
        }),
      ).toThrow('no');
      for (let n = 0; n < 20; n++) tx.put(`fresh ${n}`, fresh(n));
      tx.put('user', user(3));
      await goesOn.promise;
    });
    await db.clear();
    await db.checkpoint();
    goesOn.open();
    await running;
    const again = await world.reopened();
    const freshOnes = Array.from({ length: 20 }, (_, n) => [`fresh ${n}`, fresh(n)]);
    expect(Object.fromEntries(again.db.entries())).toEqual({
      ...Object.fromEntries(freshOnes),
      user: user(3),
    });
    await again.db.close();
  });

  // The clear wrote the first bytes of the creation and threw. The transaction went on, and its record did not decode.
  test('has nothing of a clear that was too large for it', () => {
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const store = {
      schema,
      postings: new PostingMaker(new FunctionGuard()),
      assertOpen: () => {},
      takeWrites() {
        const writes = new WriteSet(300, schema);
        writes.begin();
        return writes;
      },
      giveBackWrites: () => {},
      commits: 0,
      now: () => 0,
    };
    const attempt = new Attempt(store, 1);
    attempt.beginLive();
    const codecs = { key: utf8KeyCodec, value: schema.msgpack };
    const large = schema.declare(new SpaceDefinition('n'.repeat(250), utf8KeyCodec, 'msgpack'));
    attempt.put(attempt.part, schema.root, codecs, 'a', 'x'.repeat(100), null);
    expect(() => attempt.clear(attempt.part, large, ALL_KEYS)).toThrow(
      expect.objectContaining({ code: 'KEELSON_RECORD_TOO_LARGE' }),
    );
    attempt.put(attempt.part, schema.root, codecs, 'b', 7, null);
    attempt.seal();
    const record = recordIn(attempt.writes!.finish()).slice();
    const into = new WriteSet(RECORD_BYTES_MAX, newSchema(utf8KeyCodec, 'msgpack', 2));
    readWriteSet(newSchema(utf8KeyCodec, 'msgpack', 2), record, 0, record.length, into);
    expect([into.keys.slice(0, into.count), into.created(large.id)]).toEqual([['a', 'b'], undefined]);
  });
});
