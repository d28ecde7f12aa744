// The weights of an isolated component, in the host: files are passed as they are opened, so that
// the child maps the same pages; what the host holds as copies goes along in a block of memory,
// once for each generation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/file_region.hpp"
#include "isolation/remote.hpp"

namespace gesso::isolation {

class WeightsServer : public ViewWriter {
 public:
  /// The service as a host gives it; null when it has none.
  explicit WeightsServer(const gesso_weights_service_t* real) : real_(real) {}

  /// Of whom the component's requests are.
  void use(gesso_weights_t* weights) { weights_ = weights; }
  /// Whether `prepare` is under way.
  void set_declaring(bool declaring) { declaring_ = declaring; }
  /// Another child begins: it declares again what is known, and has no files.
  void begin_again();

  /// A service whose handle is this.
  static const gesso_weights_service_t& table();
  void write(Writer& out, uint32_t unit, const gesso_unit_view_t& view,
             std::vector<int>& files) override;

 private:
  struct Declared {
    std::string name;
    uint32_t id;
  };
  struct Sent {
    bool known = false;
    uint64_t generation = 0, delta_generation = 0;
  };
  class Target;
  static WeightsServer& of(gesso_weights_t* self) {
    return *reinterpret_cast<WeightsServer*>(self);
  }
  void declare(const char* unit, const gesso_weight_request_t* const* requests, uint32_t count,
               uint32_t* id);

  const gesso_weights_service_t* real_;
  gesso_weights_t* weights_ = nullptr;
  std::vector<Declared> declared_;
  size_t declared_again_ = 0;
  bool declaring_ = false;
  std::vector<uint32_t> entered_;  // by a child that may end before it leaves
  std::vector<std::shared_ptr<const base::FileRegion>> regions_;
  std::vector<uint32_t> numbers_;  // of the regions' files in the child, from 1 on; 0: not sent
  uint32_t files_sent_ = 0;
  std::vector<Sent> sent_;  // by unit
  Descriptor block_;        // of the last view that had one
};

}  // namespace gesso::isolation
