// Storage formats: encoding, decoding, products.
#include "kinds.hpp"

namespace gesso::golden {

void add_storage_kinds(std::map<std::string, Compute>&) {}

}  // namespace gesso::golden
