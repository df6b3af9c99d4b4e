#include "frame_checksums.h"

#include <cstring>

#include "crc32c.h"

namespace keelson {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is written as the CPU has it");

constexpr size_t kFrameOverheadBytes = 12;
constexpr size_t kChecksumAt = 8;
constexpr uint32_t kRecordBytesMax = (1u << 28) - 1;

/**
 * Calls visit(checksum, where it belongs) for each frame. Returns false if the frames do not fill `length` exactly, or
 * if visit() returns false.
 */
template <typename Byte, typename Visit>
bool for_each_checksum(Byte* bytes, size_t length, uint64_t start_lsn, uint32_t seed, Visit visit) {
  uint64_t lsn = start_lsn;
  size_t at = 0;
  while (at < length) {
    if (length - at < kFrameOverheadBytes) return false;
    uint32_t record_bytes;
    std::memcpy(&record_bytes, bytes + at, sizeof record_bytes);
    if (record_bytes > kRecordBytesMax || length - at - kFrameOverheadBytes < record_bytes) return false;
    lsn += kFrameOverheadBytes + record_bytes;
    uint32_t crc = crc32c_update(seed, reinterpret_cast<const uint8_t*>(&lsn), sizeof lsn);
    crc = crc32c_update(crc, bytes + at, kChecksumAt);
    crc = ~crc32c_update(crc, bytes + at + kFrameOverheadBytes, record_bytes);
    if (!visit(crc, bytes + at + kChecksumAt)) return false;
    at += kFrameOverheadBytes + record_bytes;
  }
  return true;
}

}  // namespace

bool checksum_frames(uint8_t* bytes, size_t length, uint64_t start_lsn, uint32_t seed) {
  return for_each_checksum(bytes, length, start_lsn, seed, [](uint32_t crc, uint8_t* place) {
    std::memcpy(place, &crc, sizeof crc);
    return true;
  });
}

bool checksums_verify(const uint8_t* bytes, size_t length, uint64_t start_lsn, uint32_t seed) {
  return for_each_checksum(bytes, length, start_lsn, seed, [](uint32_t crc, const uint8_t* place) {
    return std::memcmp(place, &crc, sizeof crc) == 0;
  });
}

}  // namespace keelson
