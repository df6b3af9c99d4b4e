// Real processes, real kills, real files: kill-rounds.ts plays, on either engine.
//
// KEELSON_SEED replays a run as far as the timing of processes can be had again; KEELSON_KILL_ROUNDS makes more of them, as
// the soak does.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { seededRandom, whyNoIoUring } from '../native/native-tools.js';
import { KilledStore, LIVES_PER_DIRECTORY } from './kill-rounds.js';

const ROUNDS = Number(process.env['KEELSON_KILL_ROUNDS'] ?? 20);
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));

const why = whyNoIoUring();

describe.each(['io_uring', 'fs'] as const)('killed on %s', (engine) => {
  const isMissing = engine === 'io_uring' && why !== null;
  const rounds = engine === 'fs' ? Math.floor(ROUNDS / 2) : Math.ceil(ROUNDS / 2);

  test.skipIf(isMissing)(
    `${rounds} lives end at any instant, and what was acknowledged is there, seed ${SEED}${isMissing ? ` (skipped: ${why})` : ''}`,
    async () => {
      const seen = new Map<string, number>();
      const random = seededRandom(SEED + engine.length);
      for (let done = 0; done < rounds; done += LIVES_PER_DIRECTORY) {
        const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-kill-'));
        const store = new KilledStore(base, engine, random);
        await store.play(Math.min(LIVES_PER_DIRECTORY, rounds - done));
        for (const [what, times] of store.seen) seen.set(what, (seen.get(what) ?? 0) + times);
      }
      const all = [...seen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) => `${what}: ${times}`);
      console.log(`${engine}, seed ${SEED}: ${all.join(', ')}`);
      // Kills that hit nothing, and a judge that saw nothing, would be no test.
      expect(seen.get('writes acknowledged or found') ?? 0).toBeGreaterThan(rounds);
      expect(seen.get('entries in namespaces') ?? 0).toBeGreaterThan(rounds);
      expect(seen.get('lives killed') ?? 0).toBeGreaterThan(rounds / 2);
    },
    60_000 + rounds * 5_000,
  );
});
