# What `cmake --install` puts where: headers, libgesso and its runtime, the program, plugins under
# lib/gesso/plugins, samples, templates, documentation, and a CMake package and a pkg-config file, so
# that strangers build against it. Everything finds everything relative to itself: the tree may be
# moved. libtorch stays where it was, or is found in lib/libtorch.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/ DESTINATION include)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/samples DESTINATION share/gesso PATTERN build EXCLUDE
  PATTERN __pycache__ EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/template DESTINATION share/gesso)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/schemas DESTINATION share/gesso)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION share/doc/gesso)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION share/doc/gesso FILES_MATCHING PATTERN *.md)

set(package_dir lib/cmake/gesso)
install(TARGETS gesso_sdk gesso_cpp EXPORT gessoTargets)
install(EXPORT gessoTargets NAMESPACE gesso:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/gessoConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/gessoConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/gessoConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/gessoConfig.cmake ${PROJECT_BINARY_DIR}/package/gessoConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/gesso_add_plugin.cmake DESTINATION ${package_dir})

configure_file(${PROJECT_SOURCE_DIR}/cmake/gesso.pc.in ${PROJECT_BINARY_DIR}/gesso.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gesso.pc DESTINATION lib/pkgconfig)
