#include "image2lora/targets.hpp"

#include "gesso/cpp/error.hpp"

namespace gesso::image2lora {

std::string Target::name() const {
  return group + "." + std::to_string(block) + "." + kLayers[layer];
}

std::vector<Target> list_targets(const std::function<int64_t(const std::string& group)>& count) {
  std::vector<Target> targets;
  for (const char* group : kGroups) {
    const int64_t blocks = count(group);
    for (int64_t block = 0; block < blocks; ++block) {
      for (size_t layer = 0; layer < kLayers.size(); ++layer) {
        targets.push_back({group, block, layer});
      }
    }
  }
  if (targets.empty()) {
    throw Error(
        Status::NotFound,
        "the file has weights for no layer of a transformer; is it an image-to-LoRA model?");
  }
  return targets;
}

}  // namespace gesso::image2lora
