#include "cli/validation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "gesso/cpp/error.hpp"

namespace gesso::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::string worker() {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto path = program.parent_path().parent_path() / "lib/gesso/gesso-validate";
  if (!std::filesystem::exists(path)) {
    throw Error(Status::NotFound,
                fmt::format("{} is missing; it is installed with this program", path.string()));
  }
  return path.string();
}

/// A running worker; what it writes is read line by line.
class Worker {
 public:
  explicit Worker(std::vector<std::string> arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw Error(Status::Internal, "no pipe could be opened");
    arguments.insert(arguments.begin(), worker());
    arguments.insert(arguments.end(), {"--out", "3"});
    std::vector<char*> raw;
    for (std::string& argument : arguments) raw.push_back(argument.data());
    raw.push_back(nullptr);
    child_ = fork();
    if (child_ < 0) throw Error(Status::Internal, "no process could be started");
    if (child_ == 0) {
      dup2(STDERR_FILENO, STDOUT_FILENO);  // results are ours alone
      dup2(ends[1], 3);
      if (ends[1] == 3) fcntl(3, F_SETFD, 0);
      setpgid(0, 0);
      execv(raw[0], raw.data());
      _exit(127);
    }
    close(ends[1]);
    from_ = ends[0];
  }
  ~Worker() {
    end();
    close(from_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  enum class Read { Line, End, Late };
  Read line(std::string& text, double seconds) {
    const auto until = Clock::now() + std::chrono::duration<double>(seconds);
    while (true) {
      if (const size_t end = buffer_.find('\n'); end != std::string::npos) {
        text = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return Read::Line;
      }
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return Read::Late;
      pollfd ready{from_, POLLIN, 0};
      if (poll(&ready, 1, static_cast<int>(std::min<int64_t>(left, 1000))) <= 0) continue;
      char part[4096];
      const ssize_t count = read(from_, part, sizeof part);
      if (count <= 0) return Read::End;
      buffer_.append(part, static_cast<size_t>(count));
    }
  }
  /// Waits, or ends it by force after the pipe was left open; how it ended, in words.
  std::string ended() {
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (WIFSIGNALED(status))
      return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return fmt::format("exit with code {}", WEXITSTATUS(status));
  }
  int code() const { return code_; }
  void end() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_ = -1;
  int from_ = -1, code_ = 0;
  std::string buffer_;
};

/// One worker's answers, from a question on. Where it went wrong is a failed answer.
class Round {
 public:
  Round(const ValidationRequest& request, json& answers,
        const std::function<void(const json&)>& told)
      : request_(request), answers_(answers), told_(told) {}

  /// True when all questions were answered.
  bool run(size_t from, bool broken) {
    std::vector<std::string> arguments{request_.plugin, "--from", std::to_string(from)};
    if (broken) arguments.push_back("--broken");
    for (const std::string& name : request_.only)
      arguments.insert(arguments.end(), {"--only", name});
    for (const std::string& file : request_.samples)
      arguments.insert(arguments.end(), {"--sample", file});
    Worker worker(arguments);
    json begun;
    while (true) {
      std::string text;
      const auto read = worker.line(text, request_.seconds);
      if (read == Worker::Read::Line) {
        const json line = json::parse(text);
        if (line["event"] == "done") return true;
        if (line["event"] == "begin") begun = line;
        if (line["event"] == "end") tell(line);
        continue;
      }
      std::string why = fmt::format("it went on for more than {} s", request_.seconds);
      if (read == Worker::Read::End) why = "it ended the process: " + worker.ended();
      if (begun.is_null()) {
        throw Error(Status::InvalidArgument,
                    worker.code() == 2 ? "the checks could not begin, see above" : why);
      }
      next_ = begun["number"].get<size_t>() + 1;
      was_loading_ = begun["loading"];
      begun["status"] = "fail";
      begun["text"] = why;
      tell(begun);
      return false;
    }
  }
  size_t next() const { return next_; }
  bool was_loading() const { return was_loading_; }

 private:
  void tell(json line) {
    for (const char* key : {"event", "number", "of", "loading", "only"}) line.erase(key);
    answers_.push_back(line);
    told_(line);
  }
  const ValidationRequest& request_;
  json& answers_;
  const std::function<void(const json&)>& told_;
  size_t next_ = 0;
  bool was_loading_ = false;
};

}  // namespace

json run_validation(const ValidationRequest& request,
                    const std::function<void(const json&)>& told) {
  json answers = json::array();
  Round round(request, answers, told);
  bool broken = false;
  for (size_t from = 0; !round.run(from, broken); from = round.next())
    broken = broken || round.was_loading();
  return answers;
}

json list_checks() {
  FILE* list = popen(fmt::format("'{}' --list", worker()).c_str(), "r");
  std::string text;
  char part[4096];
  while (list) {
    const size_t count = fread(part, 1, sizeof part, list);
    if (count == 0) break;
    text.append(part, count);
  }
  if (list) pclose(list);
  return json::parse(text);
}

}  // namespace gesso::cli
