// Durable writes under way on one ring: short ones are continued, interrupted ones retried, each is finished once.

#pragma once

#include <cstdint>
#include <vector>

#include "ring.h"

namespace keelson {

/** Told of a finished write: `result` is 0 or a negative errno. It may start further writes. */
class FinishedWrites {
 public:
  /** Returns whether the slot may be used again. If not, release() says when. */
  virtual bool finished(uint32_t slot, int result) = 0;

 protected:
  ~FinishedWrites() = default;
};

class DurableWrites {
 public:
  explicit DurableWrites(Ring* ring) : ring_(ring) {}

  /** Starts a write and returns its slot (0 or above), or a negative errno: then nothing has been started. */
  int start(int fd, const uint8_t* bytes, uint32_t length, uint64_t position);

  /** Takes what has completed, without waiting. */
  void collect(FinishedWrites* told);

  /** Waits until that write is finished, or so long that it is given up: then false, and it is still under way. */
  bool wait_for(uint32_t slot, uint64_t timeout_ns, FinishedWrites* told);

  /** Gives back the slot of a finished write. */
  void release(uint32_t slot) { free_.push_back(slot); }

  bool is_under_way(uint32_t slot) const { return slot < writes_.size() && writes_[slot].is_under_way; }
  uint32_t under_way() const { return under_way_; }
  /** How often the kernel was asked again after EINTR, EAGAIN or EBUSY, */
  uint64_t retries() const { return retries_; }
  /** and how often, of these, only after a pause of a millisecond, in which the thread does nothing else. */
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
    /** A slot is used again: this tells its writes apart. */
    uint64_t serial;
  };

  uint32_t free_slot();
  /** Hands the rest of a write to the kernel. */
  int submit(uint32_t slot);
  void completed(uint32_t slot, int result, FinishedWrites* told);
  void finish(uint32_t slot, int result, FinishedWrites* told);

  Ring* ring_;
  std::vector<Write> writes_;
  std::vector<uint32_t> free_;
  uint32_t under_way_ = 0;
  uint64_t retries_ = 0;
  uint64_t pauses_ = 0;
  uint64_t next_serial_ = 0;
};

}  // namespace keelson
