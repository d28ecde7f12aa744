#include "runtime/component_weights.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>

#include "gesso/cpp/host.hpp"
#include "small_weights.hpp"

using namespace gesso;

namespace {

struct Fixture {
  test::SmallWeights file;
  runtime::BoundaryClock clock;
  runtime::Devices devices{{64 << 10, 0}};
  runtime::Loader loader;
  runtime::Timeline timeline;
  gesso_weights raw{"org.example.part",  "denoiser", file.map(),
                    weights::DType::F32, devices,    &clock};
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
  CHECK(raw.copied_bytes() == 64);  // two floats, rounded up
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

namespace {

runtime::Place place(runtime::Devices& devices, const char* device, const char* storage) {
  const bool nowhere = runtime::is_nowhere(device);
  return {device, storage, nowhere ? nullptr : &devices.get(device), std::nullopt};
}

/// What goes wrong, as text.
template <class Body>
std::string told(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a unit is held on a device, shown, let go, and comes back") {
  const Unit unit = weights.declare("all", {{"matrix", {2, 3}}, {"vector", {2}}});
  const runtime::Place sim = place(devices, "sim:0", "compute");
  CHECK(raw.bytes(0, sim) == 128);
  CHECK(raw.read_bytes(0, sim) == 28);
  raw.hold(0, sim, false);
  CHECK(raw.computes_from(0, sim, sim));
  raw.show(0, sim);
  CHECK(raw.copied_bytes() == 128);
  CHECK(devices.get("sim:0").usage().used == 128);
  CHECK(devices.get("sim:0").usage().bytes_in == 32);
  const auto guard = unit.enter(call);
  CHECK(floats(guard[0])[5] == 6);
  CHECK(floats(guard[1])[1] == 2);
  raw.release(0);
  CHECK(raw.copied_bytes() == 0);
  CHECK(devices.get("sim:0").usage().used == 0);
  CHECK(devices.get("sim:0").usage().peak == 128);
}

TEST_CASE_FIXTURE(Fixture, "what is held elsewhere, or in another type, is copied for each use") {
  weights.declare("all", {{"matrix", {2, 3}}});
  const runtime::Place cpu = place(devices, "cpu", "compute"),
                       sim = place(devices, "sim:0", "compute");
  runtime::Place fp8 = place(devices, "cpu", "fp8_e4m3");
  fp8.dtype = weights::DType::F8_E4M3;
  for (const runtime::Place& held : {cpu, fp8}) {
    raw.hold(0, held, false);
    CHECK_FALSE(raw.computes_from(0, held, sim));
    raw.show(0, sim);
    CHECK(devices.get("sim:0").usage().used == 64);
    raw.hide(0);
    CHECK(devices.get("sim:0").usage().used == 0);
  }
  CHECK(raw.bytes(0, fp8) == 64);
}

TEST_CASE_FIXTURE(Fixture, "a file is used where it is mapped unless the unit may be on disk") {
  weights.declare("all", {{"matrix", {2, 3}}});
  const runtime::Place cpu = place(devices, "cpu", "compute");
  raw.hold(0, cpu, false);
  CHECK(raw.copied_bytes() == 0);
  CHECK(raw.read_bytes(0, cpu) == 0);
  raw.release(0);
  raw.set_reads_file(0, true);
  CHECK(raw.read_bytes(0, cpu) == 24);
  raw.hold(0, cpu, false);
  CHECK(raw.copied_bytes() == 64);
}

TEST_CASE_FIXTURE(Fixture, "another thread reads ahead; its use waits for it") {
  const Unit unit = weights.declare("all", {{"matrix", {2, 3}}, {"vector", {2}}});
  raw.watch(nullptr, 0, &loader, &timeline);
  raw.set_reads_file(0, true);
  timeline.start();
  for (int i = 0; i < 50; ++i) {
    raw.hold(0, place(devices, "cpu", "compute"), true);
    const auto guard = unit.enter(call);
    CHECK(floats(guard[0])[5] == 6);
    CHECK(floats(guard[1])[1] == 2);
    raw.release(0);
  }
  const nlohmann::json trace = timeline.stop();
  size_t reads = 0;
  for (const auto& event : trace.at("traceEvents")) reads += event.value("cat", "") == "read";
  CHECK(reads == 50);
  raw.hold(0, place(devices, "cpu", "compute"), true);  // never used: ends with its owner
}

TEST_CASE_FIXTURE(Fixture, "a device that is full says what it has") {
  weights.declare("all", {{"matrix", {2, 3}}});
  const auto taken = devices.get("sim:0").allocate(64 << 10);
  CHECK(told([&] { raw.hold(0, place(devices, "sim:0", "compute"), false); }) ==
        "org.example.part: unit \"all\": device \"sim:0\" has no 0.0 MiB left; 0.1 MiB are in use");
  CHECK(raw.copied_bytes() == 0);
}

TEST_CASE_FIXTURE(Fixture,
                  "a file that was cut or changed is an error that names the unit, and no signal") {
  const Unit unit = weights.declare("all", {{"matrix", {2, 3}}});
  raw.set_reads_file(0, true);
  const auto kept = std::filesystem::file_size(file.path());
  const auto time = std::filesystem::last_write_time(file.path());
  SUBCASE("cut") {
    std::filesystem::resize_file(file.path(), 16);
    for (const bool ahead : {false, true}) {
      raw.watch(nullptr, 0, &loader, &timeline);
      const std::string text = told([&] {
        raw.hold(0, place(devices, "cpu", "compute"), ahead);
        raw.show(0, place(devices, "cpu", "compute"));
      });
      CHECK(text.find("org.example.part: unit \"all\": ") == 0);
      CHECK(text.find("became shorter while it was in use") != std::string::npos);
      CHECK(raw.copied_bytes() == 0);
    }
  }
  SUBCASE("touched") {
    std::filesystem::last_write_time(file.path(), time + std::chrono::seconds(1));
    CHECK(told([&] { raw.check_files(); }).find("was changed while it was in use") !=
          std::string::npos);
    std::filesystem::last_write_time(file.path(), time);
    raw.check_files();
    CHECK(floats(unit.enter(call)[0])[5] == 6);  // usable again
  }
  CHECK(kept > 16);
}

TEST_CASE_FIXTURE(Fixture, "int8 codes are shown to who asks, where products of them are wanted") {
  static const char* const int8[] = {GESSO_ENCODING_INT8_ROW, nullptr};
  const auto shown = [&](const char* storage, const char* const* encodings) {
    raw.set_storage({storage, {}, {}});
    WeightRequest request{"matrix", {2, 3}};
    request.encodings = encodings;
    const Unit unit = weights.declare("all", {request});
    return std::string(unit.enter(call)[0].encoding);
  };
  CHECK(shown("int8_w8a8", nullptr) == "plain");
  CHECK(shown("int8_row", int8) == "plain");
  CHECK(shown("nf4", int8) == "plain");
  CHECK(shown("", int8) == "plain");
  CHECK(shown("int8_w8a8", int8) == "int8_row");
}

TEST_CASE_FIXTURE(Fixture, "codes and scales are the weight, wherever it is held") {
  static const char* const int8[] = {GESSO_ENCODING_INT8_ROW, nullptr};
  raw.set_storage({"int8_w8a8", {}, {}});
  WeightRequest request{"matrix", {2, 3}};
  request.flags = GESSO_WEIGHT_TAKES_DELTAS;
  request.encodings = int8;
  const Unit unit = weights.declare("all", {request});
  const auto check = [&] {
    const auto guard = unit.enter(call);
    const gesso_weight_view_t& view = guard[0];
    REQUIRE(view.n_parts == 2);
    CHECK(same_type(view.parts[0]->dl_tensor.dtype, DLDataType{kDLInt, 8, 1}));
    CHECK(view.parts[1]->dl_tensor.ndim == 1);
    const auto* codes = static_cast<const int8_t*>(view.parts[0]->dl_tensor.data);
    const auto* scale = static_cast<const float*>(view.parts[1]->dl_tensor.data);
    for (int i = 0; i < 6; ++i)
      CHECK(codes[i] * scale[i / 3] == doctest::Approx(i + 1).epsilon(0.01));
  };
  check();
  CHECK(raw.copied_bytes() == 0);  // used where it was stored
  CHECK(raw.unit_infos()[0].compute_bytes == 128);
  raw.release(0);
  raw.hold(0, place(devices, "sim:0", "compute"), false);
  raw.show(0, place(devices, "sim:0", "compute"));
  check();
  CHECK(raw.copied_bytes() == 128);
  raw.release(0);

  // An update that the component cannot add needs the numbers.
  runtime::WeightDelta twice;
  twice.replace = [](const at::Tensor& base) { return base * 2; };
  raw.set_deltas(0, {twice});
  CHECK(unit.enter(call)[0].encoding == std::string("plain"));
  CHECK(floats(unit.enter(call)[0])[5] == doctest::Approx(12).epsilon(0.01));
  raw.set_deltas(0, {});
  check();
  CHECK(raw.placed(0).sum().item<float>() == doctest::Approx(21).epsilon(0.01));
}

TEST_CASE("devices are known by name") {
  runtime::Devices devices;
  CHECK(devices.get("cpu").is_host());
  CHECK(&devices.get("sim:1") != &devices.get("sim:0"));
  CHECK(told([&] { devices.get("gpu"); }).find("there is no device \"gpu\"") == 0);
  CHECK(told([&] { devices.get("cuda:0"); }).find("device \"cuda:0\"") == 0);
  CHECK_THROWS_AS(devices.get("sim:x"), Error);
}

TEST_CASE("a simulated device has a capacity and a bandwidth") {
  runtime::Devices devices({1 << 20, 64 << 20});
  runtime::Device& sim = devices.get("sim:0");
  const std::vector<std::byte> bytes(1 << 20, std::byte{7});
  const auto memory = sim.allocate(bytes.size());
  const auto start = runtime::Clock::now();
  sim.write(memory.get(), bytes);
  CHECK(runtime::seconds_since(start) >= 1.0 / 64 * 0.99);
  CHECK_THROWS_AS(sim.allocate(1), Error);
  std::vector<std::byte> back(bytes.size());
  sim.read(memory.get(), back);
  CHECK((back == bytes));
  CHECK(sim.usage().bytes_in == bytes.size());
  CHECK(sim.usage().bytes_out == bytes.size());
}
