// The options of watches.

import { choiceOption, type OptionTable, resolveOptions } from '../../options.js';
import { signalOption } from '../write/abort-signals.js';
import type { Durability } from '../write/write-options.js';

/**
 * The options of watch() and watchRange().
 *
 * @example
 * const options: WatchOptions = { durability: 'memory', signal: AbortSignal.timeout(60_000) };
 */
export interface WatchOptions {
  /**
   * With `'disk'`, a state is told when everything that it shows is durable. With `'memory'`, it is told at once, and a crash
   * may take back what it showed. Default `'disk'`.
   */
  readonly durability?: Durability | undefined;
  /** Ends the watch when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of a watch with their defaults. */
export interface ResolvedWatchOptions {
  readonly durability: Durability;
  readonly signal: AbortSignal | undefined;
}

const WATCH_OPTIONS: OptionTable<ResolvedWatchOptions> = {
  durability: choiceOption<Durability>('disk', ['disk', 'memory']),
  signal: signalOption(),
};

/** Returns the options with their defaults. Throws a TypeError that names `where`, for a wrong or unknown option. */
export function resolveWatchOptions(where: string, given: unknown): ResolvedWatchOptions {
  return resolveOptions<ResolvedWatchOptions>(where, WATCH_OPTIONS, given);
}
