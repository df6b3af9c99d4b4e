// Who lives and who is dead, with real processes. A live owner that is called dead would be robbed of its store.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  parseProcessStat,
  processLiveness,
  readProcessIdentity,
} from '../../src/storage/process-identity.js';
import type { Liveness, ProcessIdentity } from '../../src/storage/storage.js';

const HAS_PROC = fs.existsSync('/proc/self/stat');
const LOOK_COUNT_MAX = 500_000;

const own = readProcessIdentity();
const children: ChildProcess[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const child of children.splice(0)) await ended(child);
});

const liveness = (identity: ProcessIdentity): Liveness => processLiveness(identity, own);

/** A process that lives until its standard input is closed, once it is known to run its program. */
async function spawnLiving(
  program = process.execPath,
  args: readonly string[] = ['-e', 'console.log("up"); process.stdin.resume()'],
): Promise<{ child: ChildProcess; identity: ProcessIdentity }> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  children.push(child);
  await once(child.stdout!, 'data');
  const startTime = HAS_PROC ? statOf(child.pid!).startTime : '';
  return { child, identity: { ...own, pid: child.pid!, startTime } };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function statOf(pid: number): { state: string; startTime: string } {
  return parseProcessStat(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Looks until it is so, and blocks meanwhile: the event loop has no turn in which it would reap a process. */
function lookUntil(what: string, isSo: () => boolean): void {
  for (let look = 0; look < LOOK_COUNT_MAX; look++) if (isSo()) return;
  expect.fail(`it never came to be that ${what}`);
}

function withErrno(errno: string): Error {
  return Object.assign(new Error(errno), { code: errno });
}

describe.runIf(HAS_PROC)('where the system shows its processes', () => {
  test('the identity of this process is complete', () => {
    expect(own.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(own.pidNamespace).toMatch(/^pid:\[\d+\]$/);
    expect(own.pid).toBe(process.pid);
    expect(own.startTime).toMatch(/^\d+$/);
  });

  test('a child that runs is live', async () => {
    const { identity } = await spawnLiving();
    expect(liveness(identity)).toBe('live');
  });

  test('a killed child is dead while it is a zombie that nobody has reaped, and after', async () => {
    const { child, identity } = await spawnLiving();
    child.kill('SIGKILL');
    // Its first task is a zombie at once; the others take a moment to end, and until then it is rightly live.
    lookUntil('the killed child is dead', () => liveness(identity) === 'dead');
    expect(statOf(identity.pid).state).toBe('Z');
    await ended(child);
    expect(liveness(identity)).toBe('dead');
  });

  test('a child that is stopped is live', async () => {
    const { child, identity } = await spawnLiving();
    child.kill('SIGSTOP');
    lookUntil('the child is stopped', () => statOf(identity.pid).state === 'T');
    expect(liveness(identity)).toBe('live');
  });

  test('a process whose first task has ended is live while another one runs', async (context) => {
    const systemCall = { x64: 60, arm64: 93 }[process.arch as string];
    const hasPython = spawnSync('python3', ['--version']).status === 0;
    context.skip(systemCall === undefined || !hasPython, 'needs python3, to end one thread alone');
    const script = `
import ctypes, sys, threading
threading.Thread(target=sys.stdin.read).start()
print("up", flush=True)
ctypes.CDLL(None).syscall(${systemCall}, 0)
`;
    const { child, identity } = await spawnLiving('python3', ['-c', script]);
    lookUntil('the first task has ended', () => statOf(identity.pid).state === 'Z');
    expect(liveness(identity)).toBe('live');
    await ended(child);
    expect(liveness(identity)).toBe('dead');
  });

  test('a process that started at another time has only been given the same pid: the owner is dead', async () => {
    const { identity } = await spawnLiving();
    expect(liveness({ ...identity, startTime: `${Number(identity.startTime) - 1}` })).toBe('dead');
  });

  test('a process of unknown start time that runs is live', () => {
    expect(liveness({ ...own, startTime: '' })).toBe('live');
  });

  test('a process from before the last boot is dead, whatever has its pid now', () => {
    const bootId = '00000000-0000-0000-0000-000000000000';
    expect(liveness({ ...own, bootId })).toBe('dead');
    expect(liveness({ ...own, bootId, pidNamespace: 'pid:[1]' })).toBe('dead');
  });

  test('an unknown boot proves nothing', () => {
    expect(liveness({ ...own, bootId: '' })).toBe('live');
    const bootless = { ...own, bootId: '' };
    expect(processLiveness(own, bootless)).toBe('live');
  });

  test('a process of another pid namespace is unknown', () => {
    expect(liveness({ ...own, pidNamespace: 'pid:[1]' })).toBe('unknown');
    expect(liveness({ ...own, pidNamespace: '' })).toBe('unknown');
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31, 2 ** 53])(
    'the pid %d, which no process has, is unknown',
    (pid) => {
      expect(liveness({ ...own, pid })).toBe('unknown');
    },
  );

  test('a process that is hidden, but can be signalled, is unknown', async () => {
    const { identity } = await spawnLiving();
    vi.spyOn(fs, 'readFileSync').mockImplementation(() => {
      throw withErrno('ENOENT');
    });
    expect(liveness(identity)).toBe('unknown');
  });

  test('a process that may not be looked at is unknown', async () => {
    const { identity } = await spawnLiving();
    vi.spyOn(fs, 'readFileSync').mockImplementation(() => {
      throw withErrno('EACCES');
    });
    expect(liveness(identity)).toBe('unknown');
  });

  test('processes shown are not asked when they are those of another pid namespace', async () => {
    const { identity } = await spawnLiving();
    vi.spyOn(fs, 'readlinkSync').mockReturnValue('1');
    expect(liveness({ ...identity, startTime: 'another' })).toBe('unknown');
  });
});

describe('where the system does not show its processes', () => {
  const nameless: ProcessIdentity = { bootId: '', pidNamespace: '', pid: process.pid, startTime: '' };

  const hidden = (): void => {
    const refuse = (): never => {
      throw withErrno('ENOENT');
    };
    vi.spyOn(fs, 'readlinkSync').mockImplementation(refuse);
    vi.spyOn(fs, 'readFileSync').mockImplementation(refuse);
  };

  test('the identity has a pid and no more', () => {
    hidden();
    expect(readProcessIdentity()).toEqual(nameless);
  });

  test('this process is live, one that runs is unknown, one that is gone is dead', async () => {
    const { child, identity } = await spawnLiving();
    const other = { ...nameless, pid: identity.pid };
    hidden();
    expect(processLiveness(nameless, nameless)).toBe('live');
    expect(processLiveness(other, nameless)).toBe('unknown');
    await ended(child);
    expect(processLiveness(other, nameless)).toBe('dead');
  });
});

describe('the line of a process', () => {
  const fieldsFrom3 = ['S', ...Array.from({ length: 49 }, (_, index) => `${index + 4}`)].join(' ');

  test.each(['node', 'two words', 'a) R 1 (b', ')', '((', ''])(
    'is parsed when its program is called %o',
    (name) => {
      expect(parseProcessStat(`4711 (${name}) ${fieldsFrom3}\n`)).toEqual({ state: 'S', startTime: '22' });
    },
  );

  test('is refused when it is cut short', () => {
    expect(() => parseProcessStat('4711 (node) S 1 2 3')).toThrow('Not a process stat');
    expect(() => parseProcessStat('')).toThrow('Not a process stat');
  });
});
