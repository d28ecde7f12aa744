// Messages of the child process of a plugin: their fields, and the structs that methods make of
// them.
#include <array>
#include <cstring>

#include "input.hpp"
#include "isolation/method.hpp"
#include "mutate.hpp"

namespace {

using namespace gesso::isolation;
using gesso::Error;
using gesso::Status;

constexpr uint64_t kSharedBytes = 4096;

/// Tensors as the host makes them of the child's shared memory.
struct Copies : TensorSource {
  std::array<std::byte, kSharedBytes> shared{};
  gesso::Tensor tensor(const TensorField& field) override {
    if (field.where != Where::Shared) throw Error(Status::BadData, "not in shared memory");
    gesso::Tensor copy = gesso::Tensor::empty(field.dtype, field.shape);
    if (field.bytes > 0) std::memcpy(copy.dl().data, shared.data() + field.place, field.bytes);
    return copy;
  }
};

struct Elsewhere : TensorTarget {
  void place(const DLTensor&, TensorField& field) override { field.where = Where::Shared; }
};

/// Reads a struct, and all that it points to by writing it again.
template <class T>
void read(const Message& message) {
  Pool pool;
  Copies copies;
  Reader in(message, pool, copies);
  T value{};
  if constexpr (requires { value.struct_size; }) value.struct_size = sizeof value;
  fields(in, value);
  in.end();
  Elsewhere target;
  Writer out(Kind::Reply, 0, target);
  fields(out, value);
}

/// What a plugin says of its failures is passed on as it is, whatever its bytes are.
void read_status(const Message& message) {
  Pool pool;
  Copies copies;
  Reader in(message, pool, copies);
  try {
    check_status(in);
  } catch (const Error&) {
    return;
  }
  in.end();
}

constexpr void (*kReads[])(const Message&) = {
    read_status,
    read<gesso_component_desc_t>,
    read<gesso_op_t>,
    read<gesso_estimate_t>,
    read<gesso_delta_t>,
    read<gesso_weight_view_t>,
    read<gesso_weight_request_t>,
    read<gesso_run_t>,
    read<gesso_setup_t>,
    read<gesso_schedule_request_t>,
    read<gesso_eval_t>,
    read<gesso_named_tensor_t>,
    read<DLTensor>,
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gesso::fuzz::expect_no_more_than_an_error([&] {
    const Message message = parse(std::as_bytes(std::span(data, size)), kSharedBytes);
    kReads[message.method % std::size(kReads)](message);
  });
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  // Makes the header say how much follows it.
  const auto repair = [](uint8_t* bytes, size_t count) {
    if (count < sizeof(Header)) return;
    Header header;
    std::memcpy(&header, bytes, sizeof header);
    header.magic = kMagic;
    header.version = kVersion;
    header.bytes = static_cast<uint32_t>(count - sizeof header);
    std::memcpy(bytes, &header, sizeof header);
  };
  return gesso::fuzz::mutate(data, size, max_size, seed, repair);
}
