# Writes a C file that holds migrations/*.sql and migrations/functions/*.sql with their SHA-256.
#   cmake -DSOURCE=<migrations> -DOUTPUT=<file.c> -P embed_migrations.cmake
function(embed files list_name)
    set(rows "")
    set(arrays "")
    foreach(file ${files})
        get_filename_component(name ${file} NAME_WE)
        file(READ ${file} bytes HEX)
        file(SHA256 ${file} checksum)
        string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
        string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
        string(APPEND arrays "static const char ${list_name}_${name}[] = {\n${bytes}'\\0'};\n")
        string(APPEND rows "    {\"${name}\", ${list_name}_${name}, \"${checksum}\"},\n")
    endforeach()
    set(text "${text}${arrays}\nstatic const struct migration ${list_name}[] = {\n${rows}};\n\n" PARENT_SCOPE)
endfunction()

file(GLOB migrations ${SOURCE}/*.sql)
file(GLOB functions ${SOURCE}/functions/*.sql)
list(SORT migrations)
list(SORT functions)

set(text "/* Made from migrations/ by cmake/embed_migrations.cmake. */\n#include \"pg/migration_set.h\"\n\n")
embed("${migrations}" migrations)
embed("${functions}" functions)
string(APPEND text "const struct migration_set migration_set_embedded = {\n"
    "    .migrations = migrations,\n    .migration_count = sizeof(migrations) / sizeof(migrations[0]),\n"
    "    .functions = functions,\n    .function_count = sizeof(functions) / sizeof(functions[0]),\n};\n")
file(WRITE ${OUTPUT} "${text}")
