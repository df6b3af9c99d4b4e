// A storage that changes no names after its owner has lost the lock. Another store may have these names by
// then.

import type { Storage } from '../../storage/index.js';

const NAME_OPERATIONS = ['makeDirectory', 'rename', 'link', 'remove', 'createFile', 'createLogFile'] as const;
const BLOCKING_NAME_OPERATIONS = ['renameSync', 'linkSync', 'removeSync', 'createLogFileSync'] as const;

type Operation = (...args: unknown[]) => unknown;

/** Returns a storage that calls `assertOwner` right before it creates, renames, links or removes a name. */
export function withOwnedNames(storage: Storage, assertOwner: () => void): Storage {
  const owned = Object.create(storage) as Storage;
  const call = (name: keyof Storage, args: unknown[]) => {
    assertOwner();
    return (storage[name] as Operation).apply(storage, args);
  };
  for (const name of NAME_OPERATIONS) {
    Object.assign(owned, { [name]: async (...args: unknown[]) => call(name, args) });
  }
  for (const name of BLOCKING_NAME_OPERATIONS) {
    Object.assign(owned, { [name]: (...args: unknown[]) => call(name, args) });
  }
  return owned;
}
