#include "isolation/message.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "gesso/cpp/error.hpp"

namespace gesso::isolation {
namespace {

static_assert(std::endian::native == std::endian::little);

[[noreturn]] void bad(const std::string& text) {
  throw Error(Status::BadData, "a message of the other process is damaged: " + text);
}

/// Takes from the front, never beyond the end.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_(bytes) {}
  bool at_end() const { return left_.empty(); }
  std::span<const std::byte> take(uint64_t count) {
    if (count > left_.size())
      bad(fmt::format("expected {} bytes more, found {}", count, left_.size()));
    const auto taken = left_.first(static_cast<size_t>(count));
    left_ = left_.subspan(static_cast<size_t>(count));
    return taken;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

 private:
  std::span<const std::byte> left_;
};

TensorField read_tensor(Cursor& cursor, uint64_t shared_bytes) {
  TensorField tensor;
  tensor.dtype.code = cursor.number<uint8_t>();
  tensor.dtype.bits = cursor.number<uint8_t>();
  tensor.dtype.lanes = cursor.number<uint16_t>();
  const auto where = cursor.number<uint8_t>();
  const auto rank = cursor.number<uint8_t>();
  if (where > static_cast<uint8_t>(Where::Block)) bad(fmt::format("no place {} of tensors", where));
  if (rank > kMostDims)
    bad(fmt::format("a tensor of rank {}, expected {} at most", rank, kMostDims));
  tensor.where = static_cast<Where>(where);
  tensor.place = cursor.number<uint64_t>();
  tensor.bytes = cursor.number<uint64_t>();
  tensor.file = cursor.number<uint32_t>();
  for (uint8_t i = 0; i < rank; ++i) tensor.shape.push_back(cursor.number<int64_t>());
  const uint64_t expected = tensor_bytes(tensor.dtype, tensor.shape);
  if (tensor.where != Where::Nowhere && tensor.bytes != expected)
    bad(fmt::format("a tensor of {} bytes, its shape and type make {}", tensor.bytes, expected));
  if (tensor.where == Where::Shared &&
      (tensor.place > shared_bytes || tensor.bytes > shared_bytes - tensor.place))
    bad(fmt::format("a tensor of {} bytes at {}, the shared memory has {}", tensor.bytes,
                    tensor.place, shared_bytes));
  return tensor;
}

Field read_field(Cursor& cursor, uint64_t shared_bytes) {
  const auto tag = static_cast<char>(cursor.number<uint8_t>());
  switch (tag) {
    case 'n':
      return Null{};
    case 'i':
      return cursor.number<int64_t>();
    case 'r':
      return cursor.number<double>();
    case 'b':
      return cursor.take(cursor.number<uint32_t>());
    case 't':
      return read_tensor(cursor, shared_bytes);
    default:
      bad(fmt::format("no field is called {}", static_cast<unsigned>(tag)));
  }
}

}  // namespace

uint64_t tensor_bytes(DLDataType dtype, std::span<const int64_t> shape) {
  const uint64_t bits = uint64_t{dtype.bits} * dtype.lanes;
  if (bits == 0 || bits % 8 != 0 || bits > 1024)
    bad(fmt::format("a type of {} bits and {} lanes", dtype.bits, dtype.lanes));
  uint64_t bytes = bits / 8;
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) bad(fmt::format("an extent of {}", extent));
    if (extent == 0) {
      empty = true;
      continue;
    }
    if (static_cast<uint64_t>(extent) > kMostTensorBytes / bytes) bad("a tensor that is too large");
    bytes *= static_cast<uint64_t>(extent);
  }
  return empty ? 0 : bytes;
}

Header parse_header(std::span<const std::byte> bytes) {
  Cursor cursor(bytes);
  Header header;
  header.magic = cursor.number<uint32_t>();
  header.version = cursor.number<uint16_t>();
  const auto kind = cursor.number<uint16_t>();
  header.method = cursor.number<uint32_t>();
  header.bytes = cursor.number<uint32_t>();
  if (header.magic != kMagic) bad(fmt::format("it begins with {:08x}", header.magic));
  if (header.version != kVersion)
    bad(fmt::format("version {}, expected {}; are both of one release?", header.version, kVersion));
  if (kind < 1 || kind > 3) bad(fmt::format("no kind {}", kind));
  if (header.bytes > kMostBytes)
    bad(fmt::format("{} bytes, expected {} at most", header.bytes, kMostBytes));
  header.kind = static_cast<Kind>(kind);
  return header;
}

Message parse(std::span<const std::byte> bytes, uint64_t shared_bytes) {
  const Header header = parse_header(bytes);
  const auto body = bytes.subspan(sizeof(Header));
  if (body.size() != header.bytes)
    bad(fmt::format("expected {} bytes of fields, found {}", header.bytes, body.size()));
  Message message{header.kind, header.method, {}};
  for (Cursor cursor(body); !cursor.at_end();) {
    if (message.fields.size() == kMostFields) bad("more fields than a message may have");
    message.fields.push_back(read_field(cursor, shared_bytes));
  }
  return message;
}

Builder::Builder(Kind kind, uint32_t method) {
  Header header;
  header.kind = kind;
  header.method = method;
  raw(header);
}

template <class T>
void Builder::raw(const T& value) {
  const size_t at = bytes_.size();
  bytes_.resize(at + sizeof value);
  std::memcpy(bytes_.data() + at, &value, sizeof value);
}

void Builder::add(int64_t value) {
  tag('i');
  raw(value);
}

void Builder::add(double value) {
  tag('r');
  raw(value);
}

void Builder::add(Bytes bytes) {
  if (bytes.size() > kMostBytes) throw Error(Status::NotSupported, "a list that is too long");
  tag('b');
  raw(static_cast<uint32_t>(bytes.size()));
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void Builder::add(Null) { tag('n'); }

void Builder::add(const TensorField& tensor) {
  tag('t');
  raw(tensor.dtype.code);
  raw(tensor.dtype.bits);
  raw(tensor.dtype.lanes);
  raw(static_cast<uint8_t>(tensor.where));
  raw(static_cast<uint8_t>(tensor.shape.size()));
  raw(tensor.place);
  raw(tensor.bytes);
  raw(tensor.file);
  for (const int64_t extent : tensor.shape) raw(extent);
}

void Builder::append(const Builder& other) {
  bytes_.insert(bytes_.end(), other.bytes_.begin() + sizeof(Header), other.bytes_.end());
}

std::span<const std::byte> Builder::bytes() {
  const size_t fields = bytes_.size() - sizeof(Header);
  if (fields > kMostBytes)
    throw Error(
        Status::NotSupported,
        fmt::format("a call of {} bytes; a child process takes {} at most", fields, kMostBytes));
  const auto size = static_cast<uint32_t>(fields);
  std::memcpy(bytes_.data() + offsetof(Header, bytes), &size, sizeof size);
  return bytes_;
}

}  // namespace gesso::isolation
