// CRC-32C, with the instruction of the CPU if it has one, and otherwise with tables. The choice is made at run time.
// Registers have no final inversion, as in src/crc32c.ts. Both implementations give the same results bit for bit.

#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson {

inline constexpr uint32_t kCrc32cStart = 0xffffffffu;

/** Returns the register after `length` bytes, given the register before them. */
uint32_t crc32c_update(uint32_t crc, const uint8_t* bytes, size_t length);

/** Returns the register after `length` bytes, always computed with tables. For comparison. */
uint32_t crc32c_update_portable(uint32_t crc, const uint8_t* bytes, size_t length);

}  // namespace keelson
