// The names of image files in a directory. Pure, but for listing them.

import type { Storage } from '../../storage/index.js';

const NAME_PATTERN = /^(\d{16})\.image$/;
const TEMPORARY_PATTERN = /^\d{16}\.image\.tmp$/;
const LSN_DIGITS = 16;

/** Returns the path of the image at an LSN. */
export function imagePath(directory: string, lsn: number): string {
  return `${directory}/${String(lsn).padStart(LSN_DIGITS, '0')}.image`;
}

/** Returns the LSN in an image's name, or null when the name is not one. */
export function imageLsn(name: string): number | null {
  const lsn = Number(NAME_PATTERN.exec(name)?.[1]);
  // No log goes as far as sixteen nines: such a name is not ours.
  return Number.isSafeInteger(lsn) ? lsn : null;
}

/** Returns true for the name of an image that was never finished. */
export function isTemporaryImage(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** Returns the LSNs of the images in a directory, newest first. */
export async function listImages(storage: Storage, directory: string): Promise<number[]> {
  const lsns = (await storage.list(directory)).map(imageLsn).filter((lsn) => lsn !== null);
  return lsns.sort((a, b) => b - a);
}
