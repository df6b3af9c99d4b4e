// Stands between the core and the kernel. Records every entry that is submitted, and answers as a test demands. The
// linker options --wrap=syscall and --wrap=mmap redirect the core's calls here. Entries without an answer go to the
// kernel.

#pragma once

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdarg>
#include <cstring>
#include <deque>
#include <vector>

extern "C" long __real_syscall(long number, ...);
extern "C" void* __real_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset);

struct Answer {
  enum What { kShorten, kComplete, kRefuse } what;
  int value;
};

/** Writes only the first `bytes` bytes, and completes with that count: a short write. */
inline Answer shorten(int bytes) { return {Answer::kShorten, bytes}; }
/** Takes the entry without carrying it out. Its completion has this result. */
inline Answer complete(int result) { return {Answer::kComplete, result}; }
/** Fails the call with this errno, or, with 0, takes nothing. */
inline Answer refuse(int error) { return {Answer::kRefuse, error}; }

/** Answers for one ring: the last that was set up. Nothing else may be in flight when a test demands an answer. */
class ScriptedKernel {
 public:
  std::deque<Answer> answers;
  /** Entries as the core built them, refused ones included. */
  std::vector<io_uring_sqe> entries;

  void was_set_up(const io_uring_params& params) { params_ = params; }

  void was_mapped(void* memory, off_t offset) {
    if (offset == IORING_OFF_SQ_RING) rings_ = static_cast<char*>(memory);
    if (offset == IORING_OFF_SQES) sqes_ = static_cast<io_uring_sqe*>(memory);
  }

  template <typename Enter>
  long submitted(Enter enter) {
    io_uring_sqe* entry = &sqes_[(word(params_.sq_off.tail) - 1) & word(params_.sq_off.ring_mask)];
    entries.push_back(*entry);
    if (answers.empty()) return enter();
    const Answer answer = answers.front();
    answers.pop_front();
    if (answer.what == Answer::kRefuse) {
      errno = answer.value;
      return answer.value == 0 ? 0 : -1;
    }
    if (answer.what == Answer::kShorten) {
      entry->len = static_cast<uint32_t>(answer.value);
      return enter();
    }
    const uint64_t user_data = entry->user_data;
    std::memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_NOP;
    entry->user_data = user_data;
    const long result = enter();
    // The no-op has completed when the call returns.
    const unsigned last = word(params_.cq_off.tail) - 1;
    auto* completions = reinterpret_cast<io_uring_cqe*>(rings_ + params_.cq_off.cqes);
    completions[last & word(params_.cq_off.ring_mask)].res = answer.value;
    return result;
  }

 private:
  unsigned word(unsigned offset) const {
    return std::atomic_ref<unsigned>(*reinterpret_cast<unsigned*>(rings_ + offset)).load(std::memory_order_acquire);
  }

  io_uring_params params_{};
  char* rings_ = nullptr;
  io_uring_sqe* sqes_ = nullptr;
};

inline ScriptedKernel kernel;

extern "C" long __wrap_syscall(long number, ...) {
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const auto call = [&] {
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  };
  if (number == __NR_io_uring_enter && static_cast<unsigned>(arguments[1]) > 0) return kernel.submitted(call);
  const long result = call();
  if (number == __NR_io_uring_setup && result >= 0) {
    kernel.was_set_up(*reinterpret_cast<const io_uring_params*>(arguments[1]));
  }
  return result;
}

extern "C" void* __wrap_mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  void* memory = __real_mmap(address, length, protection, flags, fd, offset);
  if (fd >= 0 && memory != MAP_FAILED) kernel.was_mapped(memory, offset);
  return memory;
}
