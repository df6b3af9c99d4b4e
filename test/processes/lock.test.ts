// One owner, whoever asks from where: the lock between processes, with and without the addon, in other namespaces, and
// after every kind of end. Each owner is a process of its own, on the built package.

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { jsonOf, PROJECT, runProgram, useDirectory } from '../native/native-tools.js';
import {
  attempt,
  type Owner,
  removeNames,
  SETUPS,
  startOwner,
  WITHOUT_ADDON,
  whyNoNamespaces,
} from './lock-tools.js';

const here = useDirectory();
const owners: Owner[] = [];

afterEach(async () => {
  for (const owner of owners.splice(0)) await owner.kill();
});

async function owned(...args: Parameters<typeof startOwner>): Promise<Owner> {
  const owner = await startOwner(...args);
  owners.push(owner);
  return owner;
}

const LOCKED = { code: 'KEELSON_LOCKED', message: expect.stringContaining('has it open') };
const TAKEN = { keys: ['of the owner'] };

describe.each(SETUPS)('an owner on %s', (_, setup) => {
  test.each(SETUPS)(
    'is not robbed by an opener on %s, which has the store at once when it was killed',
    async (_name, opener) => {
      const owner = await owned(here.path, setup);
      expect(await attempt(here.path, opener)).toMatchObject(LOCKED);
      await owner.kill();
      expect(await attempt(here.path, opener)).toEqual(TAKEN);
      expect(fs.readdirSync(here.path).filter((name) => name.startsWith('LIVE.'))).toEqual([]);
    },
  );

  // Node removes the name that a socket was bound to when the event loop runs empty, or a worker ends. So a process
  // that ended without close() left a lock that named a socket which was gone: without the addon nobody could tell.
  test.each([
    ['that has nothing more to do', ''],
    ['that calls process.exit()', 'process.exit(0);'],
    ['that throws', "throw new Error('meant to end it');"],
    ['whose worker has it open and ends', 'WORKER'],
  ])('in a process %s without closing locks nobody out', async (_name, end) => {
    const inProcess = `
      import { open } from 'keelson';
      const db = await open(DIRECTORY);
      await db.put('of the owner', 1);
      ${end === 'WORKER' ? '' : end}
    `;
    const inWorker = `
      import { Worker } from 'node:worker_threads';
      import { once } from 'node:events';
      const program = "import { open } from 'keelson'; import { workerData } from 'node:worker_threads'; const db = await open(workerData); await db.put('of the owner', 1);";
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(program.replace("'keelson'", JSON.stringify(import.meta.resolve('keelson'))))), { workerData: DIRECTORY });
      await once(worker, 'exit');
    `;
    await runProgram(end === 'WORKER' ? inWorker : inProcess, [here.path], setup);
    expect(await attempt(here.path, setup)).toEqual(TAKEN);
    expect(await attempt(here.path, WITHOUT_ADDON)).toEqual(TAKEN);
  });

  // An open that failed removed its lock, and the dead owner's was the newest again, whose socket had been cleared away.
  test('that was killed locks nobody out after an open that failed', async () => {
    const owner = await owned(here.path, setup);
    await owner.kill();
    const [segment] = fs.readdirSync(here.path).filter((name) => name.endsWith('.journal'));
    const bytes = fs.readFileSync(here.at(segment!));
    fs.truncateSync(here.at(segment!), bytes.length / 2);
    expect(await attempt(here.path, setup)).toMatchObject({ code: 'KEELSON_CORRUPT' });
    fs.writeFileSync(here.at(segment!), bytes);
    expect(await attempt(here.path, setup)).toEqual(TAKEN);
  });

  // An owner that is stopped, in a debugger or by the system, answers nobody, and goes on to write when it is resumed.
  test('is not robbed while it is stopped', async () => {
    const owner = await owned(here.path, setup);
    owner.signal('SIGSTOP');
    expect(await attempt(here.path)).toMatchObject(LOCKED);
    expect(await attempt(here.path, WITHOUT_ADDON)).toMatchObject(LOCKED);
    owner.signal('SIGCONT');
    expect(await owner.tell('after')).toBe('done');
  });

  // A process that was given the pid of the owner had another start time, and so the owner was dead, it was thought.
  test('is not robbed whatever its lock file says of its start time and its boot', async () => {
    await owned(here.path, setup);
    const file = here.at('LOCK.1');
    const text = fs.readFileSync(file, 'utf8');
    const lie = text
      .replace(/"startTime":"\d+"/, '"startTime":"1"')
      .replace(/"bootId":"[^"]+"/, '"bootId":"another"');
    expect(lie).not.toBe(text);
    // In place: the file stays the file.
    const fd = fs.openSync(file, 'r+');
    fs.ftruncateSync(fd);
    fs.writeSync(fd, lie, 0);
    fs.closeSync(fd);
    expect(await attempt(here.path, setup)).toMatchObject(LOCKED);
  });

  // Its lock file was removed by hand, as error messages of such tools tell people to do.
  test('whose lock file was removed is not robbed, and poisons itself at its next operation on a name', async () => {
    const owner = await owned(here.path, setup);
    expect(removeNames(here.path, /^LOCK\./)).toBe(1);
    expect(await attempt(here.path, setup)).toMatchObject({
      code: 'KEELSON_LOCKED',
      message: expect.stringContaining('lock file was removed'),
    });
    expect(await owner.tell('checkpoint')).toMatch(/LOCK_LOST|POISONED/);
    expect(JSON.parse(await owner.tell('more'))).toEqual([
      'KEELSON_POISONED',
      expect.stringContaining('was removed'),
      'KEELSON_LOCK_LOST',
    ]);
    await owner.kill();
    expect(await attempt(here.path, setup)).toEqual(TAKEN);
  });
});

describe('in a path that is longer than a socket may have', () => {
  // The path was cut in silence, and the socket landed under another name, or in another directory.
  test.each(SETUPS)('an owner on %s lives, and is dead when it was killed', async (_, setup) => {
    const deep = here.at('x'.repeat(100), 'y'.repeat(100));
    const owner = await owned(deep, setup);
    expect(fs.readdirSync(deep).filter((name) => /^LIVE\.[0-9a-f]{16}$/.test(name))).toHaveLength(1);
    expect(await attempt(deep, WITHOUT_ADDON)).toMatchObject(LOCKED);
    await owner.kill();
    expect(await attempt(deep, WITHOUT_ADDON)).toEqual(TAKEN);
  });
});

describe.skipIf(whyNoNamespaces !== null)(
  `between containers${whyNoNamespaces === null ? '' : ` (skipped: ${whyNoNamespaces})`}`,
  () => {
    // A live owner was robbed: where another boot id was mounted, its own said that the machine had booted since.
    test.each(SETUPS)(
      'an owner on %s is not robbed from where another boot id is mounted',
      async (_, setup) => {
        await owned(here.path, setup);
        const bootId = here.at('boot-id');
        fs.writeFileSync(bootId, '00000000-0000-0000-0000-000000000000\n');
        const mounting = `mount --bind ${bootId} /proc/sys/kernel/random/boot_id && exec "$@"`;
        const under = ['unshare', '-m', 'sh', '-c', mounting, 'sh'];
        expect(await attempt(here.path, { ...setup, under })).toMatchObject(LOCKED);
        expect(await attempt(here.path, { ...WITHOUT_ADDON, under })).toMatchObject(LOCKED);
      },
    );

    // A container that was killed and started again was locked out, until a person removed a file.
    test.each(SETUPS)(
      'an owner on %s in a pid namespace is not robbed, and a killed one locks nobody out',
      async (_, setup) => {
        const under = ['unshare', '-p', '-f', '--mount-proc', '--kill-child'];
        const owner = await owned(here.path, { ...setup, under });
        expect(await attempt(here.path, setup)).toMatchObject(LOCKED);
        expect(await attempt(here.path, { ...setup, under })).toMatchObject(LOCKED);
        await owner.kill();
        // The process in the namespace ends with the one that was killed, and a moment after it.
        expect(await attempt(here.path, setup, { waitForLockMs: 10_000 })).toEqual(TAKEN);
        const next = await owned(here.path, { ...setup, under });
        await next.kill();
        expect(await attempt(here.path, { ...setup, under }, { waitForLockMs: 10_000 })).toEqual(TAKEN);
      },
    );

    // Without /proc names go by the path: the directory is compared before each.
    test('without /proc a directory that is replaced while it is open ends in poisoned', async () => {
      const store = here.at('store');
      const under = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh'];
      const owner = await owned(store, { ...WITHOUT_ADDON, under });
      fs.renameSync(store, here.at('moved'));
      expect(await attempt(store)).toEqual({ keys: [] });
      const names = fs.readdirSync(store).sort();
      expect(await owner.tell('checkpoint')).toMatch(/LOCK_LOST|POISONED/);
      expect(fs.readdirSync(store).sort()).toEqual(names);
    });
  },
);

describe('workers of a cluster', () => {
  // The primary of a cluster listens for its workers, and would go on when the worker is dead.
  test('are owners of their own: a second one is refused, and a killed one is dead', async () => {
    const program = path.join(here.path, 'cluster.mjs');
    const dist = new URL('../../dist/index.js', import.meta.url).href;
    fs.writeFileSync(
      program,
      `
      import cluster from 'node:cluster';
      import { open } from '${dist}';
      const directory = process.argv[2] + '/store';
      if (cluster.isPrimary) {
        const said = (worker) => new Promise((resolve) => worker.once('message', resolve));
        const one = cluster.fork();
        const first = await said(one);
        const two = cluster.fork();
        const second = await said(two);
        one.process.kill('SIGKILL');
        await new Promise((resolve) => one.once('exit', resolve));
        const three = cluster.fork();
        console.log(JSON.stringify([first, second, await said(three)]));
        process.exit(0);
      } else {
        open(directory).then(() => process.send('open'), (error) => process.send(error.code));
      }
    `,
    );
    const { execFileSync } = await import('node:child_process');
    const run = (...options: string[]) =>
      JSON.parse(execFileSync(process.execPath, [...options, program, here.path], { encoding: 'utf8' }));
    expect(run('--no-addons')).toEqual(['open', 'KEELSON_LOCKED', 'open']);
    expect(run()).toEqual(['open', 'KEELSON_LOCKED', 'open']);
  });
});

describe('two copies of the module in one process', () => {
  test('are two owners: the second is told that this process has it open, and what to do', async () => {
    fs.cpSync(path.join(PROJECT, 'dist'), here.at('copy'), { recursive: true });
    fs.symlinkSync(path.join(PROJECT, 'node_modules'), here.at('node_modules'));
    fs.writeFileSync(here.at('package.json'), '{ "type": "module" }');
    const program = `
      import { open } from 'keelson';
      const other = await import(DIRECTORY + '/copy/index.js');
      const db = await open(DIRECTORY + '/store');
      await other.open(DIRECTORY + '/store').catch(({ code, message }) => print({ code, message }));
      await db.close();
    `;
    expect(await jsonOf(runProgram(program, [here.path]))).toEqual({
      code: 'KEELSON_LOCKED',
      message: expect.stringMatching(
        /this process .* has it open already .*\. Share the handle that is open, or close it first/,
      ),
    });
  });
});

describe('a process that ends without closing', () => {
  test('exits by itself: its socket does not keep it alive, and the next owner clears it away', async () => {
    const program =
      "import { open } from 'keelson'; const db = await open(DIRECTORY); await db.put('of the owner', 1);";
    expect(await runProgram(program, [here.path])).toMatchObject({ code: 0, stderr: '' });
    expect(await attempt(here.path)).toEqual(TAKEN);
    expect(fs.readdirSync(here.path).filter((name) => name.startsWith('LIVE.'))).toEqual([]);
  });
});

describe('waitForLockMs', () => {
  test('waits until a live owner has left, and no longer than it says', async () => {
    const owner = await owned(here.path);
    expect(await attempt(here.path, {}, { waitForLockMs: 100 })).toMatchObject(LOCKED);
    const waiting = attempt(here.path, {}, { waitForLockMs: 60_000 });
    expect(await owner.tell('close')).toBe('done');
    expect(await waiting).toEqual(TAKEN);
  });
});
