// The Durable Streams server of the examples, in a process of its own that can be killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../examples/durable-streams/server.js', import.meta.url));

/** Starts the server on a free port. */
export async function startServer(directory: string, longPollMs: number) {
  const child = spawn(process.execPath, [PROGRAM, directory, '0', String(longPollMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url,
    async kill() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
