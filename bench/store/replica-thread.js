// A replica in a worker thread, for replica.js.

import { parentPort, workerData } from 'node:worker_threads';
import { openReplica } from '../../dist/replica/index.js';
import { keyAt, randomNumbers } from './workload.js';

const replica = await openReplica(workerData, { valueEncoding: 'bytes' });
const shown = [];
let isNoting = false;

async function note() {
  isNoting = true;
  for (let lsn = 0; isNoting; ) {
    lsn = await replica.whenAt(lsn + 1);
    shown.push([lsn, performance.timeOrigin + performance.now()]);
  }
}

parentPort.on('message', async ({ kind, lsn, count, keys }) => {
  if (kind === 'note') note().catch(() => {});
  else if (kind === 'noted') {
    await replica.whenAt(lsn);
    isNoting = false;
    parentPort.postMessage(shown);
  } else {
    const next = randomNumbers(keys);
    for (let done = 0; done < count; done++) replica.get(keyAt(next()));
    parentPort.postMessage('done');
  }
});
parentPort.postMessage('open');
