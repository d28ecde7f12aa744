// What the weights of a component look like, as data: a plugin's manifest says it, the host reads
// it.
//
//   [component.weights.tensors]                   # canonical ("native") name = shape
//   "x_embedder.weight" = "D patch"               # a word is a size, found by matching
//   "layers.{n_layers}.norm.weight" = "D"         # {n}: an index 0 .. n-1; n is found by matching
//   "layers.{n_layers}.mod.weight" = "4*D 256"    # a multiple of a size; a fixed extent
//   "down.{1..levels}.conv.weight" = "C[levels] C[levels-1] 3 3"     # index from 1; a size per
//   index "down.{levels-1}.pool.weight" = "C[levels] _" # one index fewer (also {n+1}); _ is any
//   extent "down.{1..levels}.skip.weight" = "C[levels] C[levels-1] if C[levels] != C[levels-1]"
//   "scale" = ""                                  # no extents: a single number
//   [component.weights.optional]                  # the same, for tensors that may be absent
//   [[component.weights.layout]]                  # another spelling of the same tensors in a file
//   name = "comfy"
//   prefix = ["model.diffusion_model.", ""]       # stripped; with a prefix, tensors without it are
//                                                 # somebody else's and ignored. Absent: none
//   detect = ["layers.0.attention.qkv.weight"]    # must be present (after the prefix)
//   rename = [["^final_layer\\.", "all_final_layer.2-1."]]      # regular expressions, in this
//   order reverse = ["^decoder\\.up_blocks\\.(\\d+)\\."] # group 1 counts down in the file: n-1-i
//   split = [{ match = "(.*)\\.qkv\\.weight$", into = ["$1.to_q.weight", "$1.to_k.weight"] }]
//                                                 # equal parts along the first extent
//   flatten = ["\\.proj_out\\.weight$"]           # trailing extents of 1 are removed
//   drop = ["^norm_final\\.weight$"]              # not used by the component
//   architecture = "lumina2"                      # what GGUF files with these names are called
//
// A name is spelled for a layout in that order: prefix, drop, rename, reverse, split, flatten. The
// layout "native" (no change) always exists and is tried first. Index and count share a name: in
// `C[levels]` the index of this tensor is meant. The same rules write a layout, last to first
// (layout_writer.hpp).
#pragma once

#include "engine/weights/tensor_view.hpp"

#if __has_include(<toml++/impl/forward_declarations.hpp>)  // toml++ 3.4
#include <toml++/impl/forward_declarations.hpp>
#else
#include <toml++/impl/forward_declarations.h>
#endif

#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace gesso::weights {

/// `{first..count+offset}`: an index from `first` to `count + offset - 1`.
struct IndexTerm {
  std::string count;
  int64_t first = 0;
  int64_t offset = 0;
};

/// `factor * symbol`, `symbol[index+offset]`, a fixed extent (no symbol) or any extent (factor 0).
struct SizeTerm {
  int64_t factor = 1;
  std::string symbol;
  std::optional<size_t> index;  ///< which `IndexTerm` of the name
  int64_t index_offset = 0;
};

struct TensorPattern {
  std::string text;                   ///< as written: "layers.{n_layers}.norm.weight"
  std::vector<std::string> literals;  ///< the text between the indices: one more than `indices`
  std::vector<IndexTerm> indices;
  std::vector<SizeTerm> shape;
  std::optional<std::pair<SizeTerm, SizeTerm>> differ;  ///< exists only if these two sizes differ
  bool optional = false;
};

struct RenameRule {
  std::regex match;
  std::string text;  ///< of `match`
  std::string into;
};

struct SplitRule {
  std::regex match;
  std::string text;  ///< of `match`
  std::vector<std::string> into;
};

struct Layout {
  std::string name;
  std::vector<std::string> prefixes;
  std::vector<std::string> detect;
  std::vector<RenameRule> rename;
  std::vector<std::regex> reverse;
  std::vector<SplitRule> split;
  std::vector<std::regex> flatten;
  std::vector<std::regex> drop;
  std::string architecture;  ///< "general.architecture" of GGUF files with these names; "": none
};

struct ComponentPattern {
  std::string id;  ///< of the component, "org.gesso.z_image.denoiser"
  std::vector<TensorPattern> tensors;
  std::vector<Layout> layouts;  ///< the first is "native"
};

/// What matching finds and synthesis needs. A size per index is spelled "C[0]", "C[1]", ...
struct Dimensions {
  std::map<std::string, int64_t> sizes;
  std::map<std::string, int64_t> counts;
};

/// Reads `[[component]]` of a manifest: `id`, and `weights` as a table or as the name of a TOML
/// file beside the manifest whose root is that table.
/// @throws Error  InvalidArgument with file:line:column for an unknown key, a malformed pattern or
///                expression, or no `weights`; NotFound when the file is missing
ComponentPattern parse_component_pattern(const toml::table& component,
                                         const std::filesystem::path& manifest_dir);

/// Reads a file that holds only the weights table, for a component called `id`.
ComponentPattern load_component_pattern(const std::string& id, const std::filesystem::path& file);

/// Every tensor that a component of these dimensions has, pattern by pattern; optional ones on
/// request.
/// @throws Error  InvalidArgument naming a size or count that is missing or not positive, or a
/// tensor
///                whose pattern leaves an extent open (`_`)
std::vector<NamedShape> expand(const ComponentPattern& pattern, const Dimensions& dimensions,
                               bool with_optional = false);

}  // namespace gesso::weights
