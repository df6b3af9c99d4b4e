// @ts-check
// A life that is killed: puts entries, each with its number, and brings a backup up to date again and again.
//
//     node backup-writer.js <directory> <backup> <engine> <first number>
//
//   ["put", number]        the put of all entries up to this number is durable
//   ["backing up"]         an incremental backup begins
//   ["backed up", number]  it has resolved, and has all entries up to this number

import fs from 'node:fs';
import { open } from 'keelson';
import { say } from './lines.js';

const [directory = '', backup = '', engine, first] = process.argv.slice(2);
/** Values of this length make several segments of a backup. */
const LONG = 700_000;
const db = await open(directory, {
  engine: /** @type {'fs'} */ (engine),
  retain: { bytes: 2 ** 40 },
});
for (let number = Number(first); ; ) {
  for (let put = 0; put < 10; put++, number++) db.put(`k${number}`, `${number} ${'x'.repeat(LONG)}`);
  await db.flush();
  say('put', number);
  say('backing up');
  await db.backup(backup, { incremental: fs.existsSync(backup) });
  say('backed up', number);
}
