#include "runtime/conditioning.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/image/image_resize.hpp"
#include "engine/registry/json_values.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/composer.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/operation_run.hpp"
#include "runtime/sampling.hpp"

namespace gesso::runtime {
namespace {

constexpr int64_t kEditPixels = 1024 * 1024;  // edit_image_auto_resize shrinks to so many

/// Every different text once, and which of them a picture uses.
class Texts {
 public:
  size_t place_of(const std::string& text) {
    const auto found = std::find(list_.begin(), list_.end(), text);
    if (found != list_.end()) return static_cast<size_t>(found - list_.begin());
    list_.push_back(text);
    return list_.size() - 1;
  }
  std::vector<size_t> places_of(const std::vector<std::string>& texts) {
    std::vector<size_t> places;
    for (const std::string& text : texts) places.push_back(place_of(text));
    return places;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::vector<std::string> list_;
};

TextSide side_of(const Run& run, const char* side, const std::vector<size_t>& places,
                 const std::vector<ComposedText>& texts) {
  TextSide made;
  for (size_t i = 0; i < places.size(); ++i) {
    const ComposedText& text = texts[places[i]];
    made.text.push_back(text.features);
    run.keep(fmt::format("prompt_embeds.{}.{}", side, i), text.features);
    if (text.ids.defined()) {
      made.ids.push_back(text.ids);
      run.keep(fmt::format("token_ids.{}.{}", side, i), text.ids);
    }
    if (!text.segments.defined()) continue;
    made.segments.push_back(text.segments);
    run.keep(fmt::format("text_segments.{}.{}", side, i), text.segments);
  }
  return made;
}

std::vector<ComposedText> run_composer(const Run& run, const std::vector<std::string>& texts) {
  run.begin("compose", "composer");
  ValueList values = registry::values_from_json(run.request.composer_values);
  values.set_texts("prompt", texts);
  values.set_integer("n_images", static_cast<int64_t>(run.request.edit_images.size()));
  const Instance& composer = run.parts.get("composer");
  auto results = OperationRun(composer.component(), GESSO_OP_COMPOSE).run(run.call, values);
  const std::string& who = composer.plan().info->id;
  const auto features = take(results, GESSO_PORT_TEXT, texts.size(), who);
  const auto ids = take_optional(results, GESSO_PORT_TOKEN_IDS, features.size(), who);
  const auto segments = take_optional(results, GESSO_PORT_TEXT_SEGMENTS, features.size(), who);
  std::vector<ComposedText> made;
  for (size_t i = 0; i < features.size(); ++i) {
    check_finite(features[i],
                 fmt::format("compose: the features of prompt {} of {}", i + 1, features.size()));
    made.push_back({features[i], ids.empty() ? at::Tensor() : ids[i],
                    segments.empty() ? at::Tensor() : segments[i]});
  }
  return made;
}

/// All that the composer reads.
std::string key_of(const Run& run, const std::string& text) {
  return fmt::format("{}\n{}\n{}", run.request.composer_values.dump(),
                     run.request.edit_images.size(), text);
}

}  // namespace

Conditioning compose(const Run& run, PromptCache& cache) {
  const GenerateRequest& request = run.request;
  Texts texts;
  const std::vector<size_t> positive = texts.places_of(request.prompts);
  const std::vector<size_t> negative =
      run.guided() ? texts.places_of(request.negative_prompts) : std::vector<size_t>{};

  std::vector<ComposedText> composed(texts.list().size());
  std::vector<std::string> missing;
  std::vector<size_t> places;
  for (size_t i = 0; i < composed.size(); ++i) {
    const ComposedText* found = cache.find(key_of(run, texts.list()[i]));
    if (found) {
      composed[i] = *found;
    } else {
      missing.push_back(texts.list()[i]);
      places.push_back(i);
    }
  }
  if (!missing.empty()) {
    const auto made = run_composer(run, missing);
    for (size_t i = 0; i < made.size(); ++i) {
      composed[places[i]] = made[i];
      cache.keep(key_of(run, missing[i]), made[i]);
    }
  }
  Conditioning made;
  made.positive = side_of(run, "positive", positive, composed);
  made.negative = side_of(run, "negative", negative, composed);
  return made;
}

ValueList tiling(const GenerateRequest& request) {
  ValueList values;
  values.set_boolean("tiled", request.tiled);
  if (request.tile_size > 0) values.set_integer("tile_size", request.tile_size);
  if (request.tile_stride > 0) values.set_integer("tile_stride", request.tile_stride);
  return values;
}

at::Tensor encode_picture(const Run& run, const image::Image& picture, const std::string& what) {
  const Instance& codec = run.parts.get("codec");
  auto results =
      OperationRun(codec.component(), GESSO_OP_ENCODE)
          .feed(GESSO_PORT_PIXELS, {pixels_from_image(picture, run.compute_type("codec"))})
          .run(run.call, tiling(run.request));
  const at::Tensor latents =
      take(results, GESSO_PORT_LATENTS, 1, codec.plan().info->id).front().to(run.state_type());
  check_finite(latents, "encode: the latents of " + what);
  return latents;
}

void add_edit_images(const Run& run, Conditioning& conditioning) {
  if (run.request.edit_images.empty()) return;
  run.begin("encode", "codec");
  std::vector<image::Image> pictures;
  for (const Picture& picture : run.request.edit_images) {
    pictures.push_back(run.request.edit_image_auto_resize
                           ? image::crop_and_resize(*picture, kEditPixels)
                           : *picture);
    const size_t i = pictures.size() - 1;
    conditioning.image_latents.push_back(
        encode_picture(run, pictures.back(), fmt::format("edit_image {}", i + 1)));
    run.keep(fmt::format("image_latents.{}", i), conditioning.image_latents.back());
  }

  const Instance* encoder = run.parts.find("image_encoder");
  if (!encoder) return;
  run.begin("encode", "image_encoder");
  std::vector<at::Tensor> pixels;
  for (const image::Image& picture : pictures) {
    pixels.push_back(pixels_from_image(picture, at::kFloat));
  }
  auto results = OperationRun(encoder->component(), GESSO_OP_ENCODE)
                     .feed(GESSO_PORT_PIXELS, pixels)
                     .run(run.call, {});
  conditioning.image_features =
      take(results, GESSO_PORT_FEATURES, pixels.size(), encoder->plan().info->id);
  for (size_t i = 0; i < pixels.size(); ++i) {
    check_finite(conditioning.image_features[i],
                 fmt::format("encode: the features of edit_image {}", i + 1));
    run.keep(fmt::format("image_embeds.{}", i), conditioning.image_features[i]);
  }
}

}  // namespace gesso::runtime
