// The store of a shell: open for reading, and for writing too from the first write on that the person agrees to.

import { AnyStore } from '../any-store.js';

/** The methods of a store and of a namespace that write. */
const WRITES = [
  'put',
  'touch',
  'delete',
  'batch',
  'clear',
  'transaction',
  'drop',
  'expireNow',
  'checkpoint',
] as const;

/** Methods by their names. */
type Methods = Record<string, ((...given: unknown[]) => unknown) | undefined>;

/** How a shell opens its store. */
export interface ShellPlan {
  readonly directory: string;
  readonly wait: number;
  /** Rejects when the shell must not write. It is asked at each write until it resolves. */
  readonly agree: () => Promise<void>;
}

export class ShellStore {
  readonly #plan: ShellPlan;
  readonly #reading: AnyStore;
  #writing: Promise<AnyStore> | null = null;
  #current: AnyStore;
  #context: object = {};

  static async open(plan: ShellPlan): Promise<ShellStore> {
    return new ShellStore(plan, await AnyStore.open({ directory: plan.directory, readOnly: true }));
  }

  private constructor(plan: ShellPlan, reading: AnyStore) {
    this.#plan = plan;
    this.#reading = reading;
    this.#current = reading;
    const db = reading.db as unknown as Methods;
    this.#redirect(db, (writing) => writing.db);
    const namespace = db['namespace']!.bind(db);
    define(db, 'namespace', (...given) => {
      const handle = namespace(...given) as object;
      this.#redirect(handle, ({ db: to }) => (to as unknown as Methods)['namespace']!(...given));
      return handle;
    });
  }

  /** The store that shows all. */
  get store(): AnyStore {
    return this.#current;
  }

  /** Puts the store into `context` as `db`, and its namespaces as `ns`, from now on. */
  enter(context: object): void {
    this.#context = context;
    const { db, spaces } = this.#current;
    const names = spaces.flatMap(({ name }) => name || []);
    Object.assign(context, {
      db,
      ns: Object.fromEntries(names.map((name) => [name, this.#current.in(name)])),
    });
  }

  /** Shows what an owner has written. A variable may hold what `db` was before the first write. */
  async refresh(): Promise<void> {
    await this.#reading.db.refresh();
    this.enter(this.#context);
  }

  async close(): Promise<void> {
    await this.#reading.db.close();
    if (this.#current !== this.#reading) await this.#current.db.close();
  }

  /** Has the writes of `target` go to what `find` returns of the store that writes. */
  #redirect(target: object, find: (writing: AnyStore) => unknown): void {
    for (const name of WRITES) {
      if (!(name in target)) continue;
      define(target, name, async (...given) => {
        this.#writing ??= this.#openWriting();
        const writing = await this.#writing;
        const result = await (find(writing) as Methods)[name]!(...argumentsFor(name, given, writing));
        await this.refresh();
        return result;
      });
    }
  }

  async #openWriting(): Promise<AnyStore> {
    const { directory, wait, agree } = this.#plan;
    try {
      await agree();
      this.#current = await AnyStore.open({ directory, readOnly: false, wait });
      this.enter(this.#context);
      return this.#current;
    } catch (error) {
      this.#writing = null;
      throw error;
    }
  }
}

function define(target: object, name: string, value: (...given: unknown[]) => unknown): void {
  Object.defineProperty(target, name, { value, configurable: true });
}

/** Returns arguments with the namespaces of the store that writes. */
function argumentsFor(name: string, given: unknown[], writing: AnyStore): unknown[] {
  const [first, ...rest] = given;
  if (name === 'drop') return [(first as { name?: string } | null)?.name ?? first, ...rest];
  if (name !== 'batch' || !Array.isArray(first)) return given;
  const operations = first.map((operation: { namespace?: { readonly name: string } }) => {
    const { namespace } = operation;
    return namespace === undefined ? operation : { ...operation, namespace: writing.in(namespace.name) };
  });
  return [operations, ...rest];
}
