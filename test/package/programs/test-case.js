import fs from 'node:fs';
import { open } from 'keelson';
import { openJournal } from 'keelson/journal';
import { openReplica } from 'keelson/replica';
import { inMemory } from 'keelson/testing';
import { exercise } from './exercise.js';

// Runners give `test` as a global: this project has none of its own.
test('the package works', async () => {
  const report = await exercise({ open, openJournal, openReplica, inMemory }, process.env.KEELSON_DIRECTORY);
  fs.writeFileSync(`${process.env.KEELSON_DIRECTORY}/report.json`, JSON.stringify(report));
});
