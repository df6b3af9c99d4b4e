// A held directory of a simulated disk, known by its inode, with the lock and the announcements of its process.

import type {
  Announcement,
  HeldDirectory,
  Liveness,
  LockAttempt,
  LockState,
  Storage,
} from '../storage/storage.js';
import type { HeldView } from './life-context.js';

export class SimulatedHeldDirectory implements HeldDirectory {
  readonly path: string;
  readonly #view: HeldView;
  readonly #inodeId: number;
  readonly #announcements: Announcement[] = [];

  constructor(path: string, view: HeldView, inodeId: number) {
    this.path = path;
    this.#view = view;
    this.#inodeId = inodeId;
  }

  get storage(): Storage {
    return this.#view;
  }

  lock(): LockAttempt {
    return this.#view.disk.lockDirectory(this.#inodeId, this, this.#view.lifeId) ? 'locked' : 'held';
  }

  probeLock(): LockState {
    return this.#view.disk.isDirectoryLocked(this.#inodeId) ? 'held' : 'free';
  }

  async announce(name: string): Promise<Announcement> {
    const announcement = await this.#view.announce(`${this.path}/${name}`);
    this.#announcements.push(announcement);
    return announcement;
  }

  probe(name: string): Promise<Liveness> {
    return this.#view.probe(`${this.path}/${name}`);
  }

  async close(): Promise<void> {
    for (const announcement of this.#announcements.splice(0)) await announcement.close();
    this.#view.disk.unlockDirectory(this.#inodeId, this);
  }
}
