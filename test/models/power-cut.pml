// Power cuts, and the lock of src/journal/directory/directory-lock.ts for openers that have no addon: one after another, so that
// nothing but the disk is in question. A power cut leaves any subset of the changes that were not flushed. It ends every
// process, so every opener must get the lock.
//
// lock.pml says which step is which function. In addition, each flush here is one of these:
//
//   FLUSH_LIVE     tryLock: flush of the directory between the LIVE file and the LOCK file (UNFLUSHED_LIVE leaves it out)
//   FLUSH_LOCK     flush of the directory between the LOCK file and removeLeftovers, where there is a socket to remove
//                  (UNFLUSHED_LOCK)
//   FLUSH_FREE     flush of a lock file that says FREE, ahead of the removal of its LIVE file (UNFLUSHED_FREE)
//
// The labels in a lock file are not asked, because its owner had a socket. What space that was used before may hold is
// test/simulation/lock-crashes.test.ts's.

#define LIVES 3
#define NOTHING 0
#define HELD 1
#define FREE 2

// As a process sees it, and as the medium has it.
byte lock[LIVES + 2];
byte lock_disk[LIVES + 2];
byte says[LIVES + 1];
byte says_disk[LIVES + 1];
bit live[LIVES + 1];
bit live_disk[LIVES + 1];
byte i;
bit locked_out;

#define NEWEST (lock[3] -> 3 : (lock[2] -> 2 : (lock[1] -> 1 : 0)))

inline flush_directory() {
  d_step {
    i = 1;
    do
    :: i <= LIVES -> lock_disk[i] = lock[i]; live_disk[i] = live[i]; i++
    :: else -> break
    od;
    i = 0
  }
}

// Each change that was not flushed has reached the medium, or has not.
inline cut_power() {
  atomic {
    i = 1;
    do
    :: i <= LIVES ->
         if
         :: lock[i] = lock_disk[i]
         :: lock_disk[i] = lock[i]
         fi;
         if
         :: live[i] = live_disk[i]
         :: live_disk[i] = live[i]
         fi;
         if
         :: says[i] = says_disk[i]
         :: says_disk[i] = says[i]
         fi;
         i++
    :: else -> break
    od;
    i = 0
  }
}

active proctype Directory() {
  byte me, n;

open:
  // LIST, READ, CONNECT: whoever had it is dead, and a connection to its socket is refused.
  n = NEWEST;
  locked_out = n != 0 && says[lock[n]] == HELD && !live[lock[n]];
  assert(!locked_out);
  if
  :: me == LIVES -> goto done
  :: me < LIVES -> me++; n++
  fi;
  // BIND, LISTEN
  live[me] = 1;
  if :: true :: goto ended fi;
#ifndef UNFLUSHED_LIVE
  // FLUSH_LIVE
  flush_directory();
  if :: true :: goto ended fi;
#endif
  // LINK: the contents are durable before.
  atomic { says[me] = HELD; says_disk[me] = HELD; lock[n] = me };
  // What is not flushed may reach the medium all the same, at any time.
  if
  :: flush_directory()
  :: true
  fi;
  if :: true :: goto ended fi;
#ifndef UNFLUSHED_LOCK
  // FLUSH_LOCK
  if
  :: (me > 1 && live[1]) || (me > 2 && live[2]) -> flush_directory()
  :: else -> skip
  fi;
  if :: true :: goto ended fi;
#endif
clean:
  // CLEAN, in any order and as far as it gets
  if
  :: atomic { me > 1 && live[1] -> live[1] = 0; goto clean }
  :: atomic { me > 2 && live[2] -> live[2] = 0; goto clean }
  :: atomic { n > 2 && lock[1] != 0 -> lock[1] = 0; goto clean }
  :: true
  :: goto ended
  fi;
  // FREE
  says[me] = FREE;
  if :: true :: goto ended fi;
#ifndef UNFLUSHED_FREE
  // FLUSH_FREE
  says_disk[me] = FREE;
  if :: true :: goto ended fi;
#endif
  // UNLINK
  live[me] = 0;

ended:
  if
  :: goto open
  :: cut_power(); goto open
  fi;

done:
  skip
}
