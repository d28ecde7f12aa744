// The policies of this tree, kept by the host, on units without bytes.
#include "runtime/residency.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "policy_bench.hpp"

using namespace gesso;
using test::MemoryValues;
using test::PolicyBench;

namespace {

constexpr uint64_t kMiB = 1 << 20, kGiB = 1 << 30;
const MemoryValues kOnSim{{{"offload_device", "disk"},
                           {"onload_device", "disk"},
                           {"preparing_device", "sim:0"},
                           {"computation_device", "sim:0"}},
                          -1};
const std::string kStream = "org.gesso.stream.policy", kOffload = "org.gesso.offload.policy";

/// The sizes of Z-Image and what is around it, in the order in which they are used.
std::vector<PolicyBench::Part> z_image() {
  std::vector<uint64_t> dit{3 * kMiB, kMiB};
  dit.insert(dit.end(), 2, 354 * kMiB);
  dit.push_back(19 * kMiB);
  dit.insert(dit.end(), 2, 338 * kMiB);
  dit.insert(dit.end(), 30, 346 * kMiB);
  dit.push_back(2 * kMiB);
  std::vector<uint64_t> text{742 * kMiB};
  text.insert(text.end(), 35, 193 * kMiB);
  return {{"text_encoder", text, 0}, {"denoiser", dit, 1}, {"codec", std::vector(28, 6 * kMiB), 0}};
}

struct Stages {
  size_t text, denoiser, codec;  // where they end
};

Stages ends(const std::vector<PolicyBench::Part>& parts) {
  const size_t a = parts[0].bytes.size(), b = a + parts[1].bytes.size();
  return {a, b, b + parts[2].bytes.size()};
}

/// A whole picture with these activations of the denoiser and the codec.
void picture(PolicyBench& bench, const Stages& at, int steps, uint64_t denoising,
             uint64_t decoding) {
  auto& residency = *bench.residency;
  residency.enter_phase("composer");
  residency.reserve("text_encoder", 100 * kMiB, "compose");
  bench.pass(0, at.text);
  residency.enter_phase("denoiser");
  residency.reserve("denoiser", denoising, "denoise");
  for (int i = 0; i < steps; ++i) bench.pass(at.text, at.denoiser);
  residency.enter_phase("codec");
  residency.reserve("codec", decoding, "decode");
  bench.pass(at.denoiser, at.codec);
  residency.enter_phase("");
}

/// Bytes that no policy could do without for `steps` passes over units of these sizes, beginning
/// with none of them held: Belady's choice, a unit moved whole.
uint64_t least_traffic(const std::vector<uint64_t>& sizes, uint64_t room, int steps) {
  const size_t n = sizes.size();
  std::vector<bool> held(n);
  uint64_t used = 0, moved = 0;
  for (size_t now = 0; now < n * static_cast<size_t>(steps); ++now) {
    const size_t unit = now % n;
    if (held[unit]) continue;
    while (used + sizes[unit] > room) {
      size_t victim = n;  // the held one whose next use is furthest away
      for (size_t ahead = 1; ahead < n; ++ahead) {
        if (held[(unit + ahead) % n]) victim = (unit + ahead) % n;
      }
      held[victim] = false;
      used -= sizes[victim];
    }
    held[unit] = true;
    used += sizes[unit];
    moved += sizes[unit];
  }
  return moved;
}

uint64_t moved(const PolicyBench& bench, size_t begin, size_t end) {
  const auto& counts = bench.residency->counts();
  return std::accumulate(counts.begin() + static_cast<int64_t>(begin),
                         counts.begin() + static_cast<int64_t>(end), uint64_t{0},
                         [](uint64_t sum, const auto& count) { return sum + count.bytes; });
}

}  // namespace

TEST_CASE("stream: what fits stays, the rest moves once per step, at every limit and size") {
  const auto parts = z_image();
  const Stages at = ends(parts);
  constexpr int kSteps = 8;
  double worst = 0;
  for (uint64_t limit = 2; limit <= 16; ++limit) {
    for (const bool large : {false, true}) {  // 512x512, 1024x1024
      const uint64_t denoising = (large ? 900 : 300) * kMiB, decoding = (large ? 1400 : 700) * kMiB;
      CAPTURE(limit);
      CAPTURE(denoising);
      PolicyBench bench(kStream, parts, limit * kGiB, kOnSim);
      picture(bench, at, kSteps, denoising, decoding);
      CHECK(bench.account().peak <= limit * kGiB);
      CHECK(bench.residency->refused() == 0);
      const uint64_t least = least_traffic(parts[1].bytes, limit * kGiB - denoising, kSteps);
      const double ratio =
          static_cast<double>(moved(bench, at.text, at.denoiser)) / static_cast<double>(least);
      worst = std::max(worst, ratio);
      CHECK(ratio <= 1.05);
    }
  }
  MESSAGE("most traffic over the least: " << worst);
}

TEST_CASE("no policy exceeds its limit in 100 random runs") {
  std::mt19937 random(5);
  const auto below = [&](uint64_t n) { return random() % n; };
  for (int run = 0; run < 100; ++run) {
    CAPTURE(run);
    std::vector<PolicyBench::Part> parts;
    uint64_t largest = 0;
    for (const char* role : {"text_encoder", "denoiser", "codec"}) {
      std::vector<uint64_t> sizes(3 + below(30));
      for (uint64_t& size : sizes) size = (1 + below(400)) * kMiB;
      largest = std::max(largest, *std::ranges::max_element(sizes));
      parts.push_back({role, sizes, std::string(role) == "denoiser" ? 1u : 0u});
    }
    const uint64_t activations = below(2000) * kMiB;
    const uint64_t limit = std::max(2 * kGiB, activations + largest) + below(14 * kGiB);
    MemoryValues values = kOnSim;
    if (below(2)) values.texts[0].second = values.texts[1].second = "cpu";
    values.vram_limit = static_cast<double>(limit) / static_cast<double>(kGiB);
    const std::string policy = below(2) ? kStream : kOffload;
    CAPTURE(policy);
    PolicyBench bench(policy, parts, limit, values);
    for (int k = 0; k < 3; ++k) {
      picture(bench, ends(parts), 1 + static_cast<int>(below(5)), activations,
              below(activations + 1));
      CHECK(bench.account().peak <= limit);
    }
    CHECK(bench.residency->refused() == 0);
  }
}

TEST_CASE("stream: a second picture moves nothing when everything fits") {
  const auto parts = z_image();
  PolicyBench bench(kStream, parts, 32 * kGiB, kOnSim);
  picture(bench, ends(parts), 2, 300 * kMiB, 700 * kMiB);
  bench.residency->reset_counts();
  picture(bench, ends(parts), 2, 300 * kMiB, 700 * kMiB);
  CHECK(moved(bench, 0, ends(parts).codec) == 0);
}

TEST_CASE("a second picture moves only what had to go") {
  const auto parts = z_image();
  const Stages at = ends(parts);
  PolicyBench bench(kStream, parts, 14 * kGiB, kOnSim);  // the denoiser fits, not all of it
  picture(bench, at, 2, 300 * kMiB, 700 * kMiB);
  bench.residency->reset_counts();
  picture(bench, at, 2, 300 * kMiB, 700 * kMiB);
  CHECK(moved(bench, at.text, at.denoiser) <= 2 * kGiB);
}

TEST_CASE("a limit that is too small ends with the one that would do") {
  const auto parts = z_image();
  PolicyBench bench(kStream, parts, kGiB, kOnSim);
  bench.residency->enter_phase("denoiser");
  bench.residency->reserve("denoiser", 900 * kMiB, "denoise");
  CHECK_THROWS_WITH_AS(
      bench.pass(38, 40),
      doctest::Contains("unit \"layers.38\" of org.test.denoiser needs 0.35 GiB on sim:0"), Error);
  CHECK_THROWS_WITH_AS(bench.residency->reserve("denoiser", 2 * kGiB, "decode"),
                       doctest::Contains("2.00 GiB would do"), Error);
  bench.residency->reserve("denoiser", 100 * kMiB, "denoise");  // usable again
  bench.pass(36, 75);
}

TEST_CASE("offload: the four states, and what each event does") {
  const std::vector<PolicyBench::Part> parts{{"text_encoder", {10, 10}, 0},
                                             {"denoiser", {10, 10, 10}, 1}};
  SUBCASE("layer by layer, as many prepared as fit beside one copy") {
    MemoryValues values{{{"offload_device", "cpu"},
                         {"onload_device", "cpu"},
                         {"preparing_device", "sim:0"},
                         {"computation_device", "sim:0"}},
                        31.0 / (1 << 30)};
    PolicyBench bench(kOffload, parts, 31, values);
    bench.residency->enter_phase("denoiser");
    bench.pass(2, 5);
    CHECK(bench.account().weights == 20);  // two stay, the third was copied for its use
    CHECK(bench.account("cpu").weights == 10);
    bench.residency->enter_phase("composer");
    CHECK(bench.account().weights == 0);
    CHECK(bench.account("cpu").weights == 30);
    bench.pass(0, 2);
    CHECK(bench.account().weights == 20);
  }
  SUBCASE("vram_limit 0: nothing stays") {
    MemoryValues values{{{"offload_device", "disk"},
                         {"onload_device", "disk"},
                         {"preparing_device", "sim:0"},
                         {"computation_device", "sim:0"}},
                        0};
    PolicyBench bench(kOffload, parts, 0, values);
    bench.residency->enter_phase("denoiser");
    bench.pass(2, 5);
    bench.pass(2, 5);
    CHECK(bench.account().weights == 0);
    CHECK(bench.account().peak == 10);
    CHECK(bench.residency->counts()[3].moves == 2);
  }
  SUBCASE("component after component: all of it comes with its part and goes with the next") {
    MemoryValues values{{{"offload_device", "disk"}, {"computation_device", "sim:0"}}, -1};
    PolicyBench bench(kOffload, parts, 0, values);
    bench.residency->enter_phase("denoiser");
    CHECK(bench.account().weights == 30);
    bench.pass(2, 5);
    CHECK(bench.residency->counts()[4].moves == 1);
    bench.residency->enter_phase("composer");
    CHECK(bench.account().weights == 0);
  }
  SUBCASE("stored in fp8, computed from a copy") {
    MemoryValues values{{{"offload_dtype", "fp8_e4m3"},
                         {"offload_device", "cpu"},
                         {"onload_dtype", "fp8_e4m3"},
                         {"onload_device", "cpu"},
                         {"preparing_dtype", "fp8_e4m3"},
                         {"preparing_device", "sim:0"},
                         {"computation_device", "sim:0"}},
                        -1};
    PolicyBench bench(kOffload, parts, 0, values);
    bench.residency->enter_phase("denoiser");
    bench.pass(2, 5);
    CHECK(bench.account().weights == 15);
    CHECK(bench.account().peak == 25);
  }
}

TEST_CASE("a component's own values win over those for all") {
  MemoryValues values = kOnSim;
  values.texts.push_back({"denoiser.computation_device", "cpu"});
  values.texts.push_back({"denoiser.preparing_device", "cpu"});
  PolicyBench bench(kStream, {{"text_encoder", {10}, 0}, {"denoiser", {20}, 1}}, 0, values);
  bench.pass(0, 2);
  CHECK(bench.account("sim:0").weights == 10);
  CHECK(bench.account("cpu").weights == 20);
}

TEST_CASE("auto: stays where there is room, else streams, and says so") {
  const std::vector<PolicyBench::Part> parts{{"denoiser", {kGiB, kGiB, kGiB}, 1}};
  for (const uint64_t limit : {2u, 4u}) {
    PolicyBench bench("org.gesso.auto.policy", parts, limit * kGiB, kOnSim);
    REQUIRE(bench.log.size() == 1);
    CHECK(bench.log[0].find(limit == 2 ? "they are streamed" : "all of them stay") !=
          std::string::npos);
    bench.residency->enter_phase("denoiser");
    bench.pass(0, 3);
    bench.pass(0, 3);
    CHECK(bench.account().peak <= limit * kGiB);
  }
}

TEST_CASE("resident: nothing is told, nothing moves; a limit is met or the run ends") {
  const std::vector<PolicyBench::Part> parts{{"denoiser", {10, 10, 10}, 1}};
  PolicyBench bench("org.gesso.resident.policy", parts, 25, {}, "cpu");
  CHECK_THROWS_WITH_AS(bench.pass(0, 3), doctest::Contains("frees no more"), Error);
}

TEST_CASE("an image encoder of 12.5 GiB, DINOv3-7B, runs in 2 GiB") {
  const std::vector<PolicyBench::Part> parts{
      {"dinov3_image_encoder", std::vector(40, 320 * kMiB), 0}};
  for (const std::string& policy : {kStream, kOffload}) {
    MemoryValues values = kOnSim;
    values.vram_limit = 2;
    PolicyBench bench(policy, parts, 2 * kGiB, values);
    bench.residency->enter_phase("dinov3_image_encoder");
    bench.residency->reserve("dinov3_image_encoder", 400 * kMiB, "image2lora");
    bench.pass(0, 40);
    CHECK(bench.account().peak <= 2 * kGiB);
    CHECK(moved(bench, 0, 40) == 40 * 320 * kMiB);  // each layer once
  }
}
