// Parts that the fuzz targets share: an input that never ends early, a check, and a checksum too simple to be wrong.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define FUZZ_CHECK(condition)                                                     \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                               \
    }                                                                             \
  } while (false)

/** Numbers from the fuzzer's bytes. Past the end all bytes are zero. */
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  size_t left() const { return static_cast<size_t>(end_ - at_); }

  uint8_t u8() { return at_ == end_ ? 0 : *at_++; }

  uint16_t u16() {
    const uint16_t low = u8();
    return static_cast<uint16_t>(low | u8() << 8);
  }

  uint32_t u32() {
    const uint32_t low = u16();
    return low | static_cast<uint32_t>(u16()) << 16;
  }

  uint64_t u64() {
    const uint64_t low = u32();
    return low | static_cast<uint64_t>(u32()) << 32;
  }

  std::vector<uint8_t> rest() {
    const std::vector<uint8_t> bytes(at_, end_);
    at_ = end_;
    return bytes;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

/**
 * Returns the CRC-32C register after `length` bytes, computed bit by bit as RFC 3720 defines it, without the final
 * inversion.
 */
inline uint32_t crc_bit_by_bit(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (size_t at = 0; at < length; at++) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return crc;
}
