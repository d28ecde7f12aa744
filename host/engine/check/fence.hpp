// Copies of what the other side gave; memory with a fence behind it, so that whoever writes too far
// is found.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "gesso/status.h"

namespace gesso::checking {

/// As far as its writer filled it; the rest is 0.
template <class Struct>
Struct copy_of(const Struct& from) {
  Struct to{};
  std::memcpy(&to, &from, std::min<size_t>(from.struct_size, sizeof to));
  to.struct_size = std::min<uint32_t>(from.struct_size, sizeof to);
  return to;
}

class Fence {
 public:
  /// A copy of `bytes` bytes, which may be none.
  Fence(const void* from, size_t bytes) : bytes_(bytes), memory_(bytes + kBehind, kFill) {
    if (bytes > 0) std::memcpy(memory_.data(), from, bytes);
  }
  void* data() { return memory_.data(); }
  bool is_whole() const {
    return std::all_of(memory_.begin() + static_cast<std::ptrdiff_t>(bytes_), memory_.end(),
                       [](unsigned char byte) { return byte == kFill; });
  }

 private:
  static constexpr size_t kBehind = 64;
  static constexpr unsigned char kFill = 0xA5;
  size_t bytes_;
  std::vector<unsigned char> memory_;
};

/// An error whose text has a fence behind it.
class FencedError {
 public:
  explicit FencedError(gesso_error_t* to)
      : to_(to), text_(to ? to->text : nullptr, to && to->text ? to->capacity : 0) {
    if (!to_) return;
    own_ = copy_of(*to_);
    if (to_->text) own_.text = static_cast<char*>(text_.data());
  }
  FencedError(const FencedError&) = delete;
  FencedError& operator=(const FencedError&) = delete;
  gesso_error_t* get() { return to_ ? &own_ : nullptr; }
  /// Hands it to the caller. False: more was written than there was room for.
  bool finish() {
    if (!to_) return true;
    if (to_->text) std::memcpy(to_->text, text_.data(), to_->capacity);
    to_->status = own_.status;
    to_->length = own_.length;
    return text_.is_whole();
  }

 private:
  gesso_error_t* to_;
  Fence text_;
  gesso_error_t own_{};
};

}  // namespace gesso::checking
