// The type of the port that leads to a replica, for programs with and without `@types/node`.

// biome-ignore lint/suspicious/noTsIgnore: nothing is expected where @types/node is there
/** @ts-ignore A MessagePort of node:worker_threads; of any type where there are no types of Node.js. */
export type ReplicaPort = import('node:worker_threads').MessagePort;
