// Compares the checksum by the CPU and by tables with one computed bit by bit, at every length, alignment and
// register, whole and in pieces. The memory ends with the bytes, so that the address sanitizer sees a read past them.

#include "../core/crc32c.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz.h"

namespace {

constexpr size_t kBytesMax = 70000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  const uint32_t start = input.u32();
  const size_t shift = input.u8() % 64;
  const size_t repeats_wanted = 1 + input.u8() % 64;
  const size_t cut = input.u16();
  const std::vector<uint8_t> unit = input.rest();

  const size_t repeats = unit.empty() ? 0 : std::min(repeats_wanted, kBytesMax / unit.size());
  const size_t length = unit.size() * repeats;
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[shift + length]);
  uint8_t* bytes = memory.get() + shift;
  for (size_t at = 0; at < repeats; at++) std::memcpy(bytes + at * unit.size(), unit.data(), unit.size());

  const uint32_t expected = crc_bit_by_bit(start, bytes, length);
  FUZZ_CHECK(keelson::crc32c_update(start, bytes, length) == expected);
  FUZZ_CHECK(keelson::crc32c_update_portable(start, bytes, length) == expected);
  const size_t first = cut % (length + 1);
  const uint32_t halfway = keelson::crc32c_update(start, bytes, first);
  FUZZ_CHECK(keelson::crc32c_update(halfway, bytes + first, length - first) == expected);
  return 0;
}
