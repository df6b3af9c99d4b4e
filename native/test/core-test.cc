// Tests of the core, without Node. test/native/core.test.ts compiles them with the address and undefined-behaviour
// sanitizers and runs them. Each test prints its name. The first failure ends the program.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../core/crc32c.h"
#include "../core/direct_file.h"
#include "../core/ring_writes.h"
#include "../core/frame_checksums.h"
#include "../core/ring.h"
#include "scripted-kernel.h"

namespace {

constexpr uint32_t kBlockBytes = 4096;
constexpr uint64_t kForeverNs = UINT64_MAX;
/** Time limit, so that a write that is never reported fails the test and does not hang it. */
constexpr uint64_t kLongNs = 10'000'000'000;

void check(bool holds, const char* what, int line) {
  if (holds) return;
  std::printf("FAILED line %d: %s\n", line, what);
  std::exit(1);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

/** A small seeded generator that gives the same numbers everywhere. */
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
  bool finished(uint32_t slot, int result) override {
    slots.push_back(slot);
    results.push_back(result);
    return true;
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

void checksumming_refuses_frames_that_do_not_fill_the_body() {
  // The heap block ends with the bytes, so that the sanitizer sees an access past them.
  Random random(2);
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes(random.next() % 80);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next() % 40 == 0 ? random.next() : 0);
    keelson::checksum_frames(bytes.data(), bytes.size(), random.next(), random.next());
  }
  std::vector<uint8_t> frame(12 + 5);
  frame[0] = 5;
  CHECK(keelson::checksum_frames(frame.data(), frame.size(), 0, 1));
  frame[0] = 6;
  CHECK(!keelson::checksum_frames(frame.data(), frame.size(), 0, 1));
  frame[3] = 0x10;
  CHECK(!keelson::checksum_frames(frame.data(), frame.size(), 0, 1));
}

/** Returns the register after these bytes, computed bit by bit without code of the core. */
uint32_t crc_bitwise(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (size_t at = 0; at < length; at++) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
  }
  return crc;
}

/**
 * The checksum covers what docs/FORMAT.md says: the seed, the LSN after the frame, its first eight bytes, its record.
 */
void every_checksum_covers_seed_lsn_header_and_record() {
  constexpr uint64_t kStartLsn = 0x1'2345'6789;
  constexpr uint32_t kSeed = 0xdeadbeefu;
  const std::vector<uint32_t> lengths{5, 0, 4000, 300};
  Random random(3);
  std::vector<uint8_t> bytes;
  for (const uint32_t length : lengths) {
    bytes.insert(bytes.end(), reinterpret_cast<const uint8_t*>(&length), reinterpret_cast<const uint8_t*>(&length + 1));
    for (uint32_t at = 0; at < 8 + length; at++) bytes.push_back(static_cast<uint8_t>(random.next()));
  }
  CHECK(!keelson::checksums_verify(bytes.data(), bytes.size(), kStartLsn, kSeed));
  CHECK(keelson::checksum_frames(bytes.data(), bytes.size(), kStartLsn, kSeed));
  CHECK(keelson::checksums_verify(bytes.data(), bytes.size(), kStartLsn, kSeed));
  CHECK(!keelson::checksums_verify(bytes.data(), bytes.size() - 1, kStartLsn, kSeed));
  CHECK(!keelson::checksums_verify(bytes.data(), bytes.size(), kStartLsn + 1, kSeed));
  CHECK(!keelson::checksums_verify(bytes.data(), bytes.size(), kStartLsn, kSeed + 1));
  size_t at = 0;
  for (const uint32_t length : lengths) {
    const uint64_t lsn = kStartLsn + at + 12 + length;
    uint32_t crc = crc_bitwise(kSeed, reinterpret_cast<const uint8_t*>(&lsn), sizeof lsn);
    crc = crc_bitwise(crc, bytes.data() + at, 8);
    crc = ~crc_bitwise(crc, bytes.data() + at + 12, length);
    CHECK(std::memcmp(bytes.data() + at + 8, &crc, sizeof crc) == 0);
    at += 12 + length;
  }
}

void a_write_is_in_the_file_when_it_is_finished(const std::string& directory) {
  const std::string path = make_file(directory, "write");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::RingWrites writes(&ring);
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

void reserved_room_gives_the_file_its_size(const std::string& directory) {
  const std::string path = make_file(directory, "reserved");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  const int reserved = keelson::reserve_room(file.fd, 4 * kBlockBytes);
  // Not every file system can.
  CHECK(reserved == 0 || reserved == -EOPNOTSUPP);
  CHECK(read_file(path).size() == (reserved == 0 ? 4 * kBlockBytes : 0));
  CHECK(keelson::reserve_room(-1, kBlockBytes) == -EBADF);
  close(file.fd);
}

void more_writes_than_the_rings_hold_are_all_told_of_once(const std::string& directory) {
  constexpr int kWrites = 300;
  const std::string path = make_file(directory, "many");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  // With two entries the completions overflow at once, and come through the kernel's own list.
  CHECK(ring.open(2, 0) == 0);
  keelson::RingWrites writes(&ring);
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

/** The kernel may or may not wake a waiter for overflowed completions, so one collect() must take all of them. */
void one_look_collects_all_that_has_overflowed(const std::string& directory) {
  constexpr uint32_t kWrites = 100;
  const std::string path = make_file(directory, "look");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(2, 0) == 0);
  keelson::RingWrites writes(&ring);
  Blocks blocks(kBlockBytes, 6);
  Told told;
  for (uint32_t at = 0; at < kWrites; at++) {
    // The write has ended when start() returns.
    kernel.answers = {complete(-EIO)};
    CHECK(writes.start(file.fd, blocks.data(), kBlockBytes, 0) >= 0);
  }
  writes.collect(&told);
  CHECK(told.slots.size() == kWrites && writes.under_way() == 0);
  close(file.fd);
}

/** Waits like the event loop: for the eventfd, and for no particular write. */
void completions_that_overflow_are_all_collected_by_who_is_woken(const std::string& directory) {
  constexpr int kWrites = 300;
  constexpr int kWakeUpMs = 30'000;
  const std::string path = make_file(directory, "overflow");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(2, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN) == 0);
  keelson::RingWrites writes(&ring);
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
  keelson::RingWrites writes(&ring);
  Blocks blocks(kBlockBytes, 1);
  Told told;
  const int slot = writes.start(read_only, blocks.data(), kBlockBytes, 0);
  CHECK(slot >= 0 && writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>{-EBADF});
  close(read_only);
}

/** `small` is a file system too small for the write: the write is short, is continued, and fails for lack of space. */
void a_short_write_is_continued_until_it_fails(const std::string& small) {
  constexpr uint32_t kTooMuch = 1024 * 1024;
  const std::string path = make_file(small, "short");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::RingWrites writes(&ring);
  Blocks blocks(kTooMuch, 9);
  Told told;
  const int slot = writes.start(file.fd, blocks.data(), kTooMuch, 0);
  CHECK(slot >= 0 && writes.wait_for(static_cast<uint32_t>(slot), kForeverNs, &told));
  CHECK(told.results == std::vector<int>{-ENOSPC});
  const std::vector<uint8_t> bytes = read_file(path);
  CHECK(!bytes.empty() && bytes.size() < kTooMuch && bytes.back() == 9);
  close(file.fd);
}

/** Outcome of a write of three blocks with different bytes, behind an empty block. */
struct Attempt {
  int started;
  std::vector<int> results;
  std::vector<io_uring_sqe> entries;
  std::vector<uint8_t> in_file;
  std::vector<uint8_t> wanted;
  uint64_t address;
  uint64_t retries;
  uint64_t pauses;
};

Attempt attempt(const std::string& directory, std::deque<Answer> answers) {
  const std::string path = make_file(directory, "scripted");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::RingWrites writes(&ring);
  Blocks blocks(3 * kBlockBytes, 0);
  for (uint32_t at = 0; at < blocks.size(); at++) blocks.data()[at] = static_cast<uint8_t>(1 + at / kBlockBytes);
  kernel.answers = std::move(answers);
  kernel.entries.clear();
  Told told;
  const int slot = writes.start(file.fd, blocks.data(), blocks.size(), kBlockBytes);
  if (slot >= 0) CHECK(writes.wait_for(static_cast<uint32_t>(slot), kLongNs, &told));
  CHECK(writes.under_way() == 0 && kernel.answers.empty());
  close(file.fd);
  std::vector<uint8_t> wanted(kBlockBytes, 0);
  wanted.insert(wanted.end(), blocks.data(), blocks.data() + blocks.size());
  const auto address = reinterpret_cast<uint64_t>(blocks.data());
  return {slot,   told.results, kernel.entries,   read_file(path),
          wanted, address,      writes.retries(), writes.pauses()};
}

void an_entry_asks_for_a_durable_write(const std::string& directory) {
  const Attempt made = attempt(directory, {});
  CHECK(made.results == std::vector<int>{0} && made.entries.size() == 1);
  const io_uring_sqe& entry = made.entries[0];
  CHECK(entry.opcode == IORING_OP_WRITE && entry.rw_flags == RWF_DSYNC);
  CHECK(entry.addr == made.address && entry.len == 3 * kBlockBytes && entry.off == kBlockBytes);
}

void a_short_write_is_continued_where_it_stopped(const std::string& directory) {
  const Attempt made = attempt(directory, {shorten(kBlockBytes), shorten(kBlockBytes)});
  CHECK(made.results == std::vector<int>{0} && made.entries.size() == 3);
  for (uint32_t at = 0; at < 3; at++) {
    const io_uring_sqe& entry = made.entries[at];
    CHECK(entry.opcode == IORING_OP_WRITE && entry.rw_flags == RWF_DSYNC);
    CHECK(entry.addr == made.address + at * kBlockBytes && entry.off == (1 + at) * kBlockBytes);
    CHECK(entry.len == (3 - at) * kBlockBytes);
  }
  CHECK(made.in_file == made.wanted);
}

void what_is_interrupted_is_tried_again(const std::string& directory) {
  const std::vector<std::deque<Answer>> scripts{
      {complete(-EINTR)},
      {complete(-EAGAIN), complete(-EBUSY)},
      {refuse(EINTR)},
      {refuse(EAGAIN), refuse(EBUSY), refuse(0)},
      {shorten(kBlockBytes), complete(-EINTR), refuse(EBUSY), shorten(kBlockBytes), refuse(EINTR)},
  };
  for (const std::deque<Answer>& script : scripts) {
    const Attempt made = attempt(directory, script);
    CHECK(made.results == std::vector<int>{0});
    CHECK(made.entries.size() == script.size() + 1 && made.in_file == made.wanted);
  }
}

void what_the_kernel_refuses_for_now_is_counted(const std::string& directory) {
  const Attempt smooth = attempt(directory, {shorten(kBlockBytes)});
  CHECK(smooth.retries == 0 && smooth.pauses == 0);
  const Attempt brief = attempt(directory, {refuse(EAGAIN), complete(-EINTR), refuse(EBUSY)});
  CHECK(brief.results == std::vector<int>{0} && brief.retries == 3 && brief.pauses == 0);
  // After a hundred refusals in a row there is a pause before each attempt.
  const Attempt longer = attempt(directory, std::deque<Answer>(103, refuse(EAGAIN)));
  CHECK(longer.results == std::vector<int>{0} && longer.retries == 103 && longer.pauses == 3);
}

void what_fails_is_told_once_and_never_tried_again(const std::string& directory) {
  for (const int error : {-EIO, -ENOSPC, -EDQUOT, -EROFS}) {
    const Attempt made = attempt(directory, {complete(error)});
    CHECK(made.results == std::vector<int>{error} && made.entries.size() == 1);
    const Attempt continued = attempt(directory, {shorten(kBlockBytes), complete(error)});
    CHECK(continued.results == std::vector<int>{error} && continued.entries.size() == 2);
  }
  const Attempt refused = attempt(directory, {shorten(kBlockBytes), refuse(EIO)});
  CHECK(refused.results == std::vector<int>{-EIO} && refused.entries.size() == 2);
  const Attempt without_progress = attempt(directory, {shorten(kBlockBytes), complete(0)});
  CHECK(without_progress.results == std::vector<int>{-EIO} && without_progress.entries.size() == 2);
  constexpr size_t kTriesMax = 1001;
  const Attempt endless = attempt(directory, std::deque<Answer>(kTriesMax, complete(-EAGAIN)));
  CHECK(endless.results == std::vector<int>{-EAGAIN} && endless.entries.size() == kTriesMax);
}

/**
 * If the entry stayed in the queue, the next submission would submit it too, and mistake its completion for its own.
 */
void an_entry_that_was_refused_is_never_carried_out(const std::string& directory) {
  const std::string path = make_file(directory, "refused");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::RingWrites writes(&ring);
  Blocks refused(kBlockBytes, 1);
  Blocks accepted(kBlockBytes, 2);
  Told told;
  kernel.answers = {refuse(EIO)};
  CHECK(writes.start(file.fd, refused.data(), kBlockBytes, 0) == -EIO && writes.under_way() == 0);
  const int slot = writes.start(file.fd, accepted.data(), kBlockBytes, kBlockBytes);
  CHECK(slot >= 0 && writes.wait_for(static_cast<uint32_t>(slot), kLongNs, &told));
  const std::vector<uint8_t> bytes = read_file(path);
  CHECK(bytes.size() == 2 * kBlockBytes && bytes[0] == 0 && bytes.back() == 2);
  close(file.fd);
}

void a_slot_is_of_one_write_at_a_time(const std::string& directory) {
  const std::string path = make_file(directory, "slots");
  keelson::DirectFile file;
  CHECK(keelson::open_for_durable_writes(path.c_str(), &file) == 0);
  keelson::Ring ring;
  CHECK(ring.open(8, 0) == 0);
  keelson::RingWrites writes(&ring);
  Blocks blocks(2 * kBlockBytes, 5);
  Told told;
  kernel.answers = {shorten(kBlockBytes)};
  const int first = writes.start(file.fd, blocks.data(), blocks.size(), 0);
  CHECK(first >= 0 && writes.wait_for(static_cast<uint32_t>(first), kLongNs, &told));
  const int second = writes.start(file.fd, blocks.data(), kBlockBytes, 0);
  const int third = writes.start(file.fd, blocks.data(), kBlockBytes, kBlockBytes);
  CHECK(second >= 0 && third >= 0 && second != third && writes.under_way() == 2);
  for (const int slot : {second, third}) CHECK(writes.wait_for(static_cast<uint32_t>(slot), kLongNs, &told));
  CHECK(told.results == std::vector<int>(3, 0) && writes.under_way() == 0);
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
#ifdef STATX_DIOALIGN
  struct statx facts {};
  CHECK(statx(file.fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0);
  if ((facts.stx_mask & STATX_DIOALIGN) != 0 && facts.stx_dio_offset_align != 0) {
    CHECK(file.is_direct);
    CHECK(file.memory_alignment == facts.stx_dio_mem_align && file.offset_alignment == facts.stx_dio_offset_align);
  }
#endif
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
  checksumming_refuses_frames_that_do_not_fill_the_body();
  holds("checksumming refuses frames that do not fill the body");
  every_checksum_covers_seed_lsn_header_and_record();
  holds("every checksum covers seed, LSN, header and record");
  reserved_room_gives_the_file_its_size(directory);
  holds("reserved room gives the file its size");
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
    one_look_collects_all_that_has_overflowed(directory);
    holds("one look collects all that has overflowed");
    completions_that_overflow_are_all_collected_by_who_is_woken(directory);
    holds("completions that overflow are all collected by who is woken");
    a_write_that_fails_is_told_with_its_errno(directory);
    holds("a write that fails is told with its errno");
    an_entry_asks_for_a_durable_write(directory);
    holds("an entry asks for a durable write");
    a_short_write_is_continued_where_it_stopped(directory);
    holds("a short write is continued where it stopped");
    what_is_interrupted_is_tried_again(directory);
    holds("what is interrupted is tried again");
    what_the_kernel_refuses_for_now_is_counted(directory);
    holds("what the kernel refuses for now is counted");
    what_fails_is_told_once_and_never_tried_again(directory);
    holds("what fails is told once and never tried again");
    an_entry_that_was_refused_is_never_carried_out(directory);
    holds("an entry that was refused is never carried out");
    a_slot_is_of_one_write_at_a_time(directory);
    holds("a slot is of one write at a time");
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
