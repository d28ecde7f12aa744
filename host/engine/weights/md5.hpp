// MD5 (RFC 1321), for names only: never for trust.
#pragma once

#include <string>
#include <string_view>

namespace gesso::weights {

/// 32 lower-case hexadecimal digits.
std::string md5_hex(std::string_view text);

}  // namespace gesso::weights
