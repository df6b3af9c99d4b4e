import type { Store } from 'keelson';

/** What a program with newer libraries can write. */
export function main(db: Store<string, number>): string[] {
  using keys = db.keys({ prefix: 'a' });
  using snapshot = db.snapshot();
  snapshot.size.toFixed();
  return keys.map((key) => key.toUpperCase()).toArray();
}

export async function closing(opened: Promise<Store<string, number>>): Promise<void> {
  await using db = await opened;
  await using feed = db.changes();
  await feed.next();
  await db.flush();
}
