#include "engine/models/fetch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/models/journal.hpp"
#include "engine/models/waiting.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::models {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kUnitBytes = uint64_t{32} << 20;
// libcurl hands over 16 KiB at a time; so much goes to the file at once, or what came in this time:
// few calls, and a piece that is still in the processor's cache. A killed process loses less for
// each connection.
constexpr size_t kWriteBytes = size_t{1} << 18;
constexpr std::chrono::milliseconds kWriteTime(50);

using Clock = std::chrono::steady_clock;

/// The names of what is half done hold the content's identity, so that two files never meet.
fs::path scratch_path(const FetchRequest& request, const char* extension) {
  std::string name = request.file.path;
  for (char& c : name) c = c == '/' ? '_' : c;
  return request.scratch / (name + extension);
}

std::string identity_of(const RemoteFile& file) {
  return fmt::format("{} bytes, {}", file.size, file.checksum.text());
}

[[noreturn]] void fail_to_write(const fs::path& path, const char* action) {
  const int error = errno;
  throw Error(Status::Denied,
              fmt::format("{}: cannot {}: {}{}", path.string(), action,
                          std::generic_category().message(error),
                          error == ENOSPC || error == EDQUOT ? "; free some space and run again; "
                                                               "what was fetched is kept"
                                                             : ""));
}

/// "bytes 100-199/1000"; nothing when it is something else. An unknown total is 0.
struct ContentRange {
  uint64_t first = 0, total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  ContentRange range;
  if (std::from_chars(text.data(), text.data() + slash, range.first).ec != std::errc()) {
    return std::nullopt;
  }
  std::from_chars(text.data() + slash + 1, text.data() + text.size(), range.total);
  return range;
}

class Fetch {
 public:
  Fetch(const Hub& hub, const FetchRequest& request)
      : hub_(hub),
        request_(request),
        part_(scratch_path(request, ".part")),
        journal_(scratch_path(request, ".journal"), identity_of(request.file), request.file.size,
                 kUnitBytes) {
    file_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) fail_to_write(part_, "be opened");
    if (fs::file_size(part_) > request.file.size ||
        (fs::file_size(part_) == 0 && journal_.total_done() > 0)) {
      journal_.clear();  // somebody else's hand was in it
    }
    if (::ftruncate(file_, static_cast<off_t>(request.file.size)) != 0) {
      fail_to_write(part_, "be made as long as the file");
    }
    for (size_t unit = 0; unit < journal_.units(); ++unit) {
      if (journal_.done(unit) < journal_.length(unit)) missing_.push_back(unit);
    }
  }

  ~Fetch() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    if (file_ >= 0) ::close(file_);
  }

  uint64_t run() {
    work();  // this thread is the first connection; the others start when ranges are served
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    if (error_) std::rethrow_exception(error_);
    check_content();
    if (::fdatasync(file_) != 0) fail_to_write(part_, "be brought to the disk");
    ::close(file_);
    file_ = -1;
    if (::rename(part_.c_str(), request_.target.c_str()) != 0) {
      fail_to_write(request_.target, "be put in its place");
    }
    fs::remove(scratch_path(request_, ".journal"));
    return received_;
  }

 private:
  /// What one connection is doing.
  struct Transfer {
    size_t unit = 0;
    Range range;
    bool checked = false;
    bool whole = false;                // the server does not serve ranges
    uint64_t position = 0;             // of the next byte, in the file
    std::vector<std::byte> unwritten;  // what came before it
    Clock::time_point written = Clock::now();
    std::string refusal;  // why the answer was not taken
  };

  std::optional<size_t> next_unit() {
    const std::lock_guard lock(mutex_);
    if (next_ == missing_.size()) return std::nullopt;
    return missing_[next_++];
  }

  void work() {
    try {
      Http http(request_.access, [this] { return stop_ || request_.cancelled(); });
      while (const auto unit = next_unit()) fetch_unit(http, *unit);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_ && !stop_) error_ = std::current_exception();
      stop_ = true;
    }
  }

  void fetch_unit(Http& http, size_t unit) {
    for (int attempt = 1; !has_all(unit); ++attempt) {
      const uint64_t before = journal_.done(unit);
      Transfer transfer;
      transfer.unit = unit;
      transfer.position = journal_.start(unit) + before;
      transfer.range = {transfer.position, journal_.start(unit) + journal_.length(unit) - 1};
      const Response response =
          http.get(request_.url, &transfer.range,
                   [&](const Response& head, auto bytes) { return take(transfer, head, bytes); });
      if (!transfer.unwritten.empty()) put_down(transfer);
      if (has_all(unit)) return start_writing_back(unit);
      if (!transfer.refusal.empty()) {
        throw Error(Status::BadData,
                    fmt::format("{}: {}: {}", hub_.name(), request_.file.path, transfer.refusal));
      }
      if (transfer.whole) forget_whole(transfer);
      const bool progress = journal_.done(unit) > before;
      if (progress) attempt = 0;
      if (progress && response.ok()) continue;  // the server sends less at a time than we ask for
      const bool lasting = !response.is_passing() && !response.ok();
      if (lasting || attempt >= kAttempts) hub_.fail(request_.file.path, response);
      wait(pause_before(std::max(attempt, 1), response),
           [this] { return stop_ || request_.cancelled(); });
    }
  }

  bool has_all(size_t unit) const {
    return whole_done_ || journal_.done(unit) == journal_.length(unit);
  }

  /// Whether the server sends what was asked for; decides how to go on with it.
  bool check_head(Transfer& transfer, const Response& head) {
    transfer.checked = true;
    const uint64_t size = request_.file.size;
    if (head.status == 206) {
      const auto range = parse_content_range(head.header("content-range"));
      if (!range || range->first != transfer.range.first) {
        transfer.refusal = fmt::format("asked for byte {} on, the server sends \"{}\"",
                                       transfer.range.first, head.header("content-range"));
      } else if (range->total != 0 && range->total != size) {
        transfer.refusal =
            fmt::format("the hub lists {} bytes, the server has {}", size, range->total);
      } else {
        start_helpers();
      }
      return transfer.refusal.empty();
    }
    const std::string length = head.header("content-length");
    if (!length.empty() && length != std::to_string(size)) {
      transfer.refusal = fmt::format("the hub lists {} bytes, the server has {}{}", size, length,
                                     head.header("content-type").starts_with("text/html")
                                         ? ": a web page; is there a proxy that wants a login?"
                                         : "");
      return false;
    }
    if (ranged_) {
      transfer.refusal = "the server served ranges, and does no longer";
      return false;
    }
    transfer.whole = true;
    transfer.position = 0;
    transfer.unwritten.clear();
    forget_kept();
    return true;
  }

  bool take(Transfer& transfer, const Response& head, std::span<const std::byte> bytes) {
    if (!transfer.checked && !check_head(transfer, head)) return false;
    const uint64_t end = transfer.whole ? request_.file.size : transfer.range.last + 1;
    const bool too_many = bytes.size() > end - transfer.position;
    if (too_many) bytes = bytes.first(end - transfer.position);
    transfer.unwritten.insert(transfer.unwritten.end(), bytes.begin(), bytes.end());
    transfer.position += bytes.size();
    const bool is_end = transfer.position == end;
    const bool enough =
        transfer.unwritten.size() >= kWriteBytes || Clock::now() - transfer.written >= kWriteTime;
    if ((is_end || enough) && !put_down(transfer)) return false;
    if (is_end && transfer.whole) {
      whole_done_ = !too_many;
      next_ = missing_.size();
      if (too_many)
        transfer.refusal = fmt::format("the hub lists {} bytes, the server sends more", end);
    }
    return !too_many;
  }

  /// Writes what came and tells it: to the journal, whoever hashes, and whoever watches. False, and
  /// `error_`, when the disk takes no more: nothing may be thrown through libcurl.
  bool put_down(Transfer& transfer) {
    const size_t size = transfer.unwritten.size();
    try {
      write(transfer.unwritten, transfer.position - size);
      if (!transfer.whole) {
        journal_.record(transfer.unit, transfer.position - journal_.start(transfer.unit));
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      stop_ = true;
      return false;
    }
    transfer.unwritten.clear();
    transfer.written = Clock::now();
    received_ += size;
    request_.progress(static_cast<int64_t>(size));
    arrived_.notify_one();
    return true;
  }

  /// Writes everything. @throws Error  when the disk takes no more
  void write(std::span<const std::byte> bytes, uint64_t position) {
    while (!bytes.empty()) {
      const ssize_t count =
          ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(position));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail_to_write(part_, "write");
      bytes = bytes.subspan(static_cast<size_t>(count));
      position += static_cast<uint64_t>(count);
    }
  }

  /// The disk works on a unit while the next ones come, so that little is left for the end.
  void start_writing_back(size_t unit) const {
    ::sync_file_range(file_, static_cast<off_t>(journal_.start(unit)),
                      static_cast<off_t>(journal_.length(unit)), SYNC_FILE_RANGE_WRITE);
  }

  void forget_kept() {
    request_.progress(-static_cast<int64_t>(journal_.total_done()));
    journal_.clear();
  }

  void forget_whole(const Transfer& transfer) {
    request_.progress(-static_cast<int64_t>(transfer.position));
  }

  void start_helpers() {
    const std::lock_guard lock(mutex_);
    if (ranged_ || missing_.size() < 2) return;
    ranged_ = true;
    const size_t count = std::min(static_cast<size_t>(request_.connections), missing_.size());
    for (size_t i = 1; i < count; ++i) threads_.emplace_back([this] { work(); });
    if (request_.file.checksum.kind != Checksum::None) {
      threads_.emplace_back([this] { hash_arrived(); });
    }
  }

  /// Bytes from the start of the file that are there without a gap.
  uint64_t frontier(size_t& unit) const {
    while (unit < journal_.units() && journal_.done(unit) == journal_.length(unit)) ++unit;
    return unit == journal_.units() ? request_.file.size
                                    : journal_.start(unit) + journal_.done(unit);
  }

  /// Hashes behind the connections, so that the check costs no second pass at the end.
  void hash_arrived() {
    try {
      Hasher hasher(request_.file.checksum.kind, request_.file.size);
      std::vector<std::byte> buffer(size_t{1} << 20);
      uint64_t hashed = 0;
      size_t unit = 0;
      while (hashed < request_.file.size) {
        const uint64_t ready = frontier(unit);
        if (ready == hashed) {
          std::unique_lock lock(mutex_);
          if (stop_) return;
          arrived_.wait_for(lock, std::chrono::milliseconds(50));
          continue;
        }
        const size_t piece = std::min<uint64_t>(buffer.size(), ready - hashed);
        if (stop_ || !read(std::span(buffer).first(piece), hashed)) return;
        hasher.add(std::span(buffer).first(piece));
        hashed += piece;
      }
      hex_ = hasher.hex();
    } catch (const Error&) {
      hex_.clear();  // the check at the end reads the file
    }
  }

  bool read(std::span<std::byte> bytes, uint64_t position) const {
    return ::pread(file_, bytes.data(), bytes.size(), static_cast<off_t>(position)) ==
           static_cast<ssize_t>(bytes.size());
  }

  void check_content() {
    const Checksum& expected = request_.file.checksum;
    if (expected.kind == Checksum::None) return;
    if (hex_.empty()) {
      hex_ = hash_file(part_, expected.kind, [this](uint64_t) {
        if (request_.cancelled()) throw Error(Status::Cancelled, "cancelled");
      });
    }
    if (hex_ == expected.hex) return;
    fs::remove(part_);
    fs::remove(scratch_path(request_, ".journal"));
    throw SpoiltContent(
        Status::BadData,
        fmt::format("{}: {}: expected {}, as the hub lists it, found {}; what was fetched "
                    "is removed",
                    hub_.name(), request_.file.path, expected.text(), hex_));
  }

  const Hub& hub_;
  const FetchRequest& request_;
  fs::path part_;
  Journal journal_;
  int file_ = -1;
  std::vector<size_t> missing_;   // units
  std::atomic<size_t> next_ = 0;  // into missing_; changed under the lock
  std::atomic<bool> stop_ = false;
  std::atomic<bool> ranged_ = false;      // several connections are at work
  std::atomic<bool> whole_done_ = false;  // the file came by one connection
  std::atomic<uint64_t> received_ = 0;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
  std::string hex_;
};

}  // namespace

uint64_t fetch(const Hub& hub, const FetchRequest& request) { return Fetch(hub, request).run(); }

uint64_t bytes_kept(const FetchRequest& request) {
  const fs::path journal = scratch_path(request, ".journal");
  if (!fs::exists(journal) || request.file.size == 0) return 0;
  return Journal(journal, identity_of(request.file), request.file.size, kUnitBytes).total_done();
}

}  // namespace gesso::models
