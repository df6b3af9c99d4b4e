// What recovery copies into a segment of its own, for nothing proves that it is durable where it is.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createFsStorage, type Storage } from '../../src/storage/index.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import { bytesOf, copyAsKilled, open, segmentNames, TINY, textsOf, useDirectory } from './helpers.js';

describe('recovery of a journal that was killed', () => {
  const directory = useDirectory();

  /** Two commits, the second of which nothing proves; as a killed process leaves them. */
  async function killed(): Promise<string> {
    const path = directory.at('killed');
    const journal = await open(directory.at('journal'), TINY);
    await journal.commit(bytesOf('the first record'));
    await journal.commit(bytesOf('the second record'));
    copyAsKilled(directory.at('journal'), path);
    await journal.close();
    return path;
  }

  // To flush the old file instead would be to believe pages that a failed flush has left looking clean.
  test('copies what nothing proves into a file of its own', async () => {
    const path = await killed();
    await (await open(path, TINY)).close();
    const names = segmentNames(path);
    expect(names).toHaveLength(2);
    expect(fs.readFileSync(`${path}/${names[1]}`).includes('the second record')).toBe(true);
  });

  // Else new checksums would vouch for what the disk made up between two reads.
  test('copies nothing that reads differently from when it was verified', async () => {
    const path = await killed();
    const storage = createFsStorage();
    const openFile: Storage['openFile'] = async (name, writable) => {
      const file = await storage.openFile(name, writable);
      const read = file.read.bind(file);
      file.read = async (into, position) => {
        const bytesRead = await read(into, position);
        // The second commit, which only the copying reads from its start.
        if (position === 2 * TINY.blockBytes!) into[bytesRead - 1]! ^= 1;
        return bytesRead;
      };
      return file;
    };
    await expect(open(path, TINY, alsoHeld({ ...storage, openFile }))).rejects.toMatchObject({
      code: 'KEELSON_CORRUPT',
      message: expect.stringContaining('reads differently'),
    });
    const journal = await open(path, TINY);
    expect(await textsOf(journal)).toEqual(['the first record', 'the second record']);
    await journal.close();
  });
});
