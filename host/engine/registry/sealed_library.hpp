// A library whose content was compared with a digest, to be mapped exactly as it was compared.
#pragma once

#include <filesystem>
#include <string>

namespace gesso::registry {

/// A copy in memory that nobody can change any more. The file may be replaced, or written to, while
/// it is read and afterwards: what is mapped is what was hashed. (The same opened file would not
/// do: whoever can write to it changes pages that are not mapped yet.)
class SealedLibrary {
 public:
  /// @throws Error  Denied when it has another digest (expected, found, likely cause) or cannot be
  ///                read
  SealedLibrary(const std::filesystem::path& file, const std::string& sha256);
  ~SealedLibrary();
  SealedLibrary(const SealedLibrary&) = delete;
  SealedLibrary& operator=(const SealedLibrary&) = delete;

  /// What to give to the dynamic loader.
  std::filesystem::path path() const;
  /// After it was mapped: the loader knows libraries by their paths, so this one's must never come
  /// to mean another.
  void keep() { descriptor_ = -1; }

 private:
  int descriptor_ = -1;
};

}  // namespace gesso::registry
