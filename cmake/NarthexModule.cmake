# narthex_module(NAME tsdb LEVEL 4 SOURCES a.cc … DEPS storage wal … LIBS dep::fmt …
#                TESTS a_test.cc … TESTING_SOURCES testing/fake.cc … TESTING_DEPS …)
#
# One folder, one static library narthex_<name> (slashes become underscores). DEPS are modules of
# lower levels: configure fails on any other. TESTS become one GoogleTest program per module, and
# TESTING_SOURCES (fakes, naive twins) a library narthex_<name>_testing that only tests link.
set_property(GLOBAL PROPERTY NARTHEX_MODULES "")

function(narthex_module)
  cmake_parse_arguments(M "" "NAME;LEVEL" "SOURCES;DEPS;LIBS;TESTS;TESTING_SOURCES;TESTING_DEPS;TEST_DEPS"
                        ${ARGN})
  string(REPLACE "/" "_" id ${M_NAME})
  set(target narthex_${id})
  if(M_SOURCES)
    add_library(${target} STATIC ${M_SOURCES})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
                                       $<INSTALL_INTERFACE:include>
                             $<INSTALL_INTERFACE:include/narthex>)
  set_property(GLOBAL PROPERTY NARTHEX_LEVEL_${id} ${M_LEVEL})
  set_property(GLOBAL APPEND PROPERTY NARTHEX_MODULES ${M_NAME})
  foreach(dep IN LISTS M_DEPS)
    string(REPLACE "/" "_" dep_id ${dep})
    get_property(level GLOBAL PROPERTY NARTHEX_LEVEL_${dep_id})
    if(level STREQUAL "")
      message(FATAL_ERROR "module ${M_NAME} names ${dep}, which is not declared before it")
    endif()
    if(NOT level LESS M_LEVEL)
      message(FATAL_ERROR "layers: ${M_NAME} (level ${M_LEVEL}) may not use ${dep} (level ${level})")
    endif()
    target_link_libraries(${target} ${scope} narthex_${dep_id})
  endforeach()
  target_link_libraries(${target} ${scope} ${M_LIBS})
  # What tools/check_layers.py compares with the includes that the files really have.
  set_property(GLOBAL APPEND_STRING PROPERTY NARTHEX_LAYERS "${M_NAME} ${M_LEVEL} ${M_DEPS}\n")

  if(M_TESTING_SOURCES AND (NARTHEX_TESTS OR NARTHEX_FUZZ OR NARTHEX_BENCH))
    add_library(${target}_testing STATIC ${M_TESTING_SOURCES})
    target_link_libraries(${target}_testing PUBLIC ${target})
  endif()
  if(M_TESTS AND NARTHEX_TESTS)
    add_executable(${target}_test ${M_TESTS})
    target_link_libraries(${target}_test PRIVATE ${target} GTest::gmock GTest::gtest_main)
    if(TARGET ${target}_testing)
      target_link_libraries(${target}_test PRIVATE ${target}_testing)
    endif()
    foreach(dep IN LISTS M_TEST_DEPS)
      string(REPLACE "/" "_" dep_id ${dep})
      target_link_libraries(${target}_test PRIVATE narthex_${dep_id})
    endforeach()
    foreach(dep IN LISTS M_TESTING_DEPS)
      string(REPLACE "/" "_" dep_id ${dep})
      target_link_libraries(${target}_test PRIVATE narthex_${dep_id}_testing)
    endforeach()
    target_compile_definitions(${target}_test PRIVATE
        NARTHEX_SOURCE_DIR="${CMAKE_SOURCE_DIR}" NARTHEX_CONFORMANCE_DIR="${NARTHEX_CONFORMANCE}")
    gtest_discover_tests(${target}_test TEST_PREFIX "${M_NAME}." DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()

if(NARTHEX_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
