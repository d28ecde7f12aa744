#include "engine/weights/layout_writer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/base/suggest.hpp"
#include "engine/weights/inverse_rule.hpp"
#include "engine/weights/spelling.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::weights {
namespace {

[[noreturn]] void refuse(const Layout& layout, const std::string& why) {
  throw Error(Status::NotSupported,
              fmt::format("the layout \"{}\" cannot be written: {}", layout.name, why));
}

RenameRule way_back(const Layout& layout, const std::string& expression,
                    const std::string& replacement) {
  const auto rule = inverse(expression, replacement);
  if (!rule) {
    refuse(layout,
           fmt::format("the rule \"{}\" -> \"{}\" has no way back", expression, replacement));
  }
  return *rule;
}

void unflatten(LaidOut& tensor, const std::vector<std::regex>& expressions) {
  const bool flat = std::ranges::any_of(expressions, [&](const std::regex& expression) {
    return std::regex_search(tensor.name, expression);
  });
  if (flat && tensor.shape.size() == 2) tensor.shape.insert(tensor.shape.end(), {1, 1});
}

/// Puts the parts of one rule together, in the place of the first.
std::vector<LaidOut> fuse(const std::vector<LaidOut>& tensors, const SplitRule& rule,
                          const Layout& layout) {
  std::vector<RenameRule> back;
  for (const std::string& into : rule.into) back.push_back(way_back(layout, rule.text, into));
  const auto part_of = [&](const std::string& name) {
    return std::ranges::find_if(
        back, [&](const RenameRule& one) { return std::regex_search(name, one.match); });
  };
  std::map<std::string, std::vector<const LaidOut*>> groups;  // by the fused name
  for (const LaidOut& tensor : tensors) {
    const auto part = part_of(tensor.name);
    if (part == back.end()) continue;
    auto& group = groups[std::regex_replace(tensor.name, part->match, part->into)];
    group.resize(back.size());
    group[static_cast<size_t>(part - back.begin())] = &tensor;
  }
  std::vector<LaidOut> fused;
  for (const LaidOut& tensor : tensors) {
    const auto part = part_of(tensor.name);
    if (part == back.end()) {
      fused.push_back(tensor);
      continue;
    }
    const std::string name = std::regex_replace(tensor.name, part->match, part->into);
    const auto group = groups.extract(name);
    if (group.empty()) continue;  // went in with the first part
    LaidOut whole{{name, tensor.shape}, {}};
    whole.shape[0] *= static_cast<int64_t>(back.size());
    for (const LaidOut* one : group.mapped()) {
      if (!one || one->shape != tensor.shape) {
        refuse(layout, fmt::format("\"{}\" needs {} parts of one shape", name, back.size()));
      }
      whole.parts.insert(whole.parts.end(), one->parts.begin(), one->parts.end());
    }
    fused.push_back(std::move(whole));
  }
  return fused;
}

/// Reads the result as a file of this layout would be read.
void prove(std::span<const NamedShape> tensors, const std::vector<LaidOut>& written,
           const Layout& layout, const std::string& prefix) {
  std::vector<NamedWeight> file;
  std::set<std::string> names;
  for (const LaidOut& tensor : written) {
    if (!names.insert(tensor.name).second) {
      refuse(layout, fmt::format("it would have \"{}\" twice", tensor.name));
    }
    TensorView view;
    view.shape = tensor.shape;
    file.push_back({{tensor.name, tensor.shape}, StoredWeight(view), ""});
  }
  for (const std::string& mark : layout.detect) {
    if (!names.contains(prefix + mark)) {
      refuse(layout, fmt::format("there would be no \"{}{}\", by which it is known", prefix, mark));
    }
  }
  std::map<std::string, Shape> expected;
  for (const NamedShape& tensor : tensors) expected[tensor.name] = tensor.shape;
  for (const SpelledTensor& tensor : spell(file, layout, prefix)) {
    const auto found = expected.find(tensor.name);
    if (found == expected.end() || found->second != tensor.shape) {
      refuse(layout, fmt::format("\"{}\" would be read as \"{}\" {}", tensor.source->name,
                                 tensor.name, shape_text(tensor.shape)));
    }
    expected.erase(found);
  }
  if (expected.empty()) return;
  refuse(layout, fmt::format("\"{}\" would not be found in it", expected.begin()->first));
}

}  // namespace

std::vector<LaidOut> lay_out(std::span<const NamedShape> tensors, const Layout& layout,
                             const std::string& prefix) {
  std::vector<LaidOut> written;
  for (size_t i = 0; i < tensors.size(); ++i) {
    written.push_back({{tensors[i].name, tensors[i].shape}, {i}});
    unflatten(written.back(), layout.flatten);
  }
  for (size_t i = layout.split.size(); i-- > 0;) written = fuse(written, layout.split[i], layout);
  std::vector<NamedShape*> names;
  for (LaidOut& tensor : written) names.push_back(&tensor);
  for (size_t i = layout.reverse.size(); i-- > 0;) reverse_index(names, layout.reverse[i]);
  for (size_t i = layout.rename.size(); i-- > 0;) {
    const RenameRule rule = way_back(layout, layout.rename[i].text, layout.rename[i].into);
    for (NamedShape* tensor : names) {
      tensor->name = std::regex_replace(tensor->name, rule.match, rule.into);
    }
  }
  for (NamedShape* tensor : names) tensor->name = prefix + tensor->name;
  prove(tensors, written, layout, prefix);
  return written;
}

const Layout& find_layout(const ComponentPattern& pattern, const std::string& name) {
  const auto named = [&](const std::string& wanted) {
    return std::ranges::find(pattern.layouts, wanted, &Layout::name);
  };
  auto found = named(name);
  if (found == pattern.layouts.end() && (name == "diffusers" || name == "diffsynth")) {
    found = named("native");
  }
  if (found != pattern.layouts.end()) return *found;
  std::vector<std::string> names;
  for (const Layout& layout : pattern.layouts) names.push_back(layout.name);
  throw Error(Status::NotFound,
              fmt::format("{} has no layout \"{}\"{}; it has {}", pattern.id, name,
                          base::did_you_mean(name, names), fmt::join(names, ", ")));
}

}  // namespace gesso::weights
