// Every key of a manifest and of a variant. schemas/*.schema.json say the same; a test compares
// them.
#pragma once

#include <string_view>

#include "engine/registry/strict_table.hpp"
#include "gesso/value.h"

namespace gesso::registry {

// <plugin>.gesso.toml
inline constexpr Key kManifestKeys[] = {
    {"manifest", KeyType::Integer, true},
    {"plugin", KeyType::Table, true},
    {"abi", KeyType::Table, true},
    {"library", KeyType::Text},
    {"requires", KeyType::Table},
    {"permissions", KeyType::Table},
    {"variants", KeyType::Texts},
    {"component", KeyType::Tables},
    {"sha256", KeyType::Text},
};
inline constexpr Key kPluginKeys[] = {
    {"id", KeyType::Text, true},
    {"version", KeyType::Text, true},
    {"vendor", KeyType::Text},
    {"license", KeyType::Text, true},
};
inline constexpr Key kAbiKeys[] = {
    {"major", KeyType::Integer, true},
    {"minor", KeyType::Integer, true},
};
inline constexpr Key kRequiresKeys[] = {
    {"runtime", KeyType::Text, true},
};
inline constexpr Key kPermissionsKeys[] = {
    {"read", KeyType::Texts},          {"write", KeyType::Texts},
    {"network", KeyType::Boolean},     {"processes", KeyType::Boolean},
    {"own_threads", KeyType::Boolean}, {"devices", KeyType::Texts},
};
inline constexpr Key kComponentKeys[] = {
    {"id", KeyType::Text, true},       {"kind", KeyType::Text, true},
    {"name", KeyType::Text, true},     {"version", KeyType::Text, true},
    {"summary", KeyType::Text, true},  {"interfaces", KeyType::Texts, true},
    {"weights", KeyType::TextOrTable}, {"param", KeyType::Tables},
    {"run_param", KeyType::Tables},    {"adapter", KeyType::Table},
};
inline constexpr Key kAdapterKeys[] = {
    {"keys", KeyType::Texts, true},
    {"marks", KeyType::Texts},
};
inline constexpr Key kParamKeys[] = {
    {"key", KeyType::Text, true}, {"type", KeyType::Text, true}, {"summary", KeyType::Text, true},
    {"unit", KeyType::Text},      {"default", KeyType::Any},     {"min", KeyType::Any},
    {"max", KeyType::Any},        {"choices", KeyType::Texts},
};

// NAME.variant.toml
inline constexpr Key kVariantKeys[] = {
    {"variant", KeyType::Integer, true}, {"id", KeyType::Text, true},
    {"name", KeyType::Text, true},       {"aliases", KeyType::Texts},
    {"summary", KeyType::Text, true},    {"roles", KeyType::Table},
    {"defaults", KeyType::Table},        {"limits", KeyType::Table},
    {"synthetic", KeyType::Table},       {"notes", KeyType::Texts},
    {"extends", KeyType::Text},
};
inline constexpr Key kRoleKeys[] = {
    {"kind", KeyType::Text, true},      {"component", KeyType::Text},
    {"required", KeyType::Boolean},     {"many", KeyType::Boolean},
    {"model_id", KeyType::Text},        {"origin_file_pattern", KeyType::Text},
    {"storage_warning", KeyType::Text}, {"same", KeyType::Table},
};
inline constexpr Key kSyntheticKeys[] = {
    {"sizes", KeyType::Table},
    {"counts", KeyType::Table},
    {"config", KeyType::Table},
};

/// The names of parameter types and their numbers in the C headers.
struct TypeName {
  std::string_view name;
  int32_t type;
};
inline constexpr TypeName kTypeNames[] = {
    {"int", GESSO_VALUE_INT},     {"real", GESSO_VALUE_REAL}, {"text", GESSO_VALUE_TEXT},
    {"bool", GESSO_VALUE_BOOL},   {"ints", GESSO_VALUE_INTS}, {"reals", GESSO_VALUE_REALS},
    {"texts", GESSO_VALUE_TEXTS},
};

/// The kinds that Gesso has a contract for. Others are spelled like an id: "org.example.upscaler".
inline constexpr std::string_view kKinds[] = {
    "tokenizer",  "text_encoder", "image_encoder",   "codec",        "denoiser",  "composer",
    "controller", "delta_source", "delta_generator", "preprocessor", "scheduler", "memory_policy",
};

}  // namespace gesso::registry
