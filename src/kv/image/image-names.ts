// The names of image files, and the list of those in a directory.

import type { Storage } from '../../storage/index.js';

const NAME_PATTERN = /^(\d{16})\.image$/;
const TEMPORARY_PATTERN = /^\d{16}\.image\.tmp$/;
const LSN_DIGITS = 16;

/** Returns the path of the image of an LSN. */
export function imagePath(directory: string, lsn: number): string {
  return `${directory}/${String(lsn).padStart(LSN_DIGITS, '0')}.image`;
}

/** Returns the LSN in the name of an image, or null for another name. */
export function imageLsn(name: string): number | null {
  const lsn = Number(NAME_PATTERN.exec(name)?.[1]);
  // Sixteen digits can exceed the highest LSN. Such a name is not that of an image.
  return Number.isSafeInteger(lsn) ? lsn : null;
}

/** Returns true for the name of an image that is being written, or was never finished. */
export function isTemporaryImage(name: string): boolean {
  return TEMPORARY_PATTERN.test(name);
}

/** Returns the LSNs of the images in a directory, newest first. */
export async function listImages(storage: Storage, directory: string): Promise<number[]> {
  const lsns = (await storage.list(directory)).map(imageLsn).filter((lsn) => lsn !== null);
  return lsns.sort((a, b) => b - a);
}
