// The path of a journal or store: a path or a `file:` URL, made absolute. Pure.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { misuse, whatHappened } from '../../errors.js';

/** A `URL` whose protocol is `file:`. */
export interface FileUrl {
  /** The whole URL. */
  readonly href: string;
  /** Always `file:`. */
  readonly protocol: string;
}

/** A path, relative to the working directory or absolute, or a `file:` URL. */
export type DirectoryPath = string | FileUrl;

const EXPECTED = 'a non-empty path or a file: URL';

/**
 * Returns the absolute, normalized form of a path.
 *
 * @param argument The name of the argument in messages.
 * @throws A TypeError if `given` is not a path.
 */
export function absoluteDirectory(given: unknown, argument = 'directory'): string {
  const directory = isUrl(given) ? pathOf(given, argument) : given;
  if (typeof directory !== 'string' || directory === '') throw misuse(argument, EXPECTED, given);
  if (directory.includes('\0')) throw misuse(argument, 'a path without a null character', directory);
  const path = resolve(directory);
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
}

/** Checks properties and not the class, because a URL may come from another realm. */
function isUrl(given: unknown): given is FileUrl {
  if (typeof given !== 'object' || given === null) return false;
  const { href, protocol } = given as { href?: unknown; protocol?: unknown };
  return typeof href === 'string' && typeof protocol === 'string';
}

function pathOf({ href, protocol }: FileUrl, argument: string): string {
  if (protocol !== 'file:') throw misuse(argument, EXPECTED, href);
  try {
    return fileURLToPath(href);
  } catch (error) {
    const why = whatHappened(error);
    throw new TypeError(`${argument}: expected a file: URL of a path on this machine (${why}), got ${href}`, {
      cause: error,
    });
  }
}
