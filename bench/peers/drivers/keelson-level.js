// KeelsonLevel: Keelson through the API of abstract-level. Class D is its default.

import { KeelsonLevel } from '../../../dist/level/index.js';
import { levelHandle, levelOptions } from './level.js';

export async function open(directory, { kind, durability }) {
  const db = new KeelsonLevel(directory, levelOptions(kind));
  await db.open();
  const handle = levelHandle(db, durability === 'D' ? undefined : { durability: 'memory' });
  return { ...handle, settle: () => db.store.checkpoint() };
}
