// The options of a transaction.

import { KeelsonError } from '../../errors.js';
import { choiceOption, integerOption, type OptionTable, resolveOptions } from '../../options.js';
import { signalOption } from '../write/abort-signals.js';
import type { Durability, WriteOptions } from '../write/write-options.js';

/**
 * The options of a transaction.
 *
 * @example
 * await db.transaction(transfer, { maxAttempts: 20, signal: AbortSignal.timeout(1000) });
 */
export interface TransactionOptions extends WriteOptions {
  /**
   * The largest number of attempts of an asynchronous transaction, 1 to 1,000. It is tried again when others have changed what it has
   * read. Default 8.
   */
  readonly maxAttempts?: number | undefined;
  /**
   * The most time for all attempts of an asynchronous transaction, 1 to 86,400,000 milliseconds. When it is up, the
   * transaction rejects with KEELSON_ABORTED and nothing is written. Default 30,000.
   */
  readonly timeoutMs?: number | undefined;
  /** Ends an asynchronous transaction when it is aborted: it rejects with KEELSON_ABORTED and nothing is written. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a transaction with their defaults. */
export interface ResolvedTransactionOptions {
  readonly durability: Durability;
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const TRANSACTION_OPTIONS: OptionTable<ResolvedTransactionOptions> = {
  durability: choiceOption<Durability>('disk', ['disk', 'memory']),
  maxAttempts: integerOption(8, 1, 1000),
  timeoutMs: integerOption(30_000, 1, 86_400_000),
  signal: signalOption(),
};

const DEFAULTS = resolveOptions<ResolvedTransactionOptions>('transaction', TRANSACTION_OPTIONS, undefined);

/**
 * Returns the options with their defaults. Throws a TypeError for a wrong or unknown option, and KEELSON_ABORTED when the
 * signal is aborted already.
 */
export function resolveTransactionOptions(given: unknown): ResolvedTransactionOptions {
  if (given === undefined) return DEFAULTS;
  const options = resolveOptions<ResolvedTransactionOptions>('transaction', TRANSACTION_OPTIONS, given);
  const { signal } = options;
  if (signal?.aborted === true) {
    const text = {
      what: 'The transaction was not begun: its signal is aborted',
      next: 'Give another signal',
    };
    throw new KeelsonError('KEELSON_ABORTED', text, { attempts: 0 }, signal.reason);
  }
  return options;
}
