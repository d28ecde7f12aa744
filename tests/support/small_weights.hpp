// A weights file with a float32 matrix [2, 3] and a bf16 vector [2].
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/weights/mapped_weights.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "temporary_folder.hpp"

namespace gesso::test {

class SmallWeights {
 public:
  SmallWeights() {
    static const std::vector<float> matrix{1, 2, 3, 4, 5, 6};
    static const std::vector<uint16_t> vector{0x3f80, 0x4000};  // 1, 2
    weights::write_safetensors(
        path(),
        {{"matrix", {weights::DType::F32, {2, 3}, std::as_bytes(std::span(matrix)), nullptr}},
         {"vector", {weights::DType::BF16, {2}, std::as_bytes(std::span(vector)), nullptr}}});
  }
  std::filesystem::path path() const { return folder_.path / "small.safetensors"; }
  std::shared_ptr<const weights::MappedWeights> map() const {
    return std::make_shared<weights::MappedWeights>(
        weights::MappedWeights::as_stored(weights::WeightSet::open(path())));
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace gesso::test
