// What the published tests of checkpoint savers do not look at: forks, copies, durability, strange names and broken stores.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  type Checkpoint,
  type CheckpointMetadata,
  ERROR,
  JsonPlusSerializer,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint';
import { describe, expect, onTestFinished, test } from 'vitest';
import { open, type Store } from '../../src/index.js';
import { KeelsonSaver } from '../../src/langgraph/index.js';
import { inMemory, simulateCrashes } from '../../src/testing/index.js';

type Versions = Record<string, number>;

const META: CheckpointMetadata = { source: 'loop', step: 0, parents: {} };

function checkpoint(id: string, values: Record<string, unknown>, versions: Versions = {}): Checkpoint {
  const channel_versions = Object.fromEntries(
    Object.keys(values).map((name) => [name, Object.hasOwn(versions, name) ? versions[name]! : 1]),
  );
  return {
    v: 4,
    id,
    ts: '2026-01-01T00:00:00Z',
    channel_values: values,
    channel_versions,
    versions_seen: {},
  };
}

function at(checkpoint_id?: string, thread_id = 't', checkpoint_ns = '') {
  return {
    configurable: { thread_id, checkpoint_ns, ...(checkpoint_id !== undefined && { checkpoint_id }) },
  };
}

async function memorySaver() {
  const memory = inMemory();
  const db = await memory.open<unknown>('/memory');
  return { memory, db, saver: new KeelsonSaver(db) };
}

async function valuesAt(saver: KeelsonSaver, id?: string, thread?: string): Promise<unknown> {
  return (await saver.getTuple(at(id, thread)))?.checkpoint.channel_values;
}

async function pendingAt(saver: KeelsonSaver, id: string): Promise<unknown> {
  return (await saver.getTuple(at(id)))?.pendingWrites;
}

async function idsOf(saver: KeelsonSaver, ...args: Parameters<KeelsonSaver['list']>): Promise<string[]> {
  const ids: string[] = [];
  for await (const tuple of saver.list(...args)) ids.push(tuple.checkpoint.id);
  return ids;
}

/** The names of the namespaces of a saver, and how many entries each has. */
function sizesOf(db: Store<string, unknown>): Record<string, number> {
  return Object.fromEntries(db.namespaces().map((name) => [name, db.namespace(name).size]));
}

describe('the values of channels', () => {
  test('of two branches stay apart when both count on from the same version', async () => {
    const { saver } = await memorySaver();
    const root = await saver.put(at(), checkpoint('1', { a: 'root' }), META, { a: 1 });
    const one = await saver.put(root, checkpoint('2', { a: 'one' }, { a: 2 }), META, { a: 2 });
    const other = await saver.put(root, checkpoint('3', { a: 'other' }, { a: 2 }), META, { a: 2 });
    await saver.put(one, checkpoint('4', { a: 'one', b: 1 }, { a: 2, b: 3 }), META, { b: 3 });
    await saver.put(other, checkpoint('5', { a: 'other', b: 2 }, { a: 2, b: 3 }), META, { b: 3 });
    expect(await valuesAt(saver, '2')).toEqual({ a: 'one' });
    expect(await valuesAt(saver, '3')).toEqual({ a: 'other' });
    expect(await valuesAt(saver, '4')).toEqual({ a: 'one', b: 1 });
    expect(await valuesAt(saver, '5')).toEqual({ a: 'other', b: 2 });
  });

  test('are stored once while their version stays', async () => {
    const { db, saver } = await memorySaver();
    let config = await saver.put(at(), checkpoint('1', { a: 'same', n: 1 }), META, { a: 1, n: 1 });
    for (let n = 2; n <= 5; n++) {
      config = await saver.put(config, checkpoint(`${n}`, { a: 'same', n }, { n }), META, { n });
    }
    expect(await valuesAt(saver)).toEqual({ a: 'same', n: 5 });
    expect(sizesOf(db)).toMatchObject({ 'langgraph:checkpoints': 5, 'langgraph:values': 6 });
  });

  test('are in a copy that is said to have no new ones', async () => {
    const { saver } = await memorySaver();
    const root = await saver.put(at(), checkpoint('1', { a: 'root' }), META, { a: 1 });
    await saver.put(root, checkpoint('2', { a: 'next' }, { a: 2 }), META, { a: 2 });
    await saver.put(at(), checkpoint('3', { a: 'root' }), META, {});
    await saver.put(root, checkpoint('4', { a: 'next' }, { a: 2 }), META, {});
    expect(await valuesAt(saver, '3')).toEqual({ a: 'root' });
    expect(await valuesAt(saver, '4')).toEqual({ a: 'next' });
  });

  test('are stored when the checkpoint says no versions, and when nobody says which are new', async () => {
    const { saver } = await memorySaver();
    await saver.put(at(), { ...checkpoint('1', { a: 7 }), channel_versions: {} }, META, {});
    await (saver.put as (...args: unknown[]) => Promise<unknown>).call(
      saver,
      at(),
      checkpoint('2', { a: 8 }),
      META,
    );
    expect(await valuesAt(saver, '1')).toEqual({ a: 7 });
    expect(await valuesAt(saver, '2')).toEqual({ a: 8 });
  });

  test('are those of the call, whatever the caller does to them afterwards', async () => {
    const { saver } = await memorySaver();
    const messages = ['hi'];
    const stored = saver.put(at(), checkpoint('1', { messages }), META, { messages: 1 });
    messages.push('later');
    await stored;
    expect(await valuesAt(saver, '1')).toEqual({ messages: ['hi'] });
  });

  test('are whole in a checkpoint whose thread is deleted while it is stored', async () => {
    const { saver } = await memorySaver();
    const root = await saver.put(at(), checkpoint('1', { a: 'same', b: 1 }), META, { a: 1, b: 1 });
    const stored = saver.put(root, checkpoint('2', { a: 'same', b: 2 }, { b: 2 }), META, { b: 2 });
    await saver.deleteThread('t');
    await stored;
    expect(await valuesAt(saver, '1')).toBe(undefined);
    expect([undefined, { a: 'same', b: 2 }]).toContainEqual(await valuesAt(saver, '2'));
  });

  test('that repair has lost are told, and not left out', async () => {
    const { db, saver } = await memorySaver();
    await saver.put(at(), checkpoint('1', { a: 7 }), META, { a: 1 });
    await db.namespace('langgraph:values').clear();
    await expect(saver.getTuple(at('1'))).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
  });
});

describe('the writes of tasks', () => {
  test('stay as they were first written, apart from special ones', async () => {
    const { saver } = await memorySaver();
    await saver.put(at(), checkpoint('1', {}), META, {});
    const twice = (value: string): PendingWrite[] => [
      ['a', value],
      [ERROR, value],
    ];
    await saver.putWrites(at('1'), twice('first'), 'task');
    await saver.putWrites(at('1'), twice('second'), 'task');
    expect(await pendingAt(saver, '1')).toEqual([
      ['task', ERROR, 'second'],
      ['task', 'a', 'first'],
    ]);
  });

  test('are in the order of task paths, then of tasks, by code points', async () => {
    const { saver } = await memorySaver();
    await saver.put(at(), checkpoint('1', {}), META, {});
    for (const [task, taskPath] of [
      ['1', '\u{1f600}'],
      ['2', '\uffff'],
      ['b', undefined],
      ['a', undefined],
    ] as const) {
      await saver.putWrites(at('1'), [['c', task]], task, taskPath);
    }
    const tasks = (await saver.getTuple(at('1')))?.pendingWrites?.map(([task]) => task);
    expect(tasks).toEqual(['a', 'b', '2', '1']);
  });

  test('to channels with the names of properties are kept', async () => {
    const { saver } = await memorySaver();
    const values = { constructor: 1, ['__proto__']: 2, toString: 3 };
    await saver.put(at(undefined, '__proto__'), checkpoint('1', values), META);
    await saver.putWrites(at('1', '__proto__'), [['constructor', 1]], 'constructor');
    const tuple = await saver.getTuple(at('1', '__proto__'));
    expect(Object.entries(tuple!.checkpoint.channel_values)).toEqual(Object.entries(values));
    expect(tuple?.pendingWrites).toEqual([['constructor', 'constructor', 1]]);
  });

  test('and values are found by a walk over ancestors, which ends at one that is its own', async () => {
    const { saver } = await memorySaver();
    await saver.put(at('1'), checkpoint('1', {}), META, {});
    await saver.putWrites(at('1'), [['a', 1]], 'task');
    const config = at('1');
    const history = await saver.getDeltaChannelHistory({ config, channels: ['a', 'b'] });
    expect(history).toEqual({ a: { writes: [['task', 'a', 1]] }, b: { writes: [] } });
    const none = { config: at('1', 'nobody'), channels: ['a'] };
    expect(await saver.getDeltaChannelHistory(none)).toEqual({ a: { writes: [] } });
  });

  test('since the nearest value of a channel are its history', async () => {
    const { saver } = await memorySaver();
    let config = await saver.put(at(), checkpoint('1', { a: 'old' }), META, { a: 1 });
    await saver.putWrites(config, [['a', 'before']], 'task');
    config = await saver.put(config, checkpoint('2', { a: 'seed' }, { a: 2 }), META, { a: 2 });
    await saver.putWrites(config, [['a', 'one']], 'task');
    config = await saver.put(config, checkpoint('3', {}), META, {});
    await saver.putWrites(
      config,
      [
        ['a', 'two'],
        ['a', 'three'],
      ],
      'task',
    );
    config = await saver.put(config, checkpoint('4', {}), META, {});
    await saver.putWrites(config, [['a', 'pending']], 'task');
    const { a } = await saver.getDeltaChannelHistory({ config, channels: ['a'] });
    expect(a!.seed).toBe('seed');
    expect(a!.writes.map(([, , value]) => value)).toEqual(['one', 'two', 'three']);
  });
});

describe('a list', () => {
  const PLACES = [
    ['1', 't', ''],
    ['2', 'u', ''],
    ['3', 't', 'child'],
    ['4', 't', ''],
  ] as const;

  async function listed(): Promise<KeelsonSaver> {
    const { saver } = await memorySaver();
    for (const [id, thread, namespace] of PLACES) {
      const metadata = { ...META, step: Number(id), parents: { '': id } };
      await saver.put(at(undefined, thread, namespace), checkpoint(id, {}), metadata, {});
    }
    return saver;
  }

  test('begins with the newest, also over namespaces and threads', async () => {
    const saver = await listed();
    const all = { configurable: {} };
    expect(await idsOf(saver, all)).toEqual(['4', '3', '2', '1']);
    expect(await idsOf(saver, all, { before: at('4'), limit: 2 })).toEqual(['3', '2']);
    expect(await idsOf(saver, { configurable: { thread_id: 't' } })).toEqual(['4', '3', '1']);
    expect(await idsOf(saver, at())).toEqual(['4', '1']);
    expect(await idsOf(saver, at(), { before: at('4') })).toEqual(['1']);
    expect(await idsOf(saver, at('1'))).toEqual(['1']);
    expect(await idsOf(saver, { configurable: { checkpoint_id: '2' } })).toEqual(['2']);
    expect(await idsOf(saver, { configurable: { checkpoint_ns: 'child' } })).toEqual(['3']);
    expect(await idsOf(saver, all, { limit: 0 })).toEqual([]);
  });

  test('is filtered by metadata, nested ones too, before it is limited', async () => {
    const saver = await listed();
    expect(await idsOf(saver, {}, { filter: { step: 2 }, limit: 1 })).toEqual(['2']);
    expect(await idsOf(saver, {}, { filter: { parents: { '': '3' } } })).toEqual(['3']);
    expect(await idsOf(saver, {}, { filter: { step: 2, source: 'input' } })).toEqual([]);
  });

  test('shows what was there at its first step', async () => {
    const saver = await listed();
    const found: string[] = [];
    for await (const tuple of saver.list(at())) {
      found.push(tuple.checkpoint.id);
      await saver.deleteThread('t');
    }
    expect(found).toEqual(['4', '1']);
    expect(await idsOf(saver, {})).toEqual(['2']);
  });
});

describe('a write', () => {
  test('survives a power cut once its promise has resolved', async () => {
    const { memory, saver } = await memorySaver();
    const config = await saver.put(at(), checkpoint('1', { a: 1 }), META, { a: 1 });
    void saver.putWrites(config, [['b', 2]], 'task');
    // Nothing is left to be written by the second call, and it still waits.
    await saver.putWrites(config, [['b', 3]], 'task');
    memory.cutPower();
    const after = new KeelsonSaver(await memory.open('/memory'));
    expect(await valuesAt(after)).toEqual({ a: 1 });
    expect(await pendingAt(after, '1')).toEqual([['task', 'b', 2]]);
    await after.deleteThread('t');
    memory.cutPower();
    expect(await valuesAt(new KeelsonSaver(await memory.open('/memory')))).toBe(undefined);
  });

  test('is one record each', async () => {
    const { db, saver } = await memorySaver();
    const changes = db.changes({ since: db.lastLsn, id: db.id });
    const config = await saver.put(at(), checkpoint('1', { a: 1, b: 2 }), META, { a: 1, b: 1 });
    await saver.putWrites(
      config,
      [
        ['a', 1],
        ['b', 2],
      ],
      'task',
    );
    await saver.deleteThread('t');
    const counts: number[] = [];
    for await (const group of changes) {
      counts.push(group.changes.filter(({ type }) => type !== 'create').length);
      if (counts.length === 3) break;
    }
    expect(counts).toEqual([3, 2, 3]);
    expect(sizesOf(db)).toEqual({
      'langgraph:checkpoints': 0,
      'langgraph:values': 0,
      'langgraph:writes': 0,
    });
  });

  test('is whole or not there after any crash, and there when it was acknowledged', async () => {
    const counts = await simulateCrashes<number>({
      seed: 18,
      states: 150,
      workload: async ({ open: openHere, note }) => {
        const saver = new KeelsonSaver(await openHere('/memory'));
        let config = at();
        for (let n = 1; n <= 4; n++) {
          const next = checkpoint(`${n}`, { kept: 'kept', n }, { n });
          const news: Versions = n === 1 ? { kept: 1, n } : { n };
          config = (await saver.put(config, next, META, news)) as typeof config;
          await saver.putWrites(
            config,
            [
              ['n', n],
              ['m', n],
            ],
            'task',
          );
          note(n);
        }
      },
      check: async ({ open: openHere, notes }) => {
        const saver = new KeelsonSaver(await openHere('/memory'));
        const found = await idsOf(saver, at());
        expect(found.length).toBeGreaterThanOrEqual(notes.length);
        for (const id of found) {
          const n = Number(id);
          expect(await valuesAt(saver, id)).toEqual({ kept: 'kept', n });
          const pending = await pendingAt(saver, id);
          const whole = [
            ['task', 'n', n],
            ['task', 'm', n],
          ];
          if (notes.includes(n)) expect(pending).toEqual(whole);
          else expect([[], whole]).toContainEqual(pending);
        }
      },
    });
    expect(counts.states).toBe(150);
  });
});

describe('a store', () => {
  test('that is closed, poisoned or read-only gives its error', async () => {
    const { memory, db, saver } = await memorySaver();
    const put = (of: KeelsonSaver) => of.put(at(), checkpoint('2', { a: 2 }), META, { a: 1 });
    await saver.put(at(), checkpoint('1', { a: 1 }), META, { a: 1 });

    const reader = new KeelsonSaver(await memory.open<unknown>('/memory', { readOnly: true }));
    expect(await valuesAt(reader)).toEqual({ a: 1 });
    await expect(put(reader)).rejects.toMatchObject({ code: 'KEELSON_READ_ONLY' });
    await expect(reader.putWrites(at('1'), [], 'task')).rejects.toMatchObject({ code: 'KEELSON_READ_ONLY' });
    await expect(reader.deleteThread('t')).rejects.toMatchObject({ code: 'KEELSON_READ_ONLY' });

    memory.disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    await expect(put(saver)).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
    await expect(saver.putWrites(at('1'), [['a', 1]], 'task')).rejects.toMatchObject({
      code: 'KEELSON_POISONED',
    });
    expect(await valuesAt(saver, '1')).toEqual({ a: 1 });

    memory.disk.faults = undefined;
    await db.close().catch(() => undefined);
    await expect(saver.getTuple(at())).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await expect(idsOf(saver, at())).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    await expect(put(saver)).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
  });

  test('that is read-only and was never written to by a saver has no checkpoints', async () => {
    const memory = inMemory();
    await memory.open('/memory');
    const reader = new KeelsonSaver(await memory.open('/memory', { readOnly: true }));
    expect(await reader.getTuple(at())).toBe(undefined);
    expect(await idsOf(reader, {})).toEqual([]);
  });

  test('serves two savers with namespaces of their own, and stays open', async () => {
    const { db, saver } = await memorySaver();
    const other = new KeelsonSaver(db, { namespace: 'other' });
    await saver.put(at(), checkpoint('1', {}), META, {});
    expect(await idsOf(other, {})).toEqual([]);
    await other.close();
    await expect(other.getTuple(at())).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });
    expect(await idsOf(saver, {})).toEqual(['1']);
  });

  test('of a directory is opened at the first use and closed by close()', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-langgraph-'));
    onTestFinished(() => fs.rmSync(directory, { recursive: true, force: true }));
    const unused = new KeelsonSaver(directory);
    await unused.close();
    await expect(unused.getTuple(at())).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });

    const saver = new KeelsonSaver(directory);
    const owner = await open(directory);
    await expect(saver.getTuple(at())).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await owner.close();
    await saver.put(at(), checkpoint('1', { a: 1 }), META, { a: 1 });
    await expect(open(directory)).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await saver.close();
    await saver.close();
    await expect(saver.getTuple(at())).rejects.toMatchObject({ code: 'KEELSON_CLOSED' });

    await using next = new KeelsonSaver(new URL(`file://${directory}`));
    expect(await valuesAt(next)).toEqual({ a: 1 });
  });
});

describe('misuse', () => {
  test('is a TypeError that says what was expected', async () => {
    const { db, saver } = await memorySaver();
    const Saver = KeelsonSaver as new (...args: unknown[]) => KeelsonSaver;
    expect(() => new Saver(7)).toThrow('store: expected an open store or a directory, got the number 7');
    expect(() => new Saver(db.namespace('a'))).toThrow('store: expected an open store or a directory');
    expect(() => new Saver('')).toThrow('store: expected an open store or a directory');
    expect(() => new Saver(db, { name: 'x' })).toThrow("unknown option 'name'");
    expect(() => new Saver(db, { namespace: '' })).toThrow(
      "'namespace': expected a string that is not empty",
    );
    expect(() => new Saver(db, { serde: {} })).toThrow("'serde': expected a serializer");
    const wrong = { configurable: { thread_id: 7 } };
    await expect(saver.getTuple(wrong)).rejects.toThrow(
      'config.configurable.thread_id: expected a string, got the number 7',
    );
    await expect(saver.put({}, checkpoint('1', {}), META, {})).rejects.toThrow('graph.invoke(');
    await expect(saver.put(at(), { ...checkpoint('1', {}), id: 7 as never }, META, {})).rejects.toThrow(
      'checkpoint.id: expected a string',
    );
    await expect(saver.putWrites(at(), [], 'task')).rejects.toThrow(
      'checkpoint_id: expected a string, got undefined',
    );
    await expect(saver.putWrites(at('1'), [], 7 as never)).rejects.toThrow('taskId: expected a string');
    await expect(saver.deleteThread(7 as never)).rejects.toThrow('threadId: expected a string');
    expect(db.namespaces()).toEqual([]);
  });

  test('of the serializer is told, and nothing is stored', async () => {
    const { db } = await memorySaver();
    const serde = new JsonPlusSerializer();
    serde.dumpsTyped = async () => {
      throw new RangeError('no');
    };
    const saver = new KeelsonSaver(db, { serde });
    await expect(saver.put(at(), checkpoint('1', {}), META, {})).rejects.toThrow(RangeError);
    await expect(saver.putWrites(at('1'), [['a', 1]], 'task')).rejects.toThrow(RangeError);
    expect(await saver.getTuple(at())).toBe(undefined);
  });

  test('is not that a serializer gives a Buffer', async () => {
    const { db } = await memorySaver();
    const json = new JsonPlusSerializer();
    const serde = {
      dumpsTyped: async (value: unknown): Promise<[string, Uint8Array]> => {
        const [type, bytes] = await json.dumpsTyped(value);
        return [type, Buffer.from(bytes)];
      },
      loadsTyped: json.loadsTyped.bind(json),
    };
    const saver = new KeelsonSaver(db, { serde });
    await saver.put(at(), checkpoint('1', { a: [1] }), META, { a: 1 });
    expect(await valuesAt(saver)).toEqual({ a: [1] });
  });
});
