#include "nn/cpu_features.hpp"

namespace gesso::nn {

bool has_native_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");  // every processor with AMX has it, too
#else
  return false;
#endif
}

bool has_bf16_tiles() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("amx-bf16");
#else
  return false;
#endif
}

bool has_int8_products() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vnni") || __builtin_cpu_supports("avxvnni") ||
         __builtin_cpu_supports("amx-int8");
#else
  return false;
#endif
}

}  // namespace gesso::nn
