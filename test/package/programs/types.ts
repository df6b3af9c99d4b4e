import { type ChangeGroup, isKeelsonError, msgpack, open, type Snapshot, type Store, tuple } from 'keelson';
import { type Journal, openJournal } from 'keelson/journal';
import { openReplica, type Replica } from 'keelson/replica';
import { inMemory, SimulatedDisk } from 'keelson/testing';

interface User {
  readonly name: string;
}

export async function main(): Promise<void> {
  const db: Store<string, User> = await open<User>('./data');
  await db.put('ada', { name: 'Ada' });
  const ada: User | undefined = db.get('ada');
  for (const [key, { name }] of db.entries({ prefix: 'a' })) key.concat(name);
  const keys: string[] = [...db.keys()];
  const values: IterableIterator<User> = db.values();
  const snapshot: Snapshot<string, User> = db.snapshot();
  snapshot.close();
  const jobs = db.namespace('jobs', {
    keyEncoding: tuple<[string, number]>(),
    valueEncoding: msgpack<{ readonly at: number }>(),
    indexes: (index) => ({ byTime: index(({ at }, [queue]) => [queue, at]) }),
  });
  await db.batch([
    { type: 'delete', key: 'ada' },
    { type: 'put', namespace: jobs, key: ['mail', 1], value: { at: 7 } },
  ]);
  const at: number | undefined = jobs.indexes.byTime.nth(0)?.[0][1];
  const feed = jobs.changes();
  const group: ChangeGroup<[string, number], { readonly at: number }> | undefined = (await feed.next()).value;
  await feed.return();
  const replica: Replica<string, User> = await openReplica<User>(db.replicate());
  const named: string | undefined = replica.get('ada')?.name;
  await replica.whenAt(await db.refresh());
  await db.close();
  const journal: Journal = await openJournal('./journal');
  for await (const record of journal.read()) record.record.byteLength;
  await inMemory().open('/db');
  new SimulatedDisk({ seed: 1 });
  const code: string | null = isKeelsonError(ada) ? ada.code : null;
  [at, code, group, keys, named, values].at(0);
}
