#include "isolation/child_memory.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

namespace gesso::isolation {
namespace {

/// A tensor over memory that somebody else keeps.
Tensor borrow(const TensorField& field, void* data) {
  struct Block {
    gesso_tensor_t tensor{};
    std::vector<int64_t> shape, strides;
  };
  auto block = std::make_unique<Block>();
  block->shape = field.shape;
  block->strides.resize(field.shape.size());
  int64_t stride = 1;
  for (size_t i = field.shape.size(); i-- > 0;) {
    block->strides[i] = stride;
    stride *= field.shape[i];
  }
  gesso_tensor_t& tensor = block->tensor;
  tensor.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
  tensor.manager_ctx = block.get();
  tensor.deleter = [](gesso_tensor_t* self) { delete static_cast<Block*>(self->manager_ctx); };
  tensor.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  tensor.dl_tensor = {data,
                      {kDLCPU, 0},
                      static_cast<int32_t>(block->shape.size()),
                      field.dtype,
                      block->shape.data(),
                      block->strides.data(),
                      0};
  return Tensor(&block.release()->tensor);
}

}  // namespace

Mapping::Mapping(const Descriptor& file) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw Error(Status::BadData, "a file of weights is gone");
  size_ = static_cast<uint64_t>(info.st_size);
  void* base = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) throw Error(Status::OutOfMemory, "a file of weights cannot be mapped");
  base_ = base;
}

Mapping::~Mapping() { ::munmap(base_, size_); }

void* Mapping::at(uint64_t place, uint64_t bytes) const {
  if (place > size_ || bytes > size_ - place)
    throw Error(Status::BadData, "a file of weights ends before the weight does");
  return static_cast<std::byte*>(base_) + place;
}

Tensor ChildMemory::tensor(const TensorField& field) {
  switch (field.where) {
    case Where::Nowhere:
      return borrow(field, nullptr);
    case Where::Shared:
      return borrow(field, shared_.at(field.place));
    case Where::File:
      if (field.file == 0 || field.file > files_.size()) break;
      return borrow(field, files_[field.file - 1]->at(field.place, field.bytes));
    case Where::Block:
      if (!block_) break;
      return borrow(field, block_->at(field.place, field.bytes));
  }
  throw Error(Status::BadData, "a weight in a file that did not come");
}

void ChildMemory::receive(std::vector<Descriptor> files) { came_ = std::move(files); }

void ChildMemory::read_view(Reader& in, uint32_t unit, gesso_unit_view_t& view) {
  std::unique_ptr<Unit>& kept = units_[unit];
  uint64_t generation = 0, delta_generation = 0;
  bool same = false;
  in(generation);
  in(delta_generation);
  in(same);
  if (!same) {
    size_t n_files = 0;
    uint64_t block_bytes = 0;
    in(n_files);
    in(block_bytes);
    if (came_.size() != n_files + (block_bytes > 0 ? 1 : 0))
      throw Error(Status::BadData, "another number of files than the message says");
    for (size_t i = 0; i < n_files; ++i) files_.push_back(std::make_unique<Mapping>(came_[i]));
    kept = std::make_unique<Unit>();
    if (block_bytes > 0) kept->block = std::make_unique<Mapping>(came_.back());
    block_ = kept->block.get();
    in.keep_in(kept->pool);
    in.list(kept->view.weights, kept->view.count);
    block_ = nullptr;
  }
  if (!kept) throw Error(Status::BadData, "a unit that did not come");
  view.count = kept->view.count;
  view.generation = generation;
  view.delta_generation = delta_generation;
  view.weights = kept->view.weights;
  came_.clear();
}

}  // namespace gesso::isolation
