// CRC-32C by the CPU's own instruction where it has one, found out at run time; by tables otherwise.
// The register goes in and out un-inverted, as in src/crc32c.ts, whose results these are bit for bit.

#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson {

inline constexpr uint32_t kCrc32cStart = 0xffffffffu;

/** The register after `length` bytes, from the register before them. */
uint32_t crc32c_update(uint32_t crc, const uint8_t* bytes, size_t length);

/** The same by tables, whatever the CPU can: for comparing. */
uint32_t crc32c_update_portable(uint32_t crc, const uint8_t* bytes, size_t length);

/** True when crc32c_update() uses an instruction of the CPU. */
bool crc32c_is_accelerated();

}  // namespace keelson
