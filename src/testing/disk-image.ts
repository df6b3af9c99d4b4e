// Contents of a simulated disk: the tree of directories and files. Each has a view, a durable state, and the pending
// changes in between. The view is what processes see now: the durable state with all pending changes, as in a page
// cache. simulated-disk.ts has the processes and decides when a change happens; this file has the effect of the
// change. The order of a change is its place in the sequence of all changes on the disk.

import { isKeelsonError } from '../errors.js';
import type { PathKind } from '../storage/storage.js';
import { simulatedError } from './faults.js';
import { SECTOR_BYTES, type SectorMap } from './sector-map.js';
import { applyEdits, DirectoryInode, type NameChange, type NameEdit } from './simulated-directory.js';
import { FileInode, type WriteData } from './simulated-inode.js';

export type Inode = FileInode | DirectoryInode;

/** A change of names that a process requests. */
export type NameIntent =
  | { readonly kind: 'create' | 'makeDirectory' | 'remove'; readonly path: string }
  | { readonly kind: 'rename' | 'link'; readonly path: string; readonly to: string };

/** Result of a change of names. */
export interface NamesChanged {
  /** Order of the change; null if nothing changed. */
  readonly order: number | null;
  readonly inode: Inode;
}

/** Place of a name: its directory, and the inode it has now. */
interface Place {
  readonly directory: DirectoryInode;
  readonly name: string;
  readonly inode: Inode | null;
}

const ROOT_ID = 1;
/** Limit of the removed files whose contents may reappear in reused space. */
const GRAVEYARD_FILES_MAX = 8;

export class DiskImage {
  readonly inodes = new Map<number, Inode>();
  /** Contents of removed files, which reused space may still hold. */
  graveyard: SectorMap[] = [];
  /** Orders of changes that are in the view while their operation is in flight. A flush does not cover them. */
  inFlightOrders = new Set<number>();
  /** Capacity for file contents in bytes. */
  capacityBytes = Number.POSITIVE_INFINITY;
  #nextInodeId = ROOT_ID + 1;
  #nextOrder = 1;

  constructor() {
    this.inodes.set(ROOT_ID, new DirectoryInode(ROOT_ID));
  }

  get root(): DirectoryInode {
    return this.inodes.get(ROOT_ID) as DirectoryInode;
  }

  /** Returns a copy that shares its sectors with this image. */
  clone(): DiskImage {
    const copy = new DiskImage();
    for (const [id, inode] of this.inodes) copy.inodes.set(id, inode.clone());
    copy.graveyard = this.graveyard.slice();
    copy.inFlightOrders = new Set(this.inFlightOrders);
    copy.capacityBytes = this.capacityBytes;
    copy.continueNumbering(this);
    return copy;
  }

  /** Continues the numbering of `from`. A disk never uses an inode id or an order twice, whatever crashes happen. */
  continueNumbering(from: DiskImage): void {
    this.#nextInodeId = from.#nextInodeId;
    this.#nextOrder = from.#nextOrder;
  }

  /** Completes all changes in flight that have reached the view. */
  settleAll(): void {
    this.inFlightOrders.clear();
  }

  /** Adds an inode, as a power cut has left it. */
  adopt(inode: Inode): void {
    this.inodes.set(inode.id, inode);
  }

  /** Returns the order of a new change. */
  takeOrder(): number {
    const order = this.#nextOrder;
    this.#nextOrder += 1;
    return order;
  }

  // ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes to the view. The write is in flight until landed() is called with the returned order. */
  write(inode: FileInode, position: number, data: WriteData): number {
    const order = this.takeOrder();
    inode.write(order, position, data);
    this.inFlightOrders.add(order);
    return order;
  }

  /** Marks a change as completed. Flushes submitted from now on cover it. */
  landed(order: number | null): void {
    if (order !== null) this.inFlightOrders.delete(order);
  }

  /** Returns the orders of the writes and truncations that a flush of this file covers if it is submitted now. */
  flushable(inode: FileInode): Set<number> {
    const orders = new Set<number>();
    for (const { order } of inode.pending) if (!this.inFlightOrders.has(order)) orders.add(order);
    for (const { order, isCut } of inode.pendingSizes) if (isCut) orders.add(order);
    return orders;
  }

  /** Makes the writes and truncations in `orders` durable, and the file's holes. */
  flushFile(inode: FileInode, orders: ReadonlySet<number>): void {
    inode.makeDurable(orders);
    inode.makeHolesDurable();
  }

  // ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns the kind of the inode at a path in the view. */
  kindOf(path: string): PathKind {
    return this.inodeAt(path)?.kind ?? 'absent';
  }

  /** Returns the inode at a path, or null if nothing is there. */
  inodeAt(path: string): Inode | null {
    let inode: Inode | undefined = this.root;
    const parts = pathParts(path);
    const start = inodeOfPart(parts[0]);
    if (start !== null) inode = this.inodes.get(start);
    for (const part of start === null ? parts : parts.slice(1)) {
      if (inode?.kind !== 'directory') return null;
      inode = this.inodes.get(inode.entries.get(part) ?? 0);
    }
    return inode ?? null;
  }

  /** Returns the inode at a path. Throws ENOENT or ENOTDIR. */
  find(path: string, syscall: string): Inode {
    const parts = pathParts(path);
    if (parts.length === 0) return this.root;
    const start = inodeOfPart(parts[0]);
    if (start !== null && parts.length === 1) return this.#startAt(start, syscall, path);
    const place = this.#place(path, syscall);
    if (place.inode === null) throw simulatedError('ENOENT', syscall, path);
    return place.inode;
  }

  /** Returns the file at a path. Throws ENOENT, ENOTDIR or EISDIR. */
  file(path: string, syscall: string): FileInode {
    const inode = this.find(path, syscall);
    if (inode.kind !== 'file') throw simulatedError('EISDIR', syscall, path);
    return inode;
  }

  /** Returns the directory at a path. Throws ENOENT or ENOTDIR. */
  directory(path: string, syscall: string): DirectoryInode {
    const inode = this.find(path, syscall);
    if (inode.kind !== 'directory') throw simulatedError('ENOTDIR', syscall, path);
    return inode;
  }

  /** Changes names in the view. The change is in flight until landed() is called with its order. */
  changeNames(intent: NameIntent): NamesChanged {
    switch (intent.kind) {
      case 'create':
        return this.#create(intent.path, 'open', (id) => new FileInode(id));
      case 'makeDirectory':
        return this.#makeDirectory(intent.path);
      case 'remove':
        return this.#remove(intent.path);
      case 'rename':
        return this.#rename(intent.path, intent.to);
      case 'link':
        return this.#link(intent.path, intent.to);
    }
  }

  /**
   * Changes names for an operation that was in flight at a crash. Does nothing if the disk would have refused the
   * change.
   */
  attempt(intent: NameIntent): void {
    try {
      this.changeNames(intent);
    } catch (error) {
      if (!isKeelsonError(error)) throw error;
    }
  }

  /** Returns the order up to which a flush of this directory covers changes if it is submitted now. */
  flushableNames(directory: DirectoryInode): number {
    let upTo = 0;
    for (const change of directory.pending) {
      if (!this.inFlightOrders.has(change.order)) upTo = Math.max(upTo, change.order);
    }
    return upTo;
  }

  /**
   * Makes changes of names up to an order durable. A rename between two directories also makes the earlier changes of
   * the other directory durable, as a journaling file system does: half of a rename is never durable.
   */
  flushNames(directory: DirectoryInode, upToOrder: number): void {
    const covered = directory.pending.filter((change) => change.order <= upToOrder);
    directory.pending = directory.pending.filter((change) => change.order > upToOrder);
    for (const change of covered) {
      applyEdits(directory.durableEntries, directory.id, change);
      for (const edit of change.edits) {
        if (edit.directoryId === directory.id) continue;
        const other = this.inodes.get(edit.directoryId);
        if (other?.kind === 'directory') this.flushNames(other, change.order);
      }
    }
  }

  /** Creates a directory and its parents, all durable. For setting up a disk. */
  makeDurableDirectory(path: string): void {
    let at = '';
    for (const part of pathParts(path)) {
      at = `${at}/${part}`;
      this.landed(this.#makeDirectory(at).order);
      const parent = this.#place(at, 'mkdir').directory;
      this.flushNames(parent, this.flushableNames(parent));
    }
  }

  #create(path: string, syscall: string, make: (id: number) => Inode): NamesChanged {
    const place = this.#place(path, syscall);
    if (place.inode !== null) throw simulatedError('EEXIST', syscall, path);
    const inode = make(this.#nextInodeId);
    this.#nextInodeId += 1;
    this.inodes.set(inode.id, inode);
    return { order: this.#change([edit(place, inode.id)]), inode };
  }

  #makeDirectory(path: string): NamesChanged {
    const parts = pathParts(path);
    const there = parts.length === 0 ? this.root : this.#place(path, 'mkdir').inode;
    if (there?.kind === 'directory') return { order: null, inode: there };
    if (there !== null) throw simulatedError('ENOTDIR', 'mkdir', path);
    return this.#create(path, 'mkdir', (id) => new DirectoryInode(id));
  }

  #remove(path: string): NamesChanged {
    const inode = this.file(path, 'unlink');
    return { order: this.#change([edit(this.#place(path, 'unlink'), null)]), inode };
  }

  #link(existing: string, name: string): NamesChanged {
    const inode = this.find(existing, 'link');
    if (inode.kind === 'directory') throw simulatedError('EPERM', 'link', existing);
    const place = this.#place(name, 'link');
    if (place.inode !== null) throw simulatedError('EEXIST', 'link', name);
    return { order: this.#change([edit(place, inode.id)]), inode };
  }

  #rename(from: string, to: string): NamesChanged {
    const inode = this.find(from, 'rename');
    const source = this.#place(from, 'rename');
    const target = this.#place(to, 'rename');
    // POSIX: renaming one name of a file to another name of the same file succeeds and changes nothing.
    if (target.inode === inode) return { order: null, inode };
    const refused = renameRefusal(inode, target.inode);
    if (refused !== null) throw simulatedError(refused, 'rename', to);
    return { order: this.#change([edit(source, null), edit(target, inode.id)]), inode };
  }

  #change(edits: readonly NameEdit[]): number {
    const order = this.takeOrder();
    const change: NameChange = { order, edits };
    for (const directoryId of new Set(edits.map((each) => each.directoryId))) {
      const directory = this.inodes.get(directoryId) as DirectoryInode;
      applyEdits(directory.entries, directoryId, change);
      directory.pending.push(change);
    }
    this.inFlightOrders.add(order);
    return order;
  }

  #place(path: string, syscall: string): Place {
    const parts = pathParts(path);
    const name = parts.pop();
    if (name === undefined) throw simulatedError('EBUSY', syscall, path);
    const start = inodeOfPart(parts[0]);
    let directory = start === null ? this.root : this.#startAt(start, syscall, path);
    for (const part of start === null ? parts : parts.slice(1)) {
      const next = this.inodes.get(directory.entries.get(part) ?? 0);
      if (next === undefined) throw simulatedError('ENOENT', syscall, path);
      if (next.kind !== 'directory') throw simulatedError('ENOTDIR', syscall, path);
      directory = next;
    }
    return { directory, name, inode: this.inodes.get(directory.entries.get(name) ?? 0) ?? null };
  }

  #startAt(inodeId: number, syscall: string, path: string): DirectoryInode {
    const inode = this.inodes.get(inodeId);
    if (inode?.kind !== 'directory') throw simulatedError('ENOENT', syscall, path);
    return inode;
  }

  // ── Space ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Drops inodes that no name leads to, now or after a power cut. Open handles keep their own reference. */
  collect(): void {
    const reached = new Set<number>([ROOT_ID]);
    for (const id of reached) {
      const inode = this.inodes.get(id);
      if (inode?.kind !== 'directory') continue;
      for (const child of inode.entries.values()) reached.add(child);
      for (const child of inode.durableEntries.values()) reached.add(child);
      for (const change of inode.pending) {
        for (const each of change.edits) if (each.inodeId !== null) reached.add(each.inodeId);
      }
    }
    if (reached.size === this.inodes.size) return;
    for (const [id, inode] of this.inodes) {
      if (reached.has(id)) continue;
      this.inodes.delete(id);
      if (inode.kind === 'file' && inode.view.count > 0) this.bury(inode.view);
    }
  }

  /** Returns the bytes used by files that have a name, and by the files in `others`. Names use no space. */
  usedBytes(others: Iterable<FileInode>): number {
    const files = new Set<FileInode>(others);
    for (const inode of this.inodes.values()) {
      if (inode.kind !== 'directory') continue;
      for (const id of inode.entries.values()) {
        const child = this.inodes.get(id);
        if (child?.kind === 'file') files.add(child);
      }
    }
    let sectors = 0;
    for (const file of files) sectors += file.view.count;
    return sectors * SECTOR_BYTES;
  }

  /** Keeps the contents of a removed file for reused space. Forgets the oldest contents. */
  bury(contents: SectorMap): void {
    this.graveyard = [...this.graveyard, contents.fork()].slice(-GRAVEYARD_FILES_MAX);
  }
}

function edit(place: Place, inodeId: number | null): NameEdit {
  return { directoryId: place.directory.id, name: place.name, inodeId };
}

function renameRefusal(inode: Inode, target: Inode | null): string | null {
  if (target === null) return null;
  if (inode.kind === 'file') return target.kind === 'directory' ? 'EISDIR' : null;
  if (target.kind !== 'directory') return 'ENOTDIR';
  return target.entries.size > 0 ? 'ENOTEMPTY' : null;
}

/** Returns a path for a directory known by its inode. Its name begins with a NUL, which no other name contains. */
export function pathOfInode(inodeId: number): string {
  return `/\0${inodeId}`;
}

function inodeOfPart(part: string | undefined): number | null {
  return part?.startsWith('\0') === true ? Number(part.slice(1)) : null;
}

/** Returns the names in an absolute path, with '.' and '..' resolved. */
function pathParts(path: string): string[] {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts;
}
