// An owner that is no longer the owner must not touch a name: another store's files may have it by now.

import type { Storage } from '../storage/index.js';

/** The same storage, which calls `assertOwner` right before it creates, renames, links or removes a name. */
export function withOwnedNames(storage: Storage, assertOwner: () => void): Storage {
  const owned = <T extends unknown[], R>(operation: (...args: T) => R) => {
    return (...args: T): R => {
      assertOwner();
      return operation.apply(storage, args);
    };
  };
  const ownedLater = <T extends unknown[], R>(operation: (...args: T) => Promise<R>) => {
    return async (...args: T): Promise<R> => {
      assertOwner();
      return operation.apply(storage, args);
    };
  };
  const names: Partial<Storage> = {
    makeDirectory: ownedLater(storage.makeDirectory),
    rename: ownedLater(storage.rename),
    renameSync: owned(storage.renameSync),
    link: ownedLater(storage.link),
    linkSync: owned(storage.linkSync),
    remove: ownedLater(storage.remove),
    removeSync: owned(storage.removeSync),
    createFile: ownedLater(storage.createFile),
    createLogFile: ownedLater(storage.createLogFile),
    createLogFileSync: owned(storage.createLogFileSync),
  };
  return Object.assign(Object.create(storage) as Storage, names);
}
