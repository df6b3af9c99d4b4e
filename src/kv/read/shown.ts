// How the handles of a store look in console.log() and in a debugger: a name and a few facts, in place of what is inside.

import { type InspectOptions, inspect } from 'node:util';
import { isKeelsonError } from '../../errors.js';

/** Facts by their names. They are read when the handle is shown, may throw, and are left out when undefined. */
type Facts = Readonly<Record<string, () => unknown>>;

/** Returns a handle as console.log() shows it. Never throws. A fact that cannot be read has the code of the error. */
export function shown(name: string, facts: Facts, options: InspectOptions): string {
  const parts = Object.entries(facts).map(([fact, read]) => {
    try {
      const value = read();
      return value === undefined ? [] : `${fact}: ${inspect(value, options)}`;
    } catch (error) {
      return `${fact}: ${isKeelsonError(error) ? error.code : 'unknown'}`;
    }
  });
  return `${name} { ${parts.flat().join(', ')} }`;
}
