# `cmake --install DIR --component library` installs what `find_package(narthex)` needs:
#   narthex::narthex   TSDB and PromQL, header <narthex/database.h>
#   narthex::sdk       the metrics SDK with its OTLP exporter, headers below <narthex/…>
# Every module below the two is installed as a static archive of its own.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# All targets of this project that `target` links, itself included, into `out`.
function(narthex_closure target out)
  set(all ${${out}})
  if(target IN_LIST all)
    return()
  endif()
  list(APPEND all ${target})
  get_target_property(links ${target} INTERFACE_LINK_LIBRARIES)
  foreach(link IN LISTS links)
    if(link MATCHES "^dep::(.*)")
      set(link dep_${CMAKE_MATCH_1})
    endif()
    if(link MATCHES "^(narthex_|dep_)")
      narthex_closure(${link} all)
    endif()
  endforeach()
  set(${out} ${all} PARENT_SCOPE)
endfunction()

set(targets)
narthex_closure(narthex_embed targets)
narthex_closure(narthex_telemetry targets)
set_target_properties(narthex_embed PROPERTIES EXPORT_NAME narthex)
set_target_properties(narthex_telemetry PROPERTIES EXPORT_NAME sdk)
install(TARGETS ${targets} EXPORT narthexTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/narthex COMPONENT library)

# The public header of the database stands alone; the SDK's templates need those below them.
install(FILES ${CMAKE_SOURCE_DIR}/src/embed/database.h
        DESTINATION include/narthex COMPONENT library)
foreach(module base config model otlp sdk telemetry)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/src/${module}
          DESTINATION include/narthex COMPONENT library
          FILES_MATCHING PATTERN "*.h" PATTERN testing EXCLUDE)
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/src/net
        DESTINATION include/narthex COMPONENT library
        FILES_MATCHING PATTERN "*.h" PATTERN testing EXCLUDE PATTERN internal EXCLUDE)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/narthex)
install(EXPORT narthexTargets NAMESPACE narthex:: DESTINATION ${package} COMPONENT library)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/narthexConfig.cmake.in
                              ${CMAKE_BINARY_DIR}/narthexConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/narthexConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/narthexConfig.cmake ${CMAKE_BINARY_DIR}/narthexConfigVersion.cmake
        DESTINATION ${package} COMPONENT library)

add_custom_target(library DEPENDS narthex_embed narthex_telemetry)
