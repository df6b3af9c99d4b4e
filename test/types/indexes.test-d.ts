// The types of indexes: what the function of an index returns is the type of its values.

import { expectTypeOf, it } from 'vitest';
import { type Index, msgpack, type Store, type TuplePart, type UniqueIndex } from '../../src/index.js';

interface Person {
  readonly email?: string;
  readonly name: string;
  readonly age: number;
  readonly tags: string[];
  readonly state: 'on' | 'off';
}

declare const db: Store<string, unknown>;

const people = () =>
  db.namespace('people', {
    valueEncoding: msgpack<Person>(),
    indexes: (index) => ({
      byEmail: index.unique((person) => person.email),
      byAge: index((person) => [person.age, person.name]),
      byTag: index.many((person) => person.tags),
      byState: index((person) => (person.age > 0 ? person.state : null)),
      byAny: index((person): TuplePart => person.age),
    }),
  });

it('carries the type of index values into the reads', () => {
  const check = () => {
    const { byEmail, byAge, byTag, byState, byAny } = people().indexes;
    expectTypeOf(byEmail).toEqualTypeOf<UniqueIndex<string, Person, string>>();
    expectTypeOf(byAge).toEqualTypeOf<Index<string, Person, readonly [number, string]>>();
    expectTypeOf(byTag).toEqualTypeOf<Index<string, Person, string>>();
    expectTypeOf(byAny).toEqualTypeOf<Index<string, Person>>();
    for (const [[age, name], key, person] of byAge.entries({ gte: [18], lt: [65, 'b'], prefix: [] })) {
      expectTypeOf({ age, name, key, person }).toEqualTypeOf<{
        age: number;
        name: string;
        key: string;
        person: Person;
      }>();
    }
    expectTypeOf(byAge.nth(0)?.[0]).toEqualTypeOf<readonly [number, string] | undefined>();
    expectTypeOf(db.snapshot().in(people()).indexes.byEmail.get('a')).toEqualTypeOf<Person | undefined>();
    byAge.rank([30]);
    byAge.count({ equals: [30, 'Ada'] });
    byTag.count({ gte: 'a', lt: 'b' });
    // A literal type is no limit of what may be a bound.
    byState.count({ gte: 'oz' });
    byState.count({ equals: null });
    const loose: Index<string, Person> = byEmail;
    return loose;
  };
  expectTypeOf(check).toBeFunction();
});

it('refuses index values of another type', () => {
  const check = () => {
    const { byEmail, byAge, byTag } = people().indexes;
    // @ts-expect-error a number in an index of strings
    byEmail.get(7);
    // @ts-expect-error undefined is no index value
    byEmail.getKey(undefined);
    // @ts-expect-error a value is a whole array
    byAge.count({ equals: [30] });
    // @ts-expect-error a part of another type
    byAge.keys({ gte: ['30'] });
    // @ts-expect-error a number where values are arrays
    byAge.rank(30);
    // @ts-expect-error a number in an index of strings
    byTag.entries({ lt: 7 });
    // @ts-expect-error only a unique index has one entry for a value
    byAge.get([30, 'Ada']);
  };
  expectTypeOf(check).toBeFunction();
});
