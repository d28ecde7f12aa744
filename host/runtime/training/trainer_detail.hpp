// What the parts of the trainer share.
#pragma once

#include <string>

#include "engine/data/order.hpp"
#include "runtime/training/trainer.hpp"

namespace gesso::runtime {

inline constexpr const char* kDenoiserRole = "denoiser";
inline constexpr const char* kControlNetRole = "controlnet";
inline constexpr const char* kCodecRole = "codec";
inline constexpr const char* kTextEncoderRole = "text_encoder";

/// Streams of random numbers, all from one seed.
enum Stream : uint64_t { kNoise = 0x5eed1, kLevel = 0x5eed2, kLora = 0x5eed3, kHeldOut = 0x5eed4 };

inline uint64_t draw(uint64_t seed, Stream stream, uint64_t place) {
  return data::mixed(seed ^ stream, place);
}

inline Event info(const std::string& text) {
  Event event;
  event.type = Event::Info;
  event.text = text;
  return event;
}

}  // namespace gesso::runtime
