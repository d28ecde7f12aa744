// The bytes of an event file, against records that TensorBoard's own writer made.
#include "engine/reports/tensorboard.hpp"

#include <doctest/doctest.h>

#include <iterator>

#include "temporary_folder.hpp"

using namespace gesso::reports;

namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char c : bytes) text += {kDigits[c >> 4], kDigits[c & 15]};
  return text;
}

}  // namespace

// Source: the package tensorboard 2.21: RecordWriter over Event(wall_time, file_version) and
// Event(wall_time, step, summary with a simple_value).
TEST_CASE("records are those of TensorBoard") {
  TemporaryFolder folder;
  TensorboardFile file(folder.path / "log", 1700000000.5, "test");
  file.scalar("loss", 0.25, 300, 1700000001.25);
  CHECK(file.path() == folder.path / "log/events.out.tfevents.1700000000.test");
  CHECK(hex(content(file.path())) ==
        "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110"
        "1b000000000000001a0d9e130900005040fc54d94110ac022a0d0a0b0a046c6f7373150000803efe116998");
}
