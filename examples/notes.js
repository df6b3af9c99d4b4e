// @ts-check
// Local-first notes on Yjs: two devices edit without a connection, and both have the same text when they meet. Each device
// keeps its document in a store, update by update, so a kill or a power cut loses no letter that was saved.
//
//     node examples/notes.js      two devices write, one is closed and opened again, and they meet
//
// An update has the key [document, id]. After a hundred updates the document is stored as one, in the transaction that removes
// them. Copy NotesStore: a server that relays updates can use it as it is.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, tuple } from 'keelson';
import * as Y from 'yjs';

/** @typedef {[document: string, id: number]} UpdateKey */

const UPDATES_MAX = 100;

/** Yjs documents in a store. */
export class NotesStore {
  #db;
  #updates;
  /** The origin of updates that came from the store, which are not stored again. */
  #origin = Symbol('store');

  /** @param {import('keelson').Store<string, unknown>} db */
  constructor(db) {
    this.#db = db;
    /** @type {import('keelson').KeyType<UpdateKey>} */
    const keyEncoding = tuple();
    this.#updates = db.namespace('updates', { keyEncoding, valueEncoding: 'bytes' });
  }

  /**
   * Returns a document as it was stored. Every later change of it is stored.
   *
   * @param {string} name
   */
  load(name) {
    const doc = new Y.Doc();
    const stored = [...this.#updates.values({ prefix: [name] })];
    if (stored.length > 0) Y.applyUpdate(doc, Y.mergeUpdates(stored), this.#origin);
    doc.on('update', (/** @type {Uint8Array} */ update, /** @type {unknown} */ origin) => {
      if (origin !== this.#origin) this.#store(name, update);
    });
    return doc;
  }

  #store(/** @type {string} */ name, /** @type {Uint8Array} */ update) {
    // Nobody waits here: saved() tells when everything is durable.
    const written = { durability: /** @type {const} */ ('memory') };
    this.#updates.put([name, this.#db.nextId()], update, written);
    if (this.#updates.count({ prefix: [name] }) > UPDATES_MAX) this.#compact(name);
  }

  /** Replaces the updates of a document by one. A crash leaves the old ones or the new one. */
  #compact(/** @type {string} */ name) {
    const merge = (/** @type {import('keelson').Transaction<string, unknown>} */ tx) => {
      const updates = tx.in(this.#updates);
      const whole = Y.mergeUpdates([...updates.values({ prefix: [name] })]);
      updates.clear({ prefix: [name] });
      updates.put([name, this.#db.nextId()], whole);
    };
    this.#db.transaction(merge, { durability: 'memory' });
  }

  /** Resolves when every change so far would survive a power cut: show the tick then. */
  saved() {
    return this.#db.flush();
  }

  /** The number of updates that are stored for a document. */
  updatesOf(/** @type {string} */ name) {
    return this.#updates.count({ prefix: [name] });
  }

  close() {
    return this.#db.close();
  }
}

/** Lets two documents meet: each gets what it lacks. A network would carry these three messages. */
function meet(/** @type {Y.Doc} */ one, /** @type {Y.Doc} */ other) {
  const [has, had] = [Y.encodeStateVector(one), Y.encodeStateVector(other)];
  Y.applyUpdate(one, Y.encodeStateAsUpdate(other, has));
  Y.applyUpdate(other, Y.encodeStateAsUpdate(one, had));
}

async function demo(/** @type {string} */ directory) {
  const phone = new NotesStore(await open(join(directory, 'phone')));
  const laptop = new NotesStore(await open(join(directory, 'laptop')));
  const onPhone = phone.load('shopping');
  const onLaptop = laptop.load('shopping');

  for (const letter of 'Milk, bread') onPhone.getText('note').insert(onPhone.getText('note').length, letter);
  meet(onPhone, onLaptop);
  // Without a connection, both edit.
  onPhone.getText('note').insert(0, 'Today: ');
  for (let time = 0; time < 150; time++) {
    onLaptop.getText('note').insert(onLaptop.getText('note').length, time === 0 ? ', tea' : '!');
  }
  await Promise.all([phone.saved(), laptop.saved()]);
  const updates = laptop.updatesOf('shopping');
  assert(updates <= UPDATES_MAX);

  // The laptop is closed, and opened again.
  await laptop.close();
  const again = new NotesStore(await open(join(directory, 'laptop')));
  const later = again.load('shopping');
  assert.equal(later.getText('note').toString(), onLaptop.getText('note').toString());
  meet(onPhone, later);
  const text = later.getText('note').toString();
  assert.equal(onPhone.getText('note').toString(), text);
  assert.match(text, /^Today: Milk, bread, tea!{149}$/);
  await Promise.all([phone.close(), again.close()]);
  console.log(`Both devices say "${text.slice(0, 23)}…"; the laptop stores it in ${updates} updates.`);
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-notes-'));
await demo(directory).finally(() => rm(directory, { recursive: true }));
