// The garbage of a put: bytes that V8 allocates on its heap for each of 150,000 puts, 1,000 in flight, by the function that
// asks for them. The writers of this script are among them.
//
//   npm run build && node bench/garbage.js

import fs from 'node:fs';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { open } from '../dist/index.js';

const WRITERS = 1000;
const WARM_UP_PUTS = 50_000;
const PUTS = 150_000;
const SHOWN = 15;

const root = fs.mkdtempSync(path.join(process.env.KEELSON_BENCH_DIR ?? process.cwd(), '.keelson-bench-'));
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));
const db = await open(path.join(root, 'db'), { autoCheckpoint: false });
const keys = Array.from({ length: WARM_UP_PUTS + PUTS }, (_, n) => `user:${String(n).padStart(9, '0')}`);
let next = 0;

async function putUpTo(end) {
  async function writer() {
    while (next < end) {
      const n = next++;
      await db.put(keys[n], { id: n, name: 'name', email: 'u@example.com', logins: n % 1000, active: true });
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

const session = new Session();
session.connect();
await putUpTo(WARM_UP_PUTS);
await session.post('HeapProfiler.startSampling', {
  samplingInterval: 4096,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
});
await putUpTo(WARM_UP_PUTS + PUTS);
const { profile } = await session.post('HeapProfiler.stopSampling');

const bytes = new Map();
function add({ callFrame, selfSize, children }) {
  const name = callFrame.functionName || '(anonymous)';
  bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
  for (const child of children) add(child);
}
add(profile.head);
const total = [...bytes.values()].reduce((sum, size) => sum + size, 0);
console.log(`${Math.round(total / PUTS)} bytes for a put, most of them by:`);
console.table(
  [...bytes]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, SHOWN)
    .map(([name, size]) => ({ function: name, bytes: Math.round(size / PUTS) })),
);
await db.close();
