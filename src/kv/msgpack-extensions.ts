// The numbers of the msgpack profile: its extension types and its limits. docs/FORMAT.md has this table too.

// The extension types. A number, once written to a disk, keeps its meaning for ever.
// MessagePack leaves 0 to 127 to applications; 0 stays free, so that zeroed bytes never read as one of them.

/** Empty payload. Inside of arrays, objects, maps and sets only. */
export const EXTENSION_UNDEFINED = 1;
/** u8 sign (0: zero or more, 1: negative), then the magnitude, big-endian, without leading zeros; none for 0n. */
export const EXTENSION_BIGINT = 2;
/** 8 bytes: milliseconds since 1970, a big-endian float 64; NaN for an invalid Date. */
export const EXTENSION_DATE = 3;
/** The bytes of a Node Buffer. A plain Uint8Array is msgpack's bin. */
export const EXTENSION_BUFFER = 4;
/** Key, value, key, value, … in insertion order, each in this profile, to the end of the payload. */
export const EXTENSION_MAP = 5;
/** The items in insertion order, each in this profile, to the end of the payload. */
export const EXTENSION_SET = 6;

/** How many arrays, objects, maps and sets may be inside each other. */
export const VALUE_DEPTH_MAX = 100;

/**
 * Where encoding gives up. A record of the journal is shorter, so memory for more would be spent in vain.
 */
export const VALUE_BYTES_MAX = 2 ** 28;

/** The one key that an object literal and an assignment treat differently; refused on both ways. */
export const FORBIDDEN_KEY = '__proto__';
