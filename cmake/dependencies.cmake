# Every package that the tree uses, in one place. A missing one names what to install.
function(gesso_require name package)
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} was not found. Install ${package}, or run ./scripts/setup.")
  endif()
endfunction()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_package(fmt QUIET)
gesso_require(fmt libfmt-dev)
find_package(nlohmann_json QUIET)
gesso_require(nlohmann_json nlohmann-json3-dev)
find_package(tomlplusplus QUIET)
gesso_require(tomlplusplus libtomlplusplus-dev)
find_path(tomlplusplus_FORWARD toml++/impl/forward_declarations.h)
if(NOT tomlplusplus_FORWARD)  # it ends with .hpp since 3.4
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/toml++/toml++/impl/forward_declarations.h
    CONTENT "#include <toml++/impl/forward_declarations.hpp>\n")
  target_include_directories(tomlplusplus::tomlplusplus INTERFACE ${PROJECT_BINARY_DIR}/toml++)
endif()
find_package(CLI11 QUIET)
gesso_require(CLI11 libcli11-dev)
find_package(Boost QUIET)
gesso_require(Boost libboost-dev)

pkg_check_modules(spng IMPORTED_TARGET spng)
gesso_require(spng libspng-dev)
pkg_check_modules(turbojpeg IMPORTED_TARGET libturbojpeg)
gesso_require(turbojpeg libturbojpeg0-dev)
pkg_check_modules(webp IMPORTED_TARGET libwebp)
gesso_require(webp libwebp-dev)
# OpenCV's own package file would want all of it; two libraries are enough.
find_path(OpenCV_INCLUDE opencv2/imgproc.hpp PATH_SUFFIXES opencv4)
find_library(OpenCV_CORE opencv_core)
find_library(OpenCV_IMGPROC opencv_imgproc)
if(OpenCV_INCLUDE AND OpenCV_CORE AND OpenCV_IMGPROC)
  set(OpenCV_FOUND TRUE)
endif()
gesso_require(OpenCV libopencv-imgproc-dev)
add_library(gesso_opencv INTERFACE)
target_include_directories(gesso_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE})
target_link_libraries(gesso_opencv INTERFACE ${OpenCV_IMGPROC} ${OpenCV_CORE})
find_path(csv_INCLUDE csv.h)
find_library(csv_LIBRARY csv)
if(csv_INCLUDE AND csv_LIBRARY)
  set(csv_FOUND TRUE)
endif()
gesso_require(csv libcsv-dev)
add_library(gesso_csv INTERFACE)
target_include_directories(gesso_csv SYSTEM INTERFACE ${csv_INCLUDE})
target_link_libraries(gesso_csv INTERFACE ${csv_LIBRARY})
pkg_check_modules(pcre2 IMPORTED_TARGET libpcre2-8)
gesso_require(pcre2 libpcre2-dev)
pkg_check_modules(icu IMPORTED_TARGET icu-uc)
gesso_require(icu libicu-dev)
pkg_check_modules(sentencepiece IMPORTED_TARGET sentencepiece)
gesso_require(sentencepiece libsentencepiece-dev)
# The .pc file also names the trainer, which nothing here needs.
add_library(gesso_sentencepiece INTERFACE)
target_include_directories(gesso_sentencepiece SYSTEM INTERFACE ${sentencepiece_INCLUDE_DIRS})
target_link_directories(gesso_sentencepiece INTERFACE ${sentencepiece_LIBRARY_DIRS})
target_link_libraries(gesso_sentencepiece INTERFACE sentencepiece)

# libtorch: Torch_DIR or CMAKE_PREFIX_PATH if given, else the one of the project's environment,
# else the one of the python3 on the PATH.
if(NOT Torch_DIR)
  foreach(python ${PROJECT_SOURCE_DIR}/.venv/bin/python3 python3)
    execute_process(COMMAND ${python} -c "import torch; print(torch.utils.cmake_prefix_path)"
      OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      list(APPEND CMAKE_PREFIX_PATH ${prefix})
      break()
    endif()
  endforeach()
endif()
set(gesso_saved_flags "${CMAKE_CXX_FLAGS}")
find_package(Torch QUIET)
gesso_require(Torch "libtorch (pip install torch==2.13.0)")
set(CMAKE_CXX_FLAGS "${gesso_saved_flags}")
list(APPEND CMAKE_INSTALL_RPATH ${TORCH_INSTALL_PREFIX}/lib)  # libtorch stays where it is

# fmt header-only: the torch wheel ships its own fmt headers, which hide the system's.
add_library(gesso_fmt INTERFACE)
target_link_libraries(gesso_fmt INTERFACE fmt::fmt-header-only)

# libtorch without the globals of its CMake config.
add_library(gesso_libtorch INTERFACE)
target_include_directories(gesso_libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(gesso_libtorch INTERFACE torch torch_cpu c10)
target_compile_definitions(gesso_libtorch INTERFACE AT_PER_OPERATOR_HEADERS)  # narrow headers only
