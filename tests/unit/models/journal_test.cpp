#include "engine/models/journal.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "engine/base/checksum.hpp"
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

TEST_CASE("checksums are those of sha256sum and of git hash-object") {
  const TemporaryFolder folder;
  const auto path = folder.path / "abc";
  std::ofstream(path) << "abc";
  CHECK(hash_file(path, Checksum::Sha256) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2
  std::ofstream(path) << "hello\n";
  CHECK(hash_file(path, Checksum::GitBlob) == "ce013625030ba8dba906f756967f9e9ca394464a");
  CHECK(checksum_of("CE013625030BA8DBA906F756967F9E9CA394464A").kind == Checksum::GitBlob);
  CHECK(checksum_of("no checksum").kind == Checksum::None);
}
