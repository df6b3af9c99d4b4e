#include "direct_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

namespace keelson {
namespace {

/** Alignment in bytes for kernels before 6.1, which cannot be asked. Every disk with a file system accepts it. */
constexpr uint32_t kAlignmentOfOldKernels = 4096;

/** Limit of the calls of fallocate() that signals interrupt. */
constexpr int kReserveTriesMax = 1000;

int open_retrying(const char* path, int flags) {
  for (;;) {
    const int fd = ::open(path, flags);
    if (fd >= 0) return fd;
    if (errno != EINTR) return -errno;
  }
}

/** Returns true if statx() answers STATX_DIOALIGN, as it does since Linux 6.1, or if the version is unknown. */
bool kernel_knows_alignment() {
  utsname system;
  int major = 0;
  int minor = 0;
  if (uname(&system) != 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return true;
  return major > 6 || (major == 6 && minor >= 1);
}

/**
 * Fills in the alignment. Returns false if the file cannot do direct I/O, or the file system does not say that it
 * can.
 */
bool ask_alignment(DirectFile* file) {
  file->memory_alignment = kAlignmentOfOldKernels;
  file->offset_alignment = kAlignmentOfOldKernels;
#ifdef STATX_DIOALIGN
  struct statx facts {};
  if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) != 0) return true;
  // If the kernel knows STATX_DIOALIGN, the file system did not answer: tmpfs accepts O_DIRECT and ignores it.
  if ((facts.stx_mask & STATX_DIOALIGN) == 0) return !kernel_knows_alignment();
  if (facts.stx_dio_mem_align == 0 || facts.stx_dio_offset_align == 0) return false;
  file->memory_alignment = facts.stx_dio_mem_align;
  file->offset_alignment = facts.stx_dio_offset_align;
#endif
  return true;
}

}  // namespace

int open_for_durable_writes(const char* path, DirectFile* file) {
  constexpr int kFlags = O_WRONLY | O_CLOEXEC;
  *file = DirectFile{open_retrying(path, kFlags | O_DIRECT), true, 1, 1};
  if (file->fd >= 0) {
    if (ask_alignment(file)) return 0;
    ::close(file->fd);
  } else if (file->fd != -EINVAL && file->fd != -EOPNOTSUPP) {
    return file->fd;
  }
  *file = DirectFile{open_retrying(path, kFlags), false, 1, 1};
  return file->fd < 0 ? file->fd : 0;
}

int reserve_room(int fd, uint64_t size) {
  for (int tries = 0; tries < kReserveTriesMax; tries++) {
    if (::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0) return 0;
    if (errno != EINTR) return -errno;
  }
  return -EINTR;
}

}  // namespace keelson
