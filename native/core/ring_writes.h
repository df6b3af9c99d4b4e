// Durable writes under way on one ring. Short writes are continued, interrupted ones are retried, and each write is
// finished once.

#pragma once

#include <cstdint>
#include <vector>

#include "ring.h"

namespace keelson {

/** Receives finished writes. `result` is 0 or a negative errno. An implementation may start further writes. */
class FinishedWrites {
 public:
  /** Returns true if the slot may be reused at once. Otherwise the receiver calls release() later. */
  virtual bool finished(uint32_t slot, int result) = 0;

 protected:
  ~FinishedWrites() = default;
};

/** Writes under way on `ring`, each in a slot. */
class RingWrites {
 public:
  explicit RingWrites(Ring* ring) : ring_(ring) {}

  /** Starts a write. Returns its slot, 0 or above. Returns a negative errno if nothing was started. */
  int start(int fd, const uint8_t* bytes, uint32_t length, uint64_t position);

  /** Takes all completions that are there, without waiting. */
  void collect(FinishedWrites* receiver);

  /** Waits until the write is finished. Returns false after `timeout_ns` if it is still under way. */
  bool wait_for(uint32_t slot, uint64_t timeout_ns, FinishedWrites* receiver);

  /** Frees the slot of a finished write. */
  void release(uint32_t slot) { free_.push_back(slot); }

  bool is_under_way(uint32_t slot) const { return slot < writes_.size() && writes_[slot].is_under_way; }
  uint32_t under_way() const { return under_way_; }
  /** Number of submissions that were repeated after EINTR, EAGAIN or EBUSY. */
  uint64_t retries() const { return retries_; }
  /** Number of these submissions before which the thread slept for 1 ms. */
  uint64_t pauses() const { return pauses_; }
  const uint8_t* bytes_of(uint32_t slot) const { return writes_[slot].bytes; }
  uint32_t length_of(uint32_t slot) const { return writes_[slot].length; }

 private:
  struct Write {
    int fd;
    const uint8_t* bytes;
    uint32_t length;
    uint64_t position;
    uint32_t done;
    uint32_t retries;
    bool is_under_way;
    /** Tells the writes of a reused slot apart. */
    uint64_t serial;
  };

  uint32_t free_slot();
  /** Submits the rest of a write to the kernel. */
  int submit(uint32_t slot);
  void completed(uint32_t slot, int result, FinishedWrites* receiver);
  void finish(uint32_t slot, int result, FinishedWrites* receiver);

  Ring* ring_;
  std::vector<Write> writes_;
  std::vector<uint32_t> free_;
  uint32_t under_way_ = 0;
  uint64_t retries_ = 0;
  uint64_t pauses_ = 0;
  uint64_t next_serial_ = 0;
};

}  // namespace keelson
