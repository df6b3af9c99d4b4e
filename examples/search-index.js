// @ts-check
// A search index that follows a store. The index is a store of its own; the cursor of the feed is stored in the same
// transaction as what a group of changes has changed. So each change is applied exactly once, also when the program is
// stopped between two groups.
//
//     node examples/search-index.js

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { msgpack, open, tuple } from 'keelson';

/** @typedef {{ title: string }} Book */

const SOURCE = 'books';

/** An index of the words in the titles of books. */
class SearchIndex {
  /** @param {string} directory */
  static async open(directory) {
    const store = await open(directory, {
      keyEncoding: /** @type {typeof tuple<[word: string, key: string]>} */ (tuple)(),
      valueEncoding: 'msgpack',
    });
    return new SearchIndex(store);
  }

  /** @param {import('keelson').Store<[word: string, key: string], unknown>} store */
  constructor(store) {
    this.store = store;
    this.titles = store.namespace('titles', { valueEncoding: msgpack() });
    this.cursors = store.namespace('cursors', { valueEncoding: msgpack() });
    this.groups = 0;
  }

  /** The place up to which the index has followed a store, or its beginning. */
  cursorOf(/** @type {string} */ id) {
    const cursor = /** @type {{ id: string, lsn: number } | undefined} */ (this.cursors.get(SOURCE));
    return cursor ?? { id, lsn: 0 };
  }

  /**
   * Applies the changes of a store until the signal is aborted, or, without a signal, all that there are.
   *
   * @param {import('keelson').Store<string, Book>} db
   * @param {AbortSignal} [signal]
   */
  async follow(db, signal) {
    const { id, lsn: since } = this.cursorOf(db.id);
    for await (const { lsn, changes } of db.changes({ since, id, live: signal !== undefined, signal })) {
      await this.store.transaction((tx) => {
        const titles = tx.in(this.titles);
        for (const change of changes) {
          if (change.type !== 'put' && change.type !== 'delete') continue;
          const key = /** @type {string} */ (change.key);
          for (const word of wordsOf(titles.get(key))) tx.delete([word, key]);
          titles.delete(key);
          if (change.type === 'delete') continue;
          const { title } = /** @type {Book} */ (change.value);
          for (const word of wordsOf(title)) tx.put([word, key], null);
          titles.put(key, title);
        }
        tx.in(this.cursors).put(SOURCE, { id: db.id, lsn });
      });
      this.groups++;
    }
  }

  /** Returns the keys of the books whose title has a word. */
  find(/** @type {string} */ word) {
    return [...this.store.keys({ prefix: /** @type {never} */ ([word]) })].map(([, key]) => key);
  }
}

/** @returns {Set<string>} */
function wordsOf(/** @type {unknown} */ title) {
  return new Set(typeof title === 'string' ? title.toLowerCase().match(/\w+/g) : []);
}

const directory = await mkdtemp(join(tmpdir(), 'keelson-search-'));
try {
  const db = await open(join(directory, 'books'), {
    valueEncoding: /** @type {typeof msgpack<Book>} */ (msgpack)(),
  });
  let index = await SearchIndex.open(join(directory, 'index'));
  await db.put('b1', { title: 'Stories of the Sea' });
  await db.put('b2', { title: 'The Ship' });
  await index.follow(db);
  assert.deepEqual(index.find('the'), ['b1', 'b2']);
  const before = index.groups;
  await index.store.close();

  // While the index is closed, the store goes on. The index goes on where it was.
  await db.put('b2', { title: 'A Ship and the Sea' });
  await db.delete('b1');
  index = await SearchIndex.open(join(directory, 'index'));
  await index.follow(db);
  assert.deepEqual(index.find('sea'), ['b2']);
  assert.deepEqual(index.find('stories'), []);
  console.log(
    `${before} and ${index.groups} groups were applied, each once; 'sea' is in ${index.find('sea')}.`,
  );
  await index.store.close();
  await db.close();
} finally {
  await rm(directory, { recursive: true });
}
