// Makes the mutants of one part of the code, whose names begin with that of the part.

import type { Edit, Mutant } from './mutants.js';

/** Makes a mutant with faults in one file. */
export type MutantIn = (
  file: string,
  name: string,
  tests: readonly string[],
  ...edits: Omit<Edit, 'file'>[]
) => Mutant;

/** Returns a function that makes mutants of a part. */
export function mutantsOf(part: string): MutantIn {
  return (file, name, tests, ...edits) => ({
    name: `${part}: ${name}`,
    tests,
    edits: edits.map((edit) => ({ file, ...edit })),
  });
}

/** Returns a function that makes mutants of a part, each with one fault. */
export function singleMutantsOf(
  part: string,
): (file: string, name: string, tests: readonly string[], find: string, replace: string) => Mutant {
  const mutantIn = mutantsOf(part);
  return (file, name, tests, find, replace) => mutantIn(file, name, tests, { find, replace });
}
