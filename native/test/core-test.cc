// Tests of the core, without Node: compiled with the address and undefined-behaviour sanitizers and run by
// test/native/core.test.ts. Each prints its name; the first that does not hold ends the program.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../core/crc32c.h"
#include "../core/direct_file.h"
#include "../core/durable_writes.h"
#include "../core/frame_seal.h"
#include "../core/ring.h"

namespace {

constexpr uint32_t kBlockBytes = 4096;
constexpr uint64_t kForeverNs = UINT64_MAX;

void check(bool holds, const char* what, int line) {
  if (holds) return;
  std::printf("FAILED line %d: %s\n", line, what);
  std::exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

/** Small, seeded, and the same everywhere. */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<uint32_t>(state_ >> 16);
  }

 private:
  uint64_t state_;
};

struct Told final : keelson::FinishedWrites {
  void finished(uint32_t slot, int result) override {
    slots.push_back(slot);
    results.push_back(result);
  }
  std::vector<uint32_t> slots;
  std::vector<int> results;
};

/** Aligned memory, freed at the end of the scope. */
class Blocks {
 public:
  Blocks(uint32_t bytes, int fill) : bytes_(bytes) {
    CHECK(posix_memalign(&memory_, kBlockBytes, bytes) == 0);
    std::memset(memory_, fill, bytes);
  }
  ~Blocks() { std::free(memory_); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  uint8_t* data() { return static_cast<uint8_t*>(memory_); }
  uint32_t size() const { return bytes_; }

 private:
  void* memory_ = nullptr;
  uint32_t bytes_;
};

std::string make_file(const std::string& directory, const char* name) {
  const std::string path = directory + "/" + name;
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR, 0600);
  CHECK(fd >= 0);
  close(fd);
  return path;
}

std::vector<uint8_t> read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  struct stat facts;
  CHECK(fd >= 0 && fstat(fd, &facts) == 0);
  std::vector<uint8_t> bytes(static_cast<size_t>(facts.st_size));
  CHECK(read(fd, bytes.data(), bytes.size()) == facts.st_size);
  close(fd);
  return bytes;
}

int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

uint32_t crc_of(const char* text) {
  return ~keelson::crc32c_update(keelson::kCrc32cStart, reinterpret_cast<const uint8_t*>(text), std::strlen(text));
}

void crc_has_the_known_values() {
  CHECK(crc_of("123456789") == 0xe3069283u);
  CHECK(crc_of("") == 0u);
  std::vector<uint8_t> zeros(32, 0);
  CHECK(~keelson::crc32c_update(keelson::kCrc32cStart, zeros.data(), 32) == 0x8a9136aau);
}

void crc_by_the_cpu_is_that_by_tables() {
  Random random(1);
  std::vector<uint8_t> bytes(5000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  for (int round = 0; round < 2000; round++) {
    const size_t from = random.next() % 64;
    const size_t length = random.next() % (bytes.size() - from);
    const uint32_t start = random.next();
    CHECK(keelson::crc32c_update(start, bytes.data() + from, length) ==
          keelson::crc32c_update_portable(start, bytes.data() + from, length));
  }
}

void sealing_refuses_frames_that_do_not_fill_the_body() {
  // Exactly as long as the heap block, so that the sanitizer sees a byte too many.
  Random random(2);
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes(random.next() % 80);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next() % 40 == 0 ? random.next() : 0);
    keelson::seal_frames(bytes.data(), bytes.size(), random.next(), random.next());
  }
  std::vector<uint8_t> frame(12 + 5);
  frame[0] = 5;
  CHECK(keelson::seal_frames(frame.data(), frame.size(), 0, 1));
  frame[0] = 6;
  CHECK(!keelson::seal_frames(frame.data(), frame.size(), 0, 1));
  frame[3] = 0x10;
  CHECK(!keelson::seal_frames(frame.data(), frame.size(), 0, 1));
}

void a_write_is_in_the_file_when_it_is_finished(const std::string& directory) {
  const std::string path = make_file(directory, "write");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::DurableWrites writes(&ring);
  Blocks blocks(3 * kBlockBytes, 7);
  Told told;
  const int slot = writes.start(file.fd, blocks.data(), blocks.size(), kBlockBytes);
  CHECK(slot >= 0 && writes.under_way() == 1);
  CHECK(writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>{0} && writes.under_way() == 0);
  const std::vector<uint8_t> bytes = read_file(path);
  CHECK(bytes.size() == 4 * kBlockBytes && bytes[kBlockBytes] == 7 && bytes.back() == 7 && bytes[0] == 0);
  close(file.fd);
}

void more_writes_than_the_rings_hold_are_all_told_of_once(const std::string& directory) {
  constexpr int kWrites = 300;
  const std::string path = make_file(directory, "many");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  // Two entries: completions overflow at once, and come by way of the kernel's own list.
  CHECK(ring.open(2, 0) == 0);
  keelson::DurableWrites writes(&ring);
  Blocks blocks(kBlockBytes, 3);
  Told told;
  std::vector<int> slots;
  for (int at = 0; at < kWrites; at++) {
    const int slot = writes.start(file.fd, blocks.data(), kBlockBytes, static_cast<uint64_t>(at) * kBlockBytes);
    CHECK(slot >= 0);
    slots.push_back(slot);
  }
  for (const int slot : slots) CHECK(writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>(kWrites, 0));
  std::vector<bool> seen(kWrites, false);
  for (const uint32_t slot : told.slots) {
    CHECK(slot < kWrites && !seen[slot]);
    seen[slot] = true;
  }
  CHECK(read_file(path).size() == kWrites * kBlockBytes);
  close(file.fd);
}

/** As the event loop does it: nobody waits for one write, the eventfd says when to look. */
void completions_that_overflow_are_all_collected_by_who_is_woken(const std::string& directory) {
  constexpr int kWrites = 300;
  constexpr int kWakeUpMs = 30'000;
  const std::string path = make_file(directory, "overflow");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(2, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN) == 0);
  keelson::DurableWrites writes(&ring);
  Blocks blocks(kBlockBytes, 4);
  Told told;
  for (int at = 0; at < kWrites; at++) {
    CHECK(writes.start(file.fd, blocks.data(), kBlockBytes, static_cast<uint64_t>(at) * kBlockBytes) >= 0);
  }
  while (writes.under_way() > 0) {
    pollfd readable{ring.event_fd(), POLLIN, 0};
    CHECK(poll(&readable, 1, kWakeUpMs) == 1);
    ring.acknowledge_event();
    writes.collect(&told);
  }
  CHECK(told.results == std::vector<int>(kWrites, 0));
  close(file.fd);
}

void a_write_that_fails_is_told_with_its_errno(const std::string& directory) {
  const std::string path = make_file(directory, "failing");
  const int read_only = open(path.c_str(), O_RDONLY);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::DurableWrites writes(&ring);
  Blocks blocks(kBlockBytes, 1);
  Told told;
  const int slot = writes.start(read_only, blocks.data(), kBlockBytes, 0);
  CHECK(slot >= 0 && writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>{-EBADF});
  close(read_only);
}

/** `small` is a file system too small for the write: the write stops short, is continued, and fails for space. */
void a_short_write_is_continued_until_it_fails(const std::string& small) {
  constexpr uint32_t kTooMuch = 1024 * 1024;
  const std::string path = make_file(small, "short");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::DurableWrites writes(&ring);
  Blocks blocks(kTooMuch, 9);
  Told told;
  const int slot = writes.start(file.fd, blocks.data(), kTooMuch, 0);
  CHECK(slot >= 0 && writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>{-ENOSPC});
  const std::vector<uint8_t> bytes = read_file(path);
  CHECK(!bytes.empty() && bytes.size() < kTooMuch && bytes.back() == 9);
  close(file.fd);
}

void opening_and_closing_ten_thousand_rings_leaks_nothing() {
  const int before = open_descriptors();
  for (int round = 0; round < 10000; round++) {
    keelson::Ring ring;
    CHECK(ring.open(4, 0) == 0);
  }
  CHECK(open_descriptors() == before);
}

void a_ring_that_cannot_be_had_says_why_and_leaves_nothing() {
  const int before = open_descriptors();
  keelson::Ring ring;
  CHECK(ring.open(0, 0) == -EINVAL);
  CHECK(ring.open(8, 1u << 31) == -EINVAL);
  CHECK(!ring.is_open() && open_descriptors() == before);
}

void alignment_is_asked_from_the_file(const std::string& directory) {
  const std::string path = make_file(directory, "aligned");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  const bool has_the_flag = (fcntl(file.fd, F_GETFL) & O_DIRECT) != 0;
  CHECK(has_the_flag == file.is_direct);
  CHECK(file.offset_alignment >= 1 && (file.offset_alignment & (file.offset_alignment - 1)) == 0);
  close(file.fd);
  CHECK(keelson::open_for_durable_writes((directory + "/absent").c_str(), &file) == -ENOENT);
}

}  // namespace

/** core-test DIRECTORY [SMALL]: SMALL is a file system of a few hundred KiB */
int main(int count, char** arguments) {
  if (count < 2) return 2;
  const std::string directory = arguments[1];
  int passed = 0;
  const auto holds = [&passed](const char* name) {
    std::printf("holds: %s\n", name);
    passed++;
  };
  crc_has_the_known_values();
  holds("the CRC has the known values");
  crc_by_the_cpu_is_that_by_tables();
  holds("the CRC by the CPU is that by tables");
  sealing_refuses_frames_that_do_not_fill_the_body();
  holds("sealing refuses frames that do not fill the body");
  keelson::Ring probe;
  const int ring_error = probe.open(4, 0);
  probe.close();
  if (ring_error != 0) {
    std::printf("skipped: io_uring is denied here (errno %d)\n", -ring_error);
  } else {
    a_write_is_in_the_file_when_it_is_finished(directory);
    holds("a write is in the file when it is finished");
    more_writes_than_the_rings_hold_are_all_told_of_once(directory);
    holds("more writes than the rings hold are all told of, once");
    completions_that_overflow_are_all_collected_by_who_is_woken(directory);
    holds("completions that overflow are all collected by who is woken");
    a_write_that_fails_is_told_with_its_errno(directory);
    holds("a write that fails is told with its errno");
    opening_and_closing_ten_thousand_rings_leaks_nothing();
    holds("opening and closing ten thousand rings leaks nothing");
    a_ring_that_cannot_be_had_says_why_and_leaves_nothing();
    holds("a ring that cannot be had says why and leaves nothing");
    if (count > 2) {
      a_short_write_is_continued_until_it_fails(arguments[2]);
      holds("a short write is continued until it fails");
    } else {
      std::printf("skipped: no small file system was given\n");
    }
  }
  alignment_is_asked_from_the_file(directory);
  holds("alignment is asked from the file");
  std::printf("%d hold\n", passed);
  return 0;
}
