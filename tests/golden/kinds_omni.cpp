// The Omni transformer.
#include "kinds.hpp"

namespace gesso::golden {

void add_omni_kinds(std::map<std::string, Compute>&) {}

}  // namespace gesso::golden
