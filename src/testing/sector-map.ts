// Contents of a file as immutable sectors that copies share. A crash explorer copies whole disks thousands of times a
// second. So a copy shares all chunks, and copies a chunk only when it changes.

export const SECTOR_BYTES = 512;
const CHUNK_SECTORS = 64;

/** A sector of zeros, shared by all places that hold zeros. No code writes to a sector once it is stored. */
export const ZERO_SECTOR: Uint8Array = new Uint8Array(SECTOR_BYTES);

interface Chunk {
  readonly owner: object;
  readonly sectors: (Uint8Array | undefined)[];
}

/** Returns the number of sectors that hold this many bytes. */
export function sectorsFor(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES);
}

/** Map from sector index to sector, with cheap copies. */
export class SectorMap {
  #chunks: (Chunk | undefined)[] = [];
  /** Owner token of this map. Chunks with this token may be changed in place; other chunks may be shared. */
  #owner: object = {};
  #rootIsShared = false;
  #storedCount = 0;
  #endIndex = 0;

  /** No sector is stored at this index or above. */
  get end(): number {
    return this.#endIndex;
  }

  /** Number of stored sectors. */
  get count(): number {
    return this.#storedCount;
  }

  /** Returns the sector at an index, or undefined if none is stored. */
  get(index: number): Uint8Array | undefined {
    return this.#chunks[Math.floor(index / CHUNK_SECTORS)]?.sectors[index % CHUNK_SECTORS];
  }

  /** Stores a sector, which must not change any more. */
  set(index: number, sector: Uint8Array): void {
    const chunk = this.#ownChunk(Math.floor(index / CHUNK_SECTORS));
    const at = index % CHUNK_SECTORS;
    if (chunk.sectors[at] === undefined) this.#storedCount += 1;
    chunk.sectors[at] = sector;
    if (index >= this.#endIndex) this.#endIndex = index + 1;
  }

  /** Drops every sector from `end` on. */
  cutTo(end: number): void {
    if (this.#endIndex <= end) return;
    const whole = this.#chunks;
    this.#chunks = whole.slice(0, Math.floor(end / CHUNK_SECTORS));
    this.#rootIsShared = false;
    this.#storedCount = this.#chunks.reduce(
      (sum, chunk) => sum + (chunk?.sectors.filter(Boolean).length ?? 0),
      0,
    );
    this.#endIndex = this.#chunks.length * CHUNK_SECTORS;
    const last = whole[this.#chunks.length];
    for (let index = this.#endIndex; index < end; index += 1) {
      const sector = last?.sectors[index % CHUNK_SECTORS];
      if (sector !== undefined) this.set(index, sector);
    }
    this.#endIndex = end;
  }

  /** Returns a copy. The two share their chunks until one of them changes. */
  fork(): SectorMap {
    const copy = new SectorMap();
    copy.#chunks = this.#chunks;
    copy.#storedCount = this.#storedCount;
    copy.#endIndex = this.#endIndex;
    copy.#rootIsShared = true;
    this.#rootIsShared = true;
    this.#owner = {};
    return copy;
  }

  #ownChunk(chunkIndex: number): Chunk {
    if (this.#rootIsShared) {
      this.#chunks = this.#chunks.slice();
      this.#rootIsShared = false;
    }
    const found = this.#chunks[chunkIndex];
    if (found?.owner === this.#owner) return found;
    const sectors = found ? found.sectors.slice() : new Array<Uint8Array | undefined>(CHUNK_SECTORS);
    const chunk: Chunk = { owner: this.#owner, sectors };
    this.#chunks[chunkIndex] = chunk;
    return chunk;
  }
}
