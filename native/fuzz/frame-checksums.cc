// Fills in the checksums of arbitrary bytes and of well-formed frames, and compares the result with a simple
// implementation of the format. Frames that fill the body exactly get the right checksums; all other bodies are
// refused; no other byte changes. The memory ends with the body, so that the address sanitizer sees any access past
// it.

#include "../core/frame_checksums.h"

#include <cstring>
#include <vector>

#include "fuzz.h"

namespace {

constexpr size_t kFrameBytes = 12;
constexpr size_t kChecksumAt = 8;
constexpr uint32_t kRecordBytesMax = (1u << 28) - 1;
/** Longer than the three lanes of the checksum together. */
constexpr uint32_t kLongRecordBytes = 8192;

/**
 * Collects the offset of each frame, up to the first place without one. Returns true if the frames fill the body
 * exactly.
 */
bool frames_of(const std::vector<uint8_t>& body, std::vector<size_t>& starts) {
  size_t at = 0;
  while (at < body.size()) {
    if (body.size() - at < kFrameBytes) return false;
    uint32_t length;
    std::memcpy(&length, &body[at], 4);
    if (length > kRecordBytesMax || length > body.size() - at - kFrameBytes) return false;
    starts.push_back(at);
    at += kFrameBytes + length;
  }
  return true;
}

/**
 * Builds frames with the lengths that the input gives, in one or two bytes each, so that most inputs give a valid
 * body.
 */
std::vector<uint8_t> framed(FuzzInput& input) {
  std::vector<uint8_t> body;
  while (input.left() > 0) {
    const uint32_t length = input.u8() % 8 == 0 ? input.u16() % kLongRecordBytes : input.u8();
    const size_t at = body.size();
    body.resize(at + kFrameBytes + length);
    std::memcpy(&body[at], &length, 4);
    for (size_t byte = 0; byte < length; byte++) body[at + kFrameBytes + byte] = input.u8();
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  const bool is_framed = input.u8() % 2 == 0;
  const uint64_t start_lsn = input.u64();
  const uint32_t seed = input.u32();
  const std::vector<uint8_t> body = is_framed ? framed(input) : input.rest();

  std::vector<uint8_t> filled = body;
  const bool is_filled = keelson::checksum_frames(filled.data(), filled.size(), start_lsn, seed);
  std::vector<size_t> starts;
  const bool is_whole = frames_of(body, starts);
  FUZZ_CHECK(is_filled == is_whole);
  FUZZ_CHECK(!is_framed || is_whole);

  std::vector<uint8_t> expected = body;
  uint64_t lsn = start_lsn;
  for (const size_t at : starts) {
    uint32_t length;
    std::memcpy(&length, &body[at], 4);
    lsn += kFrameBytes + length;
    uint32_t crc = crc_bit_by_bit(seed, reinterpret_cast<const uint8_t*>(&lsn), sizeof lsn);
    crc = crc_bit_by_bit(crc, &body[at], kChecksumAt);
    crc = ~crc_bit_by_bit(crc, body.data() + at + kFrameBytes, length);
    std::memcpy(&expected[at + kChecksumAt], &crc, sizeof crc);
  }
  // Holds for a refused body as well: the frames before the place of the refusal may have their checksums.
  FUZZ_CHECK(filled == expected);
  return 0;
}
