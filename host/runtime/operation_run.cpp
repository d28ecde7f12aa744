#include "runtime/operation_run.hpp"

#include <fmt/format.h>

namespace gesso::runtime {

std::vector<at::Tensor> take(OperationResults& results, const std::string& port, size_t count,
                             const std::string& who) {
  std::vector<at::Tensor> items = std::move(results[port]);
  const bool complete =
      items.size() == count &&
      std::all_of(items.begin(), items.end(), [](const at::Tensor& t) { return t.defined(); });
  if (!complete) {
    throw Error(Status::Internal, fmt::format("{} gave {} items at its output \"{}\", expected {}",
                                              who, items.size(), port, count));
  }
  return items;
}

std::vector<at::Tensor> take_optional(OperationResults& results, const std::string& port,
                                      size_t count, const std::string& who) {
  const auto found = results.find(port);
  if (found == results.end() || found->second.empty()) return {};
  return take(results, port, count, who);
}

}  // namespace gesso::runtime
