#include "engine/config/request_pictures.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "engine/config/params.hpp"
#include "engine/image/canvas.hpp"
#include "engine/image/image_io.hpp"
#include "engine/image/image_resize.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::config {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using runtime::Picture;

/// Pictures by key; remembers which of the given ones were asked for.
class Shelf {
 public:
  explicit Shelf(const Images& images) : images_(images) {}

  /// Null when there is none.
  Picture one(const std::string& key, const json& path) {
    asked_.insert(key);
    if (const auto given = images_.find(key); given != images_.end()) return given->second;
    if (path.is_null()) return nullptr;
    const fs::path file = fs::absolute(path.get<std::string>());
    return std::make_shared<const image::Image>(image::load(file));
  }

  /// Those in memory ("key.0", "key.1", ..., or just "key") instead of those in files.
  std::vector<Picture> list(const std::string& key, const json& paths) {
    std::vector<Picture> pictures;
    if (Picture single = one(key, nullptr)) return {single};
    while (Picture next = one(fmt::format("{}.{}", key, pictures.size()), nullptr)) {
      pictures.push_back(std::move(next));
    }
    if (!pictures.empty() || paths.is_null()) return pictures;
    for (const json& path : paths) pictures.push_back(one(key, path));
    return pictures;
  }

  /// @throws Error InvalidArgument for a picture that nobody asked for
  void check() const {
    for (const auto& [key, image] : images_) {
      if (asked_.contains(key)) continue;
      throw Error(Status::InvalidArgument, fmt::format("unknown picture \"{}\"; expected one of {}",
                                                       key, fmt::join(asked_, ", ")));
    }
  }

 private:
  const Images& images_;
  std::set<std::string> asked_;
};

json get(const json& values, const char* key) { return values.value(key, json()); }

/// "canny" is short for "org.gesso.opencv.canny".
const registry::ComponentInfo& preprocessor(const registry::Registry& registry,
                                            const std::string& name) {
  std::vector<std::string> ids;
  for (const registry::ComponentInfo& component : registry.components()) {
    if (component.kind != "preprocessor") continue;
    if (component.id == name || component.id.ends_with("." + name)) return component;
    ids.push_back(component.id);
  }
  throw Error(Status::NotFound,
              fmt::format("processor_id: no preprocessor \"{}\"; there are {}", name,
                          ids.empty() ? "none" : fmt::format("{}", fmt::join(ids, ", "))));
}

json check_processor(const json& values, const registry::ComponentInfo& processor) {
  json checked = json::object();
  for (const auto& [key, value] : values.items()) {
    const registry::Param* param = find_param(processor.run_params, key);
    if (!param) {
      throw Error(Status::InvalidArgument,
                  "processor: " + unknown_parameter(key, processor.run_params));
    }
    Checked one = check_value(*param, value);
    if (!one.problem.empty()) {
      throw Error(Status::InvalidArgument, "processor: " + key + ": " + one.problem);
    }
    checked[key] = std::move(one.value);
  }
  return checked;
}

runtime::ControlNetInput control(Shelf& shelf, const registry::Registry& registry,
                                 const json& table, size_t index, const image::Size& size) {
  const auto key = [&](const char* name) {
    return fmt::format("controlnet_inputs.{}.{}", index, name);
  };
  runtime::ControlNetInput input;
  input.controlnet = table.value("controlnet", input.controlnet);
  input.image = shelf.one(key("image"), get(table, "image"));
  input.inpaint_image = shelf.one(key("inpaint_image"), get(table, "inpaint_image"));
  input.inpaint_mask = shelf.one(key("inpaint_mask"), get(table, "inpaint_mask"));
  if (table.value("resize", false)) {
    for (Picture* picture : {&input.image, &input.inpaint_image, &input.inpaint_mask}) {
      if (*picture)
        *picture = std::make_shared<const image::Image>(image::resize_bilinear(**picture, size));
    }
  }
  input.scale = table.value("scale", input.scale);
  input.start = table.value("start", input.start);
  input.end = table.value("end", input.end);
  if (table.contains("processor_id")) {
    const auto& processor = preprocessor(registry, table["processor_id"]);
    input.processor_id = processor.id;
    input.processor_values = check_processor(table.value("processor", json::object()), processor);
  } else if (table.contains("processor")) {
    throw Error(Status::InvalidArgument, "processor: it has no processor_id that would read it");
  }
  return input;
}

/// A larger canvas around input_image, to be painted where the picture was not.
void widen(runtime::GenerateRequest& request, const json& margins) {
  if (margins.is_null()) return;
  if (margins.size() != 4) {
    throw Error(Status::InvalidArgument,
                fmt::format("outpaint: expected four numbers of pixels (left, top, right, bottom), "
                            "found {}",
                            margins.size()));
  }
  if (!request.input_image) {
    throw Error(Status::InvalidArgument, "outpaint: there is no input_image to paint around");
  }
  const image::Margins wide = image::rounded_up({margins[0], margins[1], margins[2], margins[3]},
                                                *request.input_image, /*multiple=*/16);
  const image::Image inner = image::on_white(*request.input_image);
  request.inpaint_mask = std::make_shared<const image::Image>(
      image::outside_mask(inner, wide, request.inpaint_mask.get()));
  request.input_image = std::make_shared<const image::Image>(image::with_margins(inner, wide));
  request.height = request.input_image->height;
  request.width = request.input_image->width;
}

}  // namespace

void add_pictures(runtime::GenerateRequest& request, const registry::Registry& registry,
                  const json& values, const Images& images) {
  Shelf shelf(images);
  request.input_image = shelf.one("input_image", get(values, "input_image"));
  request.inpaint_mask = shelf.one("inpaint_mask", get(values, "inpaint_mask"));
  request.edit_images = shelf.list("edit_image", get(values, "edit_image"));
  request.image2lora_images = shelf.list("image2lora_images", get(values, "image2lora_images"));
  request.negative_image2lora_images =
      shelf.list("negative_image2lora_images", get(values, "negative_image2lora_images"));
  // As the runtime will round it: every variant's sizes are multiples of 16 pixels.
  const image::Size size{static_cast<int>((request.width + 15) / 16 * 16),
                         static_cast<int>((request.height + 15) / 16 * 16)};
  const json controls = values.value("controlnet_inputs", json::array());
  for (size_t i = 0; i < controls.size(); ++i) {
    try {
      request.controlnet_inputs.push_back(control(shelf, registry, controls[i], i, size));
    } catch (const Error& error) {
      throw Error(error.status(), fmt::format("controlnet_inputs {}: {}", i + 1, error.what()));
    }
  }
  shelf.check();
  widen(request, get(values, "outpaint"));
  const int blur = values["mask_blur"];
  if (request.inpaint_mask && blur > 0) {
    request.inpaint_mask =
        std::make_shared<const image::Image>(image::blurred(*request.inpaint_mask, blur));
  }
}

}  // namespace gesso::config
