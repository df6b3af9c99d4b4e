// A state of a watched range: its interface, and its implementation over the frozen entries of a space.

import type { Lsn } from '../../journal/index.js';
import type { KeyBounds } from '../encoding/key-bounds.js';
import { resolveRange } from '../encoding/range.js';
import type { View } from '../entries/view.js';
import { type Codecs, iterateWalk } from './reads.js';

/** The options of RangeState.entries(). */
const ORDER_NAMES = ['reverse', 'offset', 'limit'] as const;

/**
 * The options of RangeState.entries().
 *
 * @example
 * const options: RangeStateOptions = { reverse: true, limit: 10 };
 */
export interface RangeStateOptions {
  /** True for the order from high keys to low keys. Default false. */
  readonly reverse?: boolean;
  /** The number of keys to leave out first: an integer of 0 or more. Default 0. */
  readonly offset?: number;
  /** The most keys: an integer of 0 or more, or Infinity, which is the default. */
  readonly limit?: number;
}

/**
 * A state of a watched range: its entries as of one LSN. It can be read until the next state is asked for.
 *
 * @example
 * for await (const state of db.watchRange({ prefix: 'room:7:' })) {
 *   console.log(state.lsn, state.changed, [...state.entries({ reverse: true, limit: 10 })]);
 * }
 */
export interface RangeState<K, V> {
  /** The LSN of the last write to the store in this state. */
  readonly lsn: Lsn;

  /**
   * The keys that came, went or have another version since the last state that was told, in ascending order. It is null
   * when nobody knows: in the first state, and when more than 1,024 keys or 1 MiB of keys were written.
   */
  readonly changed: readonly K[] | null;

  /**
   * Returns an iterator over the keys of the range and their values. It is lazy, and shows this state.
   *
   * @param options The order, the offset and the number of keys. By default all keys of the range, upwards.
   * @throws A TypeError for a wrong option, KEELSON_CLOSED when the next state was asked for, when the watch has ended, or
   * when the store is closed. So does a step of the iterator, which also throws KEELSON_DECODE for a value that the encoding
   * cannot decode.
   * @example
   * const newest = [...state.entries({ reverse: true, limit: 10 })];
   */
  entries(options?: RangeStateOptions): IteratorObject<[K, V], undefined>;
}

/** A state of a range of one space. */
export class SpaceRangeState<K, V> implements RangeState<K, V> {
  readonly lsn: Lsn;
  readonly changed: readonly K[] | null;
  readonly #codecs: Codecs<K, V>;
  readonly #view: View;
  readonly #bounds: KeyBounds;
  readonly #assertOpen: () => void;

  /** `assertOpen` is called at every read. It throws when the state can be read no more. */
  constructor(
    { lsn, changed }: Pick<RangeState<K, V>, 'lsn' | 'changed'>,
    codecs: Codecs<K, V>,
    view: View,
    bounds: KeyBounds,
    assertOpen: () => void,
  ) {
    this.lsn = lsn;
    this.changed = changed;
    this.#codecs = codecs;
    this.#view = view;
    this.#bounds = bounds;
    this.#assertOpen = assertOpen;
  }

  entries(options?: RangeStateOptions): IteratorObject<[K, V], undefined> {
    this.#assertOpen();
    const { key, value } = this.#codecs;
    const { reverse, limit, offset } = resolveRange(key, 'options', ORDER_NAMES, options);
    const walk = this.#view.walk(this.#bounds, reverse, limit, offset);
    return iterateWalk<[K, V]>(
      this.#view,
      walk,
      (view, { key: at, value: id }) => [key.fromIndexKey(at), view.read(view.handleOf(id), value.decode)],
      { assertOpen: this.#assertOpen },
    );
  }
}
