// Every component, whatever its kind: life, interfaces, preparation.
#include <cstring>
#include <regex>
#include <thread>

#include "gesso/kind/controller.h"
#include "validate/context.hpp"
#include "validate/surroundings.hpp"

namespace gesso::validate {
namespace {

constexpr int kCycles = 1000, kWarmUp = 100;
constexpr uint64_t kGrowthPerCycle = 16;  // bytes; anything that leaks takes more

/// Bytes that a thousand rounds of something leave behind.
template <class Round>
void expect_no_growth(int rounds, uint64_t allowed, Round round) {
  for (int i = 0; i < std::min(kWarmUp, rounds / 2 + 1); ++i) round();
  const uint64_t before = heap_bytes();
  for (int i = 0; i < rounds; ++i) round();
  const uint64_t after = heap_bytes();
  const uint64_t grown = after > before ? after - before : 0;
  expect(grown <= allowed * static_cast<uint64_t>(rounds),
         "{} rounds left {} bytes behind, {} a round", rounds, grown,
         grown / static_cast<uint64_t>(rounds));
}

void has_table(Context& c) {
  const auto subject = c.create();
  const gesso_component_t& t = *subject->component();
  expect(t.struct_size >= sizeof(gesso_component_t) && t.struct_size <= 4096,
         "struct_size is {}; gesso_component_t has {}", t.struct_size, sizeof(gesso_component_t));
}

void knows_itself(Context& c) {
  const auto subject = c.create();
  const gesso_component_desc_t* desc = subject->component()->desc;
  expect(desc != nullptr, "desc is NULL");
  expect(desc->id && c.component->id == desc->id, "it was created as {}, desc says {}",
         c.component->id, desc->id ? desc->id : "NULL");
}

void interfaces(Context& c) {
  const auto subject = c.create();
  for (const std::string& id : c.component->interfaces) {
    const auto* table = subject->find<uint32_t>(id.c_str());
    expect(table != nullptr, "the manifest lists \"{}\", get_interface gives NULL", id);
    expect(*table >= 8 && *table <= 4096, "\"{}\": struct_size of the table is {}", id, *table);
  }
}

void unknown_interface(Context& c) {
  const auto subject = c.create();
  expect(!subject->find<void>("org.gesso.nobody_has_this/1"),
         "get_interface gives a table for an id that nobody has");
}

void longer_interface(Context& c) {
  const auto subject = c.create();
  for (const std::string& id : c.component->interfaces)
    expect(!subject->find<void>(fmt::format("{}0", id).c_str()), "\"{}0\" is answered like \"{}\"",
           id, id);
}

void null_interface(Context& c) {
  const auto subject = c.create();
  expect(!subject->find<void>(nullptr), "get_interface gives a table for id NULL");
}

void cycles(Context& c) {
  expect_no_growth(kCycles, kGrowthPerCycle, [&] { c.create(); });
}

void prepares(Context& c) {
  c.require_sample();
  c.create()->ready();
}

void prepare_leaves(Context& c) {
  c.require_sample();
  const auto subject = c.create();
  const Surroundings before = Surroundings::now();
  subject->prepare();
  const std::string changed = before.difference(Surroundings::now());
  expect(changed.empty(), "prepare changed the process: {}", changed);
}

void prepare_cycles(Context& c) {
  c.require_sample();
  if (c.component->pattern || c.component->kind == "tokenizer") {
    expect_no_growth(4, 65536, [&] { c.ready(); });
  } else {
    expect_no_growth(100, 256, [&] { c.ready(); });
  }
}

void without_weights(Context& c) {
  const auto subject = c.create({.without_weights = true});
  std::string text;
  const gesso_status_t status = subject->prepare(&text);
  expect(status == GESSO_STATUS_OK || !text.empty(),
         "prepare without weights failed with status {} and no text", status);
}

void without_services(Context& c) {
  const auto subject = c.create({.without_services = true});
  std::string text;
  const gesso_status_t status = subject->prepare(&text);
  expect(status == GESSO_STATUS_OK || !text.empty(),
         "prepare in a host without services failed with status {} and no text", status);
}

void wrong_value(Context& c) {
  if (c.component->params.empty()) skip("it has no parameters");
  c.require_sample();
  for (const registry::Param& param : c.component->params) {
    const auto subject = c.create({.wrong_value = param.key});
    std::string text;
    const gesso_status_t status = subject->prepare(&text);
    expect(status != GESSO_STATUS_OK, "\"{}\" of the wrong type was accepted", param.key);
    expect(!text.empty(), "\"{}\" of the wrong type was refused without a text", param.key);
  }
}

void threads(Context& c) {
  c.ready();
  std::string texts[2];
  const auto work = [&](std::string& text) {
    try {
      for (int i = 0; i < 4; ++i) c.ready();
    } catch (const std::exception& error) {
      text = error.what();
    }
  };
  std::thread other(work, std::ref(texts[0]));
  work(texts[1]);
  other.join();
  for (const std::string& text : texts)
    expect(text.empty(), "two instances on two threads: {}", text);
}

constexpr Check kChecks[] = {
    {"component.table", "R2", Needs::Component, "", "struct_size is the size of the table",
     "Write sizeof(gesso_component_t) into struct_size.", has_table},
    {"component.knows_itself", "R4", Needs::Component, "", "desc is the descriptor of its id",
     "Let desc point to the descriptor that the plugin's table lists.", knows_itself},
    {"component.interfaces", "R4", Needs::Component, "", "gives every interface that it lists",
     "Give the table in get_interface, or take the id out of the list.", interfaces},
    {"component.unknown_interface", "R4", Needs::Component, "",
     "gives NULL for ids it does not know", "Give NULL at the end of get_interface.",
     unknown_interface},
    {"component.longer_interface", "R4", Needs::Component, "",
     "an id with more behind it is another id",
     "Compare the whole id with strcmp, not its beginning.", longer_interface},
    {"component.null_interface", "R7", Needs::Component, "", "gives NULL for id NULL",
     "Test the id for NULL before you compare it.", null_interface},
    {"component.cycles", "R16", Needs::Component, "",
     "1,000 times created and destroyed, nothing left", "Free in destroy what create allocated.",
     cycles},
    {"component.prepares", "R7", Needs::Component, "", "can be prepared with its sample",
     "Read the text; is the sample's file the right one?", prepares},
    {"component.prepare_leaves_process", "R10", Needs::Component, "",
     "prepare leaves the process as it is",
     "Set floating-point control, locale, folder, environment and signals back.", prepare_leaves},
    {"component.prepare_cycles", "R16", Needs::Ready, "", "prepared again and again, nothing left",
     "Free in destroy what prepare allocated.", prepare_cycles},
    {"component.without_weights", "R7", Needs::Component, "weights",
     "prepare without weights succeeds, or says why not",
     "Test setup->weights for NULL; INVALID_ARGUMENT and a text.", without_weights},
    {"component.without_services", "R7", Needs::Component, "",
     "a host without services is no reason to crash",
     "Test what get_service gives for NULL; NOT_SUPPORTED and a text.", without_services},
    {"component.wrong_value", "R7", Needs::Ready, "", "a parameter of the wrong type is refused",
     "Look at the type of each value before you read it.", wrong_value},
    {"component.threads", "R8", Needs::Ready, "", "two instances live on two threads",
     "Keep nothing in global variables that an instance changes.", threads},
};

}  // namespace

std::span<const Check> component_checks() { return kChecks; }

}  // namespace gesso::validate
