// Deadlines in scripts: entries that expire, touches, a clock that goes forward and back, and removals. They have random
// numbers of their own, so that they change nothing else of a script.

import type { Random } from '../../src/testing/random.js';
import { KEYS, NAMESPACES, type Step } from './script.js';

/** The time at which each script begins, and below which its clock never goes. All deadlines come later. */
export const CLOCK_START_MS = 1000;

/** Few keys expire, so that one record removes all that are due: its LSN is known when the call returns. */
const EXPIRING_KEYS = KEYS.slice(0, 3);

const TTL_MAX_MS = 100;

/** Returns the steps with a deadline for many of the puts, and with steps of expiry between them. */
export function withDeadlines(steps: readonly Step[], random: Random, removes: boolean): Step[] {
  return steps.flatMap((step) => {
    const expires = step.do === 'put' && EXPIRING_KEYS.includes(step.key) && random.chance(0.7);
    const given = expires ? { ...step, ttl: 1 + random.below(TTL_MAX_MS) } : step;
    return random.chance(0.3) ? [given, extra(random, removes)] : [given];
  });
}

function extra(random: Random, removes: boolean): Step {
  const kind = random.below(10);
  if (kind < 5) return { do: 'clock', by: random.below(90) - (random.chance(0.3) ? 150 : 0) };
  if (kind < 7 && removes) return { do: 'expire' };
  return {
    do: 'touch',
    key: random.pick(EXPIRING_KEYS),
    ttl: 1 + random.below(TTL_MAX_MS),
    ...(random.chance(0.5) ? { in: random.pick([...NAMESPACES.keys()]) } : {}),
    ...(random.chance(0.3) ? { wait: true } : {}),
  };
}
