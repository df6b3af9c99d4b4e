// The puts of a write set by their keys, for touches: a touch of an entry that the same write has put has its value.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { Space } from '../entries/space.js';
import { NO_VALUE, PUT, TOUCH } from './operation-kinds.js';

/** The part of a write set that is read here. */
interface Operations {
  readonly count: number;
  readonly kinds: readonly number[];
  readonly spaces: readonly (Space | null)[];
  readonly keys: readonly IndexKey[];
  readonly valueStarts: readonly number[];
}

/** The last operation of a write that gives a value to each key. */
export class PutsByKey {
  readonly #bySpace = new Map<Space, Map<IndexKey, number>>();
  /** The operations below this one are in the maps. */
  #end = 0;

  /** Returns the number of the last operation that gives a value to a key, or -1. */
  lastOf({ count, kinds, spaces, keys, valueStarts }: Operations, space: Space, key: IndexKey): number {
    for (; this.#end < count; this.#end++) {
      const at = this.#end;
      const isTouch = kinds[at] === TOUCH && valueStarts[at] !== NO_VALUE;
      if (kinds[at] !== PUT && !isTouch) continue;
      const known = this.#bySpace.get(spaces[at]!);
      if (known === undefined) this.#bySpace.set(spaces[at]!, new Map([[keys[at]!, at]]));
      else known.set(keys[at]!, at);
    }
    return this.#bySpace.get(space)?.get(key) ?? -1;
  }
}
