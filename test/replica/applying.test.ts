// How a replica applies messages: in slices of time, all that the store has sent before its end, and nothing behind a record
// that could not be applied. The store and its clock are played here.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FromReplica, ReplicaStore, ToReplica } from '../../src/kv/internal.js';
import { Inbox } from '../../src/replica/inbox.js';
import { Replica } from '../../src/replica/replica.js';

const FRAME_BYTES = 12;
const POISONED = { code: 'KEELSON_POISONED', what: 'The disk failed', next: 'Reopen', facts: {} } as const;

/** The store of a replica, of which each look at the clock takes a millisecond. */
class PlayedStore {
  lsn = 0;
  applied: number[] = [];
  failsAt = Number.POSITIVE_INFINITY;
  #now = 0;

  nowMs(): number {
    return this.#now++;
  }

  receive(lsn: number): void {
    if (lsn === this.failsAt) throw new Error('not applied');
    this.applied.push(lsn);
    this.lsn = lsn;
  }

  received(): void {}

  async close(): Promise<void> {}
}

let store: PlayedStore;
let replica: Replica<unknown, unknown>;
let owner: MessagePort;
let told: FromReplica[];

beforeEach(() => {
  const { port1, port2 } = new MessageChannel();
  owner = port1;
  told = [];
  owner.on('message', (message: FromReplica) => told.push(message));
  store = new PlayedStore();
  replica = new Replica(store as unknown as ReplicaStore, port2, new Inbox(port2));
});

afterEach(async () => {
  await replica.close();
  owner.close();
});

/** Resolves when the replica has told so much, or has had time enough. */
async function hasTold(count: number): Promise<void> {
  for (let turn = 0; turn < 10_000 && told.length < count; turn++) await nextTurn();
}

/** Sends empty records, behind the LSN. Returns the LSN of the last one. */
function send(fromLsn: number, records: number): number {
  const bytes = new ArrayBuffer(records * FRAME_BYTES);
  owner.postMessage({ kind: 'records', fromLsn, bytes, length: bytes.byteLength } satisfies ToReplica, [
    bytes,
  ]);
  return fromLsn + records * FRAME_BYTES;
}

test('a replica gives the event loop a turn every few milliseconds', async () => {
  const lsn = send(0, 2000);
  const seen = [0];
  while (replica.lsn < lsn) {
    await nextTurn();
    if (replica.lsn > seen.at(-1)!) seen.push(replica.lsn);
  }
  const steps = seen.slice(1).map((at, index) => (at - seen[index]!) / FRAME_BYTES);
  expect(Math.max(...steps)).toBeLessThanOrEqual(2 * 64);
  expect(store.applied).toHaveLength(2000);
});

test('the store hears of sixteen messages at once, and gets their memory back', async () => {
  let lsn = 0;
  for (let message = 0; message < 40; message++) lsn = send(lsn, 3);
  await replica.whenAt(lsn);
  await hasTold(3);
  const applied = told.filter((message) => message.kind === 'applied');
  expect(applied.map(({ lsn: at }) => at)).toEqual([16, 32].map((messages) => messages * 3 * FRAME_BYTES));
  expect(applied.map(({ memory }) => memory.map(({ byteLength }) => byteLength))).toEqual(
    [16, 16].map((messages) => Array(messages).fill(3 * FRAME_BYTES)),
  );
});

test('the store hears at once of a mebibyte', async () => {
  await replica.whenAt(send(0, 100_000));
  await hasTold(2);
  expect(told[1]).toMatchObject({ kind: 'applied', lsn: 100_000 * FRAME_BYTES });
});

test('all that was sent before the end is shown, and the end is the one that was told', async () => {
  const waiting = replica.whenAt(1e9);
  const lsn = send(0, 2000);
  owner.postMessage({ kind: 'ended', error: POISONED } satisfies ToReplica);
  owner.close();
  await expect(waiting).rejects.toMatchObject({ code: 'KEELSON_POISONED' });
  expect(replica.lsn).toBe(lsn);
});

test('nothing is applied behind a record that could not be applied', async () => {
  store.failsAt = 2 * FRAME_BYTES;
  const waiting = replica.whenAt(1e9);
  send(send(0, 2), 2);
  await expect(waiting).rejects.toThrow('not applied');
  await new Promise((resolve) => owner.once('close', resolve));
  expect(store.applied).toEqual([FRAME_BYTES]);
});
