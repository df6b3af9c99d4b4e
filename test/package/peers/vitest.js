// node vitest.js PROJECT plain|inline

import { startVitest } from 'vitest/node';

const [root, mode] = process.argv.slice(2);
const inline = { plain: [], inline: ['keelson'] }[mode];
const vitest = await startVitest('test', [], {
  root,
  config: false,
  watch: false,
  globals: true,
  include: ['test-case.js'],
  reporters: ['default'],
  testTimeout: 60_000,
  server: { deps: { inline } },
});
await vitest.close();
