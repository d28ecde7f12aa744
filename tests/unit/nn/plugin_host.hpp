// The smallest host that a plugin runs in: loads its library, gives it weights from memory, and
// counts what it does with them.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "gesso/cpp/module.hpp"
#include "golden_case.hpp"

namespace golden {

/// Service "gesso.weights/1" over tensors in memory, all in one type.
class MemoryWeights {
 public:
  MemoryWeights(const Arrays& arrays, bool bf16) {
    for (const auto& [name, array] : arrays) tensors_[name] = convert(array, bf16);
  }

  static const gesso_weights_service_t& service() {
    static const gesso_weights_service_t table{
        sizeof table, 0, describe, declare, enter, leave, [](gesso_weights_t*, uint32_t) {}};
    return table;
  }
  gesso_weights_t* handle() { return reinterpret_cast<gesso_weights_t*>(this); }

  void erase(const std::string& name) { tensors_.erase(name); }
  const DLTensor& tensor(const std::string& name) const { return tensors_.at(name).dl(); }
  std::vector<std::string> declared() const {
    std::vector<std::string> names;
    for (const auto& unit : units_) names.push_back(unit->name);
    return names;
  }
  bool declares_weight(const std::string& name) const { return weights_.count(name) > 0; }
  int entered_now() const { return entered_now_; }
  int enter_count = 0;

  /// From now on, an update of the weight `name`.
  void add_delta(const std::string& name, gesso::Tensor a, gesso::Tensor b, double scale,
                 uint64_t items) {
    auto& parts = delta_parts_.emplace_back(new Parts{std::move(a), std::move(b), {}});
    parts->list[0] = parts->a.get();
    parts->list[1] = parts->b.get();
    deltas_[name].push_back({"low_rank", 0, 2, scale, items, parts->list, 0, 0});
    ++delta_generation_;
  }

 private:
  struct Parts {
    gesso::Tensor a, b;
    gesso_tensor_t* list[2];
  };
  struct UnitRecord {
    std::string name;
    std::vector<std::string> weights;
    std::vector<gesso_tensor_t*> parts;
    std::vector<gesso_weight_view_t> views;
  };

  static gesso::Tensor convert(const Array& array, bool bf16) {
    gesso::Tensor tensor =
        gesso::Tensor::empty(bf16 ? gesso::kBF16 : gesso::kF32, std::span(array.shape));
    if (bf16) {
      REQUIRE(array.dtype == "BF16");
      std::memcpy(tensor.dl().data, array.bytes.data(), array.bytes.size());
    } else {
      const std::vector<float> values = array.floats();
      std::memcpy(tensor.dl().data, values.data(), 4 * values.size());
    }
    return tensor;
  }
  static MemoryWeights& of(gesso_weights_t* w) { return *reinterpret_cast<MemoryWeights*>(w); }

  static gesso_status_t GESSO_CALL describe(gesso_weights_t* w, const char* name, DLTensor* meta,
                                            gesso_error_t* error) {
    return gesso::guard(error, [&] {
      const auto found = of(w).tensors_.find(name);
      if (found == of(w).tensors_.end()) {
        throw gesso::Error(gesso::Status::NotFound, std::string("no weight ") + name);
      }
      *meta = found->second.dl();
      meta->data = nullptr;
    });
  }
  static gesso_status_t GESSO_CALL declare(gesso_weights_t* w, const char* unit,
                                           const gesso_weight_request_t* const* requests,
                                           uint32_t count, uint32_t* id, gesso_error_t* error) {
    return gesso::guard(error, [&] {
      MemoryWeights& self = of(w);
      auto record = std::make_unique<UnitRecord>();
      record->name = unit;
      for (uint32_t i = 0; i < count; ++i) {
        const gesso_weight_request_t& r = *requests[i];
        const auto found = self.tensors_.find(r.name);
        if (found == self.tensors_.end()) {
          throw gesso::Error(gesso::Status::NotFound, std::string("no weight ") + r.name);
        }
        const auto shape = gesso::shape_of(found->second.dl());
        bool fits = shape.size() == static_cast<size_t>(r.ndim);
        for (size_t k = 0; fits && k < shape.size(); ++k) {
          fits = r.shape[k] == -1 || r.shape[k] == shape[k];
        }
        if (!fits) {
          throw gesso::Error(gesso::Status::Incompatible,
                             std::string(r.name) + " is " + gesso::shape_text(shape));
        }
        record->weights.push_back(r.name);
        record->parts.push_back(found->second.get());
        self.weights_.insert(r.name);
      }
      *id = static_cast<uint32_t>(self.units_.size());
      self.units_.push_back(std::move(record));
    });
  }
  static gesso_status_t GESSO_CALL enter(gesso_weights_t* w, const gesso_call_t*, uint32_t id,
                                         gesso_unit_view_t* view) {
    MemoryWeights& self = of(w);
    UnitRecord& unit = *self.units_.at(id);
    unit.views.clear();
    for (size_t i = 0; i < unit.parts.size(); ++i) {
      const auto& deltas = self.deltas_[unit.weights[i]];
      unit.views.push_back({"plain", 1, 0, &unit.parts[i], deltas.data(), deltas.size()});
    }
    *view = {sizeof *view, static_cast<uint32_t>(unit.views.size()), 1, self.delta_generation_,
             unit.views.data()};
    ++self.enter_count;
    ++self.entered_now_;
    return GESSO_STATUS_OK;
  }
  static void GESSO_CALL leave(gesso_weights_t* w, uint32_t) { --of(w).entered_now_; }

  std::map<std::string, gesso::Tensor> tensors_;
  std::map<std::string, std::vector<gesso_delta_t>> deltas_;
  std::vector<std::unique_ptr<Parts>> delta_parts_;
  std::vector<std::unique_ptr<UnitRecord>> units_;
  std::set<std::string> weights_;
  uint64_t delta_generation_ = 1;
  int entered_now_ = 0;
};

/// A request whose cancel can be set to a number of polls.
struct TestCall {
  gesso::ErrorText text;
  int polls_left = -1;  // -1: never cancelled
  gesso_call_t raw{};

  TestCall() {
    raw.struct_size = sizeof raw;
    raw.data = this;
    raw.device = {kDLCPU, 0};
    raw.error = &text.error;
    raw.cancelled = [](const gesso_call_t* call) -> int32_t {
      auto& self = *static_cast<TestCall*>(call->data);
      return self.polls_left >= 0 && self.polls_left-- == 0;
    };
    raw.progress = [](const gesso_call_t*, uint64_t, uint64_t, const char*) {};
  }
};

/// One component of a plugin of this tree, in a host of its own.
class PluginComponent {
 public:
  PluginComponent(const std::string& plugin, const std::string& id) {
    const std::string path =
        std::string(GESSO_BINARY_DIR) + "/lib/gesso/plugins/" + plugin + "/" + plugin + ".so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE((library != nullptr), dlerror());
    const auto entry = reinterpret_cast<gesso_plugin_entry_t>(dlsym(library, GESSO_ENTRY_SYMBOL));
    REQUIRE((entry != nullptr));
    host_ = {sizeof host_, GESSO_ABI_MINOR, this, "test", "0", log, get_service};
    const gesso_plugin_t* table = nullptr;
    gesso::ErrorText text;
    gesso::check(entry(&host_, &table, &text.error), text);
    gesso::check(table->create(table, &host_, id.c_str(), &component_, &text.error), text);
  }
  PluginComponent(const PluginComponent&) = delete;
  ~PluginComponent() { component_->destroy(component_->self); }

  /// @throws Error  what the component says
  void prepare(const gesso::ValueList& values = {}, MemoryWeights* weights = nullptr) {
    TestCall call;
    const gesso_setup_t setup{sizeof setup, values.size(), values.data(),
                              weights ? weights->handle() : nullptr};
    gesso::check_call(component_->prepare(component_->self, &call.raw, &setup), &call.raw);
  }
  gesso_component_t* get() { return component_; }
  template <class Table>
  const Table& interface(const char* id) {
    const void* table = component_->get_interface(component_->self, id);
    REQUIRE((table != nullptr));
    return *static_cast<const Table*>(table);
  }
  /// What fills a role beside this component.
  void set_sibling(const std::string& role, gesso_component_t* c) { siblings_[role] = c; }
  std::vector<std::string> warnings;

 private:
  static void GESSO_CALL log(const gesso_host_t* host, int32_t level, const char* text) {
    if (level == GESSO_LOG_WARNING) {
      static_cast<PluginComponent*>(host->data)->warnings.push_back(text);
    }
  }
  static gesso_status_t GESSO_CALL find(const gesso_host_t* host, const char* role,
                                        gesso_component_t** out, gesso_error_t* error) {
    return gesso::guard(error, [&] {
      const auto& siblings = static_cast<PluginComponent*>(host->data)->siblings_;
      const auto found = siblings.find(role);
      if (found == siblings.end()) {
        throw gesso::Error(gesso::Status::NotFound, std::string("no role ") + role);
      }
      *out = found->second;
    });
  }
  static const void* GESSO_CALL get_service(const gesso_host_t*, const char* id) {
    static const gesso_components_service_t components{sizeof components, 0, find};
    if (std::string(id) == GESSO_WEIGHTS_ID) return &MemoryWeights::service();
    if (std::string(id) == GESSO_COMPONENTS_ID) return &components;
    return nullptr;
  }

  gesso_host_t host_{};
  gesso_component_t* component_ = nullptr;
  std::map<std::string, gesso_component_t*> siblings_;
};

inline gesso::Tensor float_tensor(const std::vector<float>& values, std::vector<int64_t> shape) {
  gesso::Tensor tensor = gesso::Tensor::empty(gesso::kF32, std::span(shape));
  std::ranges::copy(values, static_cast<float*>(tensor.dl().data));
  return tensor;
}
/// A stored tensor, without its leading extent of 1 when `squeeze` is set.
inline gesso::Tensor tensor_of(const Array& array, bool squeeze = false) {
  std::vector<int64_t> shape = array.shape;
  if (squeeze) {
    REQUIRE(shape.front() == 1);
    shape.erase(shape.begin());
  }
  if (array.dtype != "BF16") return float_tensor(array.floats(), shape);
  gesso::Tensor tensor = gesso::Tensor::empty(gesso::kBF16, std::span(shape));
  std::memcpy(tensor.dl().data, array.bytes.data(), array.bytes.size());
  return tensor;
}
inline gesso::Tensor id_tensor(const std::vector<int64_t>& ids) {
  const int64_t shape[] = {static_cast<int64_t>(ids.size())};
  gesso::Tensor tensor = gesso::Tensor::empty(gesso::kI64, shape);
  std::ranges::copy(ids, static_cast<int64_t*>(tensor.dl().data));
  return tensor;
}
/// The numbers of a result, widened.
inline std::vector<float> floats_of(const DLTensor& t) {
  Array array{gesso::same_type(t.dtype, gesso::kBF16) ? "BF16" : "F32", {}, {}};
  REQUIRE(gesso::is_contiguous(t));
  const char* data = static_cast<const char*>(t.data) + t.byte_offset;
  array.bytes.assign(data, data + gesso::count_of(t) * t.dtype.bits / 8);
  return array.floats();
}

}  // namespace golden
