import { open } from 'keelson';
import { openJournal } from 'keelson/journal';
import { openReplica } from 'keelson/replica';
import { inMemory } from 'keelson/testing';
import { exercise } from './exercise.js';

// No top-level await: a bundle of CommonJS has none.
exercise({ open, openJournal, openReplica, inMemory }, process.argv[2]).then(
  (report) => console.log(JSON.stringify(report)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
