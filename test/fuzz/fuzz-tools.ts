// What the fuzz tests share: seeds, numbers at which something ends, and bytes that shrink with their length.

import fc from 'fast-check';
import { isKeelsonError, KEELSON_ERROR_CODES, type KeelsonErrorCode } from '../../src/errors.js';
import { Random } from '../../src/testing/random.js';

/** New every run, and printed with every failure; KEELSON_SEED takes one again. */
const SEED = Number(process.env['KEELSON_SEED'] ?? Date.now() % 1_000_000_000);

/** KEELSON_FUZZ_RUNS times as many, for a soak. */
export function runs(numRuns: number): { readonly seed: number; readonly numRuns: number } {
  return { seed: SEED, numRuns: numRuns * Number(process.env['KEELSON_FUZZ_RUNS'] ?? 1) };
}

const EDGES = [
  0n,
  1n,
  2n,
  11n,
  12n,
  48n,
  255n,
  256n,
  511n,
  512n,
  513n,
  4096n,
  65_536n,
  2n ** 28n - 1n,
  2n ** 28n,
];
const HIGH_EDGES = [
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** What a field may be made to say: an edge, anything, or a little more or less than it said. */
export const fieldValue: fc.Arbitrary<(now: bigint) => bigint> = fc.oneof(
  fc.constantFrom(...EDGES, ...HIGH_EDGES).map((edge) => namedAs(`${edge}`, () => edge)),
  fc.bigInt({ min: -1024n, max: 1024n }).map((delta) => namedAs(`+ ${delta}`, (now: bigint) => now + delta)),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => namedAs(`${value}`, () => value)),
);

/** A counterexample shows what the function does. */
function namedAs<F extends object>(name: string, of: F): F {
  return Object.assign(of, { [fc.toStringMethod]: () => name });
}

export const anyBytes = (lengthMax: number): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.nat(lengthMax), fc.nat()).map(([length, seed]) => new Random(seed).bytes(length));

/** The code of the KeelsonError that is thrown, or null. Anything else that is thrown is thrown on. */
export function codeOf(run: () => unknown): KeelsonErrorCode | null {
  try {
    run();
    return null;
  } catch (error) {
    return codeOfError(error);
  }
}

export function codeOfError(error: unknown): KeelsonErrorCode {
  if (!isKeelsonError(error) || error.code === 'KEELSON_INVARIANT') throw error;
  if (!KEELSON_ERROR_CODES.includes(error.code)) throw error;
  return error.code;
}
