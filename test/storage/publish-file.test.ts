// Publishing a file: whole under its name, or nothing under any name, in both ways of waiting.

import { describe, expect, test } from 'vitest';
import { publishFile, runSteps, runStepsSync, type Steps, step } from '../../src/storage/index.js';
import { type FaultRule, SimulatedDisk } from '../../src/testing/index.js';

const PATH = '/data/file';
const TEMPORARY = '/data/file.tmp';
const WAYS = [
  ['in the background', runSteps],
  ['blocking', async <T>(steps: Steps<T>): Promise<T> => runStepsSync(steps)],
] as const;

function newStorage(faults?: FaultRule) {
  return new SimulatedDisk({ seed: 1, directories: ['/data'], ...(faults && { faults }) }).life();
}

type OwnStorage = ReturnType<typeof newStorage>;

/** Writes `text` under the temporary name. */
function* contentsOf(storage: OwnStorage, text: string): Steps<number> {
  const file = yield* step(
    () => storage.createLogFile(TEMPORARY),
    () => storage.createLogFileSync(TEMPORARY),
  );
  const bytes = new TextEncoder().encode(text);
  yield* step(
    () => file.write(bytes, 0),
    () => file.writeSync(bytes, 0),
  );
  yield* step(
    () => file.flush(),
    () => file.flushSync(),
  );
  return bytes.length;
}

async function textAt(storage: OwnStorage, path: string): Promise<string> {
  const file = await storage.openFile(path, false);
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return new TextDecoder().decode(bytes);
}

describe.each(WAYS)('a file that is published %s', (_, run) => {
  function publish(storage: OwnStorage, text: string, replaces: boolean): Promise<number> {
    const contents = contentsOf(storage, text);
    return run(publishFile(storage, { temporary: TEMPORARY, path: PATH, replaces, contents }));
  }

  test.each([true, false])('has its name and no other (replaces: %s)', async (replaces) => {
    const storage = newStorage();
    expect(await publish(storage, 'first', replaces)).toBe(5);
    expect(await storage.list('/data')).toEqual(['file']);
    expect(await textAt(storage, PATH)).toBe('first');
  });

  test('replaces the one that has its name when it may', async () => {
    const storage = newStorage();
    await publish(storage, 'first', true);
    await publish(storage, 'second', true);
    expect(await textAt(storage, PATH)).toBe('second');
  });

  test('leaves the one that has its name alone when it may not replace it', async () => {
    const storage = newStorage();
    await publish(storage, 'first', false);
    await expect(publish(storage, 'second', false)).rejects.toMatchObject({ code: 'KEELSON_EXISTS' });
    expect(await storage.list('/data')).toEqual(['file']);
    expect(await textAt(storage, PATH)).toBe('first');
  });

  test.each(['write', 'flush', 'link'])('leaves no name when %s fails', async (failing) => {
    const storage = newStorage(({ name }) => (name === failing ? { errno: 'EIO' } : undefined));
    await expect(publish(storage, 'first', false)).rejects.toMatchObject({ code: 'KEELSON_IO' });
    expect(await storage.list('/data')).toEqual([]);
  });

  test('leaves no name when its temporary one cannot be removed the first time', async () => {
    const storage = newStorage(({ name, nth }) =>
      name === 'remove' && nth === 1 ? { errno: 'EIO' } : undefined,
    );
    await expect(publish(storage, 'first', false)).rejects.toMatchObject({ code: 'KEELSON_IO' });
    expect(await storage.list('/data')).toEqual([]);
  });
});
