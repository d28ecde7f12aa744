// What a plugin must leave as it found it (rule R10).
#pragma once

#include <string>

namespace gesso::validate {

/// A picture of the process: floating-point control, locale, folder, environment, signal handlers,
/// mask of file permissions.
class Surroundings {
 public:
  static Surroundings now();
  /// "" when both are equal; else what changed, in words.
  std::string difference(const Surroundings& later) const;

 private:
  std::string floating_point_, locale_, folder_, environment_, signals_, mask_;
};

/// Bytes of the heap that are in use now; 0 where that is not known.
uint64_t heap_bytes();
/// Bytes that one load of a library may leave, whatever it does: the address sanitizer keeps 32 for
/// each static destructor until the end of the process.
uint64_t bytes_kept_of_load();
/// Pieces of memory that are mapped now.
size_t mapping_count();

}  // namespace gesso::validate
