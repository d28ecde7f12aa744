// A delta source: LoRA files whose factors are called NAME.down [rank, in] and NAME.up [out, rank].
#include <array>
#include <deque>
#include <gesso/cpp/delta.hpp>
#include <map>
#include <set>

namespace {

using Tensors = std::span<const gesso_named_tensor_t>;
using Targets = std::span<const gesso_target_t>;

/// The updates of one file. Tensors and names are borrowed: the host keeps them as long.
class Updates : public gesso::DeltaSet {
 public:
  Updates(Tensors tensors, Targets targets) {
    std::map<std::string, const gesso_named_tensor_t*> by_name;
    for (const gesso_named_tensor_t& tensor : tensors) by_name[tensor.name] = &tensor;
    std::set<std::string> used;
    for (uint32_t place = 0; place < targets.size(); ++place) {
      const std::string name = targets[place].name;
      const auto down = by_name.find(name + ".down"), up = by_name.find(name + ".up");
      if (down == by_name.end() || up == by_name.end()) continue;
      add(place, targets[place], *down->second, *up->second);
      used.insert({down->first, up->first});
    }
    // Every key of the file is accounted for: the host reports what matched nothing.
    for (const auto& [name, tensor] : by_name) {
      if (!used.contains(name)) entries.push_back({GESSO_TARGET_NONE, name, {}});
    }
  }

 private:
  void add(uint32_t place, const gesso_target_t& target, const gesso_named_tensor_t& down,
           const gesso_named_tensor_t& up) {
    const DLTensor &a = down.tensor->dl_tensor, &b = up.tensor->dl_tensor;
    const bool fits = a.ndim == 2 && b.ndim == 2 && a.shape[1] == target.in_features &&
                      b.shape[0] == target.out_features && a.shape[0] == b.shape[1];
    if (!fits) {
      throw gesso::Error(gesso::Status::Incompatible,
                         std::string(up.name) + ": expected factors [r, " +
                             std::to_string(target.in_features) + "] and [" +
                             std::to_string(target.out_features) + ", r], found " +
                             gesso::shape_text(gesso::shape_of(a)) + " and " +
                             gesso::shape_text(gesso::shape_of(b)));
    }
    auto& parts = parts_.emplace_back(std::array{down.tensor, up.tensor});
    gesso_delta_t delta{};
    delta.form = GESSO_DELTA_LOW_RANK;
    delta.scale = 1;  // alpha / rank, where a file has an alpha
    delta.parts = parts.data();
    delta.n_parts = 2;
    entries.push_back({place, up.name, delta});
  }

  std::deque<std::array<gesso_tensor_t*, 2>> parts_;  // addresses stay
};

class MyPlugin : public gesso::Component<MyPlugin, gesso::DeltaSourceInterface> {
 public:
  static constexpr gesso::Info info{
      .id = "org.example.my_plugin.delta_source",
      .kind = "delta_source",
      .name = "MyPlugin",
      .version = "1.0.0",
      .summary = "Updates of low rank whose factors are called NAME.down and NAME.up"};

  std::unique_ptr<gesso::DeltaSet> open(Tensors tensors, Targets targets) {
    return std::make_unique<Updates>(tensors, targets);
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
