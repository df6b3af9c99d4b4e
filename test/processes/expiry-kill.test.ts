// Real processes and real kills: a child whose entries expire is killed with SIGKILL, and this process opens what it has left, by
// a clock that has gone back, stands still or is ahead. It knows only what came through the pipe.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { open } from '../../src/index.js';
import { type Fact, historiesOf, START_MS } from '../kv/expiry-facts.js';
import { seededRandom } from '../native/native-tools.js';
import { builtEngines, type Engine } from './kill-rounds.js';

const LIVES = 4;
const SEED = Number(process.env['KEELSON_SEED'] ?? Math.floor(Math.random() * 1e9));

/** Lets a child live until it has said some lines, kills it, and returns what it has said. */
async function liveAndDie(parameters: readonly string[], lines: number): Promise<Fact[]> {
  const program = path.resolve('test/processes/expiry-writer.js');
  const child = spawn(process.execPath, [program, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > lines) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return said
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Fact | { readonly type: 'opened' })
    .filter((fact): fact is Fact => fact.type !== 'opened');
}

test.each(builtEngines())(
  `deadlines hold when a process is killed, on %s (seed ${SEED})`,
  async (engine: Engine) => {
    const random = seededRandom(SEED);
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-expiry-'));
    const directory = path.join(base, 'store');
    const facts: Fact[] = [];
    let found = 0;
    for (let life = 0; life < LIVES; life++) {
      const { now } = facts.length === 0 ? { now: START_MS } : historiesOf(facts);
      const parameters = [directory, engine, `${random(1e9)}`, `${now}`, `${(life + 1) * 1e6}`];
      facts.push(...(await liveAndDie(parameters, 50 + random(1000))));
      const last = historiesOf(facts).now;
      const time = Math.max(1, last + [-300, 0, 60][random(3)]!);
      facts.push({ type: 'clock', now: time });
      const db = await open<number>(directory, {
        engine,
        clock: () => time,
        valueEncoding: 'json',
        waitForLockMs: 10_000,
      });
      for (const [key, history] of historiesOf(facts).histories) {
        const value = db.get(key);
        history.check(key, value, time, time);
        if (value !== undefined) found++;
      }
      await db.close();
    }
    expect(found).toBeGreaterThan(0);
    fs.rmSync(base, { recursive: true });
  },
  120_000,
);
