// The ids of the keys that an overlay shows as written. Most transactions write few keys, so the first ones stand in a
// list, which takes less memory and time than a Map. Pure.

import type { IndexKey } from '../encoding/key-encoding.js';
import type { EntryId } from '../entries/entry-handles.js';

/** The most keys in the list. With more, all keys are in a Map. */
const LISTED_MAX = 8;

/** A key in the list. */
class ListedKey {
  readonly key: IndexKey;
  id: EntryId;
  next: ListedKey | null;

  constructor(key: IndexKey, id: EntryId, next: ListedKey | null) {
    this.key = key;
    this.id = id;
    this.next = next;
  }
}

/** A map from keys to ids. */
export class WrittenIds {
  #listed: ListedKey | null = null;
  #map: Map<IndexKey, EntryId> | null = null;
  #listedCount = 0;

  get size(): number {
    return this.#map === null ? this.#listedCount : this.#map.size;
  }

  get(key: IndexKey): EntryId | undefined {
    return this.#map === null ? this.#find(key)?.id : this.#map.get(key);
  }

  set(key: IndexKey, id: EntryId): void {
    if (this.#map !== null) {
      this.#map.set(key, id);
      return;
    }
    const listed = this.#find(key);
    if (listed !== null) listed.id = id;
    else if (this.#listedCount === LISTED_MAX) this.#toMap().set(key, id);
    else {
      this.#listed = new ListedKey(key, id, this.#listed);
      this.#listedCount++;
    }
  }

  delete(key: IndexKey): void {
    if (this.get(key) !== undefined) this.#toMap().delete(key);
  }

  /** Returns the keys and ids, in no order. */
  entries(): Iterable<readonly [IndexKey, EntryId]> {
    return this.#toMap();
  }

  #find(key: IndexKey): ListedKey | null {
    let listed = this.#listed;
    while (listed !== null && listed.key !== key) listed = listed.next;
    return listed;
  }

  #toMap(): Map<IndexKey, EntryId> {
    if (this.#map !== null) return this.#map;
    this.#map = new Map();
    for (let listed = this.#listed; listed !== null; listed = listed.next)
      this.#map.set(listed.key, listed.id);
    this.#listed = null;
    return this.#map;
  }
}
