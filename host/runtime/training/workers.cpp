#include "runtime/training/workers.hpp"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace gesso::runtime {
namespace {

class Done : public Transfer {
 public:
  void wait() override {}
};

class Alone : public Workers {
 public:
  data::Worker self() const override { return {}; }
  std::string name_of(uint32_t) const override { return "the only worker"; }
  std::unique_ptr<Transfer> sum(const at::Tensor&) override { return std::make_unique<Done>(); }
  std::unique_ptr<Transfer> sum_at(const at::Tensor&, uint32_t) override {
    return std::make_unique<Done>();
  }
  std::unique_ptr<Transfer> broadcast(const at::Tensor&, uint32_t) override {
    return std::make_unique<Done>();
  }
  void move(const at::Tensor&, uint32_t, uint32_t) override {}
  Error give_up(const Error& error) override { return error; }
};

}  // namespace

std::vector<std::vector<double>> Workers::share(const std::vector<double>& mine) {
  const auto width = static_cast<int64_t>(mine.size());
  const auto rows = static_cast<int64_t>(self().count);
  const at::Tensor all = at::zeros({rows, width}, at::kDouble);
  double* numbers = all.mutable_data_ptr<double>();
  std::copy(mine.begin(), mine.end(), numbers + self().rank * width);
  sum(all)->wait();
  std::vector<std::vector<double>> shared;
  for (int64_t r = 0; r < rows; ++r) {
    shared.emplace_back(numbers + r * width, numbers + (r + 1) * width);
  }
  return shared;
}

std::string Workers::from_first(std::string text) {
  if (alone()) return text;
  const auto length =
      static_cast<size_t>(share({static_cast<double>(text.size())}).front().front());
  text.resize(length);
  if (length == 0) return text;
  const at::Tensor bytes = at::from_blob(text.data(), {static_cast<int64_t>(length)}, at::kByte);
  broadcast(bytes, 0)->wait();
  return text;
}

std::unique_ptr<Workers> no_other_workers() { return std::make_unique<Alone>(); }

std::unique_ptr<Workers> join_workers() {
  const auto launch = base::launch_of_environment();
  return launch ? join_workers(*launch) : no_other_workers();
}

}  // namespace gesso::runtime
