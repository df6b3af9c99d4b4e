// The tools of tests of the change feed: a copy of a store that is kept by the groups of a feed, and random writes of every
// kind that a feed tells.

import assert from 'node:assert/strict';
import type { Change, ChangeGroup, Collection, KeyRange, Reads, Store } from '../../src/kv/index.js';
import type { Random } from '../../src/testing/random.js';

const KEYS = [...'abcdefgh'];
const NAMES = ['one', 'two'];
const memory = { durability: 'memory' } as const;

/** A store with any encodings. */
export type FedStore = Store<string, unknown>;

type FedChange = Change<string>;
type FedGroup = ChangeGroup<string>;

interface Copied {
  readonly value: unknown;
  readonly version: number;
  readonly expiresAt: number | undefined;
}

type Row = readonly [key: string, value: unknown, version: number, expiresAt: number | null];

/** Returns the text of what collections hold, by name and key. */
function textOf(collections: ReadonlyMap<string, readonly Row[]>): string {
  return JSON.stringify([...collections].toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function rowsOf(reads: Pick<Reads<string, unknown>, 'getEntries'>): Row[] {
  return [...reads.getEntries()].map(({ key, value, version, expiresAt }) => [
    key,
    value,
    version,
    expiresAt ?? null,
  ]);
}

/** Returns the text of all that a store shows: the namespaces, and their entries with versions and deadlines. */
export function stateOf(db: FedStore): string {
  const rows = new Map([['', rowsOf(db)]]);
  for (const name of db.namespaces()) rows.set(name, rowsOf(db.namespace(name)));
  return textOf(rows);
}

/** A copy of a store that is kept by groups of changes alone. Throws if a group cannot follow on what it holds. */
export class FeedCopy {
  /** The LSN of the last group, or of the snapshot from which the copy was made. */
  lsn = 0;
  readonly #collections = new Map<string, Map<string, Copied>>([['', new Map()]]);

  /** Returns a copy of what a store shows. Nothing that is due may wait for its removal. */
  static of(db: FedStore): FeedCopy {
    const copy = new FeedCopy();
    copy.lsn = db.lastLsn;
    for (const name of ['', ...db.namespaces()]) {
      const reads = name === '' ? db : db.namespace(name);
      const entries = rowsOf(reads).map(([key, value, version, expiresAt]): [string, Copied] => {
        return [key, { value, version, expiresAt: expiresAt ?? undefined }];
      });
      copy.#collections.set(name, new Map(entries));
    }
    return copy;
  }

  apply({ lsn, changes }: FedGroup): void {
    assert(lsn > this.lsn, `a group at LSN ${lsn} is told behind one at LSN ${this.lsn}`);
    this.lsn = lsn;
    for (const change of changes) this.#apply(change, lsn);
  }

  /** Returns what stateOf() returns of a store that holds this, and by whose clock it is `now`. */
  stateAt(now: number): string {
    const rows = new Map<string, Row[]>();
    for (const [name, entries] of this.#collections) {
      const seen = [...entries].filter(([, { expiresAt }]) => expiresAt === undefined || expiresAt > now);
      const inOrder = seen.toSorted(([one], [other]) => (one < other ? -1 : 1));
      rows.set(
        name,
        inOrder.map(([key, { value, version, expiresAt }]) => [key, value, version, expiresAt ?? null]),
      );
    }
    return textOf(rows);
  }

  #apply(change: FedChange, version: number): void {
    const { namespace } = change;
    if (change.type === 'create') {
      assert(!this.#collections.has(namespace), `${namespace} is created twice`);
      this.#collections.set(namespace, new Map());
      return;
    }
    const entries = this.#collections.get(namespace);
    assert(entries !== undefined, `a ${change.type} in ${namespace}, which is not there`);
    if (change.type === 'drop') this.#collections.delete(namespace);
    else if (change.type === 'put') {
      entries.set(change.key, { value: change.value, version, expiresAt: change.expiresAt });
    } else if (change.type === 'clear') {
      for (const key of [...entries.keys()]) if (isWithin(key, change.range)) entries.delete(key);
    } else {
      const found = entries.get(change.key);
      assert(found !== undefined, `a ${change.type} of ${change.key} in '${namespace}', which is absent`);
      if (change.type === 'delete') entries.delete(change.key);
      else entries.set(change.key, { value: found.value, version, expiresAt: change.expiresAt });
    }
  }
}

function isWithin(key: string, { gt, gte, lt, lte }: KeyRange<string>): boolean {
  const isAbove = (gt === undefined || key > gt) && (gte === undefined || key >= gte);
  return isAbove && (lt === undefined || key < lt) && (lte === undefined || key <= lte);
}

/** Makes one random write, which shows at once. Resolves when it is durable or, as drawn, at once. */
export function writeTo(db: FedStore, random: Random): Promise<unknown> {
  const options = random.chance(0.5) ? memory : {};
  const target: Collection<string, unknown> = random.chance(0.5) ? db.namespace(random.pick(NAMES)) : db;
  const key = random.pick(KEYS);
  switch (random.below(14)) {
    case 0:
      return target.delete(key, options);
    case 1:
      return target.clear({ gte: 'b', lt: 'f' }, options);
    case 2:
      return random.chance(0.3) ? target.clear({}, options) : target.clear({ gt: key, limit: 2 }, options);
    case 3:
      return random.chance(0.5) ? db.drop(random.pick(NAMES), options) : target.delete(key, options);
    case 4:
    case 5:
      return target.touch(key, {
        ...options,
        ...(random.chance(0.3) ? FOR_EVER : { ttl: drawLife(random) }),
      });
    case 6:
      return db.batch(
        [
          { type: 'put', key, value: drawValue(random), ttl: drawLife(random) },
          { type: 'delete', key: random.pick(KEYS) },
          { type: 'put', key, value: drawValue(random), namespace: db.namespace(random.pick(NAMES)) },
          { type: 'touch', key, ttl: drawLife(random) },
        ],
        options,
      );
    case 7:
      return db.transaction((tx) => {
        const other = tx.in(db.namespace(random.pick(NAMES)));
        tx.put(key, other.get(key) ?? drawValue(random));
        other.put(random.pick(KEYS), drawValue(random));
        tx.delete(random.pick(KEYS));
      }, options);
    case 8:
    case 9:
    case 10:
      return target.put(key, drawValue(random), { ...options, ttl: drawLife(random) });
    default:
      return target.put(key, drawValue(random), options);
  }
}

const FOR_EVER = { expiresAt: Number.POSITIVE_INFINITY };

function drawLife(random: Random): number {
  return 1 + random.below(200);
}

function drawValue(random: Random): unknown {
  const number = random.below(1000);
  return random.chance(0.5) ? { number, text: 'x'.repeat(random.below(200)) } : number;
}
