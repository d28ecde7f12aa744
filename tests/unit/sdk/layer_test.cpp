#include <doctest/doctest.h>

#include "gesso/cpp/module.hpp"

using namespace gesso;

namespace {

/// Doubles what it gets; fails on request.
class Doubler : public Component<Doubler, ModuleInterface> {
 public:
  static constexpr Info info{.id = "org.example.doubler",
                             .kind = "denoiser",
                             .name = "Doubler",
                             .version = "1.0.0",
                             .summary = "Doubles"};
  static inline int alive = 0;
  Doubler() { ++alive; }
  ~Doubler() { --alive; }

  static const std::vector<Op<Doubler>>& ops() {
    static const std::vector<Op<Doubler>> list{{.name = "double",
                                                .inputs = {{"x", "N", kPerItem}},
                                                .outputs = {{"y", "N", kPerItem}},
                                                .run = &Doubler::twice,
                                                .estimate = &Doubler::cost}};
    return list;
  }
  gesso_estimate_t cost(const Inputs&) { return {sizeof(gesso_estimate_t), 0, 100, 200}; }
  void prepare(const Setup& setup) { offset_ = static_cast<float>(setup.values.real("offset", 0)); }
  void twice(const Call& call, const Inputs& inputs, Outputs& outputs) {
    call.poll();
    int32_t index = 0;
    for (const gesso_tensor_t* x : inputs.list("x")) {
      const auto from = elements<float>(x->dl_tensor);
      Tensor y = Tensor::empty(kF32, shape_of(x->dl_tensor));
      const auto to = elements<float>(y.dl());
      for (size_t i = 0; i < from.size(); ++i) to[i] = 2 * from[i] + offset_;
      outputs.put("y", index++, std::move(y));
    }
    if (inputs.values().has("fail")) throw Error(Status::BadData, "as asked");
  }

 private:
  float offset_ = 0;
};

Tensor numbers(std::vector<float> values) {
  const int64_t count = static_cast<int64_t>(values.size());
  Tensor t = Tensor::empty(kF32, {&count, 1});
  std::copy(values.begin(), values.end(), elements<float>(t.dl()).begin());
  return t;
}

struct Loaded {
  gesso_host_t host{sizeof(gesso_host_t), GESSO_ABI_MINOR, nullptr, "test", "0", nullptr, nullptr};
  ErrorText text;
  gesso_call_t call{};
  gesso_component_t* component = nullptr;

  Loaded() {
    call.struct_size = sizeof call;
    call.error = &text.error;
    const gesso_plugin_t* plugin = nullptr;
    check(Plugin<Doubler>::entry(&host, &plugin, &text.error, "org.example", "1", "v", "l"), text);
    check(plugin->create(plugin, &host, "org.example.doubler", &component, &text.error), text);
  }
  ~Loaded() { component->destroy(component->self); }
};

}  // namespace

TEST_CASE_FIXTURE(Loaded, "an operation runs through the C tables") {
  ValueList values;
  values.set_integer("offset", 1);
  const gesso_setup_t setup{sizeof setup, values.size(), values.data(), nullptr};
  REQUIRE(component->prepare(component->self, &call, &setup) == GESSO_STATUS_OK);
  const Tensor a = numbers({1, 2}), b = numbers({3});
  const auto results =
      ModuleRef(component).run(&call, "double", {{"x", 0, a.get()}, {"x", 1, b.get()}});
  REQUIRE(results.size() == 2);
  CHECK(elements<float>(results[0].tensor.dl())[1] == 5);
  CHECK(results[1].index == 1);
  CHECK(elements<float>(results[1].tensor.dl())[0] == 7);
}

TEST_CASE_FIXTURE(Loaded, "an exception becomes a status and a text, with the component's id") {
  ValueList values;
  values.set_boolean("fail", true);
  const Tensor a = numbers({1});
  CHECK_THROWS_WITH_AS(ModuleRef(component).run(&call, "double", {{"x", 0, a.get()}}, values),
                       "org.example.doubler: as asked", Error);
}

TEST_CASE_FIXTURE(Loaded, "cancel ends a run with its own status") {
  call.cancelled = [](const gesso_call_t*) -> int32_t { return 1; };
  const Tensor a = numbers({1});
  try {
    ModuleRef(component).run(&call, "double", {{"x", 0, a.get()}});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.status() == Status::Cancelled);
  }
}

TEST_CASE_FIXTURE(Loaded, "unknown operations, ports and interfaces are refused") {
  CHECK_THROWS_AS(ModuleRef(component).run(&call, "triple", {}), Error);
  CHECK_THROWS_AS(ModuleRef(component).run(&call, "double", {{"z", 0, nullptr}}), Error);
  CHECK(component->get_interface(component->self, "gesso.module/1x") == nullptr);
  CHECK(component->get_interface(component->self, "gesso.scheduler/1") == nullptr);
}

TEST_CASE_FIXTURE(Loaded, "inputs are held against their ports before an operation begins") {
  const auto refused = [&](const std::vector<Input>& inputs, const char* text) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(ModuleRef(component).run(&call, "double", inputs), text, Error);
  };
  const Tensor a = numbers({1});
  const int64_t wide[] = {1, 1};
  const Tensor square = Tensor::empty(kF32, wide), whole = Tensor::empty(kI64, {wide, 1});
  const std::string where = "org.example.doubler: operation \"double\": input ";
  refused({}, (where + "\"x\": expected one tensor at least, found none").c_str());
  refused({{"x", 0, a.get()}, {"x", 2, a.get()}},
          (where + "\"x\": expected index 1, found 2").c_str());
  refused({{"x", -1, a.get()}}, (where + "\"x\": expected index 0, found -1").c_str());
  refused({{"x", 0, nullptr}}, (where + "\"x[0]\": expected a tensor, found NULL").c_str());
  refused({{"x", 0, a.get()}, {"x", 1, square.get()}},
          (where + "\"x[1]\": expected [N], found [1, 1]").c_str());
  refused({{"x", 0, whole.get()}},
          (where + "\"x[0]\": expected floating numbers, found i64").c_str());
}

TEST_CASE("dims and dtypes of ports") {
  const auto takes = [](const char* dims, std::vector<int64_t> shape) {
    return takes_shape(dims, shape);
  };
  CHECK(takes("3 H W", {3, 0, 7}));
  CHECK(takes("3 H W", {3, -1, 7}));
  CHECK_FALSE(takes("3 H W", {4, 2, 7}));
  CHECK_FALSE(takes("3 H W", {3, 2}));
  CHECK(takes("", {}));
  CHECK_FALSE(takes("", {1}));
  CHECK(takes("...", {1, 2}));
  CHECK(takes(nullptr, {1, 2}));
  CHECK(takes_type("f32|bf16", kBF16));
  CHECK_FALSE(takes_type("f32|bf16", {kDLFloat, 16, 1}));
  CHECK_FALSE(takes_type("i64", kI32));
  CHECK(takes_type(nullptr, {kDLFloat, 16, 1}));
  CHECK_FALSE(takes_type(nullptr, kU8));
}

TEST_CASE("numbers are read in any layout and type") {
  float values[] = {9, 1, 9, 2, 9, 3, 9, 4};
  int64_t shape[] = {2, 2}, strides[] = {2, 4};  // transposed, every second number
  const DLTensor t{values, {kDLCPU, 0}, 2, kF32, shape, strides, sizeof(float)};
  CHECK(gesso::numbers<float>(t) == std::vector<float>{1, 3, 2, 4});
  CHECK(gesso::numbers<int64_t>(t) == std::vector<int64_t>{1, 3, 2, 4});
  uint16_t halves[] = {0x3F80, 0xC040};
  int64_t two = 2;
  const DLTensor row{halves, {kDLCPU, 0}, 1, kBF16, &two, nullptr, 0};
  CHECK(gesso::numbers<double>(row) == std::vector<double>{1, -3});
  const DLTensor code{halves, {kDLCPU, 0}, 1, {kDLFloat, 16, 1}, &two, nullptr, 0};
  CHECK_THROWS_WITH_AS(gesso::numbers<float>(code), doctest::Contains("found f16"), Error);
}

TEST_CASE_FIXTURE(Loaded, "an estimate is written as far as its struct_size goes") {
  const Tensor a = numbers({1});
  const gesso_estimate_t whole =
      ModuleRef(component).estimate(&call, "double", {{"x", 0, a.get()}});
  CHECK(whole.peak_bytes == 100);
  CHECK(whole.flops == 200);
  const auto* module = static_cast<const gesso_module_t*>(
      component->get_interface(component->self, GESSO_MODULE_ID));
  const gesso_item_t item{0, 0, a.get()};
  const gesso_bundle_t bundle{sizeof bundle, 1, &item};
  const gesso_run_t run{sizeof run, 0, &bundle, nullptr, nullptr, 0, nullptr, 0};
  gesso_estimate_t cut{offsetof(gesso_estimate_t, flops), 0, 0, 7};
  REQUIRE(module->estimate(component->self, &call, &run, &cut) == GESSO_STATUS_OK);
  CHECK(cut.struct_size == offsetof(gesso_estimate_t, flops));
  CHECK(cut.peak_bytes == 100);
  CHECK(cut.flops == 7);
}

TEST_CASE("a thousand instances leave nothing behind") {
  for (int i = 0; i < 1000; ++i) Loaded loaded;
  CHECK(Doubler::alive == 0);
}

TEST_CASE("a later host is spoken to in the plugin's own minor") {
  gesso_host_t host{
      sizeof(gesso_host_t), GESSO_ABI_MINOR + 1, nullptr, "test", "0", nullptr, nullptr};
  ErrorText text;
  const gesso_plugin_t* plugin = nullptr;
  check(Plugin<Doubler>::entry(&host, &plugin, &text.error, "org.example", "1", "v", "l"), text);
  CHECK(plugin->abi_minor == GESSO_ABI_MINOR);
}

TEST_CASE("a text longer than its room is cut and says so") {
  char room[8];
  gesso_error_t error = GESSO_ERROR_INIT(room, sizeof room);
  CHECK(guard(&error, [] { throw Error(Status::BadData, "0123456789"); }) == GESSO_STATUS_BAD_DATA);
  CHECK(std::string(room) == "0123456");
  CHECK(error.length == 10);
}

TEST_CASE("values of another type are errors, absent ones are the preset") {
  ValueList values;
  values.set_text("name", "x").set_integers("list", {1, 2}).set_texts("words", {"a", "b"});
  const Values view = values.view();
  CHECK(view.text("name", "") == "x");
  CHECK(view.reals("list") == std::vector<double>{1, 2});
  CHECK(view.texts("words").back() == "b");
  CHECK(view.integer("absent", 5) == 5);
  CHECK_THROWS_AS(view.integer("name", 0), Error);
}
