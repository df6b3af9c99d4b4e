// A slab: a large piece of memory outside the JavaScript heap, which holds entries. The garbage collector sees one buffer
// for each slab, however many entries are in it. Pure, in memory.
//
// An entry is a header of 20 bytes (value length, low and high half of the version, key field, id; 32 bits each), the
// key (key-units.ts), the value, and padding to units of 8 bytes. An entry with a deadline has one more unit, which holds
// the deadline as a 64-bit float. The key is there so that a lookup by hash can compare
// it: it is in the cache line that the lookup reads anyway. The id is the place of the handle in the table of handles
// (entry-handles.ts).
//
// A handle is the place of the slab in the table of slabs, times the units of a slab of SLAB_BYTES_MAX, plus the unit
// of the slab at which the entry starts. Up to 16,384 slabs, a handle is a small integer of V8; above, it is still
// exact.
//
// A large slab is shared memory, so that a worker thread can write an image from it (src/kv/image/image-worker.ts). V8
// does not count shared memory when it decides when to collect garbage: slabs that came and went took about three
// times the memory of ordinary ones. So each shared slab has an ordinary buffer of the same length beside it, which
// V8 counts and which is never touched, so that it takes no memory (`node bench/slab-memory.js`).

/** The handle of an entry: where the entry lies in the slabs. */
export type EntryHandle = number;

/** The handle of no entry. */
export const NO_HANDLE = -1;

export const UNIT_BYTES = 8;
export const HEADER_BYTES = 20;
export const DEADLINE_BYTES = 8;

/** The places of the fields in a header, in words of 32 bits. */
export const VALUE_LENGTH = 0;
export const VERSION_LOW = 1;
export const VERSION_HIGH = 2;
export const KEY_FIELD = 3;
export const ID = 4;
/** A staged entry is in a slab and in no index yet. It has the hash of its key in the place of the id. */
export const HASH = ID;

/** The weight of the high half of a version. */
export const HIGH_WEIGHT = 0x1_0000_0000;

/**
 * The smallest slab that is shared memory. A smaller one is copied for a worker. Its companion would take at least a page
 * of addresses, and a store may have thousands of small spaces.
 */
const SHARED_BYTES_MIN = 64 * 1024;

/** False where the runtime has no shared memory. Then no worker thread can write images. */
export const isSlabMemoryShared = typeof SharedArrayBuffer === 'function';

/** The deadline of an entry that does not expire. */
export const NO_DEADLINE = 0;

/** The memory of a slab, and what its owner knows about it. */
export interface Slab {
  readonly bytes: Uint8Array;
  /** The memory of `bytes` as words, to which entries are aligned. */
  readonly words: Uint32Array;
  /** A view of all of `bytes`. */
  readonly view: DataView;
  /** Makes V8 count the memory of a shared slab. Null for a slab that V8 counts itself. */
  readonly counted: ArrayBuffer | null;
  /** The bytes of entries that are not released, with headers and padding. Views do not read this field. */
  liveBytes: number;
  /** True while a pass of compaction empties the slab. Views do not read this field. */
  isVictim: boolean;
  /** The view epoch in which the slab came into use. As long as this epoch lasts, no view shows the slab. */
  epoch: number;
}

/** Makes the pages of memory in the background: see Storage.populate. */
export type Populate = (bytes: Uint8Array) => void;

/**
 * The error for a slab that there is no memory for. It is thrown before anything has changed. Callers of the store get NoMemory
 * instead, whose making runs more code than may run inside of a change.
 */
export class NoSlabMemory extends RangeError {}

/** Returns a new slab of `lengthBytes`, which is a multiple of UNIT_BYTES. Throws NoSlabMemory. */
export function allocateSlab(lengthBytes: number): Slab {
  try {
    if (isSlabMemoryShared && lengthBytes >= SHARED_BYTES_MIN)
      return slabOf(new Uint8Array(new SharedArrayBuffer(lengthBytes)), countedOnly(lengthBytes));
    // The memory is not zeroed, because readers see only bytes that were written.
    return slabOf(new Uint8Array(Buffer.allocUnsafeSlow(lengthBytes).buffer));
  } catch (cause) {
    throw new NoSlabMemory(`There is no memory for ${lengthBytes} bytes of values`, { cause });
  }
}

/** Returns the slab that has all of the memory of `bytes`. */
export function slabOf(bytes: Uint8Array, counted: ArrayBuffer | null = null): Slab {
  const { buffer } = bytes;
  return {
    bytes,
    words: new Uint32Array(buffer),
    view: new DataView(buffer),
    counted,
    liveBytes: 0,
    isVictim: false,
    epoch: 0,
  };
}

/** The slab before the first one. */
export const NO_SLAB: Slab = slabOf(new Uint8Array(0));

/**
 * Returns a buffer that V8 counts. It is resizable, because V8 gives such a buffer fresh pages: memory from the allocator
 * may have been touched by its former owner.
 */
function countedOnly(lengthBytes: number): ArrayBuffer {
  const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  return new Resizable(lengthBytes, { maxByteLength: lengthBytes });
}
