// Caches: written, found again, continued, checked.
#include "engine/data/cache.hpp"

#include <fmt/format.h>

#include "workplace.hpp"

using namespace gesso;
using namespace gesso::data;
using gesso::test::Workplace;
using nlohmann::json;

namespace {

const json kMaker = {{"codec", "tiny"}};
const float kValues[6] = {1, 2, 3, 4, 5, 6};

CacheEntry entry(size_t row, const std::string& prompt = "an apple") {
  CacheEntry entry{row, fmt::format("a.csv:{}", row + 2), prompt, {32, 16, 3}, {{"seed", row}}, {}};
  const auto bytes = std::as_bytes(std::span(kValues));
  entry.tensors.push_back({"prompt_embeds", {weights::DType::F32, {3, 2}, bytes, nullptr}});
  entry.tensors.push_back(
      {"input_latents", {weights::DType::F32, {1, 2}, bytes.first(8), nullptr}});
  return entry;
}

}  // namespace

TEST_CASE("what was written is read, with sizes and columns") {
  Workplace place;
  CacheWriter writer(place / "cache", kMaker);
  for (const size_t row : {1, 0}) writer.add(entry(row));
  writer.finish(2);

  place.plan.base_path = place / "cache";
  const auto dataset = open_dataset(place.plan);
  REQUIRE(dataset->size() == 2);
  CHECK(dataset->extent(1) == Extent{32, 16, 3});
  const Item item = dataset->load(1);
  CHECK(item.where == "a.csv:3");
  CHECK(item.prompt == "an apple");
  CHECK(item.extra == json{{"seed", 1}});
  REQUIRE(item.tensors);
  const auto view = item.tensors->view(*item.tensors->find("prompt_embeds"));
  CHECK(view.shape == weights::Shape{3, 2});
  CHECK(std::memcmp(view.bytes.data(), kValues, sizeof kValues) == 0);
}

TEST_CASE("a run that was stopped goes on with what is missing") {
  Workplace place;
  {
    CacheWriter writer(place / "cache", kMaker);
    writer.add(entry(0));
    CHECK(place.problem([&] { writer.finish(3); }) == "cache: 2 rows are not in the cache: 1, 2");
  }
  place.plan.base_path = place / "cache";
  CHECK(place.problem([&] { open_dataset(place.plan); })
            .starts_with("cache: there is no cache.json; expected the output folder"));
  CacheWriter writer(place / "cache", kMaker);
  CHECK(writer.has(0, "an apple"));
  CHECK_FALSE(writer.has(0, "a pear"));
  CHECK_FALSE(writer.has(1, "an apple"));
  writer.add(entry(1));
  writer.finish(3, {2});
  CHECK(open_dataset(place.plan)->size() == 2);
}

TEST_CASE("a cache of other models is not continued") {
  Workplace place;
  CacheWriter(place / "cache", kMaker).add(entry(0));
  CHECK(place.problem([&] {
               CacheWriter(place / "cache", {{"codec", "other"}});
             })
            .find("was made with other models or sizes ({\"codec\":\"tiny\"}, now") !=
        std::string::npos);
}

TEST_CASE("damage is found on reading") {
  Workplace place;
  CacheWriter writer(place / "cache", kMaker);
  writer.add(entry(0));
  writer.add(entry(1));
  writer.finish(2);
  place.plan.base_path = place / "cache";
  const auto dataset = open_dataset(place.plan);
  const auto file = place / "cache/items/000001.safetensors";
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(-1, std::ios::end);
    stream.put('\x7f');
  }
  CHECK_NOTHROW(dataset->load(0));
  CHECK(place.problem([&] { dataset->load(1); }).find("the checksum of the item is wrong") !=
        std::string::npos);
  std::filesystem::resize_file(file, 40);
  CHECK_FALSE(place.problem([&] { dataset->load(1); }).empty());
  CHECK_FALSE(writer.has(1, "an apple"));
  place.write("cache/cache.json", "{}");
  CHECK(place.problem([&] { open_dataset(place.plan); }) ==
        "cache/cache.json: is no index of the format gesso-cache/1; run data_process again");
}
