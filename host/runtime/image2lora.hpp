// Pictures to low-rank updates, by the pipeline's generator (role "image2lora").
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/run.hpp"

namespace gesso::runtime {

struct GeneratedLora {
  std::vector<std::string> targets;  // "layers.0.attention.to_q"
  std::vector<at::Tensor> a, b;      // [r, in], [out, r]
};

/// What the generator's image encoders make of each picture.
/// @throws Error  NotFound without a generator; the components' own
std::vector<at::Tensor> lora_features(const Run& run, const std::vector<Picture>& pictures);
/// @throws Error  as above
GeneratedLora generate_lora(const Run& run, const std::vector<Picture>& pictures);

/// Adds what image2lora_images and negative_image2lora_images make; gone with this object.
class RequestLoras {
 public:
  explicit RequestLoras(const Run& run);
  ~RequestLoras();
  RequestLoras(const RequestLoras&) = delete;
  RequestLoras& operator=(const RequestLoras&) = delete;

 private:
  void add(const Run& run, const std::string& name, const std::vector<Picture>& pictures,
           config::AdapterPlan::Side side);
  Adapters& adapters_;
  std::vector<std::string> names_;
};

/// Writes it as bf16 safetensors with PEFT's names, as the reference does. Returns a report.
nlohmann::json write_lora(const GeneratedLora& lora, const std::filesystem::path& file);

/// The role and the name that errors speak of.
inline constexpr const char* kGeneratorRole = "image2lora";

}  // namespace gesso::runtime
