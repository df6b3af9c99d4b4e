// Plain writes, batches, drops and synchronous transactions that come between the steps of asynchronous ones: how a store
// takes each, and how a model does.

import { isKeelsonError } from '../../src/errors.js';
import type { Store } from '../../src/kv/store-interface.js';
import type { Random } from '../../src/testing/random.js';
import { type Collection, type Run, runNow, type Tx } from './interpreter.js';
import { ModelAttempt } from './model.js';
import { type Iteration, KEYS, PLACES, type PlaceName, type ProgramGenerator, TTL_MAX } from './programs.js';
import { namespaceIn } from './stores.js';

/** A store with the promises of its writes. */
export interface Target {
  readonly db: Store<string, unknown>;
  /** The promises of the writes so far. */
  readonly promises: Promise<unknown>[];
  /** The clock of the store. */
  readonly clock: { now: number };
}

/** Something that happens at once. Both ways note the same results. */
export interface PlainWrite {
  readonly what: string;
  toStore(target: Target, run: Run): void;
  toModel(attempt: ModelAttempt, run: Run): void;
}

type Choices = readonly [random: Random, generator: ProgramGenerator];

/** Returns a random plain write. */
export function plainWrite(random: Random, generator: ProgramGenerator): PlainWrite {
  const chosen = random.below(100);
  if (chosen < 12) return tick(random);
  if (chosen < 35) return put(random, generator);
  if (chosen < 40) return touch(random, generator);
  if (chosen < 50) return deletion(random, generator);
  if (chosen < 65) return batch([random, generator]);
  if (chosen < 75) return clear([random, generator]);
  if (chosen < 80) return drop(random);
  return transaction([random, generator]);
}

function collectionOf({ db }: Target, place: PlaceName): Collection {
  return (place === '' ? db : namespaceIn(db, place)) as unknown as Collection;
}

/** Notes the code when a write is refused. */
function noteRefusal(run: Run, write: () => void): void {
  try {
    write();
    run.note({ do: 'write' }, 'written');
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    run.note({ do: 'write' }, error.code);
  }
}

function versionOf(collection: Collection, key: string): number {
  return (collection.getEntry(key) as { version: number } | undefined)?.version ?? 0;
}

/** Moves the clock on. A write to a namespace that nothing else uses gives that its place among the commits. */
function tick(random: Random): PlainWrite {
  const ms = 1 + random.below(TTL_MAX);
  return {
    what: `the clock moves on by ${ms}`,
    toStore: ({ db, promises, clock }) => {
      clock.now += ms;
      promises.push(db.namespace('clock').put('now', clock.now));
    },
    toModel: ({ state }) => state.tick(ms),
  };
}

function touch(random: Random, generator: ProgramGenerator): PlainWrite {
  const [place, key, ttl] = [generator.place(), random.pick(KEYS), 1 + random.below(TTL_MAX)];
  return {
    what: `touch ${place}/${key} for ${ttl}`,
    toStore: (target) =>
      target.promises.push(collectionOf(target, place).touch(key, { ttl }) as Promise<unknown>),
    toModel: ({ tx }) => (place === '' ? tx : tx.in(place)).touch(key, { ttl }),
  };
}

function put(random: Random, generator: ProgramGenerator): PlainWrite {
  const expiry = generator.expiry();
  const [place, key, id] = [generator.place(), random.pick(KEYS), generator.nextPut()];
  const expected = random.pick(['any', 'any', 'same', 'absent'] as const);
  return {
    what: `put ${place}/${key} (${expected}) ${JSON.stringify(expiry)}`,
    toStore: (target, run) => {
      const at = collectionOf(target, place) as unknown as Store<string, unknown>;
      const ifVersion = expected === 'same' ? versionOf(at as unknown as Collection, key) : 0;
      const options = expected === 'any' ? expiry : { ...expiry, ifVersion };
      noteRefusal(run, () => target.promises.push(at.put(key, id, options)));
    },
    toModel: ({ tx }, run) => {
      const at = place === '' ? tx : tx.in(place);
      const isRefused = expected === 'absent' && at.has(key);
      if (!isRefused) at.put(key, id, expiry);
      run.note({ do: 'write' }, isRefused ? 'KEELSON_CONFLICT' : 'written');
    },
  };
}

function deletion(random: Random, generator: ProgramGenerator): PlainWrite {
  const [place, key] = [generator.place(), random.pick(KEYS)];
  return {
    what: `delete ${place}/${key}`,
    toStore: (target) => target.promises.push(collectionOf(target, place).delete(key) as Promise<unknown>),
    toModel: ({ tx }) => (place === '' ? tx : tx.in(place)).delete(key),
  };
}

/** A put, a delete and a check, in one or more places. */
function batch([random, generator]: Choices): PlainWrite {
  const places = [generator.place(), generator.place(), generator.place()] as const;
  const keys = [random.pick(KEYS), random.pick(KEYS), random.pick(KEYS)] as const;
  const [id, expiry] = [generator.nextPut(), generator.expiry()];
  const inStore = ({ db }: Target, place: PlaceName) => place !== '' && { namespace: namespaceIn(db, place) };
  return {
    what: `batch of ${places.map((place, at) => `${place}/${keys[at]}`)}`,
    toStore: (target, run) => {
      const operations = [
        { type: 'check', key: keys[0], version: 0, ...inStore(target, places[0]) } as const,
        { type: 'delete', key: keys[1], ...inStore(target, places[1]) } as const,
        { type: 'put', key: keys[2], value: id, ...expiry, ...inStore(target, places[2]) } as const,
      ];
      noteRefusal(run, () => target.promises.push(target.db.batch(operations)));
    },
    toModel: ({ tx }, run) => {
      const [checked, deleted, written] = places.map((place) => (place === '' ? tx : tx.in(place)));
      const isRefused = checked!.has(keys[0]);
      if (!isRefused) {
        deleted!.delete(keys[1]);
        written!.put(keys[2], id, expiry);
      }
      run.note({ do: 'write' }, isRefused ? 'KEELSON_CONFLICT' : 'written');
    },
  };
}

/** A clear of a range, or of its first or last keys. */
function clear([random, generator]: Choices): PlainWrite {
  const [place, range] = [generator.place(), generator.range()];
  const limited: Iteration = { ...range, limit: 1 + random.below(2), reverse: random.chance(0.5) };
  const isLimited = random.chance(0.5);
  return {
    what: `clear ${place} ${JSON.stringify(isLimited ? limited : range)}`,
    toStore: (target) => {
      const at = collectionOf(target, place);
      target.promises.push(at.clear(isLimited ? limited : range) as Promise<unknown>);
    },
    toModel: ({ tx }) => {
      const at = place === '' ? tx : tx.in(place);
      if (!isLimited) at.clear(range);
      else
        for (const keys = at.keys(limited); ; ) {
          const { done, value } = keys.next();
          if (done === true) break;
          at.delete(value as string);
        }
    },
  };
}

function drop(random: Random): PlainWrite {
  const place = random.pick(PLACES.slice(1));
  return {
    what: `drop ${place}`,
    toStore: ({ db, promises }) => promises.push(db.drop(place)),
    toModel: (attempt) => attempt.drop(place),
  };
}

const PLANNED = new Error('The transaction is to fail');

/** A synchronous transaction, which fails now and then. */
function transaction([random, generator]: Choices): PlainWrite {
  const kind = { hasPauses: false, hasWrites: true, depth: 2, isAtCommit: false };
  const steps = generator.program(5, kind);
  const isFailing = random.chance(0.1);
  return {
    what: `synchronous transaction ${JSON.stringify(steps)}`,
    toStore: ({ db, promises }, run) => {
      try {
        const promise = db.transaction((tx) => {
          runNow(steps, tx as unknown as Tx, run);
          if (isFailing) throw PLANNED;
        });
        promises.push(promise);
      } catch (error) {
        if (error !== PLANNED) throw error;
      }
    },
    toModel: (attempt, run) => {
      runNow(steps, isFailing ? new ModelAttempt(attempt.state).tx : attempt.tx, run);
      if (!isFailing) attempt.runAtCommits();
    },
  };
}
