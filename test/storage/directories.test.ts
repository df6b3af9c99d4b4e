// Making directories that survive: which names are flushed.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFsStorage, ensureDirectory, flushNameOf, type Storage } from '../../src/storage/index.js';

let folder: string;

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'keelson-directories-')));
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

// The directory that holds the link was flushed: the name of what it leads to stands in another one.
it('flushes the name that a directory has itself, where a link leads to it', async () => {
  fs.mkdirSync(path.join(folder, 'far', 'store'), { recursive: true });
  const link = path.join(folder, 'link');
  fs.symlinkSync(path.join(folder, 'far', 'store'), link);
  const flushed: string[] = [];
  const inner = createFsStorage();
  const storage: Storage = {
    ...inner,
    flushDirectory: (directory) => {
      flushed.push(path.relative(folder, directory));
      return inner.flushDirectory(directory);
    },
  };
  await flushNameOf(storage, link);
  expect(flushed).toEqual(['far']);
  flushed.length = 0;
  await ensureDirectory(storage, path.join(link, 'a', 'b'), { create: true });
  expect(flushed).toEqual(['far', 'link', path.join('link', 'a')]);
  await ensureDirectory(storage, path.join(link, 'a', 'b'), { create: false });
  expect(flushed.length).toBe(3);
});
