#include "engine/weights/lora_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/weights/checkpoint_writer.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/memory.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {
namespace {

/// Zeros of float32 that are filled block by block.
class Matrix {
 public:
  Matrix(int64_t rows, int64_t columns)
      : rows_(rows),
        columns_(columns),
        memory_(allocate(static_cast<size_t>(rows * columns) * sizeof(float))) {
    std::memset(memory_.bytes.data(), 0, memory_.bytes.size());
  }
  /// Puts `block` times `factor` with its first element at this place.
  void put(const TensorView& block, int64_t row, int64_t column, double factor) {
    const TensorView wide = float_values(block);
    const auto* from = reinterpret_cast<const float*>(wide.bytes.data());
    auto* to = reinterpret_cast<float*>(memory_.bytes.data());
    const int64_t width = block.shape[1];
    for (int64_t i = 0; i < block.shape[0]; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        to[(row + i) * columns_ + column + j] =
            static_cast<float>(static_cast<double>(from[i * width + j]) * factor);
      }
    }
  }
  TensorView as(DType type) const {
    return materialize({DType::F32, {rows_, columns_}, memory_.bytes, memory_.owner}, type);
  }

 private:
  int64_t rows_, columns_;
  Memory memory_;
};

/// A module of the file: of one canonical module, or of those that its layout puts together.
struct Plan {
  std::string name;                      // of the layout
  std::vector<const LoraModule*> parts;  // null: that weight has no update
  int64_t out = 0, in = 0, rank = 0;
  DType type = DType::F32;
  double scale = 1;     // that is noted
  bool shared = false;  // all parts have the same down part
  bool folded = false;  // the up part is multiplied
};

bool same_down(const LoraModule& a, const LoraModule& b) {
  if (!a.down || !b.down || a.scale != b.scale || a.type != b.type) return false;
  return std::ranges::equal(a.down->bytes, b.down->bytes);
}

/// What an up part is multiplied with when `noted` is written for its scale.
double ratio(double scale, double noted) { return scale == noted ? 1 : scale / noted; }

bool is_power_of_two(double number) {
  int exponent = 0;
  return std::abs(std::frexp(number, &exponent)) == 0.5;
}

void complete(Plan& plan, LoraDialect::Alpha alpha) {
  std::vector<const LoraModule*> present;
  for (const LoraModule* part : plan.parts) {
    if (part) present.push_back(part);
  }
  const LoraModule& first = *present.front();
  plan.in = first.in;
  plan.out = first.out * static_cast<int64_t>(plan.parts.size());
  plan.type = first.type;
  plan.scale = first.scale;
  plan.shared = present.size() == plan.parts.size();
  for (const LoraModule* part : present) {
    plan.shared = plan.shared && (part == &first || same_down(first, *part));
    if (part->type != first.type) plan.type = DType::F32;
    if (part->scale != first.scale) plan.scale = 1;
    if (part->in != first.in || part->out != first.out) {
      throw Error(Status::Incompatible, fmt::format("\"{}\" would be made of updates of different "
                                                    "extents: is the file for another model?",
                                                    plan.name));
    }
    plan.rank = plan.shared ? part->rank : plan.rank + part->rank;
  }
  if (alpha == LoraDialect::Folded) plan.scale = 1;
  plan.folded = std::ranges::any_of(
      present, [&](const LoraModule* part) { return part->scale != plan.scale; });
}

std::vector<Plan> plan_all(const std::vector<LoraModule>& modules, const LoraNames& names) {
  std::vector<Plan> plans;
  std::map<std::string, size_t> places;
  for (const LoraModule& module : modules) {
    const LaidOutModule to = names.laid_out(module.name);
    const auto [place, fresh] = places.emplace(to.name, plans.size());
    if (fresh) {
      plans.emplace_back();
      plans.back().name = to.name;
      plans.back().parts.resize(static_cast<size_t>(to.parts));
    }
    plans[place->second].parts[static_cast<size_t>(to.part)] = &module;
  }
  for (Plan& plan : plans) complete(plan, names.dialect().alpha);
  return plans;
}

DownUp make(const Plan& plan) {
  if (plan.parts.size() == 1 && !plan.folded) return plan.parts.front()->make();
  Matrix up(plan.out, plan.rank), down(plan.rank, plan.in);
  const int64_t rows = plan.out / static_cast<int64_t>(plan.parts.size());
  int64_t at = 0;  // column of the part, row of its down part
  for (size_t i = 0; i < plan.parts.size(); ++i) {
    if (!plan.parts[i]) continue;
    const LoraModule& part = *plan.parts[i];
    const DownUp made = part.make();
    up.put(made.up, static_cast<int64_t>(i) * rows, at, ratio(part.scale, plan.scale));
    if (!plan.shared || i == 0) down.put(made.down, at, 0, 1);
    if (!plan.shared) at += part.rank;
  }
  return {down.as(plan.type), up.as(plan.type)};
}

/// One number, in `type` where that holds it exactly.
TensorView number(double value, DType type) {
  const Memory memory = allocate(sizeof(float));
  const auto wide = static_cast<float>(value);
  std::memcpy(memory.bytes.data(), &wide, sizeof(wide));
  const TensorView f32{DType::F32, {}, memory.bytes, memory.owner};
  const TensorView narrow = materialize(f32, type);
  const TensorView back = float_values(narrow);
  return std::memcmp(back.bytes.data(), &wide, sizeof(wide)) == 0 ? narrow : f32;
}

}  // namespace

DType common_type(const std::vector<LowRankUpdate>& updates) {
  const DType type = updates.front().down.dtype;
  const bool same = std::ranges::all_of(updates, [&](const LowRankUpdate& update) {
    return update.down.dtype == type && update.up.dtype == type;
  });
  const bool plain = type == DType::BF16 || type == DType::F16;
  return same && plain ? type : DType::F32;
}

LoraModule concatenated(std::vector<LowRankUpdate> updates, DType type) {
  LoraModule module;
  const LowRankUpdate& first = updates.front();
  module.name = first.module;
  module.out = first.up.shape[0];
  module.in = first.down.shape[1];
  module.type = type;
  module.scale = first.scale;
  for (const LowRankUpdate& update : updates) {
    module.rank += update.down.shape[0];
    if (update.scale != first.scale) module.scale = 1;
    if (update.up.shape[0] != module.out || update.down.shape[1] != module.in) {
      throw Error(Status::Incompatible,
                  fmt::format("\"{}\": updates of [{}, {}] and of [{}, {}]: are the files for "
                              "different models?",
                              module.name, module.out, module.in, update.up.shape[0],
                              update.down.shape[1]));
    }
  }
  module.rounded = std::ranges::any_of(updates, [&](const LowRankUpdate& update) {
    return !is_power_of_two(ratio(update.scale, module.scale));
  });
  if (updates.size() == 1 && first.down.dtype == type) module.down = first.down;
  module.make = [updates = std::move(updates), out = module.out, in = module.in, rank = module.rank,
                 scale = module.scale, type]() -> DownUp {
    if (updates.size() == 1) {
      return {materialize(updates[0].down, type), materialize(updates[0].up, type)};
    }
    Matrix up(out, rank), down(rank, in);
    int64_t at = 0;
    for (const LowRankUpdate& update : updates) {
      up.put(update.up, 0, at, ratio(update.scale, scale));
      down.put(update.down, at, 0, 1);
      at += update.down.shape[0];
    }
    return {down.as(type), up.as(type)};
  };
  return module;
}

LoraWritten write_lora(
    const std::filesystem::path& path, const std::vector<LoraModule>& modules,
    const LoraNames& names, const std::map<std::string, std::string>& metadata,
    const std::function<void(uint64_t done, uint64_t total, const std::string& name)>& progress) {
  const auto plans = plan_all(modules, names);
  LoraWritten written;
  std::vector<TensorSpec> tensors;
  std::vector<TensorView> alphas;  // without bytes: there is none
  const auto size_of = [](const TensorSpec& tensor) {
    return static_cast<uint64_t>(byte_size(tensor.dtype, tensor.shape).value_or(0));
  };
  for (const Plan& plan : plans) {
    tensors.push_back({{names.down(plan.name), {plan.rank, plan.in}}, plan.type});
    tensors.push_back({{names.up(plan.name), {plan.out, plan.rank}}, plan.type});
    const auto alpha = names.dialect().alpha;
    const bool noted =
        alpha == LoraDialect::Always || (alpha == LoraDialect::IfNeeded && plan.scale != 1);
    alphas.emplace_back();
    if (noted) {
      alphas.back() = number(plan.scale * static_cast<double>(plan.rank), plan.type);
      tensors.push_back({{names.alpha(plan.name), {}}, alphas.back().dtype});
    }
    const bool rounded = std::ranges::any_of(plan.parts, [&](const LoraModule* part) {
      return part && (part->rounded || !is_power_of_two(ratio(part->scale, plan.scale)));
    });
    if (rounded) ++written.rounded;
  }
  const uint64_t total =
      std::accumulate(tensors.begin(), tensors.end(), uint64_t{0},
                      [&](uint64_t sum, const TensorSpec& one) { return sum + size_of(one); });
  CheckpointWriter writer(path, tensors, {metadata, 0});
  for (size_t i = 0; i < plans.size(); ++i) {
    progress(written.bytes, total, plans[i].name);
    const DownUp made = make(plans[i]);
    for (const auto& bytes : {made.down.bytes, made.up.bytes, alphas[i].bytes}) {
      writer.write(bytes);
      written.bytes += bytes.size();
    }
  }
  progress(total, total, "");
  writer.finish();
  written.modules = plans.size();
  return written;
}

}  // namespace gesso::weights
