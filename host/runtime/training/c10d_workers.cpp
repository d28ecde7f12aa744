// Workers over c10d: Gloo for tensors in main memory, NCCL for those of CUDA devices.
#include <fmt/format.h>

#include "runtime/training/workers.hpp"

#ifdef GESSO_WITH_GLOO

#include <ATen/Context.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#ifdef GESSO_WITH_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "runtime/training/roll_call.hpp"

namespace gesso::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kNever = std::chrono::hours(24 * 7);  // RollCall notices who is gone
constexpr auto kLook = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kMove = std::chrono::minutes(10);

/// Without the stack that c10's exceptions carry.
std::string text_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  return known ? known->what_without_backtrace() : error.what();
}

c10::intrusive_ptr<c10d::Store> open_store(const base::Launch& launch) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = launch.rank == 0 && !launch.launcher_keeps_store;
  options.waitWorkers = false;  // RollCall waits, and knows who is missing
  options.multiTenant = true;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(
        fmt::format("gesso/{}", launch.attempt),
        c10::make_intrusive<c10d::TCPStore>(launch.address, options));
  } catch (const std::exception& error) {
    throw Error(Status::Denied,
                fmt::format("{}:{} (MASTER_ADDR, MASTER_PORT): workers cannot meet there: {}. Is "
                            "worker 0 started, and is the port free and open?",
                            launch.address, launch.port, text_of(error)));
  }
}

class C10dTransfer : public Transfer {
 public:
  C10dTransfer(c10::intrusive_ptr<c10d::Work> work, at::Tensor tensor, RollCall& roll,
               bool& abandoned)
      : work_(std::move(work)), tensor_(std::move(tensor)), roll_(roll), abandoned_(abandoned) {
    work_->getFuture()->addCallback([ended = ended_](c10::ivalue::Future&) {
      const std::lock_guard lock(ended->mutex);
      ended->yes = true;
      ended->changed.notify_all();
    });
  }

  void wait() override {
    std::unique_lock lock(ended_->mutex);
    while (!ended_->changed.wait_for(lock, kLook, [this] { return ended_->yes; })) {
      if (const auto error = roll_.look()) {
        abandoned_ = true;
        throw Error(*error);
      }
    }
    lock.unlock();
    roll_.stop_looking();
    try {
      work_->wait();
    } catch (const std::exception& error) {
      throw roll_.find_cause(text_of(error));
    }
  }

 private:
  struct Ended {
    std::mutex mutex;
    std::condition_variable changed;
    bool yes = false;
  };

  c10::intrusive_ptr<c10d::Work> work_;
  at::Tensor tensor_;
  RollCall& roll_;
  bool& abandoned_;
  std::shared_ptr<Ended> ended_ = std::make_shared<Ended>();
};

class C10dWorkers : public Workers {
 public:
  explicit C10dWorkers(const base::Launch& launch)
      : self_{launch.rank, launch.count}, store_(open_store(launch)), roll_(store_, launch) {
    const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
    auto options = c10d::ProcessGroupGloo::Options::create(kNever);
    try {
      options->devices.push_back(
          interface && *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                  : c10d::ProcessGroupGloo::createDefaultDevice());
      gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>("gloo", store_), static_cast<int>(self_.rank),
          static_cast<int>(self_.count), options);
    } catch (const std::exception& error) {
      throw Error(Status::Denied,
                  fmt::format("{}: no connection to the other workers: {}. On machines with "
                              "several networks set GLOO_SOCKET_IFNAME",
                              name_of(self_.rank), text_of(error)));
    }
#ifdef GESSO_WITH_NCCL
    if (at::hasCUDA()) {
      nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store_), static_cast<int>(self_.rank),
          static_cast<int>(self_.count));
    }
#endif
  }

  /// A transfer that will never end cannot be taken back: then the group is left as it is.
  ~C10dWorkers() override {
    if (abandoned_) static_cast<void>(gloo_.release());
  }

  data::Worker self() const override { return self_; }
  std::string name_of(uint32_t rank) const override { return roll_.name_of(rank); }

  std::unique_ptr<Transfer> sum(const at::Tensor& tensor) override {
    return start(tensor, [](c10d::Backend& group, std::vector<at::Tensor>& tensors) {
      return group.allreduce(tensors);
    });
  }
  std::unique_ptr<Transfer> sum_at(const at::Tensor& tensor, uint32_t root) override {
    c10d::ReduceOptions options;
    options.rootRank = root;
    return start(tensor, [&](c10d::Backend& group, std::vector<at::Tensor>& tensors) {
      return group.reduce(tensors, options);
    });
  }
  std::unique_ptr<Transfer> broadcast(const at::Tensor& tensor, uint32_t root) override {
    c10d::BroadcastOptions options;
    options.rootRank = root;
    return start(tensor, [&](c10d::Backend& group, std::vector<at::Tensor>& tensors) {
      return group.broadcast(tensors, options);
    });
  }
  void move(const at::Tensor& tensor, uint32_t from, uint32_t to) override {
    if (from == to || (self_.rank != from && self_.rank != to)) return;
    std::vector<at::Tensor> tensors{tensor};
    try {
      const auto work = self_.rank == from
                            ? group_of(tensor).send(tensors, static_cast<int>(to), 0)
                            : group_of(tensor).recv(tensors, static_cast<int>(from), 0);
      work->wait(kMove);
    } catch (const std::exception& error) {
      throw roll_.find_cause(text_of(error));
    }
  }
  Error give_up(const Error& error) override { return roll_.end_with(error); }

 private:
  c10d::Backend& group_of([[maybe_unused]] const at::Tensor& tensor) {
#ifdef GESSO_WITH_NCCL
    if (tensor.is_cuda() && nccl_) return *nccl_;
#endif
    return *gloo_;
  }

  template <class Collective>
  std::unique_ptr<Transfer> start(const at::Tensor& tensor, const Collective& collective) {
    std::vector<at::Tensor> tensors{tensor};
    try {
      return std::make_unique<C10dTransfer>(collective(group_of(tensor), tensors), tensor, roll_,
                                            abandoned_);
    } catch (const std::exception& error) {
      throw roll_.find_cause(text_of(error));
    }
  }

  data::Worker self_;
  c10::intrusive_ptr<c10d::Store> store_;
  RollCall roll_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
#ifdef GESSO_WITH_NCCL
  c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
  bool abandoned_ = false;
};

}  // namespace

std::unique_ptr<Workers> join_workers(const base::Launch& launch) {
  return std::make_unique<C10dWorkers>(launch);
}

}  // namespace gesso::runtime

#else

namespace gesso::runtime {

std::unique_ptr<Workers> join_workers(const base::Launch& launch) {
  throw Error(Status::NotSupported,
              fmt::format("WORLD_SIZE is {}, but this build trains in one process: Gloo's headers "
                          "were missing. Install libgloo-dev, then configure and build again",
                          launch.count));
}

}  // namespace gesso::runtime

#endif
