// The options of KeelsonLevel: those of abstract-level, and those of Keelson's open() that make sense beside them.

import type { AbstractDatabaseOptions, AbstractOpenOptions } from 'abstract-level';
import { misuse } from '../errors.js';
import type { Durability, StoreOptions } from '../kv/index.js';

/** The options of open() that are passed on as they are. */
const PASSED_ON = [
  'errorIfExists',
  'engine',
  'readOnly',
  'waitForLockMs',
  'maxUndurableBytes',
  'autoCheckpoint',
  'checkpointBytesMin',
  'checkpointRatio',
  'keepOlderGeneration',
  'retain',
  'onProgress',
] as const satisfies readonly (keyof StoreOptions)[];

/**
 * The options of a write: of put(), del(), batch() and clear(), and of write() of a chained batch.
 *
 * @example
 * await db.put('visits', '7', { durability: 'memory' });
 */
export interface LevelWriteOptions {
  /**
   * The moment at which the promise resolves. With `'disk'` it resolves when the write survives a power cut, with `'memory'`
   * at once. By default that of the database.
   */
  readonly durability?: Durability | undefined;
  /** With true, the promise resolves when the write survives a power cut, as in classic-level. False changes nothing. */
  readonly sync?: boolean | undefined;
}

/**
 * The options of open() of a KeelsonLevel. Other options, such as those of classic-level, are ignored.
 *
 * @example
 * await db.open({ createIfMissing: false, waitForLockMs: 10_000 });
 */
export interface KeelsonLevelOpenOptions
  extends AbstractOpenOptions,
    Pick<StoreOptions, Exclude<(typeof PASSED_ON)[number], 'errorIfExists'>> {
  /**
   * The moment at which the promise of a write resolves if the write does not say. With `'disk'` it resolves when the write
   * survives a power cut. With `'memory'` it resolves at once, and the write goes to the disk soon after. Default `'disk'`.
   */
  durability?: Durability | undefined;
}

/**
 * The options of a new KeelsonLevel.
 *
 * @example
 * const db = new KeelsonLevel<string, User>('./data', { valueEncoding: 'json' });
 */
export interface KeelsonLevelOptions<K, V>
  extends AbstractDatabaseOptions<K, V>,
    Omit<KeelsonLevelOpenOptions, 'passive'> {}

/** Returns the options of open() for those of a KeelsonLevel. */
export function storeOptionsOf(options: KeelsonLevelOpenOptions) {
  const passedOn: { [name: string]: unknown } = {};
  for (const name of PASSED_ON) if (options[name] !== undefined) passedOn[name] = options[name];
  const create = options.createIfMissing !== false;
  return { ...passedOn, create, keyEncoding: 'bytes', valueEncoding: 'bytes' } as const;
}

/** Returns the durability of a write, or of a database. Throws a TypeError for a wrong one. */
export function durabilityOf(options: LevelWriteOptions, fallback: Durability): Durability {
  const { durability } = options;
  if (durability === 'disk' || durability === 'memory') return durability;
  if (durability !== undefined) throw misuse('options.durability', "'disk' or 'memory'", durability);
  return options.sync === true ? 'disk' : fallback;
}
