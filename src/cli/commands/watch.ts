// keelson watch: the value of a key, whenever another process changes it.

import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { AnyStore } from '../any-store.js';
import { parseKey } from '../keys.js';
import { print } from '../output.js';
import { type SpaceOptions, spaceCommand } from '../store-command.js';
import { taggedText, toTagged } from '../tagged-json.js';

export function watchCommand(): Command {
  return spaceCommand(
    'watch',
    'Print the value of a key, and again whenever it has changed; - while it is not there.',
  )
    .argument('<key>', 'the key')
    .action(watch);
}

async function watch(directory: string, text: string, options: SpaceOptions): Promise<void> {
  await AnyStore.using({ directory, readOnly: true }, async (store) => {
    const { keyEncoding } = store.encodingsOf(options.namespace);
    const states = store.in(options.namespace).watch(parseKey(text, options, keyEncoding));
    const refreshing = refreshOften(store);
    for (;;) {
      const next = await Promise.race([states.next(), refreshing]);
      if (next.done) return;
      const { lsn, entry } = next.value;
      const facts =
        entry === undefined
          ? { lsn, found: false }
          : { lsn, found: true, ...entry, value: toTagged(entry.value) };
      await print(options.json ? JSON.stringify(facts) : entry === undefined ? '-' : taggedText(entry.value));
    }
  });
}

/** The pause between two looks at what the owner has written. */
const LOOK_MS = 50;

/** Shows what the owner writes, as long as the store is open. */
async function refreshOften({ db }: AnyStore): Promise<never> {
  for (;;) {
    await setTimeout(LOOK_MS);
    await db.refresh();
  }
}
