// Every command with every kind of bad store: one line with a code, an exit code, and no change of the store.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open } from '../../src/index.js';
import { FILE_HEADER_BYTES, FileHeaderCodec } from '../../src/journal/internal.js';
import { keelson, sharedFolder } from './command-tools.js';

/** Makes the header of a segment that a later Keelson wrote. */
const NEWER = new FileHeaderCodec({ magic: 'KEELSONJ', version: 99, noun: 'segment', article: 'a' });

const folder = sharedFolder();
const at = (name: string) => path.join(folder, name);
let owned: { close(): Promise<void> };

beforeAll(async () => {
  fs.writeFileSync(at('file'), '');
  fs.mkdirSync(at('empty'));
  fs.mkdirSync(at('foreign'));
  fs.writeFileSync(at('foreign/000000000001.journal'), 'x'.repeat(8192));
  const db = await open<number>(at('locked'));
  for (let n = 0; n < 10; n++) await db.put(`k${n}`, n);
  await db.close();
  for (const [name, harm] of [
    ['newer', (bytes: Buffer) => NEWER.finish(bytes.subarray(0, FILE_HEADER_BYTES))],
    // A commit that others follow.
    ['damaged', (bytes: Buffer) => bytes.fill(99, 8192, 8192 + 256)],
  ] as const) {
    fs.cpSync(at('locked'), at(name), { recursive: true });
    const file = fs.readdirSync(at(name)).find((entry) => entry.endsWith('.journal'))!;
    const bytes = fs.readFileSync(at(`${name}/${file}`));
    harm(bytes);
    fs.writeFileSync(at(`${name}/${file}`), bytes);
  }
  fs.writeFileSync(at('dump'), (await keelson(['dump', at('locked')])).out);
  owned = await open<number>(at('locked'));
});
afterAll(() => owned.close());

/** Commands that only read, and end. OUT is a directory that is not there. */
const READING: readonly (readonly string[])[] = [
  ['get', 'DIR', 'k1'],
  ['scan', 'DIR'],
  ['count', 'DIR'],
  ['stat', 'DIR'],
  ['stat', 'DIR', '--deep'],
  ['backup', 'DIR', 'OUT'],
  ['dump', 'DIR'],
  ['dump', 'DIR', '-o', 'OUT'],
  ['tail', 'DIR', '--since', '0', '--no-follow'],
  ['journal', 'DIR'],
  ['shell', 'DIR'],
];
const WRITING: typeof READING = [
  ['put', 'DIR', 'k1', '1'],
  ['del', 'DIR', 'k1'],
  ['compact', 'DIR'],
  ['load', 'DIR', 'DUMP'],
];
const EXAMINING: typeof READING = [
  ['verify', 'DIR'],
  ['salvage', 'DIR', 'OUT'],
];
const ALL = [...READING, ['watch', 'DIR', 'k1'], ...WRITING, ...EXAMINING];
/** Commands that tell of damage instead of stopping at it. */
const LENIENT = ['stat DIR', 'journal DIR', 'verify DIR', 'salvage DIR OUT'];
/** Makes a store where there is none. */
const MAKING = 'load DIR DUMP';

/** Returns the names and bytes in a directory, without those of its lock, or the bytes of a file. */
function contentOf(place: string): unknown {
  if (!fs.existsSync(place)) return null;
  if (!fs.statSync(place).isDirectory()) return fs.readFileSync(place, 'latin1');
  const names = fs.readdirSync(place).filter((name) => !/^(LOCK|LIVE)\./.test(name));
  return names.map((name) => [name, fs.readFileSync(path.join(place, name), 'latin1')]);
}

/** Runs a command on a store, which it must not change, and that must leave nothing at OUT when it fails. */
async function run(command: readonly string[], name: string) {
  const out = at('out');
  fs.rmSync(out, { recursive: true, force: true });
  const before = contentOf(at(name));
  const places: Record<string, string> = { DIR: at(name), OUT: out, DUMP: at('dump') };
  const ended = await keelson(command.map((word) => places[word] ?? word));
  expect(contentOf(at(name))).toEqual(before);
  if (ended.code > 1) {
    expect(fs.existsSync(out)).toBe(false);
    expect(ended.out).toBe('');
    expect(ended.err).toMatch(/^[A-Z_]+: [^\n]+\. [^\n]+\n$/);
  }
  return ended;
}

const named = (commands: typeof READING) => commands.map((command) => [command.join(' '), command] as const);

describe.each([
  ['none', 'KEELSON_NOT_FOUND'],
  ['empty', 'KEELSON_NOT_FOUND'],
  ['file', 'KEELSON_NOT_A_DIRECTORY'],
  ['foreign', 'KEELSON_FOREIGN'],
  ['newer', 'KEELSON_FORMAT_VERSION'],
  ['damaged', 'KEELSON_CORRUPT'],
])('on %s', (store, code) => {
  const refused = named(ALL).filter(
    ([text]) =>
      !(code === 'KEELSON_NOT_FOUND' && text === MAKING) &&
      !(code === 'KEELSON_CORRUPT' && LENIENT.includes(text)),
  );
  test.each(refused)(`%s is refused with ${code}`, async (_text, command) => {
    const ended = await run(command, store);
    expect(ended.err).toMatch(new RegExp(`^${code}: `));
    expect(ended.code).toBe(3);
  });
});

describe('on a damaged store', () => {
  test('stat, journal, verify and salvage tell what is whole', async () => {
    expect((await run(['stat', 'DIR'], 'damaged')).code).toBe(0);
    expect((await run(['journal', 'DIR'], 'damaged')).code).toBe(0);
    const verified = await run(['verify', 'DIR'], 'damaged');
    expect(verified.code).toBe(1);
    expect(verified.out).toContain('is damaged. Delete nothing; `keelson salvage DIR OUT`');
    const salvaged = await run(['salvage', 'DIR', 'OUT'], 'damaged');
    expect(salvaged.code).toBe(1);
    expect(salvaged.out).toContain('Writes are missing in these ranges of LSNs');
    expect((await keelson(['count', at('out')])).out).toBe('9\n');
  });
});

describe('beside a live owner', () => {
  test.each(named(READING))('%s works', async (_text, command) => {
    expect(await run(command, 'locked')).toMatchObject({ code: 0, err: '' });
  });

  test.each(named([...WRITING, ...EXAMINING]))('%s says who owns the store', async (text, command) => {
    const ended = await run(command, 'locked');
    expect(ended.code).toBe(4);
    const next = EXAMINING.includes(command) ? 'backup DIR OUT' : '--wait SECONDS';
    expect(ended.err).toMatch(new RegExp(`^KEELSON_LOCKED: .*${process.pid}\\) has it open.*${next}`));
    expect(text).toBeTruthy();
  });
});

describe('a backup that cannot be made', () => {
  const copyOf = (name: string, ...parameters: string[]) =>
    keelson(['backup', at('locked'), at(name), ...parameters]);

  test('says how to begin, and how to go on', async () => {
    expect((await copyOf('absent', '--incremental')).err).toContain(
      'the first backup is made without --incremental',
    );
    expect((await copyOf('empty', '--incremental')).err).toContain('make a new backup in an empty directory');
    expect((await copyOf('damaged')).err).toContain('--incremental brings a backup of this store up to date');
  });

  test('for want of history names the option that keeps it', async () => {
    for (let life = 0; life < 3; life++) {
      const db = await open<number>(at('short'));
      await db.put('a', life);
      if (life > 0) await db.checkpoint();
      await db.close();
      if (life === 0) expect((await keelson(['backup', at('short'), at('short-copy')])).code).toBe(0);
    }
    const late = await keelson(['backup', at('short'), at('short-copy'), '--incremental']);
    expect(late).toMatchObject({ code: 3, out: '' });
    expect(late.err).toMatch(/^KEELSON_HISTORY_GONE: .* the option retain of open\(\)/);
  });
});

describe('a place for a copy', () => {
  test.each([
    ['backup', 'damaged'],
    ['backup', 'file'],
    ['salvage', 'locked'],
    ['salvage', 'file/in'],
  ])('%s that is %s is refused', async (command, out) => {
    const from = command === 'backup' ? 'locked' : 'damaged';
    const before = contentOf(at(out));
    const ended = await keelson([command, at(from), at(out)]);
    expect(ended).toMatchObject({ code: 3, out: '' });
    expect(ended.err).toMatch(/^[A-Z_]+: [^\n]+\. [^\n]+\n$/);
    expect(contentOf(at(out))).toEqual(before);
  });
});
