// How much is tried: less in `npm test`, all in `npm run test:all`.

const TRIES_ALL = process.env['KEELSON_TRY_ALL'] !== undefined;

/** Returns `few` in `npm test`, and `all` in `npm run test:all`. */
export function tries(few: number, all: number): number {
  return TRIES_ALL ? all : few;
}
