// Mutants of watches: changes that are missed, states that are told too early or twice, and what a watch leaves behind.

import type { Mutant } from './mutants.js';
import { mutantsOf } from './mutants-of.js';

const CRASHES = 'test/simulation/watch-crashes.test.ts';
const HISTORIES = 'test/kv/watch-histories.test.ts';
const INTERVALS = 'test/kv/interval-index.test.ts';
const KEYS = 'test/kv/watch.test.ts';
const PATH = 'test/kv/write-path.test.ts';
const RANGES = 'test/kv/watch-range.test.ts';
const REGISTRIES = 'test/kv/watch-registry.test.ts';

const CHANGES = 'src/kv/read/range-changes.ts';
const INDEX = 'src/kv/read/interval-index.ts';
const REGISTRY = 'src/kv/watch/watch-registry.ts';
const STATE = 'src/kv/read/range-state.ts';
const STORE = 'src/kv/store.ts';
const WAKEABLE = 'src/kv/watch/wakeable.ts';
const WATCHES = 'src/kv/watch/watches.ts';
const WRITE_PATH = 'src/kv/write/write-path.ts';

const mutantIn = mutantsOf('watches');

const told: readonly Mutant[] = [
  mutantIn(WATCHES, 'a state is told before it is durable', [KEYS, CRASHES], {
    find: "return durability === 'memory' || writer === null || lsn <= writer.log.syncedLsn;",
    replace: "return durability === 'memory' || writer === null || lsn > 0;",
  }),
  mutantIn(WATCHES, 'a state waits for what is newer than itself', [KEYS, RANGES], {
    find: 'log.settleWhenSynced(lsn, undefined, resolve, reject)',
    replace: 'setImmediate(() => log.settleWhenSynced(log.nextLsn, undefined, resolve, reject))',
  }),
  mutantIn(WATCHES, 'durability memory waits for the disk', [KEYS, RANGES], {
    find: "return durability === 'memory' || writer === null",
    replace: 'return writer === null',
  }),
  mutantIn(WATCHES, 'an absent key is told twice', [KEYS, HISTORIES], {
    find: '        told = version;\n',
    replace: '        told = version === 0 ? null : version;\n',
  }),
  mutantIn(WATCHES, 'the LSN of a state is taken after its value', [HISTORIES, KEYS], {
    find: 'yield { lsn, entry };',
    replace: 'yield { lsn: this.#store.lastLsn, entry };',
  }),
  mutantIn(WATCHES, 'a reader that writes starves the event loop', [KEYS], {
    find: '        yield { lsn, entry };\n        if (this.#turns.isDue()) await nextTurn();\n',
    replace: '        yield { lsn, entry };\n',
  }),
  mutantIn(CHANGES, 'a key that came and went has changed', [RANGES, HISTORIES], {
    find: '      if (!wasThere) continue;\n',
    replace: '',
  }),
  mutantIn(CHANGES, 'a key of a write that failed has changed', [RANGES], {
    find: '      if (live.versionOf(handle) <= last.lsn) continue;\n',
    replace: '',
  }),
  mutantIn(CHANGES, 'changed keys come in the order of the writes', [RANGES, HISTORIES], {
    find: '{ keys: changed.sort() }',
    replace: '{ keys: changed }',
  }),
  mutantIn(CHANGES, 'very many keys that came and went are told', [RANGES], {
    find: 'return differs ? { keys: null } : null;',
    replace: 'return { keys: null };',
  }),
  mutantIn(CHANGES, 'one key is changed for another, unseen among very many', [RANGES], {
    find: ' || (areMore && (yield* hasNewerThan(last.lsn, view, bounds)))',
    replace: '',
  }),
  mutantIn(CHANGES, 'a list of too many keys is told', [RANGES], {
    find: 'if (!areMore && count === expectedCount)',
    replace: 'if (areMore || count === expectedCount)',
  }),
  mutantIn(CHANGES, 'the characters of keys have no limit', [RANGES], {
    find: ' || this.#characters > KEY_CHARACTERS_MAX',
    replace: '',
  }),
  mutantIn(CHANGES, 'changes are told again with the next state', [RANGES, HISTORIES], {
    find: '    this.#keys = new Map();\n',
    replace: '    this.#keys = new Map(this.#keys);\n',
  }),
  mutantIn(CHANGES, 'nobody knows the changes after one state with too many', [RANGES], {
    find: '    this.#areMore = false;\n    return writes;',
    replace: '    return writes;',
  }),
];

const missed: readonly Mutant[] = [
  mutantIn(REGISTRY, 'a clear does not wake watches of keys', [KEYS, HISTORIES], {
    find: 'if (holdsKey(interval, key)) this.#matchKey(key, matched);',
    replace: '',
  }),
  mutantIn(REGISTRY, 'a clear wakes no watches of ranges', [RANGES, HISTORIES], {
    find: '    for (const range of this.#found) this.#noteCleared(range, interval, matched);\n',
    replace: '',
  }),
  mutantIn(REGISTRY, 'the second clear of a write has the bounds of the first', [REGISTRIES], {
    find: 'bounds[clears - 1]!',
    replace: 'bounds[0]!',
  }),
  mutantIn(REGISTRY, 'a key is noted as absent that was there', [RANGES, HISTORIES], {
    find: 'hasExpired || this.#space.entries.has(key);',
    replace: 'hasExpired;',
  }),
  mutantIn(REGISTRY, 'a drop wakes nobody', [REGISTRIES], {
    find: 'else if (kind === DROP) watched.matchAll(this.#matched, true);',
    replace: 'else if (kind === DROP) continue;',
  }),
  mutantIn(REGISTRY, 'the watches that wait for the same key are not all woken', [KEYS, HISTORIES], {
    find: 'for (const watch of watches) matched.push(watch);',
    replace: 'matched.push(watches[0]!);',
  }),
  mutantIn(REGISTRY, 'a key is noted as it is at the last write to it', [REGISTRIES], {
    find: 'if (changes.mustNote(key)) {',
    replace: 'if (!changes.isEmpty || changes.mustNote(key)) {',
  }),
  mutantIn(STORE, 'a drop of a namespace without writes wakes nobody', [KEYS], {
    find: '        watches.registry.dropped(space);\n',
    replace: '',
  }),
  mutantIn(STORE, 'a poisoned store leaves its watches waiting', [KEYS], {
    find: '      core.watches.registry.wakeAll(false);\n',
    replace: '',
  }),
  mutantIn(STORE, 'a closed store leaves its watches waiting', [KEYS], {
    find: '    this.#core.watches.close();\n',
    replace: '',
  }),
  mutantIn(WAKEABLE, 'a wake while a state waits for the disk tells it at once', [HISTORIES], {
    find: '      this.#waitsForChange = false;\n',
    replace: '',
  }),
  mutantIn(WATCHES, 'a watch ends with its namespace before the drop is durable', [KEYS], {
    find: 'if (!this.#isDurable(lastLsn, durability)) await this.#whenDurable(watch, lastLsn);\n    if (!this.#isOver',
    replace: 'if (!this.#isOver',
  }),
  mutantIn(INDEX, 'the search forgets intervals that start at the key', [INTERVALS], {
    find: '(low) => low > key',
    replace: '(low) => low >= key',
  }),
  mutantIn(INDEX, 'an interval without an end does not count in its subtree', [INTERVALS], {
    find: 'if (a === undefined || b === undefined) return undefined;',
    replace: 'if (a === undefined || b === undefined) return a ?? b;',
  }),
  mutantIn(INDEX, 'a search sees the ends before the last change', [INTERVALS], {
    find: '    this.#items.splice(at, 1);\n    this.#areEndsOld = true;\n',
    replace: '    this.#items.splice(at, 1);\n',
  }),
];

const left: readonly Mutant[] = [
  mutantIn(WATCHES, 'a watch of a range that was left stays registered', [KEYS, RANGES], {
    find: '() => this.registry.deleteRange(space, range)',
    replace: '() => {}',
  }),
  mutantIn(WATCHES, 'a watch of a key that was left stays registered', [KEYS], {
    find: '() => this.registry.deleteKey(space, key, watch)',
    replace: '() => {}',
  }),
  mutantIn(WATCHES, 'a watch that was left keeps its listener', [KEYS], {
    find: '      if (signal !== undefined) this.#leaveSignal(watch, signal);\n',
    replace: '',
  }),
  mutantIn(WATCHES, 'a state keeps its view after the next is asked for', [RANGES], {
    find: '        view.close();\n        if',
    replace: '        if',
  }),
  mutantIn(WATCHES, 'a watch that ends keeps the view of its last state', [RANGES, KEYS], {
    find: '      view?.close();\n',
    replace: '',
  }),
  mutantIn(WATCHES, 'a reader cannot leave while it waits', [KEYS], {
    find: 'return: (value?: undefined) => {\n      watch.end();\n',
    replace: 'return: (value?: undefined) => {\n',
  }),
  mutantIn(REGISTRY, 'commits are observed for ever', [REGISTRIES, KEYS], {
    find: '    this.#endObserving?.();\n',
    replace: '',
  }),
  mutantIn(STATE, 'a past state can be read', [RANGES], {
    find: '    this.#assertOpen();\n    const { key, value }',
    replace: '    const { key, value }',
  }),
  mutantIn(WRITE_PATH, 'an observer that has ended is still told', [KEYS, PATH], {
    find: 'this.#observers = this.#observers.filter((other) => other !== observer);\n',
    replace: '',
  }),
];

export const watchMutants: readonly Mutant[] = [...told, ...missed, ...left];
