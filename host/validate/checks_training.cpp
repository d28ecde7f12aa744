// "gesso.training/1": a forward pass that keeps what the way back needs.
#include <cmath>

#include "gesso/ext/training.h"
#include "validate/each_operation.hpp"
#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

constexpr int32_t kLevels[] = {GESSO_CHECKPOINT_NONE, GESSO_CHECKPOINT_BLOCKS,
                               GESSO_CHECKPOINT_BLOCKS_OFFLOADED};

/// Collects tensors at a sink.
struct Basket {
  std::vector<Made> made;
  gesso_sink_t sink{sizeof(gesso_sink_t), 0, this,
                    [](const gesso_sink_t* s, uint32_t port, int32_t index, gesso_tensor_t* t) {
                      static_cast<Basket*>(s->data)->made.push_back({port, index, Tensor(t)});
                      return gesso_status_t{GESSO_STATUS_OK};
                    }};
};

/// One operation that is trained, with a float input whose gradient is wanted.
class Training {
 public:
  explicit Training(Context& c) : subject_(c.ready()) {
    table_ = subject_->find<gesso_training_t>(GESSO_TRAINING_ID);
    if (!table_ || !table_->forward || !table_->backward || !table_->tape_release) {
      fail("its table lacks forward, backward or tape_release");
    }
    for (const OperationContract& contract : contracts_of(c.component->kind)) {
      auto operation = std::make_unique<Operation>(*subject_, contract);
      operation->feed({});
      operation_ = std::move(operation);
      if (works()) return;
    }
    skip("none of its operations can be trained here: {}", text_);
  }

  Operation& operation() { return *operation_; }
  Subject& subject() { return *subject_; }
  const gesso_training_t& table() const { return *table_; }
  const std::string& text() const { return text_; }

  gesso_status_t forward(Basket& outputs, void** tape, int32_t level = GESSO_CHECKPOINT_NONE) {
    const gesso_run_t run = operation_->raw(&outputs.sink);
    const uint32_t port = float_port();
    const gesso_train_t train{sizeof train, level, &port, 1};
    Trial trial;
    const auto status = table_->forward(subject_->self(), trial.get(), &run, &train, tape);
    text_ = trial.text();
    return status;
  }
  /// @throws Skipped  when all its inputs are whole numbers
  void needs_slope() const {
    const gesso_op_t& op = operation_->description();
    const char* dtypes = op.inputs[float_port()]->dtypes;
    if (dtypes && std::string(dtypes).find('f') == std::string::npos) {
      skip("none of its inputs is a number that can change a little");
    }
  }
  /// The gradient of sum(u * output) by the float input, item 0.
  std::vector<double> gradient(int32_t level = GESSO_CHECKPOINT_NONE) {
    Basket outputs, grads;
    void* tape = nullptr;
    const auto status = forward(outputs, &tape, level);
    if (status != GESSO_STATUS_OK) fail("forward failed with status {}: {}", status, text_);
    std::vector<LentTensor> us;
    std::vector<gesso_item_t> items;
    for (const Made& made : outputs.made) {
      const auto shape = shape_of(made.tensor.dl());
      LentTensor& u =
          us.emplace_back(kF32, std::vector<int64_t>(shape.begin(), shape.end()), Layout::Plain);
      for (size_t i = 0; i < u.size(); ++i) u.set(i, weight(i));
      items.push_back({made.port, made.index, u.get()});
    }
    for (size_t i = 0; i < us.size(); ++i) items[i].tensor = us[i].get();
    const gesso_bundle_t bundle{sizeof bundle, static_cast<uint32_t>(items.size()), items.data()};
    Trial trial;
    const auto back =
        table_->backward(subject_->self(), trial.get(), tape, &bundle, &grads.sink, nullptr);
    table_->tape_release(subject_->self(), tape);
    if (back != GESSO_STATUS_OK) fail("backward failed with status {}: {}", back, trial.text());
    for (const Made& made : grads.made)
      if (made.port == float_port()) return numbers(made.tensor.dl());
    fail("no gradient came for the input \"{}\"", name());
  }
  /// sum(u * output) of a plain run.
  double objective() {
    double sum = 0;
    for (const Made& made : operation_->run().made) {
      const auto values = numbers(made.tensor.dl());
      for (size_t i = 0; i < values.size(); ++i) sum += weight(i) * values[i];
    }
    return sum;
  }
  uint32_t float_port() const {
    const gesso_op_t& op = operation_->description();
    for (uint32_t i = 0; i < op.n_inputs; ++i) {
      const std::string port = op.inputs[i]->name;
      if (port != "timestep" && port != "token_ids") return i;
    }
    return 0;
  }
  std::string name() const { return operation_->description().inputs[float_port()]->name; }

 private:
  static double weight(size_t i) { return std::cos(1.3 * static_cast<double>(i)); }
  bool works() {
    Basket outputs;
    void* tape = nullptr;
    const auto status = forward(outputs, &tape);
    if (status != GESSO_STATUS_OK) return false;
    table_->tape_release(subject_->self(), tape);
    return !outputs.made.empty();
  }
  std::unique_ptr<Subject> subject_;
  const gesso_training_t* table_ = nullptr;
  std::unique_ptr<Operation> operation_;
  std::string text_;
};

void like_run(Context& c) {
  Training training(c);
  const Outcome plain = training.operation().run();
  Basket outputs;
  void* tape = nullptr;
  training.forward(outputs, &tape);
  training.table().tape_release(training.subject().self(), tape);
  expect(plain.made.size() == outputs.made.size(), "run gives {} tensors, forward {}",
         plain.made.size(), outputs.made.size());
  for (size_t i = 0; i < plain.made.size(); ++i) {
    const auto a = numbers(plain.made[i].tensor.dl()), b = numbers(outputs.made[i].tensor.dl());
    expect(a.size() == b.size(), "tensor {} has another size", i);
    for (size_t n = 0; n < a.size(); ++n)
      expect(std::abs(a[n] - b[n]) <= 1e-3 * (1 + std::abs(a[n])),
             "tensor {}, element {}: run gives {}, forward {}", i, n, a[n], b[n]);
  }
}

/// <J v, u> by differences against <v, J^T u>.
void gradient(Context& c) {
  Training training(c);
  training.needs_slope();
  const std::vector<double> found = training.gradient();
  LentTensor& input = training.operation().lent_at(training.name(), 0);
  expect(found.size() == input.size(), "\"{}\" has {} elements, its gradient {}", training.name(),
         input.size(), found.size());
  constexpr double kStep = 1e-2;
  std::vector<double> at, direction;
  double expected = 0;
  for (size_t i = 0; i < input.size(); ++i) {
    at.push_back(input.at(i));
    direction.push_back(std::sin(2.1 * static_cast<double>(i) + 0.4));
    expected += direction[i] * found[i];
  }
  const auto moved = [&](double step) {
    for (size_t i = 0; i < at.size(); ++i) input.set(i, at[i] + step * direction[i]);
    return training.objective();
  };
  const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
  expect(std::abs(slope - expected) <= 0.03 * std::abs(slope) + 2e-2,
         "along a direction the result changes by {}, the gradient says {}", slope, expected);
}

void levels_agree(Context& c) {
  Training training(c);
  const uint32_t there = training.table().checkpoints;
  expect(there & GESSO_CHECKPOINT_NONE, "checkpoints is {}: NONE is missing", there);
  training.needs_slope();
  const auto first = training.gradient();
  for (const int32_t level : kLevels) {
    if (!(there & static_cast<uint32_t>(level))) continue;
    const auto other = training.gradient(level);
    expect(other.size() == first.size(), "checkpoint {}: another size", level);
    for (size_t i = 0; i < first.size(); ++i)
      expect(std::abs(first[i] - other[i]) <= 1e-4 * (1 + std::abs(first[i])),
             "checkpoint {}: element {} is {}, not {}", level, i, other[i], first[i]);
  }
}

void releases(Context& c) {
  Training training(c);
  const auto round = [&] {
    Basket outputs;
    void* tape = nullptr;
    training.forward(outputs, &tape);
    training.table().tape_release(training.subject().self(), tape);
  };
  for (int i = 0; i < 5; ++i) round();
  const uint64_t before = heap_bytes();
  for (int i = 0; i < 20; ++i) round();
  const uint64_t after = heap_bytes();
  const uint64_t grown = after > before ? (after - before) / 20 : 0;
  expect(grown < 1024, "each tape that was released early leaves {} bytes behind", grown);
  const gesso_weights* weights = training.subject().weights();
  expect(!weights || weights->open_units() == 0, "a released tape holds {} units",
         weights ? weights->open_units() : 0);
}

constexpr const char* kTraining = GESSO_TRAINING_ID;

constexpr Check kChecks[] = {
    {"training.like_run", "", Needs::Ready, kTraining, "forward gives what run gives",
     "Compute the same in both.", like_run},
    {"training.gradient", "", Needs::Ready, kTraining, "the gradient is the slope of the result",
     "Compare backward with finite differences, operation by operation.", gradient},
    {"training.levels_agree", "", Needs::Ready, kTraining,
     "all checkpoint levels give one gradient", "Recompute with the same inputs and weights.",
     levels_agree},
    {"training.releases", "R16", Needs::Ready, kTraining,
     "a tape can be released before its way back",
     "Free the tape and leave its units in tape_release.", releases},
};

}  // namespace

std::span<const Check> training_checks() { return kChecks; }

}  // namespace gesso::validate
