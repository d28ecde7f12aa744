// Modules in C++: operations are methods, ports are names.
//
//   class Encoder : public gesso::Component<Encoder, gesso::ModuleInterface> {
//     static const std::vector<gesso::Op<Encoder>>& ops() {
//       static const std::vector<gesso::Op<Encoder>> list{
//           {.name = "encode", .inputs = {{"token_ids", "L", gesso::kPerItem, "i64"}},
//            .outputs = {{"text", "L D", gesso::kPerItem}}, .run = &Encoder::encode}};
//       return list;
//     }
//     void encode(const gesso::Call&, const gesso::Inputs&, gesso::Outputs&);
//
// Inputs were held against their ports when an operation begins: what is required is there, in the
// types and extents that the port names. What else an operation wants of them it checks itself.
//
// and the other side: ModuleRef runs an operation of any module.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../module.h"
#include "inputs.hpp"
#include "plugin.hpp"

namespace gesso {

inline constexpr uint32_t kOptional = GESSO_PORT_OPTIONAL;
inline constexpr uint32_t kPerItem = GESSO_PORT_PER_ITEM;
inline constexpr uint32_t kList = GESSO_PORT_LIST;

struct Port {
  const char* name;
  const char* dims;
  uint32_t flags = 0;
  const char* dtypes = nullptr;
};

/// Where results go, by port name.
class Outputs {
 public:
  Outputs(const gesso_op_t& op, const gesso_run_t& run) : op_(op), run_(run) {}

  /// `index`: the item's number, or -1 for a tensor of the whole batch.
  void put(std::string_view port, int32_t index, Tensor tensor) const {
    for (uint32_t i = 0; i < op_.n_outputs; ++i) {
      if (port != op_.outputs[i]->name) continue;
      const gesso_status_t status = run_.outputs->accept(run_.outputs, i, index, tensor.release());
      if (status != GESSO_STATUS_OK) {
        throw Error(static_cast<Status>(status), "the result was not accepted");
      }
      return;
    }
    throw Error(Status::Internal, "no output port \"" + std::string(port) + "\"");
  }

 private:
  const gesso_op_t& op_;
  const gesso_run_t& run_;
};

template <class T>
struct Op {
  const char* name;
  std::vector<Port> inputs, outputs;
  void (T::*run)(const Call&, const Inputs&, Outputs&);
  gesso_estimate_t (T::*estimate)(const Inputs&) = nullptr;
};

/// "gesso.module/1" over `static const std::vector<Op<T>>& T::ops()`.
template <class T>
struct ModuleInterface {
  static constexpr const char* id = GESSO_MODULE_ID;
  static const void* table() { return &tables().module; }

 private:
  struct Tables {
    std::deque<gesso_port_t> ports;
    std::deque<std::vector<const gesso_port_t*>> lists;
    std::deque<gesso_op_t> ops;
    std::vector<const gesso_op_t*> op_list;
    gesso_module_t module{};

    Tables() {
      for (const Op<T>& op : T::ops()) {
        const auto inputs = list_of(op.inputs), outputs = list_of(op.outputs);
        ops.push_back({sizeof(gesso_op_t), static_cast<uint32_t>(op.inputs.size()),
                       static_cast<uint32_t>(op.outputs.size()), 0, op.name, inputs, outputs,
                       nullptr});
        op_list.push_back(&ops.back());
      }
      module = {sizeof(gesso_module_t), static_cast<uint32_t>(op_list.size()), op_list.data(),
                ModuleInterface::run, ModuleInterface::estimate};
    }
    const gesso_port_t* const* list_of(const std::vector<Port>& from) {
      auto& list = lists.emplace_back();
      for (const Port& p : from) {
        ports.push_back({sizeof(gesso_port_t), p.flags, p.name, p.dims, p.dtypes});
        list.push_back(&ports.back());
      }
      return list.data();
    }
  };
  static const Tables& tables() {
    static const Tables made;
    return made;
  }

  static const Op<T>& op_of(const gesso_run_t* run) {
    if (run->op >= T::ops().size()) {
      throw Error(Status::InvalidArgument, "no operation " + std::to_string(run->op));
    }
    return T::ops()[run->op];
  }
  static gesso_status_t GESSO_CALL run(void* self, const gesso_call_t* call,
                                       const gesso_run_t* run) {
    return guard(call ? call->error : nullptr, [&] {
      const Op<T>& op = op_of(run);
      const gesso_op_t& description = *tables().op_list[run->op];
      Outputs outputs(description, *run);
      (static_cast<T*>(self)->*op.run)(Call(call), Inputs(description, *run), outputs);
    });
  }
  static gesso_status_t GESSO_CALL estimate(void* self, const gesso_call_t* call,
                                            const gesso_run_t* run, gesso_estimate_t* out) {
    return guard(call ? call->error : nullptr, [&] {
      const Op<T>& op = op_of(run);
      if (!op.estimate) {
        throw Error(Status::NotSupported, std::string("no estimate for \"") + op.name + "\"");
      }
      gesso_estimate_t made =
          (static_cast<T*>(self)->*op.estimate)(Inputs(*tables().op_list[run->op], *run));
      made.struct_size = out->struct_size;
      std::memcpy(out, &made, std::min<size_t>(out->struct_size, sizeof made));
    });
  }
};

/// A result of ModuleRef::run.
struct Output {
  std::string port;
  int32_t index;
  Tensor tensor;
};

struct Input {
  std::string_view port;
  int32_t index;
  gesso_tensor_t* tensor;  // borrowed
};

/// Runs operations of a module, whoever made it.
class ModuleRef {
 public:
  /// @throws Error NotSupported when the component is no module
  explicit ModuleRef(gesso_component_t* component) : component_(component) {
    module_ = static_cast<const gesso_module_t*>(
        component->get_interface(component->self, GESSO_MODULE_ID));
    if (!module_) {
      throw Error(Status::NotSupported, std::string(component->desc->id) + " is no module");
    }
  }

  const gesso_op_t& op(std::string_view name) const { return *module_->ops[op_place(name)]; }
  bool has_op(std::string_view name) const {
    return std::any_of(module_->ops, module_->ops + module_->n_ops,
                       [&](const gesso_op_t* op) { return name == op->name; });
  }

  static bool has_input(const gesso_op_t& op, std::string_view port) {
    for (uint32_t i = 0; i < op.n_inputs; ++i) {
      if (port == op.inputs[i]->name) return true;
    }
    return false;
  }

  /// @throws Error with the module's text, its component's id in front
  std::vector<Output> run(const gesso_call_t* call, std::string_view op_name,
                          const std::vector<Input>& inputs, const ValueList& values = {},
                          const std::vector<const gesso_injector*>& injectors = {}) const {
    Collector collector{op(op_name), {}, {}};
    collector.sink = {sizeof(gesso_sink_t), 0, &collector, accept};
    Prepared prepared = prepare(op_name, inputs, values);
    prepared.run.outputs = &collector.sink;
    prepared.run.injectors = injectors.data();
    prepared.run.n_injectors = injectors.size();
    check_run(module_->run(component_->self, call, &prepared.run), call);
    return std::move(collector.outputs);
  }

  gesso_estimate_t estimate(const gesso_call_t* call, std::string_view op_name,
                            const std::vector<Input>& inputs, const ValueList& values = {}) const {
    gesso_estimate_t out{sizeof(gesso_estimate_t), 0, 0, 0};
    if (!GESSO_HAS(gesso_module_t, module_, estimate)) return out;
    const Prepared prepared = prepare(op_name, inputs, values);
    const gesso_status_t status = module_->estimate(component_->self, call, &prepared.run, &out);
    if (status != GESSO_STATUS_NOT_SUPPORTED) check_run(status, call);
    return out;
  }

 private:
  struct Collector {
    const gesso_op_t& op;
    gesso_sink_t sink;
    std::vector<Output> outputs;
  };
  struct Prepared {
    std::vector<gesso_item_t> items;
    std::unique_ptr<gesso_bundle_t> bundle;
    gesso_run_t run;
  };

  Prepared prepare(std::string_view op_name, const std::vector<Input>& inputs,
                   const ValueList& values) const {
    Prepared p{};
    const gesso_op_t& description = op(op_name);
    for (const Input& input : inputs)
      p.items.push_back({place_of(description, input.port), input.index, input.tensor});
    p.bundle = std::make_unique<gesso_bundle_t>(gesso_bundle_t{
        sizeof(gesso_bundle_t), static_cast<uint32_t>(p.items.size()), p.items.data()});
    p.run = {sizeof(gesso_run_t), op_place(op_name), p.bundle.get(), nullptr,
             values.data(),       values.size(),     nullptr,        0};
    return p;
  }
  uint32_t op_place(std::string_view name) const {
    for (uint32_t i = 0; i < module_->n_ops; ++i) {
      if (name == module_->ops[i]->name) return i;
    }
    throw Error(Status::NotSupported, std::string(component_->desc->id) + " has no operation \"" +
                                          std::string(name) + "\"");
  }
  uint32_t place_of(const gesso_op_t& description, std::string_view port) const {
    for (uint32_t i = 0; i < description.n_inputs; ++i) {
      if (port == description.inputs[i]->name) return i;
    }
    throw Error(Status::NotSupported, std::string(component_->desc->id) + ": operation \"" +
                                          description.name + "\" has no input \"" +
                                          std::string(port) + "\"");
  }
  void check_run(gesso_status_t status, const gesso_call_t* call) const {
    try {
      check_call(status, call);
    } catch (const Error& e) {
      if (e.status() == Status::Cancelled) throw;
      throw Error(e.status(), std::string(component_->desc->id) + ": " + e.what());
    }
  }
  static gesso_status_t GESSO_CALL accept(const gesso_sink_t* sink, uint32_t port, int32_t index,
                                          gesso_tensor_t* tensor) {
    Tensor owned(tensor);
    return guard(nullptr, [&] {
      auto& collector = *static_cast<Collector*>(sink->data);
      if (port >= collector.op.n_outputs) throw Error(Status::InvalidArgument, "no such output");
      collector.outputs.push_back({collector.op.outputs[port]->name, index, std::move(owned)});
    });
  }

  gesso_component_t* component_;
  const gesso_module_t* module_;
};

}  // namespace gesso
