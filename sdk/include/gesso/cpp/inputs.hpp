// What one run is fed with, held against the ports of its operation.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "../module.h"
#include "numbers.hpp"
#include "value.hpp"

namespace gesso {

/// Takes the first word off a list.
inline std::string_view take_word(std::string_view& list, char separator) {
  const size_t end = std::min(list.find(separator), list.size());
  const std::string_view word = list.substr(0, end);
  list.remove_prefix(std::min(end + 1, list.size()));
  return word;
}

/// Whether a port with these dims takes the shape. Letters stand for any extent, "..." and NULL for
/// any shape; an extent of -1 is not known yet.
inline bool takes_shape(const char* dims, std::span<const int64_t> shape) {
  std::string_view rest = dims ? dims : "...";
  if (rest.find("...") != rest.npos) return true;
  size_t rank = 0;
  for (; !rest.empty(); ++rank) {
    const std::string_view word = take_word(rest, ' ');
    if (rank == shape.size()) return false;
    const bool is_number = word.find_first_not_of("0123456789") == word.npos;
    if (is_number && shape[rank] != -1 && word != std::to_string(shape[rank])) return false;
  }
  return rank == shape.size();
}

/// Whether a port with these dtypes takes the type. NULL stands for any floating type.
inline bool takes_type(const char* dtypes, DLDataType type) {
  if (!dtypes) return type.code == kDLFloat || type.code == kDLBfloat;
  const std::string name = type_text(type);
  for (std::string_view rest = dtypes; !rest.empty();) {
    if (take_word(rest, '|') == name) return true;
  }
  return false;
}

/// The inputs of one run, by port name. Tensors are borrowed.
class Inputs {
 public:
  /// @throws Error InvalidArgument  when a required input is missing, the items of an input are not
  ///                                numbered as its port says, or a tensor is not what it takes
  Inputs(const gesso_op_t& op, const gesso_run_t& run) : op_(op), run_(run) {
    for (uint32_t place = 0; place < op_.n_inputs; ++place) check(place);
  }

  /// All tensors of a port, in the order of their index; empty when nothing was fed.
  std::vector<const gesso_tensor_t*> list(std::string_view port) const {
    std::vector<const gesso_tensor_t*> found;
    const uint32_t place = place_of(port);
    for (uint32_t i = 0; run_.inputs && i < run_.inputs->count; ++i) {
      const gesso_item_t& item = run_.inputs->items[i];
      if (item.port == place) found.push_back(item.tensor);
    }
    return found;
  }
  /// The single tensor of a port. @throws Error InvalidArgument when there is not exactly one
  const gesso_tensor_t* one(std::string_view port) const {
    const auto found = list(port);
    if (found.size() != 1) refuse(port, "expected one tensor", std::to_string(found.size()));
    return found.front();
  }
  Values values() const { return {run_.values, run_.n_values}; }
  const gesso_run_t& raw() const { return run_; }

 private:
  uint32_t place_of(std::string_view port) const {
    for (uint32_t i = 0; i < op_.n_inputs; ++i) {
      if (port == op_.inputs[i]->name) return i;
    }
    throw Error(Status::Internal, "no input port \"" + std::string(port) + "\"");
  }
  void check(uint32_t place) const {
    const gesso_port_t& port = *op_.inputs[place];
    const bool is_numbered = port.flags & (GESSO_PORT_PER_ITEM | GESSO_PORT_LIST);
    int32_t count = 0;
    for (uint32_t i = 0; run_.inputs && i < run_.inputs->count; ++i) {
      const gesso_item_t& item = run_.inputs->items[i];
      if (item.port != place) continue;
      const int32_t index = is_numbered ? count : -1;
      if (item.index != index) {
        refuse(port.name, "expected index " + std::to_string(index), std::to_string(item.index));
      }
      check(port, item);
      ++count;
    }
    if (count == 0 && !(port.flags & GESSO_PORT_OPTIONAL)) {
      refuse(port.name, is_numbered ? "expected one tensor at least" : "expected a tensor", "none");
    }
  }
  void check(const gesso_port_t& port, const gesso_item_t& item) const {
    if (!item.tensor) refuse(where(port, item), "expected a tensor", "NULL");
    const DLTensor& tensor = item.tensor->dl_tensor;
    if (!takes_type(port.dtypes, tensor.dtype)) {
      refuse(where(port, item),
             std::string("expected ") + (port.dtypes ? port.dtypes : "floating numbers"),
             type_text(tensor.dtype));
    }
    if (!takes_shape(port.dims, shape_of(tensor))) {
      std::string wanted;
      for (std::string_view rest = port.dims; !rest.empty();) {
        wanted += (wanted.empty() ? "" : ", ") + std::string(take_word(rest, ' '));
      }
      refuse(where(port, item), "expected [" + wanted + "]", shape_text(shape_of(tensor)));
    }
  }
  static std::string where(const gesso_port_t& port, const gesso_item_t& item) {
    return item.index < 0 ? port.name
                          : std::string(port.name) + "[" + std::to_string(item.index) + "]";
  }
  [[noreturn]] void refuse(std::string_view input, const std::string& expected,
                           const std::string& found) const {
    throw Error(Status::InvalidArgument, "operation \"" + std::string(op_.name) + "\": input \"" +
                                             std::string(input) + "\": " + expected + ", found " +
                                             found);
  }

  const gesso_op_t& op_;
  const gesso_run_t& run_;
};

}  // namespace gesso
