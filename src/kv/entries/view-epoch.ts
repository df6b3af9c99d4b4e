// The view epoch: a counter that advances with every view of the entries of one space. Memory that was last copied in an
// earlier epoch may be shared with a view, so its owner copies it before the next change.

/** The counter that the parts of one space share. */
export class ViewEpoch {
  current = 0;
}
