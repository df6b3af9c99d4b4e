// Mutants of the adapters for Keyv, sessions and unstorage, and of what they share.

import type { Mutant } from './mutants.js';
import { singleMutantsOf } from './mutants-of.js';

const KEYV_TEST = 'test/keyv/keyv.test.ts';
const SESSION_TEST = 'test/session/session-store.test.ts';
const FRAMEWORKS_TEST = 'test/session/frameworks.test.ts';
const DRIVER_TEST = 'test/unstorage/driver.test.ts';
const WATCH_TEST = 'test/unstorage/watch.test.ts';

const SOURCE = 'src/doors/collection-source.ts';
const SHARED = 'src/doors/shared-stores.ts';
const KEYV = 'src/keyv/keyv-keelson.ts';
const SESSIONS = 'src/session/keelson-session-store.ts';
const SAVED = 'src/session/saved-session.ts';
const DRIVER = 'src/unstorage/keelson-driver.ts';
const ITEMS = 'src/unstorage/item-watch.ts';

const mutantIn = singleMutantsOf('adapters');

const directories: readonly Mutant[] = [
  mutantIn(SOURCE, 'an adapter goes on after it was closed', [KEYV_TEST], 'this.#isClosed = true;', ''),
  mutantIn(
    SOURCE,
    'a directory that did not open is not tried again',
    [KEYV_TEST],
    '      this.#opening = null;\n      throw error;',
    '      throw error;',
  ),
  mutantIn(
    SOURCE,
    'a directory stays open after close()',
    [KEYV_TEST, SESSION_TEST],
    'if (isOpen) await releaseStore(this.#directory!);',
    '',
  ),
  mutantIn(
    SHARED,
    'the first of two adapters closes their directory',
    [KEYV_TEST],
    'if (found.users > 0) return;',
    '',
  ),
  mutantIn(
    SHARED,
    'a directory that did not open stays the one that is shared',
    [KEYV_TEST],
    'if (shared.get(directory) === found) shared.delete(directory);',
    '',
  ),
  mutantIn(
    SHARED,
    'a directory is opened while it is being closed',
    [KEYV_TEST],
    '  await closing.get(directory)?.catch(() => undefined);\n',
    '',
  ),
];

const keyv: readonly Mutant[] = [
  mutantIn(
    KEYV,
    'a set does not wait for the disk',
    [KEYV_TEST],
    '{ ...this.#how, ...this.#expiryOf(time) }',
    "{ durability: 'memory', ...this.#expiryOf(time) }",
  ),
  mutantIn(
    KEYV,
    'a set waits for the disk where it need not',
    [KEYV_TEST],
    '{ ...this.#how, ...this.#expiryOf(time) }',
    'this.#expiryOf(time)',
  ),
  mutantIn(
    KEYV,
    'setMany() waits for the disk where it need not',
    [KEYV_TEST],
    '.batch(operations, this.#how)',
    '.batch(operations)',
  ),
  mutantIn(
    KEYV,
    'delete() waits for the disk where it need not',
    [KEYV_TEST],
    'store.delete(storedKey, this.#how)',
    'store.delete(storedKey)',
  ),
  mutantIn(KEYV, 'deleteMany() waits for the disk where it need not', [KEYV_TEST], '      this.#how,\n', ''),
  mutantIn(
    KEYV,
    'clear() waits for the disk where it need not',
    [KEYV_TEST],
    'rangeOf(this.namespace), this.#how',
    'rangeOf(this.namespace)',
  ),
  mutantIn(
    KEYV,
    'setMany() forgets times to live',
    [KEYV_TEST],
    "return { type: 'put', key: this.#keyOf(key), value, ...expiry };",
    "return expiry && { type: 'put', key: this.#keyOf(key), value };",
  ),
  mutantIn(
    KEYV,
    'delete() looks for the key when it is gone',
    [KEYV_TEST],
    '    const isThere = store.has(storedKey);\n    await store.delete(storedKey, this.#how);\n',
    '    await store.delete(storedKey, this.#how);\n    const isThere = store.has(storedKey);\n',
  ),
  mutantIn(
    KEYV,
    'deleteMany() of Keyv 5 is true when all keys were there only',
    [KEYV_TEST],
    'areThere.includes(true)',
    '!areThere.includes(false)',
  ),
  mutantIn(KEYV, 'clear() takes other namespaces along that begin the same', [KEYV_TEST], '}:`;', '}`;'),
  mutantIn(
    KEYV,
    'a time to live of 0 is given to the store',
    [KEYV_TEST],
    'if (time === 0 || time',
    'if (time',
  ),
  mutantIn(
    KEYV,
    'a time to live below 0 is given to the store',
    [KEYV_TEST],
    'time < 0 ? { expiresAt: 0 } : { ttl: time }',
    '{ ttl: time }',
  ),
  mutantIn(
    KEYV,
    'a time of Keyv 6 counts from now on',
    [KEYV_TEST],
    'if (this.#isKeyv6) return { expiresAt: time };',
    '',
  ),
  mutantIn(KEYV, 'the capabilities change nothing', [KEYV_TEST], '    this.#isKeyv6 = true;\n', ''),
  mutantIn(
    KEYV,
    'iterator() of Keyv 6 gives keys with the namespace',
    [KEYV_TEST],
    'yield [key.slice(skipped), value];',
    'yield [skipped < 0 ? "" : key, value];',
  ),
  mutantIn(
    KEYV,
    'a failed open is not emitted',
    [KEYV_TEST],
    "if (this.listenerCount('error') > 0) this.emit('error', error);",
    '',
  ),
  mutantIn(
    KEYV,
    'a failed open without a listener is another error',
    [KEYV_TEST],
    "if (this.listenerCount('error') > 0) this.emit('error', error);",
    "this.emit('error', String(error));",
  ),
];

const sessions: readonly Mutant[] = [
  mutantIn(
    SESSIONS,
    'a session is not durable when it is saved',
    [SESSION_TEST],
    'await store.put(sid, saved, expiryOf(saved, this.#ttl));',
    "await store.put(sid, saved, { ...expiryOf(saved, this.#ttl), durability: 'memory' });",
  ),
  mutantIn(
    SESSIONS,
    'a touch waits for the disk',
    [SESSION_TEST],
    "{ ...expiry, durability: 'memory' }",
    'expiry',
  ),
  mutantIn(
    SESSIONS,
    'cookies are no cookies of express-session',
    [SESSION_TEST, FRAMEWORKS_TEST],
    'Object.getPrototypeOf(session.cookie)',
    'Object.prototype',
  ),
  mutantIn(
    SESSIONS,
    'a cookie forgets its original age',
    [SESSION_TEST],
    '    cookie.originalMaxAge = originalMaxAge;\n',
    '    void originalMaxAge;\n',
  ),
  mutantIn(
    SESSIONS,
    'the stand-in of a request is the request',
    [SESSION_TEST, FRAMEWORKS_TEST],
    'const standIn = Object.create(req);',
    'const standIn = req;',
  ),
  mutantIn(
    SESSIONS,
    'an error is not told',
    [SESSION_TEST],
    '(error) => setImmediate(callback, error)',
    '(error) => setImmediate(callback, error && null)',
  ),
  mutantIn(
    SAVED,
    'a session does not expire with its cookie',
    [SESSION_TEST],
    'if (!Number.isNaN(expiresAt)) return { expiresAt };',
    '',
  ),
  mutantIn(
    SAVED,
    'a cookie of no age lives for the time of the store',
    [SESSION_TEST],
    'livesMs > 0 ? { ttl: livesMs } : { expiresAt: 0 }',
    '{ ttl: Math.max(livesMs, ttl) }',
  ),
  mutantIn(
    SAVED,
    'a touched session has the old deadline in its cookie',
    [SESSION_TEST],
    'if (expiresAt !== undefined && value.cookie?.expires) {',
    'if (expiresAt === 0 && value.cookie?.expires) {',
  ),
];

const unstorage: readonly Mutant[] = [
  mutantIn(
    DRIVER,
    'times to live are in milliseconds',
    [DRIVER_TEST],
    '{ ttl: seconds * 1000 }',
    '{ ttl: seconds }',
  ),
  mutantIn(
    DRIVER,
    'the time to live of the driver has no effect',
    [DRIVER_TEST],
    'call?.ttl ?? options.ttl',
    'call?.ttl',
  ),
  mutantIn(
    DRIVER,
    'items of setItems() have no options of their own',
    [DRIVER_TEST],
    '{ ...common, ...own }',
    '{ ...own, ...common, ttl: undefined as never }',
  ),
  mutantIn(
    DRIVER,
    'base and store are taken together',
    [DRIVER_TEST],
    'if ((base === undefined) === (store === undefined)) {',
    'if (base === undefined && store === undefined) {',
  ),
  mutantIn(
    DRIVER,
    'clear() takes no notice of the base',
    [DRIVER_TEST],
    '.clear({ prefix: base })',
    '.clear({ prefix: base.slice(base.length) })',
  ),
  mutantIn(
    DRIVER,
    'dispose() leaves watches behind',
    [WATCH_TEST],
    'await Promise.all([...watches].map((watch) => watch.close()));',
    '',
  ),
  mutantIn(
    ITEMS,
    'changes of other namespaces are told',
    [WATCH_TEST],
    'if (change.namespace === name) this.#tell(change as Change<string>);',
    "if (change.namespace === name || change.type === 'put') this.#tell(change as Change<string>);",
  ),
  mutantIn(
    ITEMS,
    'a watch goes on inside of a group when it is ended',
    [WATCH_TEST],
    'if (this.#stop.signal.aborted) return;',
    '',
  ),
  mutantIn(
    ITEMS,
    'the keys that were there before a watch are not known',
    [WATCH_TEST],
    'new Set(collection.keys())',
    'new Set()',
  ),
  mutantIn(ITEMS, 'a removed key stays known', [WATCH_TEST], '    this.#keys.delete(key);\n', ''),
  mutantIn(ITEMS, 'a new key is not known', [WATCH_TEST], '    this.#keys.add(key);\n', ''),
  mutantIn(
    ITEMS,
    'a drop is not told',
    [WATCH_TEST],
    "if (change.type === 'drop')",
    "if (change.type === 'create')",
  ),
  mutantIn(ITEMS, 'gt takes its bound along', [WATCH_TEST], 'key > gt)', 'key >= gt)'),
  mutantIn(ITEMS, 'gte leaves its bound out', [WATCH_TEST], 'key >= gte)', 'key > gte)'),
  mutantIn(ITEMS, 'lt takes its bound along', [WATCH_TEST], 'key < lt)', 'key <= lt)'),
  mutantIn(ITEMS, 'lte leaves its bound out', [WATCH_TEST], 'key <= lte)', 'key < lte)'),
];

export const adapterMutants: readonly Mutant[] = [...directories, ...keyv, ...sessions, ...unstorage];
