// The error class: what is known of an error wherever it has been sent.

import { once } from 'node:events';
import vm from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import {
  allocated,
  describeValue,
  isKeelsonError,
  KEELSON_ERROR_CODES,
  KeelsonError,
  misuse,
  NEXT_STEPS,
  NoMemory,
  nextStepOf,
  whatHappened,
} from '../src/errors.js';

const locked = (): KeelsonError =>
  new KeelsonError(
    'KEELSON_LOCKED',
    'two\nlines: of it',
    { path: '/x' },
    new KeelsonError('KEELSON_IO', 'inner'),
  );

describe('a KeelsonError', () => {
  test('has a name, a code, facts and a cause, and its stack begins with the name and the code', () => {
    const error = locked();
    expect(error).toBeInstanceOf(Error);
    expect({ ...error }).toEqual({ name: 'KeelsonError', code: 'KEELSON_LOCKED', facts: { path: '/x' } });
    expect(error.message).toBe(`two\nlines: of it. ${NEXT_STEPS.KEELSON_LOCKED}`);
    expect(error.stack).toMatch(/^KeelsonError \[KEELSON_LOCKED\]: two\nlines: of it\. Close.*\n {4}at /);
    expect(String(error)).toBe(`KeelsonError: ${error.message}`);
  });

  test.each(KEELSON_ERROR_CODES)('%s is known by its code', (code) => {
    const error = new KeelsonError(code, 'x');
    expect(isKeelsonError(error)).toBe(true);
    expect(isKeelsonError(structuredClone(error), code)).toBe(true);
    for (const other of KEELSON_ERROR_CODES) expect(isKeelsonError(error, other)).toBe(other === code);
  });

  test('ends with the next step of its code, or with the one that it was given', () => {
    for (const code of KEELSON_ERROR_CODES) {
      const error = new KeelsonError(code, 'It failed');
      expect(error.message).toBe(`It failed. ${NEXT_STEPS[code]}`);
      expect([whatHappened(error), nextStepOf(error)]).toEqual(['It failed', NEXT_STEPS[code]]);
    }
    const own = new KeelsonError('KEELSON_IO', { what: 'It failed', next: 'Mend it' });
    expect(own.message).toBe('It failed. Mend it');
    expect([whatHappened(own), nextStepOf(own)]).toEqual(['It failed', 'Mend it']);
  });

  test('that tells of another error has one next step, at its end', () => {
    const inner = new KeelsonError('KEELSON_IO', 'It failed');
    const outer = new KeelsonError('KEELSON_POISONED', `Nothing can be written: ${whatHappened(inner)}`);
    expect(outer.message).toBe(`Nothing can be written: It failed. ${NEXT_STEPS.KEELSON_POISONED}`);
    expect(whatHappened(new Error('A sentence.'))).toBe('A sentence');
    expect(whatHappened('a string')).toBe('a string');
    expect(whatHappened(structuredClone(inner))).toBe(inner.message);
  });

  // A worker that sent its error on, and a program with two copies of the package, had an error without a code.
  test('that structuredClone() has copied is known, has its code and name again, and no facts', () => {
    for (const clone of [structuredClone(locked()), structuredClone(structuredClone(locked()))]) {
      expect(clone).not.toBeInstanceOf(KeelsonError);
      expect(isKeelsonError(clone, 'KEELSON_IO')).toBe(false);
      expect(isKeelsonError(clone, 'KEELSON_LOCKED')).toBe(true);
      expect(clone).toMatchObject({
        name: 'KeelsonError',
        code: 'KEELSON_LOCKED',
        facts: {},
        message: locked().message,
      });
      expect(isKeelsonError(clone.cause, 'KEELSON_IO')).toBe(true);
      expect(isKeelsonError(clone, 'KEELSON_LOCKED')).toBe(true);
    }
  });

  test('that a port has carried is known', async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage({ failed: locked() });
    const [{ failed }] = await once(port2, 'message');
    port1.close();
    expect(isKeelsonError(failed, 'KEELSON_LOCKED')).toBe(true);
  });

  test('that was sent as JSON is known, without its message', () => {
    const sent = JSON.parse(JSON.stringify(locked()));
    expect(isKeelsonError(sent, 'KEELSON_LOCKED')).toBe(true);
    expect(sent.facts).toEqual({ path: '/x' });
  });

  test('of another copy of the package, or of another realm, is known', async () => {
    vi.resetModules();
    const other = await import('../src/errors.js');
    expect(other.KeelsonError).not.toBe(KeelsonError);
    const error = new other.KeelsonError('KEELSON_CLOSED', 'x');
    expect(error).not.toBeInstanceOf(KeelsonError);
    expect(isKeelsonError(error, 'KEELSON_CLOSED')).toBe(true);
    const foreign = vm.runInNewContext(
      'Object.assign(new Error("x"), { name: "KeelsonError", code: "KEELSON_CLOSED", facts: {} })',
    );
    expect(isKeelsonError(foreign, 'KEELSON_CLOSED')).toBe(true);
  });
});

describe('no KeelsonError is', () => {
  test.each<[string, unknown]>([
    ['nothing', null],
    ['undefined', undefined],
    ['a string', 'KeelsonError [KEELSON_IO]: x'],
    ['another error', new Error('KeelsonError [KEELSON_IO]: x')],
    ['an error of that code and another name', Object.assign(new Error('x'), { code: 'KEELSON_IO' })],
    ['an error of that name and without a code', Object.assign(new Error('x'), { name: 'KeelsonError' })],
    [
      'an error of that name and of another code',
      Object.assign(new Error('x'), { name: 'KeelsonError', code: 'EIO' }),
    ],
    [
      'a clone of an error of an unknown code',
      Object.assign(new Error('x'), { stack: 'KeelsonError [KEELSON_ODD]: x' }),
    ],
    [
      'a TypeError with such a stack',
      Object.assign(new TypeError('x'), { stack: 'KeelsonError [KEELSON_IO]: x' }),
    ],
    [
      'an error that can get no code',
      Object.freeze(Object.assign(new Error('x'), { stack: 'KeelsonError [KEELSON_IO]: x' })),
    ],
  ])('%s', (_, error) => {
    expect(isKeelsonError(error)).toBe(false);
  });
});

test('a value is described whatever its constructor says', () => {
  expect(describeValue(Object.create({ constructor: { name: Object.create(null) } }))).toBe('an object');
  expect(describeValue(new (class User {})())).toBe('a User');
  expect(describeValue(new ArrayBuffer(1))).toBe('an ArrayBuffer');
});

test('misuse says what was expected, what came, and what to do where that is not enough', () => {
  expect(misuse('key', 'a string', 7).message).toBe('key: expected a string, got the number 7');
  expect(misuse('key', 'a string', 7, 'Make one').message).toBe(
    'key: expected a string, got the number 7. Make one',
  );
});

describe('an allocation', () => {
  test('that finds no memory is KEELSON_NO_SPACE, and any other error stays what it is', () => {
    const thrown = (error: Error) => () =>
      allocated(
        () => {
          throw error;
        },
        20,
        'a record',
      );
    const none = new RangeError('Array buffer allocation failed');
    expect(thrown(none)).toThrow(NoMemory);
    expect(thrown(none)).toThrow('There is no memory for 20 bytes of a record. Free memory');
    const recurse = (): unknown => [recurse()];
    expect(() => allocated(recurse, 20, 'a record')).toThrow(/^Maximum call stack size exceeded$/);
    expect(thrown(new TypeError('other'))).toThrow(TypeError);
  });
});
