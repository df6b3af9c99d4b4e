// Fills in or verifies the checksum of every frame of a commit. docs/FORMAT.md is the authority on the layout.
// src/storage/frame-checksums.ts writes the same bytes.

#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson {

/**
 * Fills in the checksums of the frames in bytes[0, length). The first frame starts at `start_lsn`. Returns false if
 * the frames do not fill `length` exactly: a fault of the caller, who must not write the bytes.
 */
bool checksum_frames(uint8_t* bytes, size_t length, uint64_t start_lsn, uint32_t seed);

/**
 * Returns true if the frames in bytes[0, length) fill it exactly and all their checksums verify. The first frame starts
 * at `start_lsn`.
 */
bool checksums_verify(const uint8_t* bytes, size_t length, uint64_t start_lsn, uint32_t seed);

}  // namespace keelson
