#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <variant>

#include "engine/data/dataset.hpp"
#include "engine/data/order.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::data {
namespace {

constexpr size_t kItemsAhead = 4;  // per thread

/// What became of one item.
using Slot = std::variant<std::monostate, Item, std::exception_ptr>;

/// A batch on its way: planned, then filled by whoever is free.
struct Pending {
  Batch batch;
  std::vector<Showing> showings;
  std::vector<Slot> slots;
  size_t taken = 0;  // slots that somebody works on or has filled
  size_t done = 0;
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  }
}

}  // namespace

struct Loader::State {
  std::shared_ptr<const Dataset> dataset;
  std::vector<size_t> rows;
  config::DataPlan plan;
  Worker worker;
  OrderOptions order;
  std::vector<Extent> extents;  // by row; empty where batches are of one

  // The plan of the epoch that was planned last.
  std::vector<std::vector<Showing>> epoch;
  uint64_t planned_epoch = ~uint64_t{0};
  Position ahead;  // of the batch that is planned next

  mutable std::mutex mutex;  // of what follows
  std::condition_variable wanted, filled;
  std::deque<std::shared_ptr<Pending>> pending;
  std::vector<Failure> failures;
  std::set<size_t> failed_rows;
  uint64_t good_items = 0;  // of this epoch
  Position next;
  bool over = false;
  std::vector<std::thread> threads;

  const std::vector<std::vector<Showing>>& batches_of(uint64_t number) {
    if (planned_epoch != number) {
      epoch = plan_epoch(rows, number, order, [this](size_t row) { return extents.at(row); });
      planned_epoch = number;
    }
    return epoch;
  }

  /// This worker's share of the next planned batch.
  std::shared_ptr<Pending> plan_next() {
    const auto& batches = batches_of(ahead.epoch);
    const std::vector<Showing>& whole = batches.at(ahead.batch);
    const size_t share = whole.size() / worker.count;
    auto one = std::make_shared<Pending>();
    one->showings.assign(whole.begin() + share * worker.rank,
                         whole.begin() + share * (worker.rank + 1));
    one->slots.resize(share);
    one->batch.global_items = whole.size();
    one->batch.position = ahead;
    one->batch.ends_epoch = ++ahead.batch == batches.size();
    if (one->batch.ends_epoch) ahead = {ahead.epoch + 1, 0};
    return one;
  }

  Slot read(const Showing& showing, uint64_t epoch_number) const {
    try {
      Item item = dataset->load(showing.row);
      const uint64_t draw = mixed(plan.seed ^ 0xD50, epoch_number, showing.number);
      // The upper 53 bits as a number in [0, 1).
      if (static_cast<double>(draw >> 11) * 0x1p-53 < plan.caption_dropout) {
        item.prompt.clear();
        item.prompt_dropped = true;
      }
      return item;
    } catch (...) {
      return std::current_exception();
    }
  }

  size_t limit() const { return std::max<size_t>(plan.batch_size, kItemsAhead * threads.size()); }

  /// Plans until enough is under way. The lock is held.
  void plan_ahead() {
    size_t items = 0;
    for (const auto& one : pending) items += one->slots.size();
    while (items < limit()) {
      pending.push_back(plan_next());
      items += pending.back()->slots.size();
    }
  }

  /// The first item that nobody works on. The lock is held.
  std::pair<std::shared_ptr<Pending>, size_t> take() {
    for (const auto& one : pending) {
      if (one->taken < one->slots.size()) return {one, one->taken++};
    }
    return {nullptr, 0};
  }

  void work() {
    std::unique_lock lock(mutex);
    while (!over) {
      const auto [one, slot] = take();
      if (!one) {
        wanted.wait(lock);
        continue;
      }
      lock.unlock();
      Slot result = read(one->showings[slot], one->batch.position.epoch);
      lock.lock();
      one->slots[slot] = std::move(result);
      if (++one->done == one->slots.size()) filled.notify_all();
    }
  }

  /// The next batch with all of its slots filled.
  std::shared_ptr<Pending> wait_for_front() {
    if (threads.empty()) {
      auto one = plan_next();
      for (size_t i = 0; i < one->slots.size(); ++i) {
        one->slots[i] = read(one->showings[i], one->batch.position.epoch);
      }
      return one;
    }
    std::unique_lock lock(mutex);
    plan_ahead();
    wanted.notify_all();
    filled.wait(lock, [&] { return pending.front()->done == pending.front()->slots.size(); });
    auto one = pending.front();
    pending.pop_front();
    plan_ahead();
    wanted.notify_all();
    return one;
  }

  void note_failure(size_t row, const std::exception_ptr& error) {
    const std::lock_guard lock(mutex);
    if (failed_rows.insert(row).second) failures.push_back({dataset->where(row), text_of(error)});
  }

  /// Fails when the epoch that ends gave nothing at all.
  void check_epoch(const Batch& batch) {
    if (batch.position.batch == 0) good_items = 0;
    good_items += batch.items.size();
    if (!batch.ends_epoch || good_items > 0 || failures.empty()) return;
    throw Error(Status::BadData,
                fmt::format("no item of the dataset could be read; the first of {} failures: {}",
                            failures.size(), failures.front().text));
  }
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, std::vector<size_t> rows,
               const config::DataPlan& plan, Worker worker, Position start)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.dataset = std::move(dataset);
  state.rows = std::move(rows);
  state.plan = plan;
  state.worker = worker;
  state.order = {static_cast<uint64_t>(plan.repeat),   plan.shuffle, plan.seed,
                 static_cast<size_t>(plan.batch_size), worker.count, plan.bucket_by_caption};
  if (state.rows.empty()) throw Error(Status::BadData, "the dataset is empty: no row to train on");
  if (plan.batch_size * worker.count > 1) {
    state.extents.resize(state.dataset->size());
    std::vector<size_t> readable;
    for (const size_t row : state.rows) {
      try {
        state.extents[row] = state.dataset->extent(row);
        readable.push_back(row);
      } catch (const Error&) {
        if (plan.on_error == config::OnError::Stop) throw;
        state.note_failure(row, std::current_exception());
      }
    }
    if (readable.empty()) {
      throw Error(Status::BadData, "no item of the dataset could be read; the first failure: " +
                                       state.failures.front().text);
    }
    state.rows = std::move(readable);
  }
  const uint64_t batches = state.batches_of(start.epoch).size();
  if (start.batch >= batches) {
    throw Error(Status::Incompatible,
                fmt::format("the run stopped at batch {} of an epoch, but this dataset has {} per "
                            "epoch; was it changed?",
                            start.batch, batches));
  }
  state.next = state.ahead = start;
  state.good_items = start.batch > 0 ? 1 : 0;
  for (int64_t i = 0; i < plan.num_workers; ++i) {
    state.threads.emplace_back([&state] { state.work(); });
  }
}

Loader::~Loader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->over = true;
  }
  state_->wanted.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

uint64_t Loader::batches_per_epoch() const { return state_->epoch.size(); }

Batch Loader::next() {
  State& state = *state_;
  const auto one = state.wait_for_front();
  Batch batch = std::move(one->batch);
  for (size_t i = 0; i < one->slots.size(); ++i) {
    if (auto* item = std::get_if<Item>(&one->slots[i])) {
      batch.items.push_back(std::move(*item));
      continue;
    }
    const auto& error = std::get<std::exception_ptr>(one->slots[i]);
    if (state.plan.on_error == config::OnError::Stop) std::rethrow_exception(error);
    state.note_failure(one->showings[i].row, error);
  }
  state.check_epoch(batch);
  state.next = batch.ends_epoch ? Position{batch.position.epoch + 1, 0}
                                : Position{batch.position.epoch, batch.position.batch + 1};
  return batch;
}

Position Loader::position() const { return state_->next; }

std::vector<Failure> Loader::failures() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failures;
}

}  // namespace gesso::data
