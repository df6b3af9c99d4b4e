// A file of the simulated disk: what reads see, what would survive a power cut for certain, and what is in between.
//
// The in-between is a list of pending writes in the order in which they reached the view. Each holds whole sectors as
// they were after it, so that a sector with several pending versions can come back as any of them.

import { SECTOR_BYTES, SectorMap, sectorsFor, ZERO_SECTOR } from './sector-map.js';

/** A write that reached the view and is not durable. Immutable: captured states share it. */
export interface PendingWrite {
  /** Its place in the order of everything that happened to this disk. */
  readonly order: number;
  readonly firstSector: number;
  /** Null where a later version of the sector is durable already: the older one can never come back. */
  readonly sectors: readonly (Uint8Array | null)[];
  /** The file size that is needed to read it. */
  readonly endBytes: number;
}

export interface PendingSize {
  readonly order: number;
  readonly sizeBytes: number;
  /** The file was cut to that size, and did not grow to it. */
  readonly isCut: boolean;
}

/** What to write: bytes, or so many zeros without anyone having to hold them. */
export type WriteData = Uint8Array | { readonly zerosLength: number };

export class FileInode {
  readonly kind = 'file';
  view = new SectorMap();
  viewSizeBytes = 0;
  /** A sector that is absent here, within the durable size, was never made durable: after a power cut it is garbage. */
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
    copy.durable = this.durable.fork();
    copy.durableSizeBytes = this.durableSizeBytes;
    copy.pending = this.pending.slice();
    copy.pendingSizes = this.pendingSizes.slice();
    return copy;
  }

  /** Fills `into` from the view; returns the bytes read. Holes read as zeros, as they do on a running system. */
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

  /** The write reaches the view; from now on a power cut may find any part of it. */
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

  /** The cut reaches the view. After a power cut the file has the one size or the other. */
  cut(order: number, sizeBytes: number): void {
    if (sizeBytes >= this.viewSizeBytes) return;
    this.view.cutTo(sectorsFor(sizeBytes));
    const index = Math.floor(sizeBytes / SECTOR_BYTES);
    const last = this.view.get(index);
    if (last !== undefined && sizeBytes % SECTOR_BYTES !== 0) {
      this.view.set(index, last.slice().fill(0, sizeBytes % SECTOR_BYTES));
    }
    this.viewSizeBytes = sizeBytes;
    this.pendingSizes.push({ order, sizeBytes, isCut: true });
  }

  /** A flush has made the cuts durable, too. */
  makeCutsDurable(): void {
    for (const { sizeBytes, isCut } of this.pendingSizes) {
      if (!isCut || sizeBytes > this.durableSizeBytes) continue;
      this.durable.cutTo(sectorsFor(sizeBytes));
      this.durableSizeBytes = sizeBytes;
    }
    this.pendingSizes = this.pendingSizes.filter(({ isCut }) => !isCut);
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

  /** Sectors between these bytes that take no space yet. */
  sectorsMissing(position: number, length: number): number {
    let missing = 0;
    for (let index = Math.floor(position / SECTOR_BYTES); index < sectorsFor(position + length); index += 1) {
      if (this.view.get(index) === undefined) missing += 1;
    }
    return missing;
  }

  /** Everything behind this size is gone, durably, and what is before it is durable: for damage, not for processes. */
  cutDurably(sizeBytes: number): void {
    this.makeDurable(new Set(this.pending.map(({ order }) => order)));
    this.makeHolesDurable();
    this.pendingSizes = [];
    const last = this.durable.get(Math.floor(sizeBytes / SECTOR_BYTES));
    this.durable.cutTo(sectorsFor(sizeBytes));
    if (last !== undefined && sizeBytes % SECTOR_BYTES !== 0) {
      this.durable.set(Math.floor(sizeBytes / SECTOR_BYTES), last.slice().fill(0, sizeBytes % SECTOR_BYTES));
    }
    this.durableSizeBytes = sizeBytes;
    this.view = this.durable.fork();
    this.viewSizeBytes = sizeBytes;
  }

  /** The pending writes among `orders` are durable, with the size needed to read them. */
  makeDurable(orders: ReadonlySet<number>): void {
    const left: PendingWrite[] = [];
    let sizeBytes = this.durableSizeBytes;
    for (const write of this.pending) {
      if (!orders.has(write.order)) {
        left.push(write);
        continue;
      }
      write.sectors.forEach((sector, at) => {
        if (sector !== null) this.durable.set(write.firstSector + at, sector);
      });
      sizeBytes = Math.max(sizeBytes, write.endBytes);
      // An older write that is still in flight holds an older version of these sectors: it must not undo this one.
      for (let at = 0; at < left.length; at += 1) left[at] = withoutOverlap(left[at] as PendingWrite, write);
    }
    this.pending = left;
    this.#growDurableSize(sizeBytes);
  }

  #growDurableSize(sizeBytes: number): void {
    this.durableSizeBytes = sizeBytes;
    this.pendingSizes = this.pendingSizes.filter((pending) => pending.isCut || pending.sizeBytes > sizeBytes);
  }

  /**
   * Sectors nobody ever wrote, within the durable size, are holes, and a flush makes a hole durable as well.
   * A durable write does not: what lies below it and was not flushed is whatever the medium held.
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
   * These writes will never become durable, whatever is flushed later. The view keeps them, as a page cache does
   * after a failed write-back. Their sizes stay pending: metadata often survives the loss of its data.
   */
  drop(orders: ReadonlySet<number>): void {
    this.pending = this.pending.filter((write) => !orders.has(write.order));
  }

  /** These writes never happened: the view shows what is durable, and what else is pending on top. */
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
      // The write that carried this size may be among the reverted ones; the size is needed all the same.
      this.viewSizeBytes = write.endBytes;
      this.pendingSizes.push({ order: write.order, sizeBytes: write.endBytes, isCut: false });
    }
  }
}

/** `older` without the sectors that `newer` has too. */
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
