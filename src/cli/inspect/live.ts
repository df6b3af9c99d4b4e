// The live events of the page: the figures of the store every second, and its durable changes as they come. Changes that
// come faster than a person reads are counted, and the newest of them shown.

import { setTimeout } from 'node:timers/promises';
import { isKeelsonError } from '../../errors.js';
import type { Change, ChangeGroup } from '../../kv/index.js';
import type { AnyStore } from '../any-store.js';
import { lineOf, reportOf } from '../command-errors.js';
import { answerStore, type StoreAnswer } from './api.js';
import { changeForPage, type ShownChange } from './shown.js';

const TICK_MS = 250;
const TICKS_OF_A_STATE = 4;
const CHANGES_MAX = 100;

/** An event of the page. */
export type LiveEvent =
  | ({ readonly event: 'state'; readonly memoryOfInspector: number } & StoreAnswer)
  | ({ readonly event: 'changes' } & Taken)
  /** Something is wrong, in one line. */
  | { readonly event: 'trouble'; readonly line: string };

/** Changes that came since the last time. */
interface Taken {
  readonly count: number;
  /** The newest of them, in their order. */
  readonly changes: readonly ShownChange[];
}

/** Gathers changes between two ticks, in bounded memory. */
class Gathered {
  #count = 0;
  #newest: { readonly lsn: number; readonly change: Change }[] = [];
  #trouble: string | null = null;

  add({ lsn, changes }: ChangeGroup): void {
    this.#count += changes.length;
    for (const change of changes) this.#newest.push({ lsn, change });
    if (this.#newest.length > 2 * CHANGES_MAX) this.#newest = this.#newest.slice(-CHANGES_MAX);
  }

  note(error: unknown): void {
    this.#trouble = lineOf(reportOf(error), false);
  }

  *take(): Generator<LiveEvent> {
    if (this.#trouble !== null) yield { event: 'trouble', line: this.#trouble };
    if (this.#count > 0) {
      const changes = this.#newest.slice(-CHANGES_MAX).map(({ lsn, change }) => changeForPage(lsn, change));
      yield { event: 'changes', count: this.#count, changes };
    }
    this.#count = 0;
    this.#newest = [];
    this.#trouble = null;
  }
}

/** Yields the events of one page, until the signal is aborted. */
export async function* liveEvents(store: AnyStore, signal: AbortSignal): AsyncGenerator<LiveEvent, void> {
  const gathered = new Gathered();
  const ended = new AbortController();
  const reading = readChanges(store, gathered, AbortSignal.any([signal, ended.signal]));
  try {
    for (let tick = 0; !signal.aborted; tick++) {
      yield* gathered.take();
      if (tick % TICKS_OF_A_STATE === 0) yield await stateOf(store);
      await setTimeout(TICK_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    ended.abort();
    await reading;
  }
}

async function stateOf(store: AnyStore): Promise<LiveEvent> {
  try {
    await store.refresh();
    return { event: 'state', ...answerStore(store), memoryOfInspector: process.memoryUsage().rss };
  } catch (error) {
    return { event: 'trouble', line: lineOf(reportOf(error), false) };
  }
}

/** Gathers the changes from now on. What ends a feed is told, and another begins. Never rejects. */
async function readChanges(store: AnyStore, gathered: Gathered, signal: AbortSignal): Promise<void> {
  let since: number | undefined;
  let isAgain = false;
  while (!signal.aborted) {
    try {
      for await (const group of store.db.changes({ since, signal })) {
        gathered.add(group);
        since = group.lsn;
        isAgain = false;
      }
      // The store is closed.
      return;
    } catch (error) {
      // A new namespace in an encoding of a program is known when its name was asked for, which the next state does.
      if (isAgain || !isKeelsonError(error, 'KEELSON_ENCODING_MISMATCH')) {
        gathered.note(error);
        since = undefined;
      }
      isAgain = !isAgain;
      await setTimeout(TICK_MS * TICKS_OF_A_STATE, undefined, { signal }).catch(() => {});
    }
  }
}
