// The story: an owner was robbed of its store and wrote on beside the robber; or somebody put files of an older copy
// back. Both histories had acknowledged writes in one directory. Recovery looked at the newest segment only. It found
// that one closed, said `clean` and took writes, and the next open said corrupt; or it left out the acknowledged writes
// of one of the two, and verify() said ok. Now the first open refuses, verify() names the place, and salvage() says
// what it took and what it left.

import fs from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { salvage, verify } from '../../src/index.js';
import {
  copyAsKilled,
  bytesOf as encoded,
  open as openJournal,
  segmentNames,
  TINY as TINY_JOURNAL,
  textsOf,
  useDirectory,
} from '../journal/helpers.js';
import { copyStore, fingerprint, openTiny, stateOf, TINY } from './damage-tools.js';

const here = useDirectory();
let ours: string;
let theirs: string;
let mixed: string;
let out: string;

beforeEach(() => {
  [ours, theirs, mixed, out] = ['ours', 'theirs', 'mixed', 'out'].map((name) => here.at(name)) as [
    string,
    string,
    string,
    string,
  ];
});

/** Room for a whole life in one segment, and no next one that would say how far the log has come. */
const ROOMY = { ...TINY, segmentBytesMin: 65_536, segmentBytesMax: 65_536 };

function openRoomy(directory: string, options: object = {}) {
  return openTiny(directory, options, undefined, ROOMY);
}

/** Opens, puts `count` values whose keys start with `prefix`, and closes. */
async function live(directory: string, prefix: string, count: number): Promise<void> {
  const store = await openRoomy(directory);
  for (let at = 0; at < count; at++) await store.put(`${prefix}${at}`, `${prefix} ${at}`);
  await store.close();
}

function take(name: string, from: string, as = name): void {
  fs.copyFileSync(path.join(from, name), path.join(mixed, as));
}

/** A journal that the two have in common, then segment 2 of ours up to a later LSN than where segment 3 of theirs begins. */
async function makeInterleaved(): Promise<void> {
  await live(ours, 'common', 2);
  copyStore(ours, theirs);
  await live(ours, 'ours', 8);
  await live(theirs, 'theirs', 3);
  await live(theirs, 'theirs, later', 9);
  copyStore(ours, mixed);
  take('000000000003.journal', theirs);
}

async function expectRefusedFirst(segment: number): Promise<void> {
  const before = segmentNames(mixed);
  for (let round = 0; round < 2; round++) {
    await expect(openRoomy(mixed)).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      message: expect.stringMatching(
        /two owners' writes, or files of a copy, are mixed.*in segment .* \(LSN .*Keep a copy/,
      ),
      facts: { segment, offset: expect.any(Number), lsn: expect.any(Number), lsnEnd: expect.any(Number) },
    });
  }
  await expect(openRoomy(mixed, { readOnly: true })).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
  expect(segmentNames(mixed)).toEqual(before);
}

describe('a store with the segments of two histories', () => {
  it('that interleave is refused at the first open, and nothing is written', async () => {
    await makeInterleaved();
    await expectRefusedFirst(2);
  });

  it('is damaged for verify(), and salvage() says what it took and what it left', async () => {
    await makeInterleaved();
    fs.rmSync(path.join(mixed, 'LOCK.1'), { force: true });
    const before = fingerprint(mixed);
    const report = await verify(mixed);
    expect(report.ok).toBe(false);
    const [damage] = report.damages;
    expect(damage).toMatchObject({
      file: '000000000002.journal',
      what: expect.stringContaining('those of segment 3 count, these do not'),
      isNeeded: true,
    });
    const saved = await salvage(mixed, out);
    expect(fingerprint(mixed)).toEqual(before);
    expect(saved.damages).toEqual(report.damages);
    // One record of ours lies across the place where theirs begins: its first bytes are in nothing that was taken.
    expect(saved.missing[0]!.lsn).toBeLessThanOrEqual(damage!.lsn!);
    expect(saved.missing.at(-1)!.lsnEnd).toBeGreaterThanOrEqual(damage!.lsnEnd!);

    await using store = await openRoomy(out);
    const state = stateOf(store);
    await using whole = await openRoomy(ours);
    const left = [...stateOf(whole)].filter(([key]) => !state.has(key));
    // Every acknowledged write of ours that is not there is in the range that the report names.
    expect(left.length).toBeGreaterThan(0);
    for (const [, { version }] of left) {
      expect(version).toBeGreaterThan(damage!.lsn!);
      expect(version).toBeLessThanOrEqual(damage!.lsnEnd!);
    }
    for (let at = 0; at < 9; at++) expect(state.get(`theirs, later${at}`)?.value).toBe(`theirs, later ${at}`);
  });

  it('has every file named that holds writes which do not count', async () => {
    await live(ours, 'common', 2);
    copyStore(ours, theirs);
    await live(ours, 'ours', 8);
    await live(ours, 'ours, later', 8);
    for (const prefix of ['a', 'b', 'c']) await live(theirs, prefix, 1);
    copyStore(ours, mixed);
    take('000000000004.journal', theirs);
    const { damages } = await verify(mixed);
    const named = damages.filter(({ what }) => what.includes('those of segment 4 count'));
    expect(named.map(({ file }) => file)).toEqual(['000000000002.journal', '000000000003.journal']);
    const { missing } = await salvage(mixed, out);
    for (const { lsn, lsnEnd } of named) {
      expect(missing.some((range) => range.lsn <= lsn! && range.lsnEnd! >= lsnEnd!)).toBe(true);
    }
  });

  it('of which an image makes the older one look like one that nobody needs is refused', async () => {
    await live(ours, 'common', 2);
    copyStore(ours, theirs);
    const store = await openRoomy(ours);
    for (let at = 0; at < 4; at++) await store.put(`ours${at}`, at);
    // An image that reaches above where theirs begins: theirs alone would be read behind it.
    await store.checkpoint();
    for (let at = 0; at < 4; at++) await store.put(`ours, later${at}`, at);
    await store.close();
    await live(theirs, 'theirs', 1);
    await live(theirs, 'theirs', 20);
    copyStore(ours, mixed);
    take('000000000003.journal', theirs);
    await expectRefusedFirst(2);
    expect((await verify(mixed)).ok).toBe(false);
  });

  it('that meet in a gap is refused as well: the closed seal says that what is before it was durable', async () => {
    await live(ours, 'common', 2);
    copyStore(ours, theirs);
    await live(ours, 'ours', 1);
    await live(theirs, 'theirs', 6);
    await live(theirs, 'theirs, later', 2);
    copyStore(ours, mixed);
    take('000000000003.journal', theirs);
    await expect(openRoomy(mixed)).rejects.toMatchObject({ code: 'KEELSON_CORRUPT' });
    expect((await verify(mixed)).ok).toBe(false);
  });
});

describe('an owner that was robbed and wrote on', () => {
  /** The robber recovers a copy of the running store and writes; then the victim's file, with what it wrote since, is put in. */
  async function rob(putsOfVictim: number, putsOfRobber: number): Promise<void> {
    const victim = await openRoomy(ours);
    for (let at = 0; at < 3; at++) await victim.put(`before${at}`, at);
    copyStore(ours, mixed);
    await live(mixed, 'robber', putsOfRobber);
    for (let at = 0; at < putsOfVictim; at++) await victim.put(`v${at}`, at);
    take('000000000001.journal', ours);
    await victim.close();
  }

  // Recovery's segment declares its writes dead. With more puts of the robber's, the log reached above all of them,
  // the store opened without them, and verify() said ok.
  it('is noticed, although what it wrote counts as dead and the robber went further', async () => {
    await rob(3, 9);
    await expectRefusedFirst(1);
    const report = await verify(mixed);
    expect(report.damages[0]).toMatchObject({ file: '000000000001.journal', isNeeded: true });
    const saved = await salvage(mixed, out);
    expect(saved.missing.length).toBeGreaterThan(0);
    await using store = await openRoomy(out);
    expect(store.get('robber8')).toBe('robber 8');
    expect(store.has('v0')).toBe(false);
  });

  it('has its own history saved from a copy without the later segments', async () => {
    await rob(3, 9);
    const [damage] = (await verify(mixed)).damages;
    const later = Number(/those of segment (\d+) count/.exec(damage!.what)![1]);
    for (const name of segmentNames(mixed).filter((each) => Number.parseInt(each, 10) >= later)) {
      fs.rmSync(path.join(mixed, name));
    }
    await salvage(mixed, out);
    await using store = await openRoomy(out);
    expect([...store.keys()]).toEqual(['before0', 'before1', 'before2', 'v0', 'v1', 'v2']);
  });

  // One write may be the last one of an owner that was killed, which lands late. A crash alone refuses nothing.
  it('with one write only is what a killed owner may leave, and opens', async () => {
    await rob(1, 9);
    await using store = await openRoomy(mixed);
    expect(store.get('robber8')).toBe('robber 8');
    expect(store.get('before2')).toBe(2);
  });
});

describe('a journal with the segments of two histories', () => {
  async function write(directory: string, texts: readonly string[]): Promise<void> {
    const journal = await openJournal(directory, TINY_JOURNAL);
    for (const text of texts) await journal.commit(encoded(text));
    await journal.close();
  }

  // It opened as clean, took a record, and was corrupt for the next open.
  it('is refused at the first open', async () => {
    await write(ours, ['common']);
    copyAsKilled(ours, theirs);
    await write(ours, ['one', 'two', 'three', 'four']);
    await write(theirs, ['eins']);
    await write(theirs, ['zwei']);
    copyAsKilled(ours, mixed);
    take('000000000003.journal', theirs);
    for (let round = 0; round < 2; round++) {
      await expect(openJournal(mixed, TINY_JOURNAL)).rejects.toMatchObject({
        code: 'KEELSON_CORRUPT',
        message: expect.stringMatching(/Keep a copy of the whole directory/),
        facts: { path: path.join(mixed, '000000000002.journal'), segment: 2, lsn: 34, lsnEnd: 81 },
      });
    }
    for (const directory of [ours, theirs]) {
      const journal = await openJournal(directory, TINY_JOURNAL);
      expect((await textsOf(journal))[0]).toBe('common');
      await journal.close();
    }
  });
});
