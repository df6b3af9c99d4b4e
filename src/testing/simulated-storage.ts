// Storage of one process on a simulated disk: names and directories. simulated-file.ts has the contents of files.

import { crc32cUpdate } from '../crc32c.js';
import { isKeelsonError } from '../errors.js';
import { checksumFrames, type FrameChecksums } from '../storage/frame-checksums.js';
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
  Timer,
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

/**
 * Storage of one process on a simulated disk. It has no `#` members: the views of held directories and wrappers of
 * the journal inherit from it as a prototype, and the inheriting object would lack them.
 */
export class SimulatedStorage implements Storage, LifeContext {
  readonly report = REPORT;
  readonly allocations = new WeakMap<ArrayBufferLike, number>();

  readonly disk: LifeDisk;
  readonly image: DiskImage;
  readonly lifeId: number;
  readonly processIdentity: ProcessIdentity;
  readonly random: Random;
  /** Path and inode of the held directory; null in the storage of the whole disk. */
  readonly heldDirectory: { readonly path: string; readonly inodeId: number } | null = null;

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
    return this.run({ name: 'kind', path, apply: () => this.image.kindOf(locate(this, path)) });
  }

  /** Resolves to `path`: the disk has no links. */
  async realPath(path: string): Promise<string> {
    return path;
  }

  /** Resolves to null: the disk has no users. */
  async permissionsOf(): Promise<number | null> {
    return null;
  }

  async makeDirectory(path: string): Promise<boolean> {
    const { order } = await this.run(changeRequest(this, 'makeDirectory', { kind: 'makeDirectory', path }));
    return order !== null;
  }

  list(path: string): Promise<string[]> {
    return this.run({
      name: 'list',
      path,
      apply: () => {
        const directory = showingPath(this, path, () => this.image.directory(locate(this, path), 'readdir'));
        const names = [...directory.entries.keys()];
        // A real system lists names in no particular order. This order keeps code from relying on the order of
        // creation.
        return names.sort((one, other) => nameOrder(one) - nameOrder(other));
      },
    });
  }

  flushDirectory(path: string): Promise<void> {
    return this.run(directoryFlushRequest(this, path));
  }

  flushDirectorySync(path: string): void {
    this.runSync(directoryFlushRequest(this, path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.run(changeRequest(this, 'rename', { kind: 'rename', path: from, to }));
  }

  renameSync(from: string, to: string): void {
    this.runSync(changeRequest(this, 'rename', { kind: 'rename', path: from, to }));
  }

  async link(existing: string, name: string): Promise<void> {
    await this.run(changeRequest(this, 'link', { kind: 'link', path: existing, to: name }));
  }

  linkSync(existing: string, name: string): void {
    this.runSync(changeRequest(this, 'link', { kind: 'link', path: existing, to: name }));
  }

  async remove(path: string): Promise<void> {
    await this.run(changeRequest(this, 'remove', { kind: 'remove', path }));
  }

  removeSync(path: string): void {
    this.runSync(changeRequest(this, 'remove', { kind: 'remove', path }));
  }

  identityOf(path: string): string | null {
    const inode = this.image.inodeAt(locate(this, path));
    return inode === null ? null : String(inode.id);
  }

  /** Holds a directory by its inode, whatever is renamed. */
  async holdDirectory(path: string): Promise<HeldDirectory> {
    const { id: inodeId } = await this.run({
      name: 'kind',
      path,
      apply: () => showingPath(this, path, () => this.image.directory(locate(this, path), 'open')),
    });
    const view = Object.create(this) as SimulatedStorage;
    Object.assign(view, { heldDirectory: { path, inodeId } });
    return new SimulatedHeldDirectory(path, view, inodeId);
  }

  /** @internal Announces in a held directory that this process lives. */
  async announce(path: string): Promise<Announcement> {
    const { inode } = await this.run(changeRequest(this, 'createFile', { kind: 'create', path }));
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

  /** @internal Resolves to whether the process announced by a file lives. */
  probe(path: string): Promise<Liveness> {
    const apply = (): Liveness => {
      const identity = this.identityOf(path);
      return identity === null ? 'unknown' : this.disk.isAnnounced(Number(identity)) ? 'live' : 'dead';
    };
    return this.run({ name: 'kind', path, apply });
  }

  async openFile(path: string, writable: boolean): Promise<StorageFile> {
    return newHandle(this, path, await this.run(openRequest(this, 'openFile', path)), writable);
  }

  async createFile(path: string): Promise<StorageFile> {
    const { inode } = await this.run(changeRequest(this, 'createFile', { kind: 'create', path }));
    return newHandle(this, path, inode as FileInode, true);
  }

  async createLogFile(path: string): Promise<LogFile> {
    const { inode } = await this.run(changeRequest(this, 'createLogFile', { kind: 'create', path }));
    return newHandle(this, path, inode as FileInode, true);
  }

  createLogFileSync(path: string): LogFile {
    const { inode } = this.runSync(changeRequest(this, 'createLogFile', { kind: 'create', path }));
    return newHandle(this, path, inode as FileInode, true);
  }

  async openLogFile(path: string): Promise<LogFile> {
    return newHandle(this, path, await this.run(openRequest(this, 'openLogFile', path)), true);
  }

  openLogFileSync(path: string): LogFile {
    return newHandle(this, path, this.runSync(openRequest(this, 'openLogFile', path)), true);
  }

  allocate(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.allocations.set(bytes.buffer, bytes.byteOffset);
    return bytes;
  }

  liveness(identity: ProcessIdentity): Liveness {
    return this.disk.liveness(identity);
  }

  checksumFrames(bytes: Uint8Array, checksums: FrameChecksums): void {
    checksumFrames(bytes, checksums);
  }

  readonly verifyChecksums = null;
  readonly populate = null;

  crc32cUpdate(register: number, bytes: Uint8Array): number {
    return crc32cUpdate(register, bytes, 0, bytes.length);
  }

  randomBytes(length: number): Uint8Array {
    return this.random.bytes(length);
  }

  nowMs(): number {
    return this.disk.nowMs();
  }

  wallMs(): number {
    return this.disk.wallMs();
  }

  startTimer(ms: number, callback: () => void): Timer {
    return this.disk.startTimer(ms, callback, this.lifeId);
  }

  /** Resolves at once, because no time passes on a simulated disk. */
  async pause(): Promise<void> {}

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
}

/** Opens a handle on an inode and registers it with the disk. */
function newHandle(
  storage: SimulatedStorage,
  path: string,
  inode: FileInode,
  writable: boolean,
): SimulatedFile {
  const file = new SimulatedFile(storage, path, inode, writable);
  storage.disk.opened(file, path, inode);
  return file;
}

function openRequest(storage: SimulatedStorage, name: OperationName, path: string): Request<FileInode> {
  const find = () => storage.image.file(locate(storage, path), 'open');
  return { name, path, apply: () => showingPath(storage, path, find) };
}

/** Returns the path under which the image finds `path`. */
function locate({ heldDirectory: held }: SimulatedStorage, path: string): string {
  if (held === null || (path !== held.path && !path.startsWith(`${held.path}/`))) return path;
  return pathOfInode(held.inodeId) + path.slice(held.path.length);
}

/** Runs `apply`. Its errors name `path`, which the caller gave, and not the path within the image. */
function showingPath<T>({ heldDirectory }: SimulatedStorage, path: string, apply: () => T): T {
  try {
    return apply();
  } catch (error) {
    if (heldDirectory === null || !isKeelsonError(error)) throw error;
    throw simulatedError(error.facts.errno ?? 'EIO', error.facts.syscall ?? 'open', path);
  }
}

function changeRequest(
  storage: SimulatedStorage,
  name: OperationName,
  names: NameIntent,
): Request<NamesChanged> {
  const { image } = storage;
  const located: NameIntent =
    'to' in names
      ? { ...names, path: locate(storage, names.path), to: locate(storage, names.to) }
      : { ...names, path: locate(storage, names.path) };
  const shown = 'to' in names ? names.to : names.path;
  return {
    name,
    path: names.path,
    intent: { kind: 'names', names: located },
    apply: () => showingPath(storage, shown, () => image.changeNames(located)),
    orderOf: (changed) => changed.order,
    complete: (changed) => image.landed(changed.order),
  };
}

function directoryFlushRequest(storage: SimulatedStorage, path: string): Request<void> {
  const { image } = storage;
  // A flush covers the changes that have completed when it is submitted, and no later one.
  const located = locate(storage, path);
  const found = image.kindOf(located) === 'directory' ? image.directory(located, 'open') : null;
  const upToOrder = found === null ? 0 : image.flushableNames(found);
  return {
    name: 'flushDirectory',
    path,
    faultKinds: ['dropped', 'kept', 'reverted'],
    apply: () => {
      if (found === null) showingPath(storage, path, () => image.directory(located, 'open'));
    },
    complete: (_, fault) => {
      if (found !== null) finishDirectoryFlush(image, found, upToOrder, fault);
    },
  };
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

/** Returns a sort key that is fixed, and unrelated to the alphabet and to time. */
function nameOrder(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at += 1) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0;
  return Math.imul(hash, 0x9e3779b1) >>> 0;
}
