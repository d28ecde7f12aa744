#include "engine/base/checksum.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "temporary_folder.hpp"

using namespace gesso::base;

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
