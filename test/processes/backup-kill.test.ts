// Real processes and real kills in incremental backups: the backup has what was said to be in it, nothing that the store
// lacks, and goes on in the next life.
//
// KEELSON_SEED replays a run as far as the timing of processes can be had again.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { open, verify } from '../../src/index.js';
import { tries } from '../counts.js';
import { seededRandom } from '../native/native-tools.js';
import { builtEngines } from './kill-rounds.js';
import { type Line, SpeakingProcess } from './speaking-process.js';

const LIVES = tries(2, 6);
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));

/** Returns the number of entries, which must be those with the lowest numbers. */
async function countOf(directory: string): Promise<number> {
  await using db = await open<string>(directory, { readOnly: true });
  for (let number = 0; number < db.size; number++)
    expect(db.get(`k${number}`)?.startsWith(`${number} `), `${number} of ${db.size}`).toBe(true);
  return db.size;
}

test.each(builtEngines())(
  `a backup that was killed on %s is sound, and goes on, seed ${SEED}`,
  async (engine) => {
    const random = seededRandom(SEED);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-backup-kill-'));
    const [store, backup] = [path.join(folder, 'store'), path.join(folder, 'backup')];
    let backedUp = 0;
    for (let life = 0; life < LIVES; life++) {
      const lines: Line[] = [];
      const first = life === 0 ? 0 : await countOf(store);
      const writer = new SpeakingProcess('backup-writer.js', [store, backup, engine, String(first)], (line) =>
        lines.push(line),
      );
      // The first backup is a full one.
      const begun = 2 + random(2);
      await writer.until(() => lines.filter(([what]) => what === 'backing up').length >= begun);
      writer.kill(random(40_000));
      expect(await writer.ended).toEqual({ wasKilled: true });
      for (const [what, number] of lines) if (what === 'backed up') backedUp = number as number;
      const count = await countOf(backup);
      expect(count).toBeGreaterThanOrEqual(backedUp);
      expect(count).toBeLessThanOrEqual(await countOf(store));
      expect((await verify(backup)).damages).toEqual([]);
    }
    fs.rmSync(folder, { recursive: true });
  },
);
