// Images that a worker thread builds: they are what this thread would have written, and a worker that dies, hangs, runs out
// of memory, or meets memory that contradicts itself fails its checkpoint and harms nothing.

import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { bytesKeyCodec, tupleKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Scratch } from '../../src/kv/encoding/scratch.js';
import type { FrozenEntries } from '../../src/kv/entries/frozen-entries.js';
import type { Schema } from '../../src/kv/entries/schema.js';
import { WholeView } from '../../src/kv/entries/store-view.js';
import type { IndexWalk } from '../../src/kv/entries/view.js';
import type { ImageOutline } from '../../src/kv/image/image-parts.js';
import { ImageWorker } from '../../src/kv/image/image-worker.js';
import { writeImage } from '../../src/kv/image/image-writer.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { addSpace, newSchema, putEntry } from './schema-tools.js';

// A second of silence passes at once: 30 of them are too many for a test.
vi.mock('../../src/schedulers.js', async (original) => {
  const schedulers = await original<typeof import('../../src/schedulers.js')>();
  return { ...schedulers, repeat: (_ms: number, task: () => void) => schedulers.repeat(10, task) };
});

const LSN = 2 ** 40;
const JOURNAL_ID = new Uint8Array(16).fill(3);
const THREAD_FILE = new URL('../../dist/chunks/keelson-image-thread.js', import.meta.url);

const inWorker = (outline: ImageOutline) => ImageWorker.start(outline, THREAD_FILE);
const inThisThread = async () => null;

/** A worker with this program in the place of ours. It says that it is ready, and then does what `onMessage` says. */
const inFaultyWorker = (onMessage: string) => (outline: ImageOutline) =>
  ImageWorker.start(
    outline,
    new URL(
      `data:text/javascript,${encodeURIComponent(`
        import { parentPort } from 'node:worker_threads';
        parentPort.on('message', () => { ${onMessage} });
        parentPort.postMessage({ kind: 'ready' });
      `)}`,
    ),
  );

const started: Worker[] = [];
const onWorker = (worker: Worker) => started.push(worker);
beforeEach(() => {
  started.length = 0;
  process.on('worker', onWorker);
});
afterEach(() => {
  process.off('worker', onWorker);
  // The thread id of a worker that has ended is -1.
  expect(started.map(({ threadId }) => threadId)).toEqual(started.map(() => -1));
});

interface Written {
  readonly image: Uint8Array;
  readonly told: readonly (readonly [entriesDone: number, bytesWritten: number])[];
}

async function write(
  schema: Schema,
  startWorker: (outline: ImageOutline) => Promise<ImageWorker | null>,
  { view = schema.wholeView(LSN), onBlock = () => {} }: { view?: WholeView; onBlock?: () => void } = {},
): Promise<Written> {
  const storage = new SimulatedDisk({ seed: 3, directories: ['/data'] }).life();
  const told: [number, number][] = [];
  const plan = {
    journalId: JOURNAL_ID,
    view,
    schema,
    onBlock: (entriesDone: number, bytesWritten: number) => {
      told.push([entriesDone, bytesWritten]);
      onBlock();
    },
  };
  const bytes = await writeImage(storage, '/data/image', plan, startWorker);
  const file = await storage.openFile('/data/image', false);
  const image = new Uint8Array(await file.size());
  await file.read(image, 0);
  await file.close();
  expect(image).toHaveLength(bytes);
  return { image, told };
}

/** Entries of every kind: spaces with other keys, wide keys, values with shapes, and values larger than a piece. */
function manifold(): Schema {
  const schema = newSchema(utf8KeyCodec, 'msgpack');
  const out = new Scratch(1 << 20);
  for (let number = 0; number < 9000; number++) {
    out.at = 0;
    schema.msgpack.encode({ id: number, [`field ${number % 7}`]: 'x'.repeat(number % 90) }, 'value', out);
    putEntry(schema.root, `key ${(number * 7919) % 9000}`, number, out.bytes.slice(0, out.at));
  }
  for (const [at, key] of [
    '',
    'é',
    'ÿ',
    'Ā',
    '\ud800\udc00',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '😀a',
    '😀',
  ].entries())
    putEntry(schema.root, `~${key}`, LSN - at, `value ${at}`);
  const binary = addSpace(schema, 4, 'binary', bytesKeyCodec);
  for (let byte = 0; byte < 256; byte++) putEntry(binary, String.fromCharCode(byte, 255 - byte), byte, '');
  addSpace(schema, 5, 'empty');
  const tuples = addSpace(schema, 6, 'tuples', tupleKeyCodec);
  for (let number = 0; number < 500; number++) {
    const key = tupleKeyCodec.toIndexKey('key', ['ü', number % 7, BigInt(number), ['x'.repeat(number)]]);
    putEntry(tuples, key, number, '');
  }
  const large = addSpace(schema, 9, 'large');
  for (const [at, bytes] of [3_000_000, 10, 1_048_576, 200_000, 5_000_000].entries())
    putEntry(large, `large ${at}`, at, new Uint8Array(bytes).fill(at));
  return schema;
}

describe('an image that a worker builds', () => {
  test('is byte for byte the one that this thread builds', async () => {
    const schema = manifold();
    const [here, there] = [await write(schema, inThisThread), await write(schema, inWorker)];
    expect(started).toHaveLength(1);
    expect(Buffer.from(here.image).equals(there.image)).toBe(true);
    expect(there.told.at(-1)).toEqual(here.told.at(-1));
    expect(there.told.length).toBeLessThan(here.told.length);
  });

  test('of many small spaces is the same, and takes few messages and few writes', async () => {
    const schema = newSchema();
    for (let id = 1; id <= 3000; id++) {
      const space = addSpace(schema, id, `space ${id}`);
      for (let key = 0; key < id % 4; key++) putEntry(space, `key ${key}`, id, 'value');
      if (id % 500 === 0) putEntry(space, 'large', id, new Uint8Array(100_000).fill(id));
    }
    let taken = 0;
    const count = (worker: Worker) => worker.on('message', ({ kind }) => kind === 'taken' && taken++);
    process.on('worker', count);
    const [here, there] = [await write(schema, inThisThread), await write(schema, inWorker)];
    process.off('worker', count);
    expect(Buffer.from(here.image).equals(there.image)).toBe(true);
    expect(there.told.at(-1)).toEqual(here.told.at(-1));
    expect(here.told.map(([entriesDone]) => entriesDone)).toEqual(
      here.told.map(([entriesDone]) => entriesDone).sort((a, b) => a - b),
    );
    expect([taken < 50, here.told.length < 50]).toEqual([true, true]);
  });

  test('has what the view had, whatever is written meanwhile', async () => {
    const schema = manifold();
    const expected = await write(schema, inThisThread);
    let round = 0;
    const churn = () => {
      round++;
      for (let number = 0; number < 9000; number += 2)
        putEntry(schema.root, `key ${number}`, LSN + round, 'new');
      schema.root.entries.delete('~Ā');
    };
    const { image } = await write(schema, inWorker, { onBlock: churn });
    expect(round).toBeGreaterThan(2);
    expect(Buffer.from(image).equals(expected.image)).toBe(true);
  });

  test('is given up, and the worker with it, when its plan is aborted', async () => {
    const aborted = new Error('aborted');
    const onBlock = () => {
      throw aborted;
    };
    await expect(write(manifold(), inWorker, { onBlock })).rejects.toBe(aborted);
    expect(started).toHaveLength(1);
  });
});

describe.each([
  ['a worker', inWorker],
  ['this thread', inThisThread],
])('an image by %s', (_, builder) => {
  test.each([
    ['a key is missing', [0, 2], 0],
    ['two keys have changed places', [1, 0, 2], 0],
    ['a key comes twice', [0, 1, 1], 0],
    ['there is one too many', [0, 1, 2, 2], 0],
    ['an id leads to the entry of another', [0, 1, 2], 7],
  ])('is refused when %s in the index in memory', async (_, order, idsAbove) => {
    const schema = newSchema();
    for (const key of ['a', 'b', 'c']) putEntry(schema.root, key, 1, `value of ${key}`);
    const { lsn, nextSpaceId, highestId, spaces } = schema.wholeView(LSN);
    const [space] = spaces;
    const entries = torn(space!.entries, order, idsAbove);
    const view = new WholeView(lsn, nextSpaceId, highestId, [{ ...space!, entries }]);
    await expect(write(schema, builder, { view })).rejects.toMatchObject({ code: 'KEELSON_INVARIANT' });
  });

  test('is refused when a value ends within its reference to a shape', async () => {
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    putEntry(schema.root, 'a', 1, Uint8Array.of(0xc1, 1, 2));
    await expect(write(schema, builder)).rejects.toMatchObject({ code: 'KEELSON_INVARIANT' });
  });

  test('is refused when a handle leads nowhere', async () => {
    const schema = newSchema();
    putEntry(schema.root, 'a', 1, 'value');
    const { lsn, nextSpaceId, highestId, spaces } = schema.wholeView(LSN);
    const entries = torn(spaces[0]!.entries, [0], 0, 1e6);
    const view = new WholeView(lsn, nextSpaceId, highestId, [{ ...spaces[0]!, entries }]);
    await expect(write(schema, builder, { view })).rejects.toMatchObject({ code: 'KEELSON_INVARIANT' });
  });
});

describe('a worker that', () => {
  const failed = (message: RegExp) =>
    expect.objectContaining({ code: 'KEELSON_WORKER_FAILED', message: expect.stringMatching(message) });

  test.each([
    ['dies', 'process.exit(7)', /ended with exit code 7\. No data is lost/],
    ['throws', 'throw new Error("a fault")', /failed: Error: a fault\. /],
    ['says nothing', '', /sent nothing for 30 seconds\. /],
    ['never lets go of its thread', 'for (;;);', /sent nothing for 30 seconds\. /],
    ['runs out of memory', 'const all = []; for (;;) all.push(new Array(1e6).fill(1.5));', /memory/],
  ])('%s fails the image with an error that says so', async (_, onMessage, message) => {
    await expect(write(manifold(), inFaultyWorker(onMessage))).rejects.toEqual(failed(message));
    expect(started).toHaveLength(1);
  });

  test.each([
    ['has no file', new URL('./no-such-file.js', import.meta.url)],
    ['dies before it is ready', new URL('data:text/javascript,process.exit(1)')],
    ['is never ready', new URL('data:text/javascript,setInterval(() => {}, 1000)')],
  ])('%s is none: the thread of the store builds the image', async (_, file) => {
    const schema = manifold();
    const { image } = await write(schema, (outline) => ImageWorker.start(outline, file));
    expect(Buffer.from(image).equals((await write(schema, inThisThread)).image)).toBe(true);
  });
});

/**
 * The view of an index that has come apart: the entries come in another order, under ids that are so much too high, and at
 * handles that are so much too high.
 */
function torn(
  view: FrozenEntries,
  order: readonly number[],
  idsAbove: number,
  handlesAbove = 0,
): FrozenEntries {
  const ids: number[] = [];
  for (const walk = view.walk(ALL_KEYS); walk.advance(); ) ids.push(walk.value);
  let at = -1;
  const walk: IndexWalk<number> = {
    advance: () => ++at < order.length,
    key: '',
    get value() {
      return ids[order[at]!]! + idsAbove;
    },
  };
  const others = { walk: () => walk, handleOf: (id: number) => view.handleOf(id - idsAbove) + handlesAbove };
  return new Proxy(view, {
    get(target, name) {
      if (name === 'walk' || name === 'handleOf') return others[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
