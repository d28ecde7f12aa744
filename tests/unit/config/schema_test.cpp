// The JSON Schema says what the parser says, since both come from one table.
#include "engine/config/schema.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

#include "workshop.hpp"

using gesso::config::pipeline_schema;
using gesso::test::Workshop;
using nlohmann::json;

TEST_CASE("schemas/pipeline.schema.json is what the code generates") {
  const std::filesystem::path path = GESSO_SOURCE_DIR "/schemas/pipeline.schema.json";
  const std::string text = pipeline_schema(nullptr, nullptr).dump(2) + "\n";
  if (std::getenv("GESSO_UPDATE")) std::ofstream(path) << text;
  std::ifstream file(path);
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  CHECK_MESSAGE(committed == text,
                "schemas/pipeline.schema.json is out of date; run this test with GESSO_UPDATE=1 in "
                "the environment to write it anew, and commit it");
}

TEST_CASE("the general schema knows the standard parameters and leaves components open") {
  const json schema = pipeline_schema(nullptr, nullptr);
  CHECK(schema["$schema"] == "http://json-schema.org/draft-07/schema#");
  CHECK(schema["additionalProperties"] == false);
  const json& height = schema["properties"]["generate"]["properties"]["height"];
  CHECK(height["type"] == "integer");
  CHECK(height["minimum"] == 16);
  CHECK(height["default"] == 1024);
  CHECK(schema["properties"]["numerics"]["enum"] == json{"precise", "diffsynth"});
  CHECK(schema["properties"]["components"]["additionalProperties"]["additionalProperties"] == true);
}

TEST_CASE("the schema of a variant has its roles, parameters and defaults, and nothing more") {
  const Workshop shop;
  const auto registry = shop.registry();
  const json schema = pipeline_schema(registry.get(), &registry->variant("tiny"));
  const json& components = schema["properties"]["components"];
  CHECK(components["additionalProperties"] == false);
  const json& denoiser = components["properties"]["denoiser"];
  CHECK(denoiser["additionalProperties"] == false);
  CHECK(denoiser["properties"]["attention"]["enum"] == json{"fused", "plain"});
  CHECK(denoiser["properties"]["id"]["default"] == "org.test.denoiser");
  CHECK(components["properties"]["scheduler"]["properties"]["id"]["enum"] ==
        json{"org.test.scheduler", "org.test.linear_scheduler"});
  CHECK_FALSE(components["properties"]["scheduler"]["properties"].contains("path"));

  const json& generate = schema["properties"]["generate"];
  CHECK(generate["additionalProperties"] == false);
  CHECK(generate["properties"]["num_inference_steps"]["default"] == 9);
  CHECK(generate["properties"]["sigma_shift"]["maximum"] == 100.0);
  CHECK(generate["properties"]["height"]["maximum"] == 2048);
  CHECK(schema["properties"]["variant"]["examples"] ==
        json{"org.test.tiny_turbo", "Tiny Turbo", "tiny"});
}

TEST_CASE("the schema of a registry has the parameters of all its components") {
  const Workshop shop;
  const auto registry = shop.registry();
  const json schema = pipeline_schema(registry.get(), nullptr);
  const json& generate = schema["properties"]["generate"];
  CHECK(generate["additionalProperties"] == false);
  CHECK(generate["properties"].contains("sigma_shift"));
  CHECK(generate["properties"].contains("max_length"));
}
