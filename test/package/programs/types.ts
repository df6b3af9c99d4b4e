import { isKeelsonError, open, type Snapshot, type Store } from 'keelson';
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
  const replica: Replica<string, User> = await openReplica<User>(db.replicate());
  const named: string | undefined = replica.get('ada')?.name;
  await replica.whenAt(await db.refresh());
  await db.close();
  const journal: Journal = await openJournal('./journal');
  for await (const record of journal.read()) record.record.byteLength;
  await inMemory().open('/db');
  new SimulatedDisk({ seed: 1 });
  const code: string | null = isKeelsonError(ada) ? ada.code : null;
  [code, keys, named, values].at(0);
}
