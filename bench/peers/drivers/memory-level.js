// memory-level: nothing on a disk. What a read through abstract-level costs at best.

import { MemoryLevel } from 'memory-level';
import { levelHandle, levelOptions } from './level.js';

export async function open(_directory, { values }) {
  const db = new MemoryLevel(levelOptions(values));
  await db.open();
  return levelHandle(db, {});
}
