// The driver for unstorage: a plain object with the methods that unstorage calls, over a store, a namespace or a directory.

import { CollectionSource, type StringCollection } from '../doors/collection-source.js';
import { misuse } from '../errors.js';
import type { BatchOperation, DirectoryPath, ExpiryOptions } from '../kv/index.js';
import { type ItemListener, ItemWatch } from './item-watch.js';

/**
 * The options of the driver: `base` or `store`.
 *
 * @example
 * const options: KeelsonDriverOptions = { base: './data', ttl: 3600 };
 */
export interface KeelsonDriverOptions {
  /** A directory, as a path or a `file:` URL, when there is no `store`. It is opened at the first use and closed by dispose(). */
  readonly base?: DirectoryPath | undefined;
  /** An open store or a namespace whose keys are strings, when there is no `base`. dispose() leaves it open. */
  readonly store?: StringCollection | undefined;
  /** The time to live of items that are set without one, in seconds as everywhere in unstorage. 0 stands for none. Default none. */
  readonly ttl?: number | undefined;
}

/** Options of one call. unstorage may give more than these. */
interface CallOptions {
  /** The time to live of the item, in seconds. 0 stands for none. Default: the option `ttl` of the driver. */
  readonly ttl?: number;
}

/**
 * An item of setItems().
 *
 * @example
 * const item: KeelsonDriverItem = { key: 'user:7', value: '{"name":"Ada"}', options: { ttl: 60 } };
 */
export interface KeelsonDriverItem {
  /** The key. */
  readonly key: string;
  /** The value: a text, or whatever the encoding of the store takes. */
  readonly value: unknown;
  /** Options of this item, which go before those of the call. Default none. */
  readonly options?: CallOptions;
}

/** Any value. */
// biome-ignore lint/suspicious/noExplicitAny: unstorage says what values are.
type Value = any;

/**
 * The driver, whose methods unstorage calls. Every method rejects with a TypeError for a wrong key, with KEELSON_CLOSED after
 * dispose(), and for a directory with what open() rejects with. Writes also reject with what put() of a store throws.
 *
 * @example
 * const driver = keelsonDriver({ store: db.namespace('pages') });
 */
export interface KeelsonDriver {
  /** The name of the driver. */
  readonly name: 'keelson';
  /** The abilities of the driver: items can have a time to live. */
  readonly flags: { readonly ttl: true };
  /** The options that the driver was made with. */
  readonly options: KeelsonDriverOptions;
  /**
   * Returns the store or the namespace, or a promise of it while a directory is being opened.
   *
   * @throws KEELSON_CLOSED after dispose(). Rejects with what open() rejects with.
   */
  getInstance(): StringCollection | Promise<StringCollection>;
  /**
   * Resolves with true if a key is there and not expired.
   *
   * @throws Rejects with what every method rejects with.
   */
  hasItem(key: string): Promise<boolean>;
  /**
   * Resolves with the value of a key, or null when the key is absent or expired.
   *
   * @throws Rejects with what every method rejects with, and KEELSON_DECODE for a value that the encoding cannot decode.
   */
  getItem(key: string): Promise<Value>;
  /**
   * Resolves with the value of a key as setItemRaw() was given it, or null when the key is absent or expired.
   *
   * @throws Rejects with what getItem() rejects with.
   */
  getItemRaw(key: string): Promise<Value>;
  /**
   * Sets the value of a key. Resolves when the write is durable.
   *
   * @param options `ttl`, in seconds.
   * @throws Rejects with a TypeError for a wrong value, and with what every write rejects with.
   */
  setItem(key: string, value: string, options?: CallOptions): Promise<void>;
  /**
   * Sets the value of a key, which is not made text: bytes, or whatever the encoding of the store takes. Resolves when the write
   * is durable.
   *
   * @param options `ttl`, in seconds.
   * @throws Rejects with what setItem() rejects with.
   */
  setItemRaw(key: string, value: unknown, options?: CallOptions): Promise<void>;
  /**
   * Sets all items as one atomic write. Resolves when the write is durable.
   *
   * @param options `ttl` of the items that have none of their own, in seconds.
   * @throws Rejects with what setItem() rejects with.
   */
  setItems(items: readonly KeelsonDriverItem[], options?: CallOptions): Promise<void>;
  /**
   * Removes a key. Resolves when the removal is durable.
   *
   * @throws Rejects with what every write rejects with.
   */
  removeItem(key: string): Promise<void>;
  /**
   * Resolves with the keys that start with `base`, by default all keys.
   *
   * @throws Rejects with what every method rejects with.
   */
  getKeys(base?: string): Promise<string[]>;
  /**
   * Removes all items whose keys start with `base`, by default all items, as one atomic write. Resolves when the removal is
   * durable.
   *
   * @throws Rejects with what every write rejects with.
   */
  clear(base?: string): Promise<void>;
  /** Ends the watches, and closes the directory if nobody else uses it. A store that was given stays open. Never rejects. */
  dispose(): Promise<void>;
  /**
   * Calls `listener` for every durable write to the store or the namespace, by whomever: 'update' of an item that was set,
   * 'remove' of one that was removed or has expired. Resolves with a function that ends the watch.
   *
   * @throws Rejects with what every method rejects with.
   */
  watch(listener: ItemListener): Promise<() => Promise<void>>;
}

/**
 * Makes a driver for unstorage.
 *
 * @param options `base`, a directory, or `store`, an open store or a namespace.
 * @throws A TypeError when both are missing or given, or when one is wrong.
 * @example
 * const storage = createStorage({ driver: keelsonDriver({ base: './data' }) });
 * await storage.setItem('user:7', { name: 'Ada' }, { ttl: 3600 });
 */
export function keelsonDriver(options: KeelsonDriverOptions): KeelsonDriver {
  const source = sourceOf(options);
  const watches = new Set<ItemWatch>();
  const expiryOf = (call: CallOptions | undefined) => expiryOfSeconds(call?.ttl ?? options.ttl);
  const set = async (key: string, value: unknown, call?: CallOptions): Promise<void> => {
    await (await source.get()).put(key, value, expiryOf(call));
  };
  const get = async (key: string): Promise<Value> => (await source.get()).get(key) ?? null;
  return {
    name: 'keelson',
    flags: { ttl: true },
    options,
    getInstance: () => source.get(),
    hasItem: async (key) => (await source.get()).has(key),
    getItem: get,
    getItemRaw: get,
    setItem: set,
    setItemRaw: set,
    async setItems(items, common) {
      const operations = items.map(
        ({ key, value, options: own }): BatchOperation<string, unknown> => ({
          type: 'put',
          key,
          value,
          ...expiryOf({ ...common, ...own }),
        }),
      );
      await (await source.get()).batch(operations);
    },
    async removeItem(key) {
      await (await source.get()).delete(key);
    },
    getKeys: async (base = '') => [...(await source.get()).keys({ prefix: base })],
    async clear(base = '') {
      await (await source.get()).clear({ prefix: base });
    },
    async watch(listener) {
      const watch = new ItemWatch(await source.get(), listener);
      watches.add(watch);
      return async () => {
        watches.delete(watch);
        await watch.close();
      };
    },
    async dispose() {
      await Promise.all([...watches].map((watch) => watch.close()));
      watches.clear();
      await source.close();
    },
  };
}

function sourceOf(options: KeelsonDriverOptions): CollectionSource {
  const { base, store } = Object(options) as KeelsonDriverOptions;
  if ((base === undefined) === (store === undefined)) {
    throw misuse('options', 'either base, a directory, or store, an open store or a namespace', options);
  }
  return base === undefined
    ? new CollectionSource('options.store', store)
    : new CollectionSource('options.base', base);
}

function expiryOfSeconds(seconds: number | undefined): ExpiryOptions {
  // Other drivers of unstorage take 0 as none, too.
  return seconds === undefined || seconds === 0 ? {} : { ttl: seconds * 1000 };
}
