#include "engine/weights/convert_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/weights/checkpoint_writer.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/layout_writer.hpp"
#include "engine/weights/memory.hpp"
#include "engine/weights/spelling.hpp"
#include "engine/weights/stored_file.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {
namespace {

/// One tensor of the result and what it is made of.
struct Plan {
  LaidOut target;
  std::vector<StoredWeight> parts;  // in order; as they are in the file that is read
  bool edited = false;
  std::optional<StorageFormat> format;  // nothing: the parts' own bytes, one after another
};

bool is_narrow_weight(const StoredWeight& weight) {
  const auto format = find_storage_format(weight.format());
  return weight.encoding != Encoding::Plain || is_quantised(weight.data().dtype) ||
         (format && is_narrow(*format));
}

bool holds_numbers(const StoredWeight& weight) {
  return is_narrow_weight(weight) || is_float(weight.data().dtype);
}

/// What the values are decoded to when nobody asks for a format: as bitsandbytes notes it.
DType plain_type(const StoredWeight& weight) {
  const DType dtype = weight.data().dtype;
  const bool is_plain = dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
  return weight.encoding == Encoding::Plain && is_plain ? dtype : DType::BF16;
}

class Planner {
 public:
  Planner(const WeightSet& set, const ConvertOptions& options, const WeightEdit& edit, bool gguf)
      : set_(set), edit_(edit), gguf_(gguf), rule_(options.rule), storing_(options.rule) {
    if (!rule_.format.empty()) format_ = storage_format(rule_.format);
  }

  /// Canonical weights, laid out anew.
  std::vector<Plan> run(const std::vector<SpelledTensor>& canonical,
                        const std::vector<LaidOut>& targets, ConvertResult& result) {
    std::vector<Plan> plans;
    for (const LaidOut& target : targets) {
      Plan plan{target, {}, false, {}};
      std::vector<const SpelledTensor*> parts;
      for (const size_t part : target.parts) parts.push_back(&canonical[part]);
      plan.edited = std::ranges::any_of(
          parts, [&](const SpelledTensor* part) { return edit_.touches(part->name); });
      if (!plan.edited && is_one_source(parts)) {
        plan.parts = {stored_of(set_, {{target.name, target.shape}, parts[0]->source})};
      } else {
        for (const SpelledTensor* part : parts) plan.parts.push_back(stored_of(set_, *part));
      }
      choose_format(plan, result);
      plans.push_back(std::move(plan));
    }
    check_rule(plans);
    return plans;
  }

 private:
  /// Whether the parts are all of one fused tensor of the file, in its order.
  static bool is_one_source(const std::vector<const SpelledTensor*>& parts) {
    for (size_t i = 0; i < parts.size(); ++i) {
      const SpelledTensor& part = *parts[i];
      if (part.source != parts[0]->source || part.part != static_cast<int64_t>(i)) return false;
      if (part.parts != static_cast<int64_t>(parts.size())) return false;
    }
    return true;
  }

  void choose_format(Plan& plan, ConvertResult& result) {
    const StoredWeight& first = plan.parts.front();
    const bool narrow = std::ranges::any_of(plan.parts, is_narrow_weight);
    const StoredWeight stand_in = outline(plan.target.shape, StorageFormat::BF16);
    if (format_ && std::ranges::all_of(plan.parts, holds_numbers) &&
        storing_.covers(plan.target.name, stand_in, is_linear(plan.target))) {
      if (stored_bytes(*format_, plan.target.shape)) {
        if (first.format() == name_of(*format_) && can_copy(plan)) return;
        ++result.stored;
        if (narrow && is_narrow(*format_)) ++result.requantised;
        plan.format = *format_;
        return;
      }
      if (!rule_.target_modules.empty()) {
        throw Error(Status::InvalidArgument,
                    fmt::format("weight \"{}\" of shape {} cannot be stored as {}",
                                plan.target.name, shape_text(plan.target.shape), rule_.format));
      }
      result.left.push_back(plan.target.name);
    }
    const bool foreign = std::ranges::any_of(
        plan.parts, [&](const StoredWeight& part) { return !container_has(part); });
    if (can_copy(plan) && !foreign) return;
    if (plan.edited && narrow && !foreign) {  // made anew as it was
      plan.format = find_storage_format(first.format());
      if (plan.format) ++result.requantised;
    }
    if (plan.format) return;
    if (!foreign && !plan.edited && narrow) {
      throw Error(
          Status::NotSupported,
          fmt::format("{}: \"{}\" would be made of {} parts stored as {}, which cannot be "
                      "done without loss; name a format to store it anew, such as bf16",
                      set_.describe(), plan.target.name, plan.parts.size(), first.format()));
    }
    plan.format = common_type(plan);
    if (foreign) ++result.decoded;
  }

  bool container_has(const StoredWeight& part) const {
    const DType dtype = part.data().dtype;
    if (!gguf_) return !is_quantised(dtype);
    return part.encoding == Encoding::Plain && dtype != DType::F8_E4M3 && dtype != DType::F8_E5M2;
  }

  /// A plain type that holds all parts.
  static StorageFormat common_type(const Plan& plan) {
    const DType dtype = plain_type(plan.parts.front());
    const bool same = std::ranges::all_of(
        plan.parts, [&](const StoredWeight& part) { return plain_type(part) == dtype; });
    if (!same || dtype == DType::F32) return StorageFormat::F32;
    return dtype == DType::F16 ? StorageFormat::F16 : StorageFormat::BF16;
  }

  /// Whether the bytes of the parts, one after another, are the tensor.
  static bool can_copy(const Plan& plan) {
    if (plan.edited) return false;
    const StoredWeight& first = plan.parts.front();
    if (plan.parts.size() == 1) return true;
    return std::ranges::all_of(plan.parts, [&](const StoredWeight& part) {
      return part.encoding == Encoding::Plain && part.data().dtype == first.data().dtype;
    });
  }

  void check_rule(const std::vector<Plan>& plans) const {
    if (!format_) return;
    const auto unused = storing_.unused();
    if (!unused.empty()) {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: no module is called \"{}\"", set_.describe(),
                              fmt::join(unused, "\" or \"")));
    }
    const bool same = std::ranges::all_of(plans, [&](const Plan& plan) {
      return !plan.format && plan.parts.front().format() != name_of(*format_);
    });
    if (!same) return;
    throw Error(Status::InvalidArgument, fmt::format("{}: there is nothing to store as {} in it",
                                                     set_.describe(), rule_.format));
  }

  const WeightSet& set_;
  const WeightEdit& edit_;
  bool gguf_;
  StorageRule rule_;
  Storing storing_;
  std::optional<StorageFormat> format_;
};

std::vector<TensorSpec> tensors_of(const Plan& plan) {
  if (plan.format) return file_tensors(plan.target.name, outline(plan.target.shape, *plan.format));
  if (plan.parts.size() > 1) {
    return {{{plan.target.name, plan.target.shape}, plan.parts[0].data().dtype}};
  }
  return file_tensors(plan.target.name, plan.parts.front());
}

/// The parts as one tensor in float32, edited.
TensorView values_of(const Plan& plan, const std::vector<SpelledTensor>& canonical,
                     const WeightEdit& edit) {
  std::vector<TensorView> parts;
  for (size_t i = 0; i < plan.parts.size(); ++i) {
    parts.push_back(float_values(decode(plan.parts[i], DType::F32)));
    const std::string& name = canonical[plan.target.parts[i]].name;
    if (plan.edited && edit.touches(name)) parts.back() = edit.apply(name, parts.back());
  }
  if (parts.size() == 1) {
    parts[0].shape = plan.target.shape;
    return parts[0];
  }
  size_t size = 0;
  for (const TensorView& part : parts) size += part.bytes.size();
  const Memory memory = allocate(size);
  auto at = memory.bytes.begin();
  for (const TensorView& part : parts) at = std::ranges::copy(part.bytes, at).out;
  return {DType::F32, plan.target.shape, memory.bytes, memory.owner};
}

void write(const Plan& plan, const std::vector<SpelledTensor>& canonical, const WeightEdit& edit,
           CheckpointWriter& writer) {
  if (!plan.format) {
    for (const StoredWeight& part : plan.parts) {
      for (const TensorView& data : file_data(part, plain_type(part))) writer.write(data.bytes);
    }
    return;
  }
  const StoredWeight& first = plan.parts.front();
  const bool plain = encoding_of(*plan.format) == Encoding::Plain &&
                     !is_quantised(dtype_of(*plan.format)) && !plan.edited;
  if (plain) {  // straight to the type, without float32 between
    for (const StoredWeight& part : plan.parts) {
      writer.write(decode(part, dtype_of(*plan.format)).bytes);
    }
    return;
  }
  const StoredWeight stored = encode(values_of(plan, canonical, edit), *plan.format);
  for (const TensorView& data : file_data(stored, plain_type(first))) writer.write(data.bytes);
}

const Layout& target_layout(const ComponentPattern& pattern, const std::string& name, bool gguf) {
  if (!name.empty()) return find_layout(pattern, name);
  const auto made_for_gguf = std::ranges::find_if(
      pattern.layouts, [](const Layout& layout) { return !layout.architecture.empty(); });
  return gguf && made_for_gguf != pattern.layouts.end() ? *made_for_gguf : pattern.layouts.front();
}

std::string target_prefix(const Layout& layout, const std::optional<std::string>& wanted) {
  if (!wanted) return layout.prefixes.front();
  if (std::ranges::find(layout.prefixes, *wanted) != layout.prefixes.end()) return *wanted;
  throw Error(Status::InvalidArgument,
              fmt::format("the layout \"{}\" has no prefix \"{}\"; it has \"{}\"", layout.name,
                          *wanted, fmt::join(layout.prefixes, "\", \"")));
}

/// safetensors keep what they say of themselves; values of GGUF files have types that are not kept.
std::map<std::string, std::string> metadata_for(const WeightSet& set, const Layout& layout,
                                                bool gguf) {
  const bool from_gguf = set.files().front().format == "gguf";
  if (!gguf) {
    std::map<std::string, std::string> metadata = {{"format", "pt"}};
    if (!from_gguf) {
      metadata = set.metadata();
      metadata.emplace("format", "pt");
    }
    return metadata;
  }
  std::map<std::string, std::string> metadata;
  for (const char* key : {"general.architecture", "general.name"}) {
    const auto found = set.metadata().find(key);
    if (from_gguf && found != set.metadata().end()) metadata.insert(*found);
  }
  if (!layout.architecture.empty()) metadata["general.architecture"] = layout.architecture;
  metadata.emplace("general.architecture", "unknown");
  return metadata;
}

void check_container(const std::filesystem::path& path, const std::string& format, bool gguf) {
  if (format.empty()) return;
  const StorageFormat wanted = storage_format(format);
  const bool blocks = is_quantised(dtype_of(wanted));
  const bool either =
      wanted == StorageFormat::F32 || wanted == StorageFormat::BF16 || wanted == StorageFormat::F16;
  if (either || blocks == gguf) return;
  throw Error(Status::InvalidArgument,
              fmt::format("{}: {} goes into a file that ends with {}", path.string(),
                          name_of(wanted), blocks ? ".gguf" : ".safetensors"));
}

std::vector<std::string> unused_names(const WeightSet& set,
                                      const std::vector<SpelledTensor>& used) {
  std::set<const NamedWeight*> known;
  for (const SpelledTensor& tensor : used) known.insert(tensor.source);
  std::vector<std::string> names;
  for (const NamedWeight& weight : set.weights()) {
    if (!known.contains(&weight)) names.push_back(weight.name);
  }
  return names;
}

}  // namespace

ConvertResult convert_file(const WeightSet& set, const ComponentPattern& pattern,
                           const Match& match, const std::filesystem::path& path,
                           const ConvertOptions& options, const ConvertProgress& progress,
                           const WeightEdit& edit) {
  const bool gguf = is_gguf(path);
  check_container(path, options.rule.format, gguf);
  const Layout& from = find_layout(pattern, match.layout);
  const Layout& to = target_layout(pattern, options.layout, gguf);
  const auto canonical = spell(set, from, match.prefix);
  std::vector<NamedShape> shapes(canonical.begin(), canonical.end());

  ConvertResult result;
  result.layout = to.name;
  result.prefix = target_prefix(to, options.prefix);
  result.left_out = unused_names(set, canonical);
  const auto targets = lay_out(shapes, to, result.prefix);
  const auto plans = Planner(set, options, edit, gguf).run(canonical, targets, result);

  std::vector<TensorSpec> tensors;
  std::vector<uint64_t> sizes;
  for (const Plan& plan : plans) {
    sizes.push_back(0);
    for (TensorSpec& tensor : tensors_of(plan)) {
      sizes.back() += static_cast<uint64_t>(byte_size(tensor.dtype, tensor.shape).value_or(0));
      tensors.push_back(std::move(tensor));
    }
    for (const StoredWeight& part : plan.parts) result.bytes_before += part.size_bytes();
  }
  const uint64_t total = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  CheckpointWriter writer(path, tensors, {metadata_for(set, to, gguf), options.max_shard_bytes});
  for (size_t i = 0; i < plans.size(); ++i) {
    progress(result.bytes_after, total, plans[i].target.name);
    write(plans[i], canonical, edit, writer);
    result.bytes_after += sizes[i];
  }
  progress(total, total, "");
  result.tensors = plans.size();
  result.files = writer.finish();
  return result;
}

}  // namespace gesso::weights
