// The random programs of a history: what a transaction does, step by step, as data. The same program runs over a store and
// over a model, and takes the same way when it reads the same.

import type { Random } from '../../src/testing/random.js';
import { KINDS } from './stores.js';

/** The name of a namespace; '' for the store itself. */
export type PlaceName = '' | 'one' | 'two';

export const PLACES: readonly PlaceName[] = ['', 'one', 'two'];

/** So few keys that transactions meet, with two prefixes. */
export const KEYS: readonly string[] = ['a0', 'a1', 'a2', 'a3', 'b0', 'b1', 'b2', 'b3'];

/** The longest time for which an entry lives. The clock moves on by about as much. */
export const TTL_MAX = 30;

/** Bounds between and beyond the keys, too. */
const BOUNDS: readonly string[] = ['', 'a', 'b', 'c', 'a12', ...KEYS];

export interface Range {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
  readonly prefix?: string;
}

export interface Iteration extends Range {
  readonly reverse?: boolean;
  readonly limit?: number;
  readonly offset?: number;
}

export type PointRead = 'get' | 'has' | 'getEntry' | 'rank';
export type ManyRead = 'getMany' | 'getEntryMany' | 'hasMany';
export type Iterating = 'entries' | 'keys' | 'values' | 'getEntries';

/** A step. A key is an index of KEYS, to which a dependent step adds what was read before. */
export type Step =
  | {
      readonly do: PointRead;
      readonly place: PlaceName;
      readonly key: number;
      readonly isDependent: boolean;
    }
  | { readonly do: ManyRead; readonly place: PlaceName; readonly keys: readonly string[] }
  /** Begins an iteration and takes some items of it. It stays open in a slot. */
  | {
      readonly do: Iterating;
      readonly place: PlaceName;
      readonly range: Iteration;
      readonly take: number;
      readonly slot: number;
    }
  | { readonly do: 'resume'; readonly slot: number; readonly take: number; readonly isLast: boolean }
  | { readonly do: 'count'; readonly place: PlaceName; readonly range: Range }
  | { readonly do: 'size'; readonly place: PlaceName }
  | { readonly do: 'nth'; readonly place: PlaceName; readonly at: number }
  /** Reads the index of a namespace: from a kind on, or at a place. */
  | {
      readonly do: 'indexKeys' | 'indexCount' | 'indexRank' | 'indexNth';
      readonly place: PlaceName;
      readonly at: number;
    }
  | {
      readonly do: 'put';
      readonly place: PlaceName;
      readonly key: number;
      readonly isDependent: boolean;
      readonly id: number;
      /** In synchronous programs only: another one sees its own entry by the time of its view. */
      readonly ttl?: number;
    }
  | {
      readonly do: 'delete';
      readonly place: PlaceName;
      readonly key: number;
      readonly isDependent: boolean;
    }
  | { readonly do: 'clear'; readonly place: PlaceName; readonly range: Range }
  | { readonly do: 'pause' }
  | { readonly do: 'nested'; readonly steps: readonly Step[]; readonly isUndone: boolean }
  | { readonly do: 'atCommit'; readonly steps: readonly Step[] };

export const SLOTS = 2;

/** What a program may have. */
export interface ProgramKind {
  readonly hasPauses: boolean;
  /** False for a program that only reads. */
  readonly hasWrites: boolean;
  /** The parts in parts that it may have. */
  readonly depth: number;
  readonly isAtCommit: boolean;
}

/** Makes programs from random numbers. Each put of a generator has an id of its own. */
export class ProgramGenerator {
  readonly #random: Random;
  #puts = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  program(lengthMax: number, kind: ProgramKind): Step[] {
    const length = 1 + this.#random.below(lengthMax);
    const steps: Step[] = [];
    for (let at = 0; at < length; at++) {
      steps.push(this.#step(kind));
      if (kind.hasPauses && this.#random.chance(0.5)) steps.push({ do: 'pause' });
    }
    return steps;
  }

  nextPut(): number {
    return ++this.#puts;
  }

  place(): PlaceName {
    return this.#random.chance(0.5) ? '' : this.#random.pick(PLACES);
  }

  /** Returns the expiry of a put, or nothing. */
  expiry(): { readonly ttl?: number } {
    return this.#random.chance(0.4) ? { ttl: 1 + this.#random.below(TTL_MAX) } : {};
  }

  range(): Range {
    const random = this.#random;
    if (random.chance(0.2)) return {};
    if (random.chance(0.25)) return { prefix: random.pick(['a', 'b', 'a1', '']) };
    return {
      ...(random.chance(0.7) && { [random.pick(['gt', 'gte'])]: random.pick(BOUNDS) }),
      ...(random.chance(0.7) && { [random.pick(['lt', 'lte'])]: random.pick(BOUNDS) }),
    };
  }

  #step(kind: ProgramKind): Step {
    const chosen = this.#random.below(100);
    if (chosen < 50 || !kind.hasWrites) return this.#read();
    if (chosen < 90) return this.#write(kind);
    if (kind.depth === 0) return this.#write(kind);
    const inner = { ...kind, depth: kind.depth - 1 };
    if (chosen < 96 || kind.isAtCommit)
      return { do: 'nested', steps: this.program(4, inner), isUndone: this.#random.chance(0.5) };
    return { do: 'atCommit', steps: this.program(3, { ...inner, hasPauses: false, isAtCommit: true }) };
  }

  #read(): Step {
    const random = this.#random;
    const place = this.place();
    switch (random.below(9)) {
      case 0:
      case 1:
        return { do: random.pick(['get', 'has', 'getEntry', 'rank'] as const), ...this.#keyIn(place) };
      case 2: {
        const keys = [random.pick(KEYS), random.pick(KEYS)];
        return { do: random.pick(['getMany', 'getEntryMany', 'hasMany'] as const), place, keys };
      }
      case 3:
        return { do: 'count', place, range: this.range() };
      case 8: {
        const kind = random.pick(['indexKeys', 'indexCount', 'indexRank', 'indexNth'] as const);
        return { do: kind, place: random.pick(PLACES.slice(1)), at: random.below(KINDS) };
      }
      case 4:
        return random.chance(0.5) ? { do: 'nth', place, at: random.below(9) - 4 } : { do: 'size', place };
      case 5: {
        const [slot, take] = [random.below(SLOTS), random.below(3)];
        return { do: 'resume', slot, take, isLast: random.chance(0.2) };
      }
      default: {
        const iterating = random.pick(['entries', 'keys', 'values', 'getEntries'] as const);
        const take = random.chance(0.4) ? 100 : random.below(4);
        return { do: iterating, place, range: this.#iteration(), take, slot: random.below(SLOTS) };
      }
    }
  }

  #write(kind: ProgramKind): Step {
    const random = this.#random;
    const place = this.place();
    const chosen = random.below(10);
    if (chosen < 6)
      return { do: 'put', ...this.#keyIn(place), id: this.nextPut(), ...(!kind.hasPauses && this.expiry()) };
    if (chosen < 9) return { do: 'delete', ...this.#keyIn(place) };
    return { do: 'clear', place, range: this.range() };
  }

  #keyIn(place: PlaceName) {
    return { place, key: this.#random.below(KEYS.length), isDependent: this.#random.chance(0.3) };
  }

  #iteration(): Iteration {
    const random = this.#random;
    return {
      ...this.range(),
      ...(random.chance(0.4) && { reverse: true }),
      ...(random.chance(0.3) && { limit: random.below(4) }),
      ...(random.chance(0.3) && { offset: random.below(4) }),
    };
  }
}
