// The processes ("lives") of a simulated machine, and whether each of them still lives.

import type { Liveness, ProcessIdentity } from '../storage/storage.js';

/** A process of the simulated machine. */
export interface Life {
  readonly id: number;
  readonly identity: ProcessIdentity;
  isAlive: boolean;
}

const PID_NAMESPACE = 'simulated';
const FIRST_PID = 100;

export class Lives {
  readonly bootId: string;
  readonly #lives: Life[] = [];
  #lifeCount: number;

  /** `lifeCount` is the number of earlier processes on this disk. */
  constructor(bootId: string, lifeCount: number) {
    this.bootId = bootId;
    this.#lifeCount = lifeCount;
  }

  /** Number of processes so far, those on the disk before the last crash included. */
  get count(): number {
    return this.#lifeCount;
  }

  /** Starts a process. */
  begin(): Life {
    this.#lifeCount += 1;
    const usedPids = new Set(this.#lives.filter((life) => life.isAlive).map((life) => life.identity.pid));
    // The pid of a dead process is reused at once, so that only the start time tells the two processes apart.
    let pid = FIRST_PID;
    while (usedPids.has(pid)) pid += 1;
    const startTime = String(this.#lifeCount);
    const identity = { bootId: this.bootId, pidNamespace: PID_NAMESPACE, pid, startTime };
    const life: Life = { id: this.#lifeCount, identity, isAlive: true };
    this.#lives.push(life);
    return life;
  }

  isAlive(lifeId: number): boolean {
    return this.#lives.some((life) => life.id === lifeId && life.isAlive);
  }

  /**
   * Returns the process whose `processIdentity` is this object, not an equal one. Throws a TypeError if there is
   * none.
   */
  of(identity: ProcessIdentity): Life {
    const life = this.#lives.find((each) => each.identity === identity);
    if (life === undefined) throw new TypeError('storage: expected one that this disk made with life()');
    return life;
  }

  /** Ends every process. */
  endAll(): void {
    for (const life of this.#lives) life.isAlive = false;
  }

  /**
   * Returns 'live' for a process of this machine that lives, 'dead' for any other in this pid namespace, and
   * 'unknown' for a process of another pid namespace.
   */
  liveness(identity: ProcessIdentity): Liveness {
    const isCurrent = this.#lives.some((life) => life.isAlive && isSameProcess(life.identity, identity));
    if (isCurrent) return 'live';
    return identity.pidNamespace === PID_NAMESPACE ? 'dead' : 'unknown';
  }
}

function isSameProcess(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return (
    one.bootId === other.bootId &&
    one.pidNamespace === other.pidNamespace &&
    one.pid === other.pid &&
    one.startTime === other.startTime
  );
}
