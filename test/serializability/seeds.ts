// The seeds of the schedules of a test file.

/** The schedules of one test, so that each takes a few seconds at most. */
const CHUNK = 100;

const FIRST_SEED = Number(process.env['KEELSON_SEED'] ?? 1);
const SCHEDULES = process.env['KEELSON_SCHEDULES'];

/** True when the schedules are those of `npm test`, and so many that each outcome occurs. */
export const areUsual = SCHEDULES === undefined;

/** The seeds of one test. */
export interface Seeds {
  readonly first: number;
  readonly last: number;
}

/** Returns the seeds of `count` schedules, or of as many as KEELSON_SCHEDULES says, from KEELSON_SEED on. */
export function chunksOfSeeds(count: number): Seeds[] {
  const schedules = Number(SCHEDULES ?? count);
  const end = FIRST_SEED + schedules;
  return Array.from({ length: Math.ceil(schedules / CHUNK) }, (_, at) => {
    const first = FIRST_SEED + at * CHUNK;
    return { first, last: Math.min(first + CHUNK, end) - 1 };
  });
}

/** Returns the seeds of `count` schedules, or of as many as KEELSON_SCHEDULES says, one by one. */
export function seedsOf(count: number): number[] {
  return chunksOfSeeds(count).flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at),
  );
}
