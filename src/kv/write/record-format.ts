// The format of the records of a store. docs/FORMAT.md is the authority.
//
//   byte 0   kind: 1 birth, 2 write
//   birth    u8 record format version, key encoding name, value encoding name
//   write    operations to the end of the record
//
//   operation: one byte, the opcode in its low four bits and flags above; flag 0x10: the id of a space follows (LEB128)
//   1 put         key, value; with flag 0x20 the deadline stands before the key
//   2 delete      key; flag 0x40: the entry has expired
//   3 clear       u8 bounds (1 low present, 2 low inclusive, 4 high present, 8 high inclusive), low key, high key
//   4 definition  a definition that later values refer to (src/kv/entries/schema.ts)
//   5 create      id of a space (LEB128), its name, key encoding name, value encoding name; flag 0x20: the log has created
//                 the space before, and defines it again
//   6 drop        id of a space (LEB128)
//   7 touch       the new deadline, key
//   8 highest now the highest time at which an entry was found due (LEB128, ms since 1970)
//   9 highest id  the highest id that was drawn so far (LEB128)
//
//   A deadline is a number of milliseconds since 1970 (LEB128). In a touch, 0 stands for none.
//   The length of a key, of a value and of a name stands before it (LEB128).

export const RECORD_FORMAT_VERSION = 1;

export const RECORD_KIND_BIRTH = 1;
export const RECORD_KIND_WRITE = 2;

export const OPCODE = {
  put: 1,
  delete: 2,
  clear: 3,
  definition: 4,
  create: 5,
  drop: 6,
  touch: 7,
  highestNow: 8,
  highestId: 9,
} as const;
export const OPCODE_MASK = 0x0f;
/** The flag of an operation in another space than the root space. The id of the space follows the opcode. */
export const IN_SPACE = 0x10;
/** The flag of a put whose entry has a deadline. The deadline stands before the key. */
export const HAS_DEADLINE = 0x20;
/** The flag of a create that defines a space again, which an earlier record has created. */
export const DEFINED_AGAIN = 0x20;
/** The flag of a delete that removes an entry that has expired. */
export const EXPIRED = 0x40;

/** The flags of the bounds of a clear. */
export const BOUND = { low: 1, lowInclusive: 2, high: 4, highInclusive: 8 } as const;
export const BOUND_MASK = 0x0f;
