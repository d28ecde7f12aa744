#include "runtime/training/gradient_exchange.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

namespace gesso::runtime {
namespace {

// As DistributedDataParallel's buckets; smaller ones when there is little, so that every worker
// gets a share and something can be sent early.
constexpr int64_t kBucket = 25 * (1 << 20) / sizeof(float);
constexpr int64_t kPartsPerWorker = 4;

constexpr size_t kUnderWay = 4;  // buckets of others that are not yet let go of

constexpr int kNever = -1;  // expected_: nothing is known yet

}  // namespace

std::vector<Bucket> plan_buckets(const std::vector<Parameter*>& parameters, uint32_t workers) {
  int64_t total = 0;
  for (const Parameter* parameter : parameters) total += parameter->value.numel();
  const int64_t limit = std::min(kBucket, total / (kPartsPerWorker * workers) + 1);
  std::vector<Bucket> buckets;
  for (size_t i = parameters.size(); i-- > 0;) {
    const int64_t numel = parameters[i]->value.numel();
    if (buckets.empty() || buckets.back().numel + numel > limit) buckets.emplace_back();
    buckets.back().members.push_back(i);
    buckets.back().numel += numel;
  }
  std::vector<int64_t> loads(workers);
  for (Bucket& bucket : buckets) {
    const auto least = std::min_element(loads.begin(), loads.end());
    bucket.owner = static_cast<uint32_t>(least - loads.begin());
    *least += bucket.numel;
  }
  return buckets;
}

GradientExchange::GradientExchange(Workers& workers, std::vector<Parameter*> parameters,
                                   std::vector<Bucket> buckets, bool to_owner)
    : workers_(workers),
      parameters_(std::move(parameters)),
      buckets_(std::move(buckets)),
      to_owner_(to_owner),
      counted_(parameters_.size()),
      expected_(parameters_.size(), kNever),
      sums_(buckets_.size()) {
  for (size_t i = 0; i < parameters_.size(); ++i) places_[parameters_[i]] = i;
}

void GradientExchange::begin() {
  std::fill(counted_.begin(), counted_.end(), 0);
  begun_ = true;
  finite_ = true;
}

bool GradientExchange::keeps(const Bucket& bucket) const {
  return !to_owner_ || bucket.owner == workers_.self().rank;
}

bool GradientExchange::complete(const Bucket& bucket) const {
  return std::all_of(bucket.members.begin(), bucket.members.end(), [&](size_t i) {
    return expected_[i] != kNever && counted_[i] >= expected_[i];
  });
}

void GradientExchange::arrived(Parameter& parameter) {
  if (!begun_) return;
  ++counted_[places_.at(&parameter)];
  while (sent_.size() < buckets_.size() && complete(buckets_[sent_.size()])) send_next();
}

void GradientExchange::send_rest() {
  while (sent_.size() < buckets_.size()) send_next();
  begun_ = false;
  expected_ = counted_;
}

void GradientExchange::send_next() {
  sent_.push_back(send(buckets_[sent_.size()]));
  if (sent_.size() <= kUnderWay) return;
  const size_t b = sent_.size() - 1 - kUnderWay;
  if (keeps(buckets_[b])) return;
  sent_[b].transfer->wait();
  sent_[b] = {};
}

/// Takes the gradients of a bucket; what comes for them later is a gradient of its own.
GradientExchange::Sent GradientExchange::send(const Bucket& bucket) {
  const auto members = static_cast<int64_t>(bucket.members.size());
  at::Tensor flat = at::empty({bucket.numel + members}, at::kFloat);
  float* to = flat.mutable_data_ptr<float>();
  float* there = to + bucket.numel;
  for (const size_t member : bucket.members) {
    Parameter& parameter = *parameters_[member];
    const int64_t numel = parameter.value.numel();
    *there++ = parameter.grad.defined() ? 1 : 0;
    if (parameter.grad.defined()) {
      std::copy_n(parameter.grad.contiguous().const_data_ptr<float>(), numel, to);
    } else {
      std::fill_n(to, numel, 0.f);
    }
    parameter.grad.reset();
    to += numel;
  }
  finite_ = finite_ && std::isfinite(flat.sum().item<float>());
  auto transfer = to_owner_ ? workers_.sum_at(flat, bucket.owner) : workers_.sum(flat);
  return {std::move(flat), std::move(transfer)};
}

/// A bucket was sent too early when a backward run gave more parts than the one before.
void GradientExchange::send_late() {
  std::vector<double> late(buckets_.size());
  for (size_t b = 0; b < buckets_.size(); ++b) {
    for (const size_t i : buckets_[b].members) {
      if (parameters_[i]->grad.defined()) late[b] = 1;
    }
  }
  const auto of_all = workers_.share(late);
  for (size_t b = 0; b < buckets_.size(); ++b) {
    if (std::none_of(of_all.begin(), of_all.end(), [&](const auto& of) { return of[b] > 0; })) {
      continue;
    }
    Sent more = send(buckets_[b]);
    more.transfer->wait();
    if (keeps(buckets_[b])) sent_[b].flat.add_(more.flat);
  }
}

void GradientExchange::spread(const Bucket& bucket, const at::Tensor& flat) {
  const float share = 1.f / static_cast<float>(workers_.self().count);
  const float* there = flat.const_data_ptr<float>() + bucket.numel;
  int64_t at = 0;
  for (const size_t member : bucket.members) {
    Parameter& parameter = *parameters_[member];
    const at::Tensor part = flat.narrow(0, at, parameter.value.numel());
    if (*there++ > 0) parameter.grad = part.mul_(share).view(parameter.value.sizes());
    at += part.numel();
  }
}

void GradientExchange::finish(bool spread) {
  for (Sent& sent : sent_) {
    if (sent.transfer) sent.transfer->wait();
  }
  send_late();
  for (size_t b = 0; b < buckets_.size(); ++b) {
    if (!keeps(buckets_[b])) continue;
    sums_[b] = sums_[b].defined() ? sums_[b].add_(sent_[b].flat) : sent_[b].flat;
    if (!spread) continue;
    this->spread(buckets_[b], sums_[b]);
    sums_[b].reset();
  }
  sent_.clear();
}

}  // namespace gesso::runtime
