// @ts-check
// The parent's end of an importer: starts it, reads what it says, kills it when told to, and waits until it is gone.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const IMPORTER = fileURLToPath(new URL('importer.js', import.meta.url));

/**
 * One line from an importer: the place of an acknowledged city, or news.
 *
 * @typedef {object} News
 * @property {true} [opening] It begins to open the store.
 * @property {true} [importing] The store is open, and the first put is next.
 * @property {number} [commits] So many disk flushes it has made so far.
 * @property {'begun' | 'done'} [checkpoint]
 * @property {true} [done] Every city is in, and the store is closed.
 *
 * @typedef {object} Listener
 * @property {(place: number) => void} acknowledged
 * @property {(news: News, kill: () => void) => void} news
 * @property {(kill: () => void) => void} heard After every piece that came through the pipe.
 */

/**
 * Runs an importer to its end, whichever: resolves with true when it was killed, and with false when it was done.
 * Everything that it wrote before it died has been heard by then.
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

  // Death may cut the last line: a piece without its line end was never said.
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
