// Deno KV on Node.js: SQLite on a thread of the package, in WAL with `synchronous = FULL`, the default of its build. An atomic
// write is one SQLite transaction with a flush of its own. No function runs in a transaction: reads come with versions, an
// atomic write checks the versions, and a program begins again when the check fails.

import path from 'node:path';
import { openKv } from '@deno/kv';

/** Behind all keys. */
const END = ['~'];
const LIST_BATCH = 500;

export async function open(directory, { feature, ttlMs }) {
  const kv = await openKv(path.join(directory, 'store.sqlite'));
  const lifetime = feature === 'ttl' ? { expireIn: ttlMs } : undefined;
  return {
    put: (key, value) => kv.set([key], value, lifetime),
    async batch(operations) {
      const atomic = kv.atomic();
      for (const { key, value } of operations) atomic.set([key], value);
      await atomic.commit();
    },
    get: async (key) => (await kv.get([key])).value ?? undefined,
    async transactAsync(a, b, change) {
      for (;;) {
        const [first, second] = await kv.getMany([[a], [b]]);
        change(first.value);
        change(second.value);
        const atomic = kv.atomic().check(first, second);
        atomic.set(first.key, first.value).set(second.key, second.value);
        if ((await atomic.commit()).ok) return;
      }
    },
    async keys(gte, limit, visit) {
      const list = kv.list({ start: [gte], end: END }, { limit, batchSize: LIST_BATCH });
      for await (const { key } of list) visit(key[0]);
    },
    settle() {},
    close: () => kv.close(),
  };
}
