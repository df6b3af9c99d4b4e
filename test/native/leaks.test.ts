// Nothing is left behind: no descriptor and no mapping, over hundreds of opens. (The reference leaked an eventfd for
// each.) In a child process, whose own descriptors and mappings are counted.

import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tries } from '../counts.js';
import { jsonOf, runProgram, useDirectory, whyNoIoUring } from './native-tools.js';

const why = whyNoIoUring();
const OPENS = tries(400, 2_000);
const WRITTEN_OPENS = tries(320, 500);
const FILES = tries(2_000, 10_000);
const WORKERS = tries(20, 40);
/** The heap of JavaScript maps and unmaps as it likes; what is leaked for every open is far more. */
const MAPPINGS_SLACK = 300;

const COUNTING = `
  const descriptors = () => fs.readdirSync('/proc/self/fd').length;
  const mappings = () => fs.readFileSync('/proc/self/maps', 'utf8').split('\\n');
  const ringMappings = () => mappings().filter((line) => line.includes('io_uring')).length;
  const count = () => ({ descriptors: descriptors(), ringMappings: ringMappings(), mappings: mappings().length });
`;

interface Counts {
  readonly descriptors: number;
  readonly ringMappings: number;
  readonly mappings: number;
}

function expectNoLeak({ before, after }: { readonly before: Counts; readonly after: Counts }): void {
  expect(after.descriptors).toBe(before.descriptors);
  expect(after.ringMappings).toBe(before.ringMappings);
  expect(after.mappings - before.mappings).toBeLessThan(MAPPINGS_SLACK);
}

describe.skipIf(why !== null)(`the io_uring engine${why === null ? '' : ` (skipped: ${why})`}`, () => {
  const here = useDirectory();

  test.each([
    [OPENS, 'opens and closes of a journal', 0],
    [WRITTEN_OPENS, 'opens, commits and closes of a journal', 1],
  ])('%i %s leave nothing behind', async (opens, _, commits) => {
    const program = `
      import { openJournal } from 'keelson/journal';
      ${COUNTING}
      const segments = { segmentBytesMin: 8192, segmentBytesMax: 8192, commitBytesMax: 4096 };
      const once = async (index) => {
        const journal = await openJournal(DIRECTORY + '/' + (index % 2), { engine: 'io_uring', ...segments });
        for (let n = 0; n < ${commits}; n++) await journal.commit(new Uint8Array(10));
        if (${commits} > 0) await journal.truncateBefore(journal.syncedLsn);
        await journal.close();
      };
      for (let index = 0; index < 100; index++) await once(index);
      const before = count();
      for (let index = 0; index < ${opens}; index++) await once(index);
      print({ before, after: count() });
    `;
    const counts = await jsonOf<{ before: Counts; after: Counts }>(runProgram(program, [here.path]));
    expectNoLeak(counts);
    expect(counts.before.ringMappings).toBeGreaterThan(0);
    expect(fs.readdirSync(here.at('0')).length).toBeLessThan(10);
  });

  test(`${FILES} files opened for durable writes, and as many that cannot be, leave nothing behind`, async () => {
    const program = `
      import { createIoUringStorage } from './dist/storage/index.js';
      import { loadNativeAddon } from './dist/storage/native-addon.js';
      ${COUNTING}
      createIoUringStorage();
      const addon = loadNativeAddon();
      fs.writeFileSync(DIRECTORY + '/file', '');
      const before = count();
      let refused = 0;
      for (let index = 0; index < ${FILES}; index++) {
        addon.closeFile(addon.openFile(DIRECTORY + '/file').fd);
        if (addon.openFile(DIRECTORY + '/absent') === -2) refused++;
        if (addon.openFile(DIRECTORY) < 0) refused++;
        if (addon.closeFile(0)) print('closed what was not its own');
      }
      print({ before, after: count(), refused });
    `;
    const counts = await jsonOf<{ before: Counts; after: Counts; refused: number }>(
      runProgram(program, [here.path]),
    );
    expectNoLeak(counts);
    expect(counts.refused).toBe(2 * FILES);
  });

  test(`${WORKERS} threads with a ring each leave nothing behind`, async () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      ${COUNTING}
      const url = new URL('data:text/javascript,' + encodeURIComponent(\`
        import { workerData } from 'node:worker_threads';
        const { openJournal } = await import(workerData.entry);
        const journal = await openJournal(workerData.directory, { engine: 'io_uring' });
        await journal.commit(new Uint8Array(10));
        if (workerData.index % 2 === 0) await journal.close();
      \`));
      const run = async (index) => {
        const workerData = { entry: PARAMETERS[0], directory: DIRECTORY + '/' + (index % 4), index };
        const worker = new Worker(url, { workerData });
        const code = await new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve));
        if (code !== 0) throw new Error('ended with ' + code);
      };
      for (let index = 0; index < 4; index++) await run(index);
      const before = count();
      for (let index = 0; index < ${WORKERS}; index += 4) {
        await Promise.all([0, 1, 2, 3].map((n) => run(index + n)));
      }
      print({ before, after: count() });
    `;
    const entry = new URL('../../dist/journal/index.js', import.meta.url).href;
    expectNoLeak(await jsonOf(runProgram(program, [here.path, entry])));
  });
});
