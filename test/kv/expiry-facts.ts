// The facts about a store whose entries expire, and what may be found after a crash: nothing expired, nothing gone early,
// nothing that was gone for good, and nothing that died by an old clock.

import assert from 'node:assert/strict';

export const EXPIRING_KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
export const START_MS = 1000;

export type Fact =
  /** A write is about to be made: its value is its number, and null for a delete. */
  | {
      readonly type: 'write';
      readonly key: string;
      readonly value: number | null;
      readonly expiresAt: number;
    }
  /** All writes so far are durable. */
  | { readonly type: 'durable' }
  | { readonly type: 'clock'; readonly now: number }
  /** A key was seen to have expired. Once a later write is durable, it is gone for good. */
  | { readonly type: 'gone'; readonly key: string };

interface Written {
  readonly value: number | null;
  readonly expiresAt: number;
  /** The highest time that the clock has shown since. */
  highestNow: number;
}

/** What may be found under one key, from the facts before a crash. */
export class KeyHistory {
  writes: Written[] = [];
  /** The number of the first write that may be the last that is found. */
  first = 0;
  seenGone: number | null = null;
  /** Writes below this one are gone for good if they had a deadline that was met. */
  goneBelow = 0;

  write(written: Written): void {
    this.writes.push(written);
  }

  durable(): void {
    this.first = Math.max(0, this.writes.length - 1);
    if (this.seenGone !== null) this.goneBelow = this.seenGone;
  }

  clock(now: number): void {
    for (const written of this.writes) written.highestNow = Math.max(written.highestNow, now);
  }

  gone(): void {
    this.seenGone = this.writes.length;
  }

  /** Throws when the value, or the absence, that was found at `now` is impossible. The clock may have shown `highestNow`. */
  check(key: string, found: number | undefined, now: number, highestNow: number): void {
    const possible = this.writes.slice(this.first);
    if (found === undefined) {
      const mayBeAbsent = possible.some(
        ({ value, expiresAt, highestNow: since }) =>
          value === null || expiresAt <= Math.max(since, highestNow),
      );
      const isDurable = this.isDurable;
      assert(!isDurable || mayBeAbsent, `${key} is gone early, at ${now}: ${JSON.stringify(this.writes)}`);
      return;
    }
    const at = this.writes.findIndex(({ value }) => value === found);
    assert(at >= this.first, `${key} has ${found}, which is older than what was durable`);
    assert(this.writes[at]!.expiresAt > now, `${key} has ${found}, which has expired`);
    assert(at >= this.goneBelow, `${key} has ${found}, which was gone for good`);
  }

  isDurable = false;
}

export function historiesOf(facts: readonly Fact[]): { histories: Map<string, KeyHistory>; now: number } {
  const histories = new Map(EXPIRING_KEYS.map((key) => [key, new KeyHistory()]));
  let now = START_MS;
  for (const fact of facts) {
    if (fact.type === 'write') {
      const { value, expiresAt } = fact;
      histories.get(fact.key)!.write({ value, expiresAt, highestNow: now });
    } else if (fact.type === 'gone') histories.get(fact.key)!.gone();
    else if (fact.type === 'clock') {
      now = fact.now;
      for (const history of histories.values()) history.clock(now);
    } else {
      for (const history of histories.values()) {
        history.durable();
        if (history.writes.length > 0) history.isDurable = true;
      }
    }
  }
  return { histories, now };
}
