#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace keelson {
namespace {

constexpr uint32_t kPolynomialReflected = 0x82f63b78u;
constexpr size_t kSlices = 8;

using Tables = std::array<std::array<uint32_t, 256>, kSlices>;

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >> 1) ^ kPolynomialReflected : crc >> 1;
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; slice++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t previous = tables[slice - 1][byte];
      tables[slice][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

#if defined(__x86_64__)

/**
 * Bytes per lane. The crc32 instruction takes three cycles and can start every cycle, so three lanes are computed
 * side by side. shift_by_lane() combines them (after Mark Adler's crc32c.c).
 */
constexpr size_t kLaneBytes = 1024;

using ShiftTables = std::array<std::array<uint32_t, 256>, 4>;

/**
 * Tables for the effect of kLaneBytes zero bytes on a register. The effect is linear in the register's bits, so four
 * look-ups do, one for each byte of the register.
 */
constexpr ShiftTables make_shift_tables() {
  std::array<uint32_t, 32> of_bit{};
  for (int bit = 0; bit < 32; bit++) {
    uint32_t crc = 1u << bit;
    for (size_t zero = 0; zero < kLaneBytes; zero++) crc = (crc >> 8) ^ kTables[0][crc & 0xff];
    of_bit[static_cast<size_t>(bit)] = crc;
  }
  ShiftTables tables{};
  for (size_t position = 0; position < 4; position++) {
    for (size_t byte = 0; byte < 256; byte++) {
      uint32_t crc = 0;
      for (size_t bit = 0; bit < 8; bit++) crc ^= (byte >> bit & 1) ? of_bit[position * 8 + bit] : 0;
      tables[position][byte] = crc;
    }
  }
  return tables;
}

constexpr ShiftTables kShift = make_shift_tables();

uint32_t shift_by_lane(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][(crc >> 8) & 0xff] ^ kShift[2][(crc >> 16) & 0xff] ^ kShift[3][crc >> 24];
}

uint64_t word_at(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) uint32_t update_by_cpu(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (; length >= 3 * kLaneBytes; bytes += 3 * kLaneBytes, length -= 3 * kLaneBytes) {
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t at = 0; at < kLaneBytes; at += 8) {
      first = _mm_crc32_u64(first, word_at(bytes + at));
      second = _mm_crc32_u64(second, word_at(bytes + kLaneBytes + at));
      third = _mm_crc32_u64(third, word_at(bytes + 2 * kLaneBytes + at));
    }
    crc = shift_by_lane(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    crc = shift_by_lane(crc) ^ static_cast<uint32_t>(third);
  }
  uint64_t wide = crc;
  for (; length >= 8; bytes += 8, length -= 8) {
    wide = _mm_crc32_u64(wide, word_at(bytes));
  }
  crc = static_cast<uint32_t>(wide);
  for (; length > 0; bytes++, length--) crc = _mm_crc32_u8(crc, *bytes);
  return crc;
}

bool cpu_has_crc32c() { return __builtin_cpu_supports("sse4.2") != 0; }

#elif defined(__aarch64__)

__attribute__((target("+crc"))) uint32_t update_by_cpu(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    crc = __crc32cd(crc, word);
  }
  for (; length > 0; bytes++, length--) crc = __crc32cb(crc, *bytes);
  return crc;
}

bool cpu_has_crc32c() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

#else

uint32_t update_by_cpu(uint32_t crc, const uint8_t* bytes, size_t length) {
  return crc32c_update_portable(crc, bytes, length);
}

bool cpu_has_crc32c() { return false; }

#endif

const Update kUpdate = cpu_has_crc32c() ? update_by_cpu : crc32c_update_portable;

}  // namespace

uint32_t crc32c_update(uint32_t crc, const uint8_t* bytes, size_t length) { return kUpdate(crc, bytes, length); }

uint32_t crc32c_update_portable(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (; length >= kSlices; bytes += kSlices, length -= kSlices) {
    uint32_t low;
    uint32_t high;
    std::memcpy(&low, bytes, 4);
    std::memcpy(&high, bytes + 4, 4);
    low ^= crc;
    crc = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][(high >> 8) & 0xff] ^
          kTables[1][(high >> 16) & 0xff] ^ kTables[0][high >> 24];
  }
  for (; length > 0; bytes++, length--) crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes) & 0xff];
  return crc;
}

}  // namespace keelson
