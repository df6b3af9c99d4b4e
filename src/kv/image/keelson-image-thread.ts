// The worker thread that builds an image: image-worker.ts starts it. It reads the slabs, which are shared memory, and
// sends the blocks of the image in pieces. The thread of the store writes them, so that a fault of the disk is met, and
// tested, in one place. The file has the name of the package in its own name, so that a bundle without it has no other
// file of this name.

import { parentPort, workerData } from 'node:worker_threads';
import { isKeelsonError, whatHappened } from '../../errors.js';
import { ImageBuild } from './image-build.js';
import type { ImageOutline, ImagePart } from './image-parts.js';
import { type FromWorker, PIECES_UNWRITTEN_MAX, type ToWorker } from './image-worker.js';

/** The bytes of blocks after which a piece is sent. A message costs the thread of the store as much as 200 entries. */
const PIECE_BYTES = 1024 * 1024;

const port = parentPort!;
const send = (message: FromWorker, transferred: ArrayBuffer[] = []) => port.postMessage(message, transferred);

/** The bundles of parts that have come and are not taken. */
const bundles: (readonly ImagePart[])[] = [];
let piecesUnwritten = 0;
let wake = () => {};

port.on('message', (message: ToWorker) => {
  if (message === 'written') piecesUnwritten--;
  else bundles.push(message);
  wake();
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

/** The piece that is being filled. */
let piece = new Uint8Array(PIECE_BYTES);
let pieceBytes = 0;

async function add(block: Uint8Array, entriesDone: number): Promise<void> {
  if (pieceBytes + block.length > piece.length) {
    await sendPiece(entriesDone);
    // A block with a large value may be larger than a piece.
    piece = new Uint8Array(Math.max(block.length, PIECE_BYTES));
  }
  piece.set(block, pieceBytes);
  pieceBytes += block.length;
}

async function sendPiece(entriesDone: number): Promise<void> {
  if (pieceBytes === 0) return;
  await until(() => piecesUnwritten < PIECES_UNWRITTEN_MAX);
  piecesUnwritten++;
  const blocks = piece.subarray(0, pieceBytes);
  pieceBytes = 0;
  send({ kind: 'piece', blocks, entriesDone }, [piece.buffer]);
}

async function buildImage(outline: ImageOutline): Promise<void> {
  const build = new ImageBuild(outline);
  await add(build.first(), 0);
  for (let isEnded = false; !isEnded; ) {
    await until(() => bundles.length > 0);
    for (const part of bundles.shift()!) {
      for (const block of build.blocksOf(part)) await add(block, build.entriesDone);
      isEnded = part.kind === 'end';
    }
    send({ kind: 'taken' });
  }
  await sendPiece(build.entriesDone);
  send({ kind: 'done' });
}

send({ kind: 'ready' });
buildImage(workerData as ImageOutline).catch((error: unknown) =>
  send({
    kind: 'failed',
    code: isKeelsonError(error) ? error.code : null,
    what: whatHappened(error),
  }),
);
