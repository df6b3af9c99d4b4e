// The view epoch: a counter that advances with every view of the entries of one space. A view may share memory that was
// made or last copied in an earlier epoch, so the owner copies such memory before the next change.

/** The counter that the parts of one space share. */
export class ViewEpoch {
  current = 0;
}
