#include "isolation/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "gesso/cpp/error.hpp"

extern char** environ;

namespace gesso::isolation {
namespace {

constexpr int kFirstFile = 3;
constexpr int kOutOfTheWay = 64;  // above the numbers that files get in the child

/// What posix_spawn wants, freed again.
struct Attributes {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  Attributes() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~Attributes() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

std::vector<std::string> merged(const std::vector<std::string>& more) {
  std::vector<std::string> all = more;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (const std::string& other : more) replaced = replaced || other.starts_with(name);
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

}  // namespace

Process::Process(const std::filesystem::path& program, const std::vector<int>& files,
                 const std::vector<std::string>& environment) {
  Attributes spawn;
  std::vector<Descriptor> moved;  // out of the way of the numbers that they get
  for (const int file : files) {
    moved.emplace_back(::fcntl(file, F_DUPFD_CLOEXEC, kOutOfTheWay));
    if (!moved.back())
      throw Error(Status::Internal, fmt::format("no process: {}", std::strerror(errno)));
  }
  posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&spawn.actions, STDERR_FILENO, STDOUT_FILENO);
  int number = kFirstFile;
  for (const Descriptor& file : moved)
    posix_spawn_file_actions_adddup2(&spawn.actions, file.get(), number++);
  posix_spawn_file_actions_addclosefrom_np(&spawn.actions, number);
  // A group of its own: an interrupt at the terminal is the host's, which then cancels.
  posix_spawnattr_setflags(&spawn.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&spawn.attributes, &none);
  posix_spawnattr_setsigdefault(&spawn.attributes, &all);

  std::vector<std::string> variables = merged(environment);
  std::vector<char*> raw;
  for (std::string& variable : variables) raw.push_back(variable.data());
  raw.push_back(nullptr);
  std::string name = program.string();
  char* arguments[] = {name.data(), nullptr};
  const int failed =
      ::posix_spawn(&id_, name.c_str(), &spawn.actions, &spawn.attributes, arguments, raw.data());
  if (failed == 0) return;
  id_ = -1;
  throw Error(failed == ENOENT ? Status::NotFound : Status::Internal,
              fmt::format("{} cannot be started: {}; is the installation complete?", name,
                          std::strerror(failed)));
}

Process::~Process() { end(0); }

bool Process::wait(bool block) {
  if (id_ < 0) return true;
  pid_t ended = 0;
  do ended = ::waitpid(id_, &status_, block ? 0 : WNOHANG);
  while (ended < 0 && errno == EINTR);
  if (ended == 0) return false;
  known_ = ended == id_;  // else the application has waited for it, or lets the system do so
  id_ = -1;
  return true;
}

std::string Process::end(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (!wait(false) && Clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const bool forced = id_ >= 0;
  if (forced) {
    ::kill(id_, SIGKILL);
    wait(true);
  }
  if (!known_) return "an end that nobody told";
  if (WIFSIGNALED(status_))
    return fmt::format("signal {} ({})", WTERMSIG(status_), ::strsignal(WTERMSIG(status_)));
  return fmt::format("exit with code {}", WEXITSTATUS(status_));
}

}  // namespace gesso::isolation
