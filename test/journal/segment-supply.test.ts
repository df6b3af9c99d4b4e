// The supply of segments while an image needs the room on the disk.

import { expect, test } from 'vitest';
import { SegmentSupply } from '../../src/journal/segments/segment-supply.js';
import { BackgroundCloses } from '../../src/storage/index.js';
import { SimulatedDisk } from '../../src/testing/index.js';

const MIB = 2 ** 20;

// A program that tried each refused put again took the room that had been freed for the image, again and again.
test('while an image needs the room, the disk is asked once for a small segment, and later appends get its answer', async () => {
  const disk = new SimulatedDisk({ seed: 1, directories: ['/data'] });
  const closes = new BackgroundCloses();
  const supply = new SegmentSupply(
    disk.life(),
    { blockBytes: 4096, segmentBytesMin: 32 * MIB, segmentBytesMax: 64 * MIB },
    {
      directory: '/data',
      journalId: new Uint8Array(16),
      nextSequence: 1,
      durableLsn: () => 0,
      written: () => ({ commits: 0, bytesWritten: 0 }),
    },
    closes,
    () => {},
  );
  let asked = 0;
  disk.faults = ({ name }) => {
    if (name !== 'zeroFill') return undefined;
    asked++;
    return { errno: 'ENOSPC' };
  };
  const noSpace = expect.objectContaining({ code: 'KEELSON_NO_SPACE' });
  await supply.yieldRoomTo(async () => {
    for (let tries = 0; tries < 5; tries++) expect(() => supply.take(0)).toThrow(noSpace);
  });
  expect(asked).toBe(1);
  expect(() => supply.take(0)).toThrow(noSpace);
  expect(asked).toBe(2);
  disk.faults = undefined;
  await supply.yieldRoomTo(async () => {
    // The disk was short of room before; this segment is small all the same.
    expect(supply.take(0).header.sizeBytes).toBe(4 * MIB);
  });
  await supply.close();
  await closes.whenDone();
});
