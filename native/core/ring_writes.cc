#include "ring_writes.h"

#include <errno.h>
#include <time.h>

namespace keelson {
namespace {

/**
 * Limit of the transient errors in a row of one write: EINTR, EAGAIN or EBUSY. After so many retries, paused only by
 * submit(), the write fails.
 */
constexpr uint32_t kRetriesMax = 1000;
/** Retries in a row above which submit() pauses each time. */
constexpr uint32_t kRetriesAtOnceMax = 100;
/** Length of a pause before a retry. */
constexpr long kPauseNs = 1'000'000;
/**
 * Limit of one wait in the kernel. A longer wait consists of such pieces. Between them collect() takes completions
 * that do not end a wait, such as overflowed ones.
 */
constexpr uint64_t kWaitPieceNs = 100'000'000;

bool is_transient(int result) { return result == -EINTR || result == -EAGAIN || result == -EBUSY; }

void pause_briefly() {
  const timespec pause{0, kPauseNs};
  nanosleep(&pause, nullptr);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

int RingWrites::start(int fd, const uint8_t* bytes, uint32_t length, uint64_t position) {
  const uint32_t slot = free_slot();
  writes_[slot] = Write{fd, bytes, length, position, 0, 0, true, next_serial_++};
  under_way_++;
  const int error = submit(slot);
  if (error == 0) return static_cast<int>(slot);
  writes_[slot].is_under_way = false;
  under_way_--;
  free_.push_back(slot);
  return error;
}

void RingWrites::collect(FinishedWrites* receiver) {
  Completion completion;
  bool has_taken;
  // Overflowed completions enter the queue only when it has room and the kernel is asked. Nothing announces them.
  do {
    ring_->flush_completions();
    has_taken = false;
    while (ring_->take(&completion)) {
      has_taken = true;
      completed(static_cast<uint32_t>(completion.user_data), completion.result, receiver);
    }
  } while (has_taken && ring_->has_overflowed());
}

bool RingWrites::wait_for(uint32_t slot, uint64_t timeout_ns, FinishedWrites* receiver) {
  const uint64_t start_ns = now_ns();
  if (!is_under_way(slot)) return true;
  const uint64_t serial = writes_[slot].serial;
  for (;;) {
    collect(receiver);
    if (!is_under_way(slot) || writes_[slot].serial != serial) return true;
    const uint64_t waited_ns = now_ns() - start_ns;
    if (waited_ns >= timeout_ns) return false;
    const uint64_t left_ns = timeout_ns - waited_ns;
    const int error = ring_->wait(left_ns < kWaitPieceNs ? left_ns : kWaitPieceNs);
    // The kernel may refuse to wait, for example under a seccomp filter that was installed later. Pausing avoids a
    // busy loop.
    if (error != 0 && error != -ETIME && error != -EINTR) pause_briefly();
  }
}

uint32_t RingWrites::free_slot() {
  if (free_.empty()) {
    writes_.push_back(Write{});
    return static_cast<uint32_t>(writes_.size() - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

int RingWrites::submit(uint32_t slot) {
  for (;;) {
    Write& write = writes_[slot];
    const int error = ring_->submit_durable_write(write.fd, write.bytes + write.done, write.length - write.done,
                                                  write.position + write.done, slot);
    if (!is_transient(error)) return error;
    if (++write.retries > kRetriesMax) return error;
    retries_++;
    if (write.retries > kRetriesAtOnceMax) {
      pauses_++;
      pause_briefly();
    }
    // EBUSY means that completions have overflowed, and that the kernel takes nothing until its list of them is
    // emptied.
    ring_->flush_completions();
  }
}

void RingWrites::completed(uint32_t slot, int result, FinishedWrites* receiver) {
  Write& write = writes_[slot];
  if (result > 0) {
    write.done += static_cast<uint32_t>(result);
    write.retries = 0;
    if (write.done >= write.length) return finish(slot, 0, receiver);
  } else if (result == 0) {
    // No progress and no error: the device gives no reason, so the write fails with EIO.
    return finish(slot, -EIO, receiver);
  } else if (!is_transient(result) || ++write.retries > kRetriesMax) {
    return finish(slot, result, receiver);
  } else {
    retries_++;
  }
  const int error = submit(slot);
  if (error != 0) finish(slot, error, receiver);
}

void RingWrites::finish(uint32_t slot, int result, FinishedWrites* receiver) {
  writes_[slot].is_under_way = false;
  under_way_--;
  if (receiver->finished(slot, result)) release(slot);
}

}  // namespace keelson
