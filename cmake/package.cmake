# Packages: `cpack --config build/release/CPackConfig.cmake` makes a tarball that runs from any folder,
# and a .deb where dpkg is. Both hold what `cmake --install` installs. libtorch is in neither: it is
# found where it was when this was built, or in lib/libtorch (a link will do).
set(CPACK_PACKAGE_NAME gesso)
set(CPACK_PACKAGE_VENDOR Gesso)
set(CPACK_PACKAGE_CONTACT "the authors of Gesso <gesso@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME gesso-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_GENERATOR TGZ)

find_program(GESSO_DPKG_SHLIBDEPS dpkg-shlibdeps)
if(GESSO_DPKG_SHLIBDEPS)
  list(APPEND CPACK_GENERATOR DEB)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)  # which libraries it needs
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${TORCH_INSTALL_PREFIX}/lib)
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "cmake, pkg-config")
endif()
include(CPack)
