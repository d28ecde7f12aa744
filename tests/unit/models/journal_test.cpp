#include "engine/models/journal.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "temporary_folder.hpp"

using namespace gesso::models;

TEST_CASE("what was recorded is found again by the next process") {
  const TemporaryFolder folder;
  const auto path = folder.path / "journal";
  {
    Journal journal(path, "sha256 1234", 1000, 300);
    CHECK(journal.units() == 4);
    CHECK(journal.length(3) == 100);
    journal.record(0, 300);
    journal.record(3, 50);
  }
  const Journal again(path, "sha256 1234", 1000, 300);
  CHECK(again.done(0) == 300);
  CHECK(again.done(1) == 0);
  CHECK(again.total_done() == 350);
}

TEST_CASE("a journal of another content, or a damaged one, is not believed") {
  const TemporaryFolder folder;
  const auto path = folder.path / "journal";
  Journal(path, "sha256 1234", 1000, 300).record(0, 300);
  CHECK(Journal(path, "sha256 5678", 1000, 300).total_done() == 0);
  Journal(path, "sha256 1234", 1000, 300).record(1, 300);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(512);
    const uint64_t absurd = 301;
    file.write(reinterpret_cast<const char*>(&absurd), sizeof absurd);
  }
  CHECK(Journal(path, "sha256 1234", 1000, 300).total_done() == 0);
  std::ofstream(path) << "gesso";
  CHECK(Journal(path, "sha256 1234", 1000, 300).total_done() == 0);
}
