// @ts-check
// The import. Runs an importer, kills it, recovers at once, checks everything, and starts the next importer.

import { MultiBar, Presets } from 'cli-progress';
import { open } from 'keelson';
import { cities } from './cities.js';
import { milliseconds, whole } from './figures.js';
import { runImporter } from './importer-process.js';
import { planKills } from './kill-plan.js';
import { Ledger } from './ledger.js';

/**
 * Runs importers, one after the other, until one of them imports everything.
 *
 * @param {string} directory
 * @param {number} seed
 * @param {AbortSignal} signal
 */
export async function importAll(directory, seed, signal) {
  const ledger = new Ledger();
  // On a terminal, the bar stays below the lines. In a pipe there is no bar.
  const { stdout: stream } = process;
  const format = '  {bar} {percentage}%  {value} cities';
  const bars = new MultiBar({ stream, format, gracefulExit: false }, Presets.shades_classic);
  const bar = bars.create(cities.length, 0);
  const log = (/** @type {string} */ line) =>
    process.stdout.isTTY ? bars.log(`${line}\n`) : console.log(line);
  const totals = {
    acknowledged: 0,
    acknowledgedBeforeKill: 0,
    unacknowledgedButThere: 0,
    commits: 0,
    importMs: 0,
    kills: 0,
    killsInCheckpoint: 0,
  };
  const recoveriesMs = [];
  const plan = planKills(seed, cities.length);
  try {
    for (;;) {
      const life = await runLife(directory, signal, ledger, plan[totals.kills], (done) => bar.update(done));
      totals.acknowledged += life.acknowledged;
      totals.commits += life.commits;
      totals.importMs += life.importMs;
      if (!life.wasKilled) break;

      totals.kills++;
      totals.killsInCheckpoint += life.isInCheckpoint ? 1 : 0;
      totals.acknowledgedBeforeKill += life.acknowledged;
      const { recovery, more } = await recoverAndCheck(directory, ledger);
      totals.unacknowledgedButThere += more;
      recoveriesMs.push(recovery.durationMs);
      log(killLine(totals.kills, life, recovery.durationMs, ledger.owed - more, more));
    }
  } finally {
    bars.stop();
  }
  return { totals, recoveriesMs };
}

/**
 * Runs one importer to its end. Without `kill` it imports everything that is left.
 *
 * @param {string} directory
 * @param {AbortSignal} signal
 * @param {Ledger} ledger
 * @param {import('./kill-plan.js').Kill | undefined} kill
 * @param {(done: number) => void} onProgress
 */
async function runLife(directory, signal, ledger, kill, onProgress) {
  const life = { acknowledged: 0, commits: 0, importMs: 0, isInCheckpoint: false, wasKilled: false };
  const toGo = Math.max(1, (kill?.at ?? 0) - ledger.owed);
  const killAfter =
    kill?.when === 'importing' ? toGo : kill?.when === 'checkpoint' ? toGo + kill.later : Infinity;
  let startedMs = 0;
  life.wasKilled = await runImporter(directory, {
    checkpointAfter: kill?.when === 'checkpoint' ? toGo : Infinity,
    signal,
    listener: {
      acknowledged(place) {
        life.acknowledged++;
        ledger.add(place);
      },
      news(news, killNow) {
        if (news.opening && kill?.when === 'opening') killNow();
        if (news.importing) startedMs = performance.now();
        if (news.commits !== undefined) life.commits = news.commits;
        if (news.checkpoint !== undefined) life.isInCheckpoint = news.checkpoint === 'begun';
      },
      heard(killNow) {
        if (life.acknowledged > 0) life.importMs = performance.now() - startedMs;
        if (life.acknowledged >= killAfter) killNow();
        onProgress(ledger.owed);
      },
    },
  });
  return life;
}

/**
 * Opens the store as the dead importer left it, and checks every city.
 *
 * @param {string} directory
 * @param {Ledger} ledger
 */
async function recoverAndCheck(directory, ledger) {
  /** @type {import('keelson').Store<string, import('./cities.js').City>} */
  const db = await open(directory);
  try {
    return { recovery: db.recovery, more: ledger.check(db) };
  } finally {
    await db.close();
  }
}

/**
 * Returns the line that describes a kill and the recovery after it.
 *
 * @param {number} nth
 * @param {{ isInCheckpoint: boolean, importMs: number }} life
 * @param {number} recoveryMs
 * @param {number} owed
 * @param {number} more
 */
function killLine(nth, life, recoveryMs, owed, more) {
  const place = life.isInCheckpoint ? 'in a checkpoint' : life.importMs === 0 ? 'while opening' : 'importing';
  const killed = `kill ${String(nth).padStart(2)}  ${place.padEnd(15)}`;
  const recovered = `recovered in ${milliseconds(recoveryMs).padStart(6)}`;
  return `  ${killed}  ${recovered}  ${whole(owed).padStart(7)} owed, all there; ${whole(more)} more`;
}
