// What V8 does not count, it does not collect: slabs that come and go in an ordinary buffer, in shared memory, and in shared
// memory with an ordinary buffer of the same length beside it (src/kv/entries/slab.ts). Each runs in a fresh process, and
// keeps the last 50 of 4,000 slabs of 1 MiB.
//
//   node bench/slab-memory.js

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MIB = 2 ** 20;
const SLABS = 4000;
const SLABS_KEPT = 50;

const KINDS = {
  ordinary: () => [new Uint8Array(Buffer.allocUnsafeSlow(MIB).buffer)],
  shared: () => [new Uint8Array(new SharedArrayBuffer(MIB))],
  'shared, counted': () => [
    new Uint8Array(new SharedArrayBuffer(MIB)),
    new ArrayBuffer(MIB, { maxByteLength: MIB }),
  ],
};

const kind = process.argv[2];
if (kind === undefined) {
  for (const name of Object.keys(KINDS)) {
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), name], { encoding: 'utf8' });
    process.stdout.write(child.stdout);
  }
} else {
  let kept = [];
  let most = 0;
  const start = performance.now();
  for (let at = 0; at < SLABS; at++) {
    const slab = KINDS[kind]();
    slab[0].fill(1);
    kept = [...kept.slice(1 - SLABS_KEPT), slab];
    if (at % SLABS_KEPT === 0) most = Math.max(most, process.memoryUsage.rss());
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${kind}: at most ${Math.round(most / MIB)} MiB resident, ${seconds} s`);
}
