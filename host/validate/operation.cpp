#include "validate/operation.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "engine/registry/json_values.hpp"
#include "validate/check.hpp"

namespace gesso::validate {
namespace {

constexpr OperationContract kContracts[] = {
    {"denoiser", "denoise", "latents timestep text", "", "prediction", true},
    {"text_encoder", "encode", "token_ids", "", "text", true},
    {"image_encoder", "encode", "pixels", "", "features", true},
    {"codec", "encode", "pixels", "", "latents", true},
    {"codec", "decode", "latents", "", "pixels", true},
    {"composer", "compose", "", "", "text", false},
    {"preprocessor", "process", "pixels", "", "pixels", true},
    {"controller", "context", "", "image", "context", false},
    {"delta_generator", "encode", "pixels", "", "features", true},
    {"delta_generator", "generate", "features", "", "a b", false},
};

/// Extents of letters where the sample says nothing.
const std::map<std::string, int64_t>& usual_sizes() {
  static const std::map<std::string, int64_t> sizes{{"C", 16}, {"H", 32}, {"W", 32}, {"h", 4},
                                                    {"w", 4},  {"L", 5},  {"D", 8},  {"B", 1}};
  return sizes;
}

bool is_integer(DLDataType dtype) { return dtype.code == kDLInt || dtype.code == kDLUInt; }

DLDataType first_dtype(const gesso_port_t& port) {
  const std::string list = port.dtypes ? port.dtypes : "f32";
  const std::string first = list.substr(0, list.find('|'));
  if (first == "i64") return kI64;
  if (first == "i32") return kI32;
  if (first == "u8") return kU8;
  if (first == "bf16") return kBF16;
  return kF32;
}

float from_bf16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

double read(const char* at, DLDataType dtype) {
  const auto get = [&]<class T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  if (dtype.code == kDLFloat && dtype.bits == 32) return get(float{});
  if (dtype.code == kDLFloat && dtype.bits == 64) return get(double{});
  if (dtype.code == kDLBfloat) return from_bf16(get(uint16_t{}));
  if (dtype.code == kDLInt && dtype.bits == 64) return static_cast<double>(get(int64_t{}));
  if (dtype.code == kDLInt && dtype.bits == 32) return get(int32_t{});
  if (dtype.code == kDLUInt && dtype.bits == 8) return get(uint8_t{});
  fail("a tensor of type code {}, {} bits", dtype.code, dtype.bits);
}

void write(char* at, DLDataType dtype, double value) {
  const auto put = [&](auto typed) { std::memcpy(at, &typed, sizeof typed); };
  if (dtype.code == kDLFloat) return put(static_cast<float>(value));
  if (dtype.code == kDLInt && dtype.bits == 64) return put(static_cast<int64_t>(value));
  if (dtype.code == kDLInt) return put(static_cast<int32_t>(value));
  if (dtype.code == kDLUInt) return put(static_cast<uint8_t>(value));
  const auto typed = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &typed, sizeof bits);
  put(static_cast<uint16_t>(bits >> 16));
}

}  // namespace

std::vector<OperationContract> contracts_of(const std::string& kind) {
  std::vector<OperationContract> found;
  for (const OperationContract& contract : kContracts)
    if (kind == contract.kind) found.push_back(contract);
  return found;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> found;
  for (std::string word; stream >> word;) found.push_back(word);
  return found;
}

struct LentTensor::Block {
  gesso_tensor_t tensor{};
  std::vector<int64_t> shape, strides;
  std::vector<char> memory, before;
  int releases = 0;

  char* element(size_t index) {
    int64_t offset = 0;
    for (size_t i = shape.size(); i-- > 0;) {
      const auto extent = static_cast<size_t>(shape[i]);
      offset += static_cast<int64_t>(index % extent) * strides[i];
      index /= extent;
    }
    const DLTensor& t = tensor.dl_tensor;
    return static_cast<char*>(t.data) + t.byte_offset + offset * (t.dtype.bits / 8);
  }
};

LentTensor::LentTensor(DLDataType dtype, std::vector<int64_t> shape, Layout layout)
    : block_(std::make_unique<Block>()) {
  const int64_t step = layout == Layout::Strided ? 2 : 1;
  const size_t bytes = dtype.bits / 8;
  block_->shape = std::move(shape);
  block_->strides.resize(block_->shape.size());
  int64_t count = step;
  for (size_t i = block_->shape.size(); i-- > 0;) {
    block_->strides[i] = count;
    count *= block_->shape[i];
  }
  const size_t offset = layout == Layout::Strided ? 3 * bytes : 0;
  block_->memory.assign(offset + static_cast<size_t>(count) * bytes + 64, 0);
  block_->before = block_->memory;
  gesso_tensor_t& t = block_->tensor;
  t.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
  t.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  t.manager_ctx = block_.get();
  t.deleter = [](gesso_tensor_t* self) { ++static_cast<Block*>(self->manager_ctx)->releases; };
  t.dl_tensor = {block_->memory.data(),
                 {kDLCPU, 0},
                 static_cast<int32_t>(block_->shape.size()),
                 dtype,
                 block_->shape.data(),
                 block_->strides.data(),
                 offset};
}

LentTensor::~LentTensor() = default;
LentTensor::LentTensor(LentTensor&&) noexcept = default;
gesso_tensor_t* LentTensor::get() { return &block_->tensor; }
int LentTensor::releases() const { return block_->releases; }
size_t LentTensor::size() const { return static_cast<size_t>(count_of(block_->tensor.dl_tensor)); }
bool LentTensor::unchanged() const { return block_->memory == block_->before; }
void LentTensor::restore() { block_->memory = block_->before; }
double LentTensor::at(size_t element) const {
  return read(block_->element(element), block_->tensor.dl_tensor.dtype);
}
void LentTensor::set(size_t element, double value) {
  write(block_->element(element), block_->tensor.dl_tensor.dtype, value);
  block_->before = block_->memory;
}

std::vector<double> numbers(const DLTensor& t) {
  std::vector<double> found;
  const auto count = static_cast<size_t>(count_of(t));
  found.reserve(count);
  for (size_t n = 0; n < count; ++n) {
    int64_t offset = 0;
    size_t rest = n;
    for (int32_t i = t.ndim; i-- > 0;) {
      const auto extent = static_cast<size_t>(t.shape[i]);
      offset += static_cast<int64_t>(rest % extent) * t.strides[i];
      rest /= extent;
    }
    found.push_back(read(
        static_cast<const char*>(t.data) + t.byte_offset + offset * (t.dtype.bits / 8), t.dtype));
  }
  return found;
}

std::string difference(const Outcome& a, const Outcome& b) {
  if (a.status != b.status) return fmt::format("status {} and {} ({})", a.status, b.status, b.text);
  if (a.made.size() != b.made.size())
    return fmt::format("{} and {} tensors", a.made.size(), b.made.size());
  for (size_t i = 0; i < a.made.size(); ++i) {
    const DLTensor &x = a.made[i].tensor.dl(), &y = b.made[i].tensor.dl();
    if (!std::ranges::equal(shape_of(x), shape_of(y)))
      return fmt::format("shapes {} and {}", shape_text(shape_of(x)), shape_text(shape_of(y)));
    const std::vector<double> first = numbers(x), second = numbers(y);
    for (size_t n = 0; n < first.size(); ++n) {
      const bool same = first[n] == second[n] || (std::isnan(first[n]) && std::isnan(second[n]));
      if (!same) return fmt::format("tensor {}, element {}: {} and {}", i, n, first[n], second[n]);
    }
  }
  return "";
}

Operation::Operation(Subject& subject, const OperationContract& contract)
    : subject_(subject),
      contract_(contract),
      module_(subject.find<gesso_module_t>(GESSO_MODULE_ID)) {
  if (!module_) fail("it gives no \"{}\"", GESSO_MODULE_ID);
  for (uint32_t i = 0; i < module_->n_ops; ++i) {
    if (std::string(contract.operation) != module_->ops[i]->name) continue;
    op_ = module_->ops[i];
    place_ = i;
  }
  if (!op_) fail("it has no operation \"{}\"", contract.operation);
}

bool Operation::is_fed(const gesso_port_t& port) const {
  if (!(port.flags & GESSO_PORT_OPTIONAL)) return true;
  const auto usual = words(contract_.feed);
  const auto& more = subject_.sample().feed;
  const auto has = [&](const auto& list) {
    return std::ranges::find(list, port.name) != list.end();
  };
  return has(usual) || has(more);
}

std::vector<std::string> Operation::ports() const {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < op_->n_inputs; ++i)
    if (is_fed(*op_->inputs[i])) names.emplace_back(op_->inputs[i]->name);
  return names;
}

LentTensor& Operation::lent_at(const std::string& port, int32_t index) {
  for (size_t i = 0; i < items_.size(); ++i)
    if (port == op_->inputs[items_[i].port]->name && items_[i].index == index) return lent_[i];
  fail("nothing is fed to \"{}\"", port);
}

void Operation::feed(const Feeding& feeding) {
  lent_.clear();
  items_.clear();
  std::map<std::string, int64_t> sizes = subject_.sample().sizes;
  sizes.insert(usual_sizes().begin(), usual_sizes().end());
  sizes["B"] = feeding.items;
  for (const auto& [letter, extent] : feeding.sizes) sizes[letter] = extent;

  const auto add = [&](uint32_t place, int32_t index, int number) {
    const gesso_port_t& port = *op_->inputs[place];
    std::vector<int64_t> shape;
    for (const std::string& letter : words(port.dims ? port.dims : "")) {
      const bool digit = letter.find_first_not_of("0123456789") == std::string::npos;
      shape.push_back(digit ? std::stoll(letter) : sizes.contains(letter) ? sizes[letter] : 4);
    }
    DLDataType dtype = first_dtype(port);
    if (feeding.wrong_rank == port.name) shape.insert(shape.begin(), 1);
    if (feeding.wrong_dtype == port.name) dtype = is_integer(dtype) ? kF32 : kI64;
    LentTensor tensor(dtype, std::move(shape), feeding.layout);
    const double seed = 0.3 * number + place;
    for (size_t n = 0; n < tensor.size(); ++n) {
      const double wave = std::sin(seed + 0.37 * static_cast<double>(n));
      double value = is_integer(dtype) ? std::floor(4 + 3 * wave) : wave;
      if (std::string(port.name) == "timestep") value = 400 + 100 * (feeding.first + double(n));
      tensor.set(n, value);
    }
    if (feeding.shapes_only) tensor.get()->dl_tensor.data = nullptr;
    lent_.push_back(std::move(tensor));
    items_.push_back({place, index, lent_.back().get()});
  };
  for (uint32_t place = 0; place < op_->n_inputs; ++place) {
    const gesso_port_t& port = *op_->inputs[place];
    if (!is_fed(port) || feeding.leave_out == port.name) continue;
    if (port.flags & (GESSO_PORT_PER_ITEM | GESSO_PORT_LIST)) {
      const int count = port.flags & GESSO_PORT_LIST ? 1 : feeding.items;
      for (int i = 0; i < count; ++i) add(place, i, feeding.first + i);
    } else {
      add(place, -1, feeding.first);
    }
  }
  values_ = registry::values_from_json(subject_.sample().run_values);
  if (std::string(contract_.operation) == "compose" && feeding.leave_out != "prompt") {
    values_.set_texts("prompt", {"a red apple"});
  }
  if (std::string(contract_.operation) == "context") {
    values_.set_integer("height", sizes["H"]).set_integer("width", sizes["W"]);
  }
}

gesso_run_t Operation::raw(const gesso_sink_t* sink) {
  bundle_ = {sizeof bundle_, static_cast<uint32_t>(items_.size()), items_.data()};
  return {sizeof(gesso_run_t), place_, &bundle_, sink, values_.data(), values_.size(), nullptr, 0};
}

Outcome Operation::run(Trial& trial, gesso_status_t accept_with) {
  struct Collector {
    Outcome outcome;
    gesso_status_t answer;
  } collector{{}, accept_with};
  const gesso_sink_t sink{
      sizeof sink, 0, &collector,
      [](const gesso_sink_t* s, uint32_t port, int32_t index, gesso_tensor_t* tensor) {
        auto& to = *static_cast<Collector*>(s->data);
        to.outcome.made.push_back({port, index, Tensor(tensor)});
        return to.answer;
      }};
  for (LentTensor& tensor : lent_) tensor.restore();
  const gesso_run_t run = raw(&sink);
  collector.outcome.status = module_->run(subject_.self(), trial.get(), &run);
  collector.outcome.text = trial.text();
  return std::move(collector.outcome);
}

Outcome Operation::run() {
  Trial trial;
  return run(trial);
}

}  // namespace gesso::validate
