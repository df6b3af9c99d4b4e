// Reads of a file that the disk cannot give all of: a page that cannot be read is lost, told, and zeros; nothing else is.

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KeelsonError } from '../../src/errors.js';
import { createFsStorage, type Storage, withTolerantReads } from '../../src/storage/index.js';

const PAGE_BYTES = 4096;
const FILE_BYTES = 5 * PAGE_BYTES + 100;

const content = Uint8Array.from({ length: FILE_BYTES }, (_, at) => 1 + (at % 251));
let directory: string;
let path: string;

beforeAll(() => {
  directory = fs.mkdtempSync(`${tmpdir()}/keelson-tolerant-`);
  path = `${directory}/file`;
  fs.writeFileSync(path, content);
});

afterAll(() => fs.rmSync(directory, { recursive: true }));

/** A storage whose files fail every read of one of these bytes. */
function failingAt(bad: readonly number[], code: 'KEELSON_IO' | 'KEELSON_CLOSED'): Storage {
  const storage = createFsStorage();
  return {
    ...storage,
    openFile: async (...given) => {
      const file = await storage.openFile(...given);
      const read = async (into: Uint8Array, position: number): Promise<number> => {
        if (bad.some((at) => position <= at && at < position + into.length)) {
          throw new KeelsonError(code, 'no');
        }
        return file.read(into, position);
      };
      return { path: file.path, read, size: () => file.size(), close: () => file.close() } as typeof file;
    },
  };
}

interface Outcome {
  readonly bytesRead: number;
  readonly bytes: Uint8Array;
  readonly told: readonly [offset: number, offsetEnd: number][];
}

async function readWith(
  bad: readonly number[],
  position: number,
  length: number,
  code: 'KEELSON_IO' | 'KEELSON_CLOSED' = 'KEELSON_IO',
): Promise<Outcome> {
  const told: [number, number][] = [];
  const storage = withTolerantReads(failingAt(bad, code), (from, offset, offsetEnd, error) => {
    expect([from, error.code]).toEqual([path, 'KEELSON_IO']);
    told.push([offset, offsetEnd]);
  });
  const file = await storage.openFile(path, false);
  try {
    const bytes = new Uint8Array(length).fill(255);
    return { bytesRead: await file.read(bytes, position), bytes, told };
  } finally {
    await file.close();
  }
}

/** What stands in the file, with zeros from `offset` to `offsetEnd`. */
function withZeros(told: Outcome['told'], position: number, length: number): Uint8Array {
  const bytes = content.slice();
  for (const [offset, offsetEnd] of told) bytes.fill(0, offset, offsetEnd);
  return bytes.slice(position, position + length);
}

describe('a read that the disk refuses', () => {
  test.each<[what: string, bad: number[], position: number, length: number, told: [number, number][]]>([
    ['from the start of a page', [5000], 0, 3 * PAGE_BYTES, [[PAGE_BYTES, 2 * PAGE_BYTES]]],
    ['from the middle of a page', [5000], 1000, 3 * PAGE_BYTES, [[PAGE_BYTES, 2 * PAGE_BYTES]]],
    ['in its first page, which it has a part of', [1500], 1000, 2 * PAGE_BYTES, [[1000, PAGE_BYTES]]],
    ['in its last page, which it has a part of', [8500], 1000, 8000, [[2 * PAGE_BYTES, 9000]]],
    ['at the last byte of a page', [PAGE_BYTES - 1], 10, 2 * PAGE_BYTES, [[10, PAGE_BYTES]]],
    ['at the first byte of a page', [PAGE_BYTES], 10, 2 * PAGE_BYTES, [[PAGE_BYTES, 2 * PAGE_BYTES]]],
    [
      'in two pages',
      [100, 9000],
      10,
      4 * PAGE_BYTES,
      [
        [10, PAGE_BYTES],
        [2 * PAGE_BYTES, 3 * PAGE_BYTES],
      ],
    ],
    ['within a page', [1500], 1000, 2000, [[1000, 3000]]],
  ])('%s gives the other pages, and zeros for that one', async (_, bad, position, length, told) => {
    const outcome = await readWith(bad, position, length);
    expect(outcome.told).toEqual(told);
    expect(outcome.bytesRead).toBe(length);
    expect(Buffer.compare(outcome.bytes, withZeros(told, position, length))).toBe(0);
  });

  test('across the end of the file gives what is before the end, and touches nothing behind it', async () => {
    const position = 4 * PAGE_BYTES + 10;
    const { bytesRead, bytes, told } = await readWith([FILE_BYTES - 1], position, 2 * PAGE_BYTES);
    expect(told).toEqual([[5 * PAGE_BYTES, FILE_BYTES]]);
    expect(bytesRead).toBe(FILE_BYTES - position);
    const expected = withZeros(told, position, bytesRead);
    expect(Buffer.compare(bytes.subarray(0, bytesRead), expected)).toBe(0);
    expect(bytes.subarray(bytesRead).every((byte) => byte === 255)).toBe(true);
  });

  test('behind the end of the file gives nothing', async () => {
    const { bytesRead, told } = await readWith([FILE_BYTES + 50], FILE_BYTES + 10, 100);
    expect([bytesRead, told]).toEqual([0, []]);
  });

  test('for another reason than the disk rejects', async () => {
    const closed = { code: 'KEELSON_CLOSED' };
    await expect(readWith([5000], 0, PAGE_BYTES * 2, 'KEELSON_CLOSED')).rejects.toMatchObject(closed);
  });
});

test('a read that the disk gives is told to nobody', async () => {
  const { bytesRead, bytes, told } = await readWith([5000], 0, PAGE_BYTES);
  expect([bytesRead, told]).toEqual([PAGE_BYTES, []]);
  expect(Buffer.compare(bytes, content.subarray(0, PAGE_BYTES))).toBe(0);
});
