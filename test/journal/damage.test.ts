// Damage to the files of a journal, and files that are not its own: the exact records or a typed error with its place,
// and nothing made or changed where the directory is not ours to open.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/crc32c.js';
import { isKeelsonError, type KeelsonError } from '../../src/errors.js';
import { decodeSegmentHeader } from '../../src/journal/format/segment-format.js';
import { tries } from '../counts.js';
import {
  bytesOf,
  copyAsKilled,
  keelsonError,
  listing,
  numbered,
  open,
  openDescriptors,
  rejectionOf,
  segmentNames,
  TINY,
  textsOf,
  useDirectory,
} from './helpers.js';

const here = useDirectory();
/** Enough for a header, a few commits and the seal in a segment whose every byte is visited. */
const SMALL_TEXTS = ['hello', ' world', 'a record that is a little longer than the others'];
const OCCUPIED_BYTES = 512 * (1 + SMALL_TEXTS.length + 1);

/** Coprime with eight, so that every bit of a byte has its turn. */
const STRIDE = tries(3, 1);

/** A journal of a few commits in one segment, closed in `at('closed')`, and as a kill would leave it in `at('killed')`. */
async function makeSmall(): Promise<void> {
  const journal = await open(here.at('closed'), TINY);
  for (const text of SMALL_TEXTS) await journal.commit(bytesOf(text));
  copyAsKilled(here.at('closed'), here.at('killed'));
  await journal.close();
}

/** Several segments and lives, all closed. Returns the texts in them. */
async function makeLarge(directory: string): Promise<string[]> {
  const texts = numbered(24, 300);
  for (let life = 0; life < 3; life++) {
    const journal = await open(directory, TINY);
    for (const text of texts.slice(life * 8, life * 8 + 8)) await journal.commit(bytesOf(text));
    await journal.close();
  }
  return texts;
}

type Outcome = { readonly texts: readonly string[] } | { readonly error: KeelsonError };

async function openAndRead(directory: string): Promise<Outcome> {
  try {
    const journal = await open(directory, TINY);
    try {
      return { texts: await textsOf(journal) };
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    return { error };
  }
}

/** Opens a copy of `source` in which `damage` has been done to the first segment. */
async function damaged(source: string, damage: (file: string) => void): Promise<Outcome> {
  const target = here.at('damaged');
  fs.rmSync(target, { recursive: true, force: true });
  copyAsKilled(here.at(source), target);
  damage(path.join(target, segmentNames(target)[0]!));
  return openAndRead(target);
}

function flip(at: number, mask = 0xff): (file: string) => void {
  return (file) => {
    const bytes = fs.readFileSync(file);
    bytes[at]! ^= mask;
    fs.writeFileSync(file, bytes);
  };
}

function expectPlace({ error }: { readonly error: KeelsonError }, what: string): void {
  expect(['KEELSON_CORRUPT', 'KEELSON_FOREIGN', 'KEELSON_FORMAT_VERSION'], what).toContain(error.code);
  expect(error.facts.path, what).toContain(here.path);
  const hasOffset = error.facts.path?.endsWith('.journal') === true && error.facts.offset !== undefined;
  const hasRange = error.facts.lsn !== undefined && error.facts.lsnEnd !== undefined;
  expect(hasOffset || hasRange, what).toBe(true);
}

describe('a flipped byte, wherever it is,', () => {
  test('in a closed journal gives exactly the same records or an error with its place', async () => {
    await makeSmall();
    const commitBytes = SMALL_TEXTS.map((text) => 48 + 12 + text.length);
    let refused = 0;
    let mustBeRefused = 0;
    for (let at = 0; at < OCCUPIED_BYTES; at += STRIDE) {
      // Zeros that pad a block are all alike, covered by the header's checksum or by none: some of them stand for all.
      const isPadding = at % 512 >= 120;
      if (isPadding && at % 60 !== 0) continue;
      // The header, and header and frame of every commit; not the seal, behind which nothing is lost.
      if (at < 512 || at % 512 < (commitBytes[Math.floor(at / 512) - 1] ?? 0)) mustBeRefused++;
      const outcome = await damaged('closed', flip(at, 1 << (at % 8)));
      if ('texts' in outcome) {
        expect(outcome.texts, `byte ${at}`).toEqual(SMALL_TEXTS);
        continue;
      }
      refused++;
      expectPlace(outcome, `byte ${at}`);
    }
    expect(refused).toBe(mustBeRefused);
  });

  test('in a journal that was killed gives that too, or loses the newest commit and nothing else', async () => {
    await makeSmall();
    const newestAt = OCCUPIED_BYTES - 1024;
    let lost = 0;
    for (let at = 0; at < OCCUPIED_BYTES - 512; at += 7 * STRIDE) {
      const outcome = await damaged('killed', flip(at));
      if ('error' in outcome) expectPlace(outcome, `byte ${at}`);
      else if (outcome.texts.length < SMALL_TEXTS.length) {
        lost++;
        expect(at, 'only the newest commit').toBeGreaterThanOrEqual(newestAt);
        expect(outcome.texts).toEqual(SMALL_TEXTS.slice(0, -1));
      } else expect(outcome.texts, `byte ${at}`).toEqual(SMALL_TEXTS);
    }
    expect(lost).toBeGreaterThan(0);
  });
});

describe('a file that was cut short', () => {
  test('anywhere is refused with its place', async () => {
    await makeSmall();
    for (let length = 0; length < OCCUPIED_BYTES + 512; length += 37 * STRIDE) {
      const outcome = await damaged('closed', (file) => fs.truncateSync(file, length));
      if ('texts' in outcome) expect.fail(`${length} bytes were enough`);
      expectPlace(outcome, `${length} bytes`);
    }
    expect(openDescriptors(here.path) ?? 0).toBe(0);
  });

  test('or is missing, is refused, whichever segment it is', async () => {
    const texts = await makeLarge(here.at('closed'));
    const names = segmentNames(here.at('closed'));
    expect(names.length).toBeGreaterThan(5);
    for (const [index, name] of names.entries()) {
      const target = here.at(`without-${index}`);
      copyAsKilled(here.at('closed'), target);
      fs.rmSync(path.join(target, name));
      const outcome = await openAndRead(target);
      if ('error' in outcome) expectPlace(outcome, name);
      else expect.fail(`${name} was not missed: ${outcome.texts.length} of ${texts.length}`);
    }
  });

  test('or lost its header, is refused even when an empty segment follows it', async () => {
    const journal = await open(here.at('closed'), TINY);
    for (const text of numbered(5, 400)) await journal.commit(bytesOf(text));
    // Past the middle the next segment is being prepared; it has its name before the journal has been closed.
    const next = path.join(here.at('closed'), '000000000002.journal');
    while (!fs.existsSync(next)) await new Promise(setImmediate);
    copyAsKilled(here.at('closed'), here.at('killed'));
    await journal.close();
    expect(segmentNames(here.at('killed'))).toHaveLength(2);
    const outcome = await damaged('killed', flip(20));
    expect(outcome).toMatchObject({ error: { code: 'KEELSON_CORRUPT', facts: { segment: 1 } } });
  });
});

describe('a block', () => {
  test('that is zeroed, swapped or repeated in a closed journal is noticed, or was padding', async () => {
    const texts = await makeLarge(here.at('closed'));
    const [name] = segmentNames(here.at('closed'));
    const blocks = fs.statSync(path.join(here.at('closed'), name!)).size / 512;
    for (let block = 0; block < blocks; block++) {
      const kinds: [string, (bytes: Buffer) => void][] = [
        ['zeroed', (bytes) => bytes.fill(0, block * 512, block * 512 + 512)],
        [
          'repeated',
          (bytes) => bytes.copyWithin(((block + 1) % blocks) * 512, block * 512, block * 512 + 512),
        ],
        [
          'swapped',
          (bytes) => {
            const other = ((block + 2) % blocks) * 512;
            const kept = Buffer.from(bytes.subarray(other, other + 512));
            bytes.copyWithin(other, block * 512, block * 512 + 512);
            kept.copy(bytes, block * 512);
          },
        ],
      ];
      for (const [kind, damage] of kinds) {
        const outcome = await damaged('closed', (file) => {
          const bytes = fs.readFileSync(file);
          damage(bytes);
          fs.writeFileSync(file, bytes);
        });
        if ('error' in outcome) expectPlace(outcome, `${kind} ${block}`);
        else expect(outcome.texts, `${kind} ${block}`).toEqual(texts);
      }
    }
  });

  test('of the wrong segment, and a segment under the wrong name, is noticed', async () => {
    await makeLarge(here.at('closed'));
    const names = segmentNames(here.at('closed'));
    const swapped = here.at('swapped');
    copyAsKilled(here.at('closed'), swapped);
    fs.copyFileSync(path.join(here.at('closed'), names[1]!), path.join(swapped, names[2]!));
    fs.copyFileSync(path.join(here.at('closed'), names[2]!), path.join(swapped, names[1]!));
    expect(await openAndRead(swapped)).toMatchObject({
      error: { code: 'KEELSON_CORRUPT', facts: { offset: 0 } },
    });
    const renamed = here.at('renamed');
    copyAsKilled(here.at('closed'), renamed);
    fs.copyFileSync(path.join(renamed, names[0]!), path.join(renamed, '000000000099.journal'));
    expect(await openAndRead(renamed)).toMatchObject({
      error: { code: 'KEELSON_CORRUPT', facts: { segment: 99 } },
    });
  });
});

describe('a directory that is not ours to open', () => {
  /** Opening throws that, twice, and leaves every name and byte as it was. */
  /** Without the lock, whose number is never given out again. */
  const contentsOf = (directory: string) =>
    Object.fromEntries(Object.entries(listing(directory)).filter(([name]) => !name.startsWith('LOCK.')));

  async function expectUntouched(directory: string, code: Parameters<typeof keelsonError>[0]): Promise<void> {
    const before = contentsOf(directory);
    for (let round = 0; round < 2; round++) {
      expect(await rejectionOf(open(directory))).toEqual(keelsonError(code));
      expect(contentsOf(directory)).toEqual(before);
    }
  }

  test.each([
    ['text', 'a text file'.repeat(1000)],
    ['a few bytes', 'hello'],
    ['zeros', '\0'.repeat(8192)],
  ])('because %s is under the name of a segment is left as it is', async (_, text) => {
    fs.writeFileSync(here.at('000000000001.journal'), text);
    fs.writeFileSync(here.at('000000000002.journal.tmp'), 'somebody else may want it');
    await expectUntouched(here.path, 'KEELSON_FOREIGN');
  });

  test('because the file of another program is among its segments is left as it is', async () => {
    await makeSmall();
    fs.writeFileSync(here.at('killed', '000000000009.journal'), 'x'.repeat(4096));
    await expectUntouched(here.at('killed'), 'KEELSON_FOREIGN');
  });

  test('because it is of a newer format is left as it is', async () => {
    await makeSmall();
    const file = path.join(here.at('closed'), '000000000001.journal');
    const bytes = fs.readFileSync(file);
    bytes[8] = 2;
    const covered = Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16, 512)]);
    bytes.writeUInt32LE(crc32c(covered), 12);
    fs.writeFileSync(file, bytes);
    expect(decodeSegmentHeader(bytes)).toMatchObject({ code: 'KEELSON_FORMAT_VERSION' });
    await expectUntouched(here.at('closed'), 'KEELSON_FORMAT_VERSION');
  });

  test('because a segment of another journal is in it keeps the segments of both', async () => {
    const ours = await open(here.at('ours'), TINY);
    for (const text of numbered(4)) await ours.commit(bytesOf(text));
    await ours.close();
    const theirs = await open(here.at('theirs'), TINY);
    for (const text of numbered(60, 300)) await theirs.commit(bytesOf(text));
    await theirs.truncateBefore(theirs.syncedLsn);
    await theirs.close();
    const stray = segmentNames(here.at('theirs')).at(-1)!;
    fs.copyFileSync(path.join(here.at('theirs'), stray), path.join(here.at('ours'), stray));
    const before = segmentNames(here.at('ours'));
    expect(await rejectionOf(open(here.at('ours')))).toEqual(keelsonError('KEELSON_FOREIGN'));
    expect(segmentNames(here.at('ours'))).toEqual(before);
  });

  test('because it is a file, or below one, is KEELSON_NOT_A_DIRECTORY', async () => {
    fs.writeFileSync(here.at('file'), 'text');
    expect(await rejectionOf(open(here.at('file')))).toEqual(keelsonError('KEELSON_NOT_A_DIRECTORY'));
    expect(await rejectionOf(open(here.at('file', 'below')))).toEqual(
      keelsonError('KEELSON_NOT_A_DIRECTORY'),
    );
    expect(fs.readFileSync(here.at('file'), 'utf8')).toBe('text');
  });

  test('because it is not there is made, several levels deep, or KEELSON_NOT_FOUND when it must be there', async () => {
    const deep = here.at('a', 'b', 'c', 'd');
    expect(await rejectionOf(open(deep, { create: false }))).toEqual(keelsonError('KEELSON_NOT_FOUND'));
    expect(fs.readdirSync(here.path)).toEqual([]);
    const journal = await open(deep);
    await journal.commit(bytesOf('deep'));
    await journal.close();
    expect(await openAndRead(deep)).toEqual({ texts: ['deep'] });
  });

  test('as far as names go that are not ours: they are never touched', async () => {
    const names = ['1.journal', '0000000000001.journal', '000000000001.journal.bak', 'LOCK', 'notes.txt'];
    for (const name of names) fs.writeFileSync(here.at(name), name);
    const journal = await open(here.path);
    await journal.commit(bytesOf('hello'));
    await journal.close();
    for (const name of names) expect(fs.readFileSync(here.at(name), 'utf8')).toBe(name);
  });
});
