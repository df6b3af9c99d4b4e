// Opening a file for direct I/O, and asking it what alignment that needs. Never guessed.

#pragma once

#include <cstdint>

namespace keelson {

struct DirectFile {
  int fd;
  /** False where the file system refuses O_DIRECT: then writes go through the page cache, durable all the same. */
  bool is_direct;
  /** What a write's memory, and its length and position, must be multiples of. 1 where it is not direct. */
  uint32_t memory_alignment;
  uint32_t offset_alignment;
};

/** Opens an existing file for writing. Returns 0 or a negative errno. */
int open_for_durable_writes(const char* path, DirectFile* file);

}  // namespace keelson
