// The C API over a runtime that computes nothing.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "c_program.h"
#include "gesso/cpp/engine.hpp"
#include "temporary_folder.hpp"
#include "toy_engine.hpp"

using gesso::ErrorText;
using gesso::ValueList;
using nlohmann::json;

namespace {

struct Failure {
  gesso_status_t status = GESSO_STATUS_OK;
  std::string text;
};

template <class Call>
Failure outcome(Call call) {
  ErrorText error;
  const gesso_status_t status = call(&error.error);
  return {status, status == GESSO_STATUS_OK ? "" : error.text()};
}

/// What a job told, in order.
struct Events {
  std::mutex mutex;
  std::vector<int32_t> types;
  std::vector<std::string> texts;
  std::atomic<int> ends = 0, steps = 0;
  std::atomic<bool> cancel = false;

  static void hear(void* user, gesso_job_t* job, const gesso_event_t* event) {
    auto& self = *static_cast<Events*>(user);
    const std::lock_guard lock(self.mutex);
    self.types.push_back(event->type);
    self.texts.push_back(event->text);
    self.ends += event->type == GESSO_EVENT_END;
    self.steps += event->type == GESSO_EVENT_STEP;
    if (self.cancel && event->type == GESSO_EVENT_STEP) gesso_job_cancel(job);
  }
  gesso_job_callbacks_t callbacks() { return {sizeof(gesso_job_callbacks_t), 0, hear, this}; }
};

/// An engine and a pipeline of the variant "toy".
struct Session {
  gesso_engine_t* engine = gesso::test::toy_engine();
  gesso_pipeline_t* pipeline = nullptr;

  explicit Session(const std::string& text = "variant = \"toy\"\n") {
    const Failure loaded = outcome([&](auto* error) {
      return gesso_pipeline_load_text(engine, text.c_str(), "toy.toml", nullptr, nullptr, 0,
                                      &pipeline, error);
    });
    REQUIRE_MESSAGE(loaded.status == GESSO_STATUS_OK, loaded.text);
  }
  ~Session() {
    gesso_pipeline_release(pipeline);
    gesso_engine_destroy(engine);
  }

  Failure start(gesso_job_t** job, const ValueList& values, Events* events = nullptr) {
    const gesso_request_t request{sizeof request, values.size(), values.data(), nullptr, 0};
    const gesso_job_callbacks_t callbacks = events ? events->callbacks() : gesso_job_callbacks_t{};
    return outcome([&](auto* error) {
      return gesso_generate(pipeline, &request, events ? &callbacks : nullptr, job, error);
    });
  }
  Failure run(const std::string& prompt) {
    ValueList values;
    values.set_text("prompt", prompt);
    gesso_job_t* job = nullptr;
    const Failure started = start(&job, values);
    if (started.status != GESSO_STATUS_OK) return started;
    const Failure ended = outcome([&](auto* error) { return gesso_job_wait(job, 0, error); });
    gesso_job_release(job);
    return ended;
  }
};

ValueList prompt(const std::string& text) {
  ValueList values;
  values.set_text("prompt", text);
  return values;
}

std::string take(gesso_text_t* text) {
  const std::string result = gesso_text_data(text);
  gesso_text_release(text);
  return result;
}

}  // namespace

TEST_CASE("a program in C makes pictures and hears of every step") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  const TemporaryFolder folder;
  char text[256] = "";
  CHECK(run_c_program(engine, folder.path.c_str(), text, sizeof text) == 0);
  CHECK(std::string(text) == "");
  CHECK(folder.files() == 2);
  gesso_engine_destroy(engine);
}

TEST_CASE("versions are told without an engine") {
  uint32_t api_major = 9, api_minor = 9, abi_major = 9, abi_minor = 9;
  CHECK(std::string(gesso_version(&api_major, &api_minor, &abi_major, &abi_minor)) ==
        GESSO_VERSION);
  CHECK(api_major == GESSO_API_MAJOR);
  CHECK(abi_minor == GESSO_ABI_MINOR);
  CHECK(gesso_version(nullptr, nullptr, nullptr, nullptr));
}

TEST_CASE("NULL where a handle must be is an invalid argument, not a crash") {
  ErrorText error;
  gesso_text_t* text = nullptr;
  gesso_image_t* image = nullptr;
  gesso_job_t* job = nullptr;
  gesso_pipeline_t* pipeline = nullptr;
  auto* e = &error.error;
  CHECK(gesso_engine_create(nullptr, nullptr, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_engine_ask(nullptr, "plugins", "", &text, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_engine_start(nullptr, "measure", nullptr, nullptr, &job, e) ==
        GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_pipeline_load(nullptr, "a.toml", nullptr, 0, &pipeline, e) ==
        GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_pipeline_describe(nullptr, &text, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_generate(nullptr, nullptr, nullptr, &job, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_job_next(nullptr, &image, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_job_wait(nullptr, 1, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_job_report(nullptr, &text, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_job_describe(nullptr, &text, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(error.text() == "job is NULL");
  CHECK(gesso_image_create(nullptr, 1, 1, 3, &image, e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_image_save(nullptr, "a.png", e) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_image_load(nullptr, &image, nullptr) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_image_pixels(nullptr) == nullptr);
  CHECK(gesso_image_text(nullptr, "gesso") == nullptr);
  CHECK(std::string(gesso_text_data(nullptr)) == "");
  gesso_job_cancel(nullptr);
  gesso_job_release(nullptr);
  gesso_pipeline_release(nullptr);
  gesso_image_release(nullptr);
  gesso_text_release(nullptr);
  gesso_engine_destroy(nullptr);
}

TEST_CASE("a struct that was not initialised is refused") {
  gesso_engine_config_t config{};
  gesso_engine_t* engine = nullptr;
  const Failure failure =
      outcome([&](auto* error) { return gesso_engine_create(&config, &engine, error); });
  CHECK(failure.status == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(failure.text.find("struct_size is 0") != std::string::npos);
  CHECK(engine == nullptr);
}

TEST_CASE("an older caller's shorter struct is read as far as it goes") {
  Session session;
  ValueList values = prompt("x");
  gesso_request_t request{offsetof(gesso_request_t, images), values.size(), values.data(),
                          reinterpret_cast<const gesso_image_input_t*>(1), 99};
  gesso_job_t* job = nullptr;
  CHECK(gesso_generate(session.pipeline, &request, nullptr, &job, nullptr) == GESSO_STATUS_OK);
  gesso_job_release(job);
}

TEST_CASE("an error that does not fit is cut, and tells its full length") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  char text[8];
  gesso_error_t error = GESSO_ERROR_INIT(text, sizeof text);
  gesso_text_t* answer = nullptr;
  CHECK(gesso_engine_ask(engine, "plugin", "", &answer, &error) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(std::string(text) == "unknown");
  CHECK(error.length > 20);
  gesso_engine_destroy(engine);
}

TEST_CASE("questions are answered as JSON; an unknown one suggests the nearest") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  const auto ask = [&](const char* question, const char* argument) {
    gesso_text_t* answer = nullptr;
    const Failure failure = outcome(
        [&](auto* error) { return gesso_engine_ask(engine, question, argument, &answer, error); });
    CHECK_MESSAGE(failure.status == GESSO_STATUS_OK, failure.text);
    return json::parse(take(answer));
  };
  CHECK(ask("plugins", nullptr)["plugins"].size() == 1);
  CHECK(ask("components", "org.test.toy.scheduler")["kind"] == "scheduler");
  CHECK(ask("variants", "toy")["id"] == "org.test.toy.variant");
  CHECK(ask("schema", "")["properties"].contains("variant"));
  CHECK(ask("schema", "toy")["properties"].contains("generate"));
  CHECK(ask("schema", "manifest")["$id"] == "urn:gesso:schema:manifest:1");
  CHECK(ask("doctor", nullptr)["runtime"]["libtorch"] == "0.0.0");

  const Failure unknown = outcome([&](auto* error) {
    gesso_text_t* answer = nullptr;
    return gesso_engine_ask(engine, "variant", nullptr, &answer, error);
  });
  CHECK(unknown.text.find("did you mean \"variants\"?") != std::string::npos);
  gesso_engine_destroy(engine);
}

TEST_CASE("checking a file lists its problems instead of failing") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  const TemporaryFolder folder;
  const std::string path = folder.path / "a.toml";
  std::ofstream(path) << "variant = \"toy\"\n[generate]\npromt = \"x\"\n";
  gesso_text_t* answer = nullptr;
  REQUIRE(gesso_engine_ask(engine, "check", path.c_str(), &answer, nullptr) == GESSO_STATUS_OK);
  const json report = json::parse(take(answer));
  CHECK(report["ok"] == false);
  REQUIRE(report["problems"].size() == 1);
  CHECK(report["problems"][0]["where"].get<std::string>().ends_with("a.toml:3:1"));
  gesso_engine_destroy(engine);
}

TEST_CASE("a doctor tells which plugin cannot be loaded") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  gesso_text_t* answer = nullptr;
  REQUIRE(gesso_engine_ask(engine, "doctor", nullptr, &answer, nullptr) == GESSO_STATUS_OK);
  const json report = json::parse(take(answer));
  REQUIRE(report["candidates"].size() == 1);
  CHECK(report["candidates"][0]["accepted"] == false);  // toy.so is an empty file
  CHECK(report["candidates"][0]["reason"] != "");
  CHECK(report["ok"] == false);
  gesso_engine_destroy(engine);
}

TEST_CASE("a wrong request fails before any work, naming the value") {
  Session session;
  gesso_job_t* job = nullptr;
  ValueList values;
  values.set_text("num_inference_steps", "many");
  const Failure wrong_type = session.start(&job, values);
  CHECK(wrong_type.status == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(wrong_type.text.find("num_inference_steps") != std::string::npos);
  const Failure refused = session.start(&job, prompt("refuse me"));
  CHECK(refused.text == "this prompt is refused");
  const Failure bytes = session.start(&job, prompt("\xff"));
  CHECK(bytes.status == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(bytes.text.find("UTF-8") != std::string::npos);
  CHECK(job == nullptr);
}

TEST_CASE("values without a list, with an unknown type or given twice are refused") {
  Session session;
  const auto status_of = [&](const std::vector<gesso_value_t>& values) {
    const gesso_request_t request{sizeof request, static_cast<uint32_t>(values.size()),
                                  values.data(), nullptr, 0};
    gesso_job_t* job = nullptr;
    return gesso_generate(session.pipeline, &request, nullptr, &job, nullptr);
  };
  gesso_value_t list{"seed", GESSO_VALUE_INTS, 2, {}};
  gesso_value_t strange{"seed", 99, 1, {}};
  gesso_value_t seed{"seed", GESSO_VALUE_INT, 1, {}};
  gesso_value_t nameless{nullptr, GESSO_VALUE_INT, 1, {}};
  CHECK(status_of({list}) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(status_of({strange}) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(status_of({seed, seed}) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(status_of({nameless}) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(session.run("x").status == GESSO_STATUS_OK);
}

TEST_CASE("a pipeline is usable again after errors of any kind") {
  Session session;
  for (int round = 0; round < 2; ++round) {
    CHECK(session.run("fail").status == GESSO_STATUS_NUMERIC);
    const Failure crash = session.run("crash");
    CHECK(crash.status == GESSO_STATUS_INTERNAL);
    CHECK(crash.text == "the runtime broke");
    CHECK(session.run("a red apple").status == GESSO_STATUS_OK);
  }
}

TEST_CASE("a job that is cancelled from another thread ends as cancelled, its end told last") {
  Session session;
  Events events;
  gesso_job_t* job = nullptr;
  REQUIRE(session.start(&job, prompt("slow"), &events).status == GESSO_STATUS_OK);
  CHECK(gesso_job_wait(job, 5, nullptr) == GESSO_STATUS_BAD_STATE);
  gesso_text_t* report = nullptr;
  CHECK(gesso_job_report(job, &report, nullptr) == GESSO_STATUS_BAD_STATE);
  std::thread([&] { gesso_job_cancel(job); }).join();
  CHECK(gesso_job_wait(job, 0, nullptr) == GESSO_STATUS_CANCELLED);
  gesso_image_t* image = nullptr;
  CHECK(gesso_job_next(job, &image, nullptr) == GESSO_STATUS_CANCELLED);
  CHECK(events.ends == 1);
  CHECK(events.types.back() == GESSO_EVENT_END);
  REQUIRE(gesso_job_report(job, &report, nullptr) == GESSO_STATUS_OK);
  CHECK(json::parse(take(report))["status"] == "CANCELLED");
  gesso_job_release(job);
  CHECK(session.run("x").status == GESSO_STATUS_OK);
}

TEST_CASE("a callback may cancel its own job") {
  Session session;
  Events events;
  events.cancel = true;
  gesso_job_t* job = nullptr;
  REQUIRE(session.start(&job, prompt("x"), &events).status == GESSO_STATUS_OK);
  CHECK(gesso_job_wait(job, 0, nullptr) == GESSO_STATUS_CANCELLED);
  CHECK(events.steps == 1);
  gesso_job_release(job);
}

TEST_CASE("a job that waits for its turn is cancelled at once") {
  Session session;
  gesso_job_t *first = nullptr, *second = nullptr, *third = nullptr;
  REQUIRE(session.start(&first, prompt("slow")).status == GESSO_STATUS_OK);
  REQUIRE(session.start(&second, prompt("x")).status == GESSO_STATUS_OK);
  REQUIRE(session.start(&third, prompt("x")).status == GESSO_STATUS_OK);
  gesso_job_cancel(second);
  CHECK(gesso_job_wait(second, 0, nullptr) == GESSO_STATUS_CANCELLED);
  CHECK(gesso_job_wait(third, 5, nullptr) == GESSO_STATUS_BAD_STATE);
  gesso_job_cancel(first);
  CHECK(gesso_job_wait(third, 0, nullptr) == GESSO_STATUS_OK);
  for (gesso_job_t* job : {third, second, first}) gesso_job_release(job);
}

TEST_CASE("releasing a job that runs cancels it; nothing is told afterwards") {
  Session session;
  Events events;
  gesso_job_t* job = nullptr;
  REQUIRE(session.start(&job, prompt("slow"), &events).status == GESSO_STATUS_OK);
  gesso_job_release(job);
  CHECK(events.ends == 1);
}

TEST_CASE("destroying an engine ends its jobs; what is still held can be asked and released") {
  gesso_pipeline_t* pipeline = nullptr;
  gesso_job_t* job = nullptr;
  Events events;
  {
    Session session;
    REQUIRE(session.start(&job, prompt("slow"), &events).status == GESSO_STATUS_OK);
    std::swap(pipeline, session.pipeline);
  }
  CHECK(events.ends == 1);
  CHECK(gesso_job_wait(job, 0, nullptr) == GESSO_STATUS_CANCELLED);
  gesso_job_t* other = nullptr;
  CHECK(gesso_generate(pipeline, nullptr, nullptr, &other, nullptr) == GESSO_STATUS_BAD_STATE);
  gesso_text_t* text = nullptr;
  CHECK(gesso_pipeline_describe(pipeline, &text, nullptr) == GESSO_STATUS_BAD_STATE);
  gesso_pipeline_release(pipeline);
  gesso_job_release(job);
}

TEST_CASE("engines of one process do not hinder each other") {
  Session one, two;
  gesso_job_t* slow = nullptr;
  REQUIRE(one.start(&slow, prompt("slow")).status == GESSO_STATUS_OK);
  CHECK(two.run("x").status == GESSO_STATUS_OK);
  gesso_job_release(slow);
}

TEST_CASE("pictures carry what made them") {
  Session session;
  ValueList values = prompt("a blue key");
  values.set_integer("seed", 7).set_integer("num_images", 2);
  gesso_job_t* job = nullptr;
  REQUIRE(session.start(&job, values).status == GESSO_STATUS_OK);
  gesso_image_t *first = nullptr, *second = nullptr, *none = nullptr;
  REQUIRE(gesso_job_next(job, &first, nullptr) == GESSO_STATUS_OK);
  REQUIRE(gesso_job_next(job, &second, nullptr) == GESSO_STATUS_OK);
  CHECK(gesso_job_next(job, &none, nullptr) == GESSO_STATUS_OK);
  CHECK(none == nullptr);

  const json gesso = json::parse(gesso_image_text(second, "gesso"));
  CHECK(gesso["generate"]["seed"] == 8);
  CHECK(gesso["generate"]["prompt"] == "a blue key");
  CHECK(gesso["generate"]["num_inference_steps"] == 3);
  CHECK(gesso["variant"] == "org.test.toy.variant");
  CHECK(gesso["version"] == GESSO_VERSION);
  CHECK(std::string(gesso_image_text(first, "seed")) == "7");
  CHECK(std::string(gesso_image_text(first, "parameters")).starts_with("a blue key\nSteps: 3"));
  CHECK(gesso_image_text(first, "other") == nullptr);
  CHECK(gesso_image_pixels(second)[0] == 8);

  gesso_text_t* text = nullptr;
  REQUIRE(gesso_job_describe(job, &text, nullptr) == GESSO_STATUS_OK);
  const json request = json::parse(take(text));
  CHECK(request["outputs"] == json{"out/toy-7.png", "out/toy-8.png"});
  for (gesso_image_t* image : {first, second}) gesso_image_release(image);
  gesso_job_release(job);
}

TEST_CASE("what the check remarks is told when the job runs") {
  Session session;
  Events events;
  ValueList values = prompt("x");
  values.set_integer("height", 20);
  gesso_job_t* job = nullptr;
  REQUIRE(session.start(&job, values, &events).status == GESSO_STATUS_OK);
  CHECK(gesso_job_wait(job, 0, nullptr) == GESSO_STATUS_OK);
  gesso_job_release(job);
  CHECK(events.types.front() == GESSO_EVENT_INFO);
  CHECK(events.texts.front() == "height is rounded up");
}

TEST_CASE("a picture may go into a request; an unknown key is refused") {
  Session session;
  const std::vector<uint8_t> pixels(16 * 16 * 3, 100);
  gesso_image_t* image = nullptr;
  REQUIRE(gesso_image_create(pixels.data(), 16, 16, 3, &image, nullptr) == GESSO_STATUS_OK);
  const std::pair<const char*, gesso_status_t> cases[] = {{"input_image", GESSO_STATUS_OK},
                                                          {"image", GESSO_STATUS_INVALID_ARGUMENT}};
  for (const auto& [key, expected] : cases) {
    CAPTURE(key);
    const gesso_image_input_t input{key, image};
    const gesso_request_t request{sizeof request, 0, nullptr, &input, 1};
    gesso_job_t* job = nullptr;
    CHECK(gesso_generate(session.pipeline, &request, nullptr, &job, nullptr) == expected);
    gesso_job_release(job);
  }
  gesso_image_release(image);
}

TEST_CASE("pictures are saved, loaded and laid on a sheet") {
  const TemporaryFolder folder;
  const std::vector<uint8_t> pixels(4 * 2 * 3, 50);
  gesso_image_t *image = nullptr, *loaded = nullptr, *sheet = nullptr;
  REQUIRE(gesso_image_create(pixels.data(), 4, 2, 3, &image, nullptr) == GESSO_STATUS_OK);
  const std::string path = folder.path / "a.png";
  CHECK(gesso_image_save(image, path.c_str(), nullptr) == GESSO_STATUS_OK);
  REQUIRE(gesso_image_load(path.c_str(), &loaded, nullptr) == GESSO_STATUS_OK);
  uint32_t width = 0, height = 0, channels = 0;
  gesso_image_size(loaded, &width, &height, &channels);
  CHECK(std::vector{width, height, channels} == std::vector<uint32_t>{4, 2, 3});
  CHECK(gesso_image_pixels(loaded)[23] == 50);
  const gesso_image_t* both[] = {image, loaded};
  CHECK(gesso_image_sheet(both, 2, &sheet, nullptr) == GESSO_STATUS_OK);
  gesso_image_t* none = nullptr;
  CHECK(gesso_image_sheet(both, 0, &none, nullptr) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_image_save_quality(image, path.c_str(), 0, nullptr) == GESSO_STATUS_INVALID_ARGUMENT);
  CHECK(gesso_image_save(image, "/no/such/folder/a.png", nullptr) == GESSO_STATUS_NOT_FOUND);
  for (gesso_image_t* each : {image, loaded, sheet}) gesso_image_release(each);
}

TEST_CASE("synthetic weights and their pipeline file are written and load") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  const TemporaryFolder folder;
  ValueList values;
  values.set_text("variant", "sized").set_text("folder", (folder.path / "new").string());
  const gesso_request_t request{sizeof request, values.size(), values.data(), nullptr, 0};
  gesso_job_t* job = nullptr;
  REQUIRE(gesso_engine_start(engine, "synthesize", &request, nullptr, &job, nullptr) ==
          GESSO_STATUS_OK);
  const Failure ended = outcome([&](auto* error) { return gesso_job_wait(job, 0, error); });
  CHECK(ended.text == "");
  gesso_text_t* text = nullptr;
  REQUIRE(gesso_job_report(job, &text, nullptr) == GESSO_STATUS_OK);
  const std::string path = json::parse(take(text))["pipeline"];
  gesso_job_release(job);

  gesso_pipeline_t* pipeline = nullptr;
  const Failure loaded = outcome([&](auto* error) {
    return gesso_pipeline_load(engine, path.c_str(), nullptr, 0, &pipeline, error);
  });
  CHECK(loaded.text == "");
  gesso_pipeline_release(pipeline);
  gesso_engine_destroy(engine);
}

TEST_CASE("a job of an unknown kind, or a synthesis without its values, does not start") {
  gesso_engine_t* engine = gesso::test::toy_engine();
  gesso_job_t* job = nullptr;
  const auto start = [&](const char* kind) {
    return outcome([&](auto* error) {
      return gesso_engine_start(engine, kind, nullptr, nullptr, &job, error);
    });
  };
  CHECK(start("mesure").text.find("did you mean \"measure\"?") != std::string::npos);
  CHECK(start("synthesize").text.find("\"variant\"") != std::string::npos);
  CHECK(job == nullptr);
  gesso_engine_destroy(engine);
}

TEST_CASE("a runtime that is not there is told when it is needed, not before") {
  gesso::api::EngineOptions options;
  options.search.given = {gesso::test::toy_plugins()};
  options.search.use_environment = options.search.use_default_paths = false;
  gesso_engine_t* engine = gesso::api::make_engine(std::move(options), [](uint32_t) {
    throw gesso::Error(gesso::Status::NotFound, "no runtime here");
    return std::unique_ptr<gesso::runtime::Runtime>();
  });
  gesso_pipeline_t* pipeline = nullptr;
  const Failure failure = outcome([&](auto* error) {
    return gesso_pipeline_load_text(engine, "variant = \"toy\"", nullptr, nullptr, nullptr, 0,
                                    &pipeline, error);
  });
  CHECK(failure.status == GESSO_STATUS_NOT_FOUND);
  CHECK(failure.text == "no runtime here");
  gesso_engine_destroy(engine);
}
