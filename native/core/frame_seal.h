// Sealing: filling in the checksum of every frame of a commit, in place. docs/FORMAT.md is the authority;
// src/storage/frame-seal.ts produces the same bytes.

#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson {

/**
 * Seals the frames in bytes[0, length), the first of which starts at `start_lsn`. False when the frames do not fill
 * `length` exactly: then the caller's arithmetic is broken, and nothing must be written.
 */
bool seal_frames(uint8_t* bytes, size_t length, uint64_t start_lsn, uint32_t seed);

}  // namespace keelson
