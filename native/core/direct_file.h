// Opens a file for direct I/O, asks the system which alignment it needs, and reserves room for it.

#pragma once

#include <cstdint>

namespace keelson {

struct DirectFile {
  int fd;
  /** False where direct I/O is refused or unknown. Writes then go through the page cache, and are durable as well. */
  bool is_direct;
  /**
   * Alignment in bytes of a write's memory (memory_alignment), and of its length and position (offset_alignment). 1
   * without direct I/O.
   */
  uint32_t memory_alignment;
  uint32_t offset_alignment;
};

/** Opens an existing file for writing. Returns 0 or a negative errno. */
int open_for_durable_writes(const char* path, DirectFile* file);

/**
 * Reserves room on the disk for a file of `size` bytes, and gives the file that size. Bytes that were never written are
 * zeros. Returns 0 or a negative errno: -EOPNOTSUPP where the file system cannot.
 */
int reserve_room(int fd, uint64_t size);

}  // namespace keelson
