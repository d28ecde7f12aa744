// The parameters that every pipeline file knows, and how a value is checked against a parameter.
// The parser, the request, the JSON Schema and the help are all made of these tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/registry/registry.hpp"

namespace gesso::config {

/// A parameter whose unit is this one is a path; in a file it is relative to that file.
inline constexpr const char* kPathUnit = "path";
/// One whose unit is this one names a device, such as "cpu" or "cuda:0".
inline constexpr const char* kDeviceUnit = "device";

// Types that only pipeline files have, beside those of gesso/value.h.
inline constexpr int32_t kTableValue = 1000;   // a table of single values, as it is
inline constexpr int32_t kTablesValue = 1001;  // a table or a list of tables; see `item_params`
inline constexpr int32_t kOneTable = 1002;     // one table; see `item_params`
inline constexpr int32_t kPairsValue = 1003;   // a list of pairs of texts

/// What may stand in one table of a parameter of type `kTablesValue` or `kOneTable`.
const std::vector<registry::Param>& item_params(std::string_view key);

const std::vector<registry::Param>& adapter_params();  // of every [[adapters]]

const std::vector<registry::Param>& file_params();       // the top level, without tables
const std::vector<registry::Param>& component_params();  // of every [components.<role>]
const std::vector<registry::Param>& generate_params();   // [generate]
const std::vector<registry::Param>& output_params();     // [output]
const std::vector<registry::Param>& memory_params();     // [memory]
const std::vector<registry::Param>& plugins_params();    // [plugins]

/// [generate] of one variant: the standard parameters, with the variant's defaults and limits, then
/// the run parameters of its scheduler and its composer.
std::vector<registry::Param> generate_params(const registry::Registry& registry,
                                             const registry::VariantInfo& variant);

/// The same for components that a file has chosen.
std::vector<registry::Param> generate_params(
    const std::vector<const registry::ComponentInfo*>& components,
    const registry::VariantInfo& variant);

/// Whether the run parameters of components of this kind may be set in [generate] beside the
/// standard ones: true for "scheduler" and "composer", which get them with each request.
bool is_run_param_kind(std::string_view kind);

const registry::Param* find_param(const std::vector<registry::Param>& params, std::string_view key);

/// A value as the parameter wants it, or what is wrong with it.
struct Checked {
  nlohmann::json value;
  std::string problem;  // "expected an integer, found the text \"big\""; empty: none
};

/// Integers are taken for reals, integral reals for integers, a single value for a list of one.
Checked check_value(const registry::Param& param, const nlohmann::json& value);

/// `unknown parameter "promt"; did you mean "prompt"?`
std::string unknown_parameter(const std::string& key, const std::vector<registry::Param>& params);

/// "an integer", "a text or a list of texts".
std::string expected(const registry::Param& param);

/// For messages: `the text "big"`, `the integer 3`, `a table`; numbers alone: `3`, `0.5`.
std::string describe(const nlohmann::json& value);
std::string describe_number(const nlohmann::json& value);

}  // namespace gesso::config
