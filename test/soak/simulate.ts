// Plays one script and its crashes: what a failure printed, or a seed.
//
//   npm run simulate -- --replay '<what a failure printed>' | --replay <file>
//   npm run simulate -- --seed S [--trouble none|fault|full|silent] [--states N]

import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { generateScript, type ScriptKind } from '../simulation/script-generator.js';
import { playReplay, type ScriptReplay, searchScript } from '../simulation/script-search.js';

const { values: options } = parseArgs({
  options: {
    replay: { type: 'string' },
    seed: { type: 'string' },
    trouble: { type: 'string' },
    states: { type: 'string', default: '2000' },
  },
});

async function simulate(): Promise<string> {
  if (options.replay !== undefined) {
    const text = options.replay.startsWith('{') ? options.replay : fs.readFileSync(options.replay, 'utf8');
    await playReplay(JSON.parse(text) as ScriptReplay);
    return 'The crash was played, and nothing is broken.';
  }
  const seed = Number(options.seed);
  if (!Number.isSafeInteger(seed)) throw new TypeError('expected --replay or --seed');
  const trouble = (options.trouble ?? null) as ScriptKind['trouble'];
  const { states, nestedStates } = await searchScript(generateScript(seed, { trouble }), {
    statesMax: Number(options.states),
  });
  return `${states} states, ${nestedStates} of them crashes in a recovery; nothing is broken.`;
}

try {
  console.log(await simulate());
} catch (error) {
  console.error(
    error instanceof Error ? `${error.message}\n\n${(error.cause as Error)?.stack ?? error.stack}` : error,
  );
  process.exitCode = 1;
}
