# gesso_precompile(target base|torch|parallel|runtime): the headers that most files of a kind include are compiled once.
#
# Files still include what they use; CMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without. Targets share the
# precompiled headers of one small library, so their code generation has to agree (all are compiled
# as position-independent code with hidden symbols).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(gesso_precompile_option -fpch-preprocess)  # for ccache
endif()

function(gesso_precompiled_headers name)
  cmake_parse_arguments(arg "" "" "LIBRARIES;HEADERS" ${ARGN})
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp CONTENT "// Carries precompiled headers.\n")
  add_library(gesso_precompiled_${name} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp)
  target_link_libraries(gesso_precompiled_${name} PRIVATE ${arg_LIBRARIES})
  target_compile_options(gesso_precompiled_${name} PRIVATE ${gesso_precompile_option})
  target_precompile_headers(gesso_precompiled_${name} PRIVATE ${arg_HEADERS})
endfunction()

set(standard_headers <algorithm> <array> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span>
  <string> <string_view> <utility> <vector>)
set(torch_headers <ATen/core/Tensor.h> <ATen/TensorOperators.h> <ATen/ops/empty.h> <ATen/Parallel.h>)

gesso_precompiled_headers(base LIBRARIES gesso_fmt nlohmann_json::nlohmann_json
  HEADERS ${standard_headers} <fmt/format.h> <nlohmann/json.hpp>)
gesso_precompiled_headers(torch LIBRARIES gesso_libtorch HEADERS ${standard_headers} ${torch_headers})
gesso_precompiled_headers(parallel LIBRARIES gesso_libtorch_parallel HEADERS ${standard_headers} ${torch_headers})
gesso_precompiled_headers(runtime LIBRARIES gesso_libtorch gesso_fmt nlohmann_json::nlohmann_json
  HEADERS ${standard_headers} ${torch_headers} <fmt/format.h> <nlohmann/json.hpp>)

function(gesso_precompile target kind)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${gesso_precompile_option}>)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE -fPIC)  # as the headers are
  endif()
  target_precompile_headers(${target} REUSE_FROM gesso_precompiled_${kind})
endfunction()
