// The small examples check themselves: they run as a user would run them, from the built package.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
// Where colours are forced, console.log() paints what is no text.
const { FORCE_COLOR: _, ...env } = process.env;
const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

describe('examples', () => {
  it.each([
    ['job-queue.js', /^Killed after 100 of 600 jobs; \d+ were left: 6 failed 5 times\.\n$/],
    [
      'crash-test.js',
      /^Two puts: After a crash at .*: money was lost\n(.*\n)*One batch: \d{3,} crashes, and no money was lost\.\n$/,
    ],
    ['job-claims.js', /^40 jobs ran once each: \d+ by ann, \d+ by robert, in \d+ attempts\.\n$/],
    [
      'users-by-email.js',
      /^registered\nrefused: .*\nregistered\nby e-mail: Ada\nnewest first: .*\nold address: undefined · new address: Bob\n$/,
    ],
    ['bookmarks.js', /^Killed, and 50 bookmarks are on 3 pages\.\n$/],
    ['http-workers.js', /^2 workers answered 200 reads, and each showed the write before it\.\n$/],
    ['metrics.js', /^1002 writes took \d+ flushes\.\n$/],
    [
      'ledger.js',
      /^\d{3} crashes and a kill: every balance is the sum of its bookings, and no payment is lost\.\n$/,
    ],
    ['chat.js', /^Bob saw 3 messages live, and has 40 and 1 to read\.\n$/],
    ['notes.js', /^Both devices say "Today: Milk, bread, tea…"; the laptop stores it in \d+ updates\.\n$/],
    [
      'agent.js',
      /^a ferry to Ithaca \/ I would book: a ferry to Ithaca \/ yes \/ It is booked\. \(5 checkpoints\)\n$/,
    ],
    ['search-index.js', /^2 and 2 groups were applied, each once; 'sea' is in b2\.\n$/],
    ['cart.js', /^\d{3} crashes: no event was lost, and each was projected once\.\n$/],
    [
      'rate-limit.js',
      /^20 of 30 requests were allowed across a kill; 2 clients stayed away and left nothing\.\n$/,
    ],
    ['live-page.js', /^3 clients were sent \d+, \d+, \d+ lists, and each saw the last of 102 messages\.\n$/],
    [
      'sessions.js',
      /^200 logins answered after \d+ disk flushes; of 198 sessions 197 expired, and 1 is left\.\n$/,
    ],
  ])('%s exits with 0', async (name, said) => {
    const { stdout, stderr } = await run(process.execPath, [example(name)], { env });
    expect(stderr).toBe('');
    expect(stdout).toMatch(said);
  });
});
