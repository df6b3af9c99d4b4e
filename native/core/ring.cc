#include "ring.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace keelson {
namespace {

int system_setup(unsigned entries, io_uring_params* params) {
  const long fd = syscall(__NR_io_uring_setup, entries, params);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

int system_register(int ring_fd, unsigned opcode, const void* argument, unsigned count) {
  return syscall(__NR_io_uring_register, ring_fd, opcode, argument, count) < 0 ? -errno : 0;
}

/** Loads a word that the kernel shares. */
unsigned load_acquire(unsigned* word) { return std::atomic_ref<unsigned>(*word).load(std::memory_order_acquire); }

/** Stores a word that the kernel shares. */
void store_release(unsigned* word, unsigned value) {
  std::atomic_ref<unsigned>(*word).store(value, std::memory_order_release);
}

template <typename T>
T* at(void* base, unsigned offset) {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

}  // namespace

int Ring::open(unsigned entries, unsigned setup_flags) {
  io_uring_params params{};
  params.flags = setup_flags;
  const int fd = system_setup(entries, &params);
  if (fd < 0) return fd;
  ring_fd_ = fd;
  setup_flags_ = setup_flags;
  int error = map(params);
  if (error == 0) {
    event_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = event_fd_ < 0 ? -errno : system_register(ring_fd_, IORING_REGISTER_EVENTFD, &event_fd_, 1);
  }
  // A seccomp filter may allow io_uring_setup and deny io_uring_enter. Entering once finds that out now, and not at
  // the first commit.
  if (error == 0) error = enter(0, 0, 0, nullptr, 0);
  if (error != 0) close();
  return error;
}

int Ring::map(const io_uring_params& params) {
  // Kernels without the first two features are older than 5.5, and without the third older than 5.11. node:fs serves
  // them.
  if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0 || (params.features & IORING_FEAT_NODROP) == 0) return -ENOSYS;
  if ((params.features & IORING_FEAT_EXT_ARG) == 0) return -ENOSYS;
  const unsigned long sq_bytes = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  const unsigned long cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  rings_bytes_ = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  constexpr int kFlags = MAP_SHARED | MAP_POPULATE;
  void* rings = mmap(nullptr, rings_bytes_, kProtection, kFlags, ring_fd_, IORING_OFF_SQ_RING);
  if (rings == MAP_FAILED) return -errno;
  rings_ = rings;
  sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
  void* sqes = mmap(nullptr, sqes_bytes_, kProtection, kFlags, ring_fd_, IORING_OFF_SQES);
  if (sqes == MAP_FAILED) return -errno;
  sqes_ = static_cast<io_uring_sqe*>(sqes);
  sq_tail_ = at<unsigned>(rings_, params.sq_off.tail);
  sq_flags_ = at<unsigned>(rings_, params.sq_off.flags);
  sq_array_ = at<unsigned>(rings_, params.sq_off.array);
  sq_mask_ = *at<unsigned>(rings_, params.sq_off.ring_mask);
  cq_head_ = at<unsigned>(rings_, params.cq_off.head);
  cq_tail_ = at<unsigned>(rings_, params.cq_off.tail);
  cq_mask_ = *at<unsigned>(rings_, params.cq_off.ring_mask);
  cqes_ = at<io_uring_cqe>(rings_, params.cq_off.cqes);
  return 0;
}

void Ring::close() {
  if (sqes_ != nullptr) munmap(sqes_, sqes_bytes_);
  if (rings_ != nullptr) munmap(rings_, rings_bytes_);
  if (ring_fd_ >= 0) ::close(ring_fd_);
  if (event_fd_ >= 0) ::close(event_fd_);
  sqes_ = nullptr;
  rings_ = nullptr;
  ring_fd_ = -1;
  event_fd_ = -1;
}

int Ring::enter(unsigned to_submit, unsigned min_complete, unsigned flags, const void* argument, unsigned long size) {
  const long result = syscall(__NR_io_uring_enter, ring_fd_, to_submit, min_complete, flags, argument, size);
  return result < 0 ? -errno : static_cast<int>(result);
}

int Ring::submit_durable_write(int fd, const void* bytes, uint32_t length, uint64_t position, uint64_t user_data) {
  // Each entry is submitted by the enter() that follows, so the queue is empty here and has room.
  const unsigned tail = *sq_tail_;
  const unsigned slot = tail & sq_mask_;
  io_uring_sqe* sqe = &sqes_[slot];
  std::memset(sqe, 0, sizeof *sqe);
  sqe->opcode = IORING_OP_WRITE;
  sqe->fd = fd;
  sqe->addr = reinterpret_cast<uint64_t>(bytes);
  sqe->len = length;
  sqe->off = position;
  sqe->rw_flags = RWF_DSYNC;
  sqe->user_data = user_data;
  sq_array_[slot] = slot;
  store_release(sq_tail_, tail + 1);
  const int taken = enter(1, 0, 0, nullptr, 0);
  if (taken == 1) return 0;
  // The kernel did not take the entry. It is removed, so that a later enter() does not submit it.
  store_release(sq_tail_, tail);
  return taken < 0 ? taken : -EAGAIN;
}

bool Ring::take(Completion* completion) {
  const unsigned head = *cq_head_;
  if (head == load_acquire(cq_tail_)) return false;
  const io_uring_cqe& cqe = cqes_[head & cq_mask_];
  completion->user_data = cqe.user_data;
  completion->result = cqe.res;
  store_release(cq_head_, head + 1);
  return true;
}

int Ring::wait(uint64_t timeout_ns) {
  __kernel_timespec timeout{};
  timeout.tv_sec = static_cast<int64_t>(timeout_ns / 1'000'000'000);
  timeout.tv_nsec = static_cast<int64_t>(timeout_ns % 1'000'000'000);
  io_uring_getevents_arg argument{};
  argument.ts = reinterpret_cast<uint64_t>(&timeout);
  const int result = enter(0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
  return result < 0 ? result : 0;
}

bool Ring::has_overflowed() const { return (load_acquire(sq_flags_) & IORING_SQ_CQ_OVERFLOW) != 0; }

int Ring::flush_completions() {
  if (!has_overflowed() && (setup_flags_ & IORING_SETUP_DEFER_TASKRUN) == 0) return 0;
  const int result = enter(0, 0, IORING_ENTER_GETEVENTS, nullptr, 0);
  return result < 0 ? result : 0;
}

void Ring::cancel_all() {
#ifdef IORING_ASYNC_CANCEL_ANY
  io_uring_sync_cancel_reg what{};
  what.fd = -1;
  what.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY;
  // With a timeout of zero the call does not wait. An error means that there was nothing to cancel, or that it has
  // started.
  system_register(ring_fd_, IORING_REGISTER_SYNC_CANCEL, &what, 1);
#endif
}

void Ring::raise_event() {
  const uint64_t one = 1;
  // Fails only if the count is at its limit, and then the eventfd is readable.
  [[maybe_unused]] const ssize_t written = write(event_fd_, &one, sizeof(one));
}

void Ring::acknowledge_event() {
  uint64_t count;
  // Nothing to read is fine: an earlier wake-up has read the count.
  const ssize_t result = ::read(event_fd_, &count, sizeof count);
  static_cast<void>(result);
}

}  // namespace keelson
