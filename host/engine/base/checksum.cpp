#include "engine/base/checksum.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <system_error>
#include <vector>

#include "gesso/cpp/error.hpp"

namespace gesso::base {

std::string Checksum::text() const {
  if (kind == None) return "no checksum";
  return fmt::format("{} {}", kind == Sha256 ? "sha256" : "git blob", hex);
}

Checksum checksum_of(const std::string& hex) {
  const bool digits = std::ranges::all_of(hex, [](unsigned char c) { return std::isxdigit(c); });
  std::string low = hex;
  std::ranges::transform(low, low.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (digits && hex.size() == 64) return {Checksum::Sha256, low};
  if (digits && hex.size() == 40) return {Checksum::GitBlob, low};
  return {};
}

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(Checksum::Kind kind, uint64_t file_size) : state_(std::make_unique<State>()) {
  const EVP_MD* method = kind == Checksum::GitBlob ? EVP_sha1() : EVP_sha256();
  if (!state_->context || EVP_DigestInit_ex(state_->context, method, nullptr) != 1) {
    throw Error(Status::Internal, "libcrypto gives no hash");
  }
  if (kind == Checksum::GitBlob) {
    const std::string head = fmt::format("blob {}", file_size);
    add(std::as_bytes(std::span(head.c_str(), head.size() + 1)));  // with its final 0
  }
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;

void Hasher::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Hasher::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest, &size);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string hash_file(const std::filesystem::path& path, Checksum::Kind kind,
                      const std::function<void(uint64_t)>& piece) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    throw Error(Status::Denied, fmt::format("{}: cannot be read: {}", path.string(),
                                            std::generic_category().message(errno)));
  }
  const struct Closer {
    int file;
    ~Closer() { ::close(file); }
  } closer{file};
  Hasher hasher(kind, std::filesystem::file_size(path));
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (;;) {
    const ssize_t count = ::read(file, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error(Status::Denied, fmt::format("{}: cannot be read: {}", path.string(),
                                              std::generic_category().message(errno)));
    }
    if (count == 0) return hasher.hex();
    hasher.add({buffer.data(), static_cast<size_t>(count)});
    if (piece) piece(static_cast<uint64_t>(count));
  }
}

}  // namespace gesso::base
