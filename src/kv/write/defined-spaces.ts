// The spaces that a write defines: those that it creates, and those that are there already and that its record defines
// again, because the log may lose the records before it.

import type { Space } from '../entries/space.js';

/** A mark in the spaces that a write defines. */
export interface DefinedSpacesMark {
  readonly created: number;
  readonly again: number;
}

/** The spaces that one write defines. */
export class DefinedSpaces {
  #created = new Map<number, Space>();
  #again = new Map<number, Space>();

  create(space: Space): void {
    this.#created.set(space.id, space);
  }

  defineAgain(space: Space): void {
    this.#again.set(space.id, space);
  }

  /** Returns true when the write creates a space, or defines it again. */
  has({ id }: Space): boolean {
    return this.#created.has(id) || this.#again.has(id);
  }

  isAgain({ id }: Space): boolean {
    return this.#again.has(id);
  }

  /** Returns the space with this id that the write creates, or undefined. */
  created(id: number): Space | undefined {
    return this.#created.get(id);
  }

  /** Defines the created spaces again that are there by now: another write has created them since. */
  defineCreatedAgain(): void {
    for (const space of this.#created.values()) if (space.isThere) this.defineAgain(space);
  }

  /** Returns the spaces that are defined again since a mark. */
  againSince({ again }: DefinedSpacesMark): Space[] {
    return [...this.#again.values()].slice(again);
  }

  /** Notes that this part of the log defines the spaces. */
  noteDefinedIn(part: number): void {
    for (const space of this.#created.values()) space.definedIn = part;
    for (const space of this.#again.values()) space.definedIn = part;
  }

  mark(): DefinedSpacesMark {
    return { created: this.#created.size, again: this.#again.size };
  }

  rollback({ created, again }: DefinedSpacesMark): void {
    cutTo(this.#created, created);
    cutTo(this.#again, again);
  }

  clear(): void {
    if (this.#created.size > 0) this.#created = new Map();
    if (this.#again.size > 0) this.#again = new Map();
  }
}

/** Removes the entries of a map that were added behind the first `size`. */
function cutTo(map: Map<number, Space>, size: number): void {
  if (map.size > size) for (const id of [...map.keys()].slice(size)) map.delete(id);
}
