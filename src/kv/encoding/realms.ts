// Plain values of other realms: what a `vm` context makes, or structuredClone() there, has prototypes of its own. Pure.
//
// Callers compare with the prototypes of this realm first: these checks are for what that comparison does not know.

import { types } from 'node:util';

export type IntrinsicName = 'Object' | 'Array' | 'Date' | 'Map' | 'Set' | 'Uint8Array';

const { getOwnPropertyDescriptor } = Object;
const { toString: sourceOf } = Function.prototype;
const { toString: tagOf } = Object.prototype;

/** Prototypes that have been proved to be intrinsic: whatever becomes of their properties, they stay so. */
const known = new Map<IntrinsicName, WeakSet<object>>();

/**
 * Returns true for an ordinary object without a prototype, or with the Object.prototype of some realm. One of another kind
 * that was given such a prototype, a Map for one, would lose what it holds.
 */
export function isPlainElsewhere(value: object, prototype: object | null): boolean {
  return (prototype === null || isIntrinsicPrototype('Object', prototype)) && isOrdinary(value);
}

/**
 * Returns true for the prototype that some realm gives to its plain objects, arrays and so on.
 *
 * The proof: its constructor is native code of that name, and has it as its `prototype`. Of an intrinsic constructor that
 * property cannot be changed, and no function that a program writes has this source: it is no JavaScript.
 */
export function isIntrinsicPrototype(name: IntrinsicName, prototype: object | null): boolean {
  if (prototype === null) return false;
  const proved = known.get(name) ?? new WeakSet();
  if (proved.has(prototype)) return true;
  const maker: unknown = getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  if (typeof maker !== 'function') return false;
  if (getOwnPropertyDescriptor(maker, 'prototype')?.value !== prototype) return false;
  if (!isNative(maker, name)) return false;
  known.set(name, proved.add(prototype));
  return true;
}

function isNative(maker: object, name: IntrinsicName): boolean {
  // Engines differ in the space around it.
  return sourceOf.call(maker).replace(/\s+/g, ' ') === `function ${name}() { [native code] }`;
}

function isOrdinary(value: object): boolean {
  return (
    // Arrays, dates, errors, regular expressions, boxed primitives and `arguments` have another tag.
    tagOf.call(value) === '[object Object]' &&
    !ArrayBuffer.isView(value) &&
    !types.isMap(value) &&
    !types.isSet(value) &&
    !types.isPromise(value) &&
    !types.isWeakMap(value) &&
    !types.isWeakSet(value) &&
    !types.isAnyArrayBuffer(value) &&
    !types.isExternal(value)
  );
}
