// A file of the simulated disk: its view (what processes read), its durable contents, and the pending writes in
// between.
//
// Pending writes are listed in the order in which they reached the view. Each holds whole sectors as they were after
// that write, so that a power cut can bring back any pending version of a sector.

import { SECTOR_BYTES, SectorMap, sectorsFor, ZERO_SECTOR } from './sector-map.js';

/** A write that has reached the view and is not durable. Immutable, because captured states share it. */
export interface PendingWrite {
  /** Place of the write in the sequence of all changes on the disk. */
  readonly order: number;
  readonly firstSector: number;
  /**
   * Sectors after the write. Null if a later version of the sector is durable already, so that this version can never
   * return.
   */
  readonly sectors: readonly (Uint8Array | null)[];
  /** File size in bytes that is needed to read the write. */
  readonly endBytes: number;
}

/** A size of the file in the view that is not durable. */
export interface PendingSize {
  readonly order: number;
  readonly sizeBytes: number;
  /** True if the file was truncated to this size, false if it grew to it. */
  readonly isCut: boolean;
}

/** Data to write: bytes, or a number of zeros that take no memory. */
export type WriteData = Uint8Array | { readonly zerosLength: number };

/** A file: its view, its durable contents, and its pending writes and sizes. */
export class FileInode {
  readonly kind = 'file';
  view = new SectorMap();
  viewSizeBytes = 0;
  /** The wall-clock time of the last write, in ms since 1970. A power cut does not take it back. */
  modifiedMs = 0;
  /** A sector within the durable size that is absent here was never made durable. After a power cut it is garbage. */
  durable = new SectorMap();
  durableSizeBytes = 0;
  pending: PendingWrite[] = [];
  pendingSizes: PendingSize[] = [];

  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  clone(): FileInode {
    const copy = new FileInode(this.id);
    copy.view = this.view.fork();
    copy.viewSizeBytes = this.viewSizeBytes;
    copy.modifiedMs = this.modifiedMs;
    copy.durable = this.durable.fork();
    copy.durableSizeBytes = this.durableSizeBytes;
    copy.pending = this.pending.slice();
    copy.pendingSizes = this.pendingSizes.slice();
    return copy;
  }

  /** Reads from the view into `into`. Returns the number of bytes read. Holes read as zeros, as on a running system. */
  read(into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(into.length, this.viewSizeBytes - position));
    let done = 0;
    while (done < length) {
      const at = position + done;
      const within = at % SECTOR_BYTES;
      const count = Math.min(SECTOR_BYTES - within, length - done);
      const sector = this.view.get(Math.floor(at / SECTOR_BYTES)) ?? ZERO_SECTOR;
      into.set(sector.subarray(within, within + count), done);
      done += count;
    }
    return length;
  }

  /** Writes to the view. From now on a power cut may find any part of the write. */
  write(order: number, position: number, data: WriteData): void {
    const length = data instanceof Uint8Array ? data.length : data.zerosLength;
    if (length === 0) return;
    const endBytes = position + length;
    const firstSector = Math.floor(position / SECTOR_BYTES);
    const sectors: Uint8Array[] = [];
    for (let index = firstSector; index < sectorsFor(endBytes); index += 1) {
      const sector = this.#sectorAfter(index, position, endBytes, data);
      sectors.push(sector);
      this.view.set(index, sector);
    }
    this.pending.push({ order, firstSector, sectors, endBytes });
    if (endBytes > this.viewSizeBytes) {
      this.viewSizeBytes = endBytes;
      this.pendingSizes.push({ order, sizeBytes: endBytes, isCut: false });
    }
  }

  /** Truncates the view. After a power cut the file has its former size or the new one. */
  cut(order: number, sizeBytes: number): void {
    if (sizeBytes >= this.viewSizeBytes) return;
    this.view.cutTo(sectorsFor(sizeBytes));
    zeroTail(this.view, sizeBytes);
    this.viewSizeBytes = sizeBytes;
    this.pendingSizes.push({ order, sizeBytes, isCut: true });
  }

  #sectorAfter(index: number, position: number, end: number, data: WriteData): Uint8Array {
    const sectorStart = index * SECTOR_BYTES;
    const from = Math.max(position, sectorStart);
    const to = Math.min(end, sectorStart + SECTOR_BYTES);
    const isWhole = to - from === SECTOR_BYTES;
    if (!(data instanceof Uint8Array)) {
      if (isWhole) return ZERO_SECTOR;
      const mixed = (this.view.get(index) ?? ZERO_SECTOR).slice();
      return mixed.fill(0, from - sectorStart, to - sectorStart);
    }
    if (isWhole) return data.subarray(from - position, to - position);
    const mixed = (this.view.get(index) ?? ZERO_SECTOR).slice();
    mixed.set(data.subarray(from - position, to - position), from - sectorStart);
    return mixed;
  }

  /** Returns the number of sectors in this range that use no space yet. */
  sectorsMissing(position: number, length: number): number {
    let missing = 0;
    for (let index = Math.floor(position / SECTOR_BYTES); index < sectorsFor(position + length); index += 1) {
      if (this.view.get(index) === undefined) missing += 1;
    }
    return missing;
  }

  /** Truncates the file and makes everything before the new end durable. For damage, not for processes. */
  cutDurably(sizeBytes: number): void {
    this.makeDurable(new Set(this.pending.map(({ order }) => order)));
    this.makeHolesDurable();
    this.pendingSizes = [];
    this.durable.cutTo(sectorsFor(sizeBytes));
    zeroTail(this.durable, sizeBytes);
    this.durableSizeBytes = sizeBytes;
    this.view = this.durable.fork();
    this.viewSizeBytes = sizeBytes;
  }

  /**
   * Makes the pending writes and truncations in `orders` durable, in their order, and the sizes needed to read them.
   */
  makeDurable(orders: ReadonlySet<number>): void {
    let left: PendingWrite[] = [];
    const cuts = this.pendingSizes.filter(({ order, isCut }) => isCut && orders.has(order));
    this.pendingSizes = this.pendingSizes.filter((pending) => !cuts.includes(pending));
    const cutBefore = (order: number) => {
      while (cuts[0] !== undefined && cuts[0].order < order) left = this.#makeCutDurable(cuts.shift()!, left);
    };
    for (const write of this.pending) {
      cutBefore(write.order);
      if (!orders.has(write.order)) {
        left.push(write);
        continue;
      }
      write.sectors.forEach((sector, at) => {
        if (sector !== null) this.durable.set(write.firstSector + at, sector);
      });
      this.#growDurableSize(write.endBytes);
      // An older write in flight must not replace these sectors by its older versions.
      for (let at = 0; at < left.length; at += 1) left[at] = withoutOverlap(left[at] as PendingWrite, write);
    }
    cutBefore(Number.POSITIVE_INFINITY);
    this.pending = left;
  }

  /** Makes a truncation durable, and returns the older writes that are in flight without what it cuts off. */
  #makeCutDurable({ sizeBytes }: PendingSize, older: readonly PendingWrite[]): PendingWrite[] {
    if (sizeBytes < this.durableSizeBytes) {
      this.durable.cutTo(sectorsFor(sizeBytes));
      zeroTail(this.durable, sizeBytes);
      this.durableSizeBytes = sizeBytes;
    }
    return older.map((write) => cutOff(write, sizeBytes)).filter(({ sectors }) => sectors.length > 0);
  }

  #growDurableSize(sizeBytes: number): void {
    this.durableSizeBytes = Math.max(this.durableSizeBytes, sizeBytes);
    this.pendingSizes = this.pendingSizes.filter(
      (pending) => pending.isCut || pending.sizeBytes > this.durableSizeBytes,
    );
  }

  /**
   * Makes holes within the durable size durable, as a flush does. A hole is a sector that was never written. A
   * durable write does not do this: below it, sectors that were not flushed hold what the medium held.
   */
  makeHolesDurable(): void {
    const sectorCount = sectorsFor(this.durableSizeBytes);
    if (this.durable.count >= sectorCount) return;
    for (let index = 0; index < sectorCount; index += 1) {
      if (this.durable.get(index) === undefined && this.view.get(index) === undefined) {
        this.durable.set(index, ZERO_SECTOR);
      }
    }
  }

  /**
   * Drops writes: they never become durable. The view keeps them, like a page cache after a failed write-back. Their
   * sizes stay pending, because metadata often survives the loss of its data.
   */
  drop(orders: ReadonlySet<number>): void {
    this.pending = this.pending.filter((write) => !orders.has(write.order));
  }

  /** Reverts writes: the view shows the durable contents with all other pending writes on top. */
  revert(orders: ReadonlySet<number>): void {
    this.drop(orders);
    this.pendingSizes = this.pendingSizes.filter((pending) => !orders.has(pending.order));
    this.view = this.durable.fork();
    this.viewSizeBytes = this.durableSizeBytes;
    for (const write of this.pending) {
      write.sectors.forEach((sector, at) => {
        if (sector !== null) this.view.set(write.firstSector + at, sector);
      });
      if (write.endBytes <= this.viewSizeBytes) continue;
      // The write that first brought this size may be reverted, but this write needs the size as well.
      this.viewSizeBytes = write.endBytes;
      this.pendingSizes.push({ order: write.order, sizeBytes: write.endBytes, isCut: false });
    }
  }
}

/** Returns `older` without the sectors that `newer` writes as well. */
function withoutOverlap(older: PendingWrite, newer: PendingWrite): PendingWrite {
  const from = Math.max(older.firstSector, newer.firstSector);
  const to = Math.min(older.firstSector + older.sectors.length, newer.firstSector + newer.sectors.length);
  if (from >= to) return older;
  const sectors = older.sectors.map((sector, at) => {
    const index = older.firstSector + at;
    return index >= from && index < to ? null : sector;
  });
  return { ...older, sectors };
}

/** Returns a write without what lies at or beyond this size. */
function cutOff(write: PendingWrite, sizeBytes: number): PendingWrite {
  const count = Math.max(0, sectorsFor(sizeBytes) - write.firstSector);
  return { ...write, sectors: write.sectors.slice(0, count), endBytes: Math.min(write.endBytes, sizeBytes) };
}

/** Zeros the rest of the last sector of a file that was truncated to this size. */
function zeroTail(sectors: SectorMap, sizeBytes: number): void {
  const index = Math.floor(sizeBytes / SECTOR_BYTES);
  const last = sectors.get(index);
  if (last === undefined || sizeBytes % SECTOR_BYTES === 0) return;
  sectors.set(index, last.slice().fill(0, sizeBytes % SECTOR_BYTES));
}
