#include "engine/weights/siblings.hpp"

#include "engine/base/json_text.hpp"
#include "engine/weights/convert.hpp"
#include "engine/weights/rotation.hpp"
#include "gesso/cpp/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace gesso::weights {
namespace {

using nlohmann::json;

constexpr std::string_view kState = ".quant_state.bitsandbytes__";
constexpr std::string_view kMarker = "scaled_fp8";  // in ComfyUI's older files

/// What is wrong with a weight; becomes its `problem`.
struct Unusable {
  std::string why;
};

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Unusable{fmt::format(text, std::forward<Args>(args)...)};
}

class Joiner {
 public:
  Joiner(std::span<const TensorInfo> tensors,
         const std::function<TensorView(const TensorInfo&)>& view_of)
      : tensors_(tensors), view_of_(view_of) {}

  std::vector<NamedWeight> run() {
    std::vector<NamedWeight> weights;
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name == kMarker || tensor.name.ends_with("." + std::string(kMarker))) {
        taken_.insert(tensor.name);
        continue;
      }
      NamedWeight weight{{tensor.name, tensor.shape}, StoredWeight(view_of_(tensor)), ""};
      try {
        for (const bool nf4 : {true, false}) read_bitsandbytes(weight, nf4);
        read_comfy(weight);
      } catch (const Unusable& unusable) {
        weight.problem = fmt::format("tensor \"{}\": {}", tensor.name, unusable.why);
      }
      weights.push_back(std::move(weight));
    }
    std::erase_if(weights, [&](const NamedWeight& w) { return taken_.count(w.name) > 0; });
    return weights;
  }

 private:
  const TensorInfo* find(const std::string& name) const {
    const auto at = std::lower_bound(
        tensors_.begin(), tensors_.end(), name,
        [](const TensorInfo& tensor, const std::string& wanted) { return tensor.name < wanted; });
    return at != tensors_.end() && at->name == name ? &*at : nullptr;
  }

  std::optional<TensorView> take(const std::string& name) {
    const TensorInfo* found = find(name);
    if (!found) return std::nullopt;
    taken_.insert(name);
    return view_of_(*found);
  }

  TensorView need(const std::string& name, DType dtype, int64_t elements) {
    const auto view = take(name);
    if (!view) refuse("\"{}\" is missing beside it; is the file complete?", name);
    if (view->dtype != dtype || view->elements() != elements) {
      refuse("\"{}\" is {} {}, expected {} elements of {}", name, name_of(view->dtype),
             shape_text(view->shape), elements, name_of(dtype));
    }
    return *view;
  }

  static json parse(const std::string& name, const TensorView& view) {
    json value = base::parse_json(
        std::string_view(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()));
    if (!value.is_object()) refuse("\"{}\" is no JSON object", name);
    return value;
  }

  static int64_t positive(const json& state, const char* key, int64_t preset) {
    const json value = state.value(key, json(preset));
    if (!value.is_number_integer() || value.get<int64_t>() < 1)
      refuse("\"{}\" is {}", key, value.dump());
    return value.get<int64_t>();
  }

  void read_bitsandbytes(NamedWeight& named, bool nf4) {
    const std::string state_name = fmt::format("{}{}{}", named.name, kState, nf4 ? "nf4" : "fp4");
    const auto state_view = take(state_name);
    if (!state_view) return;
    for (const char* part : {"absmax", "quant_map", "nested_absmax", "nested_quant_map"}) {
      take(named.name + "." + part);
    }
    const json state = parse(state_name, *state_view);
    StoredWeight weight;
    weight.encoding = Encoding::Table4;
    weight.nf4 = nf4;
    weight.block = positive(state, "blocksize", kTableBlock);
    if (!state.contains("shape") || !state["shape"].is_array() || state["shape"].empty()) {
      refuse("\"{}\" has no shape", state_name);
    }
    for (const json& extent : state["shape"]) {
      if (!extent.is_number_unsigned())
        refuse("\"{}\" has the extent {}", state_name, extent.dump());
      weight.shape.push_back(extent.get<int64_t>());
    }
    const auto count = element_count(weight.shape);
    const TensorView codes = named.weight.data();
    if (!count || codes.bytes.size() != static_cast<size_t>((*count + 1) / 2)) {
      refuse("{} bytes of codes do not make the shape {} of \"{}\"", codes.bytes.size(),
             shape_text(weight.shape), state_name);
    }
    const int64_t blocks = (*count + weight.block - 1) / weight.block;
    TensorView bytes = codes;  // of any type: bitsandbytes can store them as such
    bytes.dtype = DType::U8;
    bytes.shape = {(*count + 1) / 2};
    weight.parts = {bytes, need(named.name + ".quant_map", DType::F32, 16)};
    if (!state.contains("nested_offset")) {
      weight.parts.push_back(need(named.name + ".absmax", DType::F32, blocks));
    } else {
      const json& offset = state["nested_offset"];
      if (!offset.is_number()) refuse("\"{}\" has the nested_offset {}", state_name, offset.dump());
      weight.nested_offset = static_cast<float>(offset.get<double>());
      weight.nested_block = positive(state, "nested_blocksize", kTableNestedBlock);
      const int64_t nested = (blocks + weight.nested_block - 1) / weight.nested_block;
      weight.parts.push_back(need(named.name + ".absmax", DType::U8, blocks));
      weight.parts.push_back(need(named.name + ".nested_absmax", DType::F32, nested));
      weight.parts.push_back(need(named.name + ".nested_quant_map", DType::F32, 256));
    }
    named.shape = weight.shape;
    named.weight = std::move(weight);
  }

  void read_comfy(NamedWeight& named) {
    constexpr std::string_view kWeight = ".weight";
    if (!named.name.ends_with(kWeight)) return;
    const std::string layer = named.name.substr(0, named.name.size() - kWeight.size());
    const auto config = take(layer + ".comfy_quant");
    auto scale = take(layer + ".weight_scale");
    if (const auto older = take(layer + ".scale_weight"); older && !scale) scale = older;
    if (!config && !scale) return;
    take(layer + ".input_scale");
    take(layer + ".scale_input");

    int64_t rotation = 0;
    if (config) rotation = read_config(layer + ".comfy_quant", *config);
    const DType dtype = named.weight.data().dtype;
    if (dtype != DType::F8_E4M3 && dtype != DType::F8_E5M2 && dtype != DType::I8) {
      refuse("has scales, but its type is {}; expected F8_E4M3, F8_E5M2 or I8", name_of(dtype));
    }
    if (!scale) refuse("\"{}.weight_scale\" is missing beside it; is the file complete?", layer);
    const int64_t rows = named.shape.empty() ? 1 : named.shape[0];
    if (scale->elements() != 1 && scale->elements() != rows) {
      refuse("its scale is {}, expected one number or {}, one for each row",
             shape_text(scale->shape), rows);
    }
    if (rotation && (named.shape.size() != 2 || named.shape[1] % rotation != 0)) {
      refuse("its shape {} cannot have been rotated in groups of {} columns",
             shape_text(named.shape), rotation);
    }
    named.weight.encoding = Encoding::Scaled;
    named.weight.rotation = rotation;
    TensorView wide = materialize(*scale, DType::F32);
    wide.shape = {wide.elements()};
    named.weight.parts.push_back(std::move(wide));
  }

  /// @return  columns that were rotated together; 0: none
  static int64_t read_config(const std::string& name, const TensorView& view) {
    const json config = parse(name, view);
    const json format = config.value("format", json());
    if (format != "float8_e4m3fn" && format != "float8_e5m2" && format != "int8_tensorwise") {
      refuse(
          "\"{}\" says format {}, which Gesso does not read; expected float8_e4m3fn, "
          "float8_e5m2 or int8_tensorwise",
          name, format.dump());
    }
    const json& params =
        config.contains("params") && config["params"].is_object() ? config["params"] : config;
    if (params.value("convrot", json(false)) != json(true)) return 0;
    const int64_t group = positive(params, "convrot_groupsize", 256);
    if (!is_rotation(group)) refuse("\"{}\" has a convrot_groupsize of {}", name, group);
    return group;
  }

  std::span<const TensorInfo> tensors_;
  const std::function<TensorView(const TensorInfo&)>& view_of_;
  std::set<std::string> taken_;
};

}  // namespace

std::vector<NamedWeight> join_siblings(
    std::span<const TensorInfo> tensors,
    const std::function<TensorView(const TensorInfo&)>& view_of) {
  return Joiner(tensors, view_of).run();
}

}  // namespace gesso::weights
