// What the messages of the errors that newcomers meet first tell to do.

import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeelsonError, NEXT_STEPS } from '../src/errors.js';
import { openJournal } from '../src/journal/index.js';
import { open, type Store, salvage, verify } from '../src/kv/index.js';
import { RECORD_FORMAT_VERSION, RECORD_KIND_BIRTH } from '../src/kv/write/record-format.js';
import { SYSTEM_ERRORS, storageError } from '../src/storage/storage-errors.js';
import { inMemory } from '../src/testing/in-memory.js';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'keelson-messages-'));
  directory = join(parent, 'store');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

/** A store with one write in it, closed. */
async function makeStore(path: string, options: object = {}): Promise<Store<string, unknown>> {
  const db: Store<string, unknown> = await open(path, options);
  await db.batch([{ type: 'clear' }]);
  await db.close();
  return db;
}

async function messageOf(run: () => Promise<unknown>): Promise<string> {
  const error = await run().then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(Error);
  return (error as Error).message;
}

describe('the message', () => {
  test('of a store that is not there tells the option that would make it', async () => {
    const message = await messageOf(() => open(directory, { create: false }));
    expect(message).toBe(
      `${directory} does not exist. Check the path, or leave create out to have the store made`,
    );
  });

  test('of a reader that comes before anybody has written says who makes the store', async () => {
    await mkdir(directory);
    const message = await messageOf(() => open(directory, { readOnly: true }));
    expect(message).toMatch(/^There is no store in .*store\. .*have the program that writes open it first/);
  });

  test('of a store that is there already tells the option to leave out', async () => {
    await makeStore(directory);
    const message = await messageOf(() => open(directory, { errorIfExists: true }));
    expect(message).toBe(
      `A store exists in ${directory} already. Choose another directory, or leave errorIfExists out to open this one`,
    );
  });

  test('of other encodings tells the ones to pass', async () => {
    const own = { name: 'point', encode: () => new Uint8Array(), decode: () => 0 };
    await makeStore(directory, { keyEncoding: 'bytes', valueEncoding: 'json' });
    expect(await messageOf(() => open(directory))).toMatch(
      /\. Open it with keyEncoding: 'bytes' and valueEncoding: 'json'$/,
    );
    await makeStore(`${directory}2`, { valueEncoding: own });
    expect(await messageOf(() => open(`${directory}2`))).toMatch(
      /\. Open it with keyEncoding: 'utf8' and valueEncoding: the encoding of your own that is named 'point'$/,
    );
  });

  test('of a store that is closed or read-only names its directory', async () => {
    const db = await makeStore(directory);
    expect(() => db.get('a')).toThrow(`The store in ${directory} is closed. ${NEXT_STEPS.KEELSON_CLOSED}`);
    const reader = await open(directory, { readOnly: true });
    expect(() => reader.put('a', 1)).toThrow(
      `The store in ${directory} was opened with readOnly: true. ${NEXT_STEPS.KEELSON_READ_ONLY}`,
    );
    await reader.close();
  });

  test('of a store that was poisoned while nothing was under way says that everything is durable', async () => {
    const db: Store<string, unknown> = await open(directory);
    const lsn = await db.put('a', 1);
    const [lock] = (await readdir(directory)).filter((name) => name.startsWith('LOCK'));
    await rm(join(directory, lock!));
    await db.checkpoint().catch(() => {});
    expect(() => db.put('b', 2)).toThrow(
      `Nothing more can be written. Everything that was accepted is durable (up to LSN ${lsn}): `,
    );
    await db.close();
  });

  test('of a store that is open tells verify() and salvage() no options that they lack', async () => {
    const db = await open(directory);
    for (const look of [() => verify(directory), () => salvage(directory, `${directory}2`)]) {
      expect(await messageOf(look)).toMatch(
        /has it open already .*\. Close it first, or make a db\.backup\(\) in the program that has it open and use that$/,
      );
    }
    await db.close();
  });

  test('of keys that only a newer version knows is the same from open() and verify()', async () => {
    const journal = await openJournal(directory);
    const names = ['new', 'msgpack'].flatMap((name) => [name.length, ...Buffer.from(name)]);
    journal.append(Uint8Array.of(RECORD_KIND_BIRTH, RECORD_FORMAT_VERSION, ...names));
    await journal.close();
    for (const look of [() => open(directory), () => verify(directory)]) {
      await expect(look()).rejects.toMatchObject({
        code: 'KEELSON_FORMAT_VERSION',
        message: expect.stringContaining(`${directory} has new keys, which this Keelson does not know`),
        facts: { path: directory },
      });
    }
  });

  test('of a snapshot that is closed names the directory', async () => {
    const db = await open(directory);
    const [closed, outlived] = [db.snapshot(), db.snapshot()];
    closed.close();
    await db.close();
    expect(() => closed.get('a')).toThrow(`The snapshot of the store in ${directory} is closed`);
    expect(() => outlived.get('a')).toThrow(
      `The store in ${directory}, of which this is a snapshot, is closed`,
    );
  });

  test('of a directory without a store tells verify() to check the path', async () => {
    expect(await messageOf(() => verify(directory))).toBe(
      `There is no store in ${directory}. Check the path`,
    );
  });

  test.skipIf(!isRoot)('of a directory that may not be written names it, the user, and no file', async () => {
    await mkdir(directory);
    await chmod(parent, 0o755);
    process.seteuid!(NOBODY);
    try {
      await expect(open(directory)).rejects.toMatchObject({
        code: 'KEELSON_ACCESS',
        message: expect.stringMatching(
          /store may not be written to by user 65534: \w+ failed with EACCES\. Give the user/,
        ),
        facts: { path: directory, errno: 'EACCES' },
      });
    } finally {
      process.seteuid!(0);
    }
  });

  test.each(Object.entries(SYSTEM_ERRORS))(
    'of %s says what it means and what to do',
    (errno, { code, meaning, next }) => {
      const error = storageError(Object.assign(new Error(errno), { code: errno }), 'open', '/x/y');
      expect(error).toBeInstanceOf(KeelsonError);
      expect(error.message).toBe(`open failed with ${errno} (${meaning}): /x/y. ${next}`);
      expect(error).toMatchObject({ code, facts: { path: '/x/y', errno, syscall: 'open' } });
    },
  );

  test('of an unknown error of the system tells where its meaning is found', () => {
    const error = storageError(Object.assign(new Error('x'), { code: 'EODD' }), 'open', '/x/y');
    expect(error.message).toBe(
      'open failed with EODD: /x/y. The documentation of the system tells what this error means. Mend its cause, and try again',
    );
  });

  describe.each([
    [
      'a field of a batch',
      (db: Store<string, number>) => db.batch([{ type: 'delete', namespace: db, key: 'k' } as never]),
    ],
    ['a transaction', (db: Store<string, number>) => db.transaction((tx) => tx.in(db as never))],
    ['a snapshot', (db: Store<string, number>) => db.snapshot().in(db as never)],
  ])('of a store in the place of a namespace, in %s,', (_, use) => {
    test('tells how to reach the store itself', async () => {
      await using db = await inMemory().open<number>('/s');
      expect(() => use(db)).toThrow(
        /namespace: expected a namespace, .*, got a Store\. For the entries of the store itself, leave the namespace out/,
      );
    });
  });

  test('of a condition in a put of a batch tells the operation that checks', async () => {
    await using db = await inMemory().open<number>('/s');
    const operation = { type: 'put', key: 'k', value: 1, ifVersion: 0 } as const;
    expect(() => db.batch([operation])).toThrow(
      /^operations\[0\]: unknown field 'ifVersion' of a put; .*, \{ type: 'check', key, version \}$/,
    );
    expect(db.size).toBe(0);
  });
});
