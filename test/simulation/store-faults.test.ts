// The store on a disk that fails: the nth call of every kind, for every n, once or from then on. A write that throws has
// changed nothing; a write that was acknowledged is there afterwards; nothing hangs; and it always closes and reopens.

import { describe, expect, it } from 'vitest';
import { type OperationName, SimulatedDisk } from '../../src/testing/index.js';
import { tries } from '../counts.js';
import type { FaultPlan, Script } from './script.js';
import { untilUnknowable } from './script-crashes.js';
import type { ScriptFact } from './script-facts.js';
import { generateScript } from './script-generator.js';
import { ScriptLife } from './script-life.js';
import { faultRule } from './script-opening.js';
import { openTinyStore } from './store-workload.js';

const OPERATIONS: readonly OperationName[] = [
  'createLogFile',
  'openLogFile',
  'createFile',
  'write',
  'zeroFill',
  'flush',
  'flushDirectory',
  'rename',
  'remove',
  'link',
  'openFile',
  'list',
  'read',
  'size',
  'close',
  'submit',
];
/** Engines repeat what was interrupted; of these, one says EINTR when that has not helped. */
const ERRNOS = ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'EINTR'];
/** A write that fails as `kept` stops short: a part of its bytes is there. */
const KINDS = [undefined, 'dropped', 'kept', 'reverted'] as const;
/** Once, or from then on. */
const COUNTS = [1, Number.MAX_SAFE_INTEGER];
const STEPS_MAX = 30;
const STEP = tries(8, 3);

/** False when the script made fewer calls of that kind. */
async function runCase(seed: number, fault: FaultPlan): Promise<boolean> {
  const generated = generateScript(seed, { trouble: 'none' });
  const script: Script = { ...generated, steps: generated.steps.slice(0, STEPS_MAX), fault };
  const rule = faultRule(fault);
  let isMet = false;
  const disk = new SimulatedDisk({
    seed,
    directories: ['/data'],
    faults: (operation) => {
      const made = rule(operation);
      isMet ||= made !== undefined;
      return made;
    },
  });
  const facts: ScriptFact[] = [];
  const life = new ScriptLife(disk, disk.life(), script, [], (fact) => facts.push(fact));
  const isKnown = await untilUnknowable(async () => {
    await life.open(script.life);
    await life.play(script.steps);
    await life.close();
  });
  if (!isKnown) return isMet;

  // What is on the disk, after a power cut that takes everything undurable, and as the next process sees it.
  const choice = { profile: 'strict', grain: 'sector', pattern: 'none', index: 0, seed } as const;
  const cut = disk.capture().powerCut(choice);
  disk.faults = undefined;
  for (const found of [cut, disk]) {
    const next = new ScriptLife(found, found.life(), script, facts, () => {});
    await next.open(script.life);
    await next.play([{ do: 'put', key: 'goes on', value: { number: 0, bytes: 10 }, wait: true }]);
    await next.close();
    found.halt();
  }
  return isMet;
}

describe('a failing disk', () => {
  it.each(OPERATIONS)(
    'loses nothing acknowledged and lets every store close and reopen: %s',
    async (operation) => {
      let seed = 0;
      let nth = 0;
      // Until no script makes so many calls. Eight rounds have every error with every kind and count.
      for (let isMet = true, round = 0; isMet; round++) {
        // Every call at first, where stores are opened and made; then some.
        nth += nth < 12 ? 1 : STEP;
        isMet = false;
        for (const [at, errno] of ERRNOS.entries()) {
          seed++;
          const kind = KINDS[(at + round) % KINDS.length];
          const count = COUNTS[(at + (round >> 2)) % COUNTS.length]!;
          const fault = { operation, errno, nth, count, ...(kind === undefined ? {} : { kind }) };
          try {
            if (await runCase(seed, fault)) isMet = true;
          } catch (error) {
            throw new Error(`seed ${seed}, ${JSON.stringify(fault)}: ${error}`, { cause: error });
          }
        }
      }
      expect(nth).toBeGreaterThan(2);
    },
  );

  it('is poisoned by one failed write and says so to everyone who waits, with one cause', async () => {
    const disk = new SimulatedDisk({ seed: 5, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('safe', 1);
    disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
    const told: unknown[] = [];
    store.on('poisoned', (error) => told.push(error));
    const promises = ['a', 'b', 'c'].map((key) => store.put(key, 1));
    const results = await Promise.allSettled(promises);
    const reasons = results.map((result) => (result.status === 'rejected' ? result.reason : null));
    expect(reasons[0]).toMatchObject({ code: 'KEELSON_POISONED', cause: { code: 'KEELSON_IO' } });
    expect(new Set(reasons).size).toBe(1);
    expect(told).toEqual([reasons[0]]);
    disk.faults = undefined;
    expect(() => store.put('d', 1)).toThrow(reasons[0] as Error);
    expect(store.get('a')).toBe(1);
    expect(store.poisoned).toBe(reasons[0]);
    expect(store.durableLsn).toBeLessThan(store.lastLsn);
    await store.close();
    const again = await openTinyStore(disk.life());
    expect(again.get('safe')).toBe(1);
    await again.close();
  });

  it('without space refuses a write before it is visible, and goes on when there is space again', async () => {
    const disk = new SimulatedDisk({ seed: 6, directories: ['/data'] });
    const store = await openTinyStore(disk.life());
    await store.put('first', 1);
    disk.faults = ({ name }) => (name === 'zeroFill' ? { errno: 'ENOSPC' } : undefined);
    const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
    const large = 'x'.repeat(20_000);
    const { lastLsn } = store;
    expect(() => store.put('large', large)).toThrow(noSpace);
    expect(() => store.batch([{ type: 'put', key: 'large', value: large }])).toThrow(noSpace);
    expect([store.has('large'), store.lastLsn, store.poisoned]).toEqual([false, lastLsn, null]);
    disk.faults = undefined;
    await store.put('large', large);
    await store.close();
    const again = await openTinyStore(disk.life());
    expect(again.get('large')).toBe(large);
    await again.close();
  });
});
