// A child process that says lines of JSON through its pipe until it ends, or is killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

const PROGRAMS = path.resolve('test/processes');

export type Line = readonly [what: string, ...rest: unknown[]];

/** A program of this folder, on what is built. */
export class SpeakingProcess {
  /** Resolves when the child has ended and everything it said was heard. Rejects if it failed. */
  readonly ended: Promise<{ readonly wasKilled: boolean }>;
  readonly #child;
  readonly #name: string;
  #isOver = false;
  #wake = () => {};
  #heard: Promise<void>;

  /** `hear` is called with each line, in order. */
  constructor(name: string, parameters: readonly string[], hear: (line: Line) => void, input = '') {
    this.#name = name;
    this.#heard = this.#waitForMore();
    this.#child = spawn(process.execPath, [path.join(PROGRAMS, name), ...parameters], {
      env: { ...process.env, KEELSON_ENGINE: '', NODE_OPTIONS: '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // A child that was killed does not read to the end.
    this.#child.stdin.on('error', () => undefined).end(input);
    this.#listen(hear);
    this.ended = this.#end();
    // Callers may wait for lines first.
    this.ended.catch(() => {});
  }

  /** Resolves when the child has said what makes this true. Rejects if it has ended before. */
  async until(isSaid: () => boolean): Promise<void> {
    while (!isSaid()) {
      if (this.#isOver) {
        await this.ended;
        throw new Error(`${this.#name} has ended early`);
      }
      await this.#heard;
    }
  }

  /** Kills the child after some microseconds. Timers know milliseconds, so the kill comes after a spin. */
  kill(laterUs = 0): void {
    const at = performance.now() + laterUs / 1000;
    while (performance.now() < at);
    this.#child.kill('SIGKILL');
  }

  #listen(hear: (line: Line) => void): void {
    let unfinished = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (unfinished + text).split('\n');
      unfinished = lines.pop()!;
      for (const line of lines) hear(JSON.parse(line) as Line);
      this.#wake();
    });
  }

  async #end(): Promise<{ wasKilled: boolean }> {
    let complaints = '';
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    const [code, signal] = await once(this.#child, 'close');
    this.#isOver = true;
    this.#wake();
    if (signal !== 'SIGKILL' && code !== 0)
      throw new Error(`${this.#name} ended with ${signal ?? code}:\n${complaints}`);
    return { wasKilled: signal === 'SIGKILL' };
  }

  /** Starts to wait for what is said next. */
  #waitForMore(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#heard = this.#waitForMore();
        resolve();
      };
    });
  }
}
