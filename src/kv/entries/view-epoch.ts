// The clock of views: it advances whenever somebody takes a view of the entries of one namespace. Memory that was last
// owned in an earlier epoch may be shared with a view, so its owner copies it before the next change.

export class ViewEpoch {
  current = 0;
}
