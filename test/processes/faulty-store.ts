// What the tests of real faults share: a store in a process of its own, which says what it submits and what is acknowledged,
// and another process, which opens what is there afterwards; on both engines.

import type { ChildProcess } from 'node:child_process';
import { describe, expect } from 'vitest';
import { jsonOf, type RunOptions, runProgram, whyNoIoUring } from '../native/native-tools.js';

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

export const KEYS = 8;
const why = whyNoIoUring();

export interface Reopened {
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
export interface Line {
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
export interface Said {
  readonly submitted: number;
  readonly acknowledged: number;
  readonly lines: readonly Line[];
}

/** The engine's store in processes of its own. */
interface Processes {
  reopen(directory: string, ...parameters: string[]): Promise<Reopened>;
  say(
    program: string,
    directory: string,
    options?: RunOptions,
    act?: (child: ChildProcess) => void,
  ): Promise<Said>;
}

export function onBothEngines(
  subject: string,
  define: (engine: 'io_uring' | 'fs', processes: Processes) => void,
): void {
  describe.each(['io_uring', 'fs'] as const)('on %s', (engine) => {
    const isMissing = engine === 'io_uring' && why !== null;
    describe.skipIf(isMissing)(`${subject}${isMissing ? ` (skipped: ${why})` : ''}`, () =>
      define(engine, processesOf(engine)),
    );
  });
}

function processesOf(engine: 'io_uring' | 'fs'): Processes {
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
    const numbersOf = (what: string) => lines.flatMap((line) => (what in line ? [line[what] as number] : []));
    const said: Said = {
      submitted: numbersOf('submitted').length,
      acknowledged: Math.max(-1, ...numbersOf('acknowledged')) + 1,
      lines: lines.filter((line) => !('submitted' in line || 'acknowledged' in line)),
    };
    return said;
  }

  return { reopen, say };
}

/** The state after k writes, for a k from acknowledged to submitted: whole, in order, without a gap. */
export function expectAcknowledged({ found }: Reopened, { acknowledged, submitted }: Said): void {
  expect(found).toBeDefined();
  const k = Math.max(-1, ...Object.values(found!)) + 1;
  expect(k).toBeGreaterThanOrEqual(acknowledged);
  expect(k).toBeLessThanOrEqual(submitted);
  const expected = Array.from({ length: Math.min(k, KEYS) }, (_, back) => k - 1 - back);
  expect(found).toEqual(Object.fromEntries(expected.map((n) => [`k${n % KEYS}`, n])));
}
