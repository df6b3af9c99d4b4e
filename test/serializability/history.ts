// Histories: what concurrent transactions and plain writes have read and written, with the LSNs of their commits; and the
// check that all of it could have happened one after the other. A history is serializable when each transaction, run alone
// over the state before its LSN, reads exactly what it has read.

import { expect } from 'vitest';
import type { Run } from './interpreter.js';
import { ModelAttempt, ModelState } from './model.js';

/** What one transaction or plain write has seen and done. */
export interface Event {
  readonly what: string;
  readonly run: Run;
  /** The LSN of its commit, or null when it has written nothing. */
  readonly lsn: number | null;
  /** The LSNs between which it must have seen the store, when it has written nothing. */
  readonly sinceLsn: number;
  readonly untilLsn: number;
  /** Does the same to a model, and returns what it has read of it. */
  replay(attempt: ModelAttempt): Run;
}

interface StateAtLsn {
  readonly lsn: number;
  readonly state: ModelState;
}

/** The events of one history. */
export class History {
  readonly #events: Event[] = [];

  add(event: Event): void {
    this.#events.push(event);
  }

  /** The number of events with a commit. */
  get commits(): number {
    return this.#events.filter(({ lsn }) => lsn !== null).length;
  }

  /** Checks all events. Returns the last state. */
  check(): ModelState {
    const states = this.#checkCommits();
    for (const event of this.#events) if (event.lsn === null) checkReader(event, states);
    return states.at(-1)!.state;
  }

  #checkCommits(): StateAtLsn[] {
    const commits = this.#events.filter(({ lsn }) => lsn !== null).sort((a, b) => a.lsn! - b.lsn!);
    const states: StateAtLsn[] = [{ lsn: 0, state: new ModelState() }];
    for (const event of commits) {
      const attempt = new ModelAttempt(states.at(-1)!.state);
      const { results } = event.replay(attempt);
      if (!isSame(event.run.results, results))
        expect(event.run.results, `${event.what}, committed at LSN ${event.lsn}`).toEqual(results);
      if (event.lsn === states.at(-1)!.lsn) expect.fail(`Two commits have the LSN ${event.lsn}`);
      states.push({ lsn: event.lsn!, state: attempt.commit(event.lsn!) });
    }
    return states;
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((result, at) => result === b[at]);
}

/** Checks that an event without a commit has seen one of the states that were there. */
function checkReader(event: Event, states: readonly StateAtLsn[]): void {
  const first = states.findLastIndex(({ lsn }) => lsn <= event.sinceLsn);
  const possible = states.filter(({ lsn }, at) => at >= first && lsn <= event.untilLsn);
  const replays = possible.map(({ state }) => event.replay(new ModelAttempt(state)).results);
  if (replays.some((results) => isSame(event.run.results, results))) return;
  expect(event.run.results, `${event.what}, which saw the store at LSN ${event.sinceLsn}`).toEqual(
    replays[0],
  );
}
