// The lock as it was before issue 12: a label in the lock file (a boot id, a start time) was believed before the kernel
// was asked. Spin must find the robbery: run.js expects the assertion to fail.
//
// One step is one system call there. Each opener has the addon, and so its lock file locked (flock) while it lives.
//
//   step here    what it stood for in src/journal/directory/directory-lock.ts at commit 4eea610
//   READ         isFree: the newest LOCK.<n> and the owner that it names
//   LABELS       processLiveness: another boot id, or another start time, was "dead", before anything else was asked
//   FLOCK        isUnlocked: whether the lock file is locked
//   LINK         tryLock: link() of a finished file to LOCK.<n+1>

#define OPENERS 3

// Who made LOCK.<n>, a slot from 1, or 0; and the newest n.
byte lock[OPENERS + 2];
byte newest;
// The lock file of that opener is locked: the kernel drops it with the process.
bit locked[OPENERS + 1];
byte owner_count;

proctype Opener(byte slot) {
  byte n, other;

  // READ
  atomic { n = newest; other = lock[n] };
  if
  :: other == 0
  :: other != 0 ->
       if
       // LABELS: a container has its own boot id mounted, so a live owner looks as if the machine had booted since.
       :: skip
       // The labels look right, and so the kernel is asked. FLOCK
       :: locked[other] -> goto refused
       :: !locked[other]
       fi
  fi;
  // LINK
  if
  :: atomic { lock[n + 1] == 0 -> lock[n + 1] = slot; newest = n + 1; locked[slot] = 1; owner_count++ }
  :: atomic { lock[n + 1] != 0 -> goto refused }
  fi;
  assert(owner_count == 1);
  // Closes, or dies.
  atomic { owner_count--; locked[slot] = 0 };
refused:
  skip
}

init {
  atomic {
    run Opener(1);
    run Opener(2);
    run Opener(3)
  }
}
