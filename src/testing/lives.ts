// The processes of a simulated machine: who they are, who of them lives, and what one can tell about another.

import type { Liveness, ProcessIdentity } from '../storage/storage.js';

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

  /** `lifeCount` lives were lived on this disk before. */
  constructor(bootId: string, lifeCount: number) {
    this.bootId = bootId;
    this.#lifeCount = lifeCount;
  }

  get count(): number {
    return this.#lifeCount;
  }

  begin(): Life {
    this.#lifeCount += 1;
    const usedPids = new Set(this.#lives.filter((life) => life.isAlive).map((life) => life.identity.pid));
    // The pid of a dead process is used again at once: only its start time tells the two apart.
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

  /** The life whose identity this is; a storage carries the very object. */
  of(identity: ProcessIdentity): Life {
    const life = this.#lives.find((each) => each.identity === identity);
    if (life === undefined) throw new TypeError('storage: expected one that this disk made with life()');
    return life;
  }

  endAll(): void {
    for (const life of this.#lives) life.isAlive = false;
  }

  /** Everybody of this machine who is not alive now is dead. Of another pid namespace nobody here can know. */
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
