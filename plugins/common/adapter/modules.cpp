#include "adapter/modules.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace gesso::adapter {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw Error(Status::BadData, text); }

/// The value of a tensor with one element.
double number_of(const DLTensor& t, const std::string& key) {
  if (count_of(t) != 1) refuse(key + ": expected one number, found " + shape_text(shape_of(t)));
  const void* data = static_cast<const char*>(t.data) + t.byte_offset;
  if (same_type(t.dtype, kF32)) return elements<const float>(t)[0];
  if (same_type(t.dtype, kBF16)) {
    uint16_t bits = 0;
    std::memcpy(&bits, data, sizeof(bits));
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
  if (same_type(t.dtype, kI64)) return static_cast<double>(elements<const int64_t>(t)[0]);
  if (same_type(t.dtype, {kDLFloat, 64, 1})) return elements<const double>(t)[0];
  if (same_type(t.dtype, {kDLFloat, 16, 1})) {
    uint16_t bits = 0;
    std::memcpy(&bits, data, sizeof(bits));
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double sign = bits >> 15 ? -1 : 1;
    if (exponent == 31) return std::nan("");
    return sign *
           (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
  }
  refuse(key + ": expected a floating-point number or int64");
}

}  // namespace

const DLTensor* Module::find(const std::string& part) const {
  const auto found = parts.find(part);
  return found == parts.end() ? nullptr : &found->second->tensor->dl_tensor;
}

const DLTensor& Module::at(const std::string& part) const {
  if (const DLTensor* found = find(part)) return *found;
  refuse(name + ": the part \"" + part + "\" is missing; is the file cut off?");
}

double Module::alpha_over(int64_t rank) const {
  const DLTensor* alpha = find(kAlpha);
  if (!alpha) return 1.0;
  const double value = number_of(*alpha, key(kAlpha));
  if (!std::isfinite(value)) refuse(key(kAlpha) + ": expected a finite number");
  return value / static_cast<double>(rank);
}

std::string Module::key(const std::string& part) const {
  const auto found = parts.find(part);
  return found == parts.end() ? name + "." + part : found->second->name;
}

Modules group(std::span<const gesso_named_tensor_t> tensors, const Targets& targets) {
  Modules modules;
  std::map<std::string, size_t> places;
  std::map<std::string, std::vector<Slice>> slices;
  for (const gesso_named_tensor_t& tensor : tensors) {
    const auto key = split_key(tensor.name);
    if (key && !slices.contains(key->module)) slices[key->module] = targets.find(key->module);
    if (!key || slices[key->module].empty()) {
      modules.unmatched.emplace_back(tensor.name);
      continue;
    }
    const auto [place, is_new] = places.emplace(key->module, modules.list.size());
    if (is_new) modules.list.push_back({key->module, {}, slices[key->module]});
    Module& module = modules.list[place->second];
    const auto [part, fresh] = module.parts.emplace(key->part, &tensor);
    if (!fresh) {
      refuse(std::string(tensor.name) + ": the same part as " + part->second->name +
             "; does the file hold two adapters?");
    }
  }
  return modules;
}

Extents matrix_extents(const DLTensor& t, const std::string& key) {
  const auto shape = shape_of(t);
  const bool convolution = shape.size() == 4 && shape[2] == 1 && shape[3] == 1;
  if ((shape.size() != 2 && !convolution) || shape[0] < 1 || shape[1] < 1) {
    refuse(key + ": expected a matrix, found the shape " + shape_text(shape));
  }
  return {shape[0], shape[1]};
}

Pair read_pair(const Module& module, const Targets& targets) {
  const Pair pair{matrix_extents(module.at(kDown), module.key(kDown)),
                  matrix_extents(module.at(kUp), module.key(kUp))};
  if (pair.up.columns != pair.down.rows) {
    refuse(module.key(kUp) + ": expected " + std::to_string(pair.down.rows) +
           " columns, the rank of " + module.key(kDown) + ", found " +
           std::to_string(pair.up.columns));
  }
  for (const Slice& slice : module.slices) {
    if (pair.up.rows % slice.parts != 0) {
      refuse(module.key(kUp) + ": expected " + std::to_string(slice.parts) +
             " equal parts, found " + std::to_string(pair.up.rows) + " rows");
    }
    const gesso_target_t& target = targets[slice.target];
    const auto expect = [&](const char* part, const char* what, int64_t found, int64_t expected) {
      if (found == expected || expected == 0) return;
      refuse(module.key(part) + ": expected " + std::to_string(expected) + " " + what + " for \"" +
             target.name + "\", found " + std::to_string(found) +
             "; is the file for a model of another size?");
    };
    expect(kDown, "columns", pair.down.columns, target.in_features);
    expect(kUp, "rows", pair.up.rows, target.out_features * slice.parts);
  }
  return pair;
}

void add_unmatched(const Modules& modules, DeltaSet& set) {
  for (const std::string& name : modules.unmatched) {
    set.entries.push_back({GESSO_TARGET_NONE, name, {}});
  }
}

}  // namespace gesso::adapter
