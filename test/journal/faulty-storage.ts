// A storage of the fs engine whose every operation can be watched, made to fail, or kept waiting. Operations are named
// alike in their awaited and their blocking form, so that "the third flush fails" means the same in both.

import { KeelsonError } from '../../src/errors.js';
import {
  createFsStorage,
  type DurableWrite,
  type DurableWriteDone,
  type LogFile,
  type Storage,
  type StorageFile,
} from '../../src/storage/index.js';
import type { OperationName } from '../../src/testing/faults.js';
import { heldWith } from '../storage/wrapped-storage.js';

export type Operation = Exclude<OperationName, 'kind'>;

export interface Call {
  readonly operation: Operation;
  readonly path: string;
}

/** True where a segment's name goes: it is removed, or gets its temporary name and waits to be used again. */
export function isRetirement({ operation, path }: Call): boolean {
  return (operation === 'remove' || operation === 'rename') && path.endsWith('.journal');
}

/** The errors that a full disk, a full table and a broken disk give. */
export function diskError(
  code: 'KEELSON_NO_SPACE' | 'KEELSON_IO',
  errno: string,
  syscall: string,
): KeelsonError {
  return new KeelsonError(code, `${syscall} failed with ${errno}`, { errno, syscall });
}

export const NO_SPACE = diskError('KEELSON_NO_SPACE', 'ENOSPC', 'write');
export const NO_DESCRIPTOR = diskError('KEELSON_NO_SPACE', 'EMFILE', 'open');
export const BROKEN_WRITE = diskError('KEELSON_IO', 'EIO', 'write');
export const BROKEN_FLUSH = diskError('KEELSON_IO', 'EIO', 'fdatasync');
export const BROKEN_DIRECTORY = diskError('KEELSON_IO', 'EIO', 'fsync');

export class FaultyStorage {
  /** Everything that was asked for, in order. */
  readonly calls: Call[] = [];
  /** Returns the error with which a call fails before it does anything; null lets it through. */
  fault: (call: Call) => Error | null = () => null;
  /** Awaited before a call that has a form that can wait. */
  gate: (call: Call) => Promise<void> | null = () => null;
  readonly storage: Storage;
  #underWay = 0;

  constructor(inner: Storage = createFsStorage()) {
    this.storage = this.#counted(this.#wrap(inner));
  }

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  /** From now on the nth call that matches fails, once; 0 is the next. */
  failNth(n: number, matches: (call: Call) => boolean, error: Error): void {
    let seen = 0;
    this.fault = (call) => (matches(call) && seen++ === n ? error : null);
  }

  /** Resolves when nothing that can be waited for is under way: a segment prepared in the background is ready. */
  async settled(): Promise<void> {
    do await new Promise(setImmediate);
    while (this.#underWay > 0);
  }

  heal(): void {
    this.fault = () => null;
    this.gate = () => null;
  }

  /** Keeps calls that match waiting until the returned function is called. */
  hold(matches: (call: Call) => boolean): () => void {
    let release = () => {};
    const opened = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.gate = (call) => (matches(call) ? opened : null);
    return () => {
      this.gate = () => null;
      release();
    };
  }

  #meet(operation: Operation, path: string): Call {
    const call = { operation, path };
    this.calls.push(call);
    const error = this.fault(call);
    if (error !== null) throw error;
    return call;
  }

  async #meetLater(operation: Operation, path: string): Promise<void> {
    await this.gate(this.#meet(operation, path));
  }

  #counted<T extends object>(wrapped: T): T {
    const counted = (method: (...args: unknown[]) => unknown) => {
      return (...args: unknown[]) => {
        const result = method(...args);
        if (!(result instanceof Promise)) return result;
        this.#underWay++;
        const ended = () => {
          this.#underWay--;
        };
        result.then(ended, ended);
        return result;
      };
    };
    const methods = Object.entries(wrapped).filter(([, method]) => typeof method === 'function');
    return Object.assign(
      wrapped,
      Object.fromEntries(methods.map(([name, method]) => [name, counted(method)])),
    );
  }

  /** The methods of a simulated storage are on its prototype. */
  #wrap(inner: Storage): Storage {
    const wrapped: Storage = {
      ...inner,
      makeDirectory: (path) => this.#meetLater('makeDirectory', path).then(() => inner.makeDirectory(path)),
      list: (path) => this.#meetLater('list', path).then(() => inner.list(path)),
      flushDirectory: (path) =>
        this.#meetLater('flushDirectory', path).then(() => inner.flushDirectory(path)),
      flushDirectorySync: (path) => {
        this.#meet('flushDirectory', path);
        inner.flushDirectorySync(path);
      },
      rename: (from, to) => this.#meetLater('rename', from).then(() => inner.rename(from, to)),
      renameSync: (from, to) => {
        this.#meet('rename', from);
        inner.renameSync(from, to);
      },
      linkSync: (existing, name) => {
        this.#meet('link', name);
        inner.linkSync(existing, name);
      },
      // By path: what a test replaces on this storage holds in a directory that is held, too.
      holdDirectory: async (path) => heldWith(await inner.holdDirectory(path), this.storage),
      link: (existing, name) => this.#meetLater('link', name).then(() => inner.link(existing, name)),
      remove: (path) => this.#meetLater('remove', path).then(() => inner.remove(path)),
      removeSync: (path) => {
        this.#meet('remove', path);
        inner.removeSync(path);
      },
      openFile: async (path, writable) => {
        await this.#meetLater('openFile', path);
        return this.#wrapFile(await inner.openFile(path, writable));
      },
      createFile: async (path) => {
        await this.#meetLater('createFile', path);
        return this.#wrapFile(await inner.createFile(path));
      },
      createLogFile: async (path) => {
        await this.#meetLater('createLogFile', path);
        return this.#wrapLogFile(await inner.createLogFile(path));
      },
      createLogFileSync: (path) => {
        this.#meet('createLogFile', path);
        return this.#wrapLogFile(inner.createLogFileSync(path));
      },
      openLogFile: async (path) => {
        await this.#meetLater('openLogFile', path);
        return this.#wrapLogFile(await inner.openLogFile(path));
      },
      openLogFileSync: (path) => {
        this.#meet('openLogFile', path);
        return this.#wrapLogFile(inner.openLogFileSync(path));
      },
    };
    return Object.setPrototypeOf(wrapped, inner);
  }

  #wrapFile(inner: StorageFile): StorageFile {
    const { path } = inner;
    return this.#counted({
      path,
      size: () => this.#meetLater('size', path).then(() => inner.size()),
      modifiedMs: () => this.#meetLater('size', path).then(() => inner.modifiedMs()),
      read: (into, position) => this.#meetLater('read', path).then(() => inner.read(into, position)),
      write: (bytes, position) => this.#meetLater('write', path).then(() => inner.write(bytes, position)),
      flush: () => this.#meetLater('flush', path).then(() => inner.flush()),
      // A descriptor is given back whatever closing reports.
      close: () => {
        this.calls.push({ operation: 'close', path });
        return inner.close();
      },
    });
  }

  #wrapLogFile(inner: LogFile): LogFile {
    const { path } = inner;
    /** A write that has failed or is kept waiting, and has not been handed on. */
    let pending: (() => void) | null = null;
    const later = (run: () => void): (() => void) => {
      const once = () => {
        if (pending !== once) return;
        pending = null;
        run();
      };
      pending = once;
      return once;
    };
    return this.#counted({
      ...this.#wrapFile(inner),
      writeSync: (bytes, position) => {
        this.#meet('write', path);
        inner.writeSync(bytes, position);
      },
      flushSync: () => {
        this.#meet('flush', path);
        inner.flushSync();
      },
      zeroFill: (from, to) => this.#meetLater('zeroFill', path).then(() => inner.zeroFill(from, to)),
      zeroFillSync: (from, to) => {
        this.#meet('zeroFill', path);
        inner.zeroFillSync(from, to);
      },
      reserve: (sizeBytes) => {
        this.#meet('reserve', path);
        return inner.reserve(sizeBytes);
      },
      truncate: (sizeBytes) => this.#meetLater('truncate', path).then(() => inner.truncate(sizeBytes)),
      submit: (write: DurableWrite, done: DurableWriteDone) => {
        const call: Call = { operation: 'submit', path };
        this.calls.push(call);
        const error = this.fault(call);
        if (error !== null) {
          setImmediate(later(() => done(error, true)));
          return;
        }
        const gate = this.gate(call);
        if (gate === null) inner.submit(write, done);
        else void gate.then(later(() => inner.submit(write, done)));
      },
      writeDurableSync: (write: DurableWrite) => {
        this.#meet('submit', path);
        inner.writeDurableSync(write);
      },
      drainSync: () => {
        pending?.();
        inner.drainSync();
      },
    });
  }
}
