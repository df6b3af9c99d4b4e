// What every surrounding does with the package: all doors, an index loaded in bulk, and a store opened again.

const ENTRIES = 5000;

export async function exercise({ open, openJournal, openReplica, inMemory }, directory) {
  const db = await open(`${directory}/store`);
  const written = [];
  for (let i = 0; i < ENTRIES; i++) written.push(db.put(`key:${String(i).padStart(5, '0')}`, { i }));
  await Promise.all(written);
  await db.clear({ gte: 'key:00010' });
  await db.put('map', new Map([['a', new Date(0)]]));
  await db.checkpoint();
  const { engine, engineReason } = db.stats().engine;
  await db.close();

  const again = await open(`${directory}/store`);
  const [size, last, map] = [again.size, [...again.keys({ prefix: 'key:' })].at(-1), again.get('map')];
  const replica = await openReplica(again.replicate());
  await replica.whenAt(await again.put('later', 'replicated'));
  const replicated = replica.get('later');
  await replica.close();
  await again.close();

  const journal = await openJournal(`${directory}/journal`);
  const lsn = await journal.commit(new TextEncoder().encode('hello'));
  await journal.close();

  const memory = inMemory();
  const inside = await memory.open('/db');
  await inside.put('a', 1);
  const inMemoryValue = inside.get('a');
  await inside.close();

  return { size, last, map: map.get('a').getTime(), replicated, lsn, inMemoryValue, engine, engineReason };
}
