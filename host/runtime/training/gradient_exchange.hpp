// Gradients of several workers become their mean while the backward pass goes on.
//
// Parameters lie in buckets in the reverse of their order, which is about the order in which their
// gradients come. A bucket whose gradients are complete is sent, in the same order by all workers;
// which ones are complete is known from the step before, so the first step sends at its end.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/training/parameters.hpp"
#include "runtime/training/workers.hpp"

namespace gesso::runtime {

/// Parameters that are sent together.
struct Bucket {
  std::vector<size_t> members;  // places in the list of parameters
  int64_t numel = 0;
  uint32_t owner = 0;  // the worker that keeps what is shared out (zero_stage)
};

/// @param parameters  cut into buckets; each worker owns about the same amount
std::vector<Bucket> plan_buckets(const std::vector<Parameter*>& parameters, uint32_t workers);

class GradientExchange {
 public:
  /// @param to_owner  the means are made for the owner of a bucket alone, others drop theirs
  GradientExchange(Workers& workers, std::vector<Parameter*> parameters,
                   std::vector<Bucket> buckets, bool to_owner);

  /// The backward runs of a step's last micro-batch begin.
  void begin();
  /// Part of a gradient came.
  void arrived(Parameter& parameter);
  /// They are over: sends the rest. Before any other talk between workers.
  void send_rest();
  /// Of what this worker sent: all numbers are finite.
  bool finite() const { return finite_; }
  /// Waits. With `spread` the parameters get the means, of all that was sent since the last time;
  /// a gradient that no worker had stays undefined.
  void finish(bool spread);

 private:
  struct Sent {
    at::Tensor flat;  // the gradients of the members, then 1 for each that there was
    std::unique_ptr<Transfer> transfer;
  };
  bool keeps(const Bucket& bucket) const;
  bool complete(const Bucket& bucket) const;
  Sent send(const Bucket& bucket);
  void send_next();
  void send_late();
  void spread(const Bucket& bucket, const at::Tensor& flat);

  Workers& workers_;
  std::vector<Parameter*> parameters_;
  std::vector<Bucket> buckets_;
  bool to_owner_;
  std::map<const Parameter*, size_t> places_;
  std::vector<int> counted_, expected_;  // parts of gradients per parameter, now and last time
  bool begun_ = false, finite_ = true;
  std::vector<Sent> sent_;        // the first so many buckets
  std::vector<at::Tensor> sums_;  // per bucket: of what was finished and not yet spread
};

}  // namespace gesso::runtime
