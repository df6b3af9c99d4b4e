// @ts-check
// The parent's side of an importer: starts it, reads its messages, kills it on request, and waits for its end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const IMPORTER = fileURLToPath(new URL('importer.js', import.meta.url));

/**
 * A message of an importer, one line of JSON: the index of an acknowledged city, or news.
 *
 * @typedef {object} News
 * @property {true} [opening] The importer starts to open the store.
 * @property {true} [importing] The store is open, and the first put comes next.
 * @property {number} [commits] Disk flushes so far.
 * @property {'begun' | 'done'} [checkpoint] A checkpoint has begun or is done.
 * @property {true} [done] Every city is in, and the store is closed.
 *
 * @typedef {object} Listener
 * @property {(place: number) => void} acknowledged Called with the index of each acknowledged city.
 * @property {(news: News, kill: () => void) => void} news Called with all other messages.
 * @property {(kill: () => void) => void} heard Called after each chunk that came through the pipe.
 */

/**
 * Runs an importer to its end. Resolves to true if it was killed, and to false if it imported everything. By then the
 * listener has received everything that the importer wrote.
 *
 * @param {string} directory
 * @param {{ checkpointAfter: number, signal: AbortSignal, listener: Listener }} options
 */
export async function runImporter(directory, { checkpointAfter, signal, listener }) {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [IMPORTER, directory, String(checkpointAfter)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const kill = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill);

  // A kill may cut the last line off: a line without its end does not count.
  let unfinished = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) {
      /** @type {number | News} */
      const said = JSON.parse(line);
      if (typeof said === 'number') listener.acknowledged(said);
      else listener.news(said, kill);
    }
    listener.heard(kill);
  });

  const [exitCode, killedBy] = await closed;
  signal.removeEventListener('abort', kill);
  signal.throwIfAborted();
  if (killedBy === 'SIGKILL') return true;
  if (exitCode === 0) return false;
  throw new Error(`The importer ended by itself, with ${killedBy ?? `exit code ${exitCode}`}`);
}
