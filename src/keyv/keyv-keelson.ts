// The storage adapter for Keyv 5 and 6: a class with the methods that Keyv calls, over a store, a namespace or a directory.

import { EventEmitter } from 'node:events';
import { CollectionSource, type StringCollection } from '../doors/collection-source.js';
import type { BatchOperation, DirectoryPath, ExpiryOptions, KeyRange, WriteOptions } from '../kv/index.js';
import { type KeyvKeelsonOptions, resolveKeyvOptions } from './options.js';

/**
 * An entry of setMany(). Keyv 5 gives `ttl`, milliseconds to live, and Keyv 6 `expires`, milliseconds since 1970.
 *
 * @example
 * const entry: KeyvKeelsonEntry = { key: 'cache:7', value: '{"value":7}', ttl: 60_000 };
 */
export interface KeyvKeelsonEntry {
  /** The key. */
  readonly key: string;
  /** The value, of a type that the value encoding of the store takes. */
  readonly value: unknown;
  /** The milliseconds for which the entry lives, read for Keyv 5. By default the entry does not expire. */
  readonly ttl?: number | undefined;
  /** The time at which the entry expires, in milliseconds since 1970, read for Keyv 6. By default it does not expire. */
  readonly expires?: number | undefined;
}

/**
 * Capabilities that Keyv 6 asks for. `expires` says that set() takes the time at which an entry expires.
 *
 * @example
 * const { expires } = new KeyvKeelson('./cache').capabilities;
 */
export interface KeyvKeelsonCapabilities {
  /** The adapter is one for Keyv 6. */
  readonly compatible: true;
  /** The kind of the adapter. */
  readonly store: 'keyvStorage';
  /** The methods of the adapter, which all return promises. */
  readonly methods: { readonly [name in (typeof METHODS)[number]]: { exists: true; methodType: 'async' } };
  /** set() takes the time at which an entry expires. */
  readonly expires: true;
}

/** The names of the methods. */
const METHODS = [
  'get',
  'getMany',
  'has',
  'hasMany',
  'set',
  'setMany',
  'delete',
  'deleteMany',
  'clear',
  'disconnect',
  'iterator',
] as const;

/**
 * A storage adapter for Keyv 5 and 6. Promises of writes resolve when the write is durable, unless `durability` is `'memory'`.
 * Entries with a time to live leave the store by themselves.
 *
 * The two versions of Keyv differ. Keyv 5 puts the namespace before each key and gives times to live. Keyv 6 leaves the
 * namespace to the adapter and gives the times at which entries expire. Keyv 6 reads `capabilities` before anything else, and
 * by that the adapter knows which one it serves. The entries in the store are the same.
 *
 * Every method rejects with a TypeError for a wrong key, with KEELSON_CLOSED after disconnect(), and for a directory with what
 * open() rejects with. Writes also reject with what put() of a store throws.
 *
 * @example
 * const cache = new Keyv({ store: new KeyvKeelson('./cache'), ttl: 60_000 });
 * await cache.set('answer', 42);
 * await cache.disconnect();
 */
export class KeyvKeelson extends EventEmitter {
  /**
   * Options that Keyv 5 reads. It iterates only over stores that claim to be one of the dialects that it knows, so this one
   * claims one.
   */
  readonly opts: { dialect: string; [name: string]: unknown } = { dialect: 'sqlite' };
  /** The namespace that Keyv has set. clear() and iterator() are limited to it. */
  namespace: string | undefined;
  readonly #source: CollectionSource;
  readonly #how: WriteOptions;
  #isKeyv6 = false;

  /**
   * Makes an adapter. A directory is opened at the first call of a method. Adapters of one process share an open directory.
   *
   * @param store An open store or a namespace whose keys are strings, which disconnect() leaves open; or a directory as a path
   * or a `file:` URL, which disconnect() closes.
   * @param options The options, with their defaults, are in KeyvKeelsonOptions.
   * @throws A TypeError for anything else, and for a wrong or unknown option.
   * @example
   * const store = new KeyvKeelson(db.namespace('cache'), { durability: 'memory' });
   */
  constructor(store: StringCollection | DirectoryPath, options?: KeyvKeelsonOptions) {
    super();
    this.#source = new CollectionSource('store', store);
    this.#how = resolveKeyvOptions(options);
  }

  /** The capabilities that Keyv 6 asks for. From the first time they are read on, the adapter serves Keyv 6. */
  get capabilities(): KeyvKeelsonCapabilities {
    this.#isKeyv6 = true;
    const methods = METHODS.map((name) => [name, { exists: true, methodType: 'async' }]);
    return { compatible: true, store: 'keyvStorage', methods: Object.fromEntries(methods), expires: true };
  }

  /**
   * Resolves with the value of a key, or undefined when the key is absent or expired.
   *
   * @throws Rejects with what every method rejects with, and KEELSON_DECODE for a value that the encoding cannot decode.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv knows the type of its values.
  async get<Value = any>(key: string): Promise<Value | undefined> {
    return (this.#source.opened ?? (await this.#open())).get(this.#keyOf(key));
  }

  /**
   * Resolves with the values of keys, undefined for each that is absent or expired.
   *
   * @throws Rejects with what get() rejects with.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv knows the type of its values.
  async getMany<Value = any>(keys: readonly string[]): Promise<(Value | undefined)[]> {
    return (this.#source.opened ?? (await this.#open())).getMany(keys.map(this.#keyOf));
  }

  /**
   * Sets the value of a key. Resolves with true when the write is durable, or at once with `durability: 'memory'`.
   *
   * @param value A value that the value encoding of the store takes.
   * @param time For Keyv 5 the milliseconds to live, for Keyv 6 the milliseconds since 1970 at which the entry expires. By
   * default the entry does not expire.
   * @throws Rejects with a TypeError for a wrong value or time, and with what every write rejects with.
   */
  async set(key: string, value: unknown, time?: number): Promise<boolean> {
    const store = this.#source.opened ?? (await this.#open());
    await store.put(this.#keyOf(key), value, { ...this.#how, ...this.#expiryOf(time) });
    return true;
  }

  /**
   * Sets the values of `entries` as one atomic write. Resolves with true for each when the write is durable, or at once with
   * `durability: 'memory'`.
   *
   * @throws Rejects with what set() rejects with.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 declares that nothing is returned, and Keyv 6 an array.
  async setMany(entries: readonly KeyvKeelsonEntry[]): Promise<any> {
    const operations = entries.map(({ key, value, ttl, expires }): BatchOperation<string, unknown> => {
      const expiry = this.#expiryOf(this.#isKeyv6 ? expires : ttl);
      return { type: 'put', key: this.#keyOf(key), value, ...expiry };
    });
    await (this.#source.opened ?? (await this.#open())).batch(operations, this.#how);
    return entries.map(() => true);
  }

  /**
   * Deletes a key. Resolves when the deletion is durable, or at once with `durability: 'memory'`: with false if the key was
   * absent.
   *
   * @throws Rejects with what every write rejects with.
   */
  async delete(key: string): Promise<boolean> {
    const store = this.#source.opened ?? (await this.#open());
    const storedKey = this.#keyOf(key);
    const isThere = store.has(storedKey);
    await store.delete(storedKey, this.#how);
    return isThere;
  }

  /**
   * Deletes keys as one atomic write. Resolves when the deletion is durable, or at once with `durability: 'memory'`: for Keyv 6
   * with an array that tells which keys were there, for Keyv 5 with true if any was.
   *
   * @throws Rejects with what every write rejects with.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv 5 expects a boolean, and Keyv 6 an array.
  async deleteMany(keys: readonly string[]): Promise<any> {
    const store = this.#source.opened ?? (await this.#open());
    const storedKeys = keys.map(this.#keyOf);
    const areThere = store.hasMany(storedKeys);
    await store.batch(
      storedKeys.map((key) => ({ type: 'delete', key })),
      this.#how,
    );
    return this.#isKeyv6 ? areThere : areThere.includes(true);
  }

  /**
   * Deletes all keys of the namespace, or of the collection when there is no namespace, as one atomic write. Resolves when the
   * deletion is durable, or at once with `durability: 'memory'`.
   *
   * @throws Rejects with what every write rejects with.
   */
  async clear(): Promise<void> {
    await (this.#source.opened ?? (await this.#open())).clear(rangeOf(this.namespace), this.#how);
  }

  /**
   * Resolves with true if a key is there and not expired.
   *
   * @throws Rejects with what every method rejects with.
   */
  async has(key: string): Promise<boolean> {
    return (this.#source.opened ?? (await this.#open())).has(this.#keyOf(key));
  }

  /**
   * Resolves with an array that tells which keys are there and not expired.
   *
   * @throws Rejects with what every method rejects with.
   */
  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return (this.#source.opened ?? (await this.#open())).hasMany(keys.map(this.#keyOf));
  }

  /**
   * Iterates over the keys and values of a namespace, in the order of the keys, as of the first step.
   *
   * @param namespace By default the namespace that Keyv has set. Without one, all keys.
   * @throws The iteration throws what get() rejects with.
   */
  // biome-ignore lint/suspicious/noExplicitAny: Keyv knows the type of its values.
  async *iterator<Value = any>(namespace = this.namespace): AsyncGenerator<[string, Value], void> {
    const skipped = this.#isKeyv6 ? prefixOf(namespace).length : 0;
    for (const [key, value] of (this.#source.opened ?? (await this.#open())).entries(rangeOf(namespace))) {
      yield [key.slice(skipped), value];
    }
  }

  /**
   * Ends the adapter, and closes the directory if no other adapter uses it. A store or a namespace that was given stays open.
   * Never rejects.
   */
  disconnect(): Promise<void> {
    return this.#source.close();
  }

  /** Emits a failed open, because Keyv 5 keeps the failures of reads to itself. */
  async #open(): Promise<StringCollection> {
    try {
      return await this.#source.get();
    } catch (error) {
      // Without a listener, an EventEmitter would throw the error here, and the caller is told it anyway.
      if (this.listenerCount('error') > 0) this.emit('error', error);
      throw error;
    }
  }

  /** Keyv 5 gives keys that start with the namespace. */
  readonly #keyOf = (key: string): string => (this.#isKeyv6 ? `${prefixOf(this.namespace)}${key}` : key);

  #expiryOf(time: number | undefined): ExpiryOptions {
    if (time === undefined) return {};
    if (this.#isKeyv6) return { expiresAt: time };
    // For Keyv, an entry without a time to live, or with one of 0, does not expire. One with less is past.
    if (time === 0 || time === Number.POSITIVE_INFINITY) return {};
    return time < 0 ? { expiresAt: 0 } : { ttl: time };
  }
}

function prefixOf(namespace: string | undefined): string {
  return namespace === undefined || namespace === '' ? '' : `${namespace}:`;
}

function rangeOf(namespace: string | undefined): KeyRange<string> {
  return { prefix: prefixOf(namespace) };
}
