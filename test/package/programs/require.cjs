const { open } = require('keelson');
const { openJournal } = require('keelson/journal');
const { openReplica } = require('keelson/replica');
const { inMemory } = require('keelson/testing');

import('./exercise.js')
  .then(({ exercise }) => exercise({ open, openJournal, openReplica, inMemory }, process.argv[2]))
  .then((report) => console.log(JSON.stringify(report)));
