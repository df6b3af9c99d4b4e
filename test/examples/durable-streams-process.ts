// The Durable Streams server of the examples, in a process of its own that can be killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../examples/durable-streams/server.js', import.meta.url));

/** Starts the server, on a free port unless one is given. */
export async function startServer(directory: string, { port = '0', longPollMs = 20_000 } = {}) {
  const child = spawn(process.execPath, [PROGRAM, directory, port, String(longPollMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    url,
    port: new URL(url).port,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
