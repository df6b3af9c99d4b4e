// An open file on the simulated disk.

import { invariant, KeelsonError } from '../errors.js';
import { checksumFrames } from '../storage/frame-checksums.js';
import type { DurableWrite, DurableWriteDone, LogFile } from '../storage/storage.js';
import { type FaultKind, isSilent, type SilentFaultKind, simulatedError } from './faults.js';
import type { LifeContext } from './life-context.js';
import { type HandleUse, type QueuedOperation, type Request, somePart } from './operation.js';
import { garbageSector } from './power-cut-image.js';
import { SECTOR_BYTES } from './sector-map.js';
import type { FileInode, WriteData } from './simulated-inode.js';

export class SimulatedFile implements LogFile, HandleUse {
  underWayCount = 0;
  readonly lifeId: number;
  #closing: Promise<void> | null = null;
  #submission: QueuedOperation | null = null;

  readonly path: string;
  readonly #life: LifeContext;
  readonly #inode: FileInode;
  readonly #writable: boolean;

  constructor(life: LifeContext, path: string, inode: FileInode, writable: boolean) {
    this.#life = life;
    this.path = path;
    this.#inode = inode;
    this.#writable = writable;
    this.lifeId = life.lifeId;
  }

  async size(): Promise<number> {
    this.#assertOpen();
    const apply = (): number => this.#inode.viewSizeBytes;
    return this.#life.run({ name: 'size', path: this.path, handle: this, apply });
  }

  async modifiedMs(): Promise<number> {
    this.#assertOpen();
    const apply = (): number => this.#inode.modifiedMs;
    // It asks for the same attributes as size(), so it meets the same faults.
    return this.#life.run({ name: 'size', path: this.path, handle: this, apply });
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#assertOpen();
    const apply = (): number => this.#inode.read(into, position);
    return this.#life.run({ name: 'read', path: this.path, handle: this, apply });
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#assertOpen();
    await this.#life.run(this.#writing('write', position, new Uint8Array(bytes)));
  }

  writeSync(bytes: Uint8Array, position: number): void {
    this.#assertOpen();
    this.#life.runSync(this.#writing('write', position, new Uint8Array(bytes)));
  }

  async zeroFill(from: number, to: number): Promise<void> {
    this.#assertOpen();
    await this.#life.run(this.#writing('zeroFill', from, { zerosLength: Math.max(0, to - from) }));
  }

  zeroFillSync(from: number, to: number): void {
    this.#assertOpen();
    this.#life.runSync(this.#writing('zeroFill', from, { zerosLength: Math.max(0, to - from) }));
  }

  /** Reserves room. A crash finds the same as after zeroFill(): each write finds zeros in its place. */
  reserve(sizeBytes: number): boolean {
    this.#assertOpen();
    this.#life.runSync(this.#writing('reserve', 0, { zerosLength: sizeBytes }));
    return true;
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#assertOpen();
    const apply = (): void => {
      if (!this.#writable) throw simulatedError('EBADF', 'ftruncate', this.path);
      this.#inode.cut(this.#life.image.takeOrder(), sizeBytes);
    };
    await this.#life.run({ name: 'truncate', path: this.path, handle: this, apply });
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    await this.#life.run(this.#flushing());
  }

  flushSync(): void {
    this.#assertOpen();
    this.#life.runSync(this.#flushing());
  }

  /** Closes the file. Only the first call rejects with an error; later calls wait for the same end. */
  close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.catch(() => undefined);
    const apply = (): void => undefined;
    // A failed close releases the descriptor all the same.
    this.#closing = this.#life
      .run({ name: 'close', path: this.path, handle: this, apply })
      .finally(() => this.#life.disk.closed(this));
    return this.#closing;
  }

  submit(write: DurableWrite, done: DurableWriteDone): void {
    this.#assertOpen();
    this.#assertSubmittable(write);
    if (write.checksums !== null) checksumFrames(write.bytes, write.checksums);
    const operation = this.#life.disk.enqueue(this.#submitting(write), this.lifeId, (error) => {
      const memoryIsFree = this.#submission?.memoryIsFree ?? true;
      this.#submission = null;
      done(error, memoryIsFree);
    });
    this.#submission = operation;
  }

  writeDurableSync(write: DurableWrite): void {
    this.#assertOpen();
    this.#assertSubmittable(write);
    if (write.checksums !== null) checksumFrames(write.bytes, write.checksums);
    this.#life.runSync(this.#submitting(write));
  }

  drainSync(): void {
    if (this.#submission !== null) this.#life.disk.finish(this.#submission);
  }

  #assertOpen(): void {
    invariant(this.#closing === null, 'a file was used after it was closed', { path: this.path });
  }

  #assertSubmittable({ bytes, position }: DurableWrite): void {
    const facts = { path: this.path, offset: position };
    invariant(this.#submission === null, 'a durable write was submitted while one is under way', facts);
    const isWholeBlocks = bytes.length > 0 && bytes.length % SECTOR_BYTES === 0;
    invariant(isWholeBlocks, `a durable write of ${bytes.length} bytes is no whole number of blocks`, facts);
    const isPlace = Number.isSafeInteger(position) && position >= 0 && position % SECTOR_BYTES === 0;
    invariant(isPlace, 'a durable write does not start on a block', facts);
    const start = this.#life.allocations.get(bytes.buffer);
    invariant(start === bytes.byteOffset, 'a durable write of memory that is not from allocate()', facts);
  }

  #writing(name: 'write' | 'zeroFill' | 'reserve', position: number, data: WriteData): Request<number> {
    return {
      name,
      path: this.path,
      handle: this,
      intent: { kind: 'write', inodeId: this.#inode.id, position, data, isDurable: false },
      faultKinds: ['kept', 'lost', 'misdirected'],
      apply: (fault) => {
        if (!this.#writable) throw simulatedError('EBADF', 'write', this.path);
        this.#inode.modifiedMs = this.#life.disk.lastWallMs;
        this.#takeSpace(position, data);
        if (fault !== null && isSilent(fault)) return this.#writeWrongly(position, data, fault, false);
        const part = fault === null ? data : somePart(data, this.#life.disk.choices);
        return this.#life.image.write(this.#inode, position, part);
      },
      orderOf: (order) => order,
      complete: (order) => this.#life.image.landed(order),
    };
  }

  #flushing(): Request<void> {
    // A flush covers the writes that have completed when it is submitted, and no later one.
    const covered = this.#life.image.flushable(this.#inode);
    return {
      name: 'flush',
      path: this.path,
      handle: this,
      faultKinds: ['dropped', 'kept', 'reverted'],
      apply: () => undefined,
      complete: (_, fault) => {
        if (fault === null) this.#life.image.flushFile(this.#inode, covered);
        else if (fault === 'dropped') this.#inode.drop(covered);
        else if (fault === 'reverted') this.#inode.revert(covered);
      },
    };
  }

  #submitting({ bytes, position }: DurableWrite): Request<number> {
    const submitted = new Uint8Array(bytes);
    return {
      name: 'submit',
      path: this.path,
      handle: this,
      intent: { kind: 'write', inodeId: this.#inode.id, position, data: submitted, isDurable: true },
      faultKinds: ['dropped', 'kept', 'reverted', 'lost', 'misdirected'],
      apply: (fault) => {
        this.#inode.modifiedMs = this.#life.disk.lastWallMs;
        this.#takeSpace(position, submitted);
        if (fault !== null && isSilent(fault)) return this.#writeWrongly(position, submitted, fault, true);
        return this.#life.image.write(this.#inode, position, submitted);
      },
      orderOf: (order) => order,
      complete: (order, fault) => {
        this.#life.image.landed(order);
        if (fault === null || isSilent(fault)) this.#inode.makeDurable(new Set([order]));
        else this.#failDurableWrite(order, submitted, position, fault);
        this.#assertUnchanged(bytes, submitted);
      },
    };
  }

  #failDurableWrite(order: number, submitted: Uint8Array, position: number, fault: FaultKind): void {
    if (fault === 'kept') return;
    const random = this.#life.disk.choices;
    // Each sector may have reached the medium or not, and no later flush covers it.
    for (let at = 0; at < submitted.length; at += SECTOR_BYTES) {
      const fate = random.below(8);
      if (fate >= 5) continue;
      const sector = fate === 4 ? garbageSector(random) : submitted.subarray(at, at + SECTOR_BYTES);
      this.#inode.durable.set((position + at) / SECTOR_BYTES, sector);
    }
    if (fault === 'dropped') this.#inode.drop(new Set([order]));
    else this.#inode.revert(new Set([order]));
  }

  /** On a full disk, writes as much as fits and throws ENOSPC. Overwriting existing sectors needs no space. */
  #takeSpace(position: number, data: WriteData): void {
    const { disk, image } = this.#life;
    if (disk.capacityBytes === Number.POSITIVE_INFINITY) return;
    const length = data instanceof Uint8Array ? data.length : data.zerosLength;
    let freeSectors = Math.floor((disk.capacityBytes - disk.usedBytes()) / SECTOR_BYTES);
    if (this.#inode.sectorsMissing(position, length) <= freeSectors) return;
    let fits = 0;
    while (fits < length && freeSectors >= 0) {
      const step = Math.min(SECTOR_BYTES - ((position + fits) % SECTOR_BYTES), length - fits);
      freeSectors -= this.#inode.sectorsMissing(position + fits, step);
      if (freeSectors >= 0) fits += step;
    }
    const part = data instanceof Uint8Array ? data.subarray(0, fits) : { zerosLength: fits };
    if (fits > 0) image.landed(image.write(this.#inode, position, part));
    throw simulatedError('ENOSPC', 'write', this.path);
  }

  /**
   * Applies a silent fault: the bytes arrive nowhere, or at another place. Returns the order of the change at the
   * intended place.
   */
  #writeWrongly(position: number, data: WriteData, fault: SilentFaultKind, isDurable: boolean): number {
    const { image, disk } = this.#life;
    const random = disk.choices;
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data.zerosLength);
    const left = new Uint8Array(bytes.length);
    for (let at = 0; at < left.length; at += SECTOR_BYTES) {
      left.set(garbageSector(random).subarray(0, left.length - at), at);
    }
    this.#inode.read(left, position);
    const blockCount = Math.floor((this.#inode.viewSizeBytes - bytes.length) / SECTOR_BYTES) + 1;
    if (fault === 'misdirected' && blockCount > 0) {
      const elsewhere = image.write(this.#inode, random.below(blockCount) * SECTOR_BYTES, bytes);
      image.landed(elsewhere);
      if (isDurable) this.#inode.makeDurable(new Set([elsewhere]));
      // The bytes that arrived stay where the two places overlap.
      this.#inode.read(left, position);
    }
    return image.write(this.#inode, position, left);
  }

  /**
   * Throws KEELSON_INVARIANT if the memory of a durable write was changed while the write was under way. A disk may
   * read that memory until the write ends.
   */
  #assertUnchanged(bytes: Uint8Array, submitted: Uint8Array): void {
    if (Buffer.compare(bytes, submitted) === 0) return;
    throw new KeelsonError(
      'KEELSON_INVARIANT',
      'The memory of a durable write was changed while it was under way',
      {
        path: this.path,
      },
    );
  }
}
