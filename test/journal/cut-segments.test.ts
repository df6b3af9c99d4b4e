// The file of a life that ended well is cut behind its seal. Any other file that is shorter than it was made is damaged, as
// it always was.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FaultyStorage } from './faulty-storage.js';
import { bytesOf, open, TINY, textsOf, useDirectory } from './helpers.js';

const BLOCK_BYTES = 512;
const NAME = '000000000001.journal';

describe('a segment that closing has cut', () => {
  const here = useDirectory();
  const sizeOf = () => fs.statSync(here.at(NAME)).size;

  async function closedWith(...records: string[]): Promise<void> {
    const journal = await open(here.path, TINY);
    for (const record of records) await journal.commit(bytesOf(record));
    expect(sizeOf()).toBe(4096);
    await journal.close();
  }

  test('has its header, its commits and its seal', async () => {
    await closedWith('a', 'b');
    expect(sizeOf()).toBe(4 * BLOCK_BYTES);
    const journal = await open(here.path, TINY);
    expect(journal.recovery).toMatchObject({ kind: 'clean', tornBytes: 0 });
    expect(await textsOf(journal)).toEqual(['a', 'b']);
    await journal.close();
  });

  test.each([1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES])(
    'and is %i bytes shorter than that is damaged',
    async (bytes) => {
      await closedWith('a', 'b');
      fs.truncateSync(here.at(NAME), sizeOf() - bytes);
      await expect(open(here.path, TINY)).rejects.toMatchObject({
        code: 'KEELSON_CORRUPT',
        facts: { segment: 1 },
      });
    },
  );

  test.each([
    [
      'a flipped bit',
      (bytes: Buffer) =>
        bytes.writeUInt8(bytes[bytes.length - BLOCK_BYTES + 20]! ^ 1, bytes.length - BLOCK_BYTES + 20),
    ],
    ['zeros', (bytes: Buffer) => bytes.fill(0, bytes.length - BLOCK_BYTES)],
  ])('and whose seal was damaged opens with everything in it: %s', async (_, damage) => {
    await closedWith('a', 'b');
    const bytes = fs.readFileSync(here.at(NAME));
    damage(bytes);
    fs.writeFileSync(here.at(NAME), bytes);
    const journal = await open(here.path, TINY);
    expect([journal.recovery.kind, await textsOf(journal)]).toEqual(['repaired', ['a', 'b']]);
    // A cut that ends in a damaged block looks the same, and may have taken records along.
    expect(journal.recovery.tornWhy).toMatch(
      /last block of segment 1, which a close has cut, is not its seal/,
    );
    await journal.close();
  });

  // Here a record may be lost: the block begins a commit that goes on behind the end of the file.
  test('and ends in the middle of a commit is damaged', async () => {
    await closedWith('a', 'x'.repeat(800));
    fs.truncateSync(here.at(NAME), 3 * BLOCK_BYTES);
    await expect(open(here.path, TINY)).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      facts: { segment: 1 },
    });
  });

  test('is refused for a damage in its middle, with the place of that', async () => {
    await closedWith('a', 'b', 'c');
    const bytes = fs.readFileSync(here.at(NAME));
    bytes[2 * BLOCK_BYTES + 50]! ^= 1;
    fs.writeFileSync(here.at(NAME), bytes);
    await expect(open(here.path, TINY)).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      facts: { segment: 1, offset: 2 * BLOCK_BYTES },
    });
  });

  test('is not cut when its life did not end well', async () => {
    const storage = new FaultyStorage();
    const journal = await open(here.path, TINY, storage.storage);
    await journal.commit(bytesOf('a'));
    storage.fault = ({ operation }) => (operation === 'submit' ? new Error('EIO') : null);
    journal.commit(bytesOf('b')).catch(() => {});
    await journal.close();
    expect([sizeOf(), storage.calls.some(({ operation }) => operation === 'truncate')]).toEqual([
      4096,
      false,
    ]);
  });

  test('may stay as long as it was: a cut that fails harms nothing', async () => {
    const storage = new FaultyStorage();
    const journal = await open(here.path, TINY, storage.storage);
    await journal.commit(bytesOf('a'));
    storage.fault = ({ operation }) => (operation === 'truncate' ? new Error('EIO') : null);
    await journal.close();
    expect(sizeOf()).toBe(4096);
    const again = await open(here.path, TINY);
    expect(again.recovery.kind).toBe('clean');
    await again.close();
  });
});
