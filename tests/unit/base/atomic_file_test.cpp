#include "engine/base/atomic_file.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

using namespace gesso;
using namespace gesso::base;

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class Body>
std::pair<Status, std::string> error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
  return {Status::Ok, ""};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// While it lives, no file may grow beyond `bytes`: what a full disk looks like to a writer.
struct FileSizeLimit {
  rlimit old;
  void (*old_handler)(int);
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    const rlimit now{bytes, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, old_handler);
  }
};

}  // namespace

TEST_CASE("a file appears with its whole content") {
  const TemporaryFolder folder;
  write_file(folder.path / "a", "hello");
  CHECK(text_of(folder.path / "a") == "hello");
  CHECK(folder.files() == 1);
}

TEST_CASE("the old file stays until commit, and nothing else is left") {
  const TemporaryFolder folder;
  const fs::path path = folder.path / "a";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new ");
    CHECK(text_of(path) == "old");
    file.write("text");
    file.commit();
    CHECK(text_of(path) == "new text");
  }
  CHECK(text_of(path) == "new text");
  CHECK(folder.files() == 1);
}

TEST_CASE("without commit the old file is kept and the temporary one removed") {
  const TemporaryFolder folder;
  write_file(folder.path / "a", "old");
  { AtomicFile(folder.path / "a").write("half"); }
  CHECK(text_of(folder.path / "a") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("two writers of one file do not mix") {
  const TemporaryFolder folder;
  AtomicFile first(folder.path / "a"), second(folder.path / "a");
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  CHECK(text_of(folder.path / "a") == "second");
  CHECK(folder.files() == 1);
}

TEST_CASE("a disk that fills up while writing") {
  const TemporaryFolder folder;
  write_file(folder.path / "a", "old");
  std::pair<Status, std::string> error;
  {
    const FileSizeLimit limit(1000);
    error = error_of([&] { write_file(folder.path / "a", std::string(5000, 'x')); });
  }
  CHECK(error.first == Status::Denied);
  CHECK_MESSAGE(contains(error.second, (folder.path / "a").string() + ": cannot write: File too"),
                error.second);
  CHECK(text_of(folder.path / "a") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a device is not replaced by a file") {
  const auto [status, text] = error_of([] { write_file("/dev/null", "x"); });
  CHECK(status == Status::Denied);
  CHECK_MESSAGE(contains(text, "/dev/null: is not a regular file"), text);
}

TEST_CASE("a folder that is missing, a file or write-protected") {
  const TemporaryFolder folder;
  const auto missing = error_of([&] { write_file(folder.path / "no" / "a", "x"); });
  CHECK(missing.first == Status::NotFound);
  CHECK(contains(missing.second, "No such file or directory"));

  write_file(folder.path / "file", "x");
  CHECK(error_of([&] { write_file(folder.path / "file" / "a", "x"); }).first == Status::NotFound);

  CHECK(error_of([&] { write_file(folder.path, "x"); }).first == Status::Denied);

  if (::geteuid() == 0) return;  // root may write everywhere
  fs::create_directory(folder.path / "locked");
  fs::permissions(folder.path / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  const auto locked = error_of([&] { write_file(folder.path / "locked" / "a", "x"); });
  CHECK(locked.first == Status::Denied);
  CHECK(contains(locked.second, "Permission denied"));
}

TEST_CASE("a link stays a link and its file gets the content") {
  const TemporaryFolder folder;
  write_file(folder.path / "real", "old");
  fs::create_symlink("real", folder.path / "link");
  write_file(folder.path / "link", "new");
  CHECK(fs::is_symlink(folder.path / "link"));
  CHECK(text_of(folder.path / "real") == "new");
}

TEST_CASE("new files get the permissions that the user's mask allows") {
  const TemporaryFolder folder;
  const mode_t old = ::umask(027);
  write_file(folder.path / "a", "x");
  ::umask(old);
  struct stat status {};
  REQUIRE(::stat((folder.path / "a").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
}

TEST_CASE("temporary files of processes that are gone are removed, others stay") {
  const TemporaryFolder folder;
  const auto running = folder.path / (".gesso-" + std::to_string(::getpid()) + "-7.tmp");
  const auto gone = folder.path / ".gesso-999999999-0.tmp";
  const auto other = folder.path / ".gesso-mine.tmp";
  for (const auto& path : {running, gone, other}) std::ofstream(path) << "a";
  remove_left_behind(folder.path);
  CHECK(std::filesystem::exists(running));
  CHECK(!std::filesystem::exists(gone));
  CHECK(std::filesystem::exists(other));
}
