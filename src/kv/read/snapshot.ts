// A snapshot: reads over a view of the store at one LSN.

import { type InspectOptions, inspect } from 'node:util';
import { KeelsonError } from '../../errors.js';
import type { Lsn } from '../../journal/index.js';
import { NO_ENTRIES } from '../entries/no-entries.js';
import type { Space } from '../entries/space.js';
import type { StoreView } from '../entries/store-view.js';
import type { IndexesOf, NoIndexes } from './index-interface.js';
import { IndexOverEntries, readsByName } from './index-reads.js';
import { type Codecs, SpaceReads } from './reads.js';
import { shown } from './shown.js';

/** The reads of one space in a snapshot. */
export class SpaceSnapshot<K, V, I = NoIndexes> extends SpaceReads<K, V> {
  readonly #view: StoreView;
  readonly #space: Space;
  readonly #assertOpen: () => void;

  /** `assertOpen` is called at every read. It throws when the snapshot was closed, because a closed view has no entries. */
  constructor(codecs: Codecs<K, V>, view: StoreView, space: Space, assertOpen: () => void) {
    super(codecs, { view: () => view.in(space) ?? NO_ENTRIES, assertOpen });
    this.#view = view;
    this.#space = space;
    this.#assertOpen = assertOpen;
  }

  get indexes(): IndexesOf<K, V, I> {
    const [view, space, assertOpen] = [this.#view, this.#space, this.#assertOpen];
    return readsByName(space.indexes?.list ?? [], this.codecs, (index) => ({
      assertOpen,
      view: () => new IndexOverEntries(view.index(space, index), view.in(space) ?? NO_ENTRIES),
    }));
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return shown('SnapshotNamespace', { name: () => this.#space.name, ...this.facts }, options);
  }

  /** The facts that console.log() shows. */
  protected get facts() {
    return {
      lsn: () => this.#view.lsn,
      entries: () => {
        this.#assertOpen();
        return this.#view.in(this.#space)?.size ?? 0;
      },
    };
  }
}

/** The part of a store that its snapshots use. */
export interface SnapshotStore {
  readonly directory: string;
  /** Every read asks, because a snapshot ends with its store. */
  isOpen(): boolean;
  /** Returns the space and codecs of a namespace that a caller gave. Throws a TypeError for anything else. */
  placeOf(
    argument: string,
    namespace: unknown,
  ): { readonly space: Space; readonly codecs: Codecs<unknown, unknown> };
}

/** A snapshot of an open store. store-interface.ts documents it for callers. */
export class Snapshot<K, V> extends SpaceSnapshot<K, V> {
  readonly lsn: Lsn;
  readonly now: number;
  readonly #view: StoreView;
  readonly #store: SnapshotStore;
  readonly #assertOpen: () => void;

  /** `view` is a view of `store`, `root` its root space, and `now` the time at which it was taken. */
  constructor(codecs: Codecs<K, V>, view: StoreView, root: Space, store: SnapshotStore, now: number) {
    const assertOpen = () => {
      if (view.isClosed) throw closedSnapshot(store.directory);
      if (!store.isOpen()) throw closedStore(store.directory);
    };
    super(codecs, view, root, assertOpen);
    // Frozen at once, so that the snapshot can be read when a later write was stopped half-way.
    view.in(root);
    this.#view = view;
    this.#store = store;
    this.#assertOpen = assertOpen;
    this.lsn = view.lsn as Lsn;
    this.now = now;
  }

  in<NK, NV, I>(namespace: unknown): SpaceSnapshot<NK, NV, I> {
    this.#assertOpen();
    const { space, codecs } = this.#store.placeOf('namespace', namespace);
    this.#view.in(space);
    return new SpaceSnapshot<NK, NV, I>(codecs as Codecs<NK, NV>, this.#view, space, this.#assertOpen);
  }

  close(): void {
    this.#view.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  override [inspect.custom](_depth: number, options: InspectOptions): string {
    return shown('Snapshot', { directory: () => this.#store.directory, ...this.facts }, options);
  }
}

function closedStore(directory: string): KeelsonError {
  const what = `The store in ${directory}, of which this is a snapshot, is closed`;
  return new KeelsonError('KEELSON_CLOSED', what, { path: directory });
}

function closedSnapshot(directory: string): KeelsonError {
  const next = 'Take another one with snapshot(), and close it only when everything that uses it has ended';
  return new KeelsonError(
    'KEELSON_CLOSED',
    { what: `The snapshot of the store in ${directory} is closed`, next },
    { path: directory },
  );
}
