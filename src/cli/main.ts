#!/usr/bin/env node
// The entry of the command `keelson`.

import '../node-version.js';
import { runProgram } from './program.js';

// A reader that has seen enough closes the pipe. A store that is open then is as one whose process was killed: sound.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

void runProgram(process.argv);
