// The mutants: faults made by hand in the production code, one at a time, each with the tests that must see it. A table
// for each floor; run.ts goes through all of them.

import { adapterMutants } from './adapter-mutants.js';
import { backupMutants } from './backup-mutants.js';
import { checkpointMutants } from './checkpoint-mutants.js';
import { cliMutants } from './cli-mutants.js';
import { encodingMutants } from './encoding-mutants.js';
import { expiryMutants } from './expiry-mutants.js';
import { feedMutants } from './feed-mutants.js';
import { followerMutants } from './follower-mutants.js';
import { indexMutants } from './index-mutants.js';
import { inspectMutants } from './inspect-mutants.js';
import { journalMutants } from './journal-mutants.js';
import { langgraphMutants } from './langgraph-mutants.js';
import { levelMutants } from './level-mutants.js';
import { lockMutants } from './lock-mutants.js';
import { memoryMutants } from './memory-mutants.js';
import { nativeMutants } from './native-mutants.js';
import { recoveryMutants } from './recovery-mutants.js';
import { refusalMutants } from './refusal-mutants.js';
import { spaceMutants } from './space-mutants.js';
import { stopMutants } from './stop-mutants.js';
import { storageMutants } from './storage-mutants.js';
import { transactionMutants } from './transaction-mutants.js';
import { valueMutants } from './value-mutants.js';
import { watchMutants } from './watch-mutants.js';
import { writeMutants } from './write-mutants.js';

export interface Edit {
  /** Of the production code, from the root of the project. */
  readonly file: string;
  /** Stands in it exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  /** What is wrong with the code, as a fact. No other mutant has the same name. */
  readonly name: string;
  /** Most faults are in one place. */
  readonly edits: readonly Edit[];
  /** Files of tests, the quickest that suffice. */
  readonly tests: readonly string[];
  /** Of them only tests whose names match, where all of them would take long. */
  readonly filter?: string;
}

export const MUTANTS: readonly Mutant[] = [
  ...journalMutants,
  ...levelMutants,
  ...lockMutants,
  ...recoveryMutants,
  ...writeMutants,
  ...checkpointMutants,
  ...spaceMutants,
  ...memoryMutants,
  ...encodingMutants,
  ...backupMutants,
  ...refusalMutants,
  ...indexMutants,
  ...followerMutants,
  ...feedMutants,
  ...transactionMutants,
  ...watchMutants,
  ...expiryMutants,
  ...valueMutants,
  ...storageMutants,
  ...nativeMutants,
  ...stopMutants,
  ...cliMutants,
  ...inspectMutants,
  ...adapterMutants,
  ...langgraphMutants,
];

/** How often a text stands in another. */
export function occurrences(text: string, find: string): number {
  return text.split(find).length - 1;
}
