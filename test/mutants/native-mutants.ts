// Mutants of the C++: checksums, the ring and what becomes of its writes, and the glue that keeps memory and tells.

import type { Mutant } from './mutants.js';

/** Compiles the core itself, with sanitizers. */
const CORE = 'test/native/core.test.ts';
const PARITY = 'test/fuzz/native-parity.test.ts';
const IO_URING = 'test/storage/io-uring-storage.test.ts';
const TEARDOWN = 'test/native/teardown.test.ts';

export const nativeMutants: readonly Mutant[] = [
  {
    name: 'C++: the third lane of a checksum is put together as if it began where the second does',
    edits: [
      {
        file: 'native/core/crc32c.cc',
        find: 'crc = shift_by_lane(crc) ^ static_cast<uint32_t>(third);',
        replace: 'crc = crc ^ static_cast<uint32_t>(third);',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: the bytes after the last whole word are not in the checksum',
    edits: [
      {
        file: 'native/core/crc32c.cc',
        find: 'for (; length > 0; bytes++, length--) crc = _mm_crc32_u8(crc, *bytes);',
        replace: 'if (length == SIZE_MAX) crc = _mm_crc32_u8(crc, *bytes);',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: the tables of the portable checksum are taken in another order',
    edits: [
      {
        file: 'native/core/crc32c.cc',
        find: 'kTables[3][high & 0xff] ^ kTables[2][(high >> 8) & 0xff]',
        replace: 'kTables[2][high & 0xff] ^ kTables[3][(high >> 8) & 0xff]',
      },
    ],
    tests: [CORE],
  },
  {
    name: "C++: the journal's salt is not in the checksum of a frame",
    edits: [
      {
        file: 'native/core/frame_checksums.cc',
        find: 'uint32_t crc = crc32c_update(seed,',
        replace: 'static_cast<void>(seed);\n    uint32_t crc = crc32c_update(kCrc32cStart,',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: the LSN is not in the checksum of a frame',
    edits: [
      {
        file: 'native/core/frame_checksums.cc',
        find: 'uint32_t crc = crc32c_update(seed, reinterpret_cast<const uint8_t*>(&lsn), sizeof lsn);',
        replace: 'uint32_t crc = seed;',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: the checksum of every frame is over the LSN that it would have as the first',
    edits: [
      {
        file: 'native/core/frame_checksums.cc',
        find: 'lsn += kFrameOverheadBytes + record_bytes;',
        replace: 'lsn = start_lsn + kFrameOverheadBytes + record_bytes;',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: the length is not in the checksum of a frame',
    edits: [
      {
        file: 'native/core/frame_checksums.cc',
        find: 'crc = crc32c_update(crc, bytes + at, kChecksumAt);',
        replace: 'crc = crc32c_update(crc, bytes + at + 4, kChecksumAt - 4);',
      },
    ],
    tests: [PARITY, CORE],
  },
  {
    name: 'C++: a record that ends behind its body gets a checksum',
    edits: [
      {
        file: 'native/core/frame_checksums.cc',
        find: 'record_bytes > kRecordBytesMax || length - at - kFrameOverheadBytes < record_bytes',
        replace: 'record_bytes > kRecordBytesMax',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a completed write is not durable',
    edits: [{ file: 'native/core/ring.cc', find: 'sqe->rw_flags = RWF_DSYNC;', replace: '' }],
    tests: [CORE],
  },
  {
    name: 'C++: an entry that the kernel refused stays in the queue',
    edits: [
      {
        file: 'native/core/ring.cc',
        find: '  store_release(sq_tail_, tail);\n  return taken',
        replace: '  return taken',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a call that took nothing counts as a submission',
    edits: [
      {
        file: 'native/core/ring.cc',
        find: 'if (taken == 1) return 0;',
        replace: 'if (taken >= 0) return 0;',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: completions that overflow are never asked for',
    edits: [
      {
        file: 'native/core/ring.cc',
        find: '(load_acquire(sq_flags_) & IORING_SQ_CQ_OVERFLOW) != 0',
        replace: 'false',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: who is woken takes what is in the queue, and not what has overflowed behind it',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'while (has_taken && ring_->has_overflowed());',
        replace: 'while (has_taken && ring_ == nullptr);',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a short write counts as whole',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'if (write.done >= write.length) return finish(slot, 0, receiver);',
        replace: 'return finish(slot, 0, receiver);',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a short write is continued with the bytes it began with',
    edits: [{ file: 'native/core/ring_writes.cc', find: 'write.bytes + write.done', replace: 'write.bytes' }],
    tests: [CORE],
  },
  {
    name: 'C++: a short write is continued at the place it began at',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'write.position + write.done',
        replace: 'write.position',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: an interrupted write is a failure',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'return result == -EINTR || result == -EAGAIN',
        replace: 'return result == -EAGAIN',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a pause in which the thread waits for the kernel is not counted',
    edits: [{ file: 'native/core/ring_writes.cc', find: 'pauses_++;', replace: '' }],
    tests: [CORE],
  },
  {
    name: 'C++: a write that failed is handed over again',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: '} else if (!is_transient(result) || ++write.retries > kRetriesMax) {',
        replace:
          '} else if (++write.retries > 1 && (!is_transient(result) || write.retries > kRetriesMax)) {',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a write that failed is told of as done',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'return finish(slot, result, receiver);',
        replace: 'return finish(slot, 0, receiver);',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: a write that makes no progress is told of as done',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'return finish(slot, -EIO, receiver);',
        replace: 'return finish(slot, 0, receiver);',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: the rest of a short write that the kernel does not take is never told of',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: 'if (error != 0) finish(slot, error, receiver);',
        replace: 'static_cast<void>(error);',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: the slot of a short write is free before its rest is written',
    edits: [
      {
        file: 'native/core/ring_writes.cc',
        find: '    write.retries = 0;\n',
        replace: '    write.retries = 0;\n    if (write.done < write.length) free_.push_back(slot);\n',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: O_DIRECT is said and not asked for',
    edits: [
      {
        file: 'native/core/direct_file.cc',
        find: 'open_retrying(path, kFlags | O_DIRECT)',
        replace: 'open_retrying(path, kFlags)',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: no file is opened for direct I/O',
    edits: [
      {
        file: 'native/core/direct_file.cc',
        find: 'DirectFile{open_retrying(path, kFlags | O_DIRECT), true, 1, 1}',
        replace: 'DirectFile{-EINVAL, true, 1, 1}',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'C++: the alignment of memory is guessed',
    edits: [
      {
        file: 'native/core/direct_file.cc',
        find: 'file->memory_alignment = facts.stx_dio_mem_align;',
        replace: 'file->memory_alignment = 1;',
      },
    ],
    tests: [CORE],
  },
  {
    name: 'addon: the memory of a write is not pinned',
    edits: [
      {
        file: 'native/addon.cc',
        find: 'if (napi_create_reference(env_, owner, 1, &pin) != napi_ok)',
        replace: 'if (napi_create_reference(env_, owner, 0, &pin) != napi_ok)',
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'addon: who blocks for a write is not told of it',
    edits: [
      {
        file: 'native/addon.cc',
        find: '    unreported_.push_back(Result{slot, result});\n',
        replace: '',
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'addon: completions are looked for again after each report',
    edits: [
      {
        file: 'native/addon.cc',
        find: '      engine->writes_.release(first.slot);\n    }\n',
        replace:
          '      engine->writes_.release(first.slot);\n      engine->writes_.collect(engine);\n    }\n',
      },
    ],
    tests: ['test/kv/store-io-uring.test.ts'],
    filter: 'a turn between two commits',
  },
  {
    name: 'addon: the event loop is not told of what finished while somebody blocked',
    edits: [
      {
        file: 'native/addon.cc',
        find: 'while (!engine->unreported_.empty()) {',
        replace: 'while (false) {',
      },
    ],
    tests: [IO_URING],
  },
  {
    name: 'addon: an undurable write does not keep the process alive',
    edits: [
      {
        file: 'native/addon.cc',
        find: 'if (writes_.under_way() == 1) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));',
        replace: '',
      },
    ],
    tests: [TEARDOWN],
    filter: 'does not keep the process alive',
  },
  {
    name: 'addon: an environment ends without a wait for what is under way',
    edits: [
      {
        file: 'native/addon.cc',
        find: 'if (!writes_.is_under_way(slot)) continue;\n      const',
        replace: 'if (!is_ending_ || writes_.is_under_way(slot)) continue;\n      const',
      },
    ],
    tests: [TEARDOWN],
    filter: 'with a write under way, it waits for it|while it blocks for a write',
  },
];
