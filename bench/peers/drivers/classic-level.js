// classic-level at the defaults of LevelDB, which its documentation says to leave alone: Snappy, 8 MiB of block cache.
// Class D is `sync: true`.

import { ClassicLevel } from 'classic-level';
import { levelHandle, levelOptions } from './level.js';

export async function open(directory, { kind, durability, feature }) {
  const db = new ClassicLevel(directory, levelOptions(kind));
  await db.open();
  return levelHandle(db, { sync: durability === 'D' }, feature);
}
