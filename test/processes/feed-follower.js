// @ts-check
// A read-only store beside its owner, until it is killed: shows what the files hold, and follows the changes. It says what
// told-lines.js lists.
//
//     node feed-follower.js <directory> <engine> <LSN to follow from>

import { isKeelsonError, open } from 'keelson';
import { say } from './lines.js';
import { brief, rowsOf } from './told-lines.js';

const [directory = '', engine, since] = process.argv.slice(2);
const db = await open(directory, { engine: /** @type {'fs'} */ (engine), readOnly: true });
say('opened', db.lastLsn);
tell(Number(since));
for (let shown = -1; ; ) {
  const lsn = await db.refresh();
  if (lsn !== shown) say('shown', lsn, db.durableLsn, brief(JSON.stringify(rowsOf(db))));
  shown = lsn;
  await new Promise(setImmediate);
}

/** @param {number} from */
async function tell(from) {
  try {
    for await (const group of db.changes({ since: from })) say('told', brief(JSON.stringify(group)));
  } catch (error) {
    if (!isKeelsonError(error, 'KEELSON_HISTORY_GONE')) throw error;
    const lsn = await db.refresh();
    say('gone', lsn);
    await tell(lsn);
  }
}
