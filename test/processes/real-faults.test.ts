// Real faults on real files, both engines: disks that are full, file systems that turn read-only under a store, limits of
// the process, and system calls that fail where strace says so. Each in a process of its own, and what is there afterwards
// is judged by another, from what the first one said was acknowledged.

import { type ChildProcess, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  hasTool,
  jsonOf,
  type RunOptions,
  runProgram,
  useDirectory,
  whyNoIoUring,
  works,
} from '../native/native-tools.js';
import { type FileSystem, useMounts, whyNoMount } from './mounts.js';

/**
 * Writes keys in turn, so that the state after any number of writes is known: key n % KEYS holds the write n. A put that
 * throws must have changed nothing. Every line is said at once.
 */
const TOOLS = `
  import readline from 'node:readline';
  import { isKeelsonError, open } from 'keelson';
  const [ENGINE] = PARAMETERS;
  const KEYS = 8;
  const OPTIONS = { engine: ENGINE, autoCheckpoint: false, valueEncoding: 'utf8' };
  const valueFor = (n, bytes) => n + ':' + 'x'.repeat(bytes);
  const told = (error) => {
    if (!isKeelsonError(error)) throw error;
    return { code: error.code, errno: error.facts.errno ?? error.cause?.facts?.errno };
  };
  let writes = 0;
  const inFlight = [];
  // What a put came to, thrown or rejected; null while all is well.
  async function putUntilFailure(db, bytes, most) {
    for (let i = 0; i < most; i++) {
      const key = 'k' + (writes % KEYS);
      const [value, lsn] = [db.get(key), db.lastLsn];
      let durable;
      try {
        durable = db.put(key, valueFor(writes, bytes));
      } catch (error) {
        if (db.get(key) !== value || db.lastLsn !== lsn) throw new Error('A put that threw is visible');
        return { threw: told(error), poisoned: db.poisoned?.code ?? null };
      }
      const n = writes++;
      print({ submitted: n });
      const outcome = durable.then(() => void print({ acknowledged: n }), (error) => ({ rejected: told(error) }));
      inFlight.push(outcome);
      // Three at a time share a commit.
      if (inFlight.length < 3) continue;
      const failed = (await Promise.all(inFlight.splice(0))).find(Boolean);
      if (failed) return { ...failed, poisoned: db.poisoned?.code ?? null };
    }
    const failed = (await Promise.all(inFlight.splice(0))).find(Boolean);
    return failed ? { ...failed, poisoned: db.poisoned?.code ?? null } : null;
  }
  // A poisoned store throws at once; other failures reject.
  const tried = async (call) => { try { await call(); return 'done'; } catch (error) { return told(error); } };
  const readable = (db) => {
    for (let n = Math.max(0, writes - KEYS); n < writes; n++) {
      if (!db.get('k' + (n % KEYS))?.startsWith(n + ':')) throw new Error('A write cannot be read');
    }
    return db.size;
  };
  const input = readline.createInterface({ input: process.stdin });
  const toldToGo = new Promise((resolve) => input.once('line', resolve));
  // Says so, and waits until the test has done its part.
  const ready = async () => { print({ ready: true }); await toldToGo; };
  const end = () => input.close();
`;

const REOPEN = `
  import { open, isKeelsonError } from 'keelson';
  const [ENGINE, READ_ONLY] = PARAMETERS;
  try {
    const db = await open(DIRECTORY, { engine: ENGINE, valueEncoding: 'utf8', readOnly: READ_ONLY === 'read-only' });
    const found = Object.fromEntries([...db.entries()].map(([key, value]) => [key, parseInt(value, 10)]));
    for (const value of db.values()) if (!/^\\d+:x+$/.test(value)) throw new Error('A value is damaged');
    await db.close();
    print({ found });
  } catch (error) {
    if (!isKeelsonError(error)) throw error;
    print({ code: error.code, errno: error.facts.errno });
  }
`;

const KEYS = 8;
const why = whyNoIoUring();

interface Reopened {
  readonly found?: Readonly<Record<string, number>>;
  readonly code?: string;
  readonly errno?: string;
}

/** A put that failed: how, and what the store says of itself. Null is none. */
type Failure = {
  readonly threw?: Told;
  readonly rejected?: Told;
  readonly poisoned: string | null;
} | null;
interface Told {
  readonly code: string;
  readonly errno?: string;
}
/** What a program says of a step, under the name of the step. */
interface Line {
  readonly failed?: Failure;
  readonly after?: Failure;
  readonly again?: Failure;
  readonly next?: Failure;
  readonly relieved?: Failure;
  readonly checkpoint?: 'done' | Told;
  readonly opened?: 'done' | Told;
  readonly made?: readonly string[];
  readonly size?: number;
  readonly isPoisoned?: boolean;
}

/** What a program said: which writes were submitted and acknowledged, and the rest. */
interface Said {
  readonly submitted: number;
  readonly acknowledged: number;
  readonly lines: readonly Line[];
}

describe.each(['io_uring', 'fs'] as const)('on %s', (engine) => {
  describe.skipIf(engine === 'io_uring' && why !== null)(
    `real faults${engine === 'io_uring' && why !== null ? ` (skipped: ${why})` : ''}`,
    () => {
      const here = useDirectory();
      const mounted = useMounts();

      const reopen = (directory: string, ...parameters: string[]) =>
        jsonOf<Reopened>(runProgram(REOPEN, [directory, engine, ...parameters]));

      /** The program to its end; `act` is done when it says that it is ready. */
      async function say(
        program: string,
        directory: string,
        options: RunOptions = {},
        act?: (child: ChildProcess) => void,
      ) {
        const ended = await runProgram(TOOLS + program, [directory, engine], {
          ...options,
          onLine: (line, child) => {
            if (!line.startsWith('{"ready"')) return;
            act?.(child);
            child.stdin!.write('go\n');
          },
        });
        if (ended.code !== 0 && ended.signal !== 'SIGKILL') {
          throw new Error(
            `It ended with ${ended.signal ?? ended.code}: ${ended.stdout.slice(-500)}\n${ended.stderr}`,
          );
        }
        const lines = ended.stdout
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line));
        const numbersOf = (what: string) =>
          lines.flatMap((line) => (what in line ? [line[what] as number] : []));
        const said: Said = {
          submitted: numbersOf('submitted').length,
          acknowledged: Math.max(-1, ...numbersOf('acknowledged')) + 1,
          lines: lines.filter((line) => !('submitted' in line || 'acknowledged' in line)),
        };
        return said;
      }

      /** The state after k writes, for a k from acknowledged to submitted: whole, in order, without a gap. */
      function expectAcknowledged({ found }: Reopened, { acknowledged, submitted }: Said): void {
        expect(found).toBeDefined();
        const k = Math.max(-1, ...Object.values(found!)) + 1;
        expect(k).toBeGreaterThanOrEqual(acknowledged);
        expect(k).toBeLessThanOrEqual(submitted);
        const expected = Array.from({ length: Math.min(k, KEYS) }, (_, back) => k - 1 - back);
        expect(found).toEqual(Object.fromEntries(expected.map((n) => [`k${n % KEYS}`, n])));
      }

      describe.each<[FileSystem, number, number]>([
        ['tmpfs', 9, 5],
        ['ext4', 32, 12],
      ])('on %s of %i MiB', (kind, mebibytes, ballastMebibytes) => {
        const whyNot = whyNoMount(kind);
        const skipped = whyNot === null ? '' : ` (skipped: ${whyNot})`;

        test.skipIf(whyNot !== null)(
          `that is full, a put throws before it is visible, reads go on, and it goes on when there is room${skipped}`,
          async () => {
            const { directory } = mounted(kind, mebibytes);
            fs.writeFileSync(path.join(directory, 'ballast'), Buffer.alloc(ballastMebibytes * 1024 * 1024));
            const said = await say(
              `
            const db = await open(DIRECTORY + '/store', OPTIONS);
            print({ full: await putUntilFailure(db, 30_000, 2_000), size: readable(db) });
            print({ still: await putUntilFailure(db, 2_000_000, 1), size: readable(db) });
            print({ checkpoint: await tried(() => db.checkpoint()) });
            print({ relieved: await putUntilFailure(db, 1_000, 10) });
            fs.rmSync(DIRECTORY + '/ballast');
            print({ checkpoint: await tried(() => db.checkpoint()) });
            print({ freed: await putUntilFailure(db, 30_000, 20), size: readable(db) });
            await db.close();
            end();
          `,
              directory,
            );
            const noSpace = { threw: { code: 'KEELSON_NO_SPACE', errno: 'ENOSPC' }, poisoned: null };
            // A checkpoint gives room back if its image finds any. The next segment takes as much as the last, or twice.
            const [, , { checkpoint }, { relieved }] = said.lines as [Line, Line, Line, Line];
            if (checkpoint !== 'done') expect(checkpoint).toEqual(noSpace.threw);
            if (relieved !== null) expect(relieved).toEqual(noSpace);
            expect(said.lines).toEqual([
              { full: noSpace, size: KEYS },
              { still: noSpace, size: KEYS },
              { checkpoint },
              { relieved },
              { checkpoint: 'done' },
              { freed: null, size: KEYS },
            ]);
            expect(said.acknowledged).toBe(said.submitted);
            expectAcknowledged(await reopen(path.join(directory, 'store')), said);
          },
        );

        test.skipIf(whyNot !== null)(
          `killed when it is full to the last byte, it opens or says so, and opens with everything when there is room${skipped}`,
          async () => {
            const { directory } = mounted(kind, mebibytes);
            const ballast = path.join(directory, 'ballast');
            fs.writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024));
            const said = await say(
              `
            const db = await open(DIRECTORY + '/store', OPTIONS);
            print({ full: await putUntilFailure(db, 30_000, 2_000) });
            const fd = fs.openSync(DIRECTORY + '/rest', 'w');
            try { for (;;) fs.writeSync(fd, Buffer.alloc(4096)); } catch (error) { print({ rest: error.code }); }
            process.kill(process.pid, 'SIGKILL');
          `,
              directory,
            );
            expect(said.lines).toMatchObject([{ full: { poisoned: null } }, { rest: 'ENOSPC' }]);
            const store = path.join(directory, 'store');
            const full = await reopen(store);
            if (full.found === undefined) expect(full).toEqual({ code: 'KEELSON_NO_SPACE', errno: 'ENOSPC' });
            else expectAcknowledged(full, said);
            // Without a lock and without a write it can be read in any case.
            expectAcknowledged(await reopen(store, 'read-only'), said);
            fs.rmSync(ballast);
            expectAcknowledged(await reopen(store), said);
          },
        );
      });

      const whyNoExt4 = whyNoMount('ext4');
      const noExt4 = whyNoExt4 === null ? '' : ` (skipped: ${whyNoExt4})`;

      test.skipIf(whyNoExt4 !== null)(
        `when ext4 turns read-only under it, writes fail for good, reads go on, and the acknowledged are there${noExt4}`,
        async (context) => {
          const mount = mounted('ext4', 16);
          const trigger = `/sys/fs/ext4/${mount.device}/trigger_fs_error`;
          if (!fs.existsSync(trigger)) context.skip('this kernel triggers no errors of ext4');
          const said = await say(
            `
          const db = await open(DIRECTORY + '/store', OPTIONS);
          print({ before: await putUntilFailure(db, 10_000, 30) });
          await ready();
          print({ after: await putUntilFailure(db, 30_000, 400), size: readable(db) });
          print({ again: await putUntilFailure(db, 30_000, 1), size: readable(db) });
          print({ checkpoint: await tried(() => db.checkpoint()) });
          await db.close();
          end();
        `,
            mount.directory,
            {},
            () => fs.writeFileSync(trigger, '1'),
          );
          expect(said.lines.map((line) => Object.keys(line)[0])).toEqual([
            'before',
            'ready',
            'after',
            'again',
            'checkpoint',
          ]);
          const [before, , after, again, checkpoint] = said.lines;
          expect(before).toEqual({ before: null });
          const poisoned = { code: 'KEELSON_POISONED', errno: expect.stringMatching(/^(EROFS|EIO)$/) };
          expect(after).toEqual({ after: { rejected: poisoned, poisoned: poisoned.code }, size: KEYS });
          expect(again).toEqual({ again: { threw: poisoned, poisoned: poisoned.code }, size: KEYS });
          expect(checkpoint).toEqual({ checkpoint: poisoned });
          mount.repair();
          expectAcknowledged(await reopen(path.join(mount.directory, 'store')), said);
        },
      );

      test.skipIf(whyNoExt4 !== null)(
        `killed and mounted read-only, it opens for reading, refuses the rest, and opens when it may be written${noExt4}`,
        async () => {
          const mount = mounted('ext4', 16);
          const said = await say(
            `
          const db = await open(DIRECTORY + '/store', OPTIONS);
          await putUntilFailure(db, 10_000, 30);
          db.put('k' + (writes % KEYS), valueFor(writes, 10_000));
          print({ submitted: writes });
          process.kill(process.pid, 'SIGKILL');
        `,
            mount.directory,
          );
          const store = path.join(mount.directory, 'store');
          mount.remount('ro');
          expect(await reopen(store)).toEqual({ code: 'KEELSON_ACCESS', errno: 'EROFS' });
          expectAcknowledged(await reopen(store, 'read-only'), said);
          mount.remount('rw');
          expectAcknowledged(await reopen(store), said);
        },
      );

      const noPrlimit = hasTool('prlimit') ? '' : ' (skipped: no prlimit)';

      test.skipIf(noPrlimit !== '')(
        `out of descriptors, opening makes nothing, a put throws before it is visible, and all goes on with more${noPrlimit}`,
        async () => {
          const said = await say(
            `
          const free = [];
          const exhaust = () => { try { for (;;) free.push(fs.openSync('/dev/null')); } catch (error) { return error.code; } };
          const relax = () => { for (const fd of free.splice(0)) fs.closeSync(fd); };
          // What is loaded and set up once per process.
          await open(DIRECTORY + '/first', OPTIONS).then((first) => first.close());
          for (const left of [0, 1, 2, 3]) {
            const errno = exhaust();
            for (let i = 0; i < left; i++) fs.closeSync(free.pop());
            const opened = await open(DIRECTORY + '/new', OPTIONS).then(async (db) => { await db.close(); return 'done'; }, told);
            relax();
            const made = fs.existsSync(DIRECTORY + '/new') ? fs.readdirSync(DIRECTORY + '/new') : [];
            const next = await open(DIRECTORY + '/new', OPTIONS);
            await next.close();
            print({ errno, opened, made, left });
            fs.rmSync(DIRECTORY + '/new', { recursive: true, force: true });
          }
          const db = await open(DIRECTORY + '/store', OPTIONS);
          print({ before: await putUntilFailure(db, 10_000, 10) });
          exhaust();
          print({ without: await putUntilFailure(db, 100_000, 200), size: readable(db) });
          print({ checkpoint: await tried(() => db.checkpoint()) });
          relax();
          print({ again: await putUntilFailure(db, 100_000, 40), checkpoint: await tried(() => db.checkpoint()) });
          exhaust();
          await db.close();
          relax();
          end();
        `,
            here.path,
            { under: ['prlimit', '--nofile=64'] },
          );
          const emfile = { code: 'KEELSON_NO_SPACE', errno: 'EMFILE' };
          const openings = said.lines.slice(0, 4);
          expect(openings[0]).toMatchObject({ errno: 'EMFILE', opened: emfile, made: [] });
          for (const { opened, made } of openings) {
            if (opened === 'done') continue;
            expect(opened).toEqual(emfile);
            // A lock that was taken and given back is not part of a store.
            expect((made ?? []).filter((name) => name !== 'LOCK.1')).toEqual([]);
          }
          expect(said.lines.slice(4)).toEqual([
            { before: null },
            { without: { threw: emfile, poisoned: null }, size: KEYS },
            { checkpoint: emfile },
            { again: null, checkpoint: 'done' },
          ]);
          expectAcknowledged(await reopen(here.at('store')), said);
        },
      );

      test.skipIf(noPrlimit !== '')(
        `where files may not grow that large, a put throws before it is visible, and goes on when they may${noPrlimit}`,
        async () => {
          const said = await say(
            `
          const db = await open(DIRECTORY + '/store', OPTIONS);
          print({ limited: await putUntilFailure(db, 2_000_000, 1) });
          print({ small: await putUntilFailure(db, 1_000, 10), size: readable(db) });
          print({ limited: await putUntilFailure(db, 2_000_000, 1), checkpoint: await tried(() => db.checkpoint()) });
          await ready();
          print({ after: await putUntilFailure(db, 100_000, 40), size: readable(db) });
          await db.close();
          end();
        `,
            here.path,
            { under: ['prlimit', '--fsize=1572864:unlimited'] },
            (child) => {
              const raised = spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']);
              expect(raised.status).toBe(0);
            },
          );
          const tooLarge = { threw: { code: 'KEELSON_NO_SPACE', errno: 'EFBIG' }, poisoned: null };
          expect(said.lines).toEqual([
            { limited: tooLarge },
            { small: null, size: KEYS },
            { limited: tooLarge, checkpoint: 'done' },
            { ready: true },
            { after: null, size: KEYS },
          ]);
          expectAcknowledged(await reopen(here.at('store')), said);
        },
      );

      const canTrace = hasTool('strace') && works('strace', '-f', '-o', '/dev/null', 'true');
      const noTrace = canTrace ? '' : ' (skipped: strace does not work here)';
      const injections = [
        // On io_uring only what prepares files is flushed by a call of its own.
        ...(engine === 'fs' ? [1, 2, 3, 5, 9] : [1, 2]).map((when) => ['fdatasync', 'EIO', when] as const),
        ...[1, 2, 4, 8].map((when) => ['pwrite64', 'ENOSPC', when] as const),
        ...(engine === 'io_uring' ? [4, 12].map((when) => ['io_uring_enter', 'EIO', when] as const) : []),
      ];

      test.skipIf(!canTrace).each(injections)(
        `%s failing with %s at call %i of a thread stops it or harms nothing, and the acknowledged are there${noTrace}`,
        async (call, errno, when) => {
          const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${errno}:when=${when}`];
          const log = here.at('trace');
          const said = await say(
            `
          let db;
          try { db = await open(DIRECTORY + '/store', OPTIONS); } catch (error) { print({ refused: told(error) }); }
          if (db !== undefined) {
            const failed = await putUntilFailure(db, 30_000, 60);
            print({ failed, size: readable(db) });
            if (failed !== null) print({ next: await putUntilFailure(db, 10, 1), isPoisoned: db.poisoned !== null });
            print({ checkpoint: await tried(() => db.checkpoint()), isPoisoned: db.poisoned !== null });
            await db.close();
          }
          end();
        `,
            here.path,
            // The counter is a thread's own: one thread in the pool makes the call the same one every time.
            { under: ['strace', '-f', '-qq', '-y', '-o', log, ...inject], env: { UV_THREADPOOL_SIZE: '1' } },
          );
          const trace = fs.readFileSync(log, 'utf8');
          expect(trace, 'the call was never made: this shows nothing').toContain('(INJECTED)');
          const { failed } = said.lines.find((line) => 'failed' in line) ?? {};
          const next = said.lines.find((line) => 'next' in line);
          // On a segment under its name it is a commit that has failed: that must stop everything. On a temporary file
          // nothing has been accepted.
          if (call === 'io_uring_enter' || /\.journal>.*\(INJECTED\)/.test(trace)) {
            expect(said.lines.some(({ isPoisoned }) => isPoisoned)).toBe(true);
          }
          // What has failed stays failed. Where room was missing nothing is lost, and the next put tries again: that
          // one may meet the failure of the other thread.
          if (failed?.rejected) {
            expect(next).toMatchObject({ next: { threw: failed.rejected }, isPoisoned: true });
          } else if (failed?.threw) {
            if (failed.poisoned === null) expect(failed.threw.errno).toBe(errno);
            expect(next).toMatchObject(next?.next ? { isPoisoned: true } : { isPoisoned: false });
          }
          expectAcknowledged(await reopen(here.at('store')), said);
        },
      );
    },
  );
});
