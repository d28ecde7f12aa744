// Second stage: `extends` and overrides folded into one document.
//
// Tables are merged key by key; everything else is replaced as a whole. Each value keeps the place
// where it was written, and with it the folder that its relative paths start from.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engine/config/node.hpp"

namespace gesso::config {

/// The keys of the top level, `extends` among them.
std::span<const std::string_view> top_level_keys();

/// Lays `above` over `base`.
Node merge(Node base, Node above);

/// Reads a pipeline file and everything it extends.
/// @throws Error  as `parse_file`; InvalidArgument when files extend each other in a circle; always
///                at the place of the `extends` that led there
Node load_document(const std::filesystem::path& path);

/// The same for a text; `folder` empty: only absolute paths.
Node load_document_text(std::string_view text, const std::string& name,
                        const std::filesystem::path& folder);

/// The table that a key without a dot stands in, when it is no key of the top level.
using TableOfKey = std::function<std::string(std::string_view key)>;

/// Applies texts like `generate.seed=7`, later ones on top. The value is read as TOML; what is not
/// TOML is taken as plain text. A key without a dot that is no key of the top level stands for
/// `generate.<key>`, or as `table_of` says. Relative paths start from the working folder.
/// @throws Error  InvalidArgument for a text without `=`, a malformed key, or `extends`
Node apply_overrides(Node document, std::span<const std::string> overrides,
                     const TableOfKey& table_of = nullptr);

}  // namespace gesso::config
