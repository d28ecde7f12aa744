// gesso-golden DIR...: runs every case folder below DIR and compares with its stored outputs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "case.hpp"
#include "gesso/cpp/error.hpp"
#include "kinds.hpp"

namespace gesso::golden {

const std::map<std::string, Compute>& kinds() {
  static const std::map<std::string, Compute> table = [] {
    std::map<std::string, Compute> made;
    add_control_kinds(made);
    add_encoder_kinds(made);
    add_lora_kinds(made);
    add_model_kinds(made);
    add_number_kinds(made);
    add_omni_kinds(made);
    add_pipeline_kinds(made);
    add_storage_kinds(made);
    add_training_kinds(made);
    return made;
  }();
  return table;
}

namespace {

enum class Result { Pass, Fail, Skip };

Result run_case(const Context& context, const std::filesystem::path& folder) {
  std::string name = (folder.parent_path().filename() / folder.filename()).string();
  try {
    const Case golden = load_case(folder);
    name = golden.name();
    const auto found = kinds().find(golden.kind());
    if (found == kinds().end()) {
      fmt::print("SKIP {} (kind {} is not known yet)\n", name, golden.kind());
      return Result::Skip;
    }
    const Tensors computed = found->second(context, golden);
    Verdict verdict;
    if (computed.contains("json")) {
      verdict.worst = computed.at("json").item<double>();
      verdict.passed = verdict.worst == 0;
      verdict.detail = "texts that differ";
    } else {
      verdict = compare(golden, computed);
    }
    fmt::print("{} {} {:.3g}/{:.3g} ({})\n", verdict.passed ? "PASS" : "FAIL", name, verdict.worst,
               verdict.limit, verdict.detail);
    return verdict.passed ? Result::Pass : Result::Fail;
  } catch (const std::exception& e) {
    fmt::print("FAIL {} inf/0 ({})\n", name, e.what());
    return Result::Fail;
  }
}

int run(const std::vector<std::filesystem::path>& roots) {
  const Context context{registry::Registry::scan({})};
  std::vector<std::filesystem::path> folders;
  for (const auto& root : roots) {
    if (std::filesystem::exists(root / "case.json")) folders.push_back(root);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.path().filename() == "case.json" && entry.path().parent_path() != root) {
        folders.push_back(entry.path().parent_path());
      }
    }
  }
  std::sort(folders.begin(), folders.end());
  int counts[3] = {};
  for (const auto& folder : folders) ++counts[static_cast<int>(run_case(context, folder))];
  fmt::print("{} passed, {} failed, {} skipped\n", counts[0], counts[1], counts[2]);
  if (folders.empty()) fmt::print(stderr, "no case.json was found\n");
  return counts[1] > 0 || folders.empty() ? 1 : 0;
}

}  // namespace
}  // namespace gesso::golden

int main(int argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]) == "--help") {
    fmt::print(
        "usage: gesso-golden DIR...\n\nRuns every case of format gesso-golden/1 below DIR. One "
        "line each: "
        "PASS, FAIL or SKIP, the case, the worst error and its limit.\nSKIP: a kind that this "
        "build does not "
        "know yet. Exit code 1 when a case failed or none was found.\n");
    return argc < 2 ? 2 : 0;
  }
  try {
    return gesso::golden::run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    fmt::print(stderr, "gesso-golden: {}\n", e.what());
    return 2;
  }
}
