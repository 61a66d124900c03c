# torc_library(NAME FOLDER f SOURCES … DEPS … LIBS …)
#
# One library per folder. A library's headers are reachable only by the folders that name it in
# DEPS: each gets an include root of its own that holds nothing but a link to the folder, so
# `#include "gossip/gossip.h"` in a folder that does not depend on gossip does not compile.
function(torc_library name)
  cmake_parse_arguments(ARG "" "FOLDER" "SOURCES;DEPS;LIBS" ${ARGN})
  set(root ${CMAKE_BINARY_DIR}/include/${name})
  get_filename_component(parent ${root}/${ARG_FOLDER} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${ARG_FOLDER} ${root}/${ARG_FOLDER} SYMBOLIC)
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${root})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS})
endfunction()

# torc_tests(NAME SUITES file DEPS … SOURCES …): one CUnit program; SUITES is an X-list of suites.
function(torc_tests name)
  cmake_parse_arguments(ARG "" "SUITES" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/unit/runner.c ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE SUITES_FILE="${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SUITES}")
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} cunit)
  add_test(NAME ${name} COMMAND ${name})
  if(TORC_SANITIZE STREQUAL thread)
    set_tests_properties(${name} PROPERTIES ENVIRONMENT
                         TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp)
  endif()
endfunction()

# torc_fuzz(NAME SOURCES … DEPS …): a libFuzzer target, only in the fuzz preset.
function(torc_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(TORC_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  endif()
endfunction()

# torc_bench(NAME SOURCES … DEPS …): a benchmark of a core (tests/bench/README.md).
function(torc_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/bench/bench.c ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()
