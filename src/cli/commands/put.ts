// keelson put: sets the value of a key.

import { type Command, Option } from 'commander';
import { AnyStore, type Encodings } from '../any-store.js';
import { parseCount, parseKey } from '../keys.js';
import { report } from '../output.js';
import {
  createOptions,
  type SpaceOptions,
  spaceCommand,
  type WritingOptions,
  waitOption,
} from '../store-command.js';
import { parseTagged } from '../tagged-json.js';
import { readText } from '../text-files.js';

interface PutOptions extends SpaceOptions, WritingOptions, Encodings {
  readonly create?: true;
  readonly ttl?: number;
}

export function putCommand(): Command {
  const command = spaceCommand('put', 'Set the value of a key. Ends when that is durable.')
    .argument('<key>', 'the key')
    .argument('<value>', 'the value as JSON, or - to read it from standard input')
    .addOption(
      new Option('--ttl <ms>', 'let the entry expire after so many milliseconds').argParser(parseCount),
    )
    .addOption(waitOption());
  for (const option of createOptions()) command.addOption(option);
  return command.action(put);
}

async function put(
  directory: string,
  keyText: string,
  valueText: string,
  options: PutOptions,
): Promise<void> {
  const { namespace, wait, create, ttl, keyEncoding, valueEncoding } = options;
  const value = parseTagged(valueText === '-' ? await readText('-') : valueText, 'The value');
  const made = create && { keyEncoding, valueEncoding };
  await AnyStore.using({ directory, readOnly: false, wait, create: made }, async (store) => {
    const isThere = store.spaces.some(({ name }) => name === namespace);
    const encodings = made !== undefined && !isThere ? made : store.encodingsOf(namespace);
    const key = parseKey(keyText, options, encodings.keyEncoding);
    const lsn = await store.in(namespace, made).put(key, value, ttl === undefined ? {} : { ttl });
    await report({ lsn }, options, () => `Written at LSN ${lsn}`);
  });
}
