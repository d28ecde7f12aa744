#include "runtime/training/encoding.hpp"

#include <fmt/format.h>

#include "gesso/kind/codec.h"
#include "gesso/kind/delta_generator.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/controls.hpp"
#include "runtime/image2lora.hpp"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"
#include "runtime/training/tensor_files.hpp"

namespace gesso::runtime {
namespace {

// Columns of a dataset, by the reference's names.
constexpr const char* kImage = "image";
constexpr const char* kEditImage = "edit_image";
constexpr const char* kTemplateInputs = "template_inputs";

const std::vector<image::Image>& pictures(const data::Item& item, const char* column) {
  static const std::vector<image::Image> none;
  const auto found = item.images.find(column);
  return found == item.images.end() ? none : found->second;
}

Picture first(const data::Item& item, const char* column) {
  const auto& list = pictures(item, column);
  return list.empty() ? nullptr : std::make_shared<const image::Image>(list.front());
}

/// The item as a request of the pipeline, so that it is encoded as for generating.
GenerateRequest request_of(const data::Item& item, const GenerateRequest& base) {
  GenerateRequest request = base;
  request.prompts = {item.prompt};
  request.negative_prompts = {""};
  request.width = item.width;
  request.height = item.height;
  request.edit_images.clear();
  request.edit_image_auto_resize = false;  // the dataset has resized them
  for (const image::Image& picture : pictures(item, kEditImage)) {
    request.edit_images.push_back(std::make_shared<const image::Image>(picture));
  }
  ControlNetInput control;
  control.image = first(item, "controlnet_image");
  control.inpaint_image = first(item, "controlnet_inpaint_image");
  control.inpaint_mask = first(item, "controlnet_inpaint_mask");
  if (control.image || control.inpaint_image) request.controlnet_inputs = {control};
  return request;
}

/// @throws Error  InvalidArgument without one
const image::Image& picture_of(const data::Item& item) {
  const auto& list = pictures(item, kImage);
  if (!list.empty()) return list.front();
  throw Error(Status::InvalidArgument,
              fmt::format("{}: the item has no picture in the column \"{}\"", item.where, kImage));
}

/// What components say while it lives is told with the place of an item.
class PlaceTold {
 public:
  PlaceTold(const Run& run, const std::string& where) : run_(run), watch_(run.watch) {
    watch_.event = [&run, where](const Event& event) {
      Event told = event;
      told.text = fmt::format("{}: {}", where, told.text);
      run.watch.event(told);
    };
    run.parts.messages().attach(&watch_);
  }
  ~PlaceTold() { run_.parts.messages().attach(&run_.watch); }
  PlaceTold(const PlaceTold&) = delete;
  PlaceTold& operator=(const PlaceTold&) = delete;

 private:
  const Run& run_;
  Watch watch_;
};

}  // namespace

EncodedItem picture_item(const data::Item& item) {
  EncodedItem made;
  made.where = item.where;
  made.pixels = pixels_from_image(picture_of(item), at::kFloat);
  return made;
}

EncodedItem encode_item(const Run& pipeline, const data::Item& item, const EncodingPlan& plan) {
  const image::Image& picture = picture_of(item);
  GenerateRequest request = request_of(item, pipeline.request);
  request.cfg_scale = plan.negative ? 2 : 1;
  const Run run{pipeline.plan,     pipeline.parts,  pipeline.memory,
                pipeline.adapters, request,         pipeline.watch,
                pipeline.call,     pipeline.report, nullptr};

  const PlaceTold place_told(pipeline, item.where);
  EncodedItem made;
  made.where = item.where;
  made.extra = item.extra;
  PromptCache prompts;  // of this item alone: the text encoder may be trained
  Conditioning conditioning = compose(run, prompts);
  made.text = conditioning.positive.text.front();
  if (!conditioning.positive.segments.empty()) {
    made.text_segments = conditioning.positive.segments.front();
  }
  if (!conditioning.positive.ids.empty()) made.token_ids = conditioning.positive.ids.front();
  if (plan.negative) {
    made.negative_text = conditioning.negative.text.front();
    if (!conditioning.negative.segments.empty()) {
      made.negative_segments = conditioning.negative.segments.front();
    }
  }
  made.latents = encode_picture(run, picture, item.where);
  add_edit_images(run, conditioning);
  made.image_latents = conditioning.image_latents;
  made.image_features = conditioning.image_features;
  if (!request.controlnet_inputs.empty()) {
    made.control_context = control_context(run, request.controlnet_inputs.front(), 0);
  }
  if (!pictures(item, kTemplateInputs).empty()) {
    std::vector<Picture> list;
    for (const image::Image& picture : pictures(item, kTemplateInputs)) {
      list.push_back(std::make_shared<const image::Image>(picture));
    }
    made.lora_features = lora_features(run, list);
  }
  return made;
}

data::CacheEntry cache_entry(const data::Item& item, const EncodedItem& encoded) {
  data::CacheEntry entry;
  entry.row = item.row;
  entry.where = item.where;
  entry.prompt = item.prompt;
  entry.extent = {item.width, item.height, static_cast<size_t>(encoded.text.size(0))};
  entry.extra = encoded.extra.is_object() ? encoded.extra : nlohmann::json::object();
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (tensor.defined()) entry.tensors.push_back(named_tensor(name, tensor));
  };
  const auto add_list = [&](const std::string& name, const std::vector<at::Tensor>& list) {
    for (size_t i = 0; i < list.size(); ++i) add(fmt::format("{}.{}", name, i), list[i]);
  };
  add("input_latents", encoded.latents);
  add("prompt_embeds", encoded.text);
  add("text_segments", encoded.text_segments);
  add("negative_prompt_embeds", encoded.negative_text);
  add("negative_text_segments", encoded.negative_segments);
  add("token_ids", encoded.token_ids);
  add_list("image_latents", encoded.image_latents);
  add_list("image_embeds", encoded.image_features);
  add("control_context", encoded.control_context);
  add_list("lora_features", encoded.lora_features);
  return entry;
}

EncodedItem read_cached(const data::Item& item) {
  const weights::WeightSet& set = *item.tensors;
  const auto get = [&](const std::string& name) -> at::Tensor {
    const weights::TensorInfo* info = set.find(name);
    return info ? tensor_of(set.view(*info)) : at::Tensor();
  };
  const auto get_list = [&](const std::string& name) {
    std::vector<at::Tensor> list;
    for (at::Tensor next = get(name + ".0"); next.defined();
         next = get(fmt::format("{}.{}", name, list.size()))) {
      list.push_back(next);
    }
    return list;
  };
  EncodedItem made;
  made.where = item.where;
  made.extra = item.extra;
  made.latents = get("input_latents");
  made.text = get("prompt_embeds");
  if (!made.latents.defined() || !made.text.defined()) {
    throw Error(Status::BadData,
                fmt::format("{}: the cache has no \"{}\" of it; encode it again", item.where,
                            made.latents.defined() ? "prompt_embeds" : "input_latents"));
  }
  made.text_segments = get("text_segments");
  made.negative_text = get("negative_prompt_embeds");
  made.negative_segments = get("negative_text_segments");
  made.token_ids = get("token_ids");
  made.image_latents = get_list("image_latents");
  made.image_features = get_list("image_embeds");
  made.control_context = get("control_context");
  made.lora_features = get_list("lora_features");
  return made;
}

}  // namespace gesso::runtime
