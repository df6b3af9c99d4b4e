import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, from the longest: one of them that begins last would leave the other cores without work. */
const FIRST = [
  'test/simulation/store-crashes.test.ts',
  'test/simulation/store-faults.test.ts',
  'test/native/leaks.test.ts',
  'test/damage/damage.test.ts',
  'test/kv/entries.test.ts',
  'test/processes/kill.test.ts',
  'test/journal/recycling.test.ts',
  'test/native/teardown.test.ts',
  'test/processes/lock.test.ts',
  'test/kv/salvage.test.ts',
  'test/kv/endurance.test.ts',
  'test/package/package.test.ts',
  'test/kv/stops.test.ts',
  'test/native/core.test.ts',
  'test/simulation/backup.test.ts',
  'test/models/models.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = FIRST.findIndex((file) => moduleId.endsWith(`/${file}`));
  return place === -1 ? FIRST.length : place;
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real fsyncs on a shared disk, ten thousand times in a test: a slow flush must not read as a failed fact.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // Vitest leaves one core to itself, and has nothing to do on it while the tests run.
    maxWorkers: availableParallelism(),
    sequence: { sequencer: LongestFirst },
    typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'] },
  },
});
