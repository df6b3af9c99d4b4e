// Segments whose checksums are right and whose contents lie: never a state the store has not been in, never anything
// but a typed error, never memory by a number that nobody has checked.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSegmentHeader, encodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { openJournalOn } from '../../src/journal/open-journal.js';
import { resolveJournalOptions } from '../../src/journal/options.js';
import { salvageOn } from '../../src/kv/repair/salvage.js';
import { verifyOn } from '../../src/kv/repair/verify.js';
import type { Storage } from '../../src/storage/index.js';
import type { SimulatedDisk } from '../../src/testing/index.js';
import { DIRECTORY, makeWorlds, type World, wholeStateOf } from '../damage/worlds.js';
import { codeOfError, runs } from './fuzz-tools.js';
import { type JournalLie, journalLie, tellLie } from './journal-lies.js';

const worlds = await makeWorlds();
const anyLies = fc.tuple(fc.nat(worlds.length - 1), fc.array(journalLie, { minLength: 1, maxLength: 3 }));

/** The segments of a world in which these lies have been told. */
function liedAbout(world: World, lies: readonly JournalLie[]): Map<string, Uint8Array> {
  const segments = [...world.files].filter(([name]) => name.endsWith('.journal'));
  const copies = new Map(segments.map(([name, bytes]) => [name, new Uint8Array(bytes)]));
  for (const lie of lies) tellLie([...copies.values()][lie.segment % copies.size]!, lie);
  return copies;
}

async function diskWith(world: World, lies: readonly JournalLie[]): Promise<SimulatedDisk> {
  const disk = world.disk.processKill(1);
  const storage = disk.life();
  for (const [name, bytes] of liedAbout(world, lies)) {
    const file = await storage.openFile(`${DIRECTORY}/${name}`, true);
    await file.write(bytes, 0);
    await file.close();
  }
  disk.endLife(storage);
  return disk;
}

/** Notes the longest piece of memory that anybody wanted a file read into. */
function watchReads(storage: Storage): { longest: number } {
  const watched = { longest: 0 };
  const openFile = storage.openFile.bind(storage);
  storage.openFile = async (path, writable) => {
    const file = await openFile(path, writable);
    const read = file.read.bind(file);
    file.read = (into, position) => {
      watched.longest = Math.max(watched.longest, into.length);
      return read(into, position);
    };
    return file;
  };
  return watched;
}

/** Frames hold what was written; lies about those may make another record of them. */
function mayMakeRecords(lies: readonly JournalLie[]): boolean {
  return lies.some(({ about }) => about === 'frame');
}

describe('a segment header', () => {
  test('that is taken says exactly what its bytes say, whatever they say', () => {
    let taken = 0;
    fc.assert(
      fc.property(anyLies, ([index, lies]) => {
        for (const bytes of liedAbout(
          worlds[index]!,
          lies.filter(({ about }) => about === 'segment'),
        ).values()) {
          const verdict = decodeSegmentHeader(bytes);
          if (!verdict.ok) continue;
          taken++;
          const again = encodeSegmentHeader(verdict.header).subarray(0, 512);
          expect(Buffer.compare(again, bytes.subarray(0, 512))).toBe(0);
        }
      }),
      runs(1500),
    );
    expect(taken).toBeGreaterThan(0);
  });
});

describe('a store in whose segments lies are told', () => {
  test('opens with a state it has been in, or says in a typed error why not; verify() and salvage() do too', async () => {
    const counts = { opened: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(anyLies, async ([index, lies]) => {
        const world = worlds[index]!;
        const disk = await diskWith(world, lies);
        const storage = disk.life();
        const watched = watchReads(storage);
        const isSound = await verifyOn(storage, DIRECTORY).then(({ ok }) => ok, codeOfError);
        await salvageOn(storage, DIRECTORY, '/data/salvaged').catch(codeOfError);
        try {
          const store = await world.open(storage);
          const found = { lsn: store.lastLsn, state: wholeStateOf(store) };
          await store.close();
          const again = await world.open(disk.life(), { readOnly: true });
          assert.deepEqual({ lsn: again.lastLsn, state: wholeStateOf(again) }, found);
          const isKnown = [...world.moments, { lsn: 0, state: [['', []]] }].some((moment) =>
            isDeepStrictEqual(found, moment),
          );
          assert(isKnown || mayMakeRecords(lies), `never was at LSN ${found.lsn}`);
          counts.opened++;
        } catch (error) {
          const code = codeOfError(error);
          if (code === 'KEELSON_CORRUPT')
            assert.notEqual(isSound, true, 'verify() calls sound what open() refuses');
          counts.refused++;
        }
        assert(watched.longest <= 1024 * 1024, `${watched.longest} bytes were to be read`);
        assert.deepEqual(disk.openFiles(), []);
      }),
      runs(400),
    );
    expect(Math.min(counts.opened, counts.refused)).toBeGreaterThan(20);
  });
});

describe('a journal in whose segments lies are told', () => {
  test('reads what its scan has found: records without a gap, up to its end', async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(anyLies, async ([index, lies]) => {
        const disk = await diskWith(worlds[index]!, lies);
        const options = resolveJournalOptions('test', {});
        const journal = await openJournalOn(disk.life(), DIRECTORY, options).catch(codeOfError);
        if (typeof journal === 'string') return;
        let lsn: number = journal.startLsn;
        for await (const record of journal.read({ from: journal.startLsn })) {
          assert.equal(record.lsn, lsn + 12 + record.record.length);
          lsn = record.lsn;
          read++;
        }
        assert.equal(lsn, journal.recovery.endLsn);
        await journal.close();
      }),
      runs(300),
    );
    expect(read).toBeGreaterThan(100);
  });
});
