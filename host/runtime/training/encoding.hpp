// Items of a dataset as the tensors that losses work with, encoded anew or read from a cache.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/data/cache.hpp"
#include "engine/data/dataset.hpp"
#include "runtime/conditioning.hpp"
#include "runtime/run.hpp"

namespace gesso::runtime {

struct EncodedItem {
  std::string where;
  at::Tensor latents;                                     // [C, h, w]
  at::Tensor pixels;                                      // [3, H, W], for a codec alone
  at::Tensor text, text_segments;                         // segments: undefined without
  at::Tensor negative_text, negative_segments;            // undefined unless asked for
  at::Tensor token_ids;                                   // undefined when the composer gives none
  std::vector<at::Tensor> image_latents, image_features;  // of edit_image
  at::Tensor control_context;                             // undefined without
  std::vector<at::Tensor> lora_features;                  // of template_inputs
  nlohmann::json extra;                                   // other columns
};

struct EncodingPlan {
  bool negative = false;  // the empty prompt, for guidance of a teacher
  bool text = true;       // false: the text encoder is trained, ids are enough
};

/// The picture alone, for training of the codec. @throws Error  InvalidArgument without one
EncodedItem picture_item(const data::Item& item);

/// Runs the frozen components over an item. @throws Error  a component's; InvalidArgument for an
/// item that lacks a picture
EncodedItem encode_item(const Run& pipeline, const data::Item& item, const EncodingPlan& plan);

/// The same item in a cache, and back.
data::CacheEntry cache_entry(const data::Item& item, const EncodedItem& encoded);
/// @throws Error  BadData naming what the entry lacks
EncodedItem read_cached(const data::Item& item);

}  // namespace gesso::runtime
