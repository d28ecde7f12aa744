/* The layout of every public struct on 64-bit targets. Lines are only added; none ever changes. */
#include <gesso/engine.h>
#include <gesso/gesso.h>
#include <stddef.h>

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed its size")
#define AT(type, field, offset) \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " moved")

SIZE(gesso_engine_config_t, 64);
AT(gesso_engine_config_t, struct_size, 0);
AT(gesso_engine_config_t, flags, 4);
AT(gesso_engine_config_t, plugin_paths, 8);
AT(gesso_engine_config_t, n_plugin_paths, 16);
AT(gesso_engine_config_t, threads, 20);
AT(gesso_engine_config_t, log, 24);
AT(gesso_engine_config_t, user, 32);
AT(gesso_engine_config_t, trusted_plugins, 40);
AT(gesso_engine_config_t, isolated_plugins, 48);
AT(gesso_engine_config_t, n_trusted_plugins, 56);
AT(gesso_engine_config_t, n_isolated_plugins, 60);

SIZE(gesso_event_t, 64);
AT(gesso_event_t, struct_size, 0);
AT(gesso_event_t, type, 4);
AT(gesso_event_t, stage, 8);
AT(gesso_event_t, text, 16);
AT(gesso_event_t, step, 24);
AT(gesso_event_t, total, 32);
AT(gesso_event_t, seconds_left, 40);
AT(gesso_event_t, image, 48);
AT(gesso_event_t, status, 56);
AT(gesso_event_t, reserved, 60);

SIZE(gesso_job_callbacks_t, 24);
AT(gesso_job_callbacks_t, struct_size, 0);
AT(gesso_job_callbacks_t, reserved, 4);
AT(gesso_job_callbacks_t, event, 8);
AT(gesso_job_callbacks_t, user, 16);

SIZE(gesso_image_input_t, 16);
AT(gesso_image_input_t, key, 0);
AT(gesso_image_input_t, image, 8);

SIZE(gesso_request_t, 32);
AT(gesso_request_t, struct_size, 0);
AT(gesso_request_t, n_values, 4);
AT(gesso_request_t, values, 8);
AT(gesso_request_t, images, 16);
AT(gesso_request_t, n_images, 24);

SIZE(gesso_point_t, 32);
AT(gesso_point_t, struct_size, 0);
AT(gesso_point_t, flags, 4);
AT(gesso_point_t, name, 8);
AT(gesso_point_t, taps, 16);
AT(gesso_point_t, n_taps, 24);

SIZE(gesso_injection_t, 16);
AT(gesso_injection_t, struct_size, 0);
AT(gesso_injection_t, reserved, 4);
AT(gesso_injection_t, points, 8);

SIZE(gesso_injector_t, 40);
AT(gesso_injector_t, struct_size, 0);
AT(gesso_injector_t, n_points, 4);
AT(gesso_injector_t, data, 8);
AT(gesso_injector_t, points, 16);
AT(gesso_injector_t, at, 24);
AT(gesso_injector_t, back, 32);

SIZE(gesso_train_t, 24);
AT(gesso_train_t, struct_size, 0);
AT(gesso_train_t, checkpoint, 4);
AT(gesso_train_t, grad_ports, 8);
AT(gesso_train_t, n_grad_ports, 16);

SIZE(gesso_grad_sink_t, 24);
AT(gesso_grad_sink_t, struct_size, 0);
AT(gesso_grad_sink_t, reserved, 4);
AT(gesso_grad_sink_t, data, 8);
AT(gesso_grad_sink_t, accept, 16);

SIZE(gesso_control_training_t, 24);
AT(gesso_control_training_t, struct_size, 0);
AT(gesso_control_training_t, checkpoints, 4);
AT(gesso_control_training_t, open, 8);
AT(gesso_control_training_t, close, 16);

SIZE(gesso_training_t, 40);
AT(gesso_training_t, struct_size, 0);
AT(gesso_training_t, checkpoints, 4);
AT(gesso_training_t, forward, 8);
AT(gesso_training_t, backward, 16);
AT(gesso_training_t, tape_bytes, 24);
AT(gesso_training_t, tape_release, 32);

SIZE(gesso_host_t, 48);
AT(gesso_host_t, struct_size, 0);
AT(gesso_host_t, abi_minor, 4);
AT(gesso_host_t, data, 8);
AT(gesso_host_t, name, 16);
AT(gesso_host_t, version, 24);
AT(gesso_host_t, log, 32);
AT(gesso_host_t, get_service, 40);

SIZE(gesso_call_t, 64);
AT(gesso_call_t, struct_size, 0);
AT(gesso_call_t, flags, 4);
AT(gesso_call_t, data, 8);
AT(gesso_call_t, stream, 16);
AT(gesso_call_t, device, 24);
AT(gesso_call_t, thread_limit, 32);
AT(gesso_call_t, reserved, 36);
AT(gesso_call_t, error, 40);
AT(gesso_call_t, cancelled, 48);
AT(gesso_call_t, progress, 56);

SIZE(gesso_target_t, 24);
AT(gesso_target_t, name, 0);
AT(gesso_target_t, out_features, 8);
AT(gesso_target_t, in_features, 16);

SIZE(gesso_named_tensor_t, 16);
AT(gesso_named_tensor_t, name, 0);
AT(gesso_named_tensor_t, tensor, 8);

SIZE(gesso_delta_generator_t, 16);
AT(gesso_delta_generator_t, struct_size, 0);
AT(gesso_delta_generator_t, reserved, 4);
AT(gesso_delta_generator_t, targets, 8);

SIZE(gesso_delta_source_t, 40);
AT(gesso_delta_source_t, struct_size, 0);
AT(gesso_delta_source_t, reserved, 4);
AT(gesso_delta_source_t, open, 8);
AT(gesso_delta_source_t, get, 16);
AT(gesso_delta_source_t, close, 24);
AT(gesso_delta_source_t, materialize, 32);

SIZE(gesso_controller_t, 24);
AT(gesso_controller_t, struct_size, 0);
AT(gesso_controller_t, reserved, 4);
AT(gesso_controller_t, open, 8);
AT(gesso_controller_t, close, 16);

SIZE(gesso_codec_t, 24);
AT(gesso_codec_t, struct_size, 0);
AT(gesso_codec_t, reserved, 4);
AT(gesso_codec_t, geometry, 8);
AT(gesso_codec_t, preview, 16);

SIZE(gesso_place_t, 16);
AT(gesso_place_t, device, 0);
AT(gesso_place_t, storage, 8);

SIZE(gesso_unit_plan_t, 64);
AT(gesso_unit_plan_t, state, 0);

SIZE(gesso_move_t, 8);
AT(gesso_move_t, unit, 0);
AT(gesso_move_t, state, 4);

SIZE(gesso_unit_info_t, 56);
AT(gesso_unit_info_t, struct_size, 0);
AT(gesso_unit_info_t, order, 4);
AT(gesso_unit_info_t, component, 8);
AT(gesso_unit_info_t, role, 16);
AT(gesso_unit_info_t, unit, 24);
AT(gesso_unit_info_t, stored_bytes, 32);
AT(gesso_unit_info_t, compute_bytes, 40);
AT(gesso_unit_info_t, uses_per_step, 48);

SIZE(gesso_budget_t, 40);
AT(gesso_budget_t, struct_size, 0);
AT(gesso_budget_t, flags, 4);
AT(gesso_budget_t, device, 8);
AT(gesso_budget_t, limit, 16);
AT(gesso_budget_t, used, 24);
AT(gesso_budget_t, reserved_bytes, 32);

SIZE(gesso_memory_event_t, 56);
AT(gesso_memory_event_t, struct_size, 0);
AT(gesso_memory_event_t, type, 4);
AT(gesso_memory_event_t, unit, 8);
AT(gesso_memory_event_t, flags, 12);
AT(gesso_memory_event_t, role, 16);
AT(gesso_memory_event_t, device, 24);
AT(gesso_memory_event_t, bytes_needed, 32);
AT(gesso_memory_event_t, budgets, 40);
AT(gesso_memory_event_t, n_budgets, 48);

SIZE(gesso_memory_policy_t, 24);
AT(gesso_memory_policy_t, struct_size, 0);
AT(gesso_memory_policy_t, ignores, 4);
AT(gesso_memory_policy_t, plan, 8);
AT(gesso_memory_policy_t, on_event, 16);

SIZE(gesso_eval_t, 80);
AT(gesso_eval_t, timestep, 0);
AT(gesso_eval_t, sigma, 8);
AT(gesso_eval_t, sigma_next, 16);
AT(gesso_eval_t, c_sample, 24);
AT(gesso_eval_t, c_noise, 32);
AT(gesso_eval_t, c_history, 40);
AT(gesso_eval_t, n_history, 72);
AT(gesso_eval_t, flags, 76);

SIZE(gesso_schedule_request_t, 40);
AT(gesso_schedule_request_t, struct_size, 0);
AT(gesso_schedule_request_t, n_steps, 4);
AT(gesso_schedule_request_t, strength, 8);
AT(gesso_schedule_request_t, latent_tokens, 16);
AT(gesso_schedule_request_t, values, 24);
AT(gesso_schedule_request_t, n_values, 32);

SIZE(gesso_scheduler_t, 24);
AT(gesso_scheduler_t, struct_size, 0);
AT(gesso_scheduler_t, prediction, 4);
AT(gesso_scheduler_t, plan, 8);
AT(gesso_scheduler_t, train_point, 16);

SIZE(gesso_tokenizer_t, 40);
AT(gesso_tokenizer_t, struct_size, 0);
AT(gesso_tokenizer_t, reserved, 4);
AT(gesso_tokenizer_t, encode, 8);
AT(gesso_tokenizer_t, decode, 16);
AT(gesso_tokenizer_t, token_id, 24);
AT(gesso_tokenizer_t, vocab_size, 32);

SIZE(gesso_port_t, 32);
AT(gesso_port_t, struct_size, 0);
AT(gesso_port_t, flags, 4);
AT(gesso_port_t, name, 8);
AT(gesso_port_t, dims, 16);
AT(gesso_port_t, dtypes, 24);

SIZE(gesso_op_t, 48);
AT(gesso_op_t, struct_size, 0);
AT(gesso_op_t, n_inputs, 4);
AT(gesso_op_t, n_outputs, 8);
AT(gesso_op_t, n_params, 12);
AT(gesso_op_t, name, 16);
AT(gesso_op_t, inputs, 24);
AT(gesso_op_t, outputs, 32);
AT(gesso_op_t, params, 40);

SIZE(gesso_run_t, 56);
AT(gesso_run_t, struct_size, 0);
AT(gesso_run_t, op, 4);
AT(gesso_run_t, inputs, 8);
AT(gesso_run_t, outputs, 16);
AT(gesso_run_t, values, 24);
AT(gesso_run_t, n_values, 32);
AT(gesso_run_t, injectors, 40);
AT(gesso_run_t, n_injectors, 48);

SIZE(gesso_estimate_t, 24);
AT(gesso_estimate_t, struct_size, 0);
AT(gesso_estimate_t, reserved, 4);
AT(gesso_estimate_t, peak_bytes, 8);
AT(gesso_estimate_t, flops, 16);

SIZE(gesso_module_t, 32);
AT(gesso_module_t, struct_size, 0);
AT(gesso_module_t, n_ops, 4);
AT(gesso_module_t, ops, 8);
AT(gesso_module_t, run, 16);
AT(gesso_module_t, estimate, 24);

SIZE(gesso_component_desc_t, 64);
AT(gesso_component_desc_t, struct_size, 0);
AT(gesso_component_desc_t, n_params, 4);
AT(gesso_component_desc_t, id, 8);
AT(gesso_component_desc_t, kind, 16);
AT(gesso_component_desc_t, name, 24);
AT(gesso_component_desc_t, version, 32);
AT(gesso_component_desc_t, summary, 40);
AT(gesso_component_desc_t, interfaces, 48);
AT(gesso_component_desc_t, params, 56);

SIZE(gesso_setup_t, 24);
AT(gesso_setup_t, struct_size, 0);
AT(gesso_setup_t, n_values, 4);
AT(gesso_setup_t, values, 8);
AT(gesso_setup_t, weights, 16);

SIZE(gesso_component_t, 48);
AT(gesso_component_t, struct_size, 0);
AT(gesso_component_t, reserved, 4);
AT(gesso_component_t, self, 8);
AT(gesso_component_t, desc, 16);
AT(gesso_component_t, prepare, 24);
AT(gesso_component_t, get_interface, 32);
AT(gesso_component_t, destroy, 40);

SIZE(gesso_plugin_t, 80);
AT(gesso_plugin_t, struct_size, 0);
AT(gesso_plugin_t, abi_minor, 4);
AT(gesso_plugin_t, id, 8);
AT(gesso_plugin_t, version, 16);
AT(gesso_plugin_t, vendor, 24);
AT(gesso_plugin_t, license, 32);
AT(gesso_plugin_t, components, 40);
AT(gesso_plugin_t, n_components, 48);
AT(gesso_plugin_t, create, 56);
AT(gesso_plugin_t, get_interface, 64);
AT(gesso_plugin_t, shutdown, 72);

SIZE(gesso_components_service_t, 16);
AT(gesso_components_service_t, struct_size, 0);
AT(gesso_components_service_t, reserved, 4);
AT(gesso_components_service_t, find, 8);

SIZE(gesso_random_service_t, 16);
AT(gesso_random_service_t, struct_size, 0);
AT(gesso_random_service_t, reserved, 4);
AT(gesso_random_service_t, normal, 8);

SIZE(gesso_weight_request_t, 40);
AT(gesso_weight_request_t, struct_size, 0);
AT(gesso_weight_request_t, flags, 4);
AT(gesso_weight_request_t, name, 8);
AT(gesso_weight_request_t, shape, 16);
AT(gesso_weight_request_t, ndim, 24);
AT(gesso_weight_request_t, dtype, 28);
AT(gesso_weight_request_t, encodings, 32);

SIZE(gesso_delta_t, 48);
AT(gesso_delta_t, form, 0);
AT(gesso_delta_t, id, 8);
AT(gesso_delta_t, n_parts, 12);
AT(gesso_delta_t, scale, 16);
AT(gesso_delta_t, items, 24);
AT(gesso_delta_t, parts, 32);
AT(gesso_delta_t, flags, 40);
AT(gesso_delta_t, reserved, 44);

SIZE(gesso_weight_view_t, 40);
AT(gesso_weight_view_t, encoding, 0);
AT(gesso_weight_view_t, n_parts, 8);
AT(gesso_weight_view_t, flags, 12);
AT(gesso_weight_view_t, parts, 16);
AT(gesso_weight_view_t, deltas, 24);
AT(gesso_weight_view_t, n_deltas, 32);

SIZE(gesso_unit_view_t, 32);
AT(gesso_unit_view_t, struct_size, 0);
AT(gesso_unit_view_t, count, 4);
AT(gesso_unit_view_t, generation, 8);
AT(gesso_unit_view_t, delta_generation, 16);
AT(gesso_unit_view_t, weights, 24);

SIZE(gesso_weights_service_t, 48);
AT(gesso_weights_service_t, struct_size, 0);
AT(gesso_weights_service_t, reserved, 4);
AT(gesso_weights_service_t, describe, 8);
AT(gesso_weights_service_t, declare, 16);
AT(gesso_weights_service_t, enter, 24);
AT(gesso_weights_service_t, leave, 32);
AT(gesso_weights_service_t, prefetch, 40);

SIZE(gesso_error_t, 24);
AT(gesso_error_t, struct_size, 0);
AT(gesso_error_t, status, 4);
AT(gesso_error_t, text, 8);
AT(gesso_error_t, capacity, 16);
AT(gesso_error_t, length, 20);

SIZE(gesso_item_t, 16);
AT(gesso_item_t, port, 0);
AT(gesso_item_t, index, 4);
AT(gesso_item_t, tensor, 8);

SIZE(gesso_bundle_t, 16);
AT(gesso_bundle_t, struct_size, 0);
AT(gesso_bundle_t, count, 4);
AT(gesso_bundle_t, items, 8);

SIZE(gesso_sink_t, 24);
AT(gesso_sink_t, struct_size, 0);
AT(gesso_sink_t, reserved, 4);
AT(gesso_sink_t, data, 8);
AT(gesso_sink_t, accept, 16);

SIZE(gesso_value_t, 24);
AT(gesso_value_t, key, 0);
AT(gesso_value_t, type, 8);
AT(gesso_value_t, count, 12);
AT(gesso_value_t, u, 16);

SIZE(gesso_param_t, 64);
AT(gesso_param_t, struct_size, 0);
AT(gesso_param_t, type, 4);
AT(gesso_param_t, key, 8);
AT(gesso_param_t, summary, 16);
AT(gesso_param_t, unit, 24);
AT(gesso_param_t, preset, 32);
AT(gesso_param_t, min, 40);
AT(gesso_param_t, max, 48);
AT(gesso_param_t, choices, 56);
