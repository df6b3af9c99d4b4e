// The storage interface as one process sees it on a simulated disk: the names part. simulated-file.ts has the files.

import { isKeelsonError } from '../errors.js';
import { type FrameSeal, sealFrames } from '../storage/frame-seal.js';
import type {
  Announcement,
  EngineReport,
  HeldDirectory,
  Liveness,
  LogFile,
  PathKind,
  ProcessIdentity,
  Storage,
  StorageFile,
} from '../storage/storage.js';
import { type DiskImage, type NameIntent, type NamesChanged, pathOfInode } from './disk-image.js';
import { type FaultKind, type OperationName, type SilentFaultKind, simulatedError } from './faults.js';
import type { LifeContext, LifeDisk } from './life-context.js';
import type { Request } from './operation.js';
import { Random } from './random.js';
import { SimulatedFile } from './simulated-file.js';
import { SimulatedHeldDirectory } from './simulated-held-directory.js';
import type { FileInode } from './simulated-inode.js';

const REPORT: EngineReport = {
  engine: 'simulated',
  engineReason: 'This is a simulated disk of keelson/testing.',
  nativeIoUringActive: false,
  directIoActive: false,
  retries: 0,
  retryPausesMs: 0,
};

export class SimulatedStorage implements Storage, LifeContext {
  readonly report = REPORT;
  readonly allocations = new WeakMap<ArrayBufferLike, number>();
  private readonly random: Random;

  readonly disk: LifeDisk;
  readonly image: DiskImage;
  readonly lifeId: number;
  readonly processIdentity: ProcessIdentity;
  /** Set in a view of a directory that is held: the path that names it, and its inode. */
  protected readonly heldDirectory: { readonly path: string; readonly inodeId: number } | null = null;

  constructor(
    disk: LifeDisk,
    image: DiskImage,
    lifeId: number,
    processIdentity: ProcessIdentity,
    seed: number,
  ) {
    this.disk = disk;
    this.image = image;
    this.lifeId = lifeId;
    this.processIdentity = processIdentity;
    this.random = new Random(seed);
  }

  kind(path: string): Promise<PathKind> {
    return this.run({ name: 'kind', path, apply: () => this.image.kindOf(this.locate(path)) });
  }

  /** There are no links on this disk. */
  async realPath(path: string): Promise<string> {
    return path;
  }

  /** This disk has no users. */
  async permissionsOf(): Promise<number | null> {
    return null;
  }

  async makeDirectory(path: string): Promise<boolean> {
    const { order } = await this.run(this.changing('makeDirectory', { kind: 'makeDirectory', path }));
    return order !== null;
  }

  list(path: string): Promise<string[]> {
    return this.run({
      name: 'list',
      path,
      apply: () => {
        const directory = this.showing(path, () => this.image.directory(this.locate(path), 'readdir'));
        const names = [...directory.entries.keys()];
        // A directory has no order, so nobody may come to rely on the one of creation.
        return names.sort((one, other) => nameOrder(one) - nameOrder(other));
      },
    });
  }

  flushDirectory(path: string): Promise<void> {
    return this.run(this.flushingDirectory(path));
  }

  flushDirectorySync(path: string): void {
    this.runSync(this.flushingDirectory(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.run(this.changing('rename', { kind: 'rename', path: from, to }));
  }

  renameSync(from: string, to: string): void {
    this.runSync(this.changing('rename', { kind: 'rename', path: from, to }));
  }

  async link(existing: string, name: string): Promise<void> {
    await this.run(this.changing('link', { kind: 'link', path: existing, to: name }));
  }

  linkSync(existing: string, name: string): void {
    this.runSync(this.changing('link', { kind: 'link', path: existing, to: name }));
  }

  async remove(path: string): Promise<void> {
    await this.run(this.changing('remove', { kind: 'remove', path }));
  }

  removeSync(path: string): void {
    this.runSync(this.changing('remove', { kind: 'remove', path }));
  }

  identityOf(path: string): string | null {
    const inode = this.image.inodeAt(this.locate(path));
    return inode === null ? null : String(inode.id);
  }

  /** Holds the directory by its inode: a rename, of it or of one above, changes nothing. */
  async holdDirectory(path: string): Promise<HeldDirectory> {
    const { id: inodeId } = await this.run({
      name: 'kind',
      path,
      apply: () => this.showing(path, () => this.image.directory(this.locate(path), 'open')),
    });
    const view = Object.create(this) as SimulatedStorage;
    Object.assign(view, { heldDirectory: { path, inodeId } });
    return new SimulatedHeldDirectory(path, view, inodeId);
  }

  /** @internal For a directory that is held: a name in it shows that this life lives. */
  async announce(path: string): Promise<Announcement> {
    const { inode } = await this.run(this.changing('createFile', { kind: 'create', path }));
    this.disk.announce(inode.id, this.lifeId);
    let closing: Promise<void> | null = null;
    const close = async (keepsName: boolean): Promise<void> => {
      this.disk.withdraw(inode.id);
      if (!keepsName) await this.remove(path).catch(() => {});
    };
    return {
      close(keepsName = false) {
        closing ??= close(keepsName);
        return closing;
      },
    };
  }

  /** @internal */
  probe(path: string): Promise<Liveness> {
    const apply = (): Liveness => {
      const identity = this.identityOf(path);
      return identity === null ? 'unknown' : this.disk.isAnnounced(Number(identity)) ? 'live' : 'dead';
    };
    return this.run({ name: 'kind', path, apply });
  }

  async openFile(path: string, writable: boolean): Promise<StorageFile> {
    return this.opened(path, await this.run(this.opening('openFile', path)), writable);
  }

  async createFile(path: string): Promise<StorageFile> {
    const { inode } = await this.run(this.changing('createFile', { kind: 'create', path }));
    return this.opened(path, inode as FileInode, true);
  }

  async createLogFile(path: string): Promise<LogFile> {
    const { inode } = await this.run(this.changing('createLogFile', { kind: 'create', path }));
    return this.opened(path, inode as FileInode, true);
  }

  createLogFileSync(path: string): LogFile {
    const { inode } = this.runSync(this.changing('createLogFile', { kind: 'create', path }));
    return this.opened(path, inode as FileInode, true);
  }

  async openLogFile(path: string): Promise<LogFile> {
    return this.opened(path, await this.run(this.opening('openLogFile', path)), true);
  }

  openLogFileSync(path: string): LogFile {
    return this.opened(path, this.runSync(this.opening('openLogFile', path)), true);
  }

  allocate(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.allocations.set(bytes.buffer, bytes.byteOffset);
    return bytes;
  }

  liveness(identity: ProcessIdentity): Liveness {
    return this.disk.liveness(identity);
  }

  sealFrames(bytes: Uint8Array, seal: FrameSeal): void {
    sealFrames(bytes, seal);
  }

  randomBytes(length: number): Uint8Array {
    return this.random.bytes(length);
  }

  nowMs(): number {
    return this.disk.nowMs();
  }

  /** An operation of this process. After it was killed nobody hears of anything any more. */
  run<T>(request: Request<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.disk.enqueue(request, this.lifeId, (error, value) => {
        if (error !== null) reject(error);
        else resolve(value as T);
      });
    });
  }

  runSync<T>(request: Request<T>): T {
    return this.disk.perform(request, this.lifeId);
  }

  private opened(path: string, inode: FileInode, writable: boolean): SimulatedFile {
    const file = new SimulatedFile(this, path, inode, writable);
    this.disk.opened(file, path, inode);
    return file;
  }

  private opening(name: OperationName, path: string): Request<FileInode> {
    return { name, path, apply: () => this.showing(path, () => this.image.file(this.locate(path), 'open')) };
  }

  /** Where the image finds a path. */
  private locate(path: string): string {
    const held = this.heldDirectory;
    if (held === null || (path !== held.path && !path.startsWith(`${held.path}/`))) return path;
    return pathOfInode(held.inodeId) + path.slice(held.path.length);
  }

  /** Errors of the image name what it looked for; those of a storage name the path as it was given. */
  private showing<T>(path: string, apply: () => T): T {
    try {
      return apply();
    } catch (error) {
      if (this.heldDirectory === null || !isKeelsonError(error)) throw error;
      throw simulatedError(error.facts.errno ?? 'EIO', error.facts.syscall ?? 'open', path);
    }
  }

  private changing(name: OperationName, names: NameIntent): Request<NamesChanged> {
    const located: NameIntent =
      'to' in names
        ? { ...names, path: this.locate(names.path), to: this.locate(names.to) }
        : { ...names, path: this.locate(names.path) };
    return {
      name,
      path: names.path,
      intent: { kind: 'names', names: located },
      apply: () => this.showing('to' in names ? names.to : names.path, () => this.image.changeNames(located)),
      orderOf: (changed) => changed.order,
      complete: (changed) => this.image.landed(changed.order),
    };
  }

  private flushingDirectory(path: string): Request<void> {
    // What it covers is settled when it is submitted: names that change while it is under way are not.
    const located = this.locate(path);
    const found = this.image.kindOf(located) === 'directory' ? this.image.directory(located, 'open') : null;
    const upToOrder = found === null ? 0 : this.image.flushableNames(found);
    return {
      name: 'flushDirectory',
      path,
      faultKinds: ['dropped', 'kept', 'reverted'],
      apply: () => {
        if (found === null) this.showing(path, () => this.image.directory(located, 'open'));
      },
      complete: (_, fault) => {
        if (found !== null) finishDirectoryFlush(this.image, found, upToOrder, fault);
      },
    };
  }
}

function finishDirectoryFlush(
  image: DiskImage,
  directory: ReturnType<DiskImage['directory']>,
  upToOrder: number,
  fault: FaultKind | SilentFaultKind | null,
): void {
  if (fault === null) image.flushNames(directory, upToOrder);
  else if (fault === 'dropped') directory.drop(upToOrder);
  else if (fault === 'reverted') directory.revert();
}

/** A fixed order that has nothing to do with the alphabet or with time. */
function nameOrder(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at += 1) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0;
  return Math.imul(hash, 0x9e3779b1) >>> 0;
}
