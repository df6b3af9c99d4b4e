// The shell on a terminal, which `script` of util-linux makes: what it asks, completes, colours and remembers.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { keelson, newFolder } from './command-tools.js';

const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0;
const MAIN = path.resolve('dist/cli/main.js');

/** Starts a shell on a terminal. `type` sends keys, and resolves with what is shown up to a text. */
function startTerminal(store: string, home: string) {
  const command = `"${process.execPath}" "${MAIN}" shell "${store}"`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    // An environment of its own: under CI, Node takes a terminal for one without colours.
    env: { PATH: process.env.PATH, HOME: home, TERM: 'xterm-256color' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const until = async (text: string): Promise<string> => {
    while (!shown.includes(text)) await once(child.stdout, 'data');
    const end = shown.indexOf(text) + text.length;
    const part = shown.slice(0, end);
    shown = shown.slice(end);
    return part;
  };
  const type = (keys: string, text: string) => {
    child.stdin.write(keys);
    return until(text);
  };
  return { until, type, ended: once(child, 'close').then(([code]) => code as number) };
}

test.skipIf(!HAS_SCRIPT)(
  'a shell on a terminal asks once, completes, colours and remembers',
  async () => {
    const [store, home] = [path.join(newFolder(), 'store'), newFolder()];
    await keelson(['put', store, 'ada', '1', '--create', '-n', 'users']);
    const { until, type, ended } = startTerminal(store, home);
    const PROMPT = 'keelson> \x1b[10G';
    await until(PROMPT);
    await type("ns.users.put('bob', 2)\r", '[y/N] ');
    expect(await type('n', PROMPT)).toContain('READ_ONLY: Nothing was written');
    await type("await ns.users.put('bob', 2)\r", '[y/N] ');
    expect(await type('y', PROMPT)).toContain('\x1b[33m');
    expect(await type("ns.users.put('cleo', 3)\r", PROMPT)).not.toMatch(/\[y\/N\]|Promise/);
    expect(await type("ns.users.get('bob')\r", PROMPT)).toContain('\x1b[33m2\x1b[39m');
    expect(await type('if (true) {\r', '... ')).toBeTruthy();
    expect(await type("ns.users.get('cleo') }\r", PROMPT)).toContain('\x1b[33m3\x1b[39m');
    // The cursor behind the name. A tab completes only as the last key of what the terminal has.
    await type('ns.us\t', '\x1b[18G');
    await type(".get('c\t", 'leo');
    expect(await type("')\r", PROMPT)).toContain('\x1b[33m3\x1b[39m');
    await type('.exit\r', '.exit');
    expect(await ended).toBe(0);
    const history = fs.readFileSync(path.join(home, '.keelson_history'), 'utf8').split('\n');
    expect(history).toContain("ns.users.get('cleo')");
    expect((await keelson(['scan', store, '-n', 'users', '--keys'])).out).toBe('ada\nbob\ncleo\n');
  },
  60_000,
);
