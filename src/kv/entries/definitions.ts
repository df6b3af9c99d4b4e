// Definitions: what values refer to by an id instead of repeating it. The only kind is a shape
// (src/kv/encoding/shapes.ts). schema.ts says where the log and the images hold definitions. Pure.

import { SHAPE_DEFINITION_BYTES_MAX, SHAPED, shapeIdAt } from '../encoding/shapes.js';

/** The id of a definition. */
export type DefinitionId = number;

/** The result of definitionIn() for a value that refers to no definition. */
export const NO_DEFINITION = -1;

/** The most bytes of one definition in a record or a block. */
export const DEFINITION_BYTES_MAX = SHAPE_DEFINITION_BYTES_MAX;

/**
 * Returns the definition that the value `bytes[start, end)` refers to, or NO_DEFINITION. Only values of a space that
 * `hasReferences` refer to one. Throws KEELSON_DECODE when the value ends inside the reference.
 */
export function definitionIn(
  { hasReferences }: { readonly hasReferences: boolean },
  bytes: Uint8Array,
  start: number,
  end: number,
): DefinitionId {
  return hasReferences && start < end && bytes[start] === SHAPED
    ? shapeIdAt(bytes, start, end)
    : NO_DEFINITION;
}
