#include "engine/weights/component_pattern.hpp"

#include <toml++/toml.h>

#include "engine/weights/structure_hash.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

ComponentPattern parse(const std::string& weights) {
  return parse_component_pattern(toml::parse("id = 'test'\n" + weights), ".");
}

std::vector<std::string> names_of(const std::vector<NamedShape>& tensors) {
  std::vector<std::string> names;
  for (const NamedShape& tensor : tensors) names.push_back(tensor.name);
  return names;
}

}  // namespace

TEST_CASE("a pattern expands to names and shapes") {
  const auto pattern = parse(R"([weights.tensors]
    "a" = "D 4*D 256"
    "b.{n}.w" = "D"
    "c.{1..n}.w" = "C[n] C[n-1]"
    "d.{n-1}.{m+1}.w" = "C[0]"
    "e" = ""
    "f.{1..n}" = "C[n] if C[n] != C[n-1]"
    [weights.optional]
    "o" = "D")");
  const Dimensions dimensions{{{"D", 8}, {"C[0]", 2}, {"C[1]", 2}, {"C[2]", 3}},
                              {{"n", 3}, {"m", 1}}};
  const auto tensors = expand(pattern, dimensions);
  CHECK(names_of(tensors) == std::vector<std::string>{"a", "b.0.w", "b.1.w", "b.2.w", "c.1.w",
                                                      "c.2.w", "d.0.0.w", "d.0.1.w", "d.1.0.w",
                                                      "d.1.1.w", "e", "f.2"});
  CHECK(tensors[0].shape == Shape{8, 32, 256});
  CHECK(tensors[5].shape == Shape{3, 2});
  CHECK(tensors[10].shape.empty());
  CHECK(expand(pattern, dimensions, /*with_optional=*/true).size() == tensors.size() + 1);
}

TEST_CASE("expanding tells which size or count is missing") {
  const auto pattern = parse("[weights.tensors]\n'b.{n}' = 'D'");
  CHECK(contains(error_of([&] { expand(pattern, {{{"D", 8}}, {}}); }).second, "\"n\""));
  CHECK(contains(error_of([&] { expand(pattern, {{}, {{"n", 1}}}); }).second, "\"D\""));
  CHECK(contains(error_of([&] { expand(pattern, {{{"D", 0}}, {{"n", 1}}}); }).second, "\"D\""));
  const auto open = parse("[weights.tensors]\n'b' = '_'");
  CHECK(contains(error_of([&] { expand(open, {}); }).second, "leaves an extent open"));
}

TEST_CASE("a malformed pattern is told with its place") {
  struct Case {
    const char* toml;
    const char* text;
  };
  const Case cases[] = {
      {"x = 1", "expected id and weights"},
      {"weights = 1", "expected a table"},
      {"[weights]", "test has no tensors"},
      {"[weights]\nfoo = 1", "unknown key \"foo\""},
      {"[weights.tensors]\na = 1", "expected text"},
      {"[weights.tensors]\n'a{n' = 'D'", "a } for each {"},
      {"[weights.tensors]\n'a{}' = 'D'", "a name such as"},
      {"[weights.tensors]\n'a{1n}' = 'D'", "a name such as"},
      {"[weights.tensors]\n'a{x..n}' = 'D'", "a number before"},
      {"[weights.tensors]\n'a{n-x}' = 'D'", "a number behind"},
      {"[weights.tensors]\na = '-1'", "a positive extent"},
      {"[weights.tensors]\na = '0*D'", "a positive number before *"},
      {"[weights.tensors]\na = 'D/2'", "a size such as"},
      {"[weights.tensors]\na = 'C[n]'", "an index that the tensor's name has"},
      {"[weights.tensors]\n'a{n}' = 'C[n'", "a ] at the end"},
      {"[weights.tensors]\na = 'D if D'", "if A != B"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nprefix = ['p']", "needs a name"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'native'", "twice"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\nrename = [['(', '']]",
       "regular"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\nrename = ['a']",
       "[expression, "},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\nreverse = ['a']", "one group"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\nsplit = [{ match = 'a' }]",
       "into"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\ndrop = 'a'", "expected a list"},
      {"[weights.tensors]\na = 'D'\n[[weights.layout]]\nname = 'x'\nprefixes = []", "unknown key"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.toml);
    const auto [status, text] = error_of([&] { parse(c.toml); });
    CHECK(status == Status::InvalidArgument);
    CHECK(contains(text, c.text));
  }
  CHECK(contains(error_of([] { parse("[weights.tensors]\na = 'D/2'"); }).second, ":3:5: "));
}

TEST_CASE("weights may be a file beside the manifest") {
  const TemporaryFolder folder;
  write_text(folder.path / "w.toml", "[tensors]\na = 'D'");
  const auto manifest = toml::parse("id = 'x'\nweights = 'w.toml'");
  const auto pattern = parse_component_pattern(manifest, folder.path);
  CHECK(pattern.id == "x");
  CHECK(pattern.tensors.size() == 1);
  write_text(folder.path / "w.toml", "[tensors]\na = 'D' oops");
  CHECK(contains(error_of([&] { parse_component_pattern(manifest, folder.path); }).second,
                 "w.toml:2:"));
  const auto absent = toml::parse("id = 'x'\nweights = 'v.toml'");
  CHECK(error_of([&] { parse_component_pattern(absent, folder.path); }).first == Status::NotFound);
}

// The published checkpoints, known by their hashes: names and shapes of our patterns are exact.

TEST_CASE("the Z-Image pattern at real size is the published checkpoint") {
  const Dimensions turbo{{{"D", 3840},
                          {"P", 64},
                          {"t_mid", 1024},
                          {"adaln", 256},
                          {"cap", 2560},
                          {"head", 128},
                          {"FFN", 10240}},
                         {{"n_layers", 30}, {"n_refiner_layers", 2}}};
  auto tensors = expand(z_image_pattern(), turbo);
  CHECK(tensors.size() == 521);
  CHECK(structure_hash(tensors) == "fc3a8a1247fe185ce116ccbe0e426c28");
  for (NamedShape& tensor : tensors) tensor.name = "model.diffusion_model." + tensor.name;
  CHECK(structure_hash(tensors) == "8cf241a0d32f93d5de368502a086852f");
}

TEST_CASE("the Qwen3 pattern at real size is the published checkpoint") {
  const Dimensions qwen{
      {{"D", 2560}, {"FFN", 9728}, {"head", 128}, {"q", 4096}, {"kv", 1024}, {"vocab", 151936}},
      {{"n_layers", 36}}};
  auto tensors = expand(qwen3_pattern(), qwen);
  tensors.push_back({"model.norm.weight", {2560}});
  CHECK(tensors.size() == 398);
  CHECK(structure_hash(tensors) == "0f050f62a88876fea6eae0a18dac5a2e");
}

TEST_CASE("the FLUX VAE pattern at real size is the published checkpoint") {
  const Dimensions flux{{{"E[0]", 128},
                         {"E[1]", 256},
                         {"E[2]", 512},
                         {"E[3]", 512},
                         {"U[0]", 512},
                         {"U[1]", 512},
                         {"U[2]", 256},
                         {"U[3]", 128},
                         {"U_last", 128},
                         {"M", 512},
                         {"Z", 16},
                         {"image", 3}},
                        {{"levels", 4}, {"layers", 2}}};
  const auto tensors = expand(flux_vae_pattern(), flux);
  CHECK(tensors.size() == 244);
  CHECK(structure_hash(tensors) == "1aafa3cc91716fb6b300cc1cd51b85a3");
}
