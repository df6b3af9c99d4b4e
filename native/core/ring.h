// An io_uring driven by raw system calls: set it up, submit one entry at a time, take completions. Uses neither
// liburing nor Node. One thread owns a ring. Functions that can fail return 0 (or a count) or a negative errno.

#pragma once

#include <linux/io_uring.h>

#include <cstdint>

namespace keelson {

struct Completion {
  uint64_t user_data;
  int32_t result;
};

/** One io_uring and its eventfd. */
class Ring {
 public:
  Ring() = default;
  ~Ring() { close(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /** Sets the ring up, with an eventfd that becomes readable when a write completes. */
  int open(unsigned entries, unsigned setup_flags);
  void close();

  bool is_open() const { return ring_fd_ >= 0; }
  int fd() const { return ring_fd_; }
  int event_fd() const { return event_fd_; }

  /**
   * Submits one write with RWF_DSYNC: its completion means that the bytes are durable. On failure the kernel has
   * taken nothing. After EAGAIN or EBUSY, take completions and try again.
   */
  int submit_durable_write(int fd, const void* bytes, uint32_t length, uint64_t position, uint64_t user_data);

  /** Takes the next completion. Returns false if there is none. */
  bool take(Completion* completion);

  /** Blocks until something completes. Returns -ETIME after `timeout_ns` without a completion. */
  int wait(uint64_t timeout_ns);

  /** Returns true if the kernel holds completions for which the queue had no room. */
  bool has_overflowed() const;

  /**
   * Lets the kernel post completions that it holds back: task work of a ring with DEFER_TASKRUN, and overflowed
   * completions.
   */
  int flush_completions();

  /** Cancels what the kernel has not started. What it has started goes on. */
  void cancel_all();

  /** Makes the eventfd readable, as a completion does. */
  void raise_event();

  /** Reads the eventfd's count, so that the eventfd becomes readable again at the next completion. */
  void acknowledge_event();

 private:
  int map(const io_uring_params& params);
  int enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument, unsigned long size);

  int ring_fd_ = -1;
  int event_fd_ = -1;
  unsigned setup_flags_ = 0;
  void* rings_ = nullptr;
  unsigned long rings_bytes_ = 0;
  io_uring_sqe* sqes_ = nullptr;
  unsigned long sqes_bytes_ = 0;
  unsigned* sq_tail_ = nullptr;
  unsigned* sq_flags_ = nullptr;
  unsigned* sq_array_ = nullptr;
  unsigned sq_mask_ = 0;
  unsigned* cq_head_ = nullptr;
  unsigned* cq_tail_ = nullptr;
  unsigned cq_mask_ = 0;
  io_uring_cqe* cqes_ = nullptr;
};

}  // namespace keelson
