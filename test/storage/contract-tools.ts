// What the tests of the storage floor share: an environment per test, bytes to write, and ways to look at outcomes.

import { afterEach, beforeEach, expect } from 'vitest';
import type { KeelsonErrorCode } from '../../src/errors.js';
import type { FrameChecksums, LogFile, Storage, StorageFile } from '../../src/storage/index.js';

export interface StorageEnvironment {
  readonly storage: Storage;
  /** An empty directory, absolute. */
  readonly directory: string;
  dispose(): Promise<void>;
}

export type MakeEnvironment = () => Promise<StorageEnvironment>;

/** The environment of the running test, and shorthands in it. */
export interface Here {
  readonly storage: Storage;
  readonly directory: string;
  /** A path in the directory. */
  at(...names: string[]): string;
  writeFile(path: string, text: string): Promise<void>;
  readText(path: string): Promise<string>;
}

/** Gives every test around it an environment of its own. */
export function useEnvironment(makeEnvironment: MakeEnvironment): Here {
  let environment: StorageEnvironment;

  beforeEach(async () => {
    environment = await makeEnvironment();
  });

  afterEach(() => environment.dispose());

  return {
    get storage() {
      return environment.storage;
    },
    get directory() {
      return environment.directory;
    },
    at: (...names) => [environment.directory, ...names].join('/'),
    async writeFile(path, text) {
      const file = await environment.storage.createFile(path);
      await file.write(Buffer.from(text), 0);
      await file.close();
    },
    async readText(path) {
      const file = await environment.storage.openFile(path, false);
      const bytes = await readBack(file, await file.size(), 0);
      await file.close();
      return Buffer.from(bytes).toString();
    },
  };
}

export const BLOCK_BYTES = 4096;
export const BIG_BYTES = 5 * 2 ** 20;

/** Bytes that differ from place to place, so that a chunk written at the wrong position is seen. */
export function patternBytes(storage: Storage, length: number, salt: number): Uint8Array {
  const bytes = storage.allocate(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 17 + salt * 101) & 0xff;
  return bytes;
}

/** What a durable write was told, as often as it was told. */
export interface Outcome {
  readonly error: Error | null;
  readonly memoryIsFree: boolean;
}

/** Submits, and resolves with every outcome there has been when the first one comes. */
export function submitted(
  file: LogFile,
  bytes: Uint8Array,
  position: number,
  checksums: FrameChecksums | null = null,
): { readonly outcomes: Outcome[]; readonly first: Promise<Outcome> } {
  const outcomes: Outcome[] = [];
  const first = new Promise<Outcome>((resolve) => {
    file.submit({ bytes, position, checksums }, (error, memoryIsFree) => {
      outcomes.push({ error, memoryIsFree });
      resolve({ error, memoryIsFree });
    });
  });
  return { outcomes, first };
}

export async function readBack(file: StorageFile, length: number, position: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  expect(await file.read(into, position)).toBe(length);
  return into;
}

/** Compares without the per-element diff of toEqual, which takes minutes on megabytes. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}

export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`expected a rejection, got ${String(value)}`),
    (error: unknown) => error,
  );
}

export async function expectCode(promise: Promise<unknown>, code: KeelsonErrorCode): Promise<void> {
  expect(await rejectionOf(promise)).toMatchObject({ name: 'KeelsonError', code });
}
