#include "isolation/weights_server.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace gesso::isolation {
namespace {

constexpr size_t kMostFilesAtOnce = kMostFiles - 1;  // and the block

}  // namespace

/// Refers to files where tensors lie in them; collects all others for the block.
class WeightsServer::Target : public TensorTarget {
 public:
  Target(WeightsServer& server, std::vector<int>& files) : server_(server), files_(files) {}

  void place(const DLTensor& tensor, TensorField& field) override {
    const auto* data = static_cast<const std::byte*>(tensor.data) + tensor.byte_offset;
    const std::span<const std::byte> bytes(data, field.bytes);
    const bool plain = tensor.device.device_type == kDLCPU && is_contiguous(tensor);
    if (field.bytes == 0) return;  // a shape alone
    if (plain && in_file(bytes, field)) return;
    field.where = Where::Block;
    field.place = size_;
    size_ += (field.bytes + SharedMemory::kAlignment - 1) / SharedMemory::kAlignment *
             SharedMemory::kAlignment;
    collected_.push_back({&tensor, field.place});
  }

  uint64_t bytes() const { return size_; }  // of the block

  /// Copies what was collected; null: there is nothing.
  Descriptor block() const {
    if (size_ == 0) return {};
    Descriptor file = memory_file("gesso-weights");
    void* memory = MAP_FAILED;
    if (::ftruncate(file.get(), static_cast<off_t>(size_)) == 0)
      memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED)
      throw Error(Status::OutOfMemory,
                  fmt::format("no {} bytes for weights of a plugin's process", size_));
    for (const auto& [tensor, place] : collected_)
      copy_contiguous(*tensor, static_cast<std::byte*>(memory) + place);
    ::munmap(memory, size_);
    return file;
  }

 private:
  struct Collected {
    const DLTensor* tensor;
    uint64_t place;
  };

  bool in_file(std::span<const std::byte> bytes, TensorField& field) {
    auto& regions = server_.regions_;
    auto found = std::ranges::find_if(regions, [&](const auto& r) { return r->contains(bytes); });
    if (found == regions.end()) {
      auto region = base::FileRegion::of(bytes);
      if (!region || !region->contains(bytes)) return false;
      regions.push_back(std::move(region));
      server_.numbers_.push_back(0);
      found = regions.end() - 1;
    }
    uint32_t& number = server_.numbers_[static_cast<size_t>(found - regions.begin())];
    if (number == 0) {
      if (files_.size() >= kMostFilesAtOnce) return false;  // more than fit: copied, this once
      files_.push_back((*found)->descriptor());
      number = ++server_.files_sent_;
    }
    field.where = Where::File;
    field.file = number;
    field.place = (*found)->place_of(bytes);
    return true;
  }

  WeightsServer& server_;
  std::vector<int>& files_;
  std::vector<Collected> collected_;
  uint64_t size_ = 0;
};

void WeightsServer::begin_again() {
  declared_again_ = 0;
  declaring_ = false;
  for (const uint32_t unit : entered_) real_->leave(weights_, unit);
  entered_.clear();
  std::ranges::fill(numbers_, 0);
  files_sent_ = 0;
  sent_.clear();
}

void WeightsServer::declare(const char* unit, const gesso_weight_request_t* const* requests,
                            uint32_t count, uint32_t* id) {
  if (!declaring_) throw Error(Status::BadState, "weights are declared in `prepare` only");
  if (declared_again_ < declared_.size()) {
    const Declared& before = declared_[declared_again_++];
    if (before.name != unit)
      throw Error(Status::BadState,
                  fmt::format("after its process ended, it declares the weights \"{}\" where it "
                              "had \"{}\" before",
                              unit, before.name));
    *id = before.id;
    return;
  }
  ErrorText text;
  check(real_->declare(weights_, unit, requests, count, id, &text.error), text);
  declared_.push_back({unit, *id});
  declared_again_ = declared_.size();
}

void WeightsServer::write(Writer& out, uint32_t unit, const gesso_unit_view_t& view,
                          std::vector<int>& files) {
  if (sent_.size() <= unit) sent_.resize(unit + size_t{1});
  Sent& sent = sent_[unit];
  const bool same = sent.known && sent.generation == view.generation &&
                    sent.delta_generation == view.delta_generation;
  out(view.generation);
  out(view.delta_generation);
  out(same);
  if (same) return;
  Target target(*this, files);
  Writer weights(Kind::Reply, 0, target);
  weights.list(view.weights, view.count);
  block_ = target.block();
  out(files.size());
  out(target.bytes());
  out.append(weights);
  if (block_) files.push_back(block_.get());
  sent = {true, view.generation, view.delta_generation};
}

const gesso_weights_service_t& WeightsServer::table() {
  static const gesso_weights_service_t table{
      sizeof(gesso_weights_service_t),
      0,
      [](gesso_weights_t* self, const char* name, DLTensor* meta, gesso_error_t* error) {
        return of(self).real_->describe(of(self).weights_, name, meta, error);
      },
      [](gesso_weights_t* self, const char* unit, const gesso_weight_request_t* const* requests,
         uint32_t count, uint32_t* id, gesso_error_t* error) {
        return guard(error, [&] { of(self).declare(unit, requests, count, id); });
      },
      [](gesso_weights_t* self, const gesso_call_t* call, uint32_t unit, gesso_unit_view_t* view) {
        const gesso_status_t status = of(self).real_->enter(of(self).weights_, call, unit, view);
        if (status == GESSO_STATUS_OK) of(self).entered_.push_back(unit);
        return status;
      },
      [](gesso_weights_t* self, uint32_t unit) {
        const auto found = std::ranges::find(of(self).entered_, unit);
        if (found == of(self).entered_.end()) return;
        of(self).entered_.erase(found);
        of(self).real_->leave(of(self).weights_, unit);
      },
      [](gesso_weights_t* self, uint32_t unit) {
        of(self).real_->prefetch(of(self).weights_, unit);
      }};
  return table;
}

}  // namespace gesso::isolation
