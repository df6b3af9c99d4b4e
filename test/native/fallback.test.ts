// Where io_uring cannot be had: 'auto' runs on node:fs and says why, 'io_uring' is refused with the cause, and the next
// open tries afresh. Each in a process of its own, on the built package.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  hasTool,
  jsonOf,
  PROJECT,
  type RunOptions,
  runProgram,
  useDirectory,
  whyNoIoUring,
  works,
} from './native-tools.js';

const why = whyNoIoUring();
const NOBODY = 65_534;

/** What an open with each choice gives, and that whatever runs keeps what it acknowledges. */
const REPORT = `
  import { open } from 'keelson';
  import { openJournal } from 'keelson/journal';
  const causesOf = (error) => (error instanceof Error ? [error.code ?? error.message, ...causesOf(error.cause)] : []);
  const report = {};
  for (const engine of ['auto', 'io_uring', 'fs']) {
    const directory = DIRECTORY + '/' + engine;
    try {
      const journal = await openJournal(directory, { engine });
      await journal.commit(new TextEncoder().encode('hello'));
      const { nativeIoUringActive, directIoActive, engineReason } = journal;
      report[engine] = { engine: journal.engine, nativeIoUringActive, directIoActive, engineReason };
      await journal.close();
      const again = await openJournal(directory, { engine });
      report[engine].syncedLsn = again.syncedLsn;
      await again.close();
    } catch (error) {
      report[engine] = { code: error.code, message: error.message, causes: causesOf(error.cause) };
    }
  }
  const db = await open(DIRECTORY + '/store');
  await db.put('a', 1);
  report.store = db.stats();
  await db.close();
  report.descriptors = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try { return [fs.readlinkSync('/proc/self/fd/' + fd)]; } catch { return []; }
  }).filter((target) => target.includes('io_uring'));
  print(report);
`;

interface Report {
  readonly auto: Running;
  readonly io_uring: Running & Refused;
  readonly fs: Running;
  readonly store: Record<string, unknown>;
  readonly descriptors: readonly string[];
}
interface Running {
  readonly engine: string;
  readonly nativeIoUringActive: boolean;
  readonly directIoActive: boolean;
  readonly engineReason: string;
  readonly syncedLsn: number;
}
interface Refused {
  readonly code: string;
  readonly message: string;
  readonly causes: readonly string[];
}

function expectFallback(report: Report, reason: RegExp): void {
  expect(report.auto).toEqual({
    engine: 'fs',
    nativeIoUringActive: false,
    directIoActive: false,
    engineReason: expect.stringMatching(reason),
    syncedLsn: 17,
  });
  expect(report.io_uring).toMatchObject({
    code: 'KEELSON_ENGINE_UNAVAILABLE',
    message: expect.stringMatching(reason),
  });
  expect(report.io_uring.causes.length).toBeGreaterThan(0);
  expect(report.fs).toMatchObject({ engine: 'fs', syncedLsn: 17 });
  expect(JSON.stringify(report.store)).toMatch(/"engine":"fs"/);
  // What could not be set up to its end has been given back.
  expect(report.descriptors).toEqual([]);
}

function expectIoUring(report: Report): void {
  for (const running of [report.auto, report.io_uring]) {
    expect(running).toMatchObject({ engine: 'io_uring', nativeIoUringActive: true, syncedLsn: 17 });
  }
  expect(report.fs).toMatchObject({ engine: 'fs', nativeIoUringActive: false });
  expect(report.descriptors).toEqual(['anon_inode:[io_uring]']);
}

describe.skipIf(why !== null)(`without io_uring${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const here = useDirectory();
  const report = (options: RunOptions = {}) => jsonOf<Report>(runProgram(REPORT, [here.path], options));

  test('being denied, it runs: else the rest of this file would show nothing', async () => {
    expectIoUring(await report());
  });

  describe.skipIf(!hasTool('gcc'))(`denied by seccomp${hasTool('gcc') ? '' : ' (skipped: no gcc)'}`, () => {
    let folder = '';
    beforeAll(() => {
      folder = fs.mkdtempSync('/tmp/keelson-deny-');
      const source = path.join(PROJECT, 'native/test/deny-io-uring.c');
      const flags = ['-Wall', '-Wextra', '-Werror', '-o', `${folder}/deny`];
      const compiled = spawnSync('gcc', [...flags, source], { encoding: 'utf8' });
      expect(compiled.stderr).toBe('');
    });
    afterAll(() => fs.rmSync(folder, { recursive: true }));

    test.each([
      ['EPERM', 'setup'],
      ['ENOSYS', 'setup'],
      ['EPERM', 'register'],
      ['EPERM', 'enter'],
    ])('with %s at io_uring_%s, auto falls back and says so', async (errno, call) => {
      expectFallback(await report({ under: [`${folder}/deny`, errno, call] }), new RegExp(errno));
    });
  });

  const canTrace = hasTool('strace') && works('strace', '-f', '-o', '/dev/null', 'true');
  test.skipIf(!canTrace).each(['EPERM', 'ENOMEM', 'ENOSYS'])(
    'whatever the kernel answers, a sysctl or a limit: %s',
    async (errno) => {
      const inject = ['-e', 'trace=io_uring_setup', '-e', `inject=io_uring_setup:error=${errno}`];
      const under = ['strace', '-f', '-qq', '-o', '/dev/null', ...inject];
      expectFallback(await report({ under }), new RegExp(errno));
    },
  );

  test.skipIf(!canTrace)(
    'interrupted and put off by the kernel, again and again, a commit gets through',
    async () => {
      for (const errno of ['EINTR', 'EAGAIN', 'EBUSY']) {
        // Not the first, which is the probe at open.
        const inject = [
          '-e',
          'trace=io_uring_enter',
          '-e',
          `inject=io_uring_enter:error=${errno}:when=2..40`,
        ];
        const under = ['strace', '-f', '-qq', '-o', '/dev/null', ...inject];
        expectIoUring(await report({ under }));
        fs.rmSync(here.path, { recursive: true });
        fs.mkdirSync(here.path);
      }
    },
  );

  test.skipIf(!hasTool('prlimit') || process.getuid?.() !== 0)(
    'with no memory to lock, it runs or says why, and what runs is what is said',
    async () => {
      fs.chmodSync(here.path, 0o777);
      // Root may lock what it wants.
      const under = [
        'prlimit',
        '--memlock=0',
        'setpriv',
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        '--clear-groups',
      ];
      const found = await report({ under });
      if (found.auto.engine === 'io_uring') expectIoUring(found);
      else expectFallback(found, /ENOMEM|EPERM/);
      console.log(`without memory to lock: ${found.auto.engine}, ${found.auto.engineReason}`);
    },
  );

  test('where Node allows no addons', async () => {
    expectFallback(await report({ nodeOptions: ['--no-addons'] }), /addon/i);
  });

  test('under the permission model the choice is the same; where Node denies every flush, open says that', async () => {
    // Node 20.20 refuses fs.fsync and fs.fdatasync there, whatever is allowed: then no engine can promise anything.
    const program = `
      import { openJournal } from 'keelson/journal';
      import { openStorage } from './dist/storage/index.js';
      const { engine, engineReason } = openStorage('auto').report;
      let refused = null;
      try { openStorage('io_uring'); } catch (error) { refused = [error.code, error.cause.code]; }
      const opened = await openJournal(DIRECTORY + '/new').then(
        async (journal) => { await journal.commit(new Uint8Array(1)); await journal.close(); return 'works'; },
        (error) => [error.name, error.facts.errno],
      );
      print({ engine, engineReason, refused, opened });
    `;
    const nodeOptions = [
      '--experimental-permission',
      '--allow-fs-read=*',
      '--allow-fs-write=*',
      '--no-warnings',
    ];
    const found = await jsonOf<Record<string, unknown>>(runProgram(program, [here.path], { nodeOptions }));
    expect(found).toMatchObject({
      engine: 'fs',
      engineReason: expect.stringMatching(/addon/i),
      refused: ['KEELSON_ENGINE_UNAVAILABLE', 'ERR_DLOPEN_DISABLED'],
    });
    expect(['works', ['KeelsonError', 'ERR_ACCESS_DENIED']]).toContainEqual(found['opened']);
  });

  test.each(['native/build/Release/keelson.node', `prebuilds/linux-${process.arch}/keelson.node`])(
    'where the package has no addon, and when it has come, the next open takes it: %s',
    async (place) => {
      const copy = here.at('copy');
      fs.cpSync(path.join(PROJECT, 'dist'), `${copy}/dist`, { recursive: true });
      fs.copyFileSync(path.join(PROJECT, 'package.json'), `${copy}/package.json`);
      fs.symlinkSync(path.join(PROJECT, 'node_modules'), `${copy}/node_modules`);
      fs.mkdirSync(here.at('files'));
      const absent = await jsonOf<Report>(runProgram(REPORT, [here.at('files')], { cwd: copy }));
      expectFallback(absent, /this installation has no native addon; to get .* run npm ci in a checkout/);
      expect(absent.auto.engineReason).toMatch(
        /^The node:fs engine runs, durable and complete, only slower: /,
      );
      expect(absent.auto.engineReason).not.toMatch(/keelson\.node|Cannot find|MODULE/);
      const engines = `
      import { openJournal } from 'keelson/journal';
      const engines = [];
      for (const installed of [false, true]) {
        if (installed) fs.cpSync(PARAMETERS[0], PARAMETERS[1], { recursive: true });
        const journal = await openJournal(DIRECTORY);
        await journal.commit(new Uint8Array(1));
        engines.push(journal.engine);
        await journal.close();
      }
      print(engines);
    `;
      const built = path.join(PROJECT, 'native/build/Release/keelson.node');
      const run = runProgram(engines, [here.at('files/afresh'), built, `${copy}/${place}`], {
        cwd: copy,
      });
      expect(await jsonOf(run)).toEqual(['fs', 'io_uring']);
    },
  );

  // A put of large values met a function that the addon of an older build lacked, and threw a TypeError.
  test('an addon that was built from older sources is said and done without', async () => {
    const program = `
      process.dlopen = (module) => { module.exports = { openRing: () => 0 }; };
      const { openStorage } = await import('./dist/storage/index.js');
      print(openStorage('auto').report);
    `;
    expect(await jsonOf(runProgram(program, [here.path]))).toMatchObject({
      engine: 'fs',
      engineReason: expect.stringMatching(/built from older sources; .* npm run prepare/),
    });
  });

  test('an addon that is no addon is said and done without', async () => {
    const copy = here.at('copy');
    fs.cpSync(path.join(PROJECT, 'dist'), `${copy}/dist`, { recursive: true });
    fs.copyFileSync(path.join(PROJECT, 'package.json'), `${copy}/package.json`);
    fs.symlinkSync(path.join(PROJECT, 'node_modules'), `${copy}/node_modules`);
    fs.mkdirSync(`${copy}/native/build/Release`, { recursive: true });
    fs.writeFileSync(`${copy}/native/build/Release/keelson.node`, 'for another machine');
    fs.mkdirSync(here.at('files'));
    expectFallback(
      await jsonOf<Report>(runProgram(REPORT, [here.at('files')], { cwd: copy })),
      /the native addon was built for another system/,
    );
  });

  test.skipIf(!hasTool('prlimit'))(
    'out of descriptors and then not, the next open tries afresh',
    async () => {
      const program = `
      import { createIoUringStorage } from './dist/storage/index.js';
      import { loadNativeAddon } from './dist/storage/native-addon.js';
      loadNativeAddon();
      const free = [];
      // All that the limit leaves, then some given back: fewer than a ring and its eventfd need, and then enough.
      try { for (;;) free.push(fs.openSync('/dev/null')); } catch (error) { print(error.code); }
      const ringFds = () => {
        return fs.readdirSync('/proc/self/fd').filter((fd) => {
          try { return /io_uring|eventfd/.test(fs.readlinkSync('/proc/self/fd/' + fd)); } catch { return false; }
        }).length;
      };
      fs.closeSync(free.pop());
      const before = ringFds();
      for (let given = 0; given < 4; given++) {
        try {
          createIoUringStorage();
          print('had with ' + given);
          break;
        } catch (error) {
          const after = given > 0 ? ringFds() - before : 0;
          print(error.message.split('\\n')[0] + ' left ' + after);
        }
        fs.closeSync(free.pop());
      }
    `;
      const under = ['prlimit', '--nofile=64'];
      const { stdout, code, signal, stderr } = await runProgram(program, [here.path], { under });
      expect([code, signal, stderr]).toEqual([0, null, '']);
      const lines = stdout.trim().split('\n');
      expect(lines[0]).toBe('EMFILE');
      expect(lines.at(-1)).toMatch(/^had with [1-9]$/);
      for (const line of lines.slice(1, -1)) expect(line).toMatch(/EMFILE left 0$/);
      expect(lines.length).toBeGreaterThan(2);
    },
  );

  describe('KEELSON_ENGINE', () => {
    test.each([
      ['fs', 'fs', 'It was asked for.'],
      ['io_uring', 'io_uring', 'io_uring'],
      ['auto', 'io_uring', 'io_uring'],
      ['', 'io_uring', 'io_uring'],
    ])('of "%s" decides where the option leaves it open: %s', async (named, engine, reason) => {
      const found = await report({ env: { KEELSON_ENGINE: named } });
      expect(found.auto).toMatchObject({ engine, engineReason: expect.stringContaining(reason) });
      expect(found.io_uring.engine).toBe('io_uring');
      expect(found.fs.engine).toBe('fs');
    });

    test('of nonsense is misuse, and says what is expected', async () => {
      const program = `
        import { openJournal } from 'keelson/journal';
        await openJournal(DIRECTORY + '/new').catch((error) => print([error.name, error.message]));
        await openJournal(DIRECTORY + '/asked', { engine: 'fs' }).then((journal) => journal.close());
        print(fs.readdirSync(DIRECTORY));
      `;
      const { stdout, code } = await runProgram(program, [here.path], {
        env: { KEELSON_ENGINE: 'nonsense' },
      });
      expect(code).toBe(0);
      const [misuse, made] = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(misuse).toEqual([
        'TypeError',
        'KEELSON_ENGINE: expected one of auto, io_uring, fs, got the string "nonsense". Correct the environment variable, or unset it',
      ]);
      expect(made).toEqual(['asked']);
    });

    test('of io_uring, where there is none, is refused, and not fallen back from', async () => {
      const env = { KEELSON_ENGINE: 'io_uring' };
      const program = `
        import { openJournal } from 'keelson/journal';
        await openJournal(DIRECTORY + '/new').catch((error) => print([error.code, error.cause.message]));
        print(fs.readdirSync(DIRECTORY));
      `;
      const run = await runProgram(program, [here.path], { env, nodeOptions: ['--no-addons'] });
      expect(run.stdout.trim().split('\n')).toEqual([
        expect.stringMatching(/^\["KEELSON_ENGINE_UNAVAILABLE",".*addon/),
        '[]',
      ]);
    });
  });
});
