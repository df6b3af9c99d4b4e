// The journal that a directory belongs to, if files of several journals are mixed in it. Pure.

import { KeelsonError } from '../../errors.js';
import type { FoundSegment } from '../recovery/log-geometry.js';

/** A file whose header verifies. */
export interface OwnedFile {
  readonly journalId: Uint8Array;
  /**
   * True if the file has the name that its header says. A file that somebody copied here often has another
   * name.
   */
  readonly hasOwnName: boolean;
}

/** The evidence for one journal. */
interface Claim {
  readonly journalId: Uint8Array;
  files: number;
  hasSegment: boolean;
  hasImage: boolean;
}

/**
 * Returns the id of the journal that the directory belongs to: the only one with both a segment and an image
 * under their own names, or else the one with most files. Returns null if no header verifies.
 *
 * @throws KEELSON_FOREIGN if two journals have the same number of files. Reading the wrong one would mix up two
 * stores.
 */
export function journalIdOf(
  directory: string,
  segments: readonly FoundSegment[],
  images: readonly OwnedFile[],
): Uint8Array | null {
  const ownedSegments = segments.flatMap(({ verdict, sequence }) =>
    verdict.ok
      ? [{ journalId: verdict.header.journalId, hasOwnName: verdict.header.sequence === sequence }]
      : [],
  );
  const isAnyNamed = [...ownedSegments, ...images].some(({ hasOwnName }) => hasOwnName);
  const counts = ({ hasOwnName }: OwnedFile) => hasOwnName || !isAnyNamed;
  const claims = claimsOf(ownedSegments.filter(counts), images.filter(counts));
  const complete = claims.filter(({ hasSegment, hasImage }) => hasSegment && hasImage);
  if (complete.length === 1) return complete[0]!.journalId;
  const [first, second] = claims.toSorted((a, b) => b.files - a.files);
  if (first === undefined) return null;
  if (second === undefined || first.files > second.files) return first.journalId;
  throw new KeelsonError(
    'KEELSON_FOREIGN',
    {
      what: `${directory} holds files of ${claims.length} stores, and nothing says which of them is the one`,
      next: 'Move the files of the others away',
    },
    { path: directory },
  );
}

function claimsOf(segments: readonly OwnedFile[], images: readonly OwnedFile[]): Claim[] {
  const claims = new Map<string, Claim>();
  const add = ({ journalId }: OwnedFile, kind: 'hasSegment' | 'hasImage') => {
    const text = Buffer.from(journalId).toString('hex');
    const claim = claims.get(text) ?? { journalId, files: 0, hasSegment: false, hasImage: false };
    claims.set(text, claim);
    claim.files++;
    claim[kind] = true;
  };
  for (const segment of segments) add(segment, 'hasSegment');
  for (const image of images) add(image, 'hasImage');
  return [...claims.values()];
}
