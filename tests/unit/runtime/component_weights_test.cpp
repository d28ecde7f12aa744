#include "runtime/component_weights.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>

#include "engine/weights/safetensors_writer.hpp"
#include "gesso/cpp/host.hpp"

using namespace gesso;

namespace {

/// A file with a float32 matrix and a bf16 vector.
class File {
 public:
  File() : path_(std::filesystem::temp_directory_path() / "gesso-component-weights.safetensors") {
    static const std::vector<float> matrix{1, 2, 3, 4, 5, 6};
    static const std::vector<uint16_t> vector{0x3f80, 0x4000};  // 1, 2
    weights::write_safetensors(
        path_,
        {{"matrix", {weights::DType::F32, {2, 3}, std::as_bytes(std::span(matrix)), nullptr}},
         {"vector", {weights::DType::BF16, {2}, std::as_bytes(std::span(vector)), nullptr}}});
  }
  ~File() { std::filesystem::remove(path_); }
  std::shared_ptr<const weights::MappedWeights> map() const {
    return std::make_shared<weights::MappedWeights>(
        weights::MappedWeights::as_stored(weights::WeightSet::open(path_)));
  }

 private:
  std::filesystem::path path_;
};

struct Fixture {
  File file;
  runtime::BoundaryClock clock;
  gesso_weights raw{"org.example.part", "denoiser", file.map(), weights::DType::F32, &clock};
  Weights weights{&gesso_weights::service(), &raw};
  Call call{nullptr};
};

const float* floats(const gesso_weight_view_t& view) {
  return static_cast<const float*>(view.parts[0]->dl_tensor.data);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "weights of the compute type are used in place, others are converted") {
  const Unit unit = weights.declare("all", {{"matrix", {2, 3}}, {"vector", {-1}}});
  const auto guard = unit.enter(call);
  REQUIRE(guard.size() == 2);
  CHECK(floats(guard[0])[5] == 6);
  CHECK(floats(guard[1])[1] == 2);
  CHECK((guard[0].parts[0]->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0);
  CHECK(raw.mapped_bytes() == 24);
  CHECK(raw.copied_bytes() == 8);
}

TEST_CASE_FIXTURE(Fixture, "a request may fix the type") {
  const Unit unit = weights.declare("one", {{"vector", {2}, 0, kBF16}});
  const auto guard = unit.enter(call);
  CHECK(same_type(guard[0].parts[0]->dl_tensor.dtype, kBF16));
  CHECK(raw.mapped_bytes() == 4);
}

TEST_CASE_FIXTURE(Fixture, "entering again gives the same pointers and generation") {
  const Unit unit = weights.declare("all", {{"vector", {2}}});
  const void* first = nullptr;
  uint64_t generation = 0;
  {
    const auto guard = unit.enter(call);
    first = floats(guard[0]);
    generation = guard.generation();
  }
  const auto guard = unit.enter(call);
  CHECK(floats(guard[0]) == first);
  CHECK(guard.generation() == generation);
}

TEST_CASE_FIXTURE(Fixture, "a missing weight is named with the file, unless it is optional") {
  try {
    weights.declare("bad", {{"absent", {1}}});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.status() == Status::NotFound);
    CHECK(std::string(e.what()).find("org.example.part: weight \"absent\" is missing in") == 0);
  }
  const Unit unit = weights.declare("fine", {{"absent", {1}, GESSO_WEIGHT_OPTIONAL}});
  CHECK(unit.enter(call)[0].n_parts == 0);
}

TEST_CASE_FIXTURE(Fixture, "a wrong shape says what was expected and found") {
  CHECK_THROWS_WITH_AS(weights.declare("bad", {{"matrix", {3, 3}}}),
                       "org.example.part: weight \"matrix\" is [2, 3], expected [3, 3]; is this "
                       "another model's file?",
                       Error);
}

TEST_CASE_FIXTURE(Fixture, "describe tells shape and type without placing anything") {
  const auto info = weights.describe("matrix");
  CHECK(info.shape == std::vector<int64_t>{2, 3});
  CHECK(same_type(info.dtype, kF32));
  CHECK_FALSE(weights.find("absent"));
}

TEST_CASE_FIXTURE(Fixture,
                  "a unit in use is not moved; a free one can be put away and comes back") {
  const Unit unit = weights.declare("all", {{"vector", {2}}});
  const gesso_place_t cpu{"cpu", "compute"}, disk{"disk", "file"};
  raw.set_plan(0, {{disk, cpu, cpu, cpu}});
  {
    const auto guard = unit.enter(call);
    raw.move(0, GESSO_PLACE_OFFLOAD);
    CHECK(raw.copied_bytes() == 8);
  }
  raw.move(0, GESSO_PLACE_OFFLOAD);
  CHECK(raw.copied_bytes() == 0);
  CHECK(floats(unit.enter(call)[0])[0] == 1);
}

TEST_CASE_FIXTURE(Fixture, "a place that this host cannot serve is refused by name") {
  weights.declare("all", {{"vector", {2}}});
  const gesso_place_t cuda{"cuda:0", "compute"};
  CHECK_THROWS_AS(raw.set_plan(0, {{cuda, cuda, cuda, cuda}}), Error);
}
