// verify() on sound stores and on damaged ones: what it calls sound opens with everything, what does not open it has a
// reason for, and it never changes a byte.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/crc32c.js';
import { isKeelsonError, open, verify } from '../../src/index.js';
import { openJournal } from '../../src/journal/index.js';
import { writeNewStore } from '../../src/kv/copy/new-store.js';
import { bytesKeyCodec, utf8KeyCodec } from '../../src/kv/encoding/key-encoding.js';
import { decodeImageHeader } from '../../src/kv/image/image-header.js';
import { imagePath } from '../../src/kv/image/image-names.js';
import { writeImage } from '../../src/kv/image/image-writer.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import { createFsStorage, type Storage } from '../../src/storage/index.js';
import { tries } from '../counts.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import {
  copyStore,
  fingerprint,
  type KnownState,
  type KnownWrites,
  makeDamageFolder,
  openStoreJournal,
  openTiny,
  SpacesStore,
  stateAfter,
  stateOf,
} from './damage-tools.js';
import {
  blocksOf,
  endBlock,
  FILE_HEADER_BYTES,
  imageOf,
  type LooseBlock,
  loosened,
  tableBlock,
} from './image-tools.js';
import { newSchema } from './schema-tools.js';

let folder: string;
let closed: string;
let killed: string;
let victim: string;
let known: KnownWrites;
let whole: KnownState;

beforeAll(async () => {
  ({ folder, closed, killed, victim, known } = await makeDamageFolder('verify'));
  whole = stateAfter(known.writes);
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

beforeEach(() => copyStore(closed, victim));

const filesOf = (directory: string, end: string) =>
  fs
    .readdirSync(directory)
    .filter((name) => name.endsWith(end))
    .sort();

/** What a read-only open makes of it: the state, or the code of the error. */
async function opened(directory: string): Promise<KnownState | string> {
  try {
    await using store = await openTiny(directory, { readOnly: true });
    return stateOf(store);
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    return error.code;
  }
}

/** Checks that verify() and open() agree, and that verify() changed nothing. */
async function expectAgreement(what: string, isWatched = true) {
  const before = isWatched ? fingerprint(victim) : null;
  const report = await verify(victim, { engine: 'fs' });
  if (isWatched) expect(fingerprint(victim), what).toEqual(before);
  const found = await opened(victim);
  if (typeof found === 'string')
    expect(
      report.damages.some(({ isNeeded }) => isNeeded),
      `${what}: ${found}`,
    ).toBe(true);
  else expect(report.entries, what).toBe(found.size);
  return { report, found };
}

/** Prime, so that it meets every part of a header or a frame in one of them. */
const STRIDE = tries(9, 5);

/** Calls `check` with each byte of the victim's file, or every `stride`th, flipped in turn. */
async function forEachFlip(
  name: string,
  stride: number,
  check: (at: number) => Promise<void>,
): Promise<void> {
  const file = path.join(victim, name);
  const bytes = fs.readFileSync(file);
  for (let at = 0; at < bytes.length; at++) {
    // Zeros are all alike, so some of them stand for all; the letters of a value likewise.
    const isLikeTheLast = bytes[at] === bytes[at - 1];
    if ((isLikeTheLast && at % 61 !== 0) || at % stride !== 0) continue;
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1 << (at % 8);
    fs.writeFileSync(file, damaged);
    await check(at);
  }
  fs.writeFileSync(file, bytes);
}

describe('verify', () => {
  it('finds nothing in a store that was closed, and says what is in it', async () => {
    const before = fingerprint(closed);
    const report = await verify(closed);
    expect(report).toMatchObject({
      ok: true,
      damages: [],
      tornBytes: 0,
      entries: whole.size,
      otherNames: [],
    });
    expect(report.lastLsn).toBe(known.writes.at(-1)!.lsn);
    expect(report.images.length).toBeGreaterThan(0);
    expect(report.images.every(({ isWhole }) => isWhole)).toBe(true);
    expect(report.segments.length).toBeGreaterThan(1);
    expect(fingerprint(closed)).toEqual(before);
  });

  it('finds nothing in a store whose owner was killed', async () => {
    const report = await verify(killed);
    expect(report).toMatchObject({ ok: true, entries: whole.size });
  });

  it('agrees with open() about every flipped byte of every file', { timeout: 300_000 }, async () => {
    let refused = 0;
    for (const name of fs.readdirSync(victim)) {
      await forEachFlip(name, STRIDE, async (at) => {
        const { report, found } = await expectAgreement(`${name}, byte ${at}`, at % (10 * STRIDE) === 0);
        if (report.ok) expect(found, `${name}, byte ${at}`).toEqual(whole);
        if (typeof found === 'string') refused++;
      });
    }
    expect(refused).toBeGreaterThan(tries(40, 100));
  });

  it('does so for a store whose owner was killed, where only the newest commit may be taken for torn', {
    timeout: 300_000,
  }, async () => {
    copyStore(killed, victim);
    const newest = known.writes.at(-1)!.lsn;
    const withoutNewest = stateAfter(known.writes.filter(({ lsn }) => lsn < newest));
    let torn = 0;
    for (const name of filesOf(victim, '.journal')) {
      await forEachFlip(name, STRIDE, async (at) => {
        const what = `${name}, byte ${at}`;
        const { report, found } = await expectAgreement(what, at % (10 * STRIDE) === 0);
        if (!report.ok) return;
        expect(found, what).toEqual(report.lastLsn === newest ? whole : withoutNewest);
        if (report.lastLsn === newest) return;
        torn++;
        expect(report.tornBytes, what).toBeGreaterThan(0);
      });
    }
    expect(torn).toBeGreaterThan(tries(1, 5));
  });

  it('names the file, the place and the records of a damaged commit', async () => {
    const [segment] = (await verify(victim)).segments.slice(-1);
    const file = path.join(victim, segment!.file);
    const bytes = fs.readFileSync(file);
    const at = bytes.indexOf('y'.repeat(100));
    bytes[at]! ^= 1;
    fs.writeFileSync(file, bytes);
    const { report } = await expectAgreement('a value');
    const write = known.writes.findIndex(({ lsn }) => lsn > segment!.lsn!);
    expect(report.damages).toEqual([
      {
        file: segment!.file,
        offset: at - (at % 512),
        offsetEnd: at - (at % 512) + 512,
        lsn: known.writes[write - 1]!.lsn,
        lsnEnd: known.writes[write]!.lsn,
        what: 'a commit is damaged, or cut off',
        isNeeded: true,
      },
    ]);
    expect(report.ok).toBe(false);
  });

  it('agrees with open() when a file is gone', async () => {
    for (const name of fs.readdirSync(closed).filter((each) => !/^(LOCK|LIVE)\./.test(each))) {
      copyStore(closed, victim);
      fs.rmSync(path.join(victim, name));
      const { report, found } = await expectAgreement(`without ${name}`);
      if (report.ok) expect(found, name).toEqual(whole);
    }
  });

  it('agrees with open() when a file was cut off, or a block of it zeroed', {
    timeout: 120_000,
  }, async () => {
    for (const name of fs.readdirSync(victim)) {
      const file = path.join(victim, name);
      const bytes = fs.readFileSync(file);
      for (let at = 0; at < bytes.length; at += 256) {
        fs.writeFileSync(file, Buffer.from(bytes).fill(0, at, Math.min(at + 512, bytes.length)));
        const zeroed = await expectAgreement(`${name}, zeroed at ${at}`);
        if (zeroed.report.ok) expect(zeroed.found, `${name}, zeroed at ${at}`).toEqual(whole);
        fs.writeFileSync(file, bytes.subarray(0, at));
        const cut = await expectAgreement(`${name}, ${at} bytes`);
        expect(cut.report.ok, `${name}, ${at} bytes`).toBe(false);
        fs.writeFileSync(file, bytes);
      }
    }
  });

  it('calls damage in a file that nobody needs damage, and says that nobody needs it', async () => {
    const [older] = filesOf(victim, '.image');
    fs.writeFileSync(path.join(victim, older!), 'scribble');
    const { report, found } = await expectAgreement('older image');
    expect(report.ok).toBe(false);
    expect(report.damages.map(({ file, isNeeded }) => [file, isNeeded])).toContainEqual([older, false]);
    expect(report.damages.every(({ isNeeded }) => !isNeeded)).toBe(true);
    expect(found).toEqual(whole);
  });

  it('lists names that are not of the store, and files that were never finished, without calling them damage', async () => {
    for (const name of ['notes.txt', '000000000099.journal.tmp'])
      fs.writeFileSync(path.join(victim, name), 'x');
    expect(await verify(victim)).toMatchObject({
      ok: true,
      otherNames: ['000000000099.journal.tmp', 'notes.txt'],
    });
  });

  // A birth record was accepted anywhere, and nothing asked for one: verify() said ok of what open() refuses.
  it('agrees with open() about what the first record says, and only that', async () => {
    const birth = (values: string) =>
      Buffer.from(`\x01\x01\x04utf8${String.fromCharCode(values.length)}${values}`, 'latin1');
    const write = Buffer.from([2, 1, 1, 97, 1, 5]);
    const cases: [string, Buffer[], boolean][] = [
      ['a birth in the middle', [birth('msgpack'), write, birth('msgpack')], true],
      ['an empty store whose first record is a write', [write], false],
      ['an image that says something else than the first record', [birth('json'), write], false],
      ['a birth that is cut off', [birth('msgpack').subarray(0, 9), write], true],
      ['a birth that names an encoding that nobody can have', [birth('x'.repeat(129)), write], true],
    ];
    for (const [what, records, isFromNothing] of cases) {
      fs.rmSync(victim, { recursive: true });
      if (!isFromNothing) {
        // As no open leaves it: an image in front of the first record.
        const schema = newSchema(utf8KeyCodec, 'msgpack');
        await writeNewStore(createFsStorage(), {
          directory: victim,
          source: folder,
          schema,
          view: schema.wholeView(0),
          markOfBackup: null,
          assertGoingOn: () => {},
          whenAllowed: async () => {},
        });
      }
      const journal = await openStoreJournal(victim);
      for (const record of records) await journal.commit(record);
      await journal.close();
      const { report, found } = await expectAgreement(what);
      expect(found, what).toMatch(/^KEELSON_/);
      expect(report.ok, what).toBe(false);
    }
  });

  it('finds nothing in a store of several spaces, and counts the entries of all of them', async () => {
    fs.rmSync(victim, { recursive: true });
    const store = await SpacesStore.make(victim);
    const orders = await store.create('orders', bytesKeyCodec);
    const users = await store.create('users');
    for (let at = 0; at < 5; at++) {
      await store.put(store.root, `k${at}`, at);
      await store.put(orders, `k${at}`, `order ${at}`);
      if (at === 2) await store.checkpoint();
    }
    await store.delete(orders, 'k0');
    await store.create('empty');
    await store.put(users, 'k', 'user');
    await store.close();
    expect(await verify(victim)).toMatchObject({ ok: true, damages: [], entries: 10 });
    expect((await opened(victim)) as KnownState).toHaveProperty('size', 5);
  });

  // What stands in the log before the image needs not be readable without the log before that, which is gone.
  it('finds nothing in a log that, before the image, writes to spaces that are gone', async () => {
    fs.rmSync(victim, { recursive: true });
    const store = await SpacesStore.make(victim);
    const gone = await store.create('gone');
    await store.put(gone, 'k', 'x'.repeat(100));
    await store.drop(gone);
    const stays = await store.create('gone');
    await store.put(stays, 'k', 'stays');
    await store.checkpoint();
    await store.put(stays, 'l', 'stays');
    await store.close();
    expect(await verify(victim)).toMatchObject({ ok: true, damages: [], entries: 2 });
  });

  it('finds nothing in a log that, before the image, writes to a space whose creation is in a segment that is gone', async () => {
    fs.rmSync(victim, { recursive: true });
    const store = await SpacesStore.make(victim);
    const gone = await store.create('gone', bytesKeyCodec);
    for (let at = 0; at < 60; at++) await store.put(gone, `\xff${at}`, 'x'.repeat(200));
    await store.drop(gone);
    await store.put(store.root, 'k', 1);
    await store.checkpoint();
    await store.close();
    const names = filesOf(victim, '.journal');
    expect(names.length).toBeGreaterThan(2);
    // As a checkpoint retires them: the newest segment stays.
    for (const name of names.slice(0, -1)) fs.rmSync(path.join(victim, name));
    const report = await verify(victim);
    expect(report).toMatchObject({ ok: true, damages: [], entries: 1 });
    expect(report.records).toBeGreaterThan(2);
  });

  it('finds nothing in a log that, before the image, has values whose shape was defined in a segment that is gone', async () => {
    for (let puts = 20; puts < 26; puts++) {
      fs.rmSync(victim, { recursive: true });
      const store = await openTiny(victim, { keepOlderGeneration: false });
      for (let at = 0; at < puts; at++) await store.put(`k${at}`, { id: at, text: 'x'.repeat(50) });
      await store.clear();
      await store.checkpoint();
      await store.close();
      expect(await verify(victim), `${puts} puts`).toMatchObject({ ok: true, damages: [], entries: 0 });
    }
  });

  it('calls an image damaged whose tables say what no store does, as open() does', async () => {
    const image = path.join(victim, filesOf(victim, '.image').at(-1)!);
    const bytes = fs.readFileSync(image);
    const verdict = decodeImageHeader(bytes.subarray(0, FILE_HEADER_BYTES));
    if (!verdict.ok) throw new Error(verdict.why);
    const { header } = verdict;
    const [table, ...rest] = blocksOf(bytes).map(loosened);
    const inner = rest.slice(0, -2);
    const withTables = (first: LooseBlock, second: LooseBlock) =>
      imageOf(header, [first, ...inner, second, endBlock]);
    const row = {
      id: 0,
      name: '',
      keyEncoding: 'utf8',
      valueEncoding: 'msgpack',
      entries: header.entryCount,
      bytes: 0,
      lastLsn: 1,
    };
    const sound = tableBlock({ nextSpaceId: 1, rows: [row] });
    const named = tableBlock({ nextSpaceId: 1, rows: [{ ...row, name: 'root' }] });
    const ofBytes = tableBlock({ nextSpaceId: 1, rows: [{ ...row, keyEncoding: 'bytes' }] });
    const more = tableBlock({ nextSpaceId: 1, rows: [{ ...row, entries: row.entries + 1 }] });
    const other = tableBlock({ nextSpaceId: 2, rows: [row] });
    const cases: [string, Uint8Array, boolean][] = [
      ['as it was', withTables(table!, table!), true],
      ['other tables that say the same', withTables(sound, sound), true],
      ['a name of the root space', withTables(named, named), false],
      ['another key encoding', withTables(ofBytes, ofBytes), false],
      ['more entries', withTables(more, more), false],
      ['two tables that differ', withTables(sound, other), false],
      ['no second table', imageOf(header, [sound, ...inner, endBlock]), false],
      ['no table', imageOf(header, [...inner, endBlock]), false],
    ];
    for (const [what, changed, isSound] of cases) {
      fs.writeFileSync(image, changed);
      const { report, found } = await expectAgreement(what);
      expect(report.ok, what).toBe(isSound);
      // The older image is there, and the journal behind it.
      expect(found, what).toEqual(whole);
    }
  });

  // The names were read without a bound, and verify() threw KEELSON_DECODE.
  it('calls an image damaged whose header has no names that can be', async () => {
    const image = path.join(victim, filesOf(victim, '.image').at(-1)!);
    const bytes = fs.readFileSync(image);
    bytes[48] = 0xff;
    bytes.writeUInt32LE(crc32c(Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16, 512)])), 12);
    fs.writeFileSync(image, bytes);
    const { report, found } = await expectAgreement('names');
    expect(report.ok).toBe(false);
    expect(found).toEqual(whole);
  });

  it('needs no record that does not decode where an image has its effect, and needs the next one', async () => {
    const journal = await openStoreJournal(victim);
    const covered = await journal.commit(Uint8Array.of(3, 1, 2));
    const schema = newSchema(utf8KeyCodec, 'msgpack');
    await writeImage(createFsStorage(), imagePath(victim, covered), {
      journalId: journal.journalId,
      view: schema.wholeView(covered),
      schema,
      onBlock: () => {},
    });
    await journal.close();
    const { report, found } = await expectAgreement('covered');
    expect(found).toEqual(new Map());
    expect(report.damages).toMatchObject([{ lsnEnd: covered, isNeeded: false }]);
    const again = await openStoreJournal(victim);
    const needed = await again.commit(Uint8Array.of(3, 1, 2));
    await again.close();
    const { report: after } = await expectAgreement('needed');
    expect(after.damages).toMatchObject([
      { lsnEnd: covered, isNeeded: false },
      { lsn: covered, lsnEnd: needed, isNeeded: true },
    ]);
  });

  it('tells of its progress, up to the end', async () => {
    const told: { done: number; total: number }[] = [];
    await verify(victim, { onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)!.done).toBe(told.at(-1)!.total);
    expect(told.at(-1)!.total).toBeGreaterThan(10_000);
  });

  it('counts segments twice and images once in its progress, which only goes forward', async () => {
    const large = path.join(folder, 'large');
    const db = await open(large, { autoCheckpoint: false });
    for (let at = 0; at < 3; at++) await db.put(`a${at}`, new Uint8Array(3_000_000).fill(at));
    await db.checkpoint();
    for (let at = 0; at < 3; at++) await db.put(`b${at}`, new Uint8Array(3_000_000).fill(at));
    await db.close();
    const told: { done: number; total: number }[] = [];
    await verify(large, { onProgress: (progress) => told.push(progress) });
    const bytesOf = (end: string) =>
      filesOf(large, end).reduce((sum, name) => sum + fs.statSync(path.join(large, name)).size, 0);
    const total = 2 * bytesOf('.journal') + bytesOf('.image');
    expect(told.map((progress) => progress.total)).toEqual(told.map(() => total));
    const done = told.map((progress) => progress.done);
    expect(done).toEqual(done.toSorted((one, other) => one - other));
    expect(done.at(-1)).toBe(total);
    // Once in a few MiB, and not for every record.
    expect(done.length).toBeGreaterThan(4);
    expect(done.length).toBeLessThan(total / 1_000_000);
  });

  it('opens files for reading alone, also those that it only measures', async () => {
    const storage = createFsStorage();
    const forWriting: string[] = [];
    const opened: string[] = [];
    const watched: Storage = alsoHeld({
      ...storage,
      openFile: async (file, isWritable) => {
        opened.push(path.basename(file));
        if (isWritable) forWriting.push(path.basename(file));
        return storage.openFile(file, isWritable);
      },
    });
    expect((await verifyOn(watched, victim)).ok).toBe(true);
    expect(new Set(opened)).toEqual(new Set([...filesOf(victim, '.image'), ...filesOf(victim, '.journal')]));
    expect(forWriting).toEqual([]);
  });

  it('refuses a store that is open, here or elsewhere; also when it is opened meanwhile', async () => {
    const db = await open(victim);
    await expect(verify(victim)).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    await db.close();
    const storage = createFsStorage();
    let isOpened = false;
    const whileOpened: Storage = alsoHeld({
      ...storage,
      openFile: async (...given) => {
        if (!isOpened && given[0].endsWith('.journal')) {
          isOpened = true;
          await (await open(victim)).close();
        }
        return storage.openFile(...given);
      },
    });
    await expect(verifyOn(whileOpened, victim)).rejects.toMatchObject({ code: 'KEELSON_LOCKED' });
    expect((await verify(victim)).ok).toBe(true);
  });

  it('refuses what is not there, not a directory, not a store, or of a newer version', async () => {
    await expect(verify(path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'KEELSON_NOT_FOUND' });
    const empty = path.join(folder, 'empty');
    fs.mkdirSync(empty);
    await expect(verify(empty)).rejects.toMatchObject({ code: 'KEELSON_NOT_FOUND' });
    const file = path.join(folder, 'file');
    fs.writeFileSync(file, '');
    await expect(verify(file)).rejects.toMatchObject({ code: 'KEELSON_NOT_A_DIRECTORY' });
    const journal = await openJournal(path.join(folder, 'journal'));
    await journal.commit(Buffer.from('hello'));
    await journal.close();
    await expect(verify(path.join(folder, 'journal'))).rejects.toMatchObject({ code: 'KEELSON_FOREIGN' });
    const image = path.join(victim, filesOf(victim, '.image')[0]!);
    const bytes = fs.readFileSync(image);
    bytes.writeUInt32LE(99, 8);
    bytes.writeUInt32LE(crc32c(Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16, 512)])), 12);
    fs.writeFileSync(image, bytes);
    await expect(verify(victim)).rejects.toMatchObject({ code: 'KEELSON_FORMAT_VERSION' });
  });

  it.each([
    [{ engin: 'fs' }, /unknown option 'engin'/],
    [{ onProgress: 1 }, /option 'onProgress': expected a function/],
    [7, /options: expected an object/],
  ])('refuses the options %o', async (options, message) => {
    await expect(verify(victim, options as never)).rejects.toThrow(message);
  });
});
