// ControlNet: contexts and forward passes.
#include "kinds.hpp"

namespace gesso::golden {

void add_control_kinds(std::map<std::string, Compute>&) {}

}  // namespace gesso::golden
