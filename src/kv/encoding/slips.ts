// The next steps for what is often put in the place of a key, a range or an encoding by mistake.

/** The next step for a promise. */
export const AWAIT_IT = 'Await it';

/** The next step for tuple, msgpack or json in the place of what they return. */
export const CALL_IT = 'Call it, as in tuple() or msgpack()';

/** The next step for a namespace in the place of a key or a range. */
export const IN_NAMESPACE =
  'In a transaction write tx.in(namespace).get(key), and outside of one namespace.get(key): a namespace is no argument';

/** Returns true for a namespace, and for all else that has the reads and writes of one. */
export function isCollection(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'getEntryMany' in given && 'put' in given;
}
