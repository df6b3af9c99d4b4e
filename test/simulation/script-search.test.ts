// What a failing script becomes: short, plain data, and one command that shows the same failure again.

import { describe, expect, it } from 'vitest';
import type { Storage } from '../../src/storage/index.js';
import type { CrashFailure } from '../../src/testing/index.js';
import { tries } from '../counts.js';
import type { Script } from './script.js';
import { timesMet } from './script-encounters.js';
import { generateScript } from './script-generator.js';
import { playReplay, ScriptFailure, type ScriptReplay, searchScript } from './script-search.js';

/** A disk whose directories are never flushed: what is acknowledged goes with the first power cut. */
function forgetful(storage: Storage): Storage {
  return new Proxy(storage, {
    get: (target, name) => {
      if (name === 'flushDirectory') return async () => {};
      if (name === 'flushDirectorySync') return () => {};
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function failureOf(script: Script): Promise<ScriptFailure> {
  const found = await searchScript(script, { statesMax: 60, through: forgetful }).catch((error) => error);
  if (!(found instanceof ScriptFailure)) throw new Error('expected a ScriptFailure', { cause: found });
  return found;
}

describe('a failing script', () => {
  it('is shortened to what it takes, and says which command plays it again', async () => {
    const script = generateScript(6, { trouble: 'none' });
    expect(script.steps.length).toBeGreaterThan(10);
    const failure = await failureOf(script);
    const { steps } = failure.replay.script;
    expect(steps.length).toBeLessThan(4);
    expect(failure.message).toMatch(/^After a crash at .*invariant [1-4] /);
    expect(failure.message).toContain(
      `From seed 6, shortened from ${script.steps.length + script.after.length} steps`,
    );
    const printed = /--replay '(.*)'$/.exec(failure.message)![1]!;
    expect(JSON.parse(printed)).toEqual(failure.replay);
  });

  it('fails alike when its replay is read back, and passes on a disk that keeps the rules', async () => {
    const failure = await failureOf(generateScript(8, { trouble: 'none' }));
    const replay = JSON.parse(JSON.stringify(failure.replay)) as ScriptReplay;
    const again: CrashFailure = await playReplay(replay, { through: forgetful }).catch((error) => error);
    expect(again.message).toBe((failure.cause as CrashFailure).message);
    await expect(playReplay(replay)).resolves.toMatchObject({ states: replay.crashes.length });
  });

  it('and its seed give the same script every time', () => {
    const [one, again, other] = [5, 5, 6].map((seed) => JSON.stringify(generateScript(seed)));
    expect(one).toBe(again);
    expect(one).not.toBe(other);
  });
});

describe('scripts from seeds', () => {
  it('meet everything that they are there for', { timeout: 120_000 }, async () => {
    const wanted = [
      'a condition that does not hold',
      'a drop',
      'a removal of what has expired',
      'an entry that expires',
      'a nested part that is undone',
      'a part at the commit',
      'a synchronous transaction that throws',
      'a transaction that a unique index refuses',
      'a transaction that is tried again and committed',
      'a transaction that is out of attempts',
      'a transaction beside a drop',
      'a value that another entry has in a unique index',
      'an asynchronous transaction that is refused',
      'several namespaces after an opening',
    ];
    const before = wanted.map(timesMet);
    for (let seed = 1; seed <= 80; seed += 1)
      await searchScript(generateScript(seed, { trouble: 'none' }), { statesMax: 1 });
    expect(wanted.filter((what, at) => timesMet(what) - before[at]! < 3)).toEqual([]);
  });
});

const DAMAGE_SEEDS = tries(100, 300);

describe('scripts on a disk that lies', () => {
  it(`give the exact state of a closed store, or an error with a place (${DAMAGE_SEEDS} seeds)`, {
    timeout: 120_000,
  }, async () => {
    for (let seed = 1; seed <= DAMAGE_SEEDS; seed += 1) {
      await searchScript(generateScript(seed, { trouble: 'silent' }), { statesMax: 1 });
    }
  });
});
