// A directory of the simulated disk: the names that a running system sees, the names that survive a power cut for
// certain, and the changes between them, in order.

/** One name in one directory: what it points to now, or null when it is gone. */
export interface NameEdit {
  readonly directoryId: number;
  readonly name: string;
  readonly inodeId: number | null;
}

/** One create, rename, link, remove or mkdir: all of its edits survive a power cut, or none does. */
export interface NameChange {
  readonly order: number;
  /** A rename has two edits, in two directories when it moves; such a change is pending in both. */
  readonly edits: readonly NameEdit[];
}

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

  /** The directory as a power cut leaves it: what survived is all there is. */
  settled(entries: ReadonlyMap<string, number>): DirectoryInode {
    const copy = new DirectoryInode(this.id);
    copy.entries = new Map(entries);
    copy.durableEntries = new Map(entries);
    return copy;
  }

  /** These names will never become durable, though the view goes on showing them. */
  drop(upToOrder: number): void {
    this.pending = this.pending.filter((change) => change.order > upToOrder);
  }

  /** The failed flush of a directory: its names as the medium has them. */
  revert(): void {
    this.entries = new Map(this.durableEntries);
    this.pending = [];
  }
}

/** Applies the part of a change that concerns this directory. */
export function applyEdits(entries: Map<string, number>, directoryId: number, change: NameChange): void {
  for (const edit of change.edits) {
    if (edit.directoryId !== directoryId) continue;
    if (edit.inodeId === null) entries.delete(edit.name);
    else entries.set(edit.name, edit.inodeId);
  }
}
