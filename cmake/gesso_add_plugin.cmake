# gesso_add_plugin(<name> KIND <kind> SOURCES ... [MANIFEST file] [VARIANTS file...] [LIBRARIES target...]
#                  [INSTALL folder])
#
# Builds <name>.so as a Gesso plugin: hidden symbols, one exported entry, nothing left undefined. The
# manifest (default: <name>.gesso.toml) and the variants are put beside the library, and so is a link to
# <name>.validate.toml, what `gesso validate` tries it with. With INSTALL all but the link are installed there, and the
# installed manifest gets the SHA-256 of the installed library: what stripping and run paths change has happened by then.
function(gesso_add_plugin name)
  cmake_parse_arguments(arg "" "KIND;MANIFEST;OUTPUT_DIRECTORY;INSTALL" "SOURCES;VARIANTS;LIBRARIES" ${ARGN})
  if(NOT arg_KIND OR NOT arg_SOURCES)
    message(FATAL_ERROR "gesso_add_plugin(${name}): KIND and SOURCES are needed")
  endif()
  if(NOT arg_MANIFEST)
    set(arg_MANIFEST ${name}.gesso.toml)
  endif()
  get_filename_component(manifest_name ${arg_MANIFEST} NAME)
  set(directory "${arg_OUTPUT_DIRECTORY}")
  if(NOT directory AND GESSO_PLUGIN_OUTPUT_DIR)
    set(directory ${GESSO_PLUGIN_OUTPUT_DIR}/${name})
  elseif(NOT directory)
    set(directory ${CMAKE_CURRENT_BINARY_DIR})
  endif()

  set(target gesso_plugin_${arg_KIND}_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  if(GESSO_PLUGIN_OUTPUT_DIR AND NOT arg_OUTPUT_DIRECTORY)
    set_property(GLOBAL APPEND PROPERTY GESSO_PLUGINS ${target})
    set_property(GLOBAL APPEND PROPERTY GESSO_SHIPPED_PLUGINS ${name}/${manifest_name})
    if(PROJECT_NAME STREQUAL "gesso" AND NOT arg_INSTALL)
      set(arg_INSTALL lib/gesso/plugins/${name})
    endif()
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${directory}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_link_libraries(${target} PRIVATE gesso::sdk ${arg_LIBRARIES})
  if(UNIX AND NOT APPLE)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.version
      "{ global: gesso_plugin_entry_*; local: *; };\n")
    target_link_options(${target} PRIVATE
      -Wl,--version-script,${CMAKE_CURRENT_BINARY_DIR}/${name}.version -Wl,-z,defs)
  endif()
  if(COMMAND gesso_warnings)
    gesso_warnings(${target})
  endif()

  set(data ${arg_MANIFEST} ${arg_VARIANTS})
  foreach(file ${data})
    get_filename_component(file_name ${file} NAME)
    configure_file(${file} ${directory}/${file_name} COPYONLY)
  endforeach()
  set(sample ${CMAKE_CURRENT_SOURCE_DIR}/${name}.validate.toml)
  if(EXISTS ${sample})
    file(CREATE_LINK ${sample} ${directory}/${name}.validate.toml SYMBOLIC)
  endif()
  if(arg_INSTALL)
    install(TARGETS ${target} LIBRARY DESTINATION ${arg_INSTALL})
    install(FILES ${data} DESTINATION ${arg_INSTALL})
    set(folder "${arg_INSTALL}")
    if(NOT IS_ABSOLUTE "${folder}")
      set(folder "\${CMAKE_INSTALL_PREFIX}/${arg_INSTALL}")
    endif()
    install(CODE "execute_process(OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY COMMAND
      \"$<TARGET_FILE:gesso::program>\" plugins sign \"\$ENV{DESTDIR}${folder}/${manifest_name}\")")
  endif()
endfunction()
