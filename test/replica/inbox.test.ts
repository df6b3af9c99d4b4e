// The parts of a replica that wait: for messages, and for LSNs.

import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { Lsn } from '../../src/index.js';
import { Inbox } from '../../src/replica/inbox.js';
import { Waits } from '../../src/replica/waits.js';

test('an inbox keeps what comes before somebody takes it, in order', async () => {
  const { port1, port2 } = new MessageChannel();
  for (const message of [1, 2, 3]) port1.postMessage(message);
  const inbox = new Inbox(port2);
  expect(await inbox.first()).toBe(1);
  port1.close();
  await new Promise((resolve) => port2.once('close', resolve));
  const taken: unknown[] = [];
  inbox.open(
    (message) => taken.push(message),
    () => taken.push('closed'),
  );
  expect(taken).toEqual([2, 3, 'closed']);
});

test('a wait ends at its LSN, and the last one ends the waiting', async () => {
  const said: unknown[] = [];
  const waits = new Waits((isWaiting) => said.push(isWaiting));
  const five = waits.add(5, undefined).then((lsn) => said.push(`five at ${lsn}`));
  const nine = waits.add(9, undefined).then((lsn) => said.push(`nine at ${lsn}`));
  waits.reached(4 as Lsn);
  waits.reached(6 as Lsn);
  await five;
  expect(said).toEqual([true, 'five at 6']);
  waits.reached(9 as Lsn);
  await nine;
  expect(said).toEqual([true, 'five at 6', false, 'nine at 9']);
});
