// Handles by id against an array, with views taken at every moment.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryHandles, isFree } from '../../src/kv/entries/entry-handles.js';
import type { HandlesView } from '../../src/kv/entries/handles-view.js';
import type { ShortHandlesView } from '../../src/kv/entries/replaced-handles.js';
import { ViewEpoch } from '../../src/kv/entries/view-epoch.js';
import { arraysCopiedBy } from './encoded.js';

type Step =
  | { readonly type: 'add'; readonly times: number }
  | { readonly type: 'set' | 'remove'; readonly which: number; readonly handle: number }
  | { readonly type: 'view' }
  | { readonly type: 'short' }
  | { readonly type: 'look' | 'close'; readonly which: number }
  | { readonly type: 'setMany'; readonly times: number }
  | { readonly type: 'clear' };

const handle = fc.oneof(
  fc.nat(),
  fc.nat().map((number) => 2 ** 33 + number),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant('add' as const), times: fc.nat({ max: 3000 }) }) },
  { weight: 10, arbitrary: fc.record({ type: fc.constantFrom('set', 'remove'), which: fc.nat(), handle }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('view' as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('short' as const) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('look', 'close'), which: fc.nat() }) },
  // More than short views note.
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('setMany' as const), times: fc.nat({ max: 20_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const) }) },
);

function expectSame(handles: HandlesView, model: ReadonlyMap<number, number>): void {
  for (const [id, expected] of model)
    if (handles.get(id) !== expected) expect(handles.get(id)).toBe(expected);
}

describe('the handles of entries', () => {
  test('are what was set last, and to a view what they were when it was taken', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const handles = new EntryHandles();
        const model = new Map<number, number>();
        const views: { view: HandlesView; expected: Map<number, number> }[] = [];
        const short: { view: ShortHandlesView; expected: Map<number, number> }[] = [];
        const pick = (which: number) => [...model.keys()][which % Math.max(1, model.size)];
        for (const action of steps) {
          if (action.type === 'view') views.push({ view: handles.view(), expected: new Map(model) });
          else if (action.type === 'short')
            short.push({ view: handles.shortView(), expected: new Map(model) });
          else if (action.type === 'look' || action.type === 'close') {
            const at = action.which % Math.max(1, short.length);
            const looked = short[at];
            if (looked === undefined) continue;
            expectSame(looked.view, looked.expected);
            if (action.type === 'look') continue;
            looked.view.close();
            short.splice(at, 1);
          } else if (action.type === 'setMany') {
            const ids = [...model.keys()];
            for (let time = 0; time < action.times && ids.length > 0; time++) {
              const id = ids[(time * 7) % ids.length]!;
              handles.set(id, time);
              model.set(id, time);
            }
          } else if (action.type === 'clear') {
            handles.clear();
            model.clear();
          } else if (action.type === 'add') {
            for (let time = 0; time < action.times; time++) {
              const id = handles.add(time);
              expect(model.has(id)).toBe(false);
              model.set(id, time);
            }
          } else {
            const id = pick(action.which);
            if (id === undefined) continue;
            if (action.type === 'set') {
              handles.set(id, action.handle);
              model.set(id, action.handle);
            } else {
              handles.remove(id);
              model.delete(id);
            }
          }
        }
        expectSame(handles, model);
        for (const { view, expected } of [...views, ...short]) expectSame(view, expected);
        for (let id = 0; id < handles.end; id++) {
          if (isFree(handles.get(id)) === model.has(id)) expect(isFree(handles.get(id))).toBe(!model.has(id));
        }
      }),
      { numRuns: 30 },
    );
  });

  test('are copied by no write beside short views, until too much is written', () => {
    const handles = new EntryHandles();
    for (let number = 0; number < 10_000; number++) handles.add(number);
    const view = handles.shortView();
    const setAll = () => {
      for (let id = 0; id < 10_000; id++) handles.set(id, id + 1);
    };
    expect(arraysCopiedBy(setAll)).toBe(0);
    expect(view.get(9999)).toBe(9999);
    expect(arraysCopiedBy(setAll)).toBeGreaterThan(0);
    expect([view.get(0), view.get(9999), handles.get(0)]).toEqual([0, 9999, 1]);
  });

  test('of entries that are gone are used again before there are new ones', () => {
    const handles = new EntryHandles();
    for (let number = 0; number < 5000; number++) handles.add(number);
    for (let id = 0; id < 5000; id += 2) handles.remove(id);
    for (let number = 0; number < 2500; number++) handles.add(number);
    expect(handles.end).toBe(5000);
    handles.add(1);
    expect(handles.end).toBe(5001);
  });

  test('beyond one group of pages are as those within, and are left to a view by clear', () => {
    const handles = new EntryHandles();
    const count = 600_000;
    for (let number = 0; number < count; number++) handles.add(number);
    const view = handles.view();
    handles.set(0, 7);
    handles.set(count - 1, 8);
    expect([view.get(0), view.get(300_000), view.get(count - 1)]).toEqual([0, 300_000, count - 1]);
    expect([handles.get(0), handles.get(300_000), handles.get(count - 1)]).toEqual([7, 300_000, 8]);
    handles.clear();
    expect(handles.end).toBe(0);
    expect(handles.add(9)).toBe(0);
    expect([view.get(0), view.get(300_000), view.get(count - 1)]).toEqual([0, 300_000, count - 1]);
  });

  test('are copied once after a view, a page with its group and the list of groups, and not at all without one', () => {
    const handles = new EntryHandles();
    const pageHandles = 64;
    const firstOfNextGroup = 64 * pageHandles;
    for (let number = 0; number <= firstOfNextGroup; number++) handles.add(number);
    const setPages = (pages: number) => {
      for (let times = 0; times < 3; times++) {
        for (let id = 0; id < pages * pageHandles; id += 20) handles.set(id, times);
      }
    };
    expect(arraysCopiedBy(() => setPages(3))).toBe(0);
    const views = [handles.view()];
    expect(arraysCopiedBy(() => setPages(1))).toBe(3);
    expect(arraysCopiedBy(() => setPages(3))).toBe(2);
    // Its page and its group; the list is this epoch's already.
    expect(arraysCopiedBy(() => handles.set(firstOfNextGroup, 1))).toBe(2);
    expect(arraysCopiedBy(() => setPages(3))).toBe(0);
    views.push(handles.view(), handles.view());
    expect(arraysCopiedBy(() => setPages(3))).toBe(5);
    // A view that nobody writes after costs no copy.
    expect(arraysCopiedBy(() => views.push(handles.view()))).toBe(0);
    expect(views.map((view) => view.get(firstOfNextGroup))).toEqual([firstOfNextGroup, 1, 1, 1]);
    expect(views.map((view) => view.get(100))).toEqual([2, 2, 2, 2]);
  });

  test('are copied, too, when whoever shares their clock has taken a view', () => {
    const epoch = new ViewEpoch();
    const handles = new EntryHandles(epoch);
    handles.add(1);
    const { current } = epoch;
    const view = handles.view();
    expect(epoch.current).toBe(current + 1);
    handles.set(0, 2);
    epoch.current++;
    expect(arraysCopiedBy(() => handles.set(0, 3))).toBe(3);
    expect([view.get(0), handles.get(0)]).toEqual([1, 3]);
  });
});
