// The protocol between a host and the child process of a plugin: messages over a socket, tensors in
// shared memory. Everything that is read from the other side is checked in message.cpp.
//
// A message is a header and fields; a field is a tag of one byte and
//   'i'  8 bytes, an integer           'r'  8 bytes, a double
//   'b'  4 bytes length, so many bytes, 'n'  nothing: a null pointer
//   't'  a tensor: code, bits (1 byte each), lanes (2), where (1), rank (1), place (8), bytes (8),
//        file (4), and rank extents of 8 bytes; contiguous
// All numbers are little endian. Nothing is skipped: a message has exactly the fields that its
// method describes (tables.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "gesso/tensor.h"

namespace gesso::isolation {

inline constexpr uint32_t kMagic = 0x4f535347;  // "GSSO"
inline constexpr uint16_t kVersion = 1;
inline constexpr uint32_t kMostBytes = 64u << 20;  // of a message
inline constexpr uint32_t kMostFields = 1u << 20;
inline constexpr uint64_t kMostTensorBytes = uint64_t{4} << 30;
inline constexpr int32_t kMostDims = 16;

enum class Kind : uint16_t {
  Call = 1,    // answered by a reply; the answerer may call back before
  Notice = 2,  // not answered
  Reply = 3,   // of the newest call that is open
};

struct Header {
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  Kind kind{};
  uint32_t method = 0;  // number of a method; 0 in a reply
  uint32_t bytes = 0;   // of the fields behind it
};
static_assert(sizeof(Header) == 16);

/// Where the bytes of a tensor are.
enum class Where : uint8_t {
  Nowhere = 0,  // a shape without data
  Shared = 1,   // `place` in the sender's shared memory
  File = 2,     // `place` in file number `file` of those that the host has sent
  Block = 3,    // `place` in the memory that came with this message
};

struct TensorField {
  DLDataType dtype{};
  Where where{};
  uint64_t place = 0, bytes = 0;
  uint32_t file = 0;
  std::vector<int64_t> shape;
};

struct Null {};
using Bytes = std::span<const std::byte>;
using Field = std::variant<Null, int64_t, double, Bytes, TensorField>;

struct Message {
  Kind kind{};
  uint32_t method = 0;
  std::vector<Field> fields;  // Bytes point into what was parsed
};

/// The header alone, so that the reader knows how much follows.
/// @throws Error  BadData saying what was expected and found
Header parse_header(std::span<const std::byte> bytes);

/// A whole message, header included. Tensors fit their types and shapes, and those in shared memory
/// lie below `shared_bytes`.
/// @throws Error  BadData saying what was expected and found; nothing else, whatever the bytes are
Message parse(std::span<const std::byte> bytes, uint64_t shared_bytes);

/// Bytes of a contiguous tensor. @throws Error  BadData for shapes and types that cannot be
uint64_t tensor_bytes(DLDataType dtype, std::span<const int64_t> shape);

/// A message under construction.
class Builder {
 public:
  Builder(Kind kind, uint32_t method);
  void add(int64_t value);
  void add(double value);
  void add(Bytes bytes);
  void add(Null);
  void add(const TensorField& tensor);
  /// The fields of another one.
  void append(const Builder& other);
  /// The finished bytes. @throws Error  NotSupported when it is longer than kMostBytes
  std::span<const std::byte> bytes();

 private:
  void tag(char name) { bytes_.push_back(static_cast<std::byte>(name)); }
  template <class T>
  void raw(const T& value);
  std::vector<std::byte> bytes_;
};

}  // namespace gesso::isolation
