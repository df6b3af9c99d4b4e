// Recognizes plain values of other realms, such as a `vm` context, whose prototypes are not those of this realm. Pure.
//
// Callers compare a prototype with the prototypes of this realm first, and call these functions for any other
// prototype.

import { types } from 'node:util';

/** The names of the intrinsic constructors whose instances are plain values. */
export type IntrinsicName = 'Object' | 'Array' | 'Date' | 'Map' | 'Set' | 'Uint8Array';

const { getOwnPropertyDescriptor } = Object;
const { toString: sourceOf } = Function.prototype;
const { toString: tagOf } = Object.prototype;

/** Prototypes that are known to be intrinsic. They stay intrinsic, whatever a program does to their properties. */
const known = new Map<IntrinsicName, WeakSet<object>>();

/**
 * Returns true for an ordinary object whose prototype is null or the Object.prototype of some realm. Returns false for
 * an object of another kind with such a prototype, such as a Map, because a copy of its properties would lose its
 * content.
 */
export function isPlainElsewhere(value: object, prototype: object | null): boolean {
  return (prototype === null || isIntrinsicPrototype('Object', prototype)) && isOrdinary(value);
}

/**
 * Returns true for the intrinsic prototype of this name in some realm.
 *
 * The constructor of such a prototype is native code of this name, and the `prototype` of the constructor is this
 * prototype. No program can forge that: the `prototype` of an intrinsic constructor cannot be changed, and the source
 * text of a native function is not JavaScript, so no function of a program has such a text.
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
  // Engines differ in the white space of the text of a native function.
  return sourceOf.call(maker).replace(/\s+/g, ' ') === `function ${name}() { [native code] }`;
}

function isOrdinary(value: object): boolean {
  return (
    // Arrays, dates, errors, regular expressions, boxed primitives and `arguments` have other tags.
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
