// What the channels of node:diagnostics_channel tell, and that a subscriber cannot harm a store.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, expect, test } from 'vitest';
import type { DiagnosticMessages } from '../../src/index.js';
import { nextTurn } from '../../src/schedulers.js';
import { inMemory } from '../../src/testing/index.js';

type Told = {
  [Name in keyof DiagnosticMessages]: [Name, DiagnosticMessages[Name]];
}[keyof DiagnosticMessages];

const NAMES = [
  'keelson:open',
  'keelson:commit',
  'keelson:checkpoint',
  'keelson:poisoned',
  'keelson:close',
] as const;

let end = () => {};
afterEach(() => end());

/** Subscribes to every channel until the test ends, and returns what they tell. */
function listen(also: (name: string) => void = () => {}): Told[] {
  const told: Told[] = [];
  const listeners = NAMES.map((name) => {
    const listener = (message: unknown) => {
      told.push([name, message] as Told);
      also(name);
    };
    subscribe(name, listener);
    return () => unsubscribe(name, listener);
  });
  end = () => {
    for (const stop of listeners) stop();
  };
  return told;
}

test('channels tell of the open, the commits, the checkpoints and the close of a store', async () => {
  const told = listen();
  const db = await inMemory().open<number>('/store');
  await Promise.all([db.put('a', 1), db.put('b', 2)]);
  await db.checkpoint();
  await db.close();
  await nextTurn();

  expect(told.every(([, { directory }]) => directory === '/store')).toBe(true);
  const names = told.map(([name]) => name);
  expect(names[0]).toBe('keelson:open');
  expect(names.at(-1)).toBe('keelson:close');
  const commits = told.flatMap(([name, message]) => (name === 'keelson:commit' ? [message] : []));
  expect(commits.some(({ records }) => records === 2)).toBe(true);
  expect(commits.map(({ durableLsn }) => durableLsn)).toEqual(
    commits.map(({ durableLsn }) => durableLsn).toSorted((a, b) => a - b),
  );
  const events = told.flatMap(([name, message]) => (name === 'keelson:checkpoint' ? [message.event] : []));
  expect(events.at(0)).toMatchObject({ type: 'started' });
  expect(events.at(-1)).toMatchObject({ type: 'completed' });
});

test('the figures of the commits that were told are those of stats()', async () => {
  const told = listen();
  const db = await inMemory().open<number>('/store');
  for (let key = 0; key < 20; key++) await db.put(`${key}`, key);
  await nextTurn();
  const { commits, records, bytesWritten, commitMs } = db.stats().journal!;
  const messages = told.flatMap(([name, message]) => (name === 'keelson:commit' ? [message] : []));
  const sum = (figure: 'records' | 'bytes' | 'durationMs') =>
    messages.reduce((total, message) => total + message[figure], 0);
  expect(messages).toHaveLength(commits);
  expect(sum('records')).toBe(records);
  expect(sum('bytes')).toBe(bytesWritten);
  expect(sum('durationMs')).toBeCloseTo(commitMs);
  await db.close();
});

test('a store that is poisoned is told with its error', async () => {
  const told = listen();
  const machine = inMemory();
  const db = await machine.open<number>('/store');
  machine.disk.faults = ({ name }) => (name === 'submit' ? { errno: 'EIO' } : undefined);
  const error = await db.put('a', 1).catch((failure: unknown) => failure);
  await nextTurn();
  expect(told.filter(([name]) => name === 'keelson:poisoned')).toEqual([
    ['keelson:poisoned', { directory: '/store', error }],
  ]);
  await db.close();
});

test('a subscriber that writes and closes the store is no part of the write that it was told of', async () => {
  const machine = inMemory();
  const db = await machine.open<number>('/store');
  let closing: Promise<void> | null = null;
  listen((name) => {
    if (name !== 'keelson:commit' || closing !== null) return;
    db.put('by the subscriber', 1);
    closing = db.close();
  });
  await db.put('a', 1);
  await nextTurn();
  await closing;
  const again = await machine.open<number>('/store');
  expect([...again.keys()]).toEqual(['a', 'by the subscriber']);
  await again.close();
});
