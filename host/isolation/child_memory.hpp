// What a child has mapped: the host's shared memory, files of weights, and the blocks of units.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "isolation/remote.hpp"

namespace gesso::isolation {

/// A file, mapped for reading.
class Mapping {
 public:
  /// @throws Error  OutOfMemory
  explicit Mapping(const Descriptor& file);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  /// @throws Error  BadData when it has no such bytes
  void* at(uint64_t place, uint64_t bytes) const;

 private:
  void* base_ = nullptr;
  uint64_t size_ = 0;
};

class ChildMemory : public TensorSource {
 public:
  explicit ChildMemory(const SharedMemory& shared) : shared_(shared) {}

  /// Borrowed from the mapping; an input lives until its call returns.
  Tensor tensor(const TensorField& field) override;
  gesso_weights_t* weights() override { return weights_; }
  void set_weights(gesso_weights_t* weights) { weights_ = weights; }

  /// Files that came with the message that is read.
  void receive(std::vector<Descriptor> files);
  /// See WeightsServer::write. What the view shows lives until the unit changes.
  void read_view(Reader& in, uint32_t unit, gesso_unit_view_t& view);

 private:
  struct Unit {
    Pool pool;
    std::unique_ptr<Mapping> block;
    gesso_unit_view_t view{};
  };
  const SharedMemory& shared_;
  gesso_weights_t* weights_ = nullptr;
  std::vector<Descriptor> came_;
  std::vector<std::unique_ptr<Mapping>> files_;  // by number, from 1 on
  std::map<uint32_t, std::unique_ptr<Unit>> units_;
  const Mapping* block_ = nullptr;  // of the view that is read
};

}  // namespace gesso::isolation
