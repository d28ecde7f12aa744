// Operations of modules on tiny tensors, as the contract of a kind describes them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gesso/ext/injection.h"
#include "gesso/module.h"
#include "validate/subject.hpp"

namespace gesso::validate {

/// What a kind says of an operation. Lists of names are separated by spaces.
struct OperationContract {
  const char* kind;
  const char* operation;
  const char* inputs;   // required
  const char* feed;     // optional ones that are fed all the same
  const char* outputs;  // required
  bool per_item;        // a batch gives what single runs give
};
std::vector<OperationContract> contracts_of(const std::string& kind);

enum class Layout {
  Plain,    // contiguous
  Strided,  // every second element of a larger memory, which begins elsewhere
};

/// A tensor for a port. It is lent: `releases` counts calls of its deleter, which must not happen.
class LentTensor {
 public:
  LentTensor(DLDataType dtype, std::vector<int64_t> shape, Layout layout);
  ~LentTensor();
  LentTensor(LentTensor&&) noexcept;
  gesso_tensor_t* get();
  bool unchanged() const;  // nobody wrote to it
  void restore();          // what was written to it is gone
  int releases() const;
  void set(size_t element, double value);  // of F32, BF16 and I64
  double at(size_t element) const;
  size_t size() const;

 private:
  struct Block;
  std::unique_ptr<Block> block_;
};

struct Made {
  uint32_t port;
  int32_t index;
  Tensor tensor;
};

/// What came of a run.
struct Outcome {
  gesso_status_t status = GESSO_STATUS_OK;
  std::string text;
  std::vector<Made> made;
};

/// The elements as double, whatever strides and type. @throws Failure for a type without numbers
std::vector<double> numbers(const DLTensor& tensor);
/// Both gave the same tensors, bit for bit; "" or what differs.
std::string difference(const Outcome& a, const Outcome& b);

/// How one run is to be fed.
struct Feeding {
  Layout layout = Layout::Plain;
  int items = 1, first = 0;      // items of the batch, by number: each has numbers of its own
  std::string leave_out = {};    // a port that gets nothing
  std::string wrong_rank = {};   // a port that gets an extent too many
  std::string wrong_dtype = {};  // a port that gets integers for numbers, or the reverse
  std::map<std::string, int64_t> sizes = {};  // in place of the sample's
  bool shapes_only = false;                   // data is NULL
};

class Operation {
 public:
  /// @throws Failure  when the module has no such operation
  Operation(Subject& subject, const OperationContract& contract);

  void feed(const Feeding& feeding);
  Outcome run(Trial& trial, gesso_status_t accept_with = GESSO_STATUS_OK);
  Outcome run();
  const gesso_op_t& description() const { return *op_; }
  const OperationContract& contract() const { return contract_; }
  std::vector<LentTensor>& lent() { return lent_; }
  LentTensor& lent_at(const std::string& port, int32_t index);
  std::vector<std::string> ports() const;  // that are fed
  gesso_run_t raw(const gesso_sink_t* sink);
  const gesso_module_t& module() const { return *module_; }

 private:
  bool is_fed(const gesso_port_t& port) const;

  Subject& subject_;
  OperationContract contract_;
  const gesso_module_t* module_;
  const gesso_op_t* op_ = nullptr;
  uint32_t place_ = 0;
  std::vector<LentTensor> lent_;
  std::vector<gesso_item_t> items_;
  gesso_bundle_t bundle_{};
  ValueList values_;
};

/// Names in a list that is separated by spaces.
std::vector<std::string> words(const std::string& text);

}  // namespace gesso::validate
