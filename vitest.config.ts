import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest, from the longest: one of them that begins last would leave the other cores without work. */
const FIRST = [
  'test/examples/durable-streams.test.ts',
  'test/simulation/store-crashes.test.ts',
  'test/native/teardown.test.ts',
  'test/simulation/store-faults.test.ts',
  'test/kv/entries.test.ts',
  'test/kv/stops-in-hooks.test.ts',
  'test/processes/lock.test.ts',
  'test/damage/damage.test.ts',
  'test/kv/endurance.test.ts',
  'test/processes/kill.test.ts',
  'test/kv/salvage.test.ts',
  'test/processes/following.test.ts',
  'test/native/leaks.test.ts',
  'test/journal/recycling.test.ts',
  'test/kv/stops.test.ts',
  'test/simulation/backup.test.ts',
  'test/package/package.test.ts',
  'test/native/core.test.ts',
  'test/models/models.test.ts',
];

/** Words of a file that looks at its process, or changes it, for more than a test. Such a file has one of its own. */
const OF_A_PROCESS =
  /node:(vm|worker_threads|child_process|async_hooks)|process\.|globalThis|runProgram|command-tools|\/proc\/|openDescriptors|WeakRef|vi\.(mock|hoisted|stub|spyOn|useFake|resetModules)|defineProperty\(|\.prototype\.\w+ = |gc\(/;

/** The others follow one another in processes that start, and load the store, but once. */
const SHARING = fs
  .readdirSync(`${import.meta.dirname}/test`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => `test/${name}`)
  .filter(
    (file) =>
      !FIRST.includes(file) && !OF_A_PROCESS.test(fs.readFileSync(`${import.meta.dirname}/${file}`, 'utf8')),
  );

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

/** A process is shared by files that follow each other: they come last. */
function placeOf({ moduleId, project }: TestSpecification): number {
  if (project.name === 'sharing') return FIRST.length + 1;
  const place = FIRST.findIndex((file) => moduleId.endsWith(`/${file}`));
  return place === -1 ? FIRST.length : place;
}

export default defineConfig({
  test: {
    // Real fsyncs on a shared disk, ten thousand times in a test: a slow flush must not read as a failed fact.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // One more than there are cores: many tests wait, for a disk or for another process.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...SHARING],
          typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'] },
        },
      },
      { extends: true, test: { name: 'sharing', include: SHARING, isolate: false } },
    ],
  },
});
