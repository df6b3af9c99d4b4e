// The options of replicate().

import { integerOption, type OptionTable, resolveOptions } from '../../options.js';

/** Limit of the option `maxLagBytes`: 1 TiB. */
const LAG_BYTES_MAX = 2 ** 40;

/** Options of replicate(). */
export interface ReplicateOptions {
  /**
   * The most bytes of the log that a replica may be behind: so much log is kept for it on the disk. A replica that is
   * further behind loads the store anew. By default 256 MiB.
   */
  readonly maxLagBytes?: number;
}

const OPTIONS: OptionTable<Required<ReplicateOptions>> = {
  maxLagBytes: integerOption(256 * 1024 * 1024, 1, LAG_BYTES_MAX),
};

/** Returns the options with defaults. Throws a TypeError for a wrong one. */
export function resolveReplicateOptions(options: unknown): Required<ReplicateOptions> {
  return resolveOptions('replicate', OPTIONS, options);
}
