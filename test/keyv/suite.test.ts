// KeyvKeelson passes the published test suite of Keyv, whole, with the tests of iterators.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite';
import Keyv from 'keyv';
import * as vitest from 'vitest';
import { open, type Store } from '../../src/index.js';
import { KeyvKeelson } from '../../src/keyv/index.js';

const { afterAll, beforeAll, describe } = vitest;

let folder: string;
let db: Store<string, unknown>;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-keyv-'));
  db = await open(path.join(folder, 'open'));
});

afterAll(async () => {
  await db.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('over an open store', () => {
  keyvTestSuite(vitest, Keyv, () => new KeyvKeelson(db));
  keyvIteratorTests(vitest, Keyv, () => new KeyvKeelson(db));
});

describe('over a directory, with an adapter for each test', () => {
  const adapters: KeyvKeelson[] = [];
  const adapter = () => {
    const made = new KeyvKeelson(path.join(folder, 'directory'));
    adapters.push(made);
    return made;
  };
  keyvTestSuite(vitest, Keyv, adapter);
  keyvIteratorTests(vitest, Keyv, adapter);

  afterAll(() => Promise.all(adapters.map((made) => made.disconnect())));
});
