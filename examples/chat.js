// @ts-check
// A chat: rooms with messages, unread counts for each member, and a live tail. No message that was acknowledged is lost, and
// none is shown live that a power cut could take back.
//
//     node examples/chat.js       two members talk, one of them goes offline and catches up
//
// Messages have the key [room, id], so a room is a range of keys in the order of arrival. What is unread is a count of a
// range, which takes O(log n) however many messages there are.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { msgpack, open, tuple } from 'keelson';

/**
 * @typedef {[room: string, id: number]} MessageKey
 * @typedef {[room: string, member: string]} MemberKey
 * @typedef {{ from: string, text: string, at: Date }} Message
 */

/** A chat in a store. */
export class Chat {
  #messages;
  /** The last message that a member has read, by room. */
  #reads;
  #db;

  /** @param {import('keelson').Store<string, unknown>} db */
  constructor(db) {
    this.#db = db;
    /** @type {import('keelson').KeyType<MessageKey>} */
    const messageKeys = tuple();
    /** @type {import('keelson').ValueType<Message>} */
    const messages = msgpack();
    this.#messages = db.namespace('messages', { keyEncoding: messageKeys, valueEncoding: messages });
    /** @type {import('keelson').KeyType<MemberKey>} */
    const memberKeys = tuple();
    /** @type {import('keelson').ValueType<number>} */
    const ids = msgpack();
    this.#reads = db.namespace('reads', { keyEncoding: memberKeys, valueEncoding: ids });
  }

  /** Lets a member join a room. What was said before counts as read. */
  join(/** @type {string} */ room, /** @type {string} */ member) {
    const [last] = this.#messages.keys({ prefix: [room], reverse: true, limit: 1 });
    return this.#reads.put([room, member], last?.[1] ?? 0);
  }

  /** Says something. Resolves with the id when the message is durable. */
  async say(/** @type {string} */ room, /** @type {string} */ from, /** @type {string} */ text) {
    const id = this.#db.nextId();
    await this.#messages.put([room, id], { from, text, at: new Date() });
    return id;
  }

  /**
   * Returns the last messages of a room, the newest last; with `before`, those before an id.
   *
   * @param {string} room
   * @param {{ before?: number, limit?: number }} page
   */
  history(room, { before = Number.POSITIVE_INFINITY, limit = 50 } = {}) {
    const range = {
      gt: /** @type {MessageKey} */ ([room, 0]),
      lt: /** @type {MessageKey} */ ([room, before]),
    };
    return [...this.#messages.entries({ ...range, reverse: true, limit })].reverse();
  }

  /** Returns the rooms of a member, with what is unread in each. */
  unread(/** @type {string} */ member) {
    /** @type {Record<string, number>} */
    const unread = {};
    for (const [[room, name], last] of this.#reads.entries()) {
      if (name !== member) continue;
      unread[room] = this.#messages.count({ prefix: [room], gt: [room, last] });
    }
    return unread;
  }

  /** Notes that a member has read everything up to a message. Nobody waits for the disk: the next write takes it along. */
  read(/** @type {string} */ room, /** @type {string} */ member, /** @type {number} */ id) {
    const last = this.#reads.get([room, member]) ?? 0;
    if (id > last) this.#reads.put([room, member], id, { durability: 'memory' });
  }

  /**
   * Iterates over the messages of a room above an id: those that are there, and each new one when it is durable. Nothing is
   * told twice, and nothing is left out between the two.
   *
   * @param {string} room
   * @param {number} after
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<[id: number, message: Message]>}
   */
  async *tail(room, after, signal) {
    const now = this.#db.snapshot();
    // From this call on, the feed keeps what it has to tell, however long the history is read.
    const later = this.#messages.changes({ since: now.lsn, range: { prefix: [room] }, signal });
    try {
      await this.#db.flush(now.lsn);
      const history = now.in(this.#messages).entries({ prefix: [room], gt: [room, after] });
      for (const [[, id], message] of history) yield [id, message];
    } finally {
      now.close();
    }
    for await (const { changes } of later) {
      for (const change of changes) if (change.type === 'put') yield [change.key[1], change.value];
    }
  }
}

async function demo(/** @type {string} */ directory) {
  const db = await open(directory);
  const chat = new Chat(db);
  await Promise.all([chat.join('harbour', 'ann'), chat.join('harbour', 'bob'), chat.join('bridge', 'bob')]);

  // Bob is online: he sees each message when it is durable.
  const online = new AbortController();
  /** @type {string[]} */
  const seen = [];
  const watching = (async () => {
    for await (const [id, { from, text }] of chat.tail('harbour', 0, online.signal)) {
      seen.push(`${from}: ${text}`);
      chat.read('harbour', 'bob', id);
      if (seen.length === 3) online.abort();
    }
  })().catch((error) => {
    if (!online.signal.aborted) throw error;
  });
  for (const text of ['Is anybody there?', 'The wind has turned.', 'We sail at six.'])
    await chat.say('harbour', 'ann', text);
  await watching;
  assert.deepEqual(chat.unread('bob'), { bridge: 0, harbour: 0 });

  // Bob is offline, and the process ends.
  await Promise.all(Array.from({ length: 40 }, (_, at) => chat.say('harbour', 'ann', `Knot ${at}`)));
  await chat.say('bridge', 'ann', 'Bob?');
  await db.close();

  const again = await open(directory);
  const later = new Chat(again);
  const unread = later.unread('bob');
  const [first] = later.history('harbour', { limit: 40 });
  assert.equal(first?.[1].text, 'Knot 0');
  const older = later.history('harbour', { before: first?.[0][1], limit: 2 });
  assert.deepEqual(
    older.map(([, { text }]) => text),
    ['The wind has turned.', 'We sail at six.'],
  );
  await again.close();
  console.log(
    `Bob saw ${seen.length} messages live, and has ${unread['harbour']} and ${unread['bridge']} to read.`,
  );
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-chat-'));
await demo(directory).finally(() => rm(directory, { recursive: true }));
