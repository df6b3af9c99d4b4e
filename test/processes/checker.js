// @ts-check
// The judge of a killed store: another process, that knows of the store only the lines that came through the pipe. Opens
// it, compares everything, and says what it found.
//
//     node checker.js <directory> <options as JSON>   with the lines of all lives on stdin

import fs from 'node:fs';
import { isKeelsonError, open } from 'keelson';
import { History, lineKey, NAMESPACES, nameOf, say, spaceOf } from './lines.js';

const DIFFERENCES_MAX = 5;
const directory = String(process.argv[2]);
const { isLeftOpen, ...options } = JSON.parse(String(process.argv[3]));

const history = new History();
for (const line of fs.readFileSync(0, 'utf8').split('\n')) if (line !== '') history.add(JSON.parse(line));
const [submitted, acknowledgedLsn] = [history.writes, history.acknowledgedLsn];

say('opening');
const db = await open(directory, options);
say('opened', db.lastLsn);
history.add(['opened', db.lastLsn]);
compare(db, 'the store');
const verdict = {
  submitted,
  found: history.writes,
  acknowledgedLsn,
  lsn: db.lastLsn,
  entries: db.size,
  inNamespaces: db.namespaces().reduce((sum, name) => sum + spaceOf(db, name).size, 0),
  engine: db.stats().engine.engine,
  recovery: db.recovery,
  backups: { whole: 0, refused: 0 },
};
for (const backup of history.backups) await checkBackup(backup);
// Half of the checkers die as well, without a word to the store.
if (!isLeftOpen) {
  await db.close();
  const again = await open(directory, options);
  if (again.lastLsn !== verdict.lsn)
    throw new Error(`CHANGED: ${verdict.lsn}, opened again ${again.lastLsn}`);
  compare(again, 'the store, opened again');
  await again.close();
}
say('verdict', verdict);
process.exit(0);

/** @param {import('keelson').Store<string, any>} store @param {string} name @param {number} lsn */
function compare(store, name, lsn = store.lastLsn) {
  const expected = history.stateAt(lsn);
  const wrong = [];
  const missing = new Set(expected.keys());
  let size = 0;
  for (const space of ['', ...store.namespaces()]) {
    if (space !== '' && !NAMESPACES.has(space)) wrong.push(`a namespace ${space} is there`);
    const reads = spaceOf(store, space);
    size += reads.size;
    for (const { key, value, version } of reads.getEntries()) {
      const place = nameOf(space, lineKey(key));
      const owed = expected.get(place);
      missing.delete(place);
      if (owed === undefined) wrong.push(`${place} is there, version ${version}`);
      else if (value !== owed.value) wrong.push(`${place} is ${shown(value)}, not ${shown(owed.value)}`);
      else if (version !== owed.version) wrong.push(`${place} has version ${version}, not ${owed.version}`);
    }
  }
  for (const place of missing) wrong.push(`${place} is missing`);
  if (size !== expected.size) wrong.push(`size is ${size}, not ${expected.size}`);
  if (wrong.length === 0) return;
  const some = wrong.slice(0, DIFFERENCES_MAX).join('; ');
  throw new Error(`WRONG: ${name} at LSN ${lsn} differs in ${wrong.length} places: ${some}`);
}

/**
 * A backup that was finished is whole. One that was not is whole or refused, and may hold nothing that its source lost.
 *
 * @param {{ directory: string, lsn: number, done: boolean }} backup
 */
async function checkBackup({ directory: where, lsn, done }) {
  if (!fs.existsSync(where)) {
    if (done) throw new Error(`LOST: the finished backup ${where}`);
    return;
  }
  try {
    const copy = await open(where, { ...options, create: false });
    if (copy.lastLsn !== lsn) throw new Error(`WRONG: the backup of LSN ${lsn} opens at ${copy.lastLsn}`);
    if (copy.lastLsn > db.lastLsn)
      throw new Error(`WRONG: the backup at ${lsn}, its source at ${db.lastLsn}`);
    compare(copy, 'the backup', lsn);
    await copy.close();
    verdict.backups.whole++;
  } catch (error) {
    if (done || !isKeelsonError(error)) throw error;
    if (error.code !== 'KEELSON_INCOMPLETE' && error.code !== 'KEELSON_NOT_FOUND') throw error;
    verdict.backups.refused++;
  }
}

/** @param {unknown} value */
function shown(value) {
  return typeof value === 'string' ? `"${value.slice(0, 20)}…" (${value.length})` : typeof value;
}
