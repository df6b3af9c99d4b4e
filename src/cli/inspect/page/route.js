// The place that is shown is in the fragment of the address, as in #/keys?space=users&at=200, so that Back works.

export const VIEWS = ['keys', 'changes', 'memory', 'journal'];

/** Returns the place that the address names. */
export function place() {
  const [, view, query] = /^#\/([a-z]*)(?:\?(.*))?$/s.exec(location.hash) ?? [];
  const given = new URLSearchParams(query);
  return {
    view: VIEWS.includes(view) ? view : 'keys',
    space: given.get('space') ?? '',
    prefix: given.get('prefix') ?? '',
    at: Number(given.get('at')) || 0,
    key: given.get('key') ?? undefined,
  };
}

/** Returns the address of a place that differs from the present one by `change`. */
export function hrefOf(change) {
  const { view, ...rest } = { ...place(), ...change };
  const given = Object.entries(rest).filter(
    ([, value]) => value !== undefined && value !== '' && value !== 0,
  );
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `#/${view}${given.length === 0 ? '' : `?${query}`}`;
}

/** Goes to a place. With `replace`, Back does not return to the present one. */
export function go(change, replace = false) {
  const href = hrefOf(change);
  if (href === location.hash) return;
  if (replace) location.replace(href);
  else location.assign(href);
}
