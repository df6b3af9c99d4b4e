// A storage that a test has wrapped stays wrapped in a directory that is held.

import type { HeldDirectory, Storage } from '../../src/storage/index.js';

/** The same held directory, with another storage on it. */
export function heldWith(held: HeldDirectory, storage: Storage): HeldDirectory {
  return {
    path: held.path,
    storage,
    lock: () => held.lock(),
    probeLock: () => held.probeLock(),
    announce: (name) => held.announce(name),
    probe: (name) => held.probe(name),
    close: () => held.close(),
  };
}

/** The wrapped storage, which gives itself for every directory that it holds: names are looked up by path. */
export function alsoHeld(wrapped: Storage): Storage {
  const self: Storage = new Proxy(wrapped, {
    get: (target, name) =>
      name === 'holdDirectory'
        ? async (path: string) => heldWith(await target.holdDirectory(path), self)
        : Reflect.get(target, name, target),
  });
  return self;
}
