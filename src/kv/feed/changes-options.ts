// The options of changes(): their names, defaults and checks.

import { describeValue, KeelsonError } from '../../errors.js';
import { booleanOption, type OptionTable, resolveOptions } from '../../options.js';
import { signalOption } from '../write/abort-signals.js';

const MAX_LAG_BYTES_DEFAULT = 256 * 1024 * 1024;

/** The options of changes() with their defaults. */
export interface ResolvedChangesOptions {
  readonly since: number | undefined;
  readonly id: string | undefined;
  readonly live: boolean;
  readonly signal: AbortSignal | undefined;
  readonly maxLagBytes: number;
  /** The range of a namespace, which is not checked here. */
  readonly range: unknown;
}

const CHANGES_OPTIONS: OptionTable<Omit<ResolvedChangesOptions, 'range'>> = {
  since: {
    default: undefined,
    check: (value) => (typeof value === 'number' ? undefined : 'a number'),
  },
  id: { default: undefined, check: (value) => (typeof value === 'string' ? undefined : 'a string') },
  live: booleanOption(true),
  signal: signalOption(),
  maxLagBytes: {
    default: MAX_LAG_BYTES_DEFAULT,
    check: (value) =>
      value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1)
        ? undefined
        : 'an integer of 1 or more, or Infinity',
  },
};

const NAMESPACE_OPTIONS: OptionTable<ResolvedChangesOptions> = {
  ...CHANGES_OPTIONS,
  range: { default: undefined, check: () => undefined },
};

/** Returns the options of the feed of a store. Throws a TypeError for a wrong or unknown option. */
export function resolveChangesOptions(given: unknown): ResolvedChangesOptions {
  return { ...resolveOptions('changes', CHANGES_OPTIONS, given), range: undefined };
}

/** Returns the options of the feed of a namespace. Throws a TypeError for a wrong or unknown option. */
export function resolveNamespaceChangesOptions(given: unknown): ResolvedChangesOptions {
  return resolveOptions('changes', NAMESPACE_OPTIONS, given);
}

/** The place in a log at which a feed starts, as the log is. */
export interface FeedPlace {
  /** The id of the store. */
  readonly id: string;
  readonly oldestLsn: number;
  readonly durableLsn: number;
  readonly lastLsn: number;
}

/**
 * Returns the LSN above which changes are told.
 *
 * @throws A RangeError for what is not an LSN up to that of the last write, and KEELSON_HISTORY_GONE.
 */
export function startOf(
  { since, id, maxLagBytes }: ResolvedChangesOptions,
  { id: ownId, oldestLsn, durableLsn, lastLsn }: FeedPlace,
): number {
  if (id !== undefined && id !== ownId) {
    const text = {
      what: `The LSN is from the store ${id}, and this is the store ${ownId}`,
      next: 'Start again from a copy of this store: take a snapshot(), and read on from its LSN',
    };
    throw new KeelsonError('KEELSON_HISTORY_GONE', text, { oldestLsn });
  }
  if (since === undefined) return lastLsn;
  if (!Number.isSafeInteger(since) || since < 0 || since > lastLsn) {
    throw new RangeError(`since: expected an LSN from 0 to ${lastLsn}, got ${describeValue(since)}`);
  }
  if (since < oldestLsn) {
    const text = `The changes between LSN ${since} and LSN ${oldestLsn} are no longer in the journal`;
    throw new KeelsonError('KEELSON_HISTORY_GONE', text, { oldestLsn });
  }
  if (durableLsn - since > maxLagBytes) {
    const text = `LSN ${since} is more than ${maxLagBytes} bytes behind LSN ${durableLsn}`;
    throw new KeelsonError('KEELSON_HISTORY_GONE', text, { oldestLsn });
  }
  return since;
}
