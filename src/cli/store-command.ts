// The parts that all commands on a store share: its directory, --json, --namespace, and how keys are given.

import { Command, InvalidArgumentError, Option } from 'commander';

/** The options that all commands have. */
export interface CommonOptions {
  readonly json?: true;
}

/** The options of commands on a namespace. */
export interface SpaceOptions extends CommonOptions {
  readonly namespace: string;
  readonly keyJson?: true;
}

/** The options of commands that write. */
export interface WritingOptions {
  readonly wait: number;
}

/** Returns a command on the store in a directory. */
export function storeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<dir>', 'the directory of the store')
    .option('--json', 'print JSON, errors too');
}

/** Returns a command on one namespace of a store. */
export function spaceCommand(name: string, description: string): Command {
  return storeCommand(name, description)
    .addOption(
      new Option('-n, --namespace <name>', 'a namespace, instead of the store itself').default('', 'none'),
    )
    .option(
      '--key-json',
      'keys are given as JSON: \'["user",7]\' is a tuple, \'{"$bytes":"AQI="}\' are bytes',
    );
}

/** Returns the option to wait for the owner of a store. */
export function waitOption(): Option {
  return new Option('--wait <seconds>', 'wait so long for a live owner to close the store')
    .argParser(parseSeconds)
    .default(0);
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('Expected 0 to 86400 seconds.');
}

/** Returns the options for what is made when it is not there. */
export function createOptions(): Option[] {
  const [key, value] = encodingOptions('what is made');
  return [
    new Option('--create', 'make the store or the namespace when it is not there'),
    key.default('utf8'),
    value.default('msgpack'),
  ];
}

/** Returns the options for the encodings of `what`, without defaults. */
export function encodingOptions(what: string): [Option, Option] {
  return [
    new Option('--key-encoding <name>', `the keys of ${what}`).choices(['utf8', 'bytes', 'tuple']),
    new Option('--value-encoding <name>', `the values of ${what}`).choices([
      'msgpack',
      'json',
      'utf8',
      'bytes',
    ]),
  ];
}
