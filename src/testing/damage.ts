// Damage to the medium while no process uses it: flipped bits, zeroed sectors, garbage, swapped or misplaced bytes, a
// truncated file. faults.ts has the faults of a running disk.

import { misuse } from '../errors.js';
import type { DiskImage } from './disk-image.js';
import { Random } from './random.js';
import type { FileInode } from './simulated-inode.js';

/**
 * One damage to the file at `path`. Plain data that can be printed and repeated. `offset` and `length` are bytes; bytes past the
 * end of a file are left alone.
 *
 * - `flip` flips `bits` different bits at places that `seed` chooses.
 * - `zero` writes zeros, and `garbage` random bytes that `seed` chooses.
 * - `swap` exchanges the bytes with those of `toPath` at `toOffset`. `copy` writes the bytes there, like a misdirected write.
 * - `truncate` cuts the file to `sizeBytes`, which are at most those that it has.
 *
 * @example
 * const path = '/data/000000000001.journal';
 * disk.damage({ kind: 'flip', path, offset: 0, length: 4096, bits: 1, seed: 7 });
 */
export type Damage =
  | {
      readonly kind: 'flip';
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      readonly bits: number;
      readonly seed: number;
    }
  | { readonly kind: 'zero'; readonly path: string; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'garbage';
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      readonly seed: number;
    }
  | {
      readonly kind: 'swap' | 'copy';
      readonly path: string;
      readonly offset: number;
      readonly length: number;
      readonly toPath: string;
      readonly toOffset: number;
    }
  | { readonly kind: 'truncate'; readonly path: string; readonly sizeBytes: number };

/** Applies a damage to the view and to the medium. Throws a TypeError for a `truncate` that would grow the file. */
export function applyDamage(image: DiskImage, damage: Damage): void {
  const file = image.file(damage.path, 'open');
  if (damage.kind === 'truncate') {
    if (damage.sizeBytes > file.viewSizeBytes)
      throw misuse('sizeBytes', 'no more than the file has', damage.sizeBytes);
    file.cutDurably(damage.sizeBytes);
    return;
  }
  const bytes = bytesAt(file, damage.offset, damage.length);
  if ('toPath' in damage) {
    const other = image.file(damage.toPath, 'open');
    if (damage.kind === 'swap')
      overwrite(image, file, damage.offset, bytesAt(other, damage.toOffset, damage.length));
    overwrite(image, other, damage.toOffset, bytes);
    return;
  }
  if (damage.kind === 'zero') bytes.fill(0);
  else if (damage.kind === 'garbage') bytes.set(new Random(damage.seed).bytes(bytes.length));
  else flipBits(bytes, damage.bits, new Random(damage.seed));
  overwrite(image, file, damage.offset, bytes);
}

function bytesAt(file: FileInode, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(length, file.viewSizeBytes - offset)));
  file.read(bytes, offset);
  return bytes;
}

function overwrite(image: DiskImage, file: FileInode, offset: number, bytes: Uint8Array): void {
  const inside = bytes.subarray(0, Math.max(0, file.viewSizeBytes - offset));
  if (inside.length === 0) return;
  const order = image.write(file, offset, inside);
  image.landed(order);
  file.makeDurable(new Set([order]));
}

function flipBits(bytes: Uint8Array, count: number, random: Random): void {
  const flipped = new Set<number>();
  while (flipped.size < Math.min(count, bytes.length * 8)) flipped.add(random.below(bytes.length * 8));
  for (const bit of flipped) bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}
