// The floor: what the disk does when nothing stands in between. One write at a time with pwritev2(RWF_DSYNC) on a
// zero-written O_DIRECT file, in one loop, for a number of blocks of a given size. Prints writes per second.
//
//   disk-floor FILE BLOCK_BYTES WRITES

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kAlignment = 4096;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: %s FILE BLOCK_BYTES WRITES\n", arguments[0]);
    return 2;
  }
  const size_t block_bytes = std::strtoull(arguments[2], nullptr, 10);
  const size_t writes = std::strtoull(arguments[3], nullptr, 10);
  void* block = nullptr;
  if (posix_memalign(&block, kAlignment, block_bytes) != 0) fail("posix_memalign");
  std::memset(block, 0, block_bytes);
  const int file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
  if (file < 0) fail("open");
  for (size_t at = 0; at < writes; at++) {
    if (pwrite(file, block, block_bytes, static_cast<off_t>(at * block_bytes)) < 0) fail("pwrite");
  }
  if (fsync(file) != 0) fail("fsync");
  std::memset(block, 0x5a, block_bytes);
  const auto start = std::chrono::steady_clock::now();
  for (size_t at = 0; at < writes; at++) {
    iovec part{block, block_bytes};
    const ssize_t written = pwritev2(file, &part, 1, static_cast<off_t>(at * block_bytes), RWF_DSYNC);
    if (written != static_cast<ssize_t>(block_bytes)) fail("pwritev2");
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.1f\n", static_cast<double>(writes) / seconds.count());
  close(file);
  unlink(arguments[1]);
  return 0;
}
