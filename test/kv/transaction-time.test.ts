// The deadlines of transactions and the turn among their commits, by a clock and a timer that the test moves.

import { beforeEach, describe, expect, test, vi } from 'vitest';
import { CommitTurns } from '../../src/kv/transactions/commit-turns.js';
import { Deadlines } from '../../src/kv/transactions/deadlines.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { NOTHING_HELD, World } from './transaction-tools.js';

/** The timers that are set, and the time. */
const clock = vi.hoisted(() => {
  const timers: { atMs: number; task: () => void }[] = [];
  return {
    nowMs: 0,
    timers,
    alarm(ms: number, task: () => void): () => void {
      const timer = { atMs: clock.nowMs + ms, task };
      timers.push(timer);
      return () => {
        if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
      };
    },
    /** Moves the time, and rings the timers that are due, in their order. */
    pass(ms: number): void {
      const endMs = clock.nowMs + ms;
      for (;;) {
        const [next] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs);
        if (next === undefined) break;
        timers.splice(timers.indexOf(next), 1);
        clock.nowMs = next.atMs;
        next.task();
      }
      clock.nowMs = endMs;
    },
  };
});

vi.mock('../../src/schedulers.js', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  alarm: clock.alarm,
}));

const nowMs = (): number => clock.nowMs;

beforeEach(() => {
  clock.nowMs = 0;
  clock.timers.length = 0;
});

describe('deadlines', () => {
  function newDeadlines(): { deadlines: Deadlines<string>; due: string[] } {
    const due: string[] = [];
    const deadlines = new Deadlines<string>(nowMs, (item) => {
      due.push(`${item} at ${clock.nowMs}`);
      deadlines.delete(item);
    });
    return { deadlines, due };
  }

  test('call for each item once its time is up, and not for one that was deleted', () => {
    const { deadlines, due } = newDeadlines();
    deadlines.add('slow', 1000);
    deadlines.add('fast', 10);
    deadlines.add('gone', 20);
    deadlines.add('middle', 500);
    deadlines.delete('gone');
    clock.pass(9);
    expect(due).toEqual([]);
    clock.pass(10_000);
    expect(due).toEqual(['fast at 11', 'middle at 501', 'slow at 1001']);
    expect(clock.timers).toEqual([]);
  });

  // Each item with less time than the others set a timer, and set the later one once more when it was up.
  test('have one timer, however many items come and go', () => {
    const { deadlines, due } = newDeadlines();
    deadlines.add('slow', 30_000);
    for (let round = 0; round < 1000; round++) {
      deadlines.add(`fast ${round}`, 5);
      expect(clock.timers).toHaveLength(1);
      clock.pass(6);
      expect(clock.timers).toHaveLength(1);
    }
    expect(due).toHaveLength(1000);
    clock.pass(30_000);
    expect(due.at(-1)).toMatch(/^slow at 3000[12]$/);
    expect(clock.timers).toEqual([]);
  });

  test('ring again for an item whose timer was early', () => {
    const { deadlines, due } = newDeadlines();
    deadlines.add('a', 100);
    clock.timers[0]!.atMs = 50;
    clock.pass(99);
    expect(due).toEqual([]);
    clock.pass(10);
    expect(due).toHaveLength(1);
  });

  // The timer held the closed store in memory for up to a day.
  test('have no timer after close()', () => {
    const { deadlines } = newDeadlines();
    deadlines.add('a', 86_400_000);
    deadlines.close();
    expect(clock.timers).toEqual([]);
    deadlines.add('b', 10);
    expect(clock.timers).toEqual([]);
  });
});

// The error of the signal came out of the timer: the other transactions that were due at the same time never ended.
test('time ends all transactions that are due, also when a signal throws at the end of one', async () => {
  const disk = new SimulatedDisk({ seed: 7 });
  disk.nowMs = nowMs;
  const world = await World.open({}, disk);
  const { signal } = new AbortController();
  signal.removeEventListener = () => {
    throw new Error('stuck');
  };
  const codes: string[] = [];
  for (const options of [{ signal }, {}, { signal }, {}]) {
    const running = world.db.transaction(() => new Promise(() => {}), { ...options, timeoutMs: 10 });
    running.catch(({ code }) => codes.push(code));
  }
  clock.pass(20);
  await new Promise(setImmediate);
  expect(codes).toEqual(Array(4).fill('KEELSON_ABORTED'));
  expect([world.held, clock.timers]).toEqual([NOTHING_HELD, []]);
  await world.db.close();
});

describe('the turn among commits', () => {
  /** A transaction by its name, and the list of what has happened. */
  function newTurns(): {
    turns: CommitTurns;
    told: string[];
    take(who: object, name: string): void;
    wait(name: string): void;
  } {
    const turns = new CommitTurns(nowMs);
    const told: string[] = [];
    return {
      turns,
      told,
      take: (who, name) => void turns.take(who).then(() => told.push(`${name} has the turn`)),
      wait: (name) => void turns.free({}).then(() => told.push(`${name} goes on`)),
    };
  }

  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('is given at once when nobody has it, and then to one after the other in the order in which they asked', async () => {
    const { turns, told, take } = newTurns();
    const [a, b, c] = [{}, {}, {}];
    expect(turns.isTakenByAnother(a)).toBe(false);
    for (const [who, name] of [
      [a, 'a'],
      [b, 'b'],
      [c, 'c'],
      [a, 'a again'],
    ] as const)
      take(who, name);
    await settled();
    expect(told).toEqual(['a has the turn', 'a again has the turn']);
    expect([a, b, c].map((who) => turns.isTakenByAnother(who))).toEqual([false, true, true]);
    turns.leave(a);
    await settled();
    turns.leave(b);
    await settled();
    expect(told.slice(2)).toEqual(['b has the turn', 'c has the turn']);
    turns.leave(c);
    expect([a, b, c].map((who) => turns.isTakenByAnother(who))).toEqual([false, false, false]);
    expect(clock.timers).toEqual([]);
  });

  test('ends after a second', async () => {
    const { turns, told, take } = newTurns();
    const [a, b] = [{}, {}];
    take(a, 'a');
    take(b, 'b');
    clock.pass(999);
    await settled();
    expect([told, turns.isTakenByAnother(b)]).toEqual([['a has the turn'], true]);
    clock.pass(1);
    await settled();
    expect([told, turns.isTakenByAnother(a)]).toEqual([['a has the turn', 'b has the turn'], true]);
  });

  // Those that waited looked at the turn only after the next one had it, and so waited for all who wanted the turn.
  test('lets those that wait go on before the next has it', async () => {
    const { turns, told, take, wait } = newTurns();
    const [a, b] = [{}, {}];
    take(a, 'a');
    take(b, 'b');
    for (const name of ['x', 'y']) wait(name);
    await settled();
    expect(told).toEqual(['a has the turn']);
    turns.leave(a);
    await settled();
    expect(told.slice(1)).toEqual(['x goes on', 'y goes on', 'b has the turn']);
  });

  test('is not given to one that has left', async () => {
    const { turns, told, take } = newTurns();
    const [a, b, c] = [{}, {}, {}];
    for (const [who, name] of [
      [a, 'a'],
      [b, 'b'],
      [c, 'c'],
    ] as const)
      take(who, name);
    turns.leave(b);
    turns.leave(a);
    await settled();
    // One that leaves goes on, and finds that it has ended.
    expect(told).toEqual(['a has the turn', 'b has the turn', 'c has the turn']);
    expect([b, c].map((who) => turns.isTakenByAnother(who))).toEqual([true, false]);
    turns.leave({});
    expect(turns.isTakenByAnother(a)).toBe(true);
  });
});
