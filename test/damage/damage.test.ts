// Damage to stores of several tiny segments and images, one place at a time: the exact state, or a typed error that names
// the place. Never another state.
//
// Every run takes new samples, and prints their seed; KEELSON_SEED takes those of a seed again. `npm run damage` takes
// every case there is.

import { describe, expect, it } from 'vitest';
import { verifyOn } from '../../src/kv/repair/verify.js';
import { Random } from '../../src/testing/random.js';
import { blocksOf, loosened } from '../kv/image-tools.js';
import { outcomeOf } from './outcome.js';
import { makeTargets, numbersFrom, sampledNumbers, sweep, Tally } from './sweep.js';
import { DIRECTORY } from './worlds.js';

const SEED = Number(process.env['KEELSON_SEED'] ?? Date.now() % 1_000_000);
const SAMPLES = 2_500;
const THOROUGH_EVERY = 20;

const targets = await makeTargets();
const worlds = targets.map(({ world }) => world);
const samplesPerWorld = Math.ceil(SAMPLES / targets.length);

describe('the worlds of the damage tests', () => {
  it('have segments, images, a lineage, recycled segments, killed owners and several spaces', () => {
    const names = worlds.flatMap(({ files }) => [...files.keys()]);
    expect(names.filter((name) => name.endsWith('.image')).length).toBeGreaterThanOrEqual(4);
    for (const { files, name } of worlds.slice(0, 4)) {
      const segments = [...files.keys()].filter((file) => file.endsWith('.journal'));
      expect(segments.length, name).toBeGreaterThanOrEqual(3);
    }
    // Byte 52 of a segment has its flags.
    const flags = new Set(worlds.flatMap(({ files }) => [...files].map(([, bytes]) => bytes[52])));
    expect(flags).toContain(1);
    expect(flags).toContain(2);
    expect(worlds.filter(({ beforeNewestCommit }) => beforeNewestCommit !== null)).toHaveLength(3);
    const images = [...worlds.at(-1)!.files].filter(([name]) => name.endsWith('.image'));
    // The first block of an image says how many spaces there are.
    expect(images.map(([, bytes]) => loosened(blocksOf(bytes)[0]!).entries)).toEqual([5, 5]);
  });

  it('are sound for verify()', async () => {
    for (const { name, disk } of worlds) {
      const report = await verifyOn(disk.processKill(1).life(), DIRECTORY);
      expect(report, name).toMatchObject({ ok: true, damages: [] });
    }
  });

  it('are exact without damage, and a state that is another one is seen', async () => {
    for (const world of worlds) {
      const nothing = { number: 0, kind: 'none', what: 'nothing', changes: new Map() };
      expect(await outcomeOf(world, nothing, true)).toBe('exact');
      const { lsn, state } = world.now;
      const [space, entries] = state.at(-1)!;
      const [key, value, version] = entries.at(-1)!;
      const withEntries = (other: typeof entries) => [...state.slice(0, -1), [space, other] as const];
      for (const other of [
        { lsn, state: withEntries(entries.slice(1)) },
        { lsn: lsn + 1, state },
        { lsn, state: withEntries([...entries.slice(0, -1), [key, value, version + 1]]) },
        { lsn, state: withEntries([...entries.slice(0, -1), [key, 'another', version]]) },
        { lsn, state: [...state, ['another', []] as const] },
      ]) {
        await expect(outcomeOf({ ...world, now: other }, nothing)).rejects.toThrow('silent loss');
      }
    }
  });
});

describe.each(targets.map((target) => ({ name: target.world.name, target })))(
  'damage to $name',
  ({ target }) => {
    it('by whole files, and by blocks swapped at the end of the log, gives everything, or an error with its place', async () => {
      const everyOther = numbersFrom(SEED % 2, target.cases.structuralCount, 2);
      const tally = await sweep(target, everyOther, THOROUGH_EVERY);
      console.log(`${tally}`);
      expect(tally.failures).toEqual([]);
      expect(tally.count('exact')).toBeGreaterThan(0);
    });

    it('by bits, blocks and lengths, sampled, gives that too', async () => {
      const tally = await sweep(
        target,
        sampledNumbers(target, samplesPerWorld, new Random(SEED + target.index)),
        THOROUGH_EVERY,
      );
      console.log(`KEELSON_SEED=${SEED}: ${tally}`);
      expect(tally.failures).toEqual([]);
      expect(tally.total).toBe(samplesPerWorld);
      expect(tally.count('refused KEELSON_CORRUPT')).toBeGreaterThan(tally.total / 20);
      expect(tally.count('exact')).toBeGreaterThan(0);
    });
  },
);

describe('a tally of damage', () => {
  it('keeps failures apart from outcomes, and adds up with another one', () => {
    const [one, other] = [new Tally(), new Tally()];
    one.add('flipped bit', 'exact');
    other.add('flipped bit', 'exact');
    other.fail('lost');
    one.merge(other);
    expect(one).toMatchObject({ total: 3, failed: 1, failures: ['lost'] });
    expect(`${one}`).toContain('flipped bit: 2 exact');
  });
});
