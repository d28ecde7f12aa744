// Reader of the safetensors format: 8 bytes with the length of the header, a JSON header, the data.
// The format demands that the tensors cover the data without gap or overlap, and so do we.
#include "engine/base/excerpt.hpp"
#include "engine/weights/weight_file.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

namespace gesso::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is mapped, not decoded");

constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr size_t kMaxName = 4096;
constexpr size_t kMaxRank = 16;

/// Turns the JSON header into tensors while it is parsed; stops at the first claim that is wrong.
/// Depth: 1 in the header, 2 in one tensor or in `__metadata__`, 3 in its `shape` or
/// `data_offsets`.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& path, WeightFile& file) : path_(path), file_(file) {}

  bool start_object(std::size_t) override {
    if (list_ || depth_ == 2) fail("an object where a value must be");
    if (++depth_ == 2) {
      seen_.clear();
      tensor_ = TensorInfo{};
      tensor_.name = entry_;
    }
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2 && entry_ != "__metadata__") finish_tensor();
    return true;
  }

  bool key(string_t& name) override {
    if (depth_ == 1) {
      if (name.size() > kMaxName) fail("a tensor name of more than 4096 bytes");
      if (!entries_.insert(name).second) fail(fmt::format("the name \"{}\" twice", name));
      entry_ = name;
    } else {
      field_ = name;
      if (entry_ != "__metadata__" && field_ != "dtype" && field_ != "shape" &&
          field_ != "data_offsets") {
        fail(fmt::format("the unknown field \"{}\"", name));
      }
      if (!seen_.insert(name).second) fail(fmt::format("the field \"{}\" twice", name));
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (list_ || depth_ != 2 || entry_ == "__metadata__" || field_ == "dtype") {
      fail("a list where a value must be");
    }
    list_ = field_ == "shape" ? &tensor_.shape : &offsets_;
    list_->clear();
    return true;
  }

  bool end_array() override {
    list_ = nullptr;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (!list_) fail("a number where text or a list must be");
    if (value > INT64_MAX) fail(fmt::format("the number {}, which is beyond 63 bits", value));
    if (list_->size() >= kMaxRank) fail("a list of more than 16 numbers");
    list_->push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& text) override {
    if (list_ || depth_ != 2) fail("text where a number or an object must be");
    if (entry_ == "__metadata__") {
      file_.metadata[field_] = text;
    } else if (field_ != "dtype") {
      fail(fmt::format("text as \"{}\"", field_));
    } else if (const auto dtype = dtype_from_name(text); dtype && !is_quantised(*dtype)) {
      tensor_.dtype = *dtype;
    } else {
      throw Error(Status::NotSupported, fmt::format("{}: tensor \"{}\" has element type \"{}\", "
                                                    "which Gesso does not know",
                                                    path_, entry_, base::excerpt(text, 40)));
    }
    return true;
  }

  bool number_integer(number_integer_t value) override {
    fail(fmt::format("the negative number {}", value));
  }
  bool number_float(number_float_t, const string_t& text) override {
    fail(fmt::format("the number {}, which is not whole", base::excerpt(text, 40)));
  }
  bool null() override { fail("null"); }
  bool boolean(bool) override { fail("a truth value"); }
  bool binary(binary_t&) override { fail("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    throw Error(Status::BadData, fmt::format("{}: the header is no valid JSON at byte {}: {}",
                                             path_, position, base::clean(error.what())));
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw Error(Status::BadData,
                fmt::format("{}: the header has {} at \"{}\"; is this a safetensors "
                            "file?",
                            path_, found, base::excerpt(entry_, 100)));
  }

  void finish_tensor() {
    if (seen_.size() != 3) fail("no dtype, shape or data_offsets");
    if (offsets_.size() != 2 || offsets_[0] > offsets_[1]) {
      fail("data_offsets that are not [begin, end]");
    }
    tensor_.offset = static_cast<uint64_t>(offsets_[0]);
    tensor_.size_bytes = static_cast<uint64_t>(offsets_[1] - offsets_[0]);
    const auto size = byte_size(tensor_.dtype, tensor_.shape);
    if (!size || static_cast<uint64_t>(*size) != tensor_.size_bytes) {
      fail(fmt::format("{} bytes for {} elements of type {}", tensor_.size_bytes,
                       shape_text(tensor_.shape), name_of(tensor_.dtype)));
    }
    file_.tensors.push_back(std::move(tensor_));
  }

  const std::string& path_;
  WeightFile& file_;
  int depth_ = 0;
  std::set<std::string> entries_, seen_;
  std::string entry_, field_;
  TensorInfo tensor_;
  std::vector<int64_t> offsets_;
  std::vector<int64_t>* list_ = nullptr;
};

/// Gaps, overlaps and data beyond the end; then offsets count from the start of the file.
void place_tensors(WeightFile& file, const std::string& path, uint64_t data_start,
                   uint64_t data_size) {
  std::vector<TensorInfo*> order;
  for (TensorInfo& tensor : file.tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return std::pair(a->offset, a->size_bytes) < std::pair(b->offset, b->size_bytes);
  });
  uint64_t end = 0;
  for (TensorInfo* tensor : order) {
    const uint64_t tensor_end = tensor->offset + tensor->size_bytes;
    if (tensor_end > data_size) {
      throw Error(
          Status::BadData,
          fmt::format("{}: tensor \"{}\" ends at byte {} of the data, but the file has only "
                      "{}; was its download interrupted?",
                      path, tensor->name, tensor_end, data_size));
    }
    if (tensor->offset != end) {
      throw Error(
          Status::BadData,
          fmt::format("{}: tensor \"{}\" begins at byte {} of the data, expected {}: tensors "
                      "must not {}",
                      path, tensor->name, tensor->offset, end,
                      tensor->offset < end ? "overlap" : "leave gaps"));
    }
    end = tensor_end;
    tensor->offset += data_start;
  }
  if (end != data_size) {
    throw Error(Status::BadData, fmt::format("{}: {} bytes follow the last tensor, expected none",
                                             path, data_size - end));
  }
}

}  // namespace

WeightFile read_safetensors(std::shared_ptr<const base::MappedFile> mapping) {
  const auto bytes = mapping->bytes();
  const std::string path = mapping->path().string();
  uint64_t length = 0;
  if (bytes.size() < sizeof length) {
    throw Error(Status::BadData, fmt::format("{}: has {} bytes, too short for a safetensors file",
                                             path, bytes.size()));
  }
  std::memcpy(&length, bytes.data(), sizeof length);
  const uint64_t rest = bytes.size() - sizeof length;
  if (length > kMaxHeader || length > rest) {
    throw Error(
        Status::BadData,
        fmt::format(
            "{}: claims a header of {} bytes, but {}; {}", path, length,
            length > kMaxHeader ? "100000000 is the limit" : fmt::format("only {} follow", rest),
            length > kMaxHeader ? "is this a safetensors file?" : "was its download interrupted?"));
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof length, length);
  if (!json.starts_with('{')) {
    throw Error(Status::BadData, fmt::format("{}: the header does not begin with {{; is this a "
                                             "safetensors file?",
                                             path));
  }
  WeightFile file{mapping, "safetensors", {}, {}};
  HeaderReader reader(path, file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  place_tensors(file, path, sizeof length + length, rest - length);
  return file;
}

}  // namespace gesso::weights
