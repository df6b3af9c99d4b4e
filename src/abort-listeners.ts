// Listeners for aborted signals. A signal that many iterations share gets one listener, because Node.js warns of a
// signal with more than ten.

/** The functions to call for each signal that somebody listens to. */
const ends = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `end` once when the signal is aborted; at once if it is aborted already. Returns a function that removes `end`.
 * Throws what the signal throws.
 */
export function onAbort(signal: AbortSignal, end: () => void): () => void {
  if (signal.aborted) {
    end();
    return () => {};
  }
  const own = () => end();
  const all = ends.get(signal) ?? listenTo(signal);
  all.add(own);
  return () => all.delete(own);
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const all = new Set<() => void>();
  ends.set(signal, all);
  const listener = () => {
    for (const end of [...all]) end();
    all.clear();
  };
  signal.addEventListener('abort', listener, { once: true });
  return all;
}
