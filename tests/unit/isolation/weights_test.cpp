// Weights of an isolated component: files are mapped by the child, copies go along once for each
// generation.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "odd_host.hpp"

/// One unit of two numbers: "a" in a mapped file, "b" in memory.
struct gesso_weights {
  float* a = nullptr;
  float b = 0.5f;
  uint64_t generation = 1;
  int inside = 0, declared = 0, entered = 0;

  int64_t shape = 1, stride = 1;
  gesso_tensor_t tensors[2]{};
  gesso_tensor_t* parts[2][1]{};
  gesso_weight_view_t views[2]{};

  gesso_weights() {
    char name[] = "/tmp/gesso-weights-XXXXXX";
    const int file = mkstemp(name);
    const float values[2] = {9, 2};
    REQUIRE(write(file, values, sizeof values) == sizeof values);
    a = static_cast<float*>(mmap(nullptr, sizeof values, PROT_READ, MAP_SHARED, file, 0)) + 1;
    close(file);
    path = name;
    for (int i = 0; i < 2; ++i) {
      parts[i][0] = &tensors[i];
      tensors[i].dl_tensor = {
          i ? static_cast<void*>(&b) : a, {kDLCPU, 0}, 1, gesso::kF32, &shape, &stride, 0};
      views[i] = {GESSO_ENCODING_PLAIN, 1, 0, parts[i], nullptr, 0};
    }
  }
  ~gesso_weights() { unlink(path.c_str()); }
  std::string path;

  static const gesso_weights_service_t& service() {
    static const gesso_weights_service_t table{
        sizeof(gesso_weights_service_t),
        0,
        [](gesso_weights_t*, const char* name, DLTensor*, gesso_error_t* error) {
          return gesso::guard(error, [&] {
            throw gesso::Error(gesso::Status::NotFound, std::string(name) + " is not here");
          });
        },
        [](gesso_weights_t* self, const char*, const gesso_weight_request_t* const* requests,
           uint32_t count, uint32_t* id, gesso_error_t*) -> gesso_status_t {
          const bool right = count == 2 && std::string(requests[1]->name) == "b" &&
                             requests[1]->ndim == 1 && requests[1]->shape[0] == 1;
          ++self->declared;
          *id = 0;
          return right ? GESSO_STATUS_OK : GESSO_STATUS_INTERNAL;
        },
        [](gesso_weights_t* self, const gesso_call_t*, uint32_t,
           gesso_unit_view_t* view) -> gesso_status_t {
          ++self->inside;
          ++self->entered;
          view->count = 2;
          view->generation = self->generation;
          view->delta_generation = 0;
          view->weights = self->views;
          return GESSO_STATUS_OK;
        },
        [](gesso_weights_t* self, uint32_t) { --self->inside; },
        [](gesso_weights_t*, uint32_t) {}};
    return table;
  }
};

using namespace gesso;
using gesso::test::Isolated;
using gesso::test::OddCall;
using gesso::test::OddHost;

namespace {

float denoise(Isolated& component, float x, const std::string& fault = "") {
  OddCall call;
  return test::denoise(component.get(), call, {x}, fault).front();
}

}  // namespace

TEST_CASE("a child sees the weights of a file and those in memory, and their changes") {
  OddHost host;
  host.weights = &gesso_weights::service();
  gesso_weights weights;
  Isolated component(host, "denoiser");
  OddCall call;
  component.prepare(call, {}, &weights);
  CHECK(denoise(component, 10) == 20.5f);
  weights.b = 7;  // the same generation: what was sent holds
  CHECK(denoise(component, 10) == 20.5f);
  ++weights.generation;
  CHECK(denoise(component, 10) == 27.0f);
  CHECK(weights.entered == 3);
}

TEST_CASE("after a crash the next child has the same weights, and no unit stays entered") {
  OddHost host;
  host.weights = &gesso_weights::service();
  gesso_weights weights;
  Isolated component(host, "denoiser");
  OddCall call;
  component.prepare(call, {}, &weights);
  CHECK(denoise(component, 1) == 2.5f);
  CHECK_THROWS_WITH_AS(denoise(component, 1, "crash"), doctest::Contains("signal 6"), Error);
  CHECK(denoise(component, 2) == 4.5f);
  CHECK(weights.declared == 1);
  CHECK(weights.inside == 0);
}
