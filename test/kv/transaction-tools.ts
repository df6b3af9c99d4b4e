// What tests of transactions share: a store whose views and write log can be looked at, and promises that tests settle.

import type { Schema } from '../../src/kv/entries/schema.js';
import type { StoreView } from '../../src/kv/entries/store-view.js';
import type { Store } from '../../src/kv/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';
import { openWithSchema } from './opened-schema.js';

/** A store on a simulated disk. */
export class World {
  readonly disk: SimulatedDisk;
  readonly db: Store<string, unknown>;
  readonly schema: Schema;
  /** All views that were taken of the store. */
  readonly views: StoreView[] = [];

  static async open(options: object = {}, disk = new SimulatedDisk({ seed: 7 })): Promise<World> {
    const { store, schema } = await openWithSchema(disk.life(), '/store', options);
    return new World(disk, store as unknown as Store<string, unknown>, schema);
  }

  private constructor(disk: SimulatedDisk, db: Store<string, unknown>, schema: Schema) {
    this.disk = disk;
    this.db = db;
    this.schema = schema;
    const view = schema.view.bind(schema);
    schema.view = (...of) => {
      const taken = view(...of);
      this.views.push(taken);
      return taken;
    };
  }

  /** What transactions hold of the store: the views that are open, and whether changes are noted for them. */
  get held(): { views: number; isLogOpen: boolean } {
    return {
      views: this.views.filter(({ isClosed }) => !isClosed).length,
      isLogOpen: this.schema.writeLog.isOpen,
    };
  }

  /** All that a refused write must leave as it is. */
  get content(): unknown {
    const { db, schema } = this;
    const spaces = schema.spaces.map(({ id, name, entries }) => [id, name, entries.size, entries.valueBytes]);
    return { lsn: db.lastLsn, entries: [...db.getEntries()], names: db.namespaces(), spaces };
  }

  /** Closes the store, and opens it again on the same disk. */
  async reopened(options: object = {}): Promise<World> {
    await this.db.close();
    return World.open(options, this.disk);
  }
}

/** What transactions hold after the last one has ended. */
export const NOTHING_HELD = { views: 0, isLogOpen: false };

/** A promise, and the functions that settle it. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly open: (value: T) => void;
  readonly fail: (error: unknown) => void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** Matches an error by its code and by words of its message. */
export function failure(code: string, message: RegExp = /./): unknown {
  return expectLike({ code, message });
}

/** Matches a TypeError by words of its message. */
export function typeError(message: RegExp): unknown {
  return expectLike({ name: 'TypeError', message });
}

function expectLike({ message, ...rest }: { message: RegExp; code?: string; name?: string }): unknown {
  return {
    asymmetricMatch: (error: unknown) =>
      error instanceof Error &&
      message.test(error.message) &&
      Object.entries(rest).every(([name, value]) => Reflect.get(error, name) === value),
    toString: () => 'ErrorLike',
    toAsymmetricMatcher: () => `ErrorLike<${JSON.stringify(rest)} ${message}>`,
  };
}
