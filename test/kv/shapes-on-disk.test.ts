// Definitions of shapes on the disk: whatever of the log and of images is read, it says what the values in it need.

import { describe, expect, it, vi } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { Schema } from '../../src/kv/entries/schema.js';
import { SpaceDefinition } from '../../src/kv/entries/space.js';
import { readImageEntries } from '../../src/kv/image/image-block-reader.js';
import { readImageBlockHead } from '../../src/kv/image/image-format.js';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { openStoreOn } from '../../src/kv/open-store.js';
import { resolveStoreOptions } from '../../src/kv/options.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Store } from '../../src/kv/store.js';
import type { Storage } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/simulated-disk.js';
import { blocksOf } from './image-tools.js';
import { newSchema } from './schema-tools.js';

const DIRECTORY = '/data/store';
const TINY_JOURNAL = { blockBytes: 512, segmentBytesMin: 4096, segmentBytesMax: 65_536 };

const makeDisk = (capacityBytes = 1e9) =>
  new SimulatedDisk({ seed: 1, directories: ['/data'], capacityBytes });

async function open(storage: Storage, options: object = {}): Promise<Store<string, unknown>> {
  const resolved = resolveStoreOptions({ autoCheckpoint: false, ...options });
  return (await openStoreOn(storage, DIRECTORY, resolved, TINY_JOURNAL)) as Store<string, unknown>;
}

const user = (n: number) => ({ id: n, name: `name ${n}`, isActive: n % 2 === 0 });
const order = (n: number) => ({ order: n, sum: n / 4, items: [n, n + 1] });

function put(store: Store<string, unknown>, prefix: string, value: (n: number) => unknown, count = 12): void {
  for (let n = 0; n < count; n++) store.put(`${prefix} ${n}`, value(n));
}

const contentOf = (store: Store<string, unknown>) => Object.fromEntries(store.entries());
const contentWith = (prefix: string, value: (n: number) => unknown, count = 12) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix} ${n}`, value(n)]));

async function namesOf(storage: Storage, end: string): Promise<string[]> {
  return (await storage.list(DIRECTORY)).filter((name) => name.endsWith(end)).sort();
}

describe('the log', () => {
  // An epoch ended at the first write of every store with more than 256 KiB of log, so that its second write said it all again.
  it('says it once for the first values behind an open, however long the log is', async () => {
    const storage = makeDisk().life();
    const before = await open(storage);
    put(before, 'before', user);
    await before.put('large', 'x'.repeat(300_000));
    await before.close();
    const store = await open(storage);
    const lsns: number[] = [];
    for (let n = 10; n < 14; n++) lsns.push(await store.put(`after ${n}`, user(n)));
    await store.close();
    const [first, ...others] = lsns.map((lsn, at) => lsn - (lsns[at - 1] ?? before.lastLsn));
    expect(new Set(others).size).toBe(1);
    expect(first).toBeGreaterThan(others[0]!);
  });

  it('says what values need, for this life and for the next', async () => {
    const storage = makeDisk().life();
    for (let life = 0; life < 3; life++) {
      const store = await open(storage);
      put(store, `life ${life}`, user);
      await store.close();
    }
    const store = await open(storage);
    expect(contentOf(store)).toEqual({
      ...contentWith('life 0', user),
      ...contentWith('life 1', user),
      ...contentWith('life 2', user),
    });
    // The next lives have the shape from the first value on: they take less.
    await store.close();
    expect(await verifyOn(storage, DIRECTORY)).toMatchObject({ ok: true, entries: 36 });
  });

  it('says so in one record with the value, so that no crash comes between them', async () => {
    const storage = makeDisk().life();
    const store = await open(storage);
    put(store, 'user', user);
    await store.flush();
    expect(store.stats().journal!.records).toBe(1 + 12);
    await store.close();
  });

  it('says so within a batch, before the first value that needs it', async () => {
    const storage = makeDisk().life();
    const store = await open(storage);
    const values = [...contentOfBatch('user', user), ...contentOfBatch('order', order)];
    await store.batch(values);
    await store.close();
    const again = await open(storage);
    expect(contentOf(again)).toEqual({ ...contentWith('user', user), ...contentWith('order', order) });
    await again.close();
  });

  function contentOfBatch(prefix: string, value: (n: number) => unknown) {
    return Object.entries(contentWith(prefix, value)).map(
      ([key, each]) => ({ type: 'put', key, value: each }) as const,
    );
  }

  it('says so again behind an image, which knows only what its own entries need', async () => {
    const storage = makeDisk().life();
    const store = await open(storage);
    put(store, 'user', user);
    // Nothing in the image has the shape; what comes after has it.
    put(store, 'user', (n) => n);
    await store.checkpoint();
    put(store, 'user', user);
    await store.close();
    expect(await namesOf(storage, '.image')).toHaveLength(1);
    const again = await open(storage);
    expect(again.recovery).toMatchObject({ recordsReplayed: 12 });
    expect(contentOf(again)).toEqual(contentWith('user', user));
    await again.close();
  });

  it('says so again when the record that said it was refused', async () => {
    const disk = makeDisk();
    const storage = disk.life();
    const store = await open(storage);
    put(store, 'user', user, 3);
    disk.faults = ({ path }) => (path?.includes('.journal.tmp') ? { errno: 'ENOSPC' } : undefined);
    const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
    expect(() => put(store, 'text', () => 'x'.repeat(700), 100)).toThrow(noSpace);
    // The first of them that would be written without its names.
    expect(() => put(store, 'refused', (n) => ({ ...user(n), name: 'x'.repeat(700) }), 3)).toThrow(noSpace);
    disk.faults = () => undefined;
    await store.flush();
    put(store, 'user', user);
    await store.close();
    const again = await open(storage);
    expect(contentOf(again)).toMatchObject(contentWith('user', user));
    await again.close();
  });

  it('that does not say what a value needs is refused, and not guessed at', async () => {
    const storage = makeDisk().life();
    const store = await open(storage, { valueEncoding: 'msgpack' });
    put(store, 'user', user);
    // As if nothing had to be said.
    const isRecorded = vi.spyOn(Schema.prototype, 'isRecorded').mockReturnValue(true);
    put(store, 'order', order);
    expect(isRecorded).toHaveBeenCalled();
    isRecorded.mockRestore();
    await store.close();
    await expect(open(storage)).rejects.toMatchObject({ code: 'KEELSON_DECODE' });
    const { damages, ok } = await verifyOn(storage, DIRECTORY);
    expect(ok).toBe(false);
    expect(damages[0]!.what).toMatch(/nothing says what the names of shape/);
  });

  it('says so now and then, so that salvage without a part of it loses little else', async () => {
    const storage = makeDisk().life();
    const store = await open(storage);
    const large = (n: number) => ({ n, text: 'x'.repeat(4000) });
    put(store, 'large', large, 200);
    await store.close();
    // With the only place that says what the first ones are.
    const first = (await namesOf(storage, '.journal')).slice(0, 4);
    for (const name of first) await storage.remove(`${DIRECTORY}/${name}`);
    const { entries, missing } = await salvageOn(storage, DIRECTORY, '/data/out', {
      keyEncoding: 'utf8',
      valueEncoding: 'msgpack',
    });
    expect(missing.length).toBeGreaterThan(0);
    expect(entries).toBeGreaterThan(100);
    expect(entries).toBeLessThan(200);
    expect(await verifyOn(storage, '/data/out')).toMatchObject({ ok: true, entries });
  });
});

describe('an image', () => {
  async function written(): Promise<{ storage: Storage; content: Record<string, unknown> }> {
    const storage = makeDisk().life();
    const store = await open(storage);
    // Several blocks: of users alone, of both, of orders alone.
    put(store, 'a', user, 5000);
    put(store, 'b', order, 5000);
    await store.checkpoint();
    const content = contentOf(store);
    await store.close();
    return { storage, content };
  }

  it('says what its values need in every block, and nothing else', async () => {
    const { storage, content } = await written();
    const store = await open(storage);
    expect(contentOf(store)).toEqual(content);
    expect(store.recovery).toMatchObject({ recordsReplayed: 0 });
    await store.close();
  });

  it('of which only some blocks are left is salvaged as far as they are, shapes included', async () => {
    const { storage, content } = await written();
    const [image] = await namesOf(storage, '.image');
    const path = `${DIRECTORY}/${image}`;
    const file = await storage.openFile(path, true);
    // The first block, and with it the first definitions.
    await file.write(new Uint8Array(64), 600);
    await file.close();
    for (const segment of await namesOf(storage, '.journal')) await storage.remove(`${DIRECTORY}/${segment}`);
    const found = await salvageOn(storage, DIRECTORY, '/data/out');
    expect(found.entries).toBeGreaterThan(6000);
    expect(found.entries).toBeLessThan(10_000);
    const options = resolveStoreOptions({ autoCheckpoint: false });
    const store = (await openStoreOn(storage, '/data/out', options)) as Store<string, unknown>;
    for (const [key, value] of store.entries()) expect(value).toEqual(content[key]);
    await store.close();
  });

  it('goes into a backup with what it needs', async () => {
    const { storage, content } = await written();
    const store = await open(storage);
    await store.backup('/data/backup');
    await store.close();
    const options = resolveStoreOptions({ autoCheckpoint: false });
    const backup = (await openStoreOn(storage, '/data/backup', options)) as Store<string, unknown>;
    expect(contentOf(backup)).toEqual(content);
    await backup.close();
  });

  it('is read by whoever knows nothing but what is in it', async () => {
    const { storage, content } = await written();
    const [image] = await namesOf(storage, '.image');
    const path = `${DIRECTORY}/${image}`;
    const { verdict } = await readImageHeader(storage, path);
    if (!verdict.ok) throw new Error(verdict.why);
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    const { spaces } = await loadImage(storage, path, verdict.header, schema, () => {});
    const values = [...spaces[0]!.entries.iterate(ALL_KEYS)].map(([key, handle]) => [
      key,
      spaces[0]!.entries.read(handle, schema.msgpack.decode),
    ]);
    expect(values).toHaveLength(10_000);
    expect(Object.fromEntries(values)).toEqual(content);
  });

  it('is refused by a reader to whom values have no shapes', async () => {
    const { storage } = await written();
    const [image] = await namesOf(storage, '.image');
    const path = `${DIRECTORY}/${image}`;
    const file = await storage.openFile(path, false);
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    await file.close();
    const lsn = Number.parseInt(image!, 10);
    // The first block has the table of spaces.
    const block = blocksOf(bytes)[1]!;
    const head = readImageBlockHead(block, 0);
    const read = (valueEncodingName: string) => {
      const space = new SpaceDefinition('', utf8KeyCodec, valueEncodingName);
      let entries = 0;
      readImageEntries(block, head, { schema: newSchema(), space, lsn }, () => entries++);
      return entries;
    };
    expect(read('msgpack')).toBe(head.entries);
    expect(() => read('json')).toThrow(expect.objectContaining({ code: 'KEELSON_CORRUPT' }));
  });
});
