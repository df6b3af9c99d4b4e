// What docstrings.test.ts does not ask of some symbols. A line that is not needed makes the test fail.

/** Declarations that no program can name. */
export const WITHOUT_DOCSTRING: readonly string[] = ['global', 'Lsn.lsnBrand', 'OwnOperation.namespace'];

/** Methods that resolve later and make nothing durable: they read, wait or end something. */
export const WRITE_NOTHING: readonly string[] = [
  'KeyvKeelson.get',
  'KeyvKeelson.getMany',
  'KeyvKeelson.has',
  'KeyvKeelson.hasMany',
  'KeyvKeelson.disconnect',
  'verify',
  'ClosableIterator.return',
  'KeelsonSaver.close',
  'KeelsonSaver.getTuple',
  'KeelsonSaver.getDeltaChannelHistory',
  'Replica.whenAt',
  'Replica.close',
  'KeelsonSessionStore.close',
  'exploreCrashes',
  'KeelsonDriver.hasItem',
  'KeelsonDriver.getItem',
  'KeelsonDriver.getItemRaw',
  'KeelsonDriver.getKeys',
  'KeelsonDriver.dispose',
];

/** Functions and methods that throw nothing of their own. */
export const NEVER_FAILS: readonly string[] = [
  'KeelsonError.constructor',
  'isKeelsonError',
  'ClosableIterator.return',
  'tuple',
  'msgpack',
  'json',
  'Store.stats',
  'Snapshot.close',
  // These give errors to their callbacks.
  'KeelsonSessionStore.get',
  'KeelsonSessionStore.set',
  'KeelsonSessionStore.destroy',
  'KeelsonSessionStore.touch',
  'KeelsonSessionStore.all',
  'KeelsonSessionStore.length',
  'KeelsonSessionStore.clear',
  'KeelsonSessionStore.regenerate',
  'KeelsonSessionStore.load',
  'KeelsonSessionStore.createSession',
  'CapturedDisk.pendingUnits',
  'CapturedDisk.powerCuts',
  'CapturedDisk.powerCut',
  'CapturedDisk.processKill',
  'InMemory.kill',
  'InMemory.cutPower',
  'SimulatedDisk.life',
  'SimulatedDisk.killLife',
  'SimulatedDisk.endLife',
  'SimulatedDisk.halt',
  'SimulatedDisk.liveness',
  'SimulatedDisk.openFiles',
  'SimulatedDisk.usedBytes',
  'SimulatedDisk.inFlight',
  'SimulatedDisk.pause',
  'SimulatedDisk.advanceClock',
  'SimulatedDisk.shiftWallClock',
  'SimulatedDisk.resume',
  'SimulatedDisk.capture',
];

/** Classes and interfaces whose own example shows how their methods are called, or whose methods a framework calls. */
export const EXAMPLE_OF_ALL: readonly string[] = [
  'ClosableIterator',
  'CapturedDisk',
  'CustomValueEncoding',
  'KeelsonDriver',
  'KeelsonLevel',
  'KeelsonSessionStore',
  'KeyvKeelson',
  'SimulatedDisk',
];
