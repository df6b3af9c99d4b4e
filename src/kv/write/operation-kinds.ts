// The kinds of operations of a write set.

export const PUT = 0;
export const DELETE = 1;
export const CLEAR = 2;
export const CREATE = 3;
export const DROP = 4;
/** Gives an entry another deadline. It has a value only if the entry was put by the same write. */
export const TOUCH = 5;
/** Removes an entry that has expired. */
export const EXPIRE = 6;

/** The place of the value of a touch whose entry was not put by the same write. */
export const NO_VALUE = -1;
