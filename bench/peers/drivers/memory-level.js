// memory-level: nothing on a disk. What a read through abstract-level costs at best.

import { MemoryLevel } from 'memory-level';
import { levelHandle, levelOptions } from './level.js';

export async function open(_directory, { kind }) {
  const db = new MemoryLevel(levelOptions(kind));
  await db.open();
  return levelHandle(db, {});
}
