# Where things go and how they are compiled, for all targets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The tree of the build is the tree of an installation: bin, lib, lib/gesso/plugins.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(GESSO_PLUGIN_OUTPUT_DIR ${PROJECT_BINARY_DIR}/lib/gesso/plugins)

set(CMAKE_INSTALL_RPATH "$ORIGIN;$ORIGIN/../lib")

# Level 3 takes a third longer to compile and helps loops over numbers only, which ask for it themselves.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(GESSO_CCACHE ccache)
if(GESSO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${GESSO_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(GESSO_MOLD mold)
if(GESSO_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
if(GESSO_SANITIZE)
  add_compile_options(-fsanitize=${GESSO_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${GESSO_SANITIZE})
endif()
