// The plugin's function `create`, asked for what there is not.
#include <cstring>

#include "validate/context.hpp"

namespace gesso::validate {
namespace {

struct Answer {
  gesso_status_t status;
  gesso_component_t* component = nullptr;
  std::string text;
  gesso_status_t written = GESSO_STATUS_OK;
};

Answer create(Context& c, const char* id, bool with_error = true) {
  static const gesso_host_t host = entry_host();
  ErrorText error;
  Answer answer{};
  answer.status = c.table().create(&c.table(), &host, id, &answer.component,
                                   with_error ? &error.error : nullptr);
  if (error.error.length) answer.text = error.text();
  answer.written = error.error.status;
  return answer;
}

constexpr const char* kNobody = "org.gesso.nobody_has_this";

void unknown_id(Context& c) {
  const Answer answer = create(c, kNobody);
  expect(answer.status == GESSO_STATUS_NOT_FOUND, "an unknown id gave status {}, not NOT_FOUND",
         answer.status);
}

void text(Context& c) {
  const Answer answer = create(c, kNobody);
  if (answer.status == GESSO_STATUS_OK) skip("it did not fail");
  expect(!answer.text.empty(), "create failed without a text");
}

void error_status(Context& c) {
  const Answer answer = create(c, kNobody);
  if (answer.status == GESSO_STATUS_OK) skip("it did not fail");
  expect(answer.written == answer.status, "it returned {} and wrote {} into the error",
         answer.status, answer.written);
}

void out_untouched(Context& c) {
  expect(create(c, kNobody).component == nullptr, "it failed, but gave a component");
}

void longer_id(Context& c) {
  if (c.target.table->n_components == 0) skip("it has no components");
  const std::string id = fmt::format("{}.more", c.table().components[0]->id);
  const Answer answer = create(c, id.c_str());
  if (answer.status == GESSO_STATUS_OK) answer.component->destroy(answer.component->self);
  expect(answer.status != GESSO_STATUS_OK, "\"{}\" was created", id);
}

void null_id(Context& c) {
  expect(create(c, nullptr).status != GESSO_STATUS_OK, "id NULL was created");
}

void without_error(Context& c) {
  expect(create(c, kNobody, false).status != GESSO_STATUS_OK, "it was created");
}

void short_error(Context& c) {
  char room[16];
  std::memset(room, 'x', sizeof room);
  gesso_error_t error = GESSO_ERROR_INIT(room, 8);
  static const gesso_host_t host = entry_host();
  gesso_component_t* component = nullptr;
  if (c.table().create(&c.table(), &host, kNobody, &component, &error) == GESSO_STATUS_OK) {
    skip("it did not fail");
  }
  if (error.length == 0) skip("it wrote no text");
  expect(std::memchr(room, 0, 8) != nullptr, "the text was cut without a final 0");
  for (size_t i = 8; i < sizeof room; ++i)
    expect(room[i] == 'x', "it wrote {} bytes beyond the room of 8", i - 7);
}

void no_room(Context& c) {
  gesso_error_t error = GESSO_ERROR_INIT(nullptr, 0);
  static const gesso_host_t host = entry_host();
  gesso_component_t* component = nullptr;
  const auto status = c.table().create(&c.table(), &host, kNobody, &component, &error);
  expect(status != GESSO_STATUS_OK, "it was created");
}

void keeps_table(Context& c) {
  create(c, kNobody);
  expect(bytes_of(c.table()) == c.target.table_bytes,
         "the table or a descriptor is not what it was after the entry");
}

constexpr Check kChecks[] = {
    {"create.unknown_id", "R4", Needs::Component, "", "an unknown id is NOT_FOUND",
     "Return GESSO_STATUS_NOT_FOUND for ids that are not yours.", unknown_id},
    {"create.text", "R7", Needs::Component, "", "a failure has a text",
     "Write operation, expected, found and likely cause into the error.", text},
    {"create.error_status", "R7", Needs::Component, "", "error and return value say the same",
     "Write the status that you return into the error, too.", error_status},
    {"create.out_untouched", "R7", Needs::Component, "", "a failure gives no component",
     "Write to `out` only when you return GESSO_STATUS_OK.", out_untouched},
    {"create.longer_id", "R4", Needs::Component, "", "an id with more behind it is another id",
     "Compare the whole id with strcmp, not its beginning.", longer_id},
    {"create.null_id", "R7", Needs::Component, "", "id NULL is refused",
     "Test the id for NULL before you compare it.", null_id},
    {"create.without_error", "R7", Needs::Component, "", "fails also when no error is passed",
     "Test the error for NULL before you write to it.", without_error},
    {"create.short_error", "R7", Needs::Component, "", "a long text is cut to the room there is",
     "Write at most capacity - 1 bytes and a final 0; length is the full length.", short_error},
    {"create.no_room", "R7", Needs::Component, "", "an error without room is served",
     "Test text and capacity before you copy.", no_room},
    {"create.keeps_table", "R4", Needs::Component, "", "tables and descriptors never change",
     "Make them constant; keep what changes in the component.", keeps_table},
};

}  // namespace

std::span<const Check> create_checks() { return kChecks; }

}  // namespace gesso::validate
