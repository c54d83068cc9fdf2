# Flags of our own code; generated code is its own target without the warnings.
include(CheckCCompilerFlag)

add_library(dues_flags INTERFACE)
target_compile_options(dues_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wundef -Wvla -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wimplicit-fallthrough -Wswitch-enum -Wcast-qual
    -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
    -fno-strict-aliasing -fno-omit-frame-pointer
    -include ${PROJECT_SOURCE_DIR}/src/base/banned.h)
target_include_directories(dues_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(dues_flags INTERFACE _GNU_SOURCE DUES_VERSION="${PROJECT_VERSION}")
# The __INIT macros of protobuf-c cast the const of an empty string away.  gcc knows that they stand in a
# system header and checks the rest; clang blames the line that uses them.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    target_compile_options(dues_flags INTERFACE -Wno-cast-qual)
endif()
if(DUES_FAIL_POINTS)
    target_compile_definitions(dues_flags INTERFACE DUES_FAIL_POINTS)
endif()
if(DUES_WERROR)
    target_compile_options(dues_flags INTERFACE -Werror)
endif()

if(DUES_HARDENING)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fno-delete-null-pointer-checks -fno-strict-overflow)
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero)
        string(MAKE_C_IDENTIFIER "HAS${flag}" has)
        check_c_compiler_flag(${flag} ${has})
        if(${has})
            add_compile_options(${flag})
        endif()
    endforeach()
    add_link_options(-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()

if(DUES_SANITIZE)
    add_compile_options(-fsanitize=${DUES_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${DUES_SANITIZE})
endif()

# libFuzzer counts the edges of all our code; tests/fuzz links its main().
if(DUES_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
