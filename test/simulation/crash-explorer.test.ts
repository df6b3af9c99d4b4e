// The explorer finds what is broken and passes what is right: both are shown on toy logs.

import { describe, expect, test } from 'vitest';
import type { Storage, StorageFile } from '../../src/storage/index.js';
import { type CrashExploration, CrashFailure, exploreCrashes } from '../../src/testing/index.js';

const PATH = '/d/log';
const TEMP = '/d/log.temp';
const RECORD_BYTES = 16;
const RECORDS = [1, 2, 3, 4, 5];

type Fact = { readonly submitted: number } | { readonly acknowledged: number };

/** The faults that are planted, one at a time. */
interface Flaws {
  readonly acknowledgesBeforeFlush?: boolean;
  readonly renamesBeforeFlush?: boolean;
  readonly forgetsDirectoryFlush?: boolean;
  readonly recoversInPlace?: boolean;
}

/** One record: its number, and a check of it, so that a torn or foreign one is told from a real one. */
function encodeRecord(value: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value);
  view.setUint32(4, Math.imul(value, 0x9e3779b1));
  view.setUint32(12, ~value);
  return bytes;
}

async function readRecords(file: StorageFile): Promise<number[]> {
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  const values: number[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const value = new DataView(bytes.buffer, at).getUint32(0);
    const isWhole = Buffer.compare(bytes.subarray(at, at + RECORD_BYTES), encodeRecord(value)) === 0;
    if (!isWhole || value !== values.length + 1) break;
    values.push(value);
  }
  return values;
}

/** A log that is written anew, whole, under another name, and renamed: slow, and correct but for its flaws. */
async function replaceLog(storage: Storage, values: readonly number[], flaws: Flaws): Promise<void> {
  if ((await storage.kind(TEMP)) === 'file') await storage.remove(TEMP);
  const file = await storage.createFile(TEMP);
  for (const [at, value] of values.entries()) await file.write(encodeRecord(value), at * RECORD_BYTES);
  if (!flaws.renamesBeforeFlush && !flaws.acknowledgesBeforeFlush) await file.flush();
  await storage.rename(TEMP, PATH);
  if (flaws.renamesBeforeFlush) await file.flush();
  await file.close();
  if (!flaws.forgetsDirectoryFlush) await storage.flushDirectory('/d');
}

async function recoverLog(storage: Storage, flaws: Flaws): Promise<number[]> {
  if ((await storage.kind(PATH)) !== 'file') return [];
  const file = await storage.openFile(PATH, true);
  const values = await readRecords(file);
  // The flaw: what is the only copy of acknowledged records is overwritten before the new copy is safe.
  if (flaws.recoversInPlace) {
    await file.write(new Uint8Array(values.length * RECORD_BYTES), 0);
    for (const [at, value] of values.entries()) await file.write(encodeRecord(value), at * RECORD_BYTES);
    await file.flush();
  }
  await file.close();
  if (!flaws.recoversInPlace) await replaceLog(storage, values, {});
  return values;
}

function exploration(flaws: Flaws): CrashExploration<Fact, number[]> {
  return {
    seed: 5,
    disk: { directories: ['/d'] },
    statesMax: 600,
    workload: async (storage, record) => {
      for (const value of RECORDS) {
        record({ submitted: value });
        await replaceLog(storage, RECORDS.slice(0, value), flaws);
        record({ acknowledged: value });
      }
    },
    recover: (storage) => recoverLog(storage, flaws),
    verify: (found, facts) => {
      const highest = (kind: 'submitted' | 'acknowledged'): number =>
        facts.reduce((most, fact) => Math.max(most, kind in fact ? Object.values(fact)[0] : 0), 0);
      expect(found.length).toBeGreaterThanOrEqual(highest('acknowledged'));
      expect(found.length).toBeLessThanOrEqual(highest('submitted'));
    },
  };
}

async function failureOf(options: CrashExploration<Fact, number[]>): Promise<CrashFailure> {
  const failure = await exploreCrashes(options).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(failure instanceof CrashFailure)) throw new Error('expected a CrashFailure', { cause: failure });
  return failure;
}

describe('the explorer', () => {
  test('passes a log that flushes, renames, and flushes the directory', async () => {
    const counts = await exploreCrashes(exploration({}));
    expect(counts.states).toBeGreaterThan(300);
    expect(counts.states).toBeLessThanOrEqual(600);
    expect(counts.nestedStates).toBeGreaterThan(100);
    expect(counts.powerCuts).toBeGreaterThan(100);
    expect(counts.processKills).toBeGreaterThan(100);
    expect(counts.boundaries).toBeGreaterThan(counts.boundariesCrashed);
  });

  test.each<Flaws>([
    { acknowledgesBeforeFlush: true },
    { renamesBeforeFlush: true },
    { forgetsDirectoryFlush: true },
    { recoversInPlace: true },
  ])('finds the planted fault %o, and replays it alone', async (flaws) => {
    const failure = await failureOf(exploration(flaws));
    expect(failure.message).toContain(`seed: ${failure.seed}, replay: ${JSON.stringify(failure.replay)}`);
    const again = await failureOf({ ...exploration(flaws), replay: failure.replay });
    expect(again.replay).toEqual(failure.replay);
    expect(again.message).toBe(failure.message);
    // The same crash of the log without the fault is passed: it is the fault that was found.
    const right = { ...exploration({}), replay: failure.replay };
    await expect(
      exploreCrashes(right).then(
        () => 'passed',
        (error) => error,
      ),
    ).resolves.not.toBeInstanceOf(CrashFailure);
  });

  test('a fault of recovery alone is found by a crash inside recovery', async () => {
    const failure = await failureOf(exploration({ recoversInPlace: true }));
    expect(failure.replay).toHaveLength(2);
    const withoutNesting = await exploreCrashes({
      ...exploration({ recoversInPlace: true }),
      nestedDepth: 0,
    });
    expect(withoutNesting.nestedStates).toBe(0);
  });

  test('a promise kept over a process kill is not a promise kept over a power cut', async () => {
    const unflushed = exploration({ acknowledgesBeforeFlush: true });
    const kills = await exploreCrashes({ ...unflushed, kinds: ['process-kill'] });
    expect(kills.powerCuts).toBe(0);
    await expect(exploreCrashes({ ...unflushed, kinds: ['power-cut'] })).rejects.toThrow(CrashFailure);
  });

  test('facts are those recorded before the crash, in order, and no others', async () => {
    const seen = new Set<string>();
    await exploreCrashes<number>({
      seed: 1,
      disk: { directories: ['/d'] },
      workload: async (storage, record) => {
        for (const value of [1, 2, 3]) {
          await (await storage.createFile(`/d/${value}`)).close();
          await storage.flushDirectory('/d');
          record(value);
        }
      },
      check: async (storage, facts) => {
        seen.add(facts.join(' '));
        const names = await storage.list('/d');
        for (const value of facts) expect(names).toContain(String(value));
        expect(names.length).toBeLessThanOrEqual(facts.length + 1);
      },
    });
    expect([...seen].sort()).toEqual(['', '1', '1 2', '1 2 3']);
  });

  test('facts recorded by a recovery hold for crashes that come after them', async () => {
    const seen = new Set<string>();
    const put = async (storage: Storage, name: string): Promise<void> => {
      if ((await storage.kind(`/d/${name}`)) === 'absent')
        await (await storage.createFile(`/d/${name}`)).close();
      await storage.flushDirectory('/d');
    };
    await exploreCrashes<string, Storage>({
      seed: 2,
      statesMax: 400,
      nestedDepth: 2,
      disk: { directories: ['/d'] },
      workload: async (storage, record) => {
        await put(storage, 'first');
        record('first');
      },
      recover: async (storage, record, { crashes }) => {
        const name = `after-${crashes.length}`;
        await put(storage, name);
        record(name);
        return storage;
      },
      verify: async (storage, facts) => {
        seen.add(facts.join(' '));
        expect(await storage.list('/d')).toEqual(expect.arrayContaining([...facts]));
      },
    });
    expect(seen).toContain('first after-1 after-2 after-3');
  });

  test('one seed explores the same crashes, another one others', async () => {
    const explored = async (seed: number): Promise<string[]> => {
      const crashes: string[] = [];
      const watched = exploration({});
      await exploreCrashes({
        ...watched,
        seed,
        statesMax: 100,
        verify: (_found, _facts, context) => {
          crashes.push(JSON.stringify(context.crashes));
        },
      });
      return crashes;
    };
    const first = await explored(1);
    expect(await explored(1)).toEqual(first);
    expect(await explored(2)).not.toEqual(first);
  });

  test('a replay of what the workload never reaches is refused', async () => {
    const replay = [{ boundary: 1_000_000, kind: 'process-kill', seed: 1 }] as const;
    await expect(exploreCrashes({ ...exploration({}), replay })).rejects.toThrow(RangeError);
  });
});
