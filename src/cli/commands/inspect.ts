// keelson inspect: a page on this machine for a person who wants to look into a store.

import { once } from 'node:events';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AnyStore } from '../any-store.js';
import { startInspector } from '../inspect/server.js';
import { report } from '../output.js';
import { type CommonOptions, storeCommand } from '../store-command.js';

interface InspectOptions extends CommonOptions {
  readonly port: number;
}

export function inspectCommand(): Command {
  return storeCommand('inspect', 'Serve a page that shows a store, on this machine only, until Ctrl-C.')
    .addOption(
      new Option('--port <number>', 'the port; 0 is any that is free').argParser(parsePort).default(0),
    )
    .action(inspect);
}

async function inspect(directory: string, options: InspectOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const { url, close } = await startInspector(store, options.port);
    // From here on Ctrl-C is no kill: it ends the page, and closes what is open.
    const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    const text = () =>
      `Open ${url}\nWhoever has this address can read the store, from this machine. Ctrl-C ends the page.`;
    await report({ url }, options, text);
    await ended;
    await close();
  });
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port from 0 to 65535.');
}
