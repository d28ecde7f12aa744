// The structs of the C ABI that cross to a child process, each described once for both directions.
#pragma once

#include <iterator>

#include "gesso/kind/delta_source.h"
#include "gesso/kind/scheduler.h"
#include "isolation/archive.hpp"

namespace gesso::isolation {

template <class A>
void fields(A& a, gesso_eval_t& eval) {
  a.pod(eval);
  if (A::kReads && eval.n_history > std::size(eval.c_history))
    throw Error(Status::BadData, "an evaluation with a history that is too long");
}

template <class A>
void fields(A& a, gesso_value_t& value) {
  a(value.key);
  a(value.type);
  uint32_t& count = value.count;
  switch (value.type) {
    case GESSO_VALUE_INT:
    case GESSO_VALUE_BOOL:
      count = 1;
      return a(value.u.i);
    case GESSO_VALUE_REAL:
      count = 1;
      return a(value.u.r);
    case GESSO_VALUE_TEXT:
      count = 1;
      return a(value.u.t);
    case GESSO_VALUE_INTS:
      return a.list(value.u.is, count);
    case GESSO_VALUE_REALS:
      return a.list(value.u.rs, count);
    case GESSO_VALUE_TEXTS:
      return a.list(value.u.ts, count);
    default:
      throw Error(Status::NotSupported,
                  "a value of type " + std::to_string(value.type) + " cannot go to a process");
  }
}

template <class A>
void fields(A& a, gesso_schedule_request_t& request) {
  a(request.n_steps);
  a(request.strength);
  a(request.latent_tokens);
  a.list(request.values, request.n_values);
}

template <class A>
void fields(A& a, gesso_setup_t& setup) {
  a.list(setup.values, setup.n_values);
  bool has_weights = setup.weights != nullptr;
  a(has_weights);
  if constexpr (A::kReads) setup.weights = has_weights ? a.weights() : nullptr;
}

template <class A>
void fields(A& a, gesso_param_t& param) {
  a(param.type);
  a(param.key);
  a(param.summary);
  a.maybe(param.unit);
  a.optional(param.preset);
  a.optional(param.min);
  a.optional(param.max);
  a.texts(param.choices);
}

template <class A>
void fields(A& a, gesso_port_t& port) {
  a(port.flags);
  a(port.name);
  a(port.dims);
  a.maybe(port.dtypes);
}

template <class A>
void fields(A& a, gesso_op_t& op) {
  a(op.name);
  a.list(op.inputs, op.n_inputs);
  a.list(op.outputs, op.n_outputs);
  a.list(op.params, op.n_params);
}

template <class A>
void fields(A& a, gesso_item_t& item) {
  a(item.port);
  a(item.index);
  a(item.tensor);
}

template <class A>
void fields(A& a, gesso_bundle_t& bundle) {
  a.list(bundle.items, bundle.count);
}

template <class A>
void fields(A& a, gesso_run_t& run) {
  if (run.n_injectors > 0)
    throw Error(Status::NotSupported,
                "a denoiser in a child process takes no controls; run it without isolation");
  a(run.op);
  a.optional(run.inputs);
  a.list(run.values, run.n_values);
}

template <class A>
void fields(A& a, gesso_estimate_t& estimate) {
  a(estimate.peak_bytes);
  a(estimate.flops);
}

template <class A>
void fields(A& a, gesso_component_desc_t& desc) {
  a(desc.id);
  a(desc.kind);
  a(desc.name);
  a(desc.version);
  a(desc.summary);
  a.texts(desc.interfaces);
  a.list(desc.params, desc.n_params);
}

template <class A>
void fields(A& a, gesso_weight_request_t& request) {
  a(request.flags);
  a(request.name);
  a.list(request.shape, request.ndim);
  a(request.dtype);
  a.texts(request.encodings);
}

template <class A>
void fields(A& a, gesso_target_t& target) {
  a(target.name);
  a(target.out_features);
  a(target.in_features);
}

template <class A>
void fields(A& a, gesso_named_tensor_t& tensor) {
  a(tensor.name);
  a(tensor.tensor);
}

template <class A>
void fields(A& a, gesso_delta_t& delta) {
  a(delta.form);
  a(delta.id);
  a(delta.scale);
  a(delta.items);
  a(delta.flags);
  a.list(delta.parts, delta.n_parts);
}

template <class A>
void fields(A& a, gesso_weight_view_t& view) {
  a(view.encoding);
  a(view.flags);
  a.list(view.parts, view.n_parts);
  a.list(view.deltas, view.n_deltas);
}

/// The shape of a tensor without its data.
template <class A>
void fields(A& a, DLTensor& meta) {
  a(meta.dtype);
  const int64_t* shape = meta.shape;
  a.list(shape, meta.ndim);
  meta.shape = const_cast<int64_t*>(shape);
  meta.device = {kDLCPU, 0};
}

}  // namespace gesso::isolation
