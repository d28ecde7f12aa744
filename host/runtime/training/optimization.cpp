#include "runtime/training/optimization.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <deque>

namespace gesso::runtime {

Optimization::Optimization(Workers& workers, const std::vector<std::unique_ptr<Parameters>>& sets,
                           const config::TrainPlan& plan)
    : workers_(workers),
      sets_(sets),
      stage_(workers.alone() ? 0 : plan.shard),
      max_norm_(plan.optimizer.max_grad_norm),
      ema_decay_(plan.optimizer.ema_decay) {
  for (const auto& set : sets_) {
    for (Parameter* parameter : set->list()) parameters_.push_back(parameter);
  }
  optimizer_ = std::make_unique<AdamW>(parameters_, plan.optimizer);
  buckets_ = plan_buckets(parameters_, workers.self().count);
  owners_.resize(parameters_.size());
  for (const Bucket& bucket : buckets_) {
    for (const size_t i : bucket.members) owners_[i] = bucket.owner;
  }
  if (!workers.alone()) {
    exchange_ = std::make_unique<GradientExchange>(workers, parameters_, buckets_, stage_ >= 2);
    for (const auto& set : sets_) {
      set->on_gradient = [this](Parameter& parameter) { exchange_->arrived(parameter); };
    }
  }
  share_values();
  if (!averages()) return;
  averages_.resize(parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (keeps(i)) averages_[i] = parameters_[i]->value.clone();
  }
}

Optimization::~Optimization() {
  for (const auto& set : sets_) set->on_gradient = {};
}

void Optimization::begin_micro_batch(bool ends_step) {
  exchanges_ = exchange_ && (ends_step || stage_ >= 2);
  if (exchanges_) exchange_->begin();
}

bool Optimization::send_gradients() {
  if (!exchanges_) return true;
  exchange_->send_rest();
  return exchange_->finite();
}

void Optimization::end_micro_batch() {
  if (exchanges_) exchange_->finish(false);
}

double Optimization::step(double learning_rate) {
  if (exchanges_) exchange_->finish(true);
  const auto complete = [this](std::vector<double>& lengths) { sum_over_workers(lengths); };
  const double length = stage_ >= 2 ? clip_gradients(parameters_, max_norm_, complete)
                                    : clip_gradients(parameters_, max_norm_);
  if (!std::isfinite(length)) return length;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!keeps(i)) parameters_[i]->grad.reset();
  }
  optimizer_->step(learning_rate);
  for (size_t i = 0; i < averages_.size(); ++i) {
    if (!keeps(i)) continue;
    averages_[i].mul_(ema_decay_).add_(parameters_[i]->value, 1 - ema_decay_);
  }
  if (!whole()) broadcast_values();
  for (const auto& set : sets_) {
    set->clear_gradients();
    set->publish();
  }
  return length;
}

/// What each worker made of its share, for all.
void Optimization::broadcast_values() {
  struct UnderWay {
    const Bucket* bucket;
    at::Tensor flat;
    std::unique_ptr<Transfer> transfer;
  };
  constexpr size_t kUnderWay = 2;
  std::deque<UnderWay> queue;
  const auto take = [&] {
    queue.front().transfer->wait();
    int64_t at = 0;
    for (const size_t i : queue.front().bucket->members) {
      at::Tensor& value = parameters_[i]->value;
      if (!keeps(i)) value.copy_(queue.front().flat.narrow(0, at, value.numel()).view_as(value));
      at += value.numel();
    }
    queue.pop_front();
  };
  for (const Bucket& bucket : buckets_) {
    std::vector<at::Tensor> values;
    for (const size_t i : bucket.members) values.push_back(parameters_[i]->value.flatten());
    at::Tensor flat = at::cat(values);
    auto transfer = workers_.broadcast(flat, bucket.owner);
    queue.push_back({&bucket, std::move(flat), std::move(transfer)});
    if (queue.size() > kUnderWay) take();
  }
  while (!queue.empty()) take();
}

std::vector<int64_t> Optimization::steps() {
  std::vector<double> counts;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    counts.push_back(keeps(i) ? static_cast<double>(optimizer_->states()[i].steps) : 0);
  }
  if (!whole()) sum_over_workers(counts);
  return {counts.begin(), counts.end()};
}

AdamW::State Optimization::state(size_t index) {
  AdamW::State& own = optimizer_->states()[index];
  if (whole() || owners_[index] == 0) return own;
  const bool keeper = owners_[index] == self();
  if (!keeper && !workers_.first()) return {};
  AdamW::State moved = keeper ? own : empty_state(index);
  for (const auto& part : parts_of(moved)) workers_.move(*part.second, owners_[index], 0);
  return moved;
}

at::Tensor Optimization::average(size_t index) {
  if (whole() || owners_[index] == 0) return averages_[index];
  const bool keeper = owners_[index] == self();
  if (!keeper && !workers_.first()) return {};
  const at::Tensor moved = keeper ? averages_[index] : at::empty_like(parameters_[index]->value);
  workers_.move(moved, owners_[index], 0);
  return moved;
}

void Optimization::sum_over_workers(std::vector<double>& numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  workers_.sum(at::from_blob(numbers.data(), {count}, at::kDouble))->wait();
}

/// From the first worker to those that keep what belongs to a parameter.
void Optimization::hand_out(const at::Tensor& tensor, size_t index) {
  if (whole()) return workers_.broadcast(tensor, 0)->wait();
  workers_.move(tensor, 0, owners_[index]);
}

void Optimization::set_state(size_t index, AdamW::State state) {
  const int64_t steps = state.steps;
  if (steps > 0 && !workers_.first()) state = empty_state(index);
  for (const auto& part : parts_of(state)) hand_out(*part.second, index);
  state.steps = steps;
  if (keeps(index)) optimizer_->states()[index] = std::move(state);
}

void Optimization::set_average(size_t index, const at::Tensor& average) {
  const at::Tensor moved = workers_.first() ? average : at::empty_like(parameters_[index]->value);
  hand_out(moved, index);
  if (keeps(index)) averages_[index] = moved;
}

void Optimization::share_values() {
  for (Parameter* parameter : parameters_) workers_.broadcast(parameter->value, 0)->wait();
  for (const auto& set : sets_) set->publish();
}

uint64_t Optimization::optimizer_bytes() const {
  uint64_t sum = optimizer_->bytes();
  for (const at::Tensor& average : averages_) {
    if (average.defined()) sum += average.nbytes();
  }
  return sum;
}

uint64_t Optimization::gradient_bytes() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (stage_ < 2 || keeps(i)) sum += parameters_[i]->value.nbytes();
  }
  return sum;
}

}  // namespace gesso::runtime
