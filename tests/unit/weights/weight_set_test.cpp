#include "engine/weights/weight_set.hpp"
#include "engine/weights/safetensors_writer.hpp"
#include "weight_files.hpp"

using namespace gesso;
using namespace gesso::weights;

namespace {

/// A file with one-byte tensors of these names.
void write_shard(const std::filesystem::path& path, const std::vector<std::string>& names) {
  static const std::byte kByte{1};
  std::vector<NamedTensor> tensors;
  for (const auto& name : names) tensors.push_back({name, {DType::U8, {1}, {&kByte, 1}, nullptr}});
  write_safetensors(path, tensors);
}

std::pair<Status, std::string> open(const std::filesystem::path& path) {
  return error_of([&] { WeightSet::open(path); });
}

}  // namespace

TEST_CASE("a sharded checkpoint opens by folder, index, pattern and list, with equal tensors") {
  const auto folder = kModels / "dit_small/transformer";
  const auto single = WeightSet::open(kModels / "dit_small/diffusers.safetensors");
  const std::vector<std::filesystem::path> list = {
      folder / "diffusion_pytorch_model-00001-of-00002.safetensors",
      folder / "diffusion_pytorch_model-00002-of-00002.safetensors"};
  const WeightSet sets[] = {
      WeightSet::open(folder),
      WeightSet::open(folder / "diffusion_pytorch_model.safetensors.index.json"),
      WeightSet::open(folder / "diffusion_pytorch_model-*-of-0000?.safetensors"),
      WeightSet::open(list),
  };
  for (const WeightSet& set : sets) {
    CHECK(set.files().size() == 2);
    CHECK(set.describe() == "transformer/ (2 files)");
    REQUIRE(set.tensors().size() == single.tensors().size());
    for (const TensorInfo& tensor : set.tensors()) {
      const auto a = set.view(tensor), b = single.view(*single.find(tensor.name));
      CHECK(a.shape == b.shape);
      CHECK(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
    }
  }
}

TEST_CASE("a folder without an index is all its safetensors files, else its GGUF files") {
  const TemporaryFolder folder;
  CHECK(open(folder.path).first == Status::NotFound);
  std::filesystem::create_directory(folder.path / "vae");
  write_shard(folder.path / "vae/model.safetensors", {"v"});
  CHECK(contains(open(folder.path).second, "did you mean a folder in it: vae?"));
  write_text(folder.path / "x.gguf", gguf_data(gguf_head(1, 0) + gguf_tensor("g", {1}, 0, 0), 32));
  CHECK(WeightSet::open(folder.path).find("g"));
  write_shard(folder.path / "1.safetensors", {"a"});
  write_shard(folder.path / "2.safetensors", {"b"});
  CHECK(WeightSet::open(folder.path).tensors().size() == 2);
}

TEST_CASE("what is wrong with shards is told with the name of shard and tensor") {
  const TemporaryFolder folder;
  const auto index = folder.path / "model.safetensors.index.json";
  write_shard(folder.path / "1.safetensors", {"a"});
  write_text(index, R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  auto found = open(folder.path);
  CHECK(found.first == Status::NotFound);
  CHECK(contains(found.second, "2.safetensors (one of 2) is missing"));

  write_shard(folder.path / "2.safetensors", {"c"});
  found = open(index);
  CHECK(found.first == Status::BadData);
  CHECK(contains(found.second, "tensor \"b\" should be in 2.safetensors"));

  write_shard(folder.path / "2.safetensors", {"b", "a"});
  found = open(index);
  CHECK(found.first == Status::BadData);
  CHECK(contains(found.second, "tensor \"a\" is in both"));

  write_shard(folder.path / "2.safetensors", {"b"});
  CHECK(open(index).first == Status::Ok);
  write_text(folder.path / "other.index.json", "{}");
  CHECK(contains(open(folder.path).second, "several indices"));
}

TEST_CASE("a malformed index is refused, and so is one that leads elsewhere") {
  const TemporaryFolder folder;
  const auto index = folder.path / "model.safetensors.index.json";
  for (const char* text :
       {"", "{", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})",
        R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":""}})", R"({"weight_map":{"a":".."}})",
        R"({"weight_map":{"a":"/etc/passwd"}})", R"({"weight_map":{"a":"../x.safetensors"}})"}) {
    CAPTURE(text);
    write_text(index, text);
    CHECK(open(index).first == Status::BadData);
  }
}

TEST_CASE("patterns and lists that name nothing are refused") {
  const TemporaryFolder folder;
  CHECK(open(folder.path / "*.safetensors").first == Status::NotFound);
  CHECK(open(folder.path / "absent/*.safetensors").first == Status::NotFound);
  CHECK(error_of([] { WeightSet::open(std::vector<std::filesystem::path>{}); }).first ==
        Status::InvalidArgument);
}
