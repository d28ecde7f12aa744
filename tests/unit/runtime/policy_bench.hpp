// Memory policies on trial: units that have sizes but no bytes, and a denoiser that only goes
// through them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/registry/registry.hpp"
#include "gesso/cpp/host.hpp"
#include "runtime/residency.hpp"

namespace gesso::test {

/// Sizes by number; every storage but "fp8_e4m3" has the same.
class Sizes : public runtime::UnitStore {
 public:
  explicit Sizes(std::vector<uint64_t> bytes) : bytes_(std::move(bytes)), held_(bytes_.size()) {}
  void set_reads_file(size_t, bool) override {}
  uint64_t bytes(size_t unit, const runtime::Place& place) const override {
    if (!place.memory) return 0;
    return place.storage == "fp8_e4m3" ? bytes_[unit] / 2 : bytes_[unit];
  }
  uint64_t copy_bytes(size_t) const override { return 0; }
  bool computes_from(size_t, const runtime::Place& held,
                     const runtime::Place& computation) const override {
    return held.device == computation.device && held.storage != "fp8_e4m3";
  }
  uint64_t read_bytes(size_t unit, const runtime::Place&) const override { return bytes_[unit]; }
  void hold(size_t unit, const runtime::Place&, bool) override { held_[unit] = true; }
  void release(size_t unit) override { held_[unit] = false; }
  void show(size_t, const runtime::Place&) override {}
  void hide(size_t) override {}
  bool held(size_t unit) const { return held_[unit]; }

 private:
  std::vector<uint64_t> bytes_;
  std::vector<bool> held_;
};

/// The values of a [memory] table.
struct MemoryValues {
  std::vector<std::pair<std::string, std::string>> texts;
  double vram_limit = -1;  // GiB; negative: not given
};

/// A policy from its plugin over made-up units.
class PolicyBench {
 public:
  struct Part {
    std::string role;
    std::vector<uint64_t> bytes;
    uint64_t uses_per_step;
  };

  PolicyBench(const std::string& policy_id, const std::vector<Part>& parts, uint64_t limit,
              const MemoryValues& values = {}, const std::string& device = "sim:0",
              const std::vector<std::filesystem::path>& plugins = in_tree()) {
    registry::SearchOptions options;
    options.given = plugins;
    options.use_environment = options.use_default_paths = false;
    registry_ = registry::Registry::scan(options);
    host_ = {sizeof(gesso_host_t),
             GESSO_ABI_MINOR,
             this,
             "test",
             "0",
             [](const gesso_host_t* host, int32_t level, const char* text) {
               if (level < GESSO_LOG_INFO) return;
               static_cast<PolicyBench*>(host->data)->log.push_back(text);
             },
             [](const gesso_host_t*, const char*) -> const void* { return nullptr; }};
    component_ = registry_->create(policy_id, &host_);
    ValueList list;
    for (const auto& [key, text] : values.texts) list.set_text(key, text);
    list.set_texts("roles", {"denoiser"});
    if (values.vram_limit >= 0) list.set_real("vram_limit", values.vram_limit);
    const gesso_setup_t setup{sizeof setup, list.size(), list.data(), nullptr};
    const gesso_call_t call = make_call();
    check_call(component_->prepare(component_->self, &call, &setup), &call);

    std::vector<uint64_t> all;
    for (const Part& part : parts) all.insert(all.end(), part.bytes.begin(), part.bytes.end());
    store = std::make_unique<Sizes>(all);
    std::vector<runtime::ResidentUnit> units;
    for (const Part& part : parts) {
      for (const uint64_t bytes : part.bytes) {
        units.push_back({store.get(), units.size(), "org.test." + part.role, part.role,
                         "layers." + std::to_string(units.size()), bytes, bytes,
                         part.uses_per_step});
      }
    }
    runtime::Residency::Settings settings;
    settings.place = [this](const gesso_place_t& place) {
      runtime::Place made{place.device ? place.device : "", place.storage ? place.storage : "",
                          nullptr, std::nullopt};
      if (made.device.empty()) throw Error(Status::Internal, "a place without a device");
      const bool nowhere = made.device == "disk" || made.device == "meta";
      if (!nowhere) made.memory = reinterpret_cast<runtime::Device*>(this);  // never looked into
      return made;
    };
    settings.log = [this](int32_t level, const std::string& text) {
      if (level >= GESSO_LOG_INFO) log.push_back(text);
    };
    settings.accounts[device].limit = limit;
    const auto* table = static_cast<const gesso_memory_policy_t*>(
        component_->get_interface(component_->self, GESSO_MEMORY_POLICY_ID));
    residency =
        std::make_unique<runtime::Residency>(runtime::PolicyRef{table, component_->self, policy_id},
                                             std::move(units), std::move(settings), &call);
  }
  ~PolicyBench() {
    residency.reset();
    if (component_) component_->destroy(component_->self);
  }
  PolicyBench(const PolicyBench&) = delete;
  PolicyBench& operator=(const PolicyBench&) = delete;

  /// One pass over the units [begin, end), each announced before the one in front of it is used.
  void pass(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      if (i + 1 < end) residency->prefetch(i + 1);
      residency->enter(i);
      residency->leave(i);
    }
  }
  const runtime::DeviceAccount& account(const std::string& device = "sim:0") const {
    return residency->accounts().at(device);
  }

  static std::vector<std::filesystem::path> in_tree() {
    return {std::filesystem::path(GESSO_BINARY_DIR) / "lib/gesso/plugins"};
  }

  std::vector<std::string> log;
  std::unique_ptr<Sizes> store;
  std::unique_ptr<runtime::Residency> residency;

 private:
  gesso_call_t make_call() {
    gesso_call_t call{};
    call.struct_size = sizeof call;
    call.error = &error_.error;
    return call;
  }

  ErrorText error_;
  gesso_host_t host_{};
  std::shared_ptr<registry::Registry> registry_;
  gesso_component_t* component_ = nullptr;
};

}  // namespace gesso::test
