// salvage() on every kind of damage: every write that is whole is in the new store with its version, what is not is
// named, and the old store is as it was.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeelsonError, type LsnRange, open, salvage, tuple, verify } from '../../src/index.js';
import { openJournal } from '../../src/journal/index.js';
import { bytesKeyCodec, tupleKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { loadImage, readImageHeader } from '../../src/kv/image/image-loader.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import { createFsStorage, type Storage, type StorageFile } from '../../src/storage/index.js';
import { tries } from '../counts.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import {
  copyStore,
  fingerprint,
  type KnownState,
  KnownWrites,
  makeDamageFolder,
  makeSmallStore,
  openStoreJournal,
  openTiny,
  SpacesStore,
  stateAfter,
  stateOf,
} from './damage-tools.js';
import { BLOCK_FIELDS, BLOCK_HEADER_BYTES, blockStarts, ENTRIES } from './image-tools.js';
import { newSchema, type PlainSpace, plainSpaces } from './schema-tools.js';

let folder: string;
let closed: string;
let killed: string;
let victim: string;
let out: string;
let known: KnownWrites;

beforeAll(async () => {
  ({ folder, closed, killed, victim, out, known } = await makeDamageFolder('salvage'));
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

beforeEach(() => {
  copyStore(closed, victim);
  fs.rmSync(out, { recursive: true, force: true });
});

const filesOf = (directory: string, end: string) =>
  fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(end))
    .sort();

const bytesOf = (ranges: readonly LsnRange[]) =>
  ranges.reduce((sum, { lsn, lsnEnd }) => sum + (lsnEnd ?? Number.POSITIVE_INFINITY) - lsn, 0);

function isMissing(lsn: number, missing: readonly LsnRange[]): boolean {
  return missing.some((range) => lsn > range.lsn && lsn <= (range.lsnEnd ?? lsn));
}

function unreadable(file: string): Error {
  return new KeelsonError('KEELSON_IO', `read failed with EIO: ${file}`, { path: file, errno: 'EIO' });
}

/** A storage on which the byte at `bad` of the file `name` cannot be read. */
function failingAt(name: string, bad: number): Storage {
  const storage = createFsStorage();
  return alsoHeld({
    ...storage,
    openFile: async (file, writable) => {
      const opened = await storage.openFile(file, writable);
      if (!file.endsWith(name)) return opened;
      return new Proxy(opened, {
        get: (target, method) => {
          if (method === 'read') {
            return async (into: Uint8Array, position: number) => {
              if (position <= bad && bad < position + into.length) throw unreadable(file);
              return target.read(into, position);
            };
          }
          const value: unknown = Reflect.get(target, method, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  });
}

/** Salvages the victim, and checks that what comes of it is every write but those that are said to be missing. */
async function salvaged(what: string, options: object = {}) {
  fs.rmSync(out, { recursive: true, force: true });
  const before = fingerprint(victim);
  const report = await salvage(victim, out, { engine: 'fs', ...options });
  expect(fingerprint(victim), what).toEqual(before);
  const store = await openTiny(out);
  const state = stateOf(store);
  expect(store.lastLsn, what).toBe(report.lsn);
  expect(store.recovery.kind, what).toBe('clean');
  await store.close();
  expect(Object.fromEntries(state), what).toEqual(
    Object.fromEntries(stateAfter(known.writes, report.missing)),
  );
  expect(report.entries, what).toBe(state.size);
  return { report, state };
}

async function openedState(directory: string): Promise<KnownState> {
  await using store = await openTiny(directory, { readOnly: true });
  return stateOf(store);
}

describe('salvage', () => {
  it('of a sound store gives exactly what it holds, in a store that goes on', async () => {
    const { report, state } = await salvaged('sound');
    expect(report).toMatchObject({ damages: [], missing: [], lsn: known.writes.at(-1)!.lsn, directory: out });
    expect(state).toEqual(await openedState(closed));
    expect((await verify(out)).ok).toBe(true);
    const store = await openTiny(out);
    expect(await store.put('next', 1)).toBeGreaterThan(report.lsn);
    await store.checkpoint();
    await store.close();
    expect((await openedState(out)).get('next')?.value).toBe(1);
    expect((await verify(out)).ok).toBe(true);
  });

  it('of a store whose owner was killed gives what opening it gives', async () => {
    copyStore(killed, victim);
    const { report, state } = await salvaged('killed');
    expect(report).toMatchObject({ damages: [], missing: [] });
    expect(state).toEqual(await openedState(killed));
  });

  /** Coprime with the size of a block and with eight, so that every field and every bit comes. */
  const FLIP_STRIDE = tries(51, 17);

  it('loses no more than one record to a flipped byte, outside of a header', {
    timeout: 300_000,
  }, async () => {
    let lost = 0;
    for (const name of [...filesOf(victim, '.journal'), ...filesOf(victim, '.image')]) {
      const file = path.join(victim, name);
      const bytes = fs.readFileSync(file);
      for (let at = 0; at < bytes.length; at++) {
        if (at % FLIP_STRIDE !== 0 || (bytes[at] === 0 && at % (31 * FLIP_STRIDE) !== 0)) continue;
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 1 << (at % 8);
        fs.writeFileSync(file, damaged);
        const { report } = await salvaged(`${name}, byte ${at}`);
        const isHeader = name.endsWith('.journal') && at < 512;
        const writesLost = known.writes.filter(({ lsn }) => isMissing(lsn, report.missing)).length;
        if (!isHeader) expect(writesLost, `${name}, byte ${at}`).toBeLessThanOrEqual(1);
        if (report.missing.length > 0) lost++;
      }
      fs.writeFileSync(file, bytes);
    }
    expect(lost).toBeGreaterThan(tries(7, 20));
  });

  it('drops a torn end as opening would, also where something else is damaged', async () => {
    const source = path.join(folder, 'torn');
    const writes = new KnownWrites();
    // So large that no next segment is prepared, whose header would say that all of it had been durable.
    const store = await openTiny(source, {}, undefined, { blockBytes: 512, segmentBytesMin: 65_536 });
    for (let at = 0; at < 6; at++) await writes.put(store, `k${at}`, `value ${at}`);
    const provenLsn = store.lastLsn;
    await Promise.all(['x', 'y', 'z'].map((key) => store.put(key, `torn ${key}`)));
    copyStore(source, victim);
    await store.close();
    const file = path.join(victim, filesOf(victim, '.journal')[0]!);
    const bytes = fs.readFileSync(file);
    for (const text of ['value 3', 'torn y']) bytes[bytes.indexOf(text)]! ^= 1;
    fs.writeFileSync(file, bytes);
    const report = await salvage(victim, out);
    expect(report.lsn).toBe(provenLsn);
    expect(await openedState(out)).toEqual(stateAfter(writes.writes.filter((_, at) => at !== 3)));
  });

  it('takes nothing of what a recovery has declared dead, also when it lands later', async () => {
    const source = path.join(folder, 'ghost');
    let store = await openTiny(source);
    for (let at = 0; at < 3; at++) await store.put(`k${at}`, `value ${at}`);
    await store.put('k0', 'ghost');
    copyStore(source, victim);
    await store.close();
    const file = path.join(victim, filesOf(victim, '.journal')[0]!);
    const landed = fs.readFileSync(file);
    const torn = Buffer.from(landed);
    torn[torn.indexOf('ghost')]! ^= 1;
    fs.writeFileSync(file, torn);
    store = await openTiny(victim);
    expect(store.recovery.kind).toBe('repaired');
    await store.put('k1', 'after');
    const state = stateOf(store);
    await store.close();
    fs.rmSync(path.join(victim, 'LOCK.1'));
    fs.writeFileSync(file, landed);
    expect(await verify(victim)).toMatchObject({ ok: true, entries: 3 });
    const report = await salvage(victim, out);
    expect(report).toMatchObject({ damages: [], missing: [] });
    expect(await openedState(out)).toEqual(state);
    // Also where an open would refuse, and all that is whole is looked for.
    const damaged = Buffer.from(landed);
    damaged[damaged.indexOf('value 2')]! ^= 1;
    fs.writeFileSync(file, damaged);
    fs.rmSync(out, { recursive: true });
    await salvage(victim, out);
    expect((await openedState(out)).get('k0')?.value).toBe('value 0');
  });

  it('gives all but what stood in a block that was zeroed', { timeout: 120_000 }, async () => {
    let lost = 0;
    for (const name of filesOf(victim, '.journal')) {
      const file = path.join(victim, name);
      const bytes = fs.readFileSync(file);
      for (let at = 0; at < bytes.length; at += 512) {
        fs.writeFileSync(file, Buffer.from(bytes).fill(0, at, at + 512));
        const { report } = await salvaged(`${name}, block at ${at}`);
        if (at > 0) expect(bytesOf(report.missing)).toBeLessThanOrEqual(512);
        if (report.missing.length > 0) lost++;
      }
      fs.writeFileSync(file, bytes);
    }
    expect(lost).toBeGreaterThan(5);
  });

  it('gives all but what stood in a segment that is gone, and names its records', async () => {
    let lost = 0;
    for (const name of filesOf(victim, '.journal')) {
      copyStore(closed, victim);
      const [segment] = (await verify(victim)).segments.filter(({ file }) => file === name);
      fs.rmSync(path.join(victim, name));
      const { report } = await salvaged(name);
      for (const { lsn, lsnEnd } of report.missing) {
        lost++;
        expect(lsn).toBeGreaterThanOrEqual(segment!.lsn!);
        if (lsnEnd !== null) expect(lsnEnd).toBe(segment!.lsnEnd!);
      }
    }
    expect(lost).toBeGreaterThan(0);
  });

  it('goes on where the disk cannot read, and says where that is', async () => {
    const name = filesOf(victim, '.journal').at(-1)!;
    const size = fs.statSync(path.join(victim, name)).size;
    for (const bad of [0, 5000, size - 1]) {
      fs.rmSync(out, { recursive: true, force: true });
      const failing = failingAt(name, bad);
      const offset = bad - (bad % 4096);
      const report = await salvageOn(failing, victim, out);
      expect(report.damages).toContainEqual({
        file: name,
        offset,
        offsetEnd: Math.min(offset + 4096, size),
        what: 'the disk cannot read it: EIO',
        isNeeded: true,
      });
      expect(await openedState(out)).toEqual(stateAfter(known.writes, report.missing));
    }
  });

  it('says that an image that the disk cannot read is needed when open() cannot do without it, and only then', async () => {
    const [older, newest] = filesOf(victim, '.image') as [string, string];
    const cases: [string, gone: string | null, isNeeded: boolean][] = [
      [older, null, false],
      [newest, null, false],
      [newest, older, true],
    ];
    for (const [name, gone, isNeeded] of cases) {
      fs.rmSync(out, { recursive: true, force: true });
      // As a checkpoint leaves it: the image after the one that is gone stands alone, and so does its log.
      if (gone !== null) {
        for (const each of [gone, filesOf(victim, '.journal')[0]!]) fs.rmSync(path.join(victim, each));
      }
      const failing = failingAt(name, 0);
      const { damages } = await salvageOn(failing, victim, out, {
        keyEncoding: 'utf8',
        valueEncoding: 'msgpack',
      });
      const inImage = damages.filter(({ file }) => file === name);
      expect(inImage.map(({ what }) => what)).toContain('the disk cannot read it: EIO');
      expect(new Set(inImage.map((damage) => damage.isNeeded))).toEqual(new Set([isNeeded]));
      const opening = openTiny(victim, { readOnly: true }, failing);
      if (isNeeded) await expect(opening).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
      else await (await opening).close();
    }
  });

  it('does without an image, whichever is gone or damaged', async () => {
    for (const name of filesOf(victim, '.image')) {
      copyStore(closed, victim);
      fs.rmSync(path.join(victim, name));
      expect((await salvaged(name)).report.missing).toEqual([]);
      copyStore(closed, victim);
      fs.writeFileSync(path.join(victim, name), Buffer.alloc(700));
      expect((await salvaged(name)).report.missing).toEqual([]);
    }
  });

  it('gives what stands in a file before the place where it was cut off', { timeout: 120_000 }, async () => {
    for (const name of [...filesOf(victim, '.journal'), ...filesOf(victim, '.image')]) {
      const bytes = fs.readFileSync(path.join(closed, name));
      for (let length = 0; length < bytes.length; length += tries(3 * 377, 377)) {
        copyStore(closed, victim);
        fs.truncateSync(path.join(victim, name), length);
        await salvaged(`${name}, ${length} bytes`);
      }
    }
  });

  it('of images alone gives the newest', async () => {
    for (const name of filesOf(victim, '.journal')) fs.rmSync(path.join(victim, name));
    const newest = Number.parseInt(filesOf(victim, '.image').at(-1)!, 10);
    await salvage(victim, out);
    const upToImage = known.writes.filter(({ lsn }) => lsn <= newest);
    expect(await openedState(out)).toEqual(stateAfter(upToImage));
  });

  it('takes no file of another journal, and says so', async () => {
    const other = path.join(folder, 'other');
    await makeSmallStore(other);
    const [stranger] = filesOf(other, '.journal').slice(-1);
    fs.copyFileSync(path.join(other, stranger!), path.join(victim, '000000000099.journal'));
    const { report } = await salvaged('stranger');
    expect(report.damages).toMatchObject([{ file: '000000000099.journal', what: /another journal/ }]);
    expect(report.missing).toEqual([]);
  });

  it('is not led astray by an image of another journal, or by a file that only has the name of one', async () => {
    const other = path.join(folder, 'another');
    await makeSmallStore(other);
    const strange = '0000000000900000.image';
    fs.copyFileSync(path.join(other, filesOf(other, '.image')[0]!), path.join(victim, strange));
    fs.writeFileSync(path.join(victim, '0000000000999999.image'), Buffer.alloc(2000, 'x'));
    fs.writeFileSync(path.join(victim, '9999999999999999.image'), 'beyond any log');
    await expect(openTiny(victim)).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
    const { report } = await salvaged('strange images');
    expect(report).toMatchObject({ missing: [], lsn: known.writes.at(-1)!.lsn });
    expect(report.damages.map(({ file }) => file)).toEqual(
      expect.arrayContaining([strange, '0000000000999999.image']),
    );
  });

  it('of a store of tuples gives all that is whole, by the log and by the images', async () => {
    fs.rmSync(victim, { recursive: true });
    const options = {
      keyEncoding: tuple<[string, number]>(),
      keepOlderGeneration: true,
      engine: 'fs',
    } as const;
    const store = await open(victim, options);
    for (let at = 0; at < 300; at++) store.put([`user ${at % 3}`, at], at);
    await store.checkpoint();
    await store.clear({ prefix: ['user 1'] });
    await store.checkpoint();
    await store.put(['user 1', -1], 'behind');
    const expected = [...store.entries()];
    await store.close();
    const images = filesOf(victim, '.image');
    for (const damaged of [null, ...images]) {
      if (damaged !== null) flip(path.join(victim, damaged), 1000);
      fs.rmSync(out, { recursive: true, force: true });
      const report = await salvage(victim, out, { keyEncoding: 'tuple', valueEncoding: 'msgpack' });
      // With both images damaged, the blocks that are whole are left, and the log behind the older one.
      const isWhole = damaged !== images[1];
      if (isWhole) expect(report.missing).toEqual([]);
      await using copy = await open(out, options);
      if (isWhole) expect([...copy.entries()]).toEqual(expected);
      else expect(copy.count({ prefix: ['user 1'] })).toBe(1);
      expect(await verify(victim)).toMatchObject({ ok: damaged === null });
    }
  });

  it('needs to be told the encodings where nothing is left that says them', async () => {
    const source = path.join(folder, 'nameless');
    const writes = new KnownWrites();
    const store = await openTiny(source);
    for (let at = 0; at < 30; at++) await writes.put(store, `k${at}`, 'x'.repeat(300));
    await store.close();
    copyStore(source, victim);
    fs.rmSync(path.join(victim, filesOf(victim, '.journal')[0]!));
    await expect(salvage(victim, out)).rejects.toMatchObject({ code: 'KEELSON_DECODE' });
    expect(fs.existsSync(out)).toBe(false);
    const report = await salvage(victim, out, { keyEncoding: 'utf8', valueEncoding: 'msgpack' });
    expect(report.missing.length).toBe(1);
    expect(await openedState(out)).toEqual(stateAfter(writes.writes, report.missing));
  });

  it('refuses a place that is not empty, or inside the store', async () => {
    fs.mkdirSync(out);
    fs.writeFileSync(path.join(out, 'mine'), 'mine');
    await expect(salvage(victim, out)).rejects.toMatchObject({
      code: 'KEELSON_EXISTS',
      facts: { path: out },
    });
    expect(fs.readdirSync(out)).toEqual(['mine']);
    await expect(salvage(victim, path.join(victim, 'out'))).rejects.toBeInstanceOf(TypeError);
    await expect(salvage(victim, victim)).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
  });

  it('refuses a store that is open, one that is not there, and what is not a store', async () => {
    const db = await open(path.join(folder, 'open'));
    await expect(salvage(path.join(folder, 'open'), out)).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await db.close();
    await expect(salvage(path.join(folder, 'nowhere'), out)).rejects.toMatchObject({
      code: 'KEELSON_NOT_FOUND',
    });
    const journal = await openJournal(path.join(folder, 'journal'));
    await journal.commit(Buffer.from('hello'));
    await journal.close();
    await expect(salvage(path.join(folder, 'journal'), out)).rejects.toMatchObject({
      code: 'KEELSON_FOREIGN',
    });
    expect(fs.existsSync(out)).toBe(false);
  });

  it.each([
    [{ engin: 'fs' }, /unknown option 'engin'/],
    [{ keyEncoding: 'latin1' }, /option 'keyEncoding': expected one of/],
    [{ valueEncoding: '' }, /option 'valueEncoding': expected the name of an encoding/],
    // What was made with such a name nobody could ever open.
    [{ valueEncoding: 'x'.repeat(129) }, /option 'valueEncoding': expected the name of an encoding/],
    [{ valueEncoding: '\ud800' }, /option 'valueEncoding': expected the name of an encoding/],
  ])('refuses the options %o', async (options, message) => {
    await expect(salvage(victim, out, options as never)).rejects.toThrow(message);
  });
});

/** A store of the victim's whose writes are all known, made by `write` in as many lives as it wants. */
async function makeVictim(write: (writes: KnownWrites) => Promise<void>): Promise<void> {
  fs.rmSync(victim, { recursive: true, force: true });
  known = new KnownWrites();
  await write(known);
  for (const name of fs.readdirSync(victim)) {
    if (/^(LOCK|LIVE)\./.test(name)) fs.rmSync(path.join(victim, name));
  }
}

const segmentNamed = (sequence: number) => path.join(victim, `${String(sequence).padStart(12, '0')}.journal`);

function change(file: string, damage: (bytes: Buffer) => void): void {
  const bytes = fs.readFileSync(file);
  damage(bytes);
  fs.writeFileSync(file, bytes);
}

const flip = (file: string, at: number) =>
  change(file, (bytes) => {
    bytes[at]! ^= 1;
  });

describe('salvage of segments under wrong names', () => {
  // A file whose header said another sequence than its name declared dead everything from its first LSN on.
  it('reads each once, in the order of the log: copied, exchanged, renamed', async () => {
    const names = filesOf(victim, '.journal');
    const at = (index: number) => path.join(victim, names.at(index)!);
    const changes: [string, () => void][] = [
      ['copied behind', () => fs.copyFileSync(at(-3), segmentNamed(99))],
      ['copied before', () => fs.copyFileSync(at(-1), segmentNamed(0))],
      ['renamed', () => fs.renameSync(at(-2), segmentNamed(99))],
      [
        'exchanged',
        () => {
          fs.renameSync(at(-1), segmentNamed(99));
          fs.renameSync(at(-2), at(-1));
          fs.renameSync(segmentNamed(99), at(-2));
        },
      ],
    ];
    for (const [what, apply] of changes) {
      copyStore(closed, victim);
      apply();
      const { report } = await salvaged(what);
      expect(report.missing, what).toEqual([]);
      expect(report.damages.length, what).toBeGreaterThan(0);
    }
  });
});

describe('salvage of a log that has lost its end', () => {
  // A file counted as sound when its header was: so `missing` was empty though acknowledged writes were gone.
  it.each([
    ['cut off behind its header', (newest: string) => fs.truncateSync(newest, 512)],
    [
      'overwritten with the one before',
      (newest: string) => fs.copyFileSync(path.join(victim, filesOf(victim, '.journal').at(-2)!), newest),
    ],
    [
      'overwritten with one of another store',
      (newest: string) => {
        const stranger = path.join(folder, 'stranger');
        // How many segments a store has depends on which were ready in time: the other one may have fewer.
        const names = filesOf(stranger, '.journal').filter((name) => name <= path.basename(newest));
        fs.copyFileSync(path.join(stranger, names.at(-1)!), newest);
      },
    ],
  ])('says so: the newest segment is %s', async (what, damage) => {
    const stranger = path.join(folder, 'stranger');
    fs.rmSync(stranger, { recursive: true, force: true });
    await makeSmallStore(stranger);
    damage(path.join(victim, filesOf(victim, '.journal').at(-1)!));
    const { report, state } = await salvaged(what);
    expect(report.missing.at(-1)?.lsnEnd).toBe(null);
    expect(state).not.toEqual(stateAfter(known.writes));
  });

  // An image proves more than what is left of the log, and nothing says how far the log went.
  it('says so where an image is newer than all that is left', async () => {
    const before = known;
    await makeVictim(async (writes) => {
      const store = await openTiny(victim, {}, undefined, {});
      for (let at = 0; at < 6; at++) await writes.put(store, `k${at}`, at);
      await store.checkpoint();
      await writes.put(store, 'after', 1);
      await store.close();
    });
    change(segmentNamed(1), (bytes) => bytes.fill(0, 20_480));
    const zeroed = await salvaged('zeroed');
    expect(zeroed.state.has('after')).toBe(false);
    expect(zeroed.report.missing).toEqual([{ lsn: zeroed.report.lsn, lsnEnd: null }]);

    await makeVictim(async (writes) => {
      for (const [first, second] of [
        ['one', 'two'],
        ['three', 'four'],
      ] as const) {
        const store = await openTiny(victim, {}, undefined, {});
        await writes.put(store, first, 1);
        await store.checkpoint();
        await writes.put(store, second, 1);
        await store.close();
      }
    });
    fs.rmSync(path.join(victim, filesOf(victim, '.journal').at(-1)!));
    const removed = await salvaged('removed');
    expect(removed.state.has('four')).toBe(false);
    expect(removed.report.missing).toEqual([{ lsn: removed.report.lsn, lsnEnd: null }]);
    known = before;
  });

  // Where recovery refused for another reason, what was torn at the end was in neither damages nor missing.
  it('says so where something that is not whole follows the last commit, and recovery refuses', async () => {
    const source = path.join(folder, 'unfinished');
    const store = await openTiny(source, {}, undefined, { blockBytes: 512, segmentBytesMin: 65_536 });
    for (let at = 0; at < 6; at++) await store.put(`k${at}`, `value ${at}`);
    copyStore(source, victim);
    await store.close();
    const file = segmentNamed(1);
    for (const text of ['value 1', 'value 5']) flip(file, fs.readFileSync(file).indexOf(text));
    const report = await salvage(victim, out);
    expect(report.missing.length).toBe(2);
    expect(report.missing[1]).toEqual({ lsn: report.lsn, lsnEnd: null });
  });
});

describe('salvage of records that do not decode', () => {
  // They were dropped, and `missing` was empty.
  it('names them as missing', async () => {
    const before = known;
    let bad: LsnRange[] = [];
    await makeVictim(async (writes) => {
      const store = await openTiny(victim);
      await writes.put(store, 'a', 1);
      await store.close();
      const journal = await openStoreJournal(victim);
      const start = journal.nextLsn;
      // Two in a row are one range.
      await journal.commit(Uint8Array.of(3, 1, 2));
      const middle = await journal.commit(Uint8Array.of(3, 1, 2));
      const written = await journal.commit(Buffer.from([2, 1, 1, 97, 1, 5]));
      writes.writes.push({ lsn: written, apply: (state) => state.set('a', { value: 5, version: written }) });
      // A birth is one at the start of the log only.
      const end = await journal.commit(Buffer.from('\x01\x01\x04utf8\x07msgpack', 'latin1'));
      bad = [
        { lsn: start, lsnEnd: middle },
        { lsn: written, lsnEnd: end },
      ];
      await journal.close();
    });
    expect((await salvaged('undecodable')).report.missing).toEqual(bad);
    known = before;
  });
});

describe('salvage behind a damaged commit header', () => {
  const opened = (values: number, blockAt: number) => ({ values, blockAt });

  // The LSN of the first commit of a segment was taken from nothing but its header: all its records were lost.
  it.each([
    ['the first of the log', 1, opened(1000, 4096)],
    ['the first of a segment with one large record', 2, opened(0, 4096)],
  ])('finds every record: %s', async (_, sequence, { values, blockAt }) => {
    const before = known;
    await makeVictim(async (writes) => {
      const store = await openTiny(victim, {}, undefined, {});
      await writes.put(store, 'a', 1);
      await Promise.all(Array.from({ length: values }, (__, at) => writes.put(store, `k${at}`, at)));
      if (values === 0) await writes.put(store, 'big', 'x'.repeat(5_000_000));
      await writes.put(store, 'z', 1);
      await store.close();
    });
    flip(segmentNamed(sequence), blockAt + 8);
    const { report, state } = await salvaged('header');
    expect(report.missing).toEqual([]);
    expect(state.size).toBe(known.writes.length);
    known = before;
  });

  it('finds those of the next commit too, when its header is damaged as well', async () => {
    const before = known;
    await makeVictim(async (writes) => {
      const store = await openTiny(victim, {}, undefined, {});
      for (let at = 0; at < 8; at++) await writes.put(store, `k${at}`, `value ${at}`);
      await store.close();
    });
    for (const block of [1, 2, 4, 5, 6]) flip(segmentNamed(1), block * 4096 + 8);
    expect((await salvaged('neighbours')).report.missing).toEqual([]);
    known = before;
  });
});

describe('salvage of a value that was made to mislead', () => {
  // Every place in it looked like a frame that reaches to its end: the square of its length was checksummed, in one turn
  // of a minute and more. Now it ends before the test's time does.
  it('takes time in proportion to it, and finds what follows', async () => {
    const before = known;
    const value = Buffer.alloc(1_500_000);
    await makeVictim(async (writes) => {
      const store = await openTiny(victim, {}, undefined, {});
      await writes.put(store, 'a', 1);
      await store.close();
      const journal = await openStoreJournal(victim);
      // The frame, its record's kind and operation, the key and the value, each with its length.
      const valueLsn = journal.nextLsn + 12 + 2 + 2 + 3;
      const end = valueLsn + value.length;
      for (let at = 0; at + 12 <= value.length; at += 12) {
        value.writeUInt32LE(value.length - at - 12, at);
        value.writeUInt32LE(end, at + 4);
      }
      const head = [
        2,
        1,
        1,
        118,
        0x80 | (value.length & 0x7f),
        0x80 | ((value.length >> 7) & 0x7f),
        value.length >> 14,
      ];
      const first = journal.append(Buffer.concat([Buffer.from(head), value]));
      expect(first).toBe(end);
      const second = await journal.commit(Buffer.from([2, 1, 1, 98, 1, 7]));
      writes.writes.push({ lsn: first, apply: () => {} });
      writes.writes.push({ lsn: second, apply: (state) => state.set('b', { value: 7, version: second }) });
      await journal.close();
    });
    const file = segmentNamed(2);
    const at = fs.readFileSync(file).indexOf(value.subarray(0, 24)) - 19;
    // The damaged header no longer says where the next frame is; or it does, and only its record is damaged.
    for (const place of [at, at + 700_000]) {
      const bytes = fs.readFileSync(file);
      flip(file, place);
      const { report, state } = await salvaged('misleading');
      expect(state.get('b')?.value).toBe(7);
      expect(report.missing.length).toBe(1);
      fs.writeFileSync(file, bytes);
    }
    known = before;
  });
});

describe('salvage among files of several stores', () => {
  async function strangerWith(valueEncoding: 'json' | 'msgpack', puts: number): Promise<string> {
    const stranger = path.join(folder, 'stranger');
    fs.rmSync(stranger, { recursive: true, force: true });
    const db = await open<string>(stranger, { valueEncoding });
    for (let at = 0; at < puts; at++) await db.put(`s${at}`, 'x');
    await db.close();
    return stranger;
  }

  // The first record of any segment was believed, whosever it was.
  it('takes the encodings from its own first record', async () => {
    const source = path.join(folder, 'own');
    fs.rmSync(source, { recursive: true, force: true });
    const store = await openTiny(source);
    for (let at = 0; at < 30; at++) await store.put(`k${at}`, 'x'.repeat(300));
    await store.close();
    copyStore(source, victim);
    const stranger = await strangerWith('json', 1);
    fs.copyFileSync(path.join(stranger, '000000000001.journal'), segmentNamed(0));
    await salvage(victim, out);
    expect((await openedState(out)).size).toBe(30);
  });

  // The journal that most files have won: two strays beside one image and one segment made the stranger's store.
  it('takes the store that has image and segment, and refuses where two have as much', async () => {
    fs.rmSync(victim, { recursive: true, force: true });
    const store = await openTiny(victim, { keepOlderGeneration: false });
    for (let at = 0; at < 30; at++) await store.put(`k${at}`, 'x'.repeat(300));
    await store.checkpoint();
    await store.close();
    const stranger = path.join(folder, 'strange-log');
    fs.rmSync(stranger, { recursive: true, force: true });
    const other = await openTiny(stranger);
    for (let at = 0; at < 60; at++) await other.put(`s${at}`, 'x'.repeat(300));
    await other.close();
    const own = new Set(filesOf(victim, '.journal'));
    const strays = filesOf(stranger, '.journal').filter((name) => !own.has(name));
    expect(strays.length).toBeGreaterThan(own.size + 1);
    for (const name of strays) fs.copyFileSync(path.join(stranger, name), path.join(victim, name));
    await salvage(victim, out);
    expect((await openedState(out)).has('k0')).toBe(true);

    fs.rmSync(victim, { recursive: true, force: true });
    fs.mkdirSync(victim);
    fs.rmSync(out, { recursive: true });
    fs.copyFileSync(path.join(stranger, strays[0]!), path.join(victim, strays[0]!));
    const again = filesOf(closed, '.journal').find((name) => name !== strays[0])!;
    fs.copyFileSync(path.join(closed, again), path.join(victim, again));
    await expect(salvage(victim, out)).rejects.toMatchObject({ code: 'KEELSON_FOREIGN' });
    expect(fs.existsSync(out)).toBe(false);
  });
});

describe('salvage of a store of several spaces', () => {
  let store: SpacesStore;

  beforeEach(async () => {
    fs.rmSync(victim, { recursive: true });
    store = await SpacesStore.make(victim);
  });

  /** Salvages the victim. Returns the report, and the spaces in the image of the new store. */
  async function salvagedSpaces() {
    fs.rmSync(out, { recursive: true, force: true });
    const before = fingerprint(victim);
    const report = await salvage(victim, out, { engine: 'fs' });
    expect(fingerprint(victim)).toEqual(before);
    expect(await verify(out)).toMatchObject({ ok: true, entries: report.entries, lastLsn: report.lsn });
    const image = path.join(out, filesOf(out, '.image')[0]!);
    const storage = createFsStorage();
    const { verdict } = await readImageHeader(storage, image);
    if (!verdict.ok) throw new Error(verdict.why);
    const into = newSchema(utf8KeyCodec, 'msgpack', 2);
    const { spaces, nextSpaceId } = await loadImage(storage, image, verdict.header, into, () => {});
    return { report, spaces: plainSpaces(spaces), nextSpaceId };
  }

  const whole = () => plainSpaces(store.schema.spaces);

  it('gives exactly what a sound one holds: images, log, dropped and empty spaces', async () => {
    const orders = await store.create('orders', bytesKeyCodec);
    const gone = await store.create('gone');
    const pairs = await store.create('pairs', tupleKeyCodec);
    const pair = tupleKeyCodec.toIndexKey('key', ['pair', 7]);
    await store.put(pairs, pair, 'before');
    for (const space of [store.root, orders, gone]) await store.put(space, 'a', 'before');
    await store.checkpoint();
    await store.drop(gone);
    const again = await store.create('gone');
    await store.put(again, 'b', 'in the second image');
    await store.checkpoint();
    await store.put(orders, 'c', 'in the log');
    await store.put(pairs, pair, 'in the log');
    await store.create('empty');
    const last = await store.create('created and dropped');
    await store.drop(last);
    const expected = whole();
    await store.close();
    const { report, spaces, nextSpaceId } = await salvagedSpaces();
    expect(report).toMatchObject({ damages: [], missing: [] });
    expect(spaces).toEqual(expected);
    expect(spaces.map(({ name }) => name)).toEqual(['', 'orders', 'pairs', 'gone', 'empty']);
    expect(nextSpaceId).toBe(7);
  });

  it('applies the log to the spaces of a damaged image, and gives everything when the log has all of it', async () => {
    const orders = await store.create('orders');
    for (const key of ['a', 'b', 'c']) await store.put(orders, key, `first ${key}`);
    await store.checkpoint();
    await store.delete(orders, 'b');
    const users = await store.create('users');
    await store.put(users, 'a', 'user');
    await store.checkpoint();
    await store.put(orders, 'd', 'last');
    await store.put(store.root, 'a', 1);
    const expected = whole();
    await store.close();
    for (const name of filesOf(victim, '.image')) {
      const file = path.join(victim, name);
      const bytes = fs.readFileSync(file);
      for (const start of [0, ...blockStarts(bytes).slice(0, -1)]) {
        flip(file, start + BLOCK_FIELDS.kind);
        const { report, spaces } = await salvagedSpaces();
        expect(
          report.damages.map(({ file: damaged }) => damaged),
          `${name} ${start}`,
        ).toContain(name);
        expect(report.missing, `${name} ${start}`).toEqual([]);
        expect(contentsOf(spaces), `${name} ${start}`).toEqual(contentsOf(expected));
        fs.writeFileSync(file, bytes);
      }
      fs.rmSync(file);
      expect(contentsOf((await salvagedSpaces()).spaces), `without ${name}`).toEqual(contentsOf(expected));
      fs.writeFileSync(file, bytes);
    }
  });

  const contentsOf = (spaces: readonly PlainSpace[]) =>
    spaces.map(({ id, name, keyEncoding, valueEncoding, entries }) => ({
      id,
      name,
      keyEncoding,
      valueEncoding,
      entries,
    }));
});

describe('an image of many blocks, damaged in one of them,', () => {
  /** About a block each. */
  const LARGE = 200_000;
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

  /** An image of `keys`, then another in which some are new, one is gone, and no journal between the two. */
  async function makeLarge(): Promise<{ newest: string; before: KnownState; after: KnownState }> {
    const source = path.join(folder, 'large');
    fs.rmSync(source, { recursive: true, force: true });
    const writes = new KnownWrites();
    const store = await openTiny(source);
    for (const key of keys) await writes.put(store, key, `old ${key}`.padEnd(LARGE, '.'));
    await store.checkpoint();
    const before = stateAfter(writes.writes);
    for (const key of ['a', 'd', 'g']) await writes.put(store, key, `new ${key}`.padEnd(LARGE, '.'));
    await writes.delete(store, 'c');
    await writes.delete(store, 'h');
    await store.checkpoint();
    await store.close();
    copyStore(source, victim);
    for (const name of filesOf(victim, '.journal')) fs.rmSync(path.join(victim, name));
    return { newest: filesOf(victim, '.image').at(-1)!, before, after: stateAfter(writes.writes) };
  }

  it('still says what is in the others, and what is not; the older image says the rest', async () => {
    const { newest, before, after } = await makeLarge();
    const file = path.join(victim, newest);
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf('new d');
    for (const damage of [
      (copy: Buffer) => copy.fill(0xff, at, at + 8),
      // The header of the block too: the next one must be found without its length.
      (copy: Buffer) => copy.fill(0, at - 100_000 - LARGE, at + 8),
    ]) {
      const copy = Buffer.from(bytes);
      damage(copy);
      fs.writeFileSync(file, copy);
      fs.rmSync(out, { recursive: true, force: true });
      const report = await salvage(victim, out);
      expect(
        report.damages.some(({ file: name, offsetEnd }) => name === newest && offsetEnd! < bytes.length),
      ).toBe(true);
      const state = await openedState(out);
      // What the last block that is whole holds is new, and so is that nothing follows.
      expect(state.get('g')).toEqual(after.get('g'));
      expect(state.has('h')).toBe(false);
      // What stood in the damaged block is as it was before.
      expect(state.get('d')).toEqual(before.get('d'));
      for (const [key, entry] of state) expect([before.get(key), after.get(key)], key).toContainEqual(entry);
    }
  });

  /** Bytes that look like the heads of blocks, one behind the other up to `end`. `headAt` says what each claims. */
  function headsUpTo(end: number, length: number, headAt: (at: number) => HeadClaim): Buffer {
    const heads = Buffer.alloc(length);
    for (let at = 0; at + 2 * BLOCK_HEADER_BYTES < end; at += BLOCK_HEADER_BYTES)
      writeHead(heads, at, headAt(at));
    return heads;
  }

  interface HeadClaim {
    readonly payloadBytes: number;
    readonly entries: number;
    readonly number: number;
  }

  function writeHead(into: Buffer, at: number, { payloadBytes, entries, number }: HeadClaim): void {
    into.writeUInt32LE(payloadBytes, at + BLOCK_FIELDS.payloadBytes);
    into.writeUInt32LE(entries, at + BLOCK_FIELDS.entries);
    into.writeUInt32LE(number, at + BLOCK_FIELDS.number);
    into.writeUInt32LE(ENTRIES, at + BLOCK_FIELDS.kind);
  }

  /** Makes a store of one image, whose first block of entries has `value` alone. Returns its file and its blocks. */
  async function makeImageWith(value: Buffer): Promise<{ file: string; bytes: Buffer; starts: number[] }> {
    fs.rmSync(victim, { recursive: true });
    const store = await openTiny(victim, { valueEncoding: 'bytes', keepOlderGeneration: false });
    await store.put('a', value);
    for (const key of ['b', 'c', 'd']) await store.put(key, Buffer.alloc(LARGE, key));
    await store.checkpoint();
    await store.close();
    for (const name of filesOf(victim, '.journal')) fs.rmSync(path.join(victim, name));
    fs.rmSync(path.join(victim, 'LOCK.1'));
    const file = path.join(victim, filesOf(victim, '.image')[0]!);
    const bytes = fs.readFileSync(file);
    const starts = blockStarts(bytes);
    expect(starts[2]! - starts[1]!).toBeGreaterThan(value.length);
    return { file, bytes, starts };
  }

  // Every few bytes of a value looked like the head of a block that reaches to a place where one is followed.
  it('is searched in proportion to its length, also where a value is made of heads of blocks', async () => {
    // Each claims to end where this stands, in the middle of the value: the head of the block after it.
    const end = 5_900_000;
    const heads = headsUpTo(end, 6_000_000, (at) => ({
      payloadBytes: end - at - BLOCK_HEADER_BYTES,
      entries: 3000,
      number: 99,
    }));
    writeHead(heads, end, { payloadBytes: 400, entries: 100, number: 100 });
    const { file, bytes, starts } = await makeImageWith(heads);
    const [table, first, second] = starts;
    // The length of the block with the value; and that of the table in front of it, too.
    for (const damaged of [[first!], [table!, first!]]) {
      const copy = Buffer.from(bytes);
      for (const at of damaged) copy[at]! ^= 1;
      fs.writeFileSync(file, copy);
      fs.rmSync(out, { recursive: true, force: true });
      const report = await salvage(victim, out);
      await using db = await open(out, { valueEncoding: 'bytes' });
      expect([...db.keys()]).toEqual(['b', 'c', 'd']);
      expect(report.damages[0]).toMatchObject({ offset: damaged[0], offsetEnd: second });
    }
  });

  it('is read at a bounded number of places where such heads are followed by nothing', async () => {
    // Behind what each claims to be its block stands a head with a number that does not follow.
    const payloadBytes = 20 * BLOCK_HEADER_BYTES;
    const heads = headsUpTo(2_400_000, 2_500_000, () => ({ payloadBytes, entries: 100, number: 99 }));
    const { file, starts } = await makeImageWith(heads);
    const [, first, second] = starts;
    flip(file, first!);
    const storage = createFsStorage();
    let reads = 0;
    const counting = alsoHeld({
      ...storage,
      openFile: async (...given) => {
        const opened = await storage.openFile(...given);
        const read = opened.read.bind(opened);
        const countedRead: StorageFile['read'] = (into, position) => {
          reads++;
          return read(into, position);
        };
        return Object.assign(opened, { read: countedRead });
      },
    });
    const report = await verifyOn(counting, victim);
    expect(report.damages[0]).toMatchObject({ offset: first, offsetEnd: second });
    // There are 100,000 such heads, which verify() comes to twice.
    expect(reads).toBeLessThan(20_000);
  });
});
