// The tests see: a storage that breaks one rule of its contract, under the very same store, is found out by the search
// within a few hundred states, mostly. What is planted here is on the side of the disk; the store is as it is.

import { describe, expect, it } from 'vitest';
import type {
  DurableWrite,
  DurableWriteDone,
  LogFile,
  Storage,
  StorageFile,
} from '../../src/storage/index.js';
import { CrashFailure } from '../../src/testing/index.js';
import { alsoHeld } from '../storage/wrapped-storage.js';
import { crashScript } from './script-crashes.js';
import { generateScript, type ScriptKind } from './script-generator.js';

const STATES_MAX = 3000;
const STATES_PER_SCRIPT = 160;

/** Other methods than those of the original; whatever is not named goes to the original. */
function instead<T extends object>(original: T, methods: Partial<T>): T {
  return new Proxy(original, {
    get: (target, name) => {
      const own = methods[name as keyof T];
      if (own !== undefined) return own;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The same storage, with every file it gives out changed. */
function withFiles(
  storage: Storage,
  change: (file: LogFile) => LogFile,
  methods: Partial<Storage> = {},
): Storage {
  const changeAny = (file: StorageFile): LogFile => change(file as LogFile);
  return instead(storage, {
    openFile: async (path, writable) => changeAny(await storage.openFile(path, writable)),
    createFile: async (path) => changeAny(await storage.createFile(path)),
    createLogFile: async (path) => change(await storage.createLogFile(path)),
    createLogFileSync: (path) => change(storage.createLogFileSync(path)),
    openLogFile: async (path) => change(await storage.openLogFile(path)),
    openLogFileSync: (path) => change(storage.openLogFileSync(path)),
    ...methods,
  });
}

/** A durable write that is only written. */
function writeOnly(storage: Storage, file: LogFile): Partial<LogFile> {
  const fill = ({ bytes, checksums }: DurableWrite): void => {
    if (checksums !== null) storage.checksumFrames(bytes, checksums);
  };
  let underWay = Promise.resolve();
  return {
    submit: (write: DurableWrite, done: DurableWriteDone) => {
      fill(write);
      underWay = file.write(write.bytes, write.position).then(
        () => done(null, true),
        (error) => done(error, true),
      );
    },
    writeDurableSync: (write) => {
      fill(write);
      file.writeSync(write.bytes, write.position);
    },
    drainSync: () => {},
    close: async () => {
      await underWay;
      await file.close();
    },
  };
}

/** Flushes of files wait for the next name that is given, and go behind it. */
function renameFirst(storage: Storage): Storage {
  let waiting: LogFile[] = [];
  const flushAll = (): void => {
    for (const file of waiting.splice(0)) file.flushSync();
  };
  const change = (file: LogFile): LogFile =>
    instead(file, {
      flush: async () => {
        waiting.push(file);
      },
      flushSync: () => {
        waiting.push(file);
      },
      close: () => {
        waiting = waiting.filter((other) => other !== file);
        return file.close();
      },
    });
  return withFiles(storage, change, {
    rename: async (from, to) => {
      await storage.rename(from, to);
      flushAll();
    },
    renameSync: (from, to) => {
      storage.renameSync(from, to);
      flushAll();
    },
    link: async (existing, name) => {
      await storage.link(existing, name);
      flushAll();
    },
    linkSync: (existing, name) => {
      storage.linkSync(existing, name);
      flushAll();
    },
  });
}

const BROKEN: Readonly<
  Record<string, readonly [trouble: ScriptKind['trouble'], through: (storage: Storage) => Storage]>
> = {
  'flushes of directories do nothing': [
    'none',
    (storage) => instead(storage, { flushDirectory: async () => {}, flushDirectorySync: () => {} }),
  ],
  'flushes of files do nothing': [
    'none',
    (storage) => withFiles(storage, (file) => instead(file, { flush: async () => {}, flushSync: () => {} })),
  ],
  'durable writes are only written': [
    'none',
    (storage) => withFiles(storage, (file) => instead(file, writeOnly(storage, file))),
  ],
  'files get their names before they are flushed': ['none', renameFirst],
  'a durable write that failed is reported as done': [
    'fault',
    (storage) =>
      withFiles(storage, (file) =>
        instead(file, {
          submit: (write, done) => file.submit(write, (_, memoryIsFree) => done(null, memoryIsFree)),
        }),
      ),
  ],
};

describe('a storage that breaks a rule is found out', () => {
  it.each(Object.keys(BROKEN))('%s', async (name) => {
    const [trouble, through] = BROKEN[name]!;
    let states = 0;
    for (let seed = 1; states < STATES_MAX; seed += 1) {
      const script = generateScript(seed, { trouble });
      const outcome = await crashScript(script, {
        statesMax: STATES_PER_SCRIPT,
        through: (storage) => alsoHeld(through(storage)),
      }).catch((error) => error);
      if (outcome instanceof CrashFailure) {
        expect(outcome.message).toMatch(/invariant \d|HangError/);
        return;
      }
      states += (outcome as { states: number }).states;
    }
    expect.fail(`nothing was found in ${states} states`);
  });

  it('and the same search finds nothing wrong with one that keeps them', async () => {
    for (const seed of [1, 2, 3]) {
      const through = (storage: Storage) => withFiles(storage, (file) => instead(file, {}));
      await crashScript(generateScript(seed, { trouble: 'none' }), { statesMax: STATES_PER_SCRIPT, through });
    }
  });
});
