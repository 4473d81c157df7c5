# Compiler flags, ccache, mold and sanitizers: everything that holds for every target.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(NARTHEX_CCACHE ccache)
if(NARTHEX_CCACHE)
  # Paths relative to the source tree, so that clones in different folders share the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${NARTHEX_CCACHE})
endif()
find_program(NARTHEX_MOLD mold)
if(NARTHEX_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror -Wno-missing-field-initializers
                    -ffp-contract=off -fno-omit-frame-pointer -fstack-protector-strong
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2 -mtune=generic)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these inside the standard library at -O1 and -O2.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                      -Wno-stringop-overread -Wno-array-bounds -Wno-dangling-pointer)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # libstdc++ 12 uses one of its own deprecated functions in stable_sort.
  add_compile_options(-Wthread-safety -Wno-deprecated-declarations -Wno-sign-conversion -Wno-implicit-int-float-conversion)
endif()
if(NARTHEX_SANITIZE)
  add_compile_options(-fsanitize=${NARTHEX_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NARTHEX_SANITIZE})
  if(NARTHEX_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio has fences, which ThreadSanitizer does not see; its locks, which it does see, suffice.
    add_compile_options(-Wno-tsan)
  endif()
endif()
if(NARTHEX_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(NARTHEX_FAULT_POINTS)
  add_compile_definitions(NARTHEX_FAULT_POINTS=1)
endif()
