// The lock of a directory, as src/journal/directory/directory-lock.ts takes it. Spin tries every order of the steps of two or three
// slots. In each slot one process after another opens the directory, works, and ends or dies. run.js lists the variants
// (each a set of #defines) and what Spin must say of each.
//
// One step here is one system call there. Between two steps any other process may act for as long as it likes, so a
// process that is stopped needs no model of its own. A process may die between any two steps. Its socket and its lock
// of the directory (flock) vanish with it; its files stay.
//
//   step here          what it stands for
//   FLOCK              lockNow, lockExclusively: flock(2) of the directory, exclusive; with the addon only
//   LIST               lockNow, judgeOwner: Storage.list, the highest LOCK.<n>
//   READ, CONNECT      judgeOwner, assertDead: readLock, then HeldDirectory.probe of the LIVE file that LOCK.<n> names
//   BIND, LISTEN       tryLock: HeldDirectory.announce
//   LINK               linkLock: link() of a finished file to LOCK.<n+1>
//   LIST_AGAIN         OwnedLock.isConfirmed: no higher LOCK is there
//   CHECK_OWN          OwnedLock.isConfirmed: the own LIVE file is there
//   CLEAN              removeLeftovers: older LOCK files, and LIVE files that refuse
//   WORK               OwnedLock.storage: the check before each create, rename and remove
//   FREE, UNLINK       OwnedLock.release and abandon: mark the file, end the announcement, close the directory
//   WITHDRAW           OwnedLock.withdraw: remove the own LOCK file, end the announcement, look again
//
// A lock that is given up while it is the newest is marked free and keeps its name. REMOVES_NEWEST removes the name in
// every case, REMOVES_LONE only where no older lock is there. Both let a live owner be robbed: a name that is made again
// names another owner than the one that a slow opener has judged. (OwnedLock.#giveUp did that until it was mended.)
//
// What must hold:
// - At most one process owns the directory at a time.
// - No process is judged dead while it owns the directory, and no check before a create, rename or remove fails.
// - Whenever nobody lives, one more opener without the addon gets the lock. So no dead process locks anybody out. (The
//   check is switched off by MAY_LOCK_OUT, for variants that have to be looked at for robberies alone.)
//
// The labels in a lock file (boot id, process id, start time) are not in the model: no step reads them, so it changes
// nothing whether they look right or wrong. lock-by-labels.pml has the protocol that believed them.
//
// Left out, and why that is sound:
// - The look at LIVE files that no lock names. It only makes an opener give up: without it more orders are possible.
// - How long anybody waits, and how often. An opener that gave up may try again at any time.
// - Temporary files. A new owner may clear one away, so LINK may fail at any time.
// - Readers. One has the directory locked for a moment (shared), so FLOCK may fail at any time.
// - BIND is one step with the judgement before it: until LINK nobody knows the new name but an owner that cleans, and
//   cleaning is always free to do nothing.
// - A listing is one step. That holds for a directory that one getdents(2) returns whole.
// - File systems without sockets or hard links, moved directories, and LOCK files that a person removes.
// - Power cuts: power-cut.pml.

// How many processes are there at a time: two or three.
#ifndef SLOTS
#define SLOTS 3
#endif
// How many LIVE files are ever bound, and so how many LOCK files are made at most: three to five.
#ifndef INSTANCES
#define INSTANCES 3
#endif
#ifndef OLDER_KEPT
// OLDER_LOCKS_KEPT
#define OLDER_KEPT 1
#endif

// LOCK.<n>: the instance whose file has that name, or 0. The last one stays 0.
byte lock[INSTANCES + 2];
// What the lock file of each instance says: FREE, or held by an owner that has the directory locked.
bit says_free[INSTANCES + 1];
bit says_flock[INSTANCES + 1];
// LIVE.<instance> is there, and somebody listens at it.
bit live[INSTANCES + 1];
bit listening[INSTANCES + 1];
// Who has the directory locked: a slot, from 1, or 0.
byte flock_holder;
byte instance_count;
byte running_count;
// The process of that instance works on the store.
bit owns[INSTANCES + 1];
byte owner_count;
// Nobody lives, and yet the next opener cannot know that.
bit locked_out;

#ifdef FIXED_NAME
// The mutant with one name for all sockets: the instance that bound it last, or 0.
byte binder;
#define IS_THERE(i) (binder != 0)
#define LISTENS(i) (listening[binder])
#define IS_OWN(i) (binder == i)
#define BIND(i) binder = i
#define UNLINK(i) binder = 0
#else
#define IS_THERE(i) (live[i])
#define LISTENS(i) (listening[i])
#define IS_OWN(i) (live[i])
#define BIND(i) live[i] = 1
#define UNLINK(i) live[i] = 0
#endif

#define IS_LOCK(n) (n <= INSTANCES && lock[(n <= INSTANCES -> n : 0)] != 0)
#define NEWEST \
  (IS_LOCK(5) -> 5 : (IS_LOCK(4) -> 4 : (IS_LOCK(3) -> 3 : (IS_LOCK(2) -> 2 : (IS_LOCK(1) -> 1 : 0)))))
#define HAS_FLOCK (flock_holder == slot)
#define HAS_OLDER ((n > 1 && lock[1] != 0) || (n > 2 && lock[2] != 0) || (INSTANCES > 3 && n > 3 && lock[3] != 0))
#define REFUSES(i) (live[i] && !listening[i])

inline own() {
  owns[me] = 1;
  owner_count++;
  assert(owner_count == 1)
}

inline disown() {
  owner_count = owner_count - owns[me];
  owns[me] = 0
}

// What the kernel does when a process ends, whether it closed the directory or died.
inline vanish() {
  disown();
  listening[me] = 0;
  flock_holder = (HAS_FLOCK -> 0 : flock_holder);
  me = 0;
  n = 0;
  other = 0;
  running_count--;
#ifndef MAY_LOCK_OUT
  if
  :: running_count > 0
  :: else ->
       locked_out = NEWEST != 0 && !says_free[lock[NEWEST]] && !IS_THERE(lock[NEWEST]);
       assert(!locked_out)
  fi
#endif
}

#ifdef UNLINKED_AT_EXIT
// Node unlinks the path at which it listens when the event loop runs empty, and when a worker thread ends.
#define DIES \
  :: atomic { vanish(); goto start } \
  :: atomic { UNLINK(me); vanish(); goto start }
#else
#define DIES :: atomic { vanish(); goto start }
#endif

proctype Opener(byte slot) {
  byte me, n, other;

start:
end:
  // FLOCK
  if
  :: atomic { instance_count < INSTANCES && flock_holder == 0 -> flock_holder = slot; running_count++; goto look }
  :: atomic { instance_count < INSTANCES -> running_count++; goto look }
  fi;

look:
  if
  // LIST
  :: atomic { NEWEST == 0 -> n = 1; goto announce }
  :: atomic { NEWEST != 0 -> n = NEWEST }
  :: atomic { vanish(); goto start }
  fi;
  // READ
  if
  :: atomic { lock[n] == 0 -> n = 0; goto look }
  :: atomic { lock[n] != 0 && says_free[lock[n]] -> n++; goto announce }
  :: atomic { lock[n] != 0 && !says_free[lock[n]] -> other = lock[n] }
  fi;
  // CONNECT
  if
  :: atomic { IS_THERE(other) && LISTENS(other) -> vanish(); goto start }
  :: atomic { IS_THERE(other) && !LISTENS(other) -> goto proven }
#ifdef ABSENT_IS_DEAD
  :: atomic { !IS_THERE(other) -> goto proven }
#else
  :: atomic { !IS_THERE(other) && says_flock[other] && HAS_FLOCK -> goto proven }
  :: atomic { !IS_THERE(other) && !(says_flock[other] && HAS_FLOCK) -> vanish(); goto start }
#endif
  fi;
proven:
  atomic { assert(!owns[other]); other = 0; n++; goto announce };

announce:
  // BIND
#ifdef FIXED_NAME
  if
  :: atomic { binder != 0 && !listening[binder] -> goto rebind }
  :: atomic { binder != 0 && listening[binder] -> vanish(); goto start }
  :: atomic { binder == 0 -> goto named }
  fi;
rebind:
  atomic { binder = 0; goto announce };
named:
#endif
  if
  :: atomic { instance_count == INSTANCES -> vanish(); goto start }
  :: atomic { instance_count < INSTANCES ->
       instance_count++;
       me = instance_count;
       BIND(me);
#ifdef RENAMED_WHEN_LISTENING
       listening[me] = 1
#endif
     }
  fi;
#if !defined(RENAMED_WHEN_LISTENING) && !defined(LISTENS_LAST)
  // LISTEN
  if
  :: listening[me] = 1
  DIES
  fi;
#endif
  // LINK
  if
  :: atomic { lock[n] == 0 -> lock[n] = me; says_flock[me] = HAS_FLOCK }
  :: atomic { UNLINK(me); listening[me] = 0; me = 0; n = 0; goto look }
  DIES
  fi;
  // LIST_AGAIN
#ifndef LISTS_ONCE
  if
  :: atomic { NEWEST != n -> goto withdraw }
  :: NEWEST == n
  DIES
  fi;
#endif
  // CHECK_OWN
  if
#ifdef OWN_UNCHECKED
  :: atomic { own() }
#else
  :: atomic { IS_OWN(me) -> own() }
#ifdef REMOVES_NEWEST
  :: atomic { !IS_OWN(me) -> goto withdraw }
#elif defined(REMOVES_LONE)
  :: atomic { !IS_OWN(me) && HAS_OLDER -> goto release }
  :: atomic { !IS_OWN(me) && !HAS_OLDER -> goto withdraw }
#else
  :: atomic { !IS_OWN(me) -> goto release }
#endif
#endif
  DIES
  fi;
#ifdef LISTENS_LAST
  if
  :: listening[me] = 1
  DIES
  fi;
#endif

clean:
  // CLEAN, any part of which may fail
  if
  :: atomic { n > OLDER_KEPT + 1 && lock[1] != 0 -> lock[1] = 0; goto clean }
#if INSTANCES - OLDER_KEPT > 2
  :: atomic { n > OLDER_KEPT + 2 && lock[2] != 0 -> lock[2] = 0; goto clean }
#endif
#if INSTANCES - OLDER_KEPT > 3
  :: atomic { n > OLDER_KEPT + 3 && lock[3] != 0 -> lock[3] = 0; goto clean }
#endif
#ifndef FIXED_NAME
  :: atomic { REFUSES(1) -> other = 1 }
  :: atomic { REFUSES(2) -> other = 2 }
  :: atomic { REFUSES(3) -> other = 3 }
#if INSTANCES > 3
  :: atomic { REFUSES(4) -> other = 4 }
#endif
#if INSTANCES > 4
  :: atomic { REFUSES(5) -> other = 5 }
#endif
#endif
  :: goto work
  DIES
  fi;
  if
  :: atomic { UNLINK(other); other = 0; goto clean }
  DIES
  fi;

work:
  // WORK
  if
  :: atomic { assert(lock[n] == me && lock[n + 1] == 0 && owner_count == 1); goto release }
#ifdef REMOVES_NEWEST
  :: goto withdraw
#endif
#ifdef REMOVES_LONE
  :: atomic { !HAS_OLDER -> goto withdraw }
#endif
  DIES
  fi;

release:
#ifdef UNLINKS_FIRST
  if
  :: atomic { UNLINK(me) }
  DIES
  fi;
#endif
  // FREE
  if
  :: atomic { disown(); says_free[me] = 1; says_flock[me] = 0 }
  DIES
  fi;
  // UNLINK
  if
  :: atomic { UNLINK(me); vanish(); goto start }
  DIES
  fi;

withdraw:
  // WITHDRAW: looks whether the file is its own, then removes the name
  if
  :: atomic { lock[n] == me -> disown() }
  :: atomic { lock[n] != me -> disown(); goto withdrawn }
  DIES
  fi;
  if
  :: lock[n] = 0
  DIES
  fi;
withdrawn:
  if
  :: atomic { UNLINK(me); listening[me] = 0; me = 0; n = 0; goto look }
  DIES
  fi
}

#ifdef SWEPT
// Somebody removes one LIVE file: a person, or a tool that clears away what it does not know. Then nothing proves any
// more that its owner is dead, so this goes with MAY_LOCK_OUT.
active proctype Sweeper() {
end:
  if
  :: live[1] = 0
  :: live[2] = 0
  :: live[3] = 0
  fi
}
#endif

init {
  atomic {
#ifdef AFTER_A_DEATH
    // An owner without the addon has died, and three race for what it left.
    instance_count = 1;
    lock[1] = 1;
    live[1] = 1;
#endif
    run Opener(1);
    run Opener(2);
#if SLOTS > 2
    run Opener(3)
#endif
  }
}
