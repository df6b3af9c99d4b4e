// A directory of the simulated disk: the names in its view (what processes see), its durable names, and the pending
// changes between them, in order.

/** One name in one directory, and the inode it leads to; null if the name is removed. */
export interface NameEdit {
  readonly directoryId: number;
  readonly name: string;
  readonly inodeId: number | null;
}

/** One create, rename, link, remove or mkdir. A power cut keeps all of its edits or none. */
export interface NameChange {
  /** Place of the change in the sequence of all changes on the disk. */
  readonly order: number;
  /** Two edits for a rename. If they are in two directories, the change is pending in both. */
  readonly edits: readonly NameEdit[];
}

/** A directory: its names in the view, its durable names, and its pending changes. */
export class DirectoryInode {
  readonly kind = 'directory';
  entries = new Map<string, number>();
  durableEntries = new Map<string, number>();
  pending: NameChange[] = [];

  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  clone(): DirectoryInode {
    const copy = new DirectoryInode(this.id);
    copy.entries = new Map(this.entries);
    copy.durableEntries = new Map(this.durableEntries);
    copy.pending = this.pending.slice();
    return copy;
  }

  /** Returns the directory after a power cut that left exactly these entries. */
  settled(entries: ReadonlyMap<string, number>): DirectoryInode {
    const copy = new DirectoryInode(this.id);
    copy.entries = new Map(entries);
    copy.durableEntries = new Map(entries);
    return copy;
  }

  /** Drops pending changes up to an order: they never become durable, and the view keeps them. */
  drop(upToOrder: number): void {
    this.pending = this.pending.filter((change) => change.order > upToOrder);
  }

  /** Reverts the view to the durable names, as a failed flush of the directory may do. */
  revert(): void {
    this.entries = new Map(this.durableEntries);
    this.pending = [];
  }
}

/** Applies the edits of a change that belong to one directory. */
export function applyEdits(entries: Map<string, number>, directoryId: number, change: NameChange): void {
  for (const edit of change.edits) {
    if (edit.directoryId !== directoryId) continue;
    if (edit.inodeId === null) entries.delete(edit.name);
    else entries.set(edit.name, edit.inodeId);
  }
}
