// The addon: connects JavaScript to the core. It checks arguments, pins memory, and polls the ring on the event loop
// of the thread that opened it. Each environment has one Engine. There are no globals and no locks. Only populate()
// uses another thread.
//
// Code that runs when a write completes, or when the environment ends, calls node_api.h directly. node-addon-api
// turns a failed call into a fatal error, and every call may fail in a worker that is being terminated.

#include <errno.h>
#include <napi.h>
#include <node_api.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <vector>

#include "core/crc32c.h"
#include "core/direct_file.h"
#include "core/frame_checksums.h"
#include "core/ring_writes.h"
#include "core/ring.h"

namespace {

/**
 * Entries of the ring. Each open log file has at most one write under way. With more files than the queues hold,
 * completions overflow, which the ring handles.
 */
constexpr unsigned kRingEntries = 64;
/**
 * No set-up flags. SINGLE_ISSUER, with COOP_TASKRUN or with DEFER_TASKRUN, made durable writes no faster: the disk
 * takes nearly all of the time.
 */
constexpr unsigned kSetupFlags = 0;
/** Limit of the wait, when the environment ends, for a disk that does not answer. */
constexpr uint64_t kTeardownWaitNs = 5'000'000'000;
constexpr uint64_t kForeverNs = UINT64_MAX;

/** State of one environment: its ring, the descriptors it has opened, and the memory that the kernel uses. */
class Engine final : public keelson::FinishedWrites {
 public:
  explicit Engine(napi_env env) : env_(env), writes_(&ring_) {}

  /** Opens the ring. Returns 0 or a negative errno. */
  int open(napi_value on_finished) {
    const int error = ring_.open(kRingEntries, kSetupFlags);
    if (error != 0) return error;
    uv_loop_t* loop = nullptr;
    int poll_error = -EINVAL;
    if (napi_get_uv_event_loop(env_, &loop) == napi_ok) poll_error = uv_poll_init(loop, &poll_, ring_.event_fd());
    if (poll_error != 0) {
      // Without this, the next attempt would fail because a ring is open.
      ring_.close();
      return poll_error;
    }
    poll_.data = this;
    is_polling_ = true;
    // The poll handle stays until the environment ends. Without it no completion would be seen.
    poll_error = uv_poll_start(&poll_, UV_READABLE, on_readable);
    uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
    if (poll_error != 0) return poll_error;
    napi_value name;
    napi_create_string_utf8(env_, "keelson", NAPI_AUTO_LENGTH, &name);
    napi_value resource;
    napi_create_object(env_, &resource);
    napi_async_init(env_, resource, name, &async_context_);
    napi_create_reference(env_, on_finished, 1, &on_finished_);
    return 0;
  }

  bool is_open() const { return ring_.is_open(); }
  int ring_fd() const { return ring_.fd(); }
  uint32_t under_way() const { return writes_.under_way(); }
  uint64_t retries() const { return writes_.retries(); }
  uint64_t pauses() const { return writes_.pauses(); }

  /**
   * Starts a write of `bytes`, which lie in the ArrayBuffer `owner`. Pins `owner` until the write is finished.
   * Returns the slot, or a negative errno.
   */
  int start(int fd, napi_value owner, const uint8_t* bytes, uint32_t length, uint64_t position) {
    napi_ref pin;
    if (napi_create_reference(env_, owner, 1, &pin) != napi_ok) return -ENOMEM;
    const int slot = writes_.start(fd, bytes, length, position);
    if (slot < 0) {
      napi_delete_reference(env_, pin);
      return slot;
    }
    if (pins_.size() <= static_cast<size_t>(slot)) pins_.resize(static_cast<size_t>(slot) + 1);
    pins_[static_cast<size_t>(slot)] = pin;
    if (writes_.under_way() == 1) uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));
    return slot;
  }

  /**
   * Blocks until the write is finished. Runs no JavaScript: a timeout of node:vm could stop that half-way, and a
   * result would be lost. The result is kept until mark_reported() is called or the event loop has reported it.
   */
  void drain(uint32_t slot) {
    if (!writes_.is_under_way(slot)) return;
    writes_.wait_for(slot, kForeverNs, this);
    if (!unreported_.empty()) ring_.raise_event();
  }

  /** Returns the result of a finished write that has not been reported; null if there is none. */
  const int* unreported(uint32_t slot) const {
    for (const Result& result : unreported_) {
      if (result.slot == slot) return &result.result;
    }
    return nullptr;
  }

  /** Marks the result of a write as reported, and frees its slot. */
  void mark_reported(uint32_t slot) {
    const auto is_of_slot = [slot](const Result& result) { return result.slot == slot; };
    const auto found = std::find_if(unreported_.begin(), unreported_.end(), is_of_slot);
    if (found == unreported_.end()) return;
    unreported_.erase(found);
    writes_.release(slot);
    unref_when_idle();
  }

  bool finished(uint32_t slot, int result) override {
    napi_delete_reference(env_, pins_[slot]);
    pins_[slot] = nullptr;
    if (is_ending_) return true;
    unreported_.push_back(Result{slot, result});
    return false;
  }

  void keep_fd(int fd) { fds_.push_back(fd); }

  /** Closes a descriptor that keep_fd() was called for. Returns false for any other. */
  bool close_fd(int fd) {
    const auto found = std::find(fds_.begin(), fds_.end(), fd);
    if (found == fds_.end()) return false;
    fds_.erase(found);
    ::close(fd);
    return true;
  }

  /** Runs when the environment ends. No JavaScript can run any more, but the kernel may still read memory of writes. */
  static void on_environment_end(napi_async_cleanup_hook_handle hook, void* data) {
    Engine* engine = static_cast<Engine*>(data);
    engine->cleanup_hook_ = hook;
    engine->end();
  }

  napi_async_cleanup_hook_handle cleanup_hook_ = nullptr;

 private:
  static void on_readable(uv_poll_t* poll, int, int) {
    Engine* engine = static_cast<Engine*>(poll->data);
    engine->ring_.acknowledge_event();
    napi_handle_scope scope;
    if (napi_open_handle_scope(engine->env_, &scope) != napi_ok) return;
    // Collected before anything is reported. The program may write in each report, and a small write finishes during the
    // report: a loop over both would keep the event loop for as long as the program writes.
    engine->writes_.collect(engine);
    // Some of these results a call has drained and not reported: it was stopped, or drained another file's write.
    while (!engine->unreported_.empty()) {
      const Result first = engine->unreported_.front();
      engine->unreported_.erase(engine->unreported_.begin());
      engine->unref_when_idle();
      engine->report(first.slot, first.result);
      engine->writes_.release(first.slot);
    }
    napi_close_handle_scope(engine->env_, scope);
  }

  /** Lets the process end while no write is under way or waits to be reported. */
  void unref_when_idle() {
    if (writes_.under_way() == 0 && unreported_.empty()) uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
  }

  /** Calls on_finished(slot, result) from the event loop. Promises and ticks that it queues run right after it. */
  void report(uint32_t slot, int result) {
    napi_value arguments[2];
    napi_value callback;
    napi_value receiver;
    if (napi_get_reference_value(env_, on_finished_, &callback) != napi_ok || callback == nullptr) return;
    if (napi_get_global(env_, &receiver) != napi_ok) return;
    if (napi_create_uint32(env_, slot, &arguments[0]) != napi_ok) return;
    if (napi_create_int32(env_, result, &arguments[1]) != napi_ok) return;
    napi_make_callback(env_, async_context_, receiver, callback, 2, arguments, nullptr);
    bool has_thrown = false;
    if (napi_is_exception_pending(env_, &has_thrown) != napi_ok || !has_thrown) return;
    napi_value error;
    if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
  }

  /** Waits for writes under way, for at most kTeardownWaitNs, and then releases everything. */
  void end() {
    is_ending_ = true;
    uint64_t left_ns = kTeardownWaitNs;
    for (uint32_t slot = 0; slot < pins_.size(); slot++) {
      if (!writes_.is_under_way(slot)) continue;
      const uint64_t before_ns = uv_hrtime();
      if (!writes_.wait_for(slot, left_ns, this)) give_up(slot);
      const uint64_t waited_ns = uv_hrtime() - before_ns;
      left_ns = waited_ns < left_ns ? left_ns - waited_ns : 0;
    }
    for (const int fd : fds_) ::close(fd);
    for (const napi_ref pin : pins_) {
      if (pin != nullptr) napi_delete_reference(env_, pin);
    }
    if (on_finished_ != nullptr) napi_delete_reference(env_, on_finished_);
    if (async_context_ != nullptr) napi_async_destroy(env_, async_context_);
    if (is_polling_) {
      uv_poll_stop(&poll_);
      uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
        static_cast<Engine*>(handle->data)->destroy();
      });
    } else {
      destroy();
    }
  }

  /**
   * Gives up a write, because the disk does not answer and V8 is about to free its memory. Cancels the write if the
   * kernel has not started it. Otherwise maps fresh pages over the whole pages of its memory. The kernel, which has
   * pinned the old pages for direct I/O, keeps them until the write ends, and what the process stores at these
   * addresses later does not reach the disk. A thread in an uninterruptible sleep in the kernel cannot end before the
   * disk answers.
   */
  void give_up(uint32_t slot) {
    ring_.cancel_all();
    writes_.collect(this);
    if (!writes_.is_under_way(slot)) return;
    const uintptr_t page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t start = reinterpret_cast<uintptr_t>(writes_.bytes_of(slot));
    const uintptr_t first_page = (start + page_bytes - 1) & ~(page_bytes - 1);
    const uintptr_t end_page = (start + writes_.length_of(slot)) & ~(page_bytes - 1);
    if (first_page >= end_page) return;
    mmap(reinterpret_cast<void*>(first_page), end_page - first_page, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }

  void destroy() {
    const napi_async_cleanup_hook_handle hook = cleanup_hook_;
    delete this;
    napi_remove_async_cleanup_hook(hook);
  }

  napi_env env_;
  keelson::Ring ring_;
  keelson::RingWrites writes_;
  uv_poll_t poll_{};
  bool is_polling_ = false;
  bool is_ending_ = false;
  struct Result {
    uint32_t slot;
    int result;
  };
  /** Results of finished writes, until they are reported. */
  std::vector<Result> unreported_;
  napi_async_context async_context_ = nullptr;
  napi_ref on_finished_ = nullptr;
  /** References that keep the memory of writes alive, by slot. */
  std::vector<napi_ref> pins_;
  std::vector<int> fds_;
};

Engine* engine_of(const Napi::CallbackInfo& info) {
  void* data = nullptr;
  napi_get_instance_data(info.Env(), &data);
  return static_cast<Engine*>(data);
}

Napi::Value throw_type_error(const Napi::CallbackInfo& info, const char* message) {
  Napi::TypeError::New(info.Env(), message).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

bool are_numbers(const Napi::CallbackInfo& info, size_t from, size_t to) {
  for (size_t at = from; at < to; at++) {
    if (!info[at].IsNumber()) return false;
  }
  return true;
}

/** openRing(onFinished: (slot, result) => void): Opens the ring. Returns 0 or a negative errno. */
Napi::Value open_ring(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) return throw_type_error(info, "openRing expects a function");
  Engine* engine = engine_of(info);
  if (engine->is_open()) return Napi::Number::New(info.Env(), -EALREADY);
  return Napi::Number::New(info.Env(), engine->open(info[0]));
}

/**
 * openFile(path): Opens a file for durable writes. Returns { fd, isDirect, memoryAlignment, offsetAlignment } or a
 * negative errno.
 */
Napi::Value open_file(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) return throw_type_error(info, "openFile expects a path");
  keelson::DirectFile file;
  const int error = keelson::open_for_durable_writes(info[0].As<Napi::String>().Utf8Value().c_str(), &file);
  if (error != 0) return Napi::Number::New(info.Env(), error);
  engine_of(info)->keep_fd(file.fd);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("fd", file.fd);
  result.Set("isDirect", file.is_direct);
  result.Set("memoryAlignment", file.memory_alignment);
  result.Set("offsetAlignment", file.offset_alignment);
  return result;
}

/** closeFile(fd): Closes a descriptor of openFile(). Returns false for any other descriptor. */
Napi::Value close_file(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 1)) return throw_type_error(info, "closeFile expects a descriptor");
  const bool was_ours = engine_of(info)->close_fd(info[0].As<Napi::Number>().Int32Value());
  return Napi::Boolean::New(info.Env(), was_ours);
}

/** reserve(fd, size): Reserves room for a file of that size. Returns 0 or a negative errno. */
Napi::Value reserve(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 2)) return throw_type_error(info, "reserve expects (fd, size)");
  const int64_t size = info[1].As<Napi::Number>().Int64Value();
  if (size <= 0) return throw_type_error(info, "reserve: no such size");
  const int result = keelson::reserve_room(info[0].As<Napi::Number>().Int32Value(), static_cast<uint64_t>(size));
  return Napi::Number::New(info.Env(), result);
}

/**
 * submit(fd, bytes, position, bodyOffset, bodyLength, startLsn, seed): Fills in the checksums of the frames and
 * starts a durable write. Returns its slot or a negative errno.
 */
Napi::Value submit(const Napi::CallbackInfo& info) {
  const bool has_bytes = info[1].IsTypedArray() && info[1].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
  if (!info[0].IsNumber() || !has_bytes || !are_numbers(info, 2, 7)) {
    return throw_type_error(info, "submit expects (fd, Uint8Array, position, bodyOffset, bodyLength, startLsn, seed)");
  }
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  const uint64_t body_offset = static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value());
  const uint64_t body_length = static_cast<uint64_t>(info[4].As<Napi::Number>().Int64Value());
  const uint64_t start_lsn = static_cast<uint64_t>(info[5].As<Napi::Number>().Int64Value());
  const uint32_t seed = info[6].As<Napi::Number>().Uint32Value();
  const int64_t position = info[2].As<Napi::Number>().Int64Value();
  if (position < 0 || bytes.ByteLength() == 0 || bytes.ByteLength() > INT32_MAX) {
    return throw_type_error(info, "submit: no such place or length");
  }
  if (body_offset > bytes.ByteLength() || body_length > bytes.ByteLength() - body_offset) {
    return throw_type_error(info, "submit: the frames do not lie in the bytes");
  }
  if (!keelson::checksum_frames(bytes.Data() + body_offset, body_length, start_lsn, seed)) {
    return throw_type_error(info, "submit: the frames do not fill the body");
  }
  Engine* engine = engine_of(info);
  if (!engine->is_open()) return Napi::Number::New(info.Env(), -EBADF);
  const int slot = engine->start(info[0].As<Napi::Number>().Int32Value(), bytes.ArrayBuffer(), bytes.Data(),
                                 static_cast<uint32_t>(bytes.ByteLength()), static_cast<uint64_t>(position));
  return Napi::Number::New(info.Env(), slot);
}

/** drain(slot): Blocks until the write is finished. result() returns its result until told() is called. */
Napi::Value drain(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 1)) return throw_type_error(info, "drain expects a slot");
  engine_of(info)->drain(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

/** result(slot): Returns 0 or a negative errno for a drained write that was not reported, and otherwise undefined. */
Napi::Value result(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 1)) return throw_type_error(info, "result expects a slot");
  const int* found = engine_of(info)->unreported(info[0].As<Napi::Number>().Uint32Value());
  return found == nullptr ? info.Env().Undefined() : Napi::Number::New(info.Env(), *found).As<Napi::Value>();
}

/**
 * told(slot): Marks a drained write as reported and frees its slot. Without this call the event loop reports the
 * write to onFinished.
 */
Napi::Value told(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 1)) return throw_type_error(info, "told expects a slot");
  engine_of(info)->mark_reported(info[0].As<Napi::Number>().Uint32Value());
  return info.Env().Undefined();
}

/**
 * alignedOffset(arrayBuffer, alignment): Returns the offset of the first byte whose address is a multiple of
 * `alignment`.
 */
Napi::Value aligned_offset(const Napi::CallbackInfo& info) {
  if (!info[0].IsArrayBuffer() || !are_numbers(info, 1, 2)) {
    return throw_type_error(info, "alignedOffset expects (ArrayBuffer, alignment)");
  }
  const uintptr_t start = reinterpret_cast<uintptr_t>(info[0].As<Napi::ArrayBuffer>().Data());
  const uintptr_t alignment = info[1].As<Napi::Number>().Uint32Value();
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    return throw_type_error(info, "alignedOffset expects a power of two");
  }
  return Napi::Number::New(info.Env(), static_cast<double>((alignment - start % alignment) % alignment));
}

/**
 * flock(fd, operation): Locks or unlocks a file without blocking. Returns 0 or a negative errno: -EWOULDBLOCK if
 * another descriptor holds the lock.
 */
Napi::Value lock_descriptor(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 2)) return throw_type_error(info, "flock expects (fd, operation)");
  const int operation = info[1].As<Napi::Number>().Int32Value();
  if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN) {
    return throw_type_error(info, "flock expects LOCK_SH, LOCK_EX or LOCK_UN");
  }
  const int result = flock(info[0].As<Napi::Number>().Int32Value(), operation | LOCK_NB);
  return Napi::Number::New(info.Env(), result == 0 ? 0 : -errno);
}

/**
 * checksumFrames(bytes, startLsn, seed): Fills in the checksums of the frames. Returns false if they do not fill
 * `bytes` exactly.
 */
Napi::Value checksum_frames(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || !are_numbers(info, 1, 3)) {
    return throw_type_error(info, "checksumFrames expects (Uint8Array, startLsn, seed)");
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const bool fits = keelson::checksum_frames(bytes.Data(), bytes.ByteLength(),
                                         static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()),
                                         info[2].As<Napi::Number>().Uint32Value());
  return Napi::Boolean::New(info.Env(), fits);
}

/** checksumsVerify(bytes, startLsn, seed): Returns true if frames fill `bytes` exactly and all checksums verify. */
Napi::Value checksums_verify(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || !are_numbers(info, 1, 3)) {
    return throw_type_error(info, "checksumsVerify expects (Uint8Array, startLsn, seed)");
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const bool verify = keelson::checksums_verify(bytes.Data(), bytes.ByteLength(),
                                                static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()),
                                                info[2].As<Napi::Number>().Uint32Value());
  return Napi::Boolean::New(info.Env(), verify);
}

/** Memory for which a thread of libuv's pool makes pages. The reference keeps the memory. */
struct Populating {
  napi_async_work work = nullptr;
  napi_ref bytes = nullptr;
  void* start = nullptr;
  size_t length = 0;
};

void make_pages(napi_env, void* data) {
  const auto* populating = static_cast<Populating*>(data);
#ifndef MADV_POPULATE_WRITE
  constexpr int MADV_POPULATE_WRITE = 23;
#endif
  // A failure means that the pages are made at the first write, as without this call.
  (void)madvise(populating->start, populating->length, MADV_POPULATE_WRITE);
}

void pages_made(napi_env env, napi_status, void* data) {
  auto* populating = static_cast<Populating*>(data);
  napi_delete_reference(env, populating->bytes);
  napi_delete_async_work(env, populating->work);
  delete populating;
}

/**
 * populate(bytes): Has another thread make the pages of this memory, which changes no contents. Without it, the first
 * write to each page waits for the page. Best effort.
 */
Napi::Value populate(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) return throw_type_error(info, "populate expects a Uint8Array");
  const napi_env env = info.Env();
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(bytes.Data());
  const uintptr_t start = (begin + page - 1) & ~(page - 1);
  const uintptr_t end = (begin + bytes.ByteLength()) & ~(page - 1);
  if (end <= start) return info.Env().Undefined();
  auto* populating = new Populating{nullptr, nullptr, reinterpret_cast<void*>(start), end - start};
  napi_value name = nullptr;
  const bool is_queued =
      napi_create_string_utf8(env, "keelson", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_reference(env, bytes, 1, &populating->bytes) == napi_ok &&
      napi_create_async_work(env, nullptr, name, make_pages, pages_made, populating, &populating->work) == napi_ok &&
      napi_queue_async_work(env, populating->work) == napi_ok;
  if (is_queued) return info.Env().Undefined();
  if (populating->work != nullptr) napi_delete_async_work(env, populating->work);
  if (populating->bytes != nullptr) napi_delete_reference(env, populating->bytes);
  delete populating;
  return info.Env().Undefined();
}

/** crc32cUpdate(register, bytes): Returns the register after `bytes`, a signed 32-bit number as in src/crc32c.ts. */
Napi::Value crc32c_update(const Napi::CallbackInfo& info) {
  if (!are_numbers(info, 0, 1) || !info[1].IsTypedArray()) {
    return throw_type_error(info, "crc32cUpdate expects (register, Uint8Array)");
  }
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  const uint32_t crc =
      keelson::crc32c_update(info[0].As<Napi::Number>().Uint32Value(), bytes.Data(), bytes.ByteLength());
  return Napi::Number::New(info.Env(), static_cast<int32_t>(crc));
}

/**
 * state(): Returns { ringFd, underWay, retries, pauses } of the ring of this thread. ringFd is -1 if there is no
 * ring.
 */
Napi::Value state(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("ringFd", engine_of(info)->ring_fd());
  result.Set("underWay", engine_of(info)->under_way());
  result.Set("retries", static_cast<double>(engine_of(info)->retries()));
  result.Set("pauses", static_cast<double>(engine_of(info)->pauses()));
  return result;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Engine* engine = new Engine(env);
  napi_set_instance_data(env, engine, nullptr, nullptr);
  napi_add_async_cleanup_hook(env, Engine::on_environment_end, engine, &engine->cleanup_hook_);
  exports.Set("openRing", Napi::Function::New(env, open_ring));
  exports.Set("openFile", Napi::Function::New(env, open_file));
  exports.Set("closeFile", Napi::Function::New(env, close_file));
  exports.Set("reserve", Napi::Function::New(env, reserve));
  exports.Set("submit", Napi::Function::New(env, submit));
  exports.Set("drain", Napi::Function::New(env, drain));
  exports.Set("result", Napi::Function::New(env, result));
  exports.Set("told", Napi::Function::New(env, told));
  exports.Set("alignedOffset", Napi::Function::New(env, aligned_offset));
  exports.Set("flock", Napi::Function::New(env, lock_descriptor));
  exports.Set("checksumFrames", Napi::Function::New(env, checksum_frames));
  exports.Set("checksumsVerify", Napi::Function::New(env, checksums_verify));
  exports.Set("populate", Napi::Function::New(env, populate));
  exports.Set("crc32cUpdate", Napi::Function::New(env, crc32c_update));
  exports.Set("state", Napi::Function::New(env, state));
  return exports;
}

}  // namespace

NODE_API_MODULE(keelson, initialize)
