// The queue of links: what a commit has put off is done before anybody looks at entries, once, and outside of commits.

import { describe, expect, test } from 'vitest';
import { ALL_KEYS } from '../../src/kv/encoding/key-bounds.js';
import { Entries } from '../../src/kv/entries/entries.js';
import { LinkQueue } from '../../src/kv/entries/link-queue.js';
import { setEntry } from './encoded.js';

const VALUE = Uint8Array.of(1, 2, 3);
const interrupted = expect.objectContaining({ code: 'KEELSON_INTERRUPTED' });

/** A queue, and what its links and its onStopped were called with. */
function newQueue(): { links: LinkQueue; calls: unknown[] } {
  const links = new LinkQueue();
  const calls: unknown[] = [];
  links.onStopped = (cause) => calls.push(cause);
  return { links, calls };
}

describe('a link that is put off', () => {
  test('is due until run(), which does it once', () => {
    const { links, calls } = newQueue();
    expect(links.isDue).toBe(false);
    links.run();
    links.defer(() => calls.push('linked', links.guard.isInside));
    expect([links.isDue, calls]).toEqual([true, []]);
    links.run();
    expect([links.isDue, links.guard.isInside, calls]).toEqual([false, false, ['linked', true]]);
    links.run();
    links.runOutsideOfCommits();
    expect(calls).toEqual(['linked', true]);
  });

  test('stays put off while a commit is under way', () => {
    const { links, calls } = newQueue();
    links.defer(() => calls.push('linked'));
    links.guard.enter();
    links.runOutsideOfCommits();
    expect([links.isDue, calls]).toEqual([true, []]);
    links.guard.leave();
    links.runOutsideOfCommits();
    expect([links.isDue, calls]).toEqual([false, ['linked']]);
  });

  test('is not done when a change before it was stopped, which is told', () => {
    const { links, calls } = newQueue();
    links.defer(() => calls.push('linked'));
    links.guard.enter();
    for (let times = 1; times <= 2; times++) {
      expect(() => links.run()).toThrow(interrupted);
      expect(calls).toEqual(Array(times).fill(interrupted));
      expect([links.isDue, links.guard.isInside]).toEqual([true, true]);
    }
  });

  test('that stops half-way is found by the next look, and never done again', () => {
    const { links, calls } = newQueue();
    const entries = new Entries(1, links);
    setEntry(entries, 'a', 1, VALUE);
    links.defer(() => {
      calls.push('linked');
      throw new Error('stopped');
    });
    expect(() => entries.size).toThrow('stopped');
    const stopped = expect.objectContaining({ message: 'stopped' });
    expect(calls).toEqual(['linked', stopped]);
    for (const look of [() => links.run(), () => entries.count(ALL_KEYS), () => entries.view()]) {
      expect(look).toThrow(interrupted);
    }
    expect(calls).toEqual(['linked', stopped, interrupted, interrupted, interrupted]);
  });
});

describe('entries that share a queue', () => {
  const looks: readonly (readonly [string, (entries: Entries) => unknown])[] = [
    ['size', (entries) => entries.size],
    ['find()', (entries) => entries.find('x')],
    ['has()', (entries) => entries.has('x')],
    ['count()', (entries) => entries.count(ALL_KEYS)],
    ['rank()', (entries) => entries.rank('x')],
    ['nth()', (entries) => entries.nth(0)],
    ['walk()', (entries) => entries.walk(ALL_KEYS)],
    ['iterate()', (entries) => [...entries.iterate(ALL_KEYS)]],
    ['view()', (entries) => entries.view()],
  ];

  test.each(looks)('all have what was put off for one of them before %s of another', (_, look) => {
    const { links } = newQueue();
    const [one, other] = [new Entries(1, links), new Entries(1, links)];
    const stranger = new Entries(1, new LinkQueue());
    const staged = one.stage('x', VALUE, 0, 3);
    links.defer(() => one.link('x', 5, staged));
    look(stranger);
    expect(links.isDue).toBe(true);
    look(other);
    expect(links.isDue).toBe(false);
    expect(one.versionOf(one.find('x')!)).toBe(5);
    expect(other.size).toBe(0);
    one.checkValid();
    other.checkValid();
  });

  test.each(looks)('show what was put off for them to %s', (_, look) => {
    const { links } = newQueue();
    const entries = new Entries(1, links);
    const staged = entries.stage('x', VALUE, 0, 3);
    links.defer(() => entries.link('x', 5, staged));
    look(entries);
    expect(links.isDue).toBe(false);
    expect(entries.view().has('x')).toBe(true);
    entries.checkValid();
  });

  test('look the keys that are there up inside of a commit, without what was put off', () => {
    const { links } = newQueue();
    const entries = new Entries(1, links);
    setEntry(entries, 'a', 1, VALUE);
    const staged = entries.stage('x', VALUE, 0, 3);
    links.defer(() => entries.link('x', 5, staged));
    links.guard.enter();
    expect([entries.size, entries.has('a'), entries.has('x')]).toEqual([1, true, false]);
    links.guard.leave();
    expect([entries.size, entries.has('a'), entries.has('x')]).toEqual([2, true, true]);
  });

  test('take no view of what was stopped half-way', () => {
    const { links, calls } = newQueue();
    const entries = new Entries(1, links);
    setEntry(entries, 'a', 1, VALUE);
    // Nothing is left to do for a view.
    expect(entries.count(ALL_KEYS)).toBe(1);
    links.guard.enter();
    expect(() => entries.view()).toThrow(interrupted);
    expect(calls).toEqual([interrupted]);
  });
});
