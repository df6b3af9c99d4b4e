// What the scripts of this process have met, and how often: for the test that they meet everything that they are there for.

const met = new Map<string, number>();

/** Notes that a script has met something. */
export function meets(what: string): void {
  met.set(what, (met.get(what) ?? 0) + 1);
}

/** Returns how often scripts have met something. */
export function timesMet(what: string): number {
  return met.get(what) ?? 0;
}
